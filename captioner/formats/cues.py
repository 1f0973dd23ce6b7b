"""What subtitle formats share: a cue, and who a subtitler says is speaking."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from captioner.times import Span

_LABEL = re.compile(r"(?P<name>[^\s:.,;!?][^:.,;!?]{0,38}?)\s*:(?:\s+|$)")
_DASH = re.compile(r"[-\u2010-\u2015]+\s*(?=\w)")

DASHES = tuple("-\u2010\u2011\u2012\u2013\u2014\u2015")
"""What a line of dialogue may begin with."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: its text as one line without markup."""

    span: Span
    text: str
    speaker: str | None = None
    """None where the cue names nobody, or more than one."""


def one_line(text: str) -> str:
    return " ".join(text.split())


def is_label(name: str) -> bool:
    """Whether `name` before a colon is taken for a speaker: in capitals only, because in "he said: no" it is speech."""
    return bool(_LABEL.fullmatch(f"{name}:")) and name == name.upper() and any(mark.isupper() for mark in name)


def split_label(line: str) -> tuple[str | None, str]:
    """Speaker and the rest of `JOHN: Hello`; (None, line) where no speaker is named."""
    match = _LABEL.match(line)
    if match is None or not is_label(match["name"]):
        return None, line
    return match["name"], line[match.end() :]


def join_lines(lines: Iterable[str]) -> tuple[str | None, str]:
    """Speaker and text of a cue's lines. Dialogue dashes go; two dashes or two names mean more than one speaker."""
    names: list[str | None] = []
    texts = []
    for line in filter(None, map(one_line, lines)):
        dash = _DASH.match(line)
        name, text = split_label(line[dash.end() :] if dash else line)
        if name or dash or not names:
            names.append(name)
        texts.append(text)
    speaker = names[0] if len(set(names)) == 1 and (names[0] or len(names) == 1) else None
    return speaker, one_line(" ".join(texts))


def clock(hours: str | None, minutes: str, secs: str, fraction: str) -> float | None:
    """Seconds of a subtitle's time; None where minutes or seconds pass 59."""
    if int(minutes) > 59 or int(secs) > 59:
        return None
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(secs) + int(fraction.ljust(3, "0")) / 1000


def stamp(time: float, mark: str) -> str:
    """`00:00:01,500` with the decimal mark of the format; never below zero."""
    milliseconds = max(0, round(time * 1000))
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"
