"""A widget that is a list of finished lines. Only what differs from the lines before it goes to the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget


class Pane(Widget):
    """Line API with its own difference: Textual has none and would send a whole dirty region again."""

    can_focus = False

    class Resized(Message):
        """It has another size now: what it shows has to be made for that."""

    def __init__(self, *, id: str) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id)
        self.lines: list[Strip] = []

    def show(self, lines: Sequence[Strip]) -> None:
        """Put these lines in place of those before; lines are as wide as the widget."""
        old, self.lines = self.lines, list(lines)
        regions = [
            Region(first, y, last - first, 1)
            for y in range(max(len(old), len(self.lines)))
            for first, last in [changed(_at(old, y), _at(self.lines, y))]
            if last > first
        ]
        if regions:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        return self.lines[y] if y < len(self.lines) else Strip.blank(self.size.width)

    def on_resize(self) -> None:
        self.post_message(self.Resized())

    def render(self) -> str:
        return ""


def _at(lines: list[Strip], y: int) -> Strip | None:
    return lines[y] if y < len(lines) else None


def changed(old: Strip | None, new: Strip | None) -> tuple[int, int]:
    """First and past-the-last cell in which two lines differ; equal numbers where they do not."""
    if old is new:
        return 0, 0
    if old is None or new is None or old.cell_length != new.cell_length:
        return 0, max(strip.cell_length for strip in (old, new) if strip is not None)
    before, after = list(old), list(new)
    if before == after:
        return 0, 0
    first = 0
    while before and after and before[0] == after[0]:
        first += before[0].cell_length
        del before[0], after[0]
    last = new.cell_length
    while before and after and before[-1] == after[-1]:
        last -= before[-1].cell_length
        del before[-1], after[-1]
    if before and after and before[-1].style == after[-1].style:
        last -= _same_end(before[-1].text, after[-1].text)
    return first, last


def _same_end(old: str, new: str) -> int:
    """Cells of the blanks that both texts end in."""
    return min(len(old) - len(old.rstrip(" ")), len(new) - len(new.rstrip(" ")))
