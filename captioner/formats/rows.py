"""What the formats share: rows of a text, numbers in them, and the refusals that say where.

Times are seconds. A text is taken as its caller decoded it; a byte order mark and any kind of line end are accepted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from captioner.errors import BadFormat
from captioner.times import Span

LONGEST = 10_000_000.0
"""Seconds (about 115 days): a larger time is a file in other units, and would not survive rounding to 1 ms."""

UNKNOWN = frozenset({"NA", "<NA>", "N/A", "unknown", "UNKNOWN"})
"""How the NIST formats say that a field is not known."""

_LINE_END = re.compile(r"\r\n|\n|\r")  # str.splitlines also splits at U+2028, U+0085 ..., which occur inside words
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


def rows(text: str) -> Iterator[tuple[int, str]]:
    """Number (from 1) and content of each row, blank ones too, without its line end."""
    return enumerate(_LINE_END.split(text.removeprefix("\ufeff")), start=1)


def bad(origin: str, row: int, what: str) -> BadFormat:
    """The error for row `row`; 0 where it is about the whole text."""
    where = (origin or "text") + (f":{row}" if row else "")
    return BadFormat(f"{where}: {what}")


def number(text: str) -> float | None:
    """A finite decimal number; None where it is not one (also for "nan", "inf" and "1_0", which float() accepts)."""
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def time(text: str, origin: str, row: int, what: str) -> float:
    """Seconds. Raises BadFormat where `text` is not a time."""
    value = number(text)
    if value is None or abs(value) > LONGEST:
        raise bad(origin, row, f"{what} {text!r} is not a time in seconds; write it as 12.345")
    return value


def span(start: float, end: float, origin: str, row: int) -> Span:
    """Raises BadFormat where the end is before the start."""
    if end < start:
        raise bad(origin, row, f"ends at {end:g} s, before it starts at {start:g} s; swap or correct the times")
    return Span.at(start, end)


def token(text: str, what: str) -> str:
    """`text`, able to stand as one field between blanks. Raises BadFormat where it is not."""
    if not text or text.split() != [text] or text.startswith((";;", "\ufeff")) or text in UNKNOWN:
        raise BadFormat(f"{what} {text!r} cannot be written: this format wants one word without blanks; rename it")
    return text
