"""Typing into a field of the clip. What is typed is bound to that clip and field, whatever moves meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from captioner.review.tui.widgets.editor import Editor
from captioner.review.tui.widgets.fields import LABEL, FieldLine

if TYPE_CHECKING:
    from captioner.review.tui.screens.review import ReviewScreen

MOST = 8
"""Lines that an editor grows to; beyond, it scrolls."""


class FieldEdit:
    def __init__(self, screen: ReviewScreen) -> None:
        self.screen = screen
        self.clip = ""
        """Id of the clip being edited; "" while none is."""
        self.number = 0
        """Which of its fields."""
        self._before = ""
        self._rev = 0
        """Of the row that is typed over: a clip that changed meanwhile is not overwritten."""

    @property
    def active(self) -> bool:
        return bool(self.clip)

    @property
    def editor(self) -> Editor:
        return self.screen.query_one("#field", Editor)

    def _fields(self) -> tuple[FieldLine, ...]:
        clip = self.screen.read.clip()
        return () if clip is None else clip.fields

    def begin(self, number: int) -> None:
        """Open a field of the clip under the cursor."""
        clip = self.screen.read.clip()
        if clip is None or not 0 <= number < len(clip.fields):
            self.screen.say("this clip has no such field", "warn")
            return
        self.clip, self.number = clip.id, number
        self._before = clip.fields[number].value
        self._rev = self.screen.read.rev
        self.editor.look = self.screen.look
        self.editor.begin(self._before)
        self.screen.message = ("", "")
        self.screen.opened = True
        self.screen.lay_out_again()

    def name(self) -> str:
        fields = self._fields()
        return fields[self.number].name if self.number < len(fields) else ""

    # -- keys --------------------------------------------------------------------------------------------------------

    def key(self, key: str, character: str | None) -> None:
        if not self.editor.typed(key, character):
            self.screen.say(f"{key} does nothing in a field; Esc keeps it and leaves")

    def step(self, step: int) -> None:
        """Keep it and go to another field; past the last one, leave."""
        if not self.keep():
            return
        number = self.number + step
        if 0 <= number < len(self._fields()):
            self.begin(number)
        else:
            self.leave()

    def close(self) -> None:
        if self.keep():
            self.leave()

    def keep(self) -> bool:
        """Commit what was typed. False where that failed: it stays in the editor and the status line says why."""
        if not self.active or self.editor.text == self._before:
            return True
        done = self.screen.dispatch.do(
            "set-field", clip=self.clip, field=self.name(), text=self.editor.text, rev=self._rev
        )
        if done is not None:
            self._before, self._rev = self.editor.text, self.screen.read.rev
        return done is not None

    def keep_and_stay(self) -> None:
        self.keep()

    def leave(self) -> None:
        self.clip = ""
        self.editor.display = False
        self.screen.lay_out_again()

    # -- where it stands ---------------------------------------------------------------------------------------------

    def lines(self, width: int) -> int:
        return min(self.editor.height_for(max(width - LABEL - 1, 8)), MOST)

    def reserve(self, width: int) -> tuple[int, int] | None:
        """Number of the field that gives its place to the editor, and how many lines."""
        return (self.number, self.lines(width)) if self.active else None

    def grown(self) -> None:
        if self.active and self.editor.size.height != self.lines(self.screen.query_one("#detail").size.width):
            self.screen.paint_detail()

    def place(self) -> None:
        """Put the editor over its field in the pane that was just drawn."""
        editor = self.editor
        if not self.active or self.number not in self.screen.drawn.places:
            editor.display = False
            return
        pane = self.screen.query_one("#detail")
        first, count = self.screen.drawn.places[self.number]
        region = pane.region
        room = max(region.height - first - 1, 1)
        wanted = (region.x + LABEL, region.y + first, max(region.width - LABEL - 1, 8), min(count, room))
        if editor.display and (*editor.region.offset, *editor.size) == wanted:
            return
        editor.styles.offset = wanted[:2]
        editor.styles.width, editor.styles.height = wanted[2:]
        editor.display = True
