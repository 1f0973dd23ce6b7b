"""Which samples are speech, which are around it, and levels: what all the measuring shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from captioner.models.protocols import Samples
from captioner.times import Span
from captioner.types import SPEECH_RATE

Mask = NDArray[np.bool_]

QUIETEST = -120.0
"""dBFS: what digital silence is said to have."""
GUARD = 0.05
"""Seconds beside speech that count as neither: words fade there."""
RUMBLE = 60.0
"""Hz below which nothing counts as sound around a voice: it shakes a microphone and is not heard."""


def inside(count: int, spans: Sequence[Span]) -> Mask:
    """bool (count,): the samples within the spans, which are in seconds."""
    mask = np.zeros(count, dtype=bool)
    for span in spans:
        mask[max(0, round(span.start * SPEECH_RATE)) : max(0, round(span.end * SPEECH_RATE))] = True
    return mask


def around(count: int, spans: Sequence[Span], guard: float = GUARD) -> Mask:
    """bool (count,): the samples that are `guard` seconds or more from all spans."""
    return ~inside(count, [Span.at(max(0.0, span.start - guard), span.end + guard) for span in spans])


def decibels(power: float) -> float:
    return round(max(QUIETEST, 10 * float(np.log10(max(power, 1e-30)))), 1)


def without_rumble(samples: Samples) -> Samples:
    """The samples without what lies below `RUMBLE`: float32 (n,)."""
    if len(samples) == 0:
        return samples
    from scipy.fft import irfft, next_fast_len, rfft

    # Padded by half a period so that the ends do not wrap round into each other.
    size = next_fast_len(len(samples) + SPEECH_RATE // 100, real=True)
    spectrum = rfft(samples, size)
    spectrum[: round(RUMBLE * size / SPEECH_RATE)] = 0
    return np.asarray(irfft(spectrum, size)[: len(samples)], np.float32)


def powers(frames: NDArray[np.float32], size: int | None = None) -> NDArray[np.float32]:
    """float32 (frames, size / 2 + 1): the power spectrum of each frame, of `size` samples where it is to be filled up.

    SciPy's transform takes several frames at a time, in a quarter of NumPy's time.
    """
    from scipy.fft import rfft

    spectra = rfft(frames, size)
    found: NDArray[np.float32] = np.square(spectra.real) + np.square(spectra.imag)
    return found


def frame_power(samples: Samples, size: int, hop: int) -> NDArray[np.float64]:
    """float64 (frames,): mean square of frames of `size` samples every `hop`."""
    if len(samples) < size:
        return np.zeros(0)
    total = np.concatenate(([0.0], np.cumsum(np.square(samples, dtype=np.float64))))
    return np.asarray((total[size:] - total[:-size])[::hop] / size)


BESIDE = 0.1
"""Seconds beside the speech that a network hears with it."""


def speech_reach(speech: Sequence[Span], count: int) -> tuple[int, int]:
    """First sample, and the one after the last, of `count` that need to be heard to hear all speech: most of a clip's
    silence lies at its ends, and a network costs as much for it. Multiples of 10 ms, so that frames lie where they
    would in the whole."""
    if not speech:
        return 0, 0
    frame = SPEECH_RATE // 100
    first = max(0, int((speech[0].start - BESIDE) * 100)) * frame
    return min(first, count), min(count, round((speech[-1].end + BESIDE) * 100) * frame)
