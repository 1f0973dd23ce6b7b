"""Tests marked `gpu` run wherever there is a GPU, and are skipped elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from checking import Studio


@pytest.fixture(scope="session")
def torch() -> Any:
    """The module; the test is skipped where it is not installed."""
    return pytest.importorskip("torch")


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """Makes tiny clips, each kind once."""
    from checking import Studio

    return Studio(tmp_path_factory.mktemp("studio"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    from captioner.models import cuda

    found = cuda.ready()
    if not found.usable:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=f"no GPU: {found.why}"))
