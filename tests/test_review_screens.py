"""The screen looks as its goldens do in every size and look; `python -m tests.goldens.make_screens` makes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.goldens import make_screens
from tests.screen_grid import EDGE


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_screens.dataset(tmp_path_factory.mktemp("screens"))


@pytest.mark.parametrize("case", list(make_screens.cases()), ids=lambda case: make_screens.file_of(*case).stem)
def test_screen(case: tuple[str, tuple[int, int], str], out: Path) -> None:
    assert make_screens.screen(out, *case) == make_screens.file_of(*case).read_text(encoding="utf-8")


def test_every_line_of_a_golden_is_as_wide_as_its_screen_at_most() -> None:
    for case in make_screens.cases():
        text, roles, _ = make_screens.file_of(*case).read_text(encoding="utf-8").split(EDGE + "\n")
        width, height = case[1]
        assert len(text.splitlines()) == len(roles.splitlines()) == height
        assert max(map(len, text.splitlines())) <= width
        if case[2] == "ascii":
            assert text.isascii()
