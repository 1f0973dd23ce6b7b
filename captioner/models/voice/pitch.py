"""The fundamental of a voice every 16 ms, by SwiftF0: a network of 14,386 parameters on ONNX Runtime (MIT).

Chosen among the kept trackers that need no torch and no compiler: Praat's is GPL, WORLD's, REAPER's and SPTK's come as
sources only, librosa's pYIN brings numba. SwiftF0 is a pure wheel of 116 kB for every platform, finds the pitch of
synthetic voices within 0.5 % and, where both hear a voice in real speech, is within a musical third of Praat's
autocorrelation in 95 to 99 % of the frames: `bench/measures.py` prints both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.models.protocols import Samples
from captioner.types import SPEECH_RATE

PITCH_RANGE = (55.0, 600.0)
"""Hz: the fundamentals that are looked for: from a creaky bass to a shriek."""
VOICED = 0.5
"""Confidence from which the tracker itself calls a frame voiced."""
STEP = 256
"""Samples between two of its frames."""
WELL_HEARD = 0.25
"""Peak to which quiet sound is raised before the tracker hears it: it does not level by itself."""


@dataclass(frozen=True, slots=True)
class Track:
    """The fundamental of every frame; frame i lies around sample first + i x STEP."""

    pitch: NDArray[np.float64]
    """float64 (frames,), Hz; of unvoiced frames it means nothing."""
    voiced: NDArray[np.bool_]
    """bool (frames,)."""
    first: int = 0

    @property
    def centres(self) -> NDArray[np.int64]:
        """int64 (frames,): the sample in the middle of each frame."""
        return self.first + np.arange(len(self.pitch), dtype=np.int64) * STEP

    def nearest(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64 (n,): the frames whose middles lie nearest to samples (n,)."""
        return np.clip(np.round((samples - self.first) / STEP).astype(np.int64), 0, len(self.pitch) - 1)


UNHEARD = Track(np.zeros(0), np.zeros(0, dtype=bool))
"""Of a sound in which there is nothing to hear."""


class Tracker:
    """SwiftF0, loaded once."""

    def __init__(self, threads: int) -> None:
        from swift_f0 import SwiftF0

        # Idle threads sleep: between two clips others have the processor.
        self._detector: Any = SwiftF0(threads=threads, spin=False)

    def __call__(self, samples: Samples) -> Track:
        """The pitch of float32 (n,) at 16 kHz. The level does not matter."""
        loud = raised(samples)
        if loud is None:
            return UNHEARD
        found = self._detector.detect(loud, SPEECH_RATE, *PITCH_RANGE)
        return Track(np.asarray(found.pitch_hz), np.asarray(found.confidence >= VOICED))


def raised(samples: Samples) -> Samples | None:
    """What the tracker hears of float32 (n,); None where there is nothing to hear."""
    peak = float(np.abs(samples).max(initial=0.0))
    if len(samples) < STEP or peak == 0:
        return None
    return samples * np.float32(WELL_HEARD / peak) if peak < WELL_HEARD else samples
