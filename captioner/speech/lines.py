"""Words to lines: what one speaker says in one go."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from captioner.times import Span
from captioner.types import Line, Turn, Word

SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！", "؟", "۔", "।", "‽")
CLOSERS = "\"'”’»)]}』」）"


@dataclass(frozen=True, slots=True)
class LineOptions:
    pause: float = 0.45
    """Seconds of silence that end a line, whatever the words say."""
    room: float = 0.12
    """Seconds of silence after the end of a sentence that end a line: enough for two edges of 40 ms and a frame."""


def segment(
    words: Sequence[Word], turns: Sequence[Turn], regions: Sequence[Span], options: LineOptions | None = None
) -> list[Line]:
    """Lines in order of their first word; every word is in exactly one.

    A line ends where the speaker changes, at a pause, at a sentence end that has room to cut, and where somebody else
    has a whole turn between two words (there was an answer, even if nobody wrote it down). A gap in which speech goes
    on (`regions`) is a word that was not written, not a pause: it does not end a line.
    """
    options = options or LineOptions()
    ordered = sorted(words, key=lambda word: (word.span.start, word.span.end))
    spoken = _Covered(regions)
    between = _Between(turns)
    lines: list[Line] = []
    current: list[Word] = []
    for word in ordered:
        if current and _ends(current[-1], word, options, spoken, between):
            lines.append(Line(tuple(current), current[0].speaker))
            current = []
        current.append(word)
    if current:
        lines.append(Line(tuple(current), current[0].speaker))
    return lines


def ends_sentence(text: str) -> bool:
    return text.rstrip(CLOSERS).endswith(SENTENCE_ENDS)


def _ends(last: Word, word: Word, options: LineOptions, spoken: _Covered, between: _Between) -> bool:
    if last.speaker != word.speaker:
        return True
    gap = word.span.start - last.span.end
    if gap < options.room - 1e-9:
        return False
    if between.other(last.span.end, word.span.start, last.speaker):
        return True
    silent = gap - spoken.seconds(last.span.end, word.span.start)
    return silent >= (options.room if ends_sentence(last.text) else options.pause) - 1e-9


class _Covered:
    """How much of a stretch ordered, non-overlapping spans cover."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._ends = [span.end for span in spans]

    def seconds(self, start: float, end: float) -> float:
        total = 0.0
        for index in range(bisect_right(self._ends, start), len(self._spans)):
            span = self._spans[index]
            if span.start >= end:
                break
            total += min(span.end, end) - max(span.start, start)
        return total


class _Between:
    """Whether somebody has a whole turn inside a gap."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = sorted(turns)
        self._starts = [turn.span.start for turn in self._turns]

    def other(self, start: float, end: float, speaker: str | None) -> bool:
        for index in range(bisect_right(self._starts, start - 1e-9), len(self._turns)):
            turn = self._turns[index]
            if turn.span.start >= end:
                return False
            if turn.speaker != speaker and turn.span.end <= end:
                return True
        return False
