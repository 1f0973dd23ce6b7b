"""Who said each word.

Both sides are soft: a diarizer's turn and a transcriber's word are each off by 50 to 100 ms at their ends. So a word
goes to whoever's turn covers most of it, and a word that no turn touches may still be within `REACH` of one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from captioner.times import Span, seconds
from captioner.types import Turn, Word

REACH = 0.15
"""Seconds from a word to a turn that it may still belong to: the error of a turn's end and a word's end together."""
AROUND = 1.0
"""Seconds to either side in which the time that a speaker had alone is counted, to settle an equal claim."""
EQUAL = 0.02
"""Seconds of cover that do not matter: two 10 ms frames."""


def assign(words: Sequence[Word], turns: Sequence[Turn]) -> list[Word]:
    """The words with their speakers; a word that came with a speaker keeps it.

    1. The turn that covers most of the word wins.
    2. Equal covers (overlapping turns): the speaker of the word before wins if he is among them and no sentence ended;
       else the one who has more time alone within `AROUND` seconds; else the turn that began first; else the name.
    3. No cover at all: the one speaker whose turn is within `REACH` seconds; None where there are none or several.
    """
    index = _Index(turns)
    done: list[Word] = []
    previous: str | None = None
    for word in words:
        speaker = word.speaker if word.speaker is not None else _speaker(word, index, previous)
        done.append(word if speaker == word.speaker else replace(word, speaker=speaker))
        previous = None if word.text.endswith((".", "?", "!", "。", "？", "！")) else speaker
    return done


class _Index:
    """Turns by start, with the latest end so far, so that those near a time are found without reading all."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = sorted(turn for turn in turns if turn.span.duration > 0)
        self._starts = [turn.span.start for turn in self._turns]
        self._latest: list[float] = []
        for turn in self._turns:
            self._latest.append(max(turn.span.end, self._latest[-1] if self._latest else turn.span.end))

    def near(self, start: float, end: float) -> list[Turn]:
        """Turns that touch [start, end], in order."""
        first = bisect_right(self._latest, start - 1e-9)
        last = bisect_right(self._starts, end)
        return [turn for turn in self._turns[first:last] if turn.span.end >= start]


def _speaker(word: Word, index: _Index, previous: str | None) -> str | None:
    span = word.span
    near = index.near(span.start - REACH, span.end + REACH)
    cover: dict[str, float] = {}
    for name in {turn.speaker for turn in near}:
        cover[name] = _union([turn.span for turn in near if turn.speaker == name], span)
    best = max(cover.values(), default=0.0)
    if best <= 0:
        return next(iter(cover)) if len(cover) == 1 else None
    claims = sorted(name for name, value in cover.items() if value >= best - EQUAL)
    if len(claims) == 1:
        return claims[0]
    if previous in claims:
        return previous
    around = index.near(span.start - AROUND, span.end + AROUND)
    wide = Span.at(max(0.0, span.start - AROUND), span.end + AROUND)
    began = {name: min(turn.span.start for turn in near if turn.speaker == name) for name in claims}
    return min(claims, key=lambda name: (-_alone(name, around, wide), began[name], name))


def _alone(name: str, turns: Sequence[Turn], within: Span) -> float:
    """Seconds inside `within` in which only `name` speaks."""
    everyone = _union([turn.span for turn in turns], within)
    others = _union([turn.span for turn in turns if turn.speaker != name], within)
    return seconds(everyone - others)


def _union(spans: Sequence[Span], within: Span) -> float:
    """Seconds of `within` that the spans, sorted by start, cover together."""
    total, reached = 0.0, within.start
    for span in spans:
        start, end = max(span.start, reached), min(span.end, within.end)
        if end > start:
            total += end - start
            reached = end
    return seconds(total)
