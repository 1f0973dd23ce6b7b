"""Which words are aligned together, in which stretch of the sound. Pure.

A transcriber's word times are right to within a second, so they say where to look: each piece is a run of words with a
stretch of sound around it, and no word is looked for further away than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from captioner.times import Span
from captioner.types import Word

PAD = 0.75
"""Seconds of sound before the first and after the last word of a piece: attention is off by more, but rarely; more
sound than that has more in it to go astray on."""
BESIDE = 0.2
"""Seconds of the next word that may belong to the piece: attention lets words begin early."""
REACH = 1.0
"""Seconds by which a word may be moved: the most that attention was seen to be astray in read and in free speech."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Words [first, last) of a recording, looked for in `span`."""

    first: int
    last: int
    span: Span


def pieces(
    words: Sequence[Word], duration: float, most: float, gap: float, usable: Sequence[bool] | None = None
) -> list[Piece]:
    """Runs of words, broken at pauses of `gap` seconds or more, and at the widest gap where one would last longer than
    `most` seconds. Words that are not `usable` are left out and break a run."""
    runs: list[list[int]] = []
    for index, word in enumerate(words):
        if usable is not None and not usable[index]:
            continue
        joined = bool(runs) and runs[-1][-1] == index - 1 and word.span.start - words[index - 1].span.end < gap
        if joined:
            runs[-1].append(index)
        else:
            runs.append([index])
    return [_around(words, part, duration) for run in runs for part in _halved(words, run, most)]


def _halved(words: Sequence[Word], run: list[int], most: float) -> list[list[int]]:
    """The run in parts of at most `most` seconds, as far as single words allow: cut at the widest gap, nearest to the
    middle where several are as wide."""
    if len(run) < 2 or words[run[-1]].span.end - words[run[0]].span.start <= most:
        return [run]
    middle = (words[run[0]].span.start + words[run[-1]].span.end) / 2

    def worth(at: int) -> tuple[float, float]:
        before, after = words[run[at - 1]].span.end, words[run[at]].span.start
        return round(max(0.0, after - before), 2), -abs((before + after) / 2 - middle)

    cut = max(range(1, len(run)), key=worth)
    return _halved(words, run[:cut], most) + _halved(words, run[cut:], most)


def _around(words: Sequence[Word], run: Sequence[int], duration: float) -> Piece:
    first, last = run[0], run[-1]
    start, end = words[first].span.start - PAD, words[last].span.end + PAD
    if first:
        start = max(start, min(words[first - 1].span.end, words[first].span.start))
    if last + 1 < len(words):
        end = min(end, max(words[last + 1].span.start + BESIDE, words[last].span.end))
    return Piece(first, last + 1, Span.at(max(0.0, start), max(0.0, min(duration, end))))


def joined(spans: Sequence[Span | None], most: float) -> list[Span | None]:
    """The same with gaps below `most` seconds closed in their middle: letters of a CTC model are spikes, and words with
    a shorter gap between them touch."""
    done = list(spans)
    for index, (one, other) in enumerate(pairwise(spans)):
        if one is None or other is None or not 0 < other.start - one.end < most:
            continue
        middle = (one.end + other.start) / 2
        known = done[index]
        assert known is not None
        done[index] = Span.at(known.start, middle)
        done[index + 1] = Span.at(middle, other.end)
    return done
