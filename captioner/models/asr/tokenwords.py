"""Words from the tokens of a transducer or a CTC model, each with the frames that it was said in. Pure.

Tokens are SentencePiece's: one that begins a word begins with `▁`, what has no place in the vocabulary may be spelt in
bytes (`<0xE2>`). Marks stand beside the sound, not in it: a word is as long as its letters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from captioner.models.asr.timing import RawWord

START = "▁"
UNWRITTEN = frozenset({"<unk>", "⁇"})
"""Pieces for a sign that the model cannot write: what it stood for is lost, and its word surely wrong."""
EUROPEAN = frozenset({
    "bg", "hr", "cs", "da", "nl", "en", "et", "fi", "fr", "de", "el", "hu", "it", "lv", "lt", "mt", "pl", "pt", "ro",
    "sk", "sl", "es", "sv", "ru", "uk",
})  # fmt: skip
"""What parakeet-tdt-0.6b-v3 knows, says its model card."""
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True, slots=True)
class Token:
    """One that was said. A piece without text ("") is a mark of the model's own."""

    piece: str
    start: int
    """Frame of the encoder's."""
    end: int
    """The frame after its last; as `start` where the model gives it no length."""
    log_probability: float


def raw_words(tokens: Sequence[Token], frame: float, *, unspaced: bool = False) -> list[RawWord]:
    """The words, in order, with seconds from the start of what was heard. `frame` is the seconds of one.

    A word's probability is that of its least sure token: a name is wrong where one syllable is. `unspaced` makes every
    token a word: for scripts without blanks.
    """
    words: list[RawWord] = []
    own: list[Token] = []
    for token in tokens:
        if own and (unspaced or token.piece.startswith(START)):
            words += _word(own, frame)
            own = []
        own.append(token)
    return _with_marks([*words, *_word(own, frame)])


def _word(tokens: Sequence[Token], frame: float) -> list[RawWord]:
    """The tokens' word; none where they have no text."""
    written = [token for token in tokens if token.piece and token.piece not in UNWRITTEN]
    text = _text(token.piece for token in written)
    if not text:
        return []
    spoken = [token for token in written if any(sign.isalnum() for sign in token.piece)] or written
    sure = min(0.0 if token.piece in UNWRITTEN else math.exp(token.log_probability) for token in tokens if token.piece)
    start = min(token.start for token in spoken) * frame
    return [RawWord(text, start, max(start, max(token.end for token in spoken) * frame), sure)]


def _text(pieces: Iterable[str]) -> str:
    data = bytearray()
    for piece in pieces:
        byte = _BYTE.fullmatch(piece)
        data += bytes([int(byte[1], 16)]) if byte else piece.encode()
    return " ".join(data.decode(errors="replace").replace(START, " ").split())


def _with_marks(words: Sequence[RawWord]) -> list[RawWord]:
    """Marks that stand alone joined to the word before them (to the one after, where they open a quotation or come
    first): a caption's words are what is said."""
    joined: list[RawWord] = []
    before = ""
    for word in words:
        if any(sign.isalnum() for sign in word.text):
            joined.append(RawWord(before + word.text, word.start, word.end, word.probability))
            before = ""
        elif joined and word.text not in ("¿", "¡", "(", "[", "«", "“"):
            last = joined[-1]
            joined[-1] = RawWord(last.text + word.text, last.start, last.end, last.probability)
        else:
            before += word.text
    return joined


def mean_log_probability(tokens: Sequence[Token]) -> float | None:
    """Over the tokens; None where there are none."""
    return sum(token.log_probability for token in tokens) / len(tokens) if tokens else None


def languages_of(pieces: Iterable[str]) -> frozenset[str] | None:
    """The languages that a vocabulary says it is for: English where it has no letter beyond a to z, v3's where it has
    Latin, Greek and Cyrillic ones; None where it does not tell."""
    signs = {sign for piece in pieces for sign in piece.casefold() if sign.isalpha()}
    if all(sign.isascii() for sign in signs):
        return frozenset({"en"})
    return EUROPEAN if {"a", "λ", "ж"} <= signs else None
