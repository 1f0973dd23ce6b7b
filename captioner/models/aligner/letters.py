"""Words as the letters of a CTC model. Pure.

A model has one token a letter, in one case. What it has no token for (a digit, a sign of another script) is a star:
some sound, whatever it is. Punctuation is not said.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

STAR = -1
"""Any sound that the model takes for a letter."""
APOSTROPHES = "\u2019\u02bc\u2018`\u00b4"


@dataclass(frozen=True, slots=True)
class Alphabet:
    tokens: Mapping[str, int]
    """Letter to token."""
    blank: int
    delimiter: int | None = None
    """The token between words; None where the model has none."""
    romanized: Callable[[str], str] | None = None
    """Text of any script in Latin letters."""

    @property
    def unsaid(self) -> list[int]:
        """The tokens that are no sound."""
        return [self.blank] if self.delimiter is None else [self.blank, self.delimiter]

    def spelled(self, text: str) -> list[int]:
        """Tokens of one word, stars among them; [] for what is not said at all."""
        ids = self._plain(text)
        if STAR in ids and self.romanized is not None:
            ids = self._plain(self.romanized(text))
        return [token for place, token in enumerate(ids) if token != STAR or not place or ids[place - 1] != STAR]

    def _plain(self, text: str) -> list[int]:
        return [token for sign in unicodedata.normalize("NFC", text) for token in self._sign(sign)]

    def _sign(self, sign: str) -> list[int]:
        if sign in APOSTROPHES:
            sign = "'"
        bare = "".join(s for s in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(s))
        for form in (sign, sign.lower(), sign.upper(), sign.casefold(), bare.lower(), bare.upper()):
            if form and all(part in self.tokens for part in form):
                return [self.tokens[part] for part in form]
        # A mark by itself (a vowel sign of an Indic script) belongs to the letter before it.
        return [STAR] if sign.isalnum() else []


@dataclass(frozen=True, slots=True)
class Spelling:
    """The words of one piece, letter after letter."""

    tokens: tuple[int, ...]
    words: tuple[int | None, ...]
    """Which word of the piece each token belongs to; None between words."""


def spelling(alphabet: Alphabet, words: Sequence[str], *, spaced: bool = True) -> Spelling | None:
    """None where the model knows fewer than half of the letters: it then says nothing of when these are said.
    Digits are none of them."""
    tokens: list[int] = []
    owners: list[int | None] = []
    for index, word in enumerate(words):
        ids = alphabet.spelled(word)
        if ids and tokens and spaced and alphabet.delimiter is not None:
            tokens.append(alphabet.delimiter)
            owners.append(None)
        tokens += ids
        owners += [index] * len(ids)
    known = sum(owner is not None and token != STAR for token, owner in zip(tokens, owners, strict=True))
    if 2 * known < sum(sign.isalpha() for word in words for sign in word) or not known:
        return None
    return Spelling(tuple(tokens), tuple(owners))
