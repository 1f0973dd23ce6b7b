"""Waveforms that a model can read piecewise: from a file of raw samples, or from memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from captioner.errors import Broken
from captioner.types import SPEECH_RATE

Samples = NDArray[np.float32]
"""float32 (n,), mono, 16 kHz, in [-1, 1]."""

_BYTES = 2


class PcmFile:
    """A `Waveform` over raw little-endian int16 at 16 kHz, mono, as `decode_speech` writes it.

    Read by seeking, never mapped, so that hours of sound do not count as resident memory. `name` is what messages call
    it. Raises Broken where the file is gone or was cut off in the middle of a sample.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.path = path
        self.name = path.name if name is None else name
        try:
            size = path.stat().st_size
        except OSError as error:
            raise Broken(f"{self.name}: its decoded sound ({path}) cannot be read; build again") from error
        if size % _BYTES:
            raise Broken(f"{self.name}: its decoded sound ({path}) is cut off; delete it and build again")
        self._count = size // _BYTES

    @property
    def duration(self) -> float:
        """Seconds."""
        return self._count / SPEECH_RATE

    def read(self, start: float, end: float) -> Samples:
        """Samples of [start, end) seconds, cut to what there is: float32 (n,), in [-1, 1)."""
        return _read(self.path, self.name, *_bounds(start, end, self._count))

    def part(self, start: float, end: float) -> PcmPart:
        """[start, end) seconds of it, cut to what there is."""
        first, last = _bounds(start, end, self._count)
        return PcmPart(self.path, self.name, first, last - first)


@dataclass(frozen=True, slots=True)
class PcmPart:
    """A `Waveform` over a part of a PcmFile, which nobody reads before it is asked for: it costs nothing to send."""

    file: Path
    name: str
    first: int
    """Sample of the file at which it begins."""
    count: int
    """Samples."""

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.count / SPEECH_RATE

    def read(self, start: float, end: float) -> Samples:
        """Samples of [start, end) seconds from its beginning, cut to what there is: float32 (n,), in [-1, 1)."""
        first, last = _bounds(start, end, self.count)
        return _read(self.file, self.name, self.first + first, self.first + last)


class Samples16k:
    """A `Waveform` over float32 (n,) samples in memory: for tests and short things."""

    def __init__(self, samples: Samples, name: str = "samples") -> None:
        self.samples = samples
        self.name = name

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / SPEECH_RATE

    def read(self, start: float, end: float) -> Samples:
        """Samples of [start, end) seconds, cut to what there is: float32 (n,)."""
        first, last = _bounds(start, end, len(self.samples))
        return self.samples[first:last]


def _read(path: Path, name: str, first: int, last: int) -> Samples:
    try:
        with path.open("rb") as file:
            file.seek(first * _BYTES)
            raw = file.read((last - first) * _BYTES)
    except OSError as error:
        raise Broken(f"{name}: its decoded sound ({path}) cannot be read; build again") from error
    if len(raw) != (last - first) * _BYTES:
        raise Broken(f"{name}: its decoded sound ({path}) was cut off while it was read; build again")
    samples = np.frombuffer(raw, dtype="<i2").astype(np.float32)
    samples /= np.float32(32768)
    return samples


def _bounds(start: float, end: float, count: int) -> tuple[int, int]:
    first = min(max(0, round(start * SPEECH_RATE)), count)
    return first, min(max(first, round(end * SPEECH_RATE)), count)
