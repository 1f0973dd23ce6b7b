"""The help: every action with its keys, from the one table. In as many columns as there is room for, page by page."""

from __future__ import annotations

from collections.abc import Sequence

from textual.strip import Strip

from captioner.review.tui.look import Look
from captioner.review.tui.rows import Piece, fit, width_of

KEYS, COLUMN = 14, 40

Group = tuple[str, Sequence[tuple[str, str]]]
"""A title, and keys with what they do."""


def help_pages(groups: Sequence[Group], look: Look, width: int, height: int) -> list[list[Strip]]:
    """The pages, each of exactly `height` lines."""
    if width < 2 or height < 4:
        return [[]]
    columns = max(width // COLUMN, 1)
    cells, room = width // columns, height - 2
    entries = [entry for group in groups for entry in (*_group(group, look, cells), [])]
    pages = [entries[first : first + columns * room] for first in range(0, len(entries), columns * room)] or [[]]
    return [_page(page, number, len(pages), look, width, height, columns) for number, page in enumerate(pages, 1)]


def _group(group: Group, look: Look, cells: int) -> list[list[Piece]]:
    title, actions = group
    lines: list[list[Piece]] = [[(f" {title}", "title")]]
    for keys, told in actions:
        taken = max(KEYS, width_of(keys) + 1)
        lines.append([(" " + fit(keys, taken), "key"), (fit(told, cells - taken - 2, look.glyphs.cut), "text")])
    return lines


def _page(
    entries: Sequence[list[Piece]], number: int, of: int, look: Look, width: int, height: int, columns: int
) -> list[Strip]:
    cells, room = width // columns, height - 2
    rows = min(max(-(-len(entries) // columns), 1), room)
    told = f" Keys {number}/{of}: space turns the page, any other key closes" if of > 1 else " Keys: any key closes"
    lines = [look.strip([(told, "bar_accent")], width, "bar"), look.blank(width)]
    for row in range(rows):
        places = [column * rows + row for column in range(columns)]
        parts = [look.strip(entries[place] if place < len(entries) else [], cells) for place in places]
        lines.append(
            Strip.join([*parts, look.blank(width - cells * columns)]) if width > cells * columns else Strip.join(parts)
        )
    return [*lines, *[look.blank(width)] * (height - len(lines))]
