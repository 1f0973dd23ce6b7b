"""A transcript with the times of an aligner. No word comes, goes, changes or changes places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from captioner.times import Span, seconds
from captioner.types import Transcript

NARROWEST = 0.02
"""Seconds: the least width of a word, where there is room."""


def retimed(transcript: Transcript, spans: Sequence[Span | None], duration: float) -> Transcript:
    """The same words in the same order, apart and inside [0, `duration`]. A word without a new span keeps its time as
    far as its neighbours let it."""
    words = transcript.words
    if not words:
        return transcript
    wanted = _between(
        [new or word.span for new, word in zip(spans, words, strict=True)], [span is not None for span in spans]
    )
    placed = _apart(wanted, duration)
    return replace(transcript, words=tuple(replace(word, span=span) for word, span in zip(words, placed, strict=True)))


def _between(spans: list[Span], sure: Sequence[bool]) -> list[Span]:
    """What was not aligned, held between what was."""
    ahead = float("inf")
    latest = [ahead] * len(spans)
    for index in range(len(spans) - 1, -1, -1):
        latest[index] = ahead
        if sure[index]:
            ahead = spans[index].start
    behind, held = 0.0, []
    for span, late, known in zip(spans, latest, sure, strict=True):
        if not known:
            start = min(max(span.start, behind), max(late, behind))
            span = Span.at(start, max(start, min(span.end, late)))
        held.append(span)
        behind = max(behind, span.end)
    return held


def _apart(spans: Sequence[Span], duration: float) -> list[Span]:
    """In order, none over the next, moved as little as that and their least width need."""
    count = len(spans)
    # Floored to a millisecond, so that rounding never pushes the last word out.
    width = int(min(NARROWEST, duration / count) * 1000 + 1e-6) / 1000
    result: list[Span] = []
    reached = 0.0
    for index, span in enumerate(spans):
        after = count - index - 1
        start = min(max(span.start, reached), seconds(duration - width * (after + 1)))
        end = min(max(span.end, seconds(start + width)), seconds(duration - width * after))
        if index + 1 < count:
            end = max(seconds(start + width), min(end, spans[index + 1].start))
        result.append(Span.at(start, end))
        reached = result[-1].end
    return result
