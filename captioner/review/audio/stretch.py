"""Slower or faster at the same pitch: WSOLA, waveform-similarity overlap-add.

The output is laid of windows of the input that overlap by half; each is taken from near the place that the speed asks
for, there where it continues the one before best. (Verhelst and Roelands, ICASSP 1993.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW = 0.030
"""Seconds: longer than two periods of any voice, shorter than most sounds of speech."""

SEARCH = 0.010
"""Seconds either way in which a better continuation is looked for."""

_COARSE = 4
"""The search compares every so many-th sample first, then looks at all of them about the best."""


def stretched(samples: NDArray[np.int16], speed: float, rate: int = 48_000) -> NDArray[np.int16]:
    """int16 (n, channels) at `rate` -> int16 (round(n / speed), channels). At speed 1 the same samples.

    Both channels are moved alike: their phases to each other stay.
    """
    count = round(len(samples) / speed)
    if speed == 1.0:
        return samples
    half = max(2, round(WINDOW * rate / 2))
    reach = round(SEARCH * rate)
    pad = half + reach
    source = np.pad(samples.astype(np.float32), ((pad, 2 * pad), (0, 0)))
    mono = source.sum(axis=1)
    window = np.hanning(2 * half + 1)[:-1, None].astype(np.float32)
    hops = count // half + 2
    out = np.zeros(((hops + 1) * half, samples.shape[1]), dtype=np.float32)
    last = len(source) - 2 * half
    previous: int | None = None
    for hop in range(hops):
        asked = min(round((hop - 1) * half * speed) + pad, last)  # the first window ends half before the beginning
        at = max(0, asked)
        if previous is not None:
            at = _alike(mono, previous + half, at, half, reach, last)
        out[hop * half : (hop + 2) * half] += source[at : at + 2 * half] * window
        previous = at
    laid = out[half : half + count]
    return np.clip(np.rint(laid), -32768, 32767).astype(np.int16)


def _alike(mono: NDArray[Any], natural: int, asked: int, half: int, reach: int, last: int) -> int:
    """The place near `asked` whose sound goes on most like that at `natural`."""
    natural = min(natural, last)
    template = mono[natural : natural + 2 * half]
    low, high = max(0, asked - reach), min(asked + reach, last)
    rough = _best(mono, template, low, high, _COARSE)
    return _best(mono, template, max(low, rough - _COARSE), min(high, rough + _COARSE), 1)


def _best(mono: NDArray[Any], template: NDArray[Any], low: int, high: int, step: int) -> int:
    """The start in [low, high] with the highest normalised correlation, of every `step`-th sample."""
    thin = template[::step]
    stretch = mono[low : high + len(template)][::step]
    score = np.correlate(stretch, thin, mode="valid")
    energy = np.cumsum(np.concatenate([[0.0], np.square(stretch, dtype=np.float64)]))
    power = energy[len(thin) : len(thin) + len(score)] - energy[: len(score)]
    return min(high, low + step * int(np.argmax(score / np.sqrt(power + 1.0))))
