"""Praat's TextGrid: tiers of labelled stretches. Interval tiers are read and written; point tiers are passed by.

Praat reads the file as a row of texts in quotation marks and numbers, whatever stands between; so does this, which
takes its long and its short form alike. A quotation mark inside a text is doubled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from captioner.formats.rows import bad, number, span
from captioner.times import Span, seconds

_TOKEN = re.compile(r'"((?:[^"]|"")*)"|<(\w+)>|(?<![^\s=])([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(?![^\s])')
_COMMENT = re.compile(r"(?m)^\s*!.*$")


@dataclass(frozen=True, slots=True)
class Tier:
    """Stretches in order of time, none over another; what lies between them has no label."""

    name: str
    intervals: tuple[tuple[Span, str], ...]


def parse(text: str, origin: str = "") -> list[Tier]:
    """The interval tiers, each without its empty stretches. Raises BadFormat."""
    tokens = _tokens(_COMMENT.sub("", text.removeprefix("\ufeff")))
    head = [next(tokens, None) for _ in range(2)]
    if head != ["ooTextFile", "TextGrid"] and head[1:] != ["TextGrid"]:
        raise bad(origin, 1, 'no TextGrid: it begins with File type = "ooTextFile" and Object class = "TextGrid"')
    _number(tokens, origin), _number(tokens, origin)
    if next(tokens, None) != "exists":
        return []
    tiers = []
    for _ in range(_count(tokens, origin)):
        kind, name = next(tokens, None), next(tokens, None)
        if not isinstance(kind, str) or not isinstance(name, str):
            raise bad(origin, 0, "ends before its tiers do")
        _number(tokens, origin), _number(tokens, origin)
        found = [_stretch(tokens, origin, kind == "IntervalTier") for _ in range(_count(tokens, origin))]
        if kind == "IntervalTier":
            tiers.append(Tier(name, tuple((at, label) for at, label in found if label)))
    return tiers


def _tokens(text: str) -> Iterator[str | float]:
    for found in _TOKEN.finditer(text):
        if found[1] is not None:
            yield found[1].replace('""', '"')
        elif found[2] is not None:
            yield found[2]
        else:
            value = number(found[3])
            if value is not None:
                yield value


def _number(tokens: Iterator[str | float], origin: str) -> float:
    value = next(tokens, None)
    if not isinstance(value, float):
        raise bad(origin, 0, f"expected a time and found {value!r}: the TextGrid is damaged")
    return value


def _count(tokens: Iterator[str | float], origin: str) -> int:
    value = _number(tokens, origin)
    if value != int(value) or value < 0:
        raise bad(origin, 0, f"{value:g} is no number of tiers or intervals")
    return int(value)


def _stretch(tokens: Iterator[str | float], origin: str, interval: bool) -> tuple[Span, str]:
    start = _number(tokens, origin)
    end = _number(tokens, origin) if interval else start
    label = next(tokens, None)
    if not isinstance(label, str):
        raise bad(origin, 0, "an interval has no text: the TextGrid is damaged")
    return span(start, end, origin, 0), " ".join(label.split())


def serialize(tiers: Sequence[Tier], duration: float) -> str:
    """The long form, from 0 to `duration` seconds. A stretch that begins before the last has ended begins there."""
    end = seconds(duration)
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end:.3f}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for place, tier in enumerate(tiers, start=1):
        whole = list(_filled(tier, end))
        lines += [f"    item [{place}]:", '        class = "IntervalTier"', f"        name = {_quoted(tier.name)}"]
        lines += ["        xmin = 0", f"        xmax = {end:.3f}", f"        intervals: size = {len(whole)}"]
        for index, (at, label) in enumerate(whole, start=1):
            lines += [f"        intervals [{index}]:", f"            xmin = {at.start:.3f}"]
            lines += [f"            xmax = {at.end:.3f}", f"            text = {_quoted(label)}"]
    return "\n".join(lines) + "\n"


def _filled(tier: Tier, end: float) -> Iterator[tuple[Span, str]]:
    """The tier without gaps, as Praat wants it."""
    due = 0.0
    for at, label in tier.intervals:
        start, stop = max(at.start, due), min(at.end, end)
        if stop <= start:
            continue
        if start > due:
            yield Span.at(due, start), ""
        yield Span.at(start, stop), label
        due = stop
    if due < end or not due:
        yield Span.at(due, max(end, due)), ""


def _quoted(text: str) -> str:
    return '"' + " ".join(text.split()).replace('"', '""') + '"'
