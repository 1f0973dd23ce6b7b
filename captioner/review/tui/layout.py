"""Where things stand on a screen of any size. Pure and standard library only: the first page uses it too."""

from __future__ import annotations

from typing import NamedTuple

WIDE = 100
"""Columns from which the list and the clip stand side by side."""


class Layout(NamedTuple):
    width: int
    height: int
    list_width: int
    """0 where the clip has the whole width."""
    detail_width: int
    """0 where the list has it."""
    rows: int
    """Clips that the list shows at once."""

    @property
    def wide(self) -> bool:
        return bool(self.list_width and self.detail_width)


def layout(width: int, height: int, *, opened: bool, panel: int = 0) -> Layout:
    """`opened`: below 100 columns, whether the clip is shown and not the list. `panel`: lines that a prompt takes.

    One line above is the title, one is the list's head, two below are the state and the keys.
    """
    rows = max(height - 4 - panel, 1)
    if width < WIDE:
        return Layout(width, height, 0 if opened else width, width if opened else 0, rows)
    listed = max(44, min(width * 42 // 100, 84))
    return Layout(width, height, listed, width - listed - 1, rows)


def top_of(cursor: int, top: int, rows: int, total: int) -> int:
    """First clip to show so that the cursor is in sight: a cursor that leaves the page moves it by half a page, so
    that most steps repaint two lines only."""
    last = max(total - rows, 0)
    if top <= cursor < top + rows:
        return min(top, last)
    half = rows // 2
    wanted = cursor - half if cursor < top or cursor >= top + rows + half else top + half
    return max(0, min(wanted if wanted <= cursor < wanted + rows else cursor - half, last))


def digits_of(total: int) -> int:
    return max(len(str(total)), 3)
