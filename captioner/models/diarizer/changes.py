"""Speaker changes that the segmentation network did not hear. Pure.

Where one voice follows another without a pause, and the two are alike to it, the network draws one stretch. So a
turnlet is cut at its quietest places into pieces of a second or so, each is embedded, and where what comes before a
piece and what comes after are surely two voices, the turnlet is split.
"""

from __future__ import annotations

import itertools
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

SHORT, LONG = 80, 180
"""Filter bank frames (10 ms) of the shortest and longest piece."""
SMOOTH = 7
"""Frames over which loudness is averaged before the quietest place is looked for."""
REACH = 110
"""Frames around a change in which its exact place is looked for."""
PROBE = 120
"""Frames embedded on either side of each place tried."""
PLACES = 4
CLOSE = 24
"""Network frames (0.4 s) within which two changes are one."""
WIDTHS = (1, 2, 3)
"""Pieces on either side that are compared, besides all."""


def loudness(banks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Smoothed mean log energy of each filter bank frame: (frames, mels) -> (frames,)."""
    level = banks.mean(axis=1, dtype=np.float64)
    kernel = np.ones(SMOOTH) / SMOOTH
    padded = np.pad(level, SMOOTH // 2, mode="edge")
    return np.convolve(padded, kernel, mode="valid")


def pieces(level: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Stretches of SHORT to LONG frames that cover all, with borders at the quietest places: (first, one past last)."""
    borders = [0]
    while len(level) - borders[-1] > LONG:
        low = borders[-1] + SHORT
        high = min(borders[-1] + LONG, len(level) - SHORT)
        borders.append(low + int(np.argmin(level[low:high])) if high > low else low)
    borders.append(len(level))
    return list(itertools.pairwise(borders))


def cuts(vectors: NDArray[np.float32], weights: NDArray[np.float64], near: float, far: float, sure: float) -> list[int]:
    """Indices of the pieces that begin another voice than the piece before, in order.

    Two sides are two voices when the distance of their mean vectors is above `near` where both have `sure` seconds,
    and above `far` where the smaller has none; the clearest place is split first, then each side again.
    """
    if len(vectors) < 2:
        return []
    margins = [_margin(vectors, weights, place, near, far, sure) for place in range(1, len(vectors))]
    place = 1 + int(np.argmax(margins))
    if margins[place - 1] <= 0:
        return []
    before = cuts(vectors[:place], weights[:place], near, far, sure)
    after = cuts(vectors[place:], weights[place:], near, far, sure)
    return [*before, place, *(place + index for index in after)]


def _margin(
    vectors: NDArray[np.float32], weights: NDArray[np.float64], place: int, near: float, far: float, sure: float
) -> float:
    """By how much the two sides of `place` are farther apart than one voice would be, at the clearest of some widths:
    a voice that interrupts another for a moment is lost in the mean of all that follows."""
    best = -np.inf
    for width in (*WIDTHS, len(vectors)):
        left, right = slice(max(0, place - width), place), slice(place, place + width)
        distance = 1.0 - float(_mean(vectors[left], weights[left]) @ _mean(vectors[right], weights[right]))
        smaller = min(weights[left].sum(), weights[right].sum())
        best = max(best, distance - near - (far - near) * max(0.0, 1.0 - smaller / sure))
    return best


def _mean(vectors: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = (vectors * weights[:, None]).sum(axis=0)
    return total / max(float(np.linalg.norm(total)), 1e-9)


def apart(found: AbstractSet[int]) -> list[int]:
    """Frames of changes, in order, without those that are the same change as one before, found in other windows."""
    kept: list[int] = []
    for frame in sorted(found):
        if not kept or frame - kept[-1] >= CLOSE:
            kept.append(frame)
    return kept


def places(level: NDArray[np.float64], border: int, low: int, high: int) -> list[int]:
    """Where the change near `border` may exactly be: the border and the quietest dips within REACH, in [low, high]."""
    first, last = max(low, border - REACH), min(high, border + REACH)
    inner = np.arange(max(first, 1), min(last, len(level) - 1))
    dips = [int(i) for i in inner if level[i] <= level[i - 1] and level[i] < level[i + 1]]
    chosen: list[int] = []
    for dip in sorted(dips, key=lambda i: (level[i], i)):
        if all(abs(dip - other) >= SMOOTH for other in chosen) and len(chosen) < PLACES:
            chosen.append(dip)
    return sorted({border, *chosen})
