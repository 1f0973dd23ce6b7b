"""The clip list: as quick with 100,000 clips as with 200, since it only ever knows the page that it shows."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message
from textual.strip import Strip

from captioner.review.tui.layout import digits_of
from captioner.review.tui.look import Look
from captioner.review.tui.pane import Pane
from captioner.review.tui.rows import Row, row_pieces


class ClipList(Pane):
    """Head and rows. `Picked` says which row of the page was clicked; `Rolled` how far a wheel turned."""

    class Picked(Message):
        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

    class Rolled(Message):
        def __init__(self, rows: int) -> None:
            super().__init__()
            self.rows = rows

    def __init__(self) -> None:
        super().__init__(id="list")
        self._made: dict[tuple[Row, bool, int, str], Strip] = {}

    def draw(self, rows: Sequence[Row], cursor: int, shown: int, total: int, look: Look, empty: str) -> None:
        """`rows` of the page; `cursor` among them (-1: none); `shown` clips pass the filter, of `total`."""
        width = self.size.width
        if width < 1:
            return
        counted = f" {shown:,} of {total:,} clips" if shown != total else f" {total:,} clips"
        lines = [look.strip([(counted.replace(",", " "), "bar_soft")], width, "bar_soft")]
        made: dict[tuple[Row, bool, int, str], Strip] = {}
        style = f"{look.name}{look.ascii_only}{digits_of(total)}"
        for place, row in enumerate(rows):
            key = (row, place == cursor, width, style)
            pieces = None if key in self._made else row_pieces(row, width, digits_of(total), look.glyphs, cursor=key[1])
            made[key] = self._made[key] if pieces is None else look.strip(pieces, width, "cursor" if key[1] else "text")
            lines.append(made[key])
        self._made = made
        if not rows:
            lines += [look.blank(width), look.strip([("  " + empty, "soft")], width)]
        lines += [look.blank(width)] * (self.size.height - len(lines))
        self.show(lines)

    def on_click(self, event: events.Click) -> None:
        if event.y:
            self.post_message(self.Picked(event.y - 1))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.post_message(self.Rolled(3))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.post_message(self.Rolled(-3))
