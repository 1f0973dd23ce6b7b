"""What goes over the wire: only the cells that differ from those that the terminal shows, in as few bytes as it takes.

Textual sends a changed region again from its left edge, each piece with its whole style. Over SSH, with a key held
down, that is most of what a person waits for. So the lines that were sent are remembered here and compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import takewhile
from typing import Any

from rich.cells import get_character_cell_size
from rich.color import ColorSystem
from rich.console import Console
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

Cell = tuple[str, str]
"""A character (with what combines with it; "" for the second half of a wide one) and its style's codes.

A blank's colour is not seen, only its ground: its codes are `BLANK` and those of the ground.
"""

BLANK = "~"

NEAR = 6
"""Cells between two changes that are cheaper to send again than to step over."""


class Lean(CompositorUpdate):
    """An update of Textual's, as the difference from what the terminal shows."""

    def __init__(self, update: CompositorUpdate, wire: Wire) -> None:
        self.update = update
        self.wire = wire

    def __rich_console__(self, console: Console, _options: Any) -> Any:
        return iter(())

    def render_segments(self, console: Console) -> str:
        return self.wire.encode(self.update, console)


class Wire:
    """The lines that the terminal shows, cell by cell."""

    def __init__(self) -> None:
        self._shown: dict[int, list[Cell]] = {}

    def encode(self, update: CompositorUpdate, console: Console) -> str:
        """The bytes that turn what is shown into what the update wants."""
        system = console._color_system or ColorSystem.TRUECOLOR
        out: list[str] = []
        if isinstance(update, LayoutUpdate):
            self._shown.clear()
            for y, strips in enumerate(update.strips, update.region.y):
                cells = [cell for strip in strips for cell in _cells(strip, system)]
                self._shown[y] = cells
                out.append(f"\x1b[{y + 1};{update.region.x + 1}H{_text(cells)}")
        elif isinstance(update, ChopsUpdate):
            for y, first, last in update.spans:
                for x, strip in update.chops[y].items():
                    if strip is not None and x < last and x + strip.cell_length > first:
                        self._line(out, y, x, _cells(strip, system), first, last)
                        self._marks(out, y, x, _leading(strip))
        else:
            return update.render_segments(console)
        return "".join(out)

    def _line(self, out: list[str], y: int, x: int, new: list[Cell], first: int, last: int) -> None:
        shown = self._shown.setdefault(y, [])
        shown += [("", "?")] * (x + len(new) - len(shown))
        first, last = max(first, x), min(last, x + len(new))
        old = shown[x : x + len(new)]
        if any(not text or (not text.isascii() and len(text) != 1) for text, _ in (*old, *new)):
            first, last = x, x + len(new)  # a wide character: never half of it
            runs = [(first, last)] if old != new else []
        else:
            runs = _runs([place for place in range(first, last) if old[place - x] != new[place - x]])
        shown[first:last] = new[first - x : last - x]
        for start, end in runs:
            out.append(f"\x1b[{y + 1};{start + 1}H{_text(new[start - x : end - x])}")

    def _marks(self, out: list[str], y: int, x: int, marks: str) -> None:
        """Accents that a cut through a letter left at the head of a piece: they belong on the cell before it."""
        shown = self._shown[y]
        if marks and 0 < x <= len(shown):
            start = x - 1 if shown[x - 1][0] or x == 1 else x - 2
            shown[start] = (shown[start][0] + marks, shown[start][1])
            out.append(f"\x1b[{y + 1};{start + 1}H{_text(shown[start:x])}")


def _leading(strip: Strip) -> str:
    """The letters without a width that a strip begins with."""
    text = strip.text
    if text[:1].isascii():
        return ""
    return "".join(takewhile(lambda letter: get_character_cell_size(letter) == 0, text))


def _runs(places: list[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and place - runs[-1][1] < NEAR:
            runs[-1] = (runs[-1][0], place + 1)
        else:
            runs.append((place, place + 1))
    return runs


def _cells(strip: Strip, system: ColorSystem) -> list[Cell]:
    cells: list[Cell] = []
    for text, style, control in strip:
        if control:
            continue
        ansi = "" if style is None else Strip.render_ansi(style, system) if style._ansi is None else style._ansi
        if text.isascii():
            blank = _ground(ansi)
            cells += [(letter, blank if letter == " " else ansi) for letter in text]
            continue
        for letter in text:
            size = get_character_cell_size(letter)
            if size == 0:
                if cells:  # else it belongs to the piece before
                    at = -1 if cells[-1][0] or len(cells) == 1 else -2  # a wide letter's second half is empty
                    cells[at] = (cells[at][0] + letter, cells[at][1])
            else:
                cells.append((letter, ansi))
                if size == 2:
                    cells.append(("", ansi))
    return cells


def _text(cells: Iterable[Cell]) -> str:
    """Cells with the fewest codes between them; the style is plain before and after."""
    out: list[str] = []
    now = ""
    for text, ansi in cells:
        if ansi != now:
            wanted = _for_blank(now, ansi[1:]) if ansi[:1] == BLANK else ansi
            if wanted != now:
                out.append(_change(now, wanted))
                now = wanted
        out.append(text)
    return "".join(out) + ("\x1b[m" if now else "")


@lru_cache(1024)
def _ground(ansi: str) -> str:
    """The codes of a blank in this style."""
    attributes, _, back = _parts(ansi)
    return ansi if {"4", "7", "9"} & set(attributes) else BLANK + back


@lru_cache(4096)
def _for_blank(now: str, back: str) -> str:
    """The style nearest to the one in force in which a blank looks as it should."""
    attributes, front, ground = _parts(now)
    if not {"4", "7", "9"} & set(attributes) and ground == back:
        return now
    kept = [] if {"4", "7", "9"} & set(attributes) else [*attributes, front]
    return ";".join(part for part in (*kept, back) if part)


@lru_cache(4096)
def _change(before: str, after: str) -> str:
    """From one style's codes to another's."""
    if not before:
        return f"\x1b[{after}m"
    if not after:
        return "\x1b[m"
    had, front, back = _parts(before)
    wanted, fore, ground = _parts(after)
    if had != wanted or (front and not fore) or (back and not ground):
        return f"\x1b[0;{after}m"
    codes = [code for code, old in ((fore, front), (ground, back)) if code != old]
    return f"\x1b[{';'.join(codes)}m"


@lru_cache(4096)
def _parts(codes: str) -> tuple[tuple[str, ...], str, str]:
    """Attributes, the foreground's codes and the background's."""
    numbers = codes.split(";") if codes else []
    attributes: list[str] = []
    front = back = ""
    while numbers:
        number = numbers.pop(0)
        if number in ("38", "48"):
            count = 2 if numbers[0] == "5" else 4
            code = ";".join([number, *numbers[:count]])
            del numbers[:count]
            front, back = (code, back) if number == "38" else (front, code)
        elif number[0] in "39" and len(number) == 2:
            front = number
        elif (number[0] == "4" and len(number) == 2) or len(number) == 3:
            back = number
        else:
            attributes.append(number)
    return tuple(attributes), front, back
