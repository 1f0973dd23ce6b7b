"""One recording on its way through a Whisper, and what is reported of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from captioner.models.asr import packing
from captioner.models.asr.guards import Hearing
from captioner.models.asr.packing import Piece
from captioner.models.protocols import Listening, Progress, Samples
from captioner.times import seconds
from captioner.types import SPEECH_RATE, Doubt, Heard, Transcript, Word


@dataclass(slots=True)
class Course:
    """One recording on its way."""

    item: Listening
    pieces: list[Piece]
    language: str | None
    probability: float | None = None
    hearings: dict[Piece, Hearing] = field(default_factory=dict)
    """The best one of each piece so far."""
    faults: dict[Piece, tuple[Doubt, ...]] = field(default_factory=dict)
    """Of those hearings, once somebody asked."""
    spoken: dict[Piece, Mapping[str, float]] = field(default_factory=dict)
    """Probability of each language in each piece, where it was asked for."""
    doubts: list[Doubt] = field(default_factory=list)
    left: float = 0.0
    """Seconds not yet reported as done."""
    decided: threading.Event = field(default_factory=threading.Event)
    """Set once the language is known, or will never be."""

    def hear(self, piece: Piece, hearing: Hearing) -> None:
        self.hearings[piece] = hearing
        self.faults.pop(piece, None)


def sound_of(course: Course, piece: Piece) -> Samples:
    return course.item.audio.read(piece.heard.start, piece.heard.end)


def transcript_of(course: Course) -> Transcript:
    words: list[Word] = [word for piece in course.pieces for word in course.hearings[piece].words]
    doubts = sorted(
        course.doubts, key=lambda doubt: (doubt.span.start if doubt.span else 0.0, doubt.reason, doubt.detail)
    )
    heard = tuple(_heard(piece, course.hearings[piece]) for piece in course.pieces)
    return Transcript(tuple(words), course.language, course.probability, tuple(doubts), heard)


def _heard(piece: Piece, hearing: Hearing) -> Heard:
    sure = None if hearing.log_probability is None else round(hearing.log_probability, 4)
    return Heard(piece.heard, sure, round(hearing.no_speech, 4))


def quietest_in(item: Listening) -> packing.Quietest:
    """Middle of the quietest 0.1 s of a stretch, in hops of 10 ms; the first of equals."""

    def quietest(start: float, end: float) -> float:
        sound = item.audio.read(start, end)
        hop = SPEECH_RATE // 100
        hops = len(sound) // hop
        if hops < 20:
            return (start + end) / 2
        power = np.square(sound[: hops * hop].astype(np.float64)).reshape(hops, hop).mean(axis=1)
        smooth = np.convolve(power, np.ones(10) / 10, mode="valid")
        return seconds(start + (int(smooth.argmin()) + 5) * hop / SPEECH_RATE)

    return quietest


def pooled(pieces: Sequence[tuple[float, Mapping[str, float]]]) -> tuple[str, float]:
    """The language of a recording and its probability: the mean over its pieces, weighted by seconds of speech."""
    total = sum(weight for weight, _ in pieces) or 1.0
    mean: dict[str, float] = {}
    for weight, probabilities in pieces:
        for language, probability in probabilities.items():
            mean[language] = mean.get(language, 0.0) + weight * probability / total
    best = max(sorted(mean), key=lambda language: mean[language])
    return best, round(mean[best], 4)


class Steps:
    """Progress: a recording's seconds in shares of its pieces, all of them reported by the end, from any thread."""

    def __init__(self, courses: Sequence[Course], progress: Progress | None) -> None:
        self._courses = courses
        self._progress = progress
        self._lock = threading.Lock()
        for course in courses:
            course.left = course.item.audio.duration

    def done(self, course: Course, piece: Piece) -> None:
        with self._lock:
            step = min(course.left, piece.heard.duration)
            course.left -= step
            self._tell(step)

    def rest(self) -> None:
        for course in self._courses:
            self._tell(course.left)
            course.left = 0.0

    def _tell(self, step: float) -> None:
        if self._progress is not None and step > 0.0:
            self._progress(step)
