"""The clip's words as they were heard, its fields, the caption that they make, and what speaks against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from captioner.review.labels import label_of
from captioner.review.tui.look import wrap
from captioner.review.tui.palette import Glyphs
from captioner.review.tui.rows import Piece, clean, fit
from captioner.review.tui.widgets.diff import word_diff

LABEL = 16
"""Cells in front of a field's text: its key and its name."""


class FieldLine(NamedTuple):
    key: str
    """The digit that edits it; "" where none does."""
    name: str
    value: str
    draft: str
    edited: bool = False


class Finding(NamedTuple):
    error: bool
    text: str


def label(name: str, key: str = "", *, edited: bool = False, sign: str = "~") -> list[Piece]:
    mark = (sign, "edited") if edited else (" ", "text")
    return [(f" {key or ' '} ", "key"), (fit(label_of(name), LABEL - 5), "soft"), mark, (" ", "text")]


def beside(head: list[Piece], lines: list[list[Piece]]) -> list[list[Piece]]:
    """Lines with their label before the first and room before the others."""
    return [(head if number == 0 else [(" " * LABEL, "text")]) + line for number, line in enumerate(lines)]


def field_lines(field: FieldLine, width: int, most: int, sign: Glyphs, *, diff: bool = False) -> list[list[Piece]]:
    """A field in lines of at most `width` cells, at most `most` for its text; with `diff` the draft stands above it."""
    room = max(width - LABEL - 1, 8)
    head = label(field.name, field.key, edited=field.edited, sign=sign.status["edited"])
    if diff and field.edited and field.draft != field.value:
        old, new = word_diff(field.draft, field.value)
        above = beside(label("  draft"), wrap(old, room, most, sign.cut))
        return beside(head, wrap(new, room, most, sign.cut)) + above
    text: Piece = (clean(field.value), "text") if field.value else (sign.dash, "faint")
    return beside(head, wrap([text], room, most, sign.cut))


def finding_lines(findings: Sequence[Finding], width: int, sign: Glyphs) -> list[list[Piece]]:
    lines = []
    for finding in findings:
        role = "error" if finding.error else "warn"
        told = wrap([(clean(finding.text), role)], max(width - 5, 8), 2, sign.cut)
        mark = "!" if finding.error else sign.warning
        lines += [[(f" {mark} " if number == 0 else "   ", role), *line] for number, line in enumerate(told)]
    return lines
