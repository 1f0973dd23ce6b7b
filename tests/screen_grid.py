"""A screen as text that a person can read in a review: what stands in each cell, and below it which role each cell has.

The roles are one letter a cell, with a legend; so a golden says "this word is underlined as doubted" without an image.
"""

from __future__ import annotations

from typing import Any

from captioner.review.tui.look import Look
from captioner.review.tui.palette import ROLES

EDGE = "~~~~ ~~~~ ~~~~ ~~~~"
"""Between the parts of a golden."""
LETTERS = dict(zip(ROLES, "tsfTaobFedwED+-kBSAcmWPpxliCK12h"[: len(ROLES)], strict=True))
assert len(set(LETTERS.values())) == len(ROLES)


def grid(app: Any, look: Look) -> str:
    """Both grids of what stands on the screen now."""
    strips = app.screen._compositor.render_strips()
    text, roles = [], []
    for strip in strips:
        text.append("".join(segment.text for segment in strip).rstrip())
        line = "".join(letter(look, segment) * segment.cell_length for segment in strip)
        roles.append(line.rstrip("."))
    used = sorted({letter for line in roles for letter in line} - {".", "%"})
    names = {mark: name for name, mark in LETTERS.items()}
    legend = "  ".join(f"{mark} {names[mark]}" for mark in used)
    return "\n".join([*text, EDGE, *roles, EDGE, legend, ""])


def letter(look: Look, segment: Any) -> str:
    """`.` for a plain text cell, `%` where the look has no such role (a picture, or the editor's own colours)."""
    if segment.style is None:
        return "."
    role = look.role_of(segment.style)
    if role == "text":
        return "."
    return LETTERS[role] if role else "%"


def text_of(app: Any) -> str:
    """Only what stands in the cells."""
    return "\n".join("".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips())
