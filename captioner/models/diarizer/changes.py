"""Speaker changes that the segmentation network did not hear. Pure.

Where one voice follows another without a pause, and the two are alike to it, the network draws one stretch. So a
turnlet is cut at its quietest places into pieces of a second or so, each is embedded, and where what comes before a
piece and what comes after are surely two voices, the turnlet is split.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Sequence
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
NEAR, FAR, SURE = 0.42, 0.60, 2.0
"""See `cuts`. Stricter than clustering: a wrong split costs a line its end."""

Stretch = tuple[int, int]
"""First filter bank frame, and one past the last."""
Search = Generator[list[Stretch], NDArray[np.float32], list[int]]
"""Asks for the embeddings float32 (n, d) of stretches, and again, and answers in the end."""


def search(loudness: NDArray[np.float64]) -> Search:
    """Filter bank frames at which another voice begins, in order; `loudness` (frames,): mean log energy of each."""
    if len(loudness) <= LONG:
        return []
    level = smoothed(loudness)
    parts = pieces(level)
    vectors = yield parts
    seconds = np.array([(end - start) / 100 for start, end in parts])
    low, high = SHORT - 20, len(level) - SHORT + 20
    tried = [places(level, parts[index][0], low, high) for index in cuts(vectors, seconds, NEAR, FAR, SURE)]
    if not tried:
        return []
    sides = {at: ((max(0, at - PROBE), at), (at, min(at + PROBE, len(level)))) for some in tried for at in some}
    asked = list(dict.fromkeys(side for both in sides.values() for side in both))
    heard = dict(zip(asked, (yield asked), strict=True))
    differ = {at: 1.0 - float(heard[before] @ heard[after]) for at, (before, after) in sides.items()}
    return sorted({max(some, key=lambda at: (differ[at], -at)) for some in tried})


def together(
    searches: Sequence[Search], embed: Callable[[list[tuple[int, Stretch]]], NDArray[np.float32]]
) -> list[list[int]]:
    """What each search finds, where all ask at the same time. `embed` gets stretches, each with the place of the search
    that asks, and gives a row each."""
    answers: list[list[int]] = [[] for _ in searches]
    given: dict[int, NDArray[np.float32] | None] = dict.fromkeys(range(len(searches)))
    while given:
        asked: dict[int, list[Stretch]] = {}
        for place, vectors in given.items():
            try:
                # A generator begins with nothing.
                asked[place] = next(searches[place]) if vectors is None else searches[place].send(vectors)
            except StopIteration as end:
                answers[place] = end.value
        given = {}
        if asked:
            rows = embed([(place, stretch) for place, some in asked.items() for stretch in some])
            edges = itertools.pairwise(itertools.accumulate(map(len, asked.values()), initial=0))
            given = {place: rows[first:last] for place, (first, last) in zip(asked, edges, strict=True)}
    return answers


def smoothed(level: NDArray[np.float64]) -> NDArray[np.float64]:
    """(frames,) -> (frames,)"""
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
    return _cuts(vectors * weights[:, None], weights, near, far, sure)


def _cuts(
    weighted: NDArray[np.float64], weights: NDArray[np.float64], near: float, far: float, sure: float
) -> list[int]:
    if len(weighted) < 2:
        return []
    margins = [_margin(weighted, weights, place, near, far, sure) for place in range(1, len(weighted))]
    place = 1 + int(np.argmax(margins))
    if margins[place - 1] <= 0:
        return []
    before = _cuts(weighted[:place], weights[:place], near, far, sure)
    after = _cuts(weighted[place:], weights[place:], near, far, sure)
    return [*before, place, *(place + index for index in after)]


def _margin(
    weighted: NDArray[np.float64], weights: NDArray[np.float64], place: int, near: float, far: float, sure: float
) -> float:
    """By how much the two sides of `place` are farther apart than one voice would be, at the clearest of some widths:
    a voice that interrupts another for a moment is lost in the mean of all that follows."""
    best = -np.inf
    for width in (*WIDTHS, len(weighted)):
        left, right = slice(max(0, place - width), place), slice(place, place + width)
        distance = 1.0 - float(_mean(weighted[left]) @ _mean(weighted[right]))
        smaller = min(weights[left].sum(), weights[right].sum())
        best = max(best, distance - near - (far - near) * max(0.0, 1.0 - smaller / sure))
    return best


def _mean(weighted: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean's direction."""
    total: NDArray[np.float64] = weighted.sum(axis=0)
    return total / max(float(np.sqrt(total @ total)), 1e-9)


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
