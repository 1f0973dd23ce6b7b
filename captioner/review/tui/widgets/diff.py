"""What differs from the draft, word by word; marks tell it as well as colours."""

from __future__ import annotations

from difflib import SequenceMatcher

from captioner.review.tui.rows import Piece, clean


def word_diff(old: str, new: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces: what only the first has is in `[-` `-]`, what only the second has in `{+` `+}`."""
    before, after = clean(old).split(), clean(new).split()
    first: list[Piece] = []
    second: list[Piece] = []
    for kind, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            first.append((" ".join(before[a:b]) + " ", "soft"))
            second.append((" ".join(after[c:d]) + " ", "text"))
            continue
        if b > a:
            first += [("[-" + " ".join(before[a:b]) + "-]", "removed"), (" ", "soft")]
        if d > c:
            second += [("{+" + " ".join(after[c:d]) + "+}", "added"), (" ", "text")]
    return first, second
