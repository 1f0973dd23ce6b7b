"""Text as it is compared: what is written differently and said alike becomes the same words.

Lower case, NFKC; marks go, but an apostrophe inside a word stays; hyphens and underscores part words; single letters
in a row are one word (N E Z, NEZ); numbers are spelt out, four digits from 1100 to 1999 as years are said; Mr., Mister
and the like are one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_LOW = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
ONES = [*_LOW, "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"} | {
    "twelve": "twelfth"
}
SAME = {"mister": "mr", "mistress": "mrs", "doctor": "dr", "saint": "st", "okay": "ok", "&": "and", "%": "percent"}

_NUMBER = re.compile(r"(?<![\w.])(\d+)(?:\.(\d+))?(st|nd|rd|th)?(?!\w)")
_GLUED = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?!(?:st|nd|rd|th)\b)(?=[^\W\d_])")  # P2: P two
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*['\u2019]?|[&%]")


def normalise(text: str) -> list[str]:
    """The words of `text` as they are compared."""
    text = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    text = _GLUED.sub(" ", text)
    text = _NUMBER.sub(lambda match: f" {_spell(match)} ", text)
    words = [SAME.get(word, word) for word in _WORD.findall(text)]
    return _letters([word.strip("'") for word in words if word.strip("'")])


def _letters(words: Sequence[str]) -> list[str]:
    joined: list[str] = []
    row: list[str] = []
    for word in [*words, ""]:
        if len(word) == 1 and word.isalpha() and word not in ("a", "i", "o"):
            row.append(word)
            continue
        if row:
            joined.append("".join(row))
            row = []
        joined.append(word)
    return joined[:-1]


def _spell(match: re.Match[str]) -> str:
    whole, fraction, ending = match.groups()
    words = year(int(whole)) if len(whole) == 4 and not (fraction or ending) else cardinal(int(whole))
    if fraction:
        return " ".join([*words, "point", *(ONES[int(digit)] for digit in fraction)])
    if ending:
        last = words[-1]
        words[-1] = ORDINALS.get(last) or (last[:-1] + "ieth" if last.endswith("y") else last + "th")
    return " ".join(words)


def year(value: int) -> list[str]:
    """1455: fourteen fifty five; other numbers as they are counted."""
    if not 1100 <= value < 2000 or value % 1000 == 0:
        return cardinal(value)
    rest = value % 100
    if rest == 0:
        return [*cardinal(value // 100), "hundred"]
    return [*cardinal(value // 100), *(["o", ONES[rest]] if rest < 10 else cardinal(rest))]


def cardinal(value: int) -> list[str]:
    """A number in words, without "and"; from a thousand million on digit by digit."""
    if value < 20:
        return [ONES[value]]
    if value < 100:
        return [TENS[value // 10], *([ONES[value % 10]] if value % 10 else [])]
    for size, name in ((10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if size <= value < 10**9:
            return [*cardinal(value // size), name, *(cardinal(value % size) if value % size else [])]
    return [ONES[int(digit)] for digit in str(value)]
