"""The first page of a review: the standard library and the store, nothing else, so that it stands in a blink.

It paints what the whole screen will paint, while that is still being imported. Keys typed meanwhile stay in the
terminal's queue, unechoed, until the screen reads them (`driver`); the alternate screen is entered once only.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from captioner.review.tui.layout import Layout, digits_of, layout, top_of
from captioner.review.tui.palette import Glyphs, chosen, glyphs, sgr
from captioner.review.tui.rows import Piece, Row, row_pieces, width_of
from captioner.review.tui.widgets.statusbar import number, title_bar

ALTERNATE = "\x1b[?1049h"
KEYS, SCREEN = 0, 2
"""The terminal's descriptors: where keys come from, and where the whole screen, too, is written."""
LEAVE = "\x1b[0m\x1b[?25h\x1b[?1049l"


class FirstPage:
    """The painted page, until `hand_over`; before that, `close` gives the terminal back as it was."""

    def __init__(self) -> None:
        self.painted = False
        self.before: Any = None
        """The terminal's settings before ours."""

    def hand_over(self) -> None:
        """From now on somebody else restores the terminal."""
        self.painted, self.before = False, None
        atexit.unregister(self.close)

    def close(self) -> None:
        import termios

        if self.painted:
            _write(LEAVE)
            self.painted = False
        if self.before is not None:
            with suppress(termios.error):
                termios.tcsetattr(KEYS, termios.TCSANOW, self.before)
        atexit.unregister(self.close)


def _write(text: str) -> None:
    data = memoryview(text.encode("utf-8", "replace"))
    while data:
        data = data[os.write(SCREEN, data) :]


class Page(NamedTuple):
    """What the store says of the first page."""

    rows: list[Row]
    total: int
    done: int
    cursor: int = 0
    query: str = ""


def _read(out: Path, lines: int) -> Page | None:
    """The first clips in the list's own order. None where there is no store, or none that can be read in an instant."""
    place = out / ".captioner" / "store.sqlite"
    with suppress(sqlite3.Error, OSError):
        db = sqlite3.connect(f"{place.absolute().as_uri()}?mode=ro", uri=True, timeout=0.05)
        try:
            counts = dict(db.execute("SELECT status, clips FROM tally"))
            total = sum(counts.values())
            kept = db.execute("SELECT value FROM meta WHERE name = 'review_place'").fetchone()
            cursor = max(0, min(int(kept[0]) if kept else 1, total) - 1)
            top = top_of(cursor, 0, lines, total)
            found = db.execute(
                "SELECT status, replace(speaker, 'SPEAKER_', '#'), seconds, trust, words, findings, errors > 0 "
                "FROM rows ORDER BY recording, start, frames, id LIMIT ? OFFSET ?",
                (lines, top),
            )
            rows = [Row(number, *row) for number, row in enumerate(found, top + 1)]
        finally:
            db.close()
        done = counts.get("approved", 0) + counts.get("rejected", 0)
        return Page(rows, total, done, cursor - top) if rows else None
    return None


def first_page(out: Path, *, theme: str | None = None, ascii_only: bool = False) -> FirstPage | None:
    """Paint the first page of the dataset's review. None where there is nothing to paint or no terminal to paint on."""
    if sys.platform == "win32" or not all(map(os.isatty, (KEYS, 1, SCREEN))):
        return None
    width, height = os.get_terminal_size(SCREEN)
    found = _read(out, layout(width, height, opened=False).rows)
    if found is None or width < 40 or height < 10:
        return None
    page = FirstPage()
    atexit.register(page.close)
    _quiet(page)
    _write(
        ALTERNATE
        + "\x1b[?25l"
        + painted(found, out.resolve().name, width, height, chosen(theme), ascii_only=ascii_only)
    )
    page.painted = True
    return page


def _quiet(page: FirstPage) -> None:
    """Keys are neither shown nor held back until a line is complete; those typed before this stay in the queue."""
    import termios

    with suppress(termios.error):
        page.before = termios.tcgetattr(KEYS)
        ours = termios.tcgetattr(KEYS)
        ours[3] &= ~(termios.ECHO | termios.ICANON)
        ours[0] &= ~termios.ICRNL
        termios.tcsetattr(KEYS, termios.TCSANOW, ours)


def painted(page: Page, name: str, width: int, height: int, look: str, *, ascii_only: bool) -> str:
    """The page as one text for a terminal: title, list, the frame of the clip, state. What the screen paints later."""
    plan, sign = layout(width, height, opened=False), glyphs(ascii_only=ascii_only)
    title = title_bar(name, page.query, page.done, page.total, None, width, sign)
    head: list[Piece] = [(f" {number(page.total)} clips", "bar_soft")]
    lines = [
        _line(title, width, look, "bar"),
        _line(head, plan.list_width, look, "bar_soft") + _rest(plan, look, sign, "bar"),
    ]
    for place in range(plan.rows):
        here = place == page.cursor
        row = page.rows[place] if place < len(page.rows) else None
        pieces = [] if row is None else row_pieces(row, plan.list_width, digits_of(page.total), sign, cursor=here)
        lines.append(_line(pieces, plan.list_width, look, "text") + _rest(plan, look, sign, "text"))
    lines += [_line([(" Browse ", "bar_accent")], width, look, "bar"), _line([], width, look, "text")]
    return "".join(f"\x1b[{y};1H{line}" for y, line in enumerate(lines, 1)) + "\x1b[0m"


def _rest(plan: Layout, look: str, sign: Glyphs, role: str) -> str:
    if not plan.wide:
        return ""
    return sgr(look, "faint") + sign.rule + sgr(look, role) + " " * plan.detail_width


def _line(pieces: list[Piece], width: int, look: str, fill: str) -> str:
    used = sum(width_of(text) for text, _ in pieces)
    return "".join(sgr(look, role) + text for text, role in pieces) + sgr(look, fill) + " " * (width - used)
