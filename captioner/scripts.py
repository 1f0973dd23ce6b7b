"""How words are written down in the scripts of the world."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

UNSPACED = (
    ("\u0e00", "\u109f"),
    ("\u1780", "\u17ff"),
    ("\u2e80", "\ua4cf"),
    ("\uf900", "\ufaff"),
    ("\uff00", "\uffef"),
)
"""First and last letters of scripts written without blanks between words: Thai, Lao, Tibetan and Burmese; Khmer;
Chinese and Japanese with their punctuation."""


def _unspaced(mark: str) -> bool:
    return mark >= UNSPACED[0][0] and any(first <= mark <= last for first, last in UNSPACED)


def spoken_text(words: Iterable[str]) -> str:
    """Words as they are written down: a blank between them, none where both sides are of a script without blanks."""
    kept = [word for word in words if word]
    text = " ".join(kept)
    if text.isascii():
        return text
    pieces = kept[:1]
    for before, word in pairwise(kept):
        pieces.append(word if _unspaced(before[-1]) and _unspaced(word[0]) else f" {word}")
    return "".join(pieces)
