"""The help page: every action with its keys, by state, from the one table. In as many columns as there is room for."""

from __future__ import annotations

from collections.abc import Sequence

from textual.strip import Strip

from captioner.review.tui.look import Look
from captioner.review.tui.rows import Piece, fit

KEYS, COLUMN = 16, 50


def help_lines(groups: Sequence[tuple[str, Sequence[tuple[str, str]]]], look: Look, width: int, height: int) -> list[Strip]:
    """`groups`: title and (keys, what they do). Cut at the height with a line that says how to see the rest."""
    if width < 2 or height < 2:
        return []
    columns = max(width // COLUMN, 1)
    cells = width // columns
    entries: list[list[Piece]] = []
    for title, actions in groups:
        entries += [[(f" {title}", "title")]]
        entries += [[(" " + fit(keys, KEYS), "key"), (fit(told, cells - KEYS - 1, look.glyphs.cut), "text")] for keys, told in actions]
        entries += [[]]
    return entries_in_columns(entries, look, width, height, columns)


def entries_in_columns(entries: Sequence[list[Piece]], look: Look, width: int, height: int, columns: int) -> list[Strip]:
    cells, room = width // columns, height - 2
    rows = min(max(-(-len(entries) // columns), 1), room)
    lines = [look.strip([(" Keys: press any key to go back", "bar_accent")], width, "bar")]
    for row in range(rows):
        parts = []
        for column in range(columns):
            place = column * rows + row
            parts.append(look.strip(entries[place] if place < len(entries) else [], cells))
        lines.append(look.strip((), width) if not parts else Strip.join([*parts, look.blank(width - cells * columns)] if width > cells * columns else parts))
    hidden = len(entries) - rows * columns
    more = f" {look.glyphs.more} {hidden} more lines: `:` lists every action and finds it by name" if hidden > 0 else ""
    lines += [look.blank(width)] * (height - 1 - len(lines))
    return [*lines[: height - 1], look.strip([(more, "warn")], width)]
