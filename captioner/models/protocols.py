"""What a model must do. Batches are the unit: one call gets many recordings and may mix them as it likes, because a
folder holds hundreds of short clips and one at a time wastes most of a processor.

A backend is one file in `models/<role>/`. It has a frozen dataclass `Options` (its settings), a `VERSION` string that
changes whenever its results may, and `load(options) -> <the role's protocol>`. Nothing heavy is imported before `load`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from captioner.errors import DescriptionError
from captioner.measures import Measures, Tag
from captioner.times import Span
from captioner.types import Activity, Diarization, Transcript, Word

Samples = NDArray[np.float32]
"""float32 (n,), mono, 16 kHz, in [-1, 1]."""

Progress = Callable[[float], None]
"""Called with seconds of audio finished since the last call."""


class Waveform(Protocol):
    """The sound of one recording, 16 kHz mono from its clock 0, read piecewise so that hours fit in memory."""

    @property
    def duration(self) -> float:
        """Seconds."""

    def read(self, start: float, end: float) -> Samples:
        """Samples of [start, end) seconds, cut to what there is: float32 (n,)."""


@dataclass(frozen=True, slots=True)
class SpeakerHint:
    """How many speakers a recording has, where the user knows."""

    least: int = 1
    most: int | None = None


class Diarizer(Protocol):
    def diarize(
        self, audios: Sequence[Waveform], hint: SpeakerHint, progress: Progress | None = None
    ) -> list[Diarization]:
        """One result a waveform, in order. Speakers are named SPEAKER_00, SPEAKER_01 ... in order of appearance; a
        backend that replays a person's files keeps that person's names."""


class Vad(Protocol):
    def listen(self, audios: Sequence[Waveform], progress: Progress | None = None) -> list[Activity]:
        """One result a waveform, in order; ceil(duration / STEP) frames each."""


@dataclass(frozen=True, slots=True)
class Listening:
    """One recording to transcribe."""

    audio: Waveform
    speech: tuple[Span, ...]
    """Where somebody speaks, in order, not overlapping and not padded. Nothing else is transcribed."""
    language: str | None = None
    """ISO 639-1 where known; None to detect it over the whole recording."""


class Transcriber(Protocol):
    def transcribe(self, batch: Sequence[Listening], progress: Progress | None = None) -> list[Transcript]:
        """One transcript a recording, in order; words in order of their start, inside the recording."""


@dataclass(frozen=True, slots=True)
class Saying:
    """One recording whose words are known, and roughly when they are said."""

    audio: Waveform
    words: tuple[Word, ...]
    """In order of their start."""
    language: str | None = None
    """ISO 639-1 of what is said, where known."""


class Aligner(Protocol):
    def align(self, batch: Sequence[Saying], progress: Progress | None = None) -> list[tuple[Span | None, ...]]:
        """When each word is said, in the order of the words, inside the recording; None for a word that it finds no
        place for."""


class Tagger(Protocol):
    def tag(self, audios: Sequence[Waveform], progress: Progress | None = None) -> list[tuple[Tag, ...]]:
        """Sound events of each waveform, in order of start."""

    @property
    def hears(self) -> frozenset[str]:
        """The labels whose absence means something: `frozenset({"speech", "singing", "music"})`."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The sound of one Cut, to be measured. Times are seconds from its start."""

    audio: Waveform
    """Of the cut alone; where it is in a file, whoever measures it reads it there."""
    speech: tuple[Span, ...]
    """Where somebody speaks, in order, not overlapping."""
    words: int
    """How many words are said in it."""
    tags: tuple[Tag, ...] | None = None
    """What a tagger heard in it, in order of start; None where none listened."""
    hears: frozenset[str] = frozenset()
    """The labels whose absence means something; see `Tagger.hears`."""
    bandwidth: float | None = None
    """Hz up to which the whole recording's sound reaches, at its own rate."""

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.audio.duration

    @property
    def samples(self) -> Samples:
        """All of it, float32 (n,), read anew each time. Raises Broken where its file cannot be read."""
        return self.audio.read(0.0, self.audio.duration)


class Meter(Protocol):
    def measure(self, batch: Sequence[Excerpt], progress: Progress | None = None) -> list[Measures]:
        """One result an excerpt, in order. What there is too little sound to say is None, never a guess."""


@dataclass(frozen=True, slots=True)
class View:
    """The picture of one Cut: some of its frames, upright and as its clip shows them."""

    id: str
    """The Cut's; for messages."""
    frames: tuple[bytes, ...]
    """JPEG, in order of time; at least one."""
    times: tuple[float, ...]
    """When each is shown, seconds from the Cut's start."""
    size: tuple[int, int]
    """Width and height of each, pixels."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a describer said of a View."""

    text: str | None
    """Plain sentences on one line, ready for a caption; None where there is nothing to say."""
    tokens_in: int | None = None
    """What the answer took, where the backend counts it."""
    tokens_out: int | None = None


class Describer(Protocol):
    """Sees the picture only: no sound, no words. Its `Options` have `fps`, `frames` and `side`: see
    `captioner.models.describer.looking.Looking`."""

    def describe(self, views: Iterable[View]) -> Iterator[tuple[View, Description | DescriptionError]]:
        """One answer a view, each as soon as it is there, in any order.

        Views are taken when there is room for them, so that pictures are decoded while others are looked at. A view
        that cannot be described gets an error and costs no other its answer; after a `DescriberDown` the rest are
        answered with it unasked.
        """
