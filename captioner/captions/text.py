"""Text that may stand in a caption: one line, no control characters, one blank between words."""

from __future__ import annotations

import re
import unicodedata

QUOTES = '"\u201c\u201d\u201e\u201f\u2033\uff02'
"""Double quotation marks. Inside a caption they only stand around the words spoken."""

_MARKS = re.compile(r"[,.;:!?](?:\s*[,.;:!?])+")


def one_line(text: str) -> str:
    """`text` with every run of blanks, line breaks and control characters as one blank, and none at its ends."""
    return " ".join("".join(" " if _breaks(mark) else mark for mark in text).split())


def _breaks(mark: str) -> bool:
    # Half a surrogate pair cannot be written as UTF-8; a byte order mark inside a text is nothing.
    return mark == "\ufeff" or unicodedata.category(mark) in ("Cc", "Zl", "Zp", "Cs")


def spoken(words: str) -> str | None:
    """The words in quotation marks; None where there are none.

    A mark inside becomes an apostrophe, so that whoever reads the caption finds where the speech ends; nothing else
    is changed but blanks.
    """
    line = one_line("".join("'" if mark in QUOTES else mark for mark in words))
    return f'"{line}"' if line else None


def phrase(text: str | None) -> str | None:
    """A field in a person's words, ready to stand inside a sentence: None where nothing is left of it.

    Marks of punctuation at its ends are the template's to set; quotation marks would look like speech.
    """
    if text is None:
        return None
    line = one_line("".join("'" if mark in QUOTES else mark for mark in text))
    line = single_marks(line)
    line = re.sub(r"\s+(?=[,.;:!?])", "", line)
    return line.lstrip(" ,.;:!?").rstrip(" ,.;:") or None


def single_marks(text: str) -> str:
    """`text` with a run of punctuation marks as the strongest of them: a question before a stop before a comma."""
    return _MARKS.sub(lambda run: _strongest(run.group()), text)


def _strongest(run: str) -> str:
    marks = [mark for mark in run if not mark.isspace()]
    return next((mark for mark in marks if mark in "!?"), "." if "." in marks else marks[0])
