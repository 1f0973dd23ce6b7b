"""How many tokens a caption is to the trainer's text encoder, which cuts what is over its limit without a word.

The caption's end goes first, so speech and sounds are what is lost. Without the encoder's own tokenizer only a bound
can be given. It holds for byte-pair encoding with byte fallback, as Gemma's is:

- A text is a row of symbols: a character that the vocabulary has, else one symbol a byte of its UTF-8.
- Merging stops when no two neighbours can be merged. So two tokens of one symbol each are neighbours only where that
  pair is no merge, and elsewhere at least every second token has two symbols.
- With M symbols and B neighbours that may not merge, that leaves at most (2 M + B + 1) / 3 tokens, and one that begins.

`_STUCK` and `_KNOWN` were read off Gemma 3's vocabulary of 262,144 (19,227 single characters): of the 676 pairs of
small letters all but ten are merges, and a blank merges with every letter. All other pairs are taken as not merging.
For another encoder's vocabulary it is an estimate, on the high side.
"""

from __future__ import annotations

import re
import unicodedata

_PAIR = re.compile("(?=([a-z][a-z]| [A-Za-z]))")
_STUCK = frozenset("gq lq qf qg qj tq vj wz yq yv".split())  # noqa: SIM905  as a list of pairs reads best
_KNOWN = (
    (0xA1, 0x131), (0x386, 0x3AA), (0x3AC, 0x3CE), (0x40E, 0x461), (0x531, 0x556), (0x561, 0x587), (0x5D0, 0x5EA),
    (0x621, 0x63A), (0x640, 0x658), (0x913, 0x933), (0xE04, 0xE25), (0xE27, 0xE5B), (0x10D0, 0x10F0), (0x1EA0, 0x1EF3),
    (0x2018, 0x2027), (0x3005, 0x3017), (0x3041, 0x3094), (0x30A1, 0x30F6),
)  # fmt: skip
"""First and last of characters that are tokens by themselves. Chinese characters and Hangul are not all: by bytes."""


def most_tokens(text: str) -> int:
    """At most so many tokens, with the one that begins a text. A bound, not a guess: English is about a third of it."""
    symbols = len(text) if text.isascii() else sum(map(_symbols, text))
    merging = sum(pair not in _STUCK for pair in _PAIR.findall(text))
    return 1 + (2 * symbols + (symbols - 1 - merging) + 1) // 3 if symbols else 1


def _symbols(mark: str) -> int:
    code = ord(mark)
    if code < 0x80:
        return 1
    if any(first <= code <= last for first, last in _KNOWN) and unicodedata.category(mark) != "Cn":
        return 1
    return len(mark.encode(errors="replace"))
