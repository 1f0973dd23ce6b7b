"""Who is whom: turnlets to speakers. Pure.

Agglomerative clustering by the mean cosine distance between the members of two clusters, each weighted by its seconds,
plus what the segmentation windows say (see `turnlets.evidence`). Two turnlets that talk at the same time are two
people. How far two clusters may be apart depends on how much of them was heard: embeddings of a second of speech
scatter twice as far as those of three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]
Curve = tuple[tuple[float, float], ...]


def limit(curve: Curve, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The curve's distance at each of `seconds`."""
    return np.interp(seconds, [point[0] for point in curve], [point[1] for point in curve])


@dataclass(frozen=True, slots=True)
class Rules:
    """Distances are cosine distances (0 to 2), weights are seconds of speech."""

    limits: Curve = ((0.5, 0.64), (0.8, 0.56), (1.2, 0.49), (1.5, 0.46), (3.0, 0.40))
    """(seconds, distance): two clusters of which the smaller has so many seconds are one person up to this distance;
    linear between, level outside. Embeddings of a syllable or two scatter: of one person's, 1 pair in 100 is farther
    apart. Two similar people are not much farther apart than that, so more speech must be nearer."""
    core: float = 1.5
    """Seconds from which a turnlet takes part in the clustering; a shorter one joins somebody afterwards."""
    least: float = 0.5
    """Seconds from which a turnlet that is far from everybody is somebody new."""
    differ: float = 0.10
    """Added where the windows say that two turnlets are different people."""
    same: float = 0.02
    """Taken off where they say that it is one."""
    tight: float = 0.25
    """Distance below which neighbours are merged beforehand where there are more than `dense` of them."""
    dense: int = 1200


class Clusters:
    """Clusters of turnlets. Sums instead of members, so that a mean over all pairs of members costs one product."""

    def __init__(
        self,
        vectors: NDArray[np.float32],
        weights: NDArray[np.float64],
        votes: Mapping[Pair, float],
        apart: AbstractSet[Pair],
        rules: Rules,
    ) -> None:
        count = len(vectors)
        self.rules = rules
        self.members = [[index] for index in range(count)]
        self.weights = weights.astype(np.float64)
        self.sums = vectors.astype(np.float64) * weights[:, None]
        self.votes = {
            pair: (rules.differ if vote > 0 else rules.same) * vote * weights[pair[0]] * weights[pair[1]]
            for pair, vote in votes.items()
        }
        self.apart = set(apart)

    def __len__(self) -> int:
        return len(self.members)

    def block(self, start: int, end: int) -> Clusters:
        """The clusters from `start` to `end` alone."""
        inside = range(start, end)
        part = object.__new__(Clusters)
        part.rules = self.rules
        part.members = self.members[start:end]
        part.weights, part.sums = self.weights[start:end], self.sums[start:end]
        part.votes = {
            (a - start, b - start): vote for (a, b), vote in self.votes.items() if a in inside and b in inside
        }
        part.apart = {(a - start, b - start) for a, b in self.apart if a in inside and b in inside}
        return part

    def distances(self) -> NDArray[np.float64]:
        """Mean distance between the members of each two clusters; infinite on the diagonal."""
        total = np.outer(self.weights, self.weights) - self.sums @ self.sums.T
        for (one, two), vote in self.votes.items():
            total[one, two] += vote
            total[two, one] += vote
        total /= np.outer(self.weights, self.weights)
        np.fill_diagonal(total, np.inf)
        return total

    def gather(self, label: Sequence[int]) -> None:
        """Makes one cluster of all that have one label; labels count from 0."""
        count = max(label, default=-1) + 1
        members: list[list[int]] = [[] for _ in range(count)]
        weights, sums = np.zeros(count), np.zeros((count, self.sums.shape[1]))
        for index, to in enumerate(label):
            members[to] += self.members[index]
            weights[to] += self.weights[index]
            sums[to] += self.sums[index]
        votes: dict[Pair, float] = {}
        for (one, two), vote in self.votes.items():
            pair = _ordered(label[one], label[two])
            if pair[0] != pair[1]:
                votes[pair] = votes.get(pair, 0.0) + vote
        self.apart = {pair for one, two in self.apart if (pair := _ordered(label[one], label[two]))[0] != pair[1]}
        self.members, self.weights, self.sums, self.votes = members, weights, sums, votes


def _ordered(one: int, two: int) -> Pair:
    return (one, two) if one < two else (two, one)


def agglomerate(
    distances: NDArray[np.float64],
    weights: NDArray[np.float64],
    apart: AbstractSet[Pair],
    curve: Curve,
    least: int = 1,
    most: int | None = None,
) -> list[int]:
    """Label of each item, counted from 0 in order of the smallest item. `curve`: see `Rules.limits`.

    Clusters above the limit merge only while there are more than `most`; nothing merges below `least`. Items kept
    `apart` never meet, except where `most` leaves no other way.
    """
    work = _Merging(distances, weights, apart, curve)
    while work.count > least:
        if not work.merge_nearest(forced=most is not None and work.count > most):
            break
    return work.labels()


class _Merging:
    def __init__(
        self,
        distances: NDArray[np.float64],
        weights: NDArray[np.float64],
        apart: AbstractSet[Pair],
        curve: Curve,
    ) -> None:
        self.weights = weights.copy()
        self.distances = distances.copy()
        self.blocked = np.zeros(distances.shape, dtype=np.bool_)
        for one, two in apart:
            self.blocked[one, two] = self.blocked[two, one] = True
        self.curve = curve
        self.alive = np.ones(len(weights), dtype=np.bool_)
        self.root = np.arange(len(weights))
        self.count = len(weights)
        self.margins = np.full(distances.shape, np.inf)
        for row in range(self.count):
            self.margins[row] = self._margin(row)

    def _margin(self, row: int) -> NDArray[np.float64]:
        """By how much each pair with `row` is above its limit (negative: one person). Infinite where they are apart."""
        smaller = np.minimum(self.weights, self.weights[row])
        margin: NDArray[np.float64] = self.distances[row] - limit(self.curve, smaller)
        margin[self.blocked[row] | ~self.alive] = np.inf
        margin[row] = np.inf
        return margin

    def merge_nearest(self, forced: bool) -> bool:
        """Merges the pair furthest below its limit; `forced` merges the best there is. False where nothing may."""
        if self.count < 2:
            return False
        one, two = divmod(int(np.argmin(self.margins)), len(self.weights))
        if not np.isfinite(self.margins[one, two]) and forced:
            open_pairs = np.where(np.outer(self.alive, self.alive), self.distances, np.inf)
            one, two = divmod(int(np.argmin(open_pairs)), len(self.weights))
        elif not forced and self.margins[one, two] >= 0:
            return False
        self._merge(min(one, two), max(one, two))
        return True

    def _merge(self, keep: int, gone: int) -> None:
        share = self.weights[keep] / (self.weights[keep] + self.weights[gone])
        row = share * self.distances[keep] + (1 - share) * self.distances[gone]
        row[keep] = row[gone] = np.inf
        self.distances[keep] = self.distances[:, keep] = row
        self.blocked[keep] |= self.blocked[gone]
        self.blocked[:, keep] = self.blocked[keep]
        self.weights[keep] += self.weights[gone]
        self.alive[gone] = False
        self.root[self.root == gone] = keep
        self.margins[gone] = self.margins[:, gone] = np.inf
        self.margins[keep] = self.margins[:, keep] = self._margin(keep)
        self.count -= 1

    def labels(self) -> list[int]:
        order = {root: label for label, root in enumerate(sorted(set(self.root.tolist())))}
        return [order[root] for root in self.root.tolist()]
