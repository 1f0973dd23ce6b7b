"""How a room answers a voice, blind: from how fast the levels of speech fall.

A voice that stops leaves the room's own decay, so in every band the fastest falls of the level are the room's: a dry
voice falls by 60 dB in 0.1 to 0.2 s, one in a hall takes a second. Slopes of all falling stretches of three lengths
are gathered; four quantiles for each length, in a quadratic form, give the reverberation time and the clarity.
The numbers below were fitted on twelve dry voices in a hundred synthetic rooms (exponential tails and image sources),
with noise 15 to 40 dB under them; on a voice that was left out they are 20 % off in the mean. `bench/measures.py --fit`
fits anew to easier rooms and prints the same for them: 9 to 16 %, and 1 to 2 dB of clarity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captioner.models.protocols import Samples
from captioner.models.voice.masks import powers
from captioner.types import SPEECH_RATE

Matrix = NDArray[np.float64]

WINDOW, HOP = 400, 80
"""Samples of a frame (25 ms), and between two (5 ms)."""
SIZE = 512
EDGES = (200, 400, 600, 900, 1300, 1800, 2500, 3500, 5000, 7000)
"""Hz: the bands whose levels are followed."""
LENGTHS = (16, 30, 50)
"""Frames of the stretches that are looked at: 80, 150 and 250 ms."""
QUANTILES = (0.5, 0.75, 0.9, 0.97)
"""Of the slopes: the steepest falls are the room's, the usual ones the speaker's."""
ABOVE_FLOOR = 5.0
"""dB over the band's quietest frames (5th percentile) at which a stretch must still end: noise has no slope."""
BELOW_TOP = 25.0
"""dB under the band's loudest frames (95th percentile) from which a stretch may start."""
LEAST_FALLS = 60
"""Stretches, over all bands, below which nothing is said."""
LEAST_SECONDS = 1.2
"""Seconds of sound below which nothing is said."""
MOST = 3.5
"""Deviations beyond which a feature counts as this many: nothing that far out was fitted."""
TIMES, CLARITIES = (0.1, 3.0), (-6.0, 30.0)
"""Seconds and dB between which was fitted."""
LEAST_SNR = 15.0
"""dB of speech over noise below which nothing is said: the decays end in the noise."""
DRY = 20.0
"""dB of clarity from which the room is not heard, and has no time that could be told."""

# Fitted: means and deviations of the features; then for each its weight, for each square its weight, and a constant.
_MEANS = np.array([
    4.4332, 4.8841, 5.1704, 5.3931, 4.1228, 4.5688, 4.8282, 5.0099, 3.6953, 4.1758, 4.4733, 4.6631,
])  # fmt: skip
_DEVIATIONS = np.array([
    0.3491, 0.3617, 0.3513, 0.3201, 0.3076, 0.3469, 0.3716, 0.3703, 0.2636, 0.2675, 0.3029, 0.3344,
])  # fmt: skip
_TIME = np.array([
    -0.2422, -0.0502, 0.2618, 0.0150, 0.2374, 0.1408, 0.1014, -0.6744, 0.0926, -0.1176, 0.0916, -0.4780,
    0.1110, 0.0461, -0.0673, -0.1264, 0.0161, -0.1013, 0.0210, -0.0880, 0.0098, 0.0037, -0.0981, 0.1984,
    -0.6756,
])  # fmt: skip
_CLARITY = np.array([
    -1.414, 3.242, 4.391, 2.097, -0.505, -0.239, -1.587, -0.553, -0.778, 1.343, -0.110, -0.335,
    -0.193, -0.407, 0.393, 1.631, 0.433, 0.281, -1.628, -0.173, 0.218, -0.555, 0.253, 0.286,
    10.073,
])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Room:
    reverberation: float | None = None
    """Seconds in which its echo falls by 60 dB; None where the voice is dry, or it cannot be said."""
    clarity: float | None = None
    """C50, dB: the sound of the first 50 ms against what comes later. A voice that is close has much of it."""


def hear_room(samples: Samples, snr: float | None) -> Room:
    """The room around the voice in float32 (n,) at 16 kHz, `snr` dB over its noise."""
    features = None if snr is None or snr < LEAST_SNR else decay_features(samples)
    if features is None:
        return Room()
    return room_of(features)


def room_of(features: Matrix) -> Room:
    """The room that `decay_features` speak of."""
    shifted = np.clip((features - _MEANS) / _DEVIATIONS, -MOST, MOST)
    terms = np.concatenate([shifted, np.square(shifted), [1.0]])
    clarity = round(float(np.clip(terms @ _CLARITY, *CLARITIES)), 1)
    time = float(np.clip(np.exp(terms @ _TIME), *TIMES))
    return Room(round(time, 2) if clarity <= DRY else None, clarity)


def decay_features(samples: Samples) -> Matrix | None:
    """float64 (12,): log quantiles of how steeply (dB a second) the levels fall; None where too little falls."""
    if len(samples) < LEAST_SECONDS * SPEECH_RATE:
        return None
    levels = _levels(samples)
    sums = np.pad(np.cumsum(levels, axis=0), ((1, 0), (0, 0)))
    turned = np.pad(np.cumsum(levels * np.arange(len(levels))[:, None], axis=0), ((1, 0), (0, 0)))
    floor, top = np.quantile(levels, (0.05, 0.95), axis=0)
    found = []
    for length in LENGTHS:
        steep = _falls(sums, turned, length, floor + ABOVE_FLOOR, top - BELOW_TOP)
        if len(steep) < LEAST_FALLS:
            return None
        found.append(np.log1p(np.quantile(steep, QUANTILES)))
    return np.concatenate(found)


def _levels(samples: Samples) -> Matrix:
    """float64 (frames, bands), dB."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP] * np.hanning(WINDOW).astype(np.float32)
    power = powers(frames, SIZE)
    bins = np.round(np.array(EDGES) / SPEECH_RATE * SIZE).astype(int)
    sums = np.add.reduceat(power, bins, axis=1)[:, :-1] / np.diff(bins)
    return np.asarray(10 * np.log10(sums + 1e-12), np.float64)


def _falls(sums: Matrix, turned: Matrix, length: int, floor: Matrix, top: Matrix) -> Matrix:
    """float64 (falls,): dB a second of the stretches of `length` frames that fall from above `top` and end above
    `floor`. `sums` and `turned` are those of the levels, and of the levels times their frame's number, up to each."""
    if len(sums) <= length + 1:
        return np.zeros(0)
    offsets = np.arange(length) - (length - 1) / 2
    total = sums[length:] - sums[:-length]
    middles = np.arange(len(total))[:, None] + (length - 1) / 2
    slope = (turned[length:] - turned[:-length] - middles * total) / np.square(offsets).sum()
    mean = total / length
    fits = (slope < 0) & (mean + slope * offsets[-1] > floor)
    fits &= mean + slope * offsets[0] > top
    return np.asarray(-slope[fits] * (SPEECH_RATE / HOP))
