"""The measures: pure functions over words and spans. Times are seconds; a span is (start, end)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SpanT = tuple[float, float]

TOUCH = 0.001
"""Seconds: nearer than this is touching, not inside."""
PAUSE_DEPTH = 25.0
"""dB under a word's loudest 50 ms at which nothing of it is heard any more."""
SLACK = 0.5
"""Seconds around truth speech in which a word is not called invented, because recognisers place words loosely."""


@dataclass(frozen=True)
class Spoken:
    """A word of the truth."""

    start: float
    end: float
    text: str
    speaker: str | None = None


@dataclass(frozen=True)
class Errors:
    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __add__(self, other: Errors) -> Errors:
        return Errors(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )

    @property
    def reference(self) -> int:
        """Words of the truth."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float | None:
        """Word error rate; None where the truth has no word."""
        wrong = self.substitutions + self.deletions + self.insertions
        return wrong / self.reference if self.reference else None


def align(truth: Sequence[str], heard: Sequence[str], *, part: bool = False) -> Errors:
    """Fewest errors that turn `truth` into `heard`. With `part`, truth before and after what was heard costs nothing
    and is not counted: for a clip of which only the surrounding text is known."""
    table = _table(truth, heard, part=part)
    row = len(truth)
    column = len(heard)
    if part:
        row = min(range(len(truth) + 1), key=lambda index: (table[index][column], -index))
    hits = substitutions = deletions = insertions = 0
    while column or (row and not part):
        cost = table[row][column]
        if row and column:
            wrong = truth[row - 1] != heard[column - 1]
            if cost == table[row - 1][column - 1] + wrong:
                hits, substitutions = hits + (not wrong), substitutions + wrong
                row, column = row - 1, column - 1
                continue
        if row and cost == table[row - 1][column] + 1:
            deletions, row = deletions + 1, row - 1
        else:
            insertions, column = insertions + 1, column - 1
    return Errors(hits, substitutions, deletions, insertions)


def _table(truth: Sequence[str], heard: Sequence[str], *, part: bool) -> list[list[int]]:
    table = [list(range(len(heard) + 1))]
    for index, word in enumerate(truth, start=1):
        before = table[-1]
        row = [0 if part else index]
        for column, other in enumerate(heard, start=1):
            row.append(min(before[column - 1] + (word != other), before[column] + 1, row[-1] + 1))
        table.append(row)
    return table


def overlap(one: SpanT, other: SpanT) -> float:
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def split_words(words: Iterable[Spoken], clip: SpanT) -> list[Spoken]:
    """Truth words with an edge of the clip strictly inside them."""
    return [
        word for word in words if any(word.start + TOUCH < edge < word.end - TOUCH for edge in clip)
    ]  # fmt: skip


def sounding_at(samples: NDArray[np.float32], rate: int, word: Spoken, edge: float) -> bool:
    """Whether the 20 ms on both sides of `edge`, inside the word, are less than `PAUSE_DEPTH` dB under its loudest 50.

    Annotated words often reach over the pause that follows them; an edge in that pause cuts nothing that is heard.
    """

    def power(start: float, end: float) -> float:
        part = samples[max(0, round(start * rate)) : max(0, round(end * rate))].astype(np.float64)
        return float(np.mean(part**2)) if len(part) else 0.0

    loudest = max(power(at / 100, at / 100 + 0.05) for at in range(int(word.start * 100), int(word.end * 100) + 1))
    around = min(power(edge - 0.02, edge), power(edge, edge + 0.02))
    return around > loudest * 10 ** (-PAUSE_DEPTH / 10)


def foreign_words(words: Sequence[Spoken], clip: SpanT) -> list[Spoken]:
    """Truth words heard in the clip, whole or in part, of anyone but the one who speaks most in it."""
    heard = [word for word in words if overlap((word.start, word.end), clip) > TOUCH and word.speaker is not None]
    if not heard:
        return []
    amounts: dict[str | None, float] = {}
    for word in heard:
        amounts[word.speaker] = amounts.get(word.speaker, 0.0) + overlap((word.start, word.end), clip)
    main = max(amounts, key=lambda name: amounts[name])
    return [word for word in heard if word.speaker != main]


def foreign_speech(turns: Sequence[tuple[float, float, str]], clip: SpanT) -> float:
    """Seconds of the clip in which anyone speaks but the one who speaks most in it."""
    amounts: dict[str, float] = {}
    for start, end, speaker in turns:
        amounts[speaker] = amounts.get(speaker, 0.0) + overlap((start, end), clip)
    if not amounts:
        return 0.0
    main = max(amounts, key=lambda name: amounts[name])
    others = merge((max(start, clip[0]), min(end, clip[1])) for start, end, speaker in turns if speaker != main)
    return length(others)


def inside(words: Iterable[Spoken], clip: SpanT) -> list[Spoken]:
    """Truth words whose middle lies in the clip."""
    return [word for word in words if clip[0] <= (word.start + word.end) / 2 < clip[1]]


def merge(spans: Iterable[SpanT]) -> list[SpanT]:
    """In order, joined where they overlap or touch; empty ones dropped."""
    joined: list[SpanT] = []
    for start, end in sorted(span for span in spans if span[1] > span[0]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def length(spans: Iterable[SpanT]) -> float:
    return sum(end - start for start, end in spans)


def without(span: SpanT, taken: Iterable[SpanT]) -> list[SpanT]:
    """What of `span` none of `taken` covers."""
    left, now = [], span[0]
    for start, end in merge(taken):
        if start > now:
            left.append((now, min(start, span[1])))
        now = max(now, end)
    left.append((now, span[1]))
    return [(start, end) for start, end in left if end > start]


def single_speech(turns: Sequence[tuple[float, float, str]]) -> list[SpanT]:
    """Where exactly one person speaks."""
    found: list[SpanT] = []
    for index, (start, end, speaker) in enumerate(turns):
        others = [(s, e) for place, (s, e, who) in enumerate(turns) if place != index and who != speaker]
        found += without((start, end), others)
    return merge(found)


def kept(speech: Iterable[SpanT], clips: Sequence[SpanT]) -> float:
    """Seconds of `speech` that lie in a clip."""
    together = merge(clips)
    return sum(overlap(span, clip) for span in speech for clip in together)


def invented(words: Iterable[tuple[float, float, str]], silent: Sequence[SpanT]) -> list[str]:
    """Heard words that lie wholly in a stretch where the truth says that nobody speaks."""
    return [text for start, end, text in words if any(first <= start and end <= last for first, last in silent)]


def silent_stretches(speech: Iterable[SpanT], duration: float, slack: float = SLACK) -> list[SpanT]:
    """Where nobody speaks, `slack` away from speech; all of it (and beyond, for loose word times) where nobody does."""
    spans = [(start - slack, end + slack) for start, end in speech]
    if not spans:
        return [(-slack, duration + slack)]
    return without((-slack, duration + slack), spans)
