"""What the embedded diarizer asks its networks: about stretches of sound of many recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from captioner.models.diarizer import windows
from captioner.models.diarizer.turnlets import CAP, Unit
from captioner.models.protocols import Samples, Waveform
from captioner.models.torch_campplus import HOP, WINDOW

SYLLABLE = 15
"""Filter bank frames (0.15 s) below which an embedding says nothing."""


@dataclass(frozen=True, slots=True)
class Window:
    """What the segmentation network hears at once."""

    audio: Waveform
    first: int
    """Its first frame on the recording's grid."""

    @property
    def start(self) -> int:
        """Its first sample."""
        return self.first * windows.HOP

    def read(self) -> Samples:
        """WINDOW samples; fewer at the recording's end."""
        return between(self.audio, self.start, self.start + windows.WINDOW)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of one voice."""

    audio: Waveform
    unit: Unit

    @property
    def samples(self) -> int:
        """About how many there are, for sharing stretches out; nothing is read."""
        return (self.unit.end - self.unit.start) * windows.HOP

    def read(self) -> Samples:
        return self.audio.read(max(0.0, windows.edge(self.unit.start)), windows.edge(self.unit.end))

    def alone(self, banks: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Which of its filter bank frames nobody else speaks in, and the frame of the recording's grid of each."""
        frames = np.minimum((WINDOW // 2 + HOP * np.arange(banks)) // windows.HOP, len(self.unit.alone) - 1)
        rows = np.flatnonzero(self.unit.alone[frames])
        return rows, self.unit.start + frames[rows]


class Ears(Protocol):
    """The networks. Each answers in the order of what is asked, as soon as it can: many at a time."""

    def segment(self, asked: Sequence[Window]) -> Iterator[windows.Local]:
        """Local speakers of each window."""

    def search(self, asked: Sequence[Stretch]) -> Iterator[list[int]]:
        """Frames on the recording's grid at which another voice begins within each stretch."""

    def embed(self, asked: Sequence[Stretch]) -> Iterator[NDArray[np.float32]]:
        """The voice of each stretch, of unit length; zeros where there is too little of it."""


def between(audio: Waveform, first: int, last: int) -> Samples:
    """Samples [first, last) of a recording, cut to what there is."""
    return audio.read(first / windows.RATE, last / windows.RATE)[: last - first]


def bank_frames(samples: int) -> int:
    """Filter bank frames of so many samples, as Kaldi counts them."""
    return 1 + (samples - WINDOW) // HOP if samples >= WINDOW else 0


def middle(rows: NDArray[np.generic]) -> slice:
    """Those of a stretch's rows that are embedded."""
    start = max(0, len(rows) - CAP) // 2
    return slice(start, start + CAP)
