"""One line of text being edited: a value, and what each command makes of it. Pure.

Positions are places between characters as a reader sees them: a letter and the accents on it are one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from captioner.review.tui.rows import width_of


@dataclass(frozen=True, slots=True)
class Buffer:
    text: str = ""
    cursor: int = 0
    """Index into `text`, on a boundary between characters."""
    anchor: int | None = None
    """Where a selection began; None without one."""
    past: tuple[tuple[str, int], ...] = ()
    future: tuple[tuple[str, int], ...] = ()

    @staticmethod
    def of(text: str) -> Buffer:
        """A text with the cursor at its end."""
        text = one_line(text)
        return Buffer(text, len(text))

    @property
    def selection(self) -> tuple[int, int]:
        """First and past-the-last index; equal where nothing is selected."""
        other = self.cursor if self.anchor is None else self.anchor
        return min(self.cursor, other), max(self.cursor, other)

    @property
    def selected(self) -> str:
        first, last = self.selection
        return self.text[first:last]

    def insert(self, typed: str) -> Buffer:
        """Typed or pasted text in place of the selection; line ends become blanks, for a caption is one line."""
        typed = one_line(typed)
        first, last = self.selection
        return self._put(self.text[:first] + typed + self.text[last:], first + len(typed))

    def cut(self, first: int, last: int) -> Buffer:
        return self if first == last else self._put(self.text[:first] + self.text[last:], first)

    def at(self, cursor: int, *, select: bool = False) -> Buffer:
        """Move to the boundary at or before an index."""
        places = boundaries(self.text)
        found = max(place for place in places if place <= max(cursor, 0))
        return self._go(found, select=select)

    def _put(self, text: str, cursor: int) -> Buffer:
        # a letter and an accent put next to each other become one character: the cursor goes past it
        place = min(place for place in boundaries(text) if place >= cursor)
        return Buffer(text, place, None, (*self.past[-199:], (self.text, self.cursor)))

    def _go(self, cursor: int, *, select: bool) -> Buffer:
        anchor = (self.cursor if self.anchor is None else self.anchor) if select else None
        return replace(self, cursor=cursor, anchor=anchor)


def one_line(text: str) -> str:
    return " ".join(text.splitlines()).replace("\t", " ") if not text.isprintable() else text


@lru_cache(64)
def boundaries(text: str) -> tuple[int, ...]:
    """Every index between two characters, 0 and the length among them."""
    if text.isascii():
        return tuple(range(len(text) + 1))
    inside = {index for index in range(1, len(text)) if _joins(text, index)}
    return tuple(index for index in range(len(text) + 1) if index not in inside)


def _joins(text: str, index: int) -> bool:
    here, before = text[index], text[index - 1]
    return unicodedata.category(here) in ("Mn", "Me", "Mc") or here in "\u200d\ufe0f" or before == "\u200d"


def _left(buffer: Buffer) -> int:
    return max((place for place in boundaries(buffer.text) if place < buffer.cursor), default=0)


def _right(buffer: Buffer) -> int:
    return min((place for place in boundaries(buffer.text) if place > buffer.cursor), default=len(buffer.text))


def _word_left(buffer: Buffer) -> int:
    at = len(buffer.text[: buffer.cursor].rstrip())
    while at and not buffer.text[at - 1].isspace():
        at -= 1
    return at


def _word_right(buffer: Buffer) -> int:
    at, end = buffer.cursor, len(buffer.text)
    while at < end and not buffer.text[at].isspace():
        at += 1
    while at < end and buffer.text[at].isspace():
        at += 1
    return at


def _start(buffer: Buffer) -> int:
    return boundaries(buffer.text)[0]


def _end(buffer: Buffer) -> int:
    return len(buffer.text)


Place = Callable[[Buffer], int]
MOVES: Mapping[str, Place] = {
    "left": _left, "right": _right, "ctrl+left": _word_left, "ctrl+right": _word_right,
    "alt+left": _word_left, "alt+right": _word_right,
    "home": _start, "end": _end,
    "ctrl+a": _start, "ctrl+e": _end,
}  # fmt: skip
DELETES: Mapping[str, Place] = {
    "backspace": _left, "delete": _right, "ctrl+d": _right, "ctrl+w": _word_left, "alt+backspace": _word_left,
    "ctrl+delete": _word_right, "ctrl+u": _start, "ctrl+k": _end,
}  # fmt: skip


def press(buffer: Buffer, key: str) -> Buffer | None:
    """What a key that is no letter makes of it; None where it means nothing here."""
    select = "shift+" in key
    plain = key.replace("shift+", "")
    if plain in MOVES:
        if not select and buffer.anchor is not None and plain in ("left", "right"):
            return buffer.at(buffer.selection[plain == "right"])
        return buffer.at(MOVES[plain](buffer), select=select)
    if key in DELETES:
        if buffer.selected:
            return buffer.cut(*buffer.selection)
        other = DELETES[key](buffer)
        return buffer.cut(min(other, buffer.cursor), max(other, buffer.cursor))
    if key in ("ctrl+underscore", "alt+u") and buffer.past:
        text, cursor = buffer.past[-1]
        return Buffer(text, cursor, None, buffer.past[:-1], (*buffer.future, (buffer.text, buffer.cursor)))
    if key in ("alt+r", "alt+U") and buffer.future:
        text, cursor = buffer.future[-1]
        return Buffer(text, cursor, None, (*buffer.past, (buffer.text, buffer.cursor)), buffer.future[:-1])
    return None


@lru_cache(256)
def broken(text: str, width: int) -> tuple[int, ...]:
    """Where each shown line of at most `width` cells begins: at words; a longer word is broken anywhere.

    The last line has a free cell, for the cursor behind the text.
    """
    starts, line, word, used = [0], 0, 0, 0
    for first, last in pairwise(boundaries(text)):
        cells = width_of(text[first:last])
        if used + cells > width - 1 and not text[first:last].isspace():
            line = word if word > line else first
            starts.append(line)
            used = width_of(text[line:first])
        used += cells
        if text[first:last].isspace():
            word = last
    return tuple(starts)


def place_of(cursor: int, text: str, width: int) -> tuple[int, int]:
    """Line and cell of the cursor."""
    starts = broken(text, width)
    line = max(number for number, start in enumerate(starts) if start <= cursor)
    return line, min(width_of(text[starts[line] : cursor]), width - 1)


def index_at(line: int, cell: int, text: str, width: int) -> int:
    """The index that stands at a line and cell, or the nearest."""
    starts = broken(text, width)
    line = max(0, min(line, len(starts) - 1))
    end = starts[line + 1] if line + 1 < len(starts) else len(text) + 1
    best = starts[line]
    for place in boundaries(text):
        if starts[line] <= place < end and width_of(text[starts[line] : place]) <= cell:
            best = place
    return best
