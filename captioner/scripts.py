"""How words are written down in the scripts of the world."""

from __future__ import annotations

from collections.abc import Iterable

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
    return any(first <= mark <= last for first, last in UNSPACED)


def spoken_text(words: Iterable[str]) -> str:
    """Words as they are written down: a blank between them, none where both sides are of a script without blanks."""
    text = ""
    for word in filter(None, words):
        gap = "" if not text or (_unspaced(text[-1]) and _unspaced(word[0])) else " "
        text += gap + word
    return text
