"""The gpu extra in a clean environment; see `gpu_install`. Only where it is asked for: it downloads 3 GB."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import gpu_install

ASKED = "CAPTIONER_TEST_INSTALL"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_gpu_extra_installs_and_everything_imports(tmp_path: Path) -> None:
    if not os.environ.get(ASKED):
        pytest.skip(f"set {ASKED}=1, or run `make test-gpu-install`")
    assert gpu_install.main(["--keep", str(tmp_path / "environment")]) == 0
