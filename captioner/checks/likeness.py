"""How alike two sounds are that should be one: a clip, and what a trainer's latents of it decode to. Pure arithmetic.

Both are seen as log filter banks, 80 bands every 10 ms. Decoders change phases, noise and fine detail and keep where
the energy is in time and pitch, so what is compared is the pattern of the banks, not samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captioner.models.embedding import banks
from captioner.models.protocols import Samples
from captioner.types import SPEECH_RATE

Banks = NDArray[np.float32]
"""Natural log of energy: float32 (frames, bands)."""

STEPS = 100
"""Frames a second."""
DEPTH = 5.0
"""Natural log: 22 dB below the loud tenth of a band, where its pattern ends; below is the decoder's own noise."""
LAG = 40
"""Frames that one may come later: trainers move sound by a stream's start time."""
TEMPI = np.round(np.arange(0.60, 1.6601, 0.01), 2)
LEAST_FRAMES = 50
GONE = 40.0
"""dB below its own loudest frame from which a decoded sound is silent."""
DB = 10 / float(np.log(10))
"""Decibels in one natural log of power."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """What was found of a pair."""

    pattern: float
    """Correlation of the banks at the best lag: 1 the same sound, near 0 two that have nothing in common."""
    distance: float
    """Root mean square of the difference of the banks where the clip sounds, dB, level and lag taken out."""
    level: float
    """How much louder the decoded sound is, dB."""
    lag: float
    """Seconds that it comes later."""
    tempo: float
    """How many times faster it plays: 1.0 unless another tempo fits clearly better."""
    missing: float
    """Seconds by which it is shorter than the clip at that tempo; negative where longer."""
    gone: float = 0.0
    """Seconds in which it is silent and the clip is not."""


def likeness(clip: Samples, decoded: Samples) -> Likeness | None:
    """Of two sounds, 16 kHz mono. None where either has less than half a second."""
    first, second = banks(clip), banks(decoded)
    if min(len(first), len(second)) < LEAST_FRAMES:
        return None
    one, other = _shaped(first), _shaped(second)
    pattern, lag = _best_lag(one, other)
    tempo = _tempo(one, other, pattern)
    if tempo != 1.0:
        one, first = _warped(one, tempo), _warped(first, tempo)
        pattern, lag = _best_lag(one, other)
    a, b = _overlap(first, second, lag)
    shape_a, shape_b = _overlap(one, other, lag)
    sounding = shape_a.mean(axis=1) >= np.median(shape_a.mean(axis=1))
    loudness = _loudness(b)
    gone = sounding & (loudness < loudness.max() - GONE / DB)
    kept = sounding & ~gone
    if gone.any() and kept.sum() >= LEAST_FRAMES // 2:  # what is there is judged by itself
        pattern = max(pattern, _correlation(shape_a[~gone], shape_b[~gone]))
    level = float((loudness - _loudness(a))[kept].mean()) if kept.any() else 0.0
    apart = (shape_b - shape_a)[kept if kept.any() else sounding]
    distance = float(np.sqrt(np.mean((apart - apart.mean()) ** 2)))
    return Likeness(
        round(pattern, 3), round(distance * DB, 2), round(level * DB, 2), round(lag / STEPS, 2), tempo,
        round((len(clip) / tempo - len(decoded)) / SPEECH_RATE, 3), round(float(gone.sum()) / STEPS, 2),
    )  # fmt: skip


def _loudness(rows: Banks) -> NDArray[np.float32]:
    """Natural log of each frame's energy."""
    return np.asarray(np.log(np.exp(rows).mean(axis=1)), np.float32)


def pattern_of(clip: Samples, decoded: Samples) -> float:
    """Only how alike the patterns are: for finding out whose sound it is."""
    one, other = banks(clip), banks(decoded)
    if min(len(one), len(other)) < LEAST_FRAMES:
        return 0.0
    return _best_lag(_shaped(one), _shaped(other))[0]


def _shaped(rows: Banks) -> Banks:
    """The banks with the floor raised to DEPTH below each band's loud tenth: silence and noise floors are alike."""
    loud = np.quantile(rows, 0.9, axis=0, keepdims=True)
    floor = np.maximum(loud, loud.max() - DEPTH) - DEPTH
    return np.asarray(np.maximum(rows, floor), np.float32)


def _overlap(one: Banks, other: Banks, lag: int) -> tuple[Banks, Banks]:
    """The frames of both that show the same time where `other` comes `lag` frames later."""
    if lag >= 0:
        other = other[lag:]
    else:
        one = one[-lag:]
    count = min(len(one), len(other))
    return one[:count], other[:count]


def _correlation(one: Banks, other: Banks) -> float:
    """Of all bands together, each band's own mean taken out."""
    a, b = one - one.mean(axis=0), other - other.mean(axis=0)
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 1e-6 else 0.0


def _best_lag(one: Banks, other: Banks) -> tuple[float, int]:
    """The highest correlation over all lags that leave half of the shorter, and the lag: coarse first, then fine."""
    most = min(LAG, min(len(one), len(other)) // 2)
    coarse = max(range(-most, most + 1, 2), key=lambda lag: _correlation(*_overlap(one, other, lag)))
    near = [lag for lag in (coarse - 1, coarse, coarse + 1) if abs(lag) <= most]
    return max((_correlation(*_overlap(one, other, lag)), lag) for lag in near)


def _warped(rows: Banks, tempo: float) -> Banks:
    """The rows as they would pass at `tempo`."""
    count = max(1, int(len(rows) / tempo))
    at = np.arange(count) * tempo
    low = np.minimum(at.astype(np.intp), len(rows) - 1)
    high = np.minimum(low + 1, len(rows) - 1)
    share = (at - low)[:, None].astype(np.float32)
    return np.asarray(rows[low] * (1 - share) + rows[high] * share, np.float32)


SURE = 0.75
"""Correlation of loudness over time from which a tempo is believed."""
BETTER = 0.15
"""By how much it must fit better than the clip's own tempo."""


def _tempo(one: Banks, other: Banks, pattern: float) -> float:
    """By loudness in time alone: a faster voice may be higher, too, and its bands stand elsewhere."""
    if pattern > 0.8:
        return 1.0
    a, b = (rows.mean(axis=1, keepdims=True) for rows in (one, other))
    plain = _best_lag(a, b)[0]
    found = [(_at_tempo(a, b, float(tempo)), float(tempo)) for tempo in TEMPI]
    best, tempo = max(found)
    return tempo if best > SURE and best > plain + BETTER and abs(tempo - 1) > 0.02 else 1.0


def _at_tempo(a: Banks, b: Banks, tempo: float) -> float:
    warped = _warped(a, tempo)
    if min(len(warped), len(b)) < 0.8 * max(len(warped), len(b)):
        return 0.0  # it is the whole clip that is squeezed or stretched
    return max(_correlation(*_overlap(warped, b, lag)) for lag in range(-8, 9, 2))
