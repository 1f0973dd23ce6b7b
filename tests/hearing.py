"""Waveforms for the tests of models: sound in memory, and the shared test recordings where there are any."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

RATE = 16_000
Floats = NDArray[np.float32]


@dataclass
class Heard:
    """A `Waveform` over an array, 16 kHz mono; `largest` is the longest piece that was read, in samples."""

    samples: Floats
    largest: int = 0

    @property
    def duration(self) -> float:
        return len(self.samples) / RATE

    def read(self, start: float, end: float) -> Floats:
        piece = self.samples[max(0, round(start * RATE)) : max(0, round(end * RATE))]
        self.largest = max(self.largest, len(piece))
        return piece


def test_data() -> Path:
    """The folder of shared test recordings; skips the test where there is none."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CAPTIONER_TEST_DATA", beside))
    if not (folder / "manifest.json").is_file():
        pytest.skip("no test recordings: set CAPTIONER_TEST_DATA to a folder with a manifest.json")
    return folder


test_data.__test__ = False  # type: ignore[attr-defined]


def recording(name: str) -> Floats:
    """The sound of a shared test recording at 16 kHz mono, decoded by PyAV alone."""
    resampler = av.AudioResampler("flt", "mono", RATE)
    with av.open(str(test_data() / name)) as media:
        frames = [frame for whole in [*media.decode(audio=0), None] for frame in resampler.resample(whole)]
    return np.concatenate([frame.to_ndarray().ravel() for frame in frames]).astype(np.float32)


def hiss(duration: float, level: float, seed: int = 1) -> Floats:
    """White noise of `level` dBFS RMS."""
    noise = np.random.default_rng(seed).standard_normal(round(duration * RATE))
    return np.asarray(noise / np.sqrt(np.mean(noise**2)) * 10 ** (level / 20), np.float32)
