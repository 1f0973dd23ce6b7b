"""Where text is typed: a field of the clip, or an answer to a prompt. Holds what is being typed and nothing else."""

from __future__ import annotations

import itertools

from textual import events
from textual.message import Message
from textual.strip import Strip

from captioner.review.tui.editing import Buffer, broken, index_at, place_of, press
from captioner.review.tui.look import Look
from captioner.review.tui.pane import Pane
from captioner.review.tui.rows import Piece, clean


class Editor(Pane):
    """Wraps at words, as tall as it needs to be up to its room. `Typed` comes after every change of the text."""

    can_focus = False

    class Typed(Message):
        def __init__(self, editor: Editor) -> None:
            super().__init__()
            self.editor = editor

    def __init__(self, look: Look, *, id: str) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id)
        self.look = look
        self.buffer = Buffer()

    @property
    def text(self) -> str:
        return self.buffer.text

    def begin(self, text: str) -> None:
        self.buffer = Buffer.of(text)
        self.draw()

    def typed(self, key: str, character: str | None) -> bool:
        """Take a key; False where it means nothing here."""
        width = self.size.width
        if key.replace("shift+", "") in ("up", "down") and width > 1:
            line, cell = place_of(self.buffer.cursor, self.text, width)
            other = line + (1 if key.endswith("down") else -1)
            if not 0 <= other < len(broken(self.text, width)):
                return False
            changed = self.buffer.at(index_at(other, cell, self.text, width), select="shift+" in key)
        else:
            made = press(self.buffer, key)
            if made is None:
                if character is None or not character.isprintable():
                    return False
                made = self.buffer.insert(character)
            changed = made
        self._become(changed)
        return True

    def insert(self, text: str) -> None:
        self._become(self.buffer.insert(text))

    def _become(self, buffer: Buffer) -> None:
        altered = buffer.text != self.buffer.text
        self.buffer = buffer
        self.draw()
        if altered:
            self.post_message(self.Typed(self))

    def height_for(self, width: int) -> int:
        return len(broken(self.text, width)) if width > 1 else 1

    def draw(self) -> None:
        width, height = self.size
        if width < 2 or height < 1:
            return
        starts = (*broken(self.text, width), len(self.text))
        line, _ = place_of(self.buffer.cursor, self.text, width)
        top = max(0, min(line - height + 1, len(starts) - 1 - height)) if len(starts) - 1 > height else 0
        top = min(top, line)
        lines = [
            self.look.strip(self._pieces(starts[number], starts[number + 1], number == line), width, "editor")
            for number in range(top, min(top + height, len(starts) - 1))
        ]
        self.show([*lines, *[self.look.strip((), width, "editor")] * (height - len(lines))])

    def _pieces(self, first: int, last: int, has_cursor: bool) -> list[Piece]:
        cursor = self.buffer.cursor
        chosen = self.buffer.selection
        ends = {first, last, *(place for place in chosen if first < place < last)}
        if has_cursor:
            after = press(self.buffer, "right")
            ends |= {cursor, max(min(after.cursor if after else last, last), cursor)}
        pieces: list[Piece] = []
        places = sorted(ends)
        for start, end in itertools.pairwise(places):
            role = "picked" if chosen[0] <= start < chosen[1] else "editor"
            role = "caret" if has_cursor and start == cursor else role
            pieces.append((clean(self.text[start:end]), role))
        if has_cursor and cursor == last:
            pieces.append((" ", "caret"))
        return pieces

    def on_click(self, event: events.Click) -> None:
        self._become(self.buffer.at(index_at(event.y, event.x, self.text, self.size.width)))

    def render_line(self, y: int) -> Strip:
        return self.lines[y] if y < len(self.lines) else self.look.strip((), self.size.width, "editor")
