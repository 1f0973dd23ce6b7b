"""Text that may stand in a caption: what happens to every mark is decided here and nowhere else.

The words spoken are never changed: letters, digits and the marks that belong to letters stay as they were heard, in
their order, case and script. Around them:

| found in the words | in the caption | because |
|---|---|---|
| double quotation marks, straight, curly, French, German | an apostrophe | the first one would end the speech |
| curly single ones | a straight apostrophe | "it's" must not be two words |
| `[ ] { } < >` | round brackets | dialects mark their own parts with them |
| 1,000 where commas group digits (English, Chinese ...) | 1000 | trainers part captions at commas |
| 1,5 where a comma is the decimal mark, or nobody knows | as it is | without its comma it would be another number |
| numbers as digits or in words | as heard | "1984" is said in two ways, and only one was said |
| ALL CAPITALS | as they are | acronyms and names are capitals too; a transcriber's case is not ours to guess |
| several marks in a row | the strongest: ? before ! before ... before . before the rest | one way to write one thing |
| ... or the one sign for it | three dots | one way to write one thing; it is how a pause is prompted |
| -- | a dash | the same |
| emoji, pictures, notes of music | nothing | nobody says them |
| right-to-left letters | in the order in which they are said, no marks for direction | a screen lays them out |
| marks for direction or byte order, soft hyphens, zero-width blanks, variation selectors | nothing | nobody sees them |
| zero-width joiners | kept between letters that are not ASCII, else nothing | Persian and Hindi spell with them |
| line breaks, tabs, control characters, wide blanks | one blank | a caption is one line |
| a letter and its accent apart | one sign (NFC) | tokenizers read the two differently |
| a blank before , . ; : ! ? | closed up | one way to write one thing |

A person's own words are treated alike; theirs lose the marks at their ends too, which the template sets. A trigger
keeps its brackets and pictures: it must be what a person will type.
"""

from __future__ import annotations

import re
import unicodedata

QUOTES = '"\u201c\u201d\u201e\u201f\u2033\uff02\u00ab\u00bb\u301d\u301e\u301f\u275d\u275e'
"""Double quotation marks. Inside a caption they only stand around the words spoken."""

GROUPED = frozenset("en zh ja ko yue th he ms tl".split())  # noqa: SIM905  as a list of codes reads best
"""ISO 639-1 of languages whose digits are grouped by commas."""

_APOSTROPHES = "\u2018\u2019\u201a\u201b\u2039\u203a\u0060\u00b4\u275b\u275c"
_UNSEEN = [
    0xAD, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2070), *range(0xFE00, 0xFE10),
    0xFEFF, 0xFFFC, 0xFFFD, 0x20E3,
]  # fmt: skip
_TABLE = str.maketrans(
    dict.fromkeys(QUOTES, "'")
    | dict.fromkeys(_APOSTROPHES, "'")
    | {"\u2026": "..."}
    | {chr(code): None for code in _UNSEEN}
)
_BRACKETS = str.maketrans("[]{}<>", "()()()")
_FAR_UNSEEN = re.compile("[\U000e0000-\U000e0fff]")
_PICTURES = re.compile("[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]")
_JOINERS = re.compile("[\u200c\u200d]+")
_MARKS = re.compile(r"[,.;:!?](?:\s*[,.;:!?])+")
_RUN = re.compile(r"[,.;:!?]{2,}")
_WIDE_RUN = re.compile(r"([\u3001\u3002\uff01\uff0c\uff1f])\1+")
_LOOSE = re.compile(r"\s+(?=[,.;:!?]+(?:[\s')]|$))")
_GROUPS = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?!,?\d)")


def one_line(text: str) -> str:
    """`text` with every run of blanks, line breaks and control characters as one blank, and none at its ends."""
    shown = text if text.isprintable() else "".join(" " if _breaks(mark) else mark for mark in text)
    return " ".join(shown.split())


def _breaks(mark: str) -> bool:
    # Half a surrogate pair cannot be written as UTF-8; private signs look like nothing that can be said.
    return not mark.isprintable() and unicodedata.category(mark) in ("Cc", "Zl", "Zp", "Cs", "Co", "Cn")


def said(words: str, language: str | None = None) -> str | None:
    """The words as they stand in a caption, without quotation marks; None where there are none.

    `language` (ISO 639-1) says how its digits are grouped; None changes none of them.
    """
    line = _plain(words).translate(_BRACKETS)
    line = _LOOSE.sub("", one_line(_PICTURES.sub(" ", line)))
    line = _RUN.sub(lambda run: _strongest_said(run.group()), line)
    line = _WIDE_RUN.sub(r"\1", re.sub(r"-{2,}", "\u2014", line))
    if language in GROUPED:
        line = _GROUPS.sub(lambda number: number.group().replace(",", ""), line)
    return line if any(mark.isalnum() for mark in line) else None


def spoken(words: str, language: str | None = None) -> str | None:
    """The words in quotation marks; None where there are none."""
    line = said(words, language)
    return None if line is None else f'"{line}"'


def phrase(text: str | None) -> str | None:
    """A field in a person's words, ready to stand inside a sentence: None where nothing is left of it."""
    return None if text is None else _trimmed(_PICTURES.sub(" ", _plain(text).translate(_BRACKETS)))


def name(text: str | None) -> str | None:
    """A trigger as a person will type it, less what would break a caption; None where nothing is left of it."""
    return None if text is None else _trimmed(_plain(text))


def single_marks(text: str) -> str:
    """`text` with a run of punctuation marks as the strongest of them: a question before a stop before a comma."""
    return _MARKS.sub(lambda run: _strongest(run.group()), text)


def _plain(text: str) -> str:
    """Composed, with plain quotation marks and nothing that cannot be seen."""
    if text.isascii():
        return text.translate(_TABLE)
    text = _FAR_UNSEEN.sub("", unicodedata.normalize("NFC", text).translate(_TABLE))
    if _JOINERS.search(text):
        text = _JOINERS.sub(_joiner, text)
    return unicodedata.normalize("NFC", text)  # what was unseen may have stood between a letter and its accent


def _joiner(found: re.Match[str]) -> str:
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    return found.group()[0] if _spells(before) and _spells(after) else ""


def _spells(mark: str) -> bool:
    return bool(mark) and not mark.isascii() and unicodedata.category(mark)[0] in "LM"


def _trimmed(text: str) -> str | None:
    line = single_marks(one_line(text))
    line = re.sub(r"\s+(?=[,.;:!?])", "", line)
    return line.lstrip(" ,.;:!?").rstrip(" ,.;:") or None


def _strongest(run: str) -> str:
    marks = [mark for mark in run if not mark.isspace()]
    return next((mark for mark in marks if mark in "!?"), "." if "." in marks else marks[0])


def _strongest_said(run: str) -> str:
    if "?" in run or "!" in run:
        return "?" if "?" in run else "!"
    return "..." if ".." in run else "." if "." in run else run[0]
