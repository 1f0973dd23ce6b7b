"""What was done to a sound before it came here: clipped at the top, cut off in frequency."""

from __future__ import annotations

import numpy as np

from captioner.media.reach import LEAST_FRAMES, power_sum, reach
from captioner.models.protocols import Samples
from captioner.types import SPEECH_RATE

LEAST_SAMPLES = 8000
TOPS = (0.6, 0.7, 0.8, 0.87, 0.92, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.9995)
"""Quantiles of one side's samples that are tried as the level at which it was clipped."""
CROWD = (0.6, 0.85, 1.15)
"""Shares of that level: samples from the second to the third crowd under the clipping, those from the first to the
second lie below it. Resampling and codecs leave a clipped top wavy, by 15 % at most."""
OVER = 0.1
"""Share of the crowd that may lie above it."""
LEAST_CROWD = 8
CROWDED = 0.62
"""Crowd to those below it from which a side is called clipped: 0.6 is the most that seventeen clean recordings have
(where more than one sample in 300 is in the crowd), 0.66 the least of one clipped in one sample of 100."""
NATURAL = 0.45
"""... and what of that ratio is the voice's own."""
LEAST_SHARE = 0.003
HIGHEST = 7000.0
"""Hz: above, the fall of the 16 kHz resampler itself is seen."""


def clipped_share(samples: Samples) -> float | None:
    """About which share of the samples was flattened at the top, 0 to 1, wherever that top lies now.

    Resampling to 16 kHz rounds a flat top and a gain moves it, so it is looked for in how the levels are spread: those
    of a voice thin out towards its peak, clipped ones crowd there. Each side of zero is looked at alone.
    """
    if len(samples) < LEAST_SAMPLES or not np.any(samples):
        return None
    return round(sum(_one_side(side, len(samples)) for side in (samples, -samples)), 4)


def _one_side(side: Samples, count: int) -> float:
    values = np.sort(side[side > 0])
    if len(values) < LEAST_SAMPLES // 20:
        return 0.0
    best, share = 0.0, 0.0
    levels = np.quantile(values, TOPS)[:, None] * np.asarray(CROWD, values.dtype)
    for low, high, over in np.searchsorted(values, levels).tolist():
        crowd, beyond = over - high, len(values) - over
        if crowd < max(LEAST_CROWD, LEAST_SHARE * count) or beyond > OVER * crowd:
            continue
        ratio = crowd / max(high - low, LEAST_CROWD)
        if ratio > best:
            best, share = ratio, crowd / count
    return share * (1 - NATURAL / best) if best >= CROWDED else 0.0


def bandwidth(samples: Samples, source: float | None) -> float | None:
    """Hz up to which the clip reaches; `source` is how far the whole recording does, at its own rate."""
    power, count = power_sum(samples, SPEECH_RATE)
    if count < LEAST_FRAMES:
        return None
    own = reach(power, SPEECH_RATE, HIGHEST)
    return source if own is None else own
