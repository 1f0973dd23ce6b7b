"""A row of the clip list as pieces of text and their roles. Pure; standard library only.

The first page is made of it too.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from captioner.review.tui.palette import Glyphs

Piece = tuple[str, str]
"""Some text and its role in the look."""


class Row(NamedTuple):
    """What the list shows of a clip."""

    number: int
    """Its place in the dataset, from 1."""
    status: str
    speaker: str
    seconds: float
    trust: float | None
    text: str
    findings: int = 0
    errors: bool = False
    marked: bool = False


def width_of(text: str) -> int:
    """Cells that a text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(letter: str) -> int:
    if letter < "\u0300":
        return 1
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def clean(text: str) -> str:
    """A text that cannot disturb a terminal: controls, line ends and invisible signs become visible."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter == "\u3000" else " " if letter in "\n\t\u00a0\u202f" else "\ufffd"
        for letter in text
    )


def fit(text: str, width: int, cut: str = "") -> str:
    """A text in exactly `width` cells: padded, or cut with the sign `cut` at its end."""
    if text.isascii():
        if len(text) <= width:
            return text.ljust(width)
        return (text[: max(width - len(cut), 0)] + cut)[:width]
    room = width_of(text)
    if room <= width:
        return text + " " * (width - room)
    kept, used, room = [], 0, max(width - width_of(cut), 0)
    for letter in text:
        used += _cells(letter)
        if used > room:
            used -= _cells(letter)
            break
        kept.append(letter)
    ending = cut if width >= width_of(cut) else ""
    return "".join(kept) + ending + " " * (width - used - width_of(ending))


def share(value: float | None) -> str:
    """A probability in three cells: `.87`, `1.0`, or blank where it is not known."""
    if value is None:
        return "   "
    return f"{value:.2f}"[1:] if value < 0.995 else "1.0"


def row_pieces(row: Row, width: int, digits: int, glyphs: Glyphs, *, cursor: bool) -> list[Piece]:
    """A row in exactly `width` cells. `digits` is how many the last number has."""
    base = "cursor" if cursor else "marked" if row.marked else ""

    def role(name: str) -> str:
        return base or name

    roles = {"approved": "ok", "rejected": "bad", "flagged": "flag", "edited": "edited"}
    status = role(roles.get(row.status, "todo"))
    people = 10 if width >= 70 else 6
    pieces = [
        (glyphs.cursor if cursor else glyphs.mark if row.marked else " ", role("accent")),
        (glyphs.status.get(row.status, "?") + " ", status),
        (f"{row.number:>{digits}} ", role("faint")),
        (fit(clean(row.speaker), people, glyphs.cut) + " ", role("soft")),
        (f"{row.seconds:4.1f} ", role("soft")),
        (share(row.trust) + " ", role("warn" if row.trust is not None and row.trust < 0.7 else "soft")),
    ]
    badge = f" {glyphs.warning}{row.findings} " if row.findings else ""
    left = width - sum(width_of(text) for text, _ in pieces) - width_of(badge)
    if left < 0:
        return [(fit("".join(text for text, _ in pieces), width), role("text"))]
    words = "text" if row.status not in ("approved", "rejected") else "soft"
    pieces.append((fit(clean(row.text), left, glyphs.cut), role(words)))
    if badge:
        pieces.append((badge, role("error" if row.errors else "warn")))
    return pieces
