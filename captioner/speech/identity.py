"""Who is whom over many recordings: the local speakers of each recording to the dataset's speakers. Pure.

Agglomerative clustering by mean cosine distance, weighted by seconds, as within a recording, but over thousands of
voices: every cluster that is the other's nearest merges with it in the same round, which gives the same clusters as one
merge at a time and needs neither a matrix of all pairs nor a sort. Speakers that are known already stay as they are: a
new voice joins one of them or makes a new one; two known ones never become one by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Curve = tuple[tuple[float, float], ...]
Vectors = NDArray[np.float32]
Numbers = NDArray[np.float64]

BLOCK = 1024
"""Clusters that are compared with all others at once: 40 MB for 10,000."""


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """Distances are cosine distances (0 to 2), weights are seconds of speech."""

    limits: Curve = ((1.0, 0.40), (2.0, 0.38), (4.0, 0.34), (8.0, 0.30), (16.0, 0.27))
    """(seconds, distance): two clusters of which the smaller has so many seconds are one person up to this distance;
    linear between, level outside, never rising. Stricter than where errors balance: two people under one name spoil
    captions, one person under two names is merged with a word."""
    surplus: float = 4.0
    """Two local speakers of one recording are two people, unless one has fewer seconds than this in it: a diarizer's
    commonest fault is one speaker too many, with little to say."""
    differ: float = 0.10
    """... and then they must be nearer by this: the diarizer said that they are two."""
    longest: float = 60.0
    """Seconds from which more speech of a voice adds no weight."""

    def limit(self, seconds: float) -> float:
        """The distance up to which two clusters are one person, of which the smaller has so many seconds."""
        return float(np.interp(seconds, *np.array(self.limits).T))


DEFAULT = IdentityRules()


@dataclass(frozen=True, slots=True)
class LocalVoice:
    """One local speaker of one recording."""

    recording: str
    seconds: float
    """Of speech that its embedding is made from."""
    known: int = -1
    """Number of the speaker that it is known to be; -1 where that is not known."""


def cluster(vectors: Vectors, voices: Sequence[LocalVoice], rules: IdentityRules = DEFAULT) -> list[int]:
    """Label of each voice, counted from 0 in order of first appearance. Voices known to be one speaker share a label,
    those known to be different ones never do. `vectors` float32 (n, d), of unit length; a row of zeros is alone.
    """
    if not voices:
        return []
    work = _Clusters(vectors, voices, rules)
    while work.merge_round():
        pass
    order: dict[int, int] = {}
    return [order.setdefault(root, len(order)) for root in work.owner.tolist()]


class _Clusters:
    def __init__(self, vectors: Vectors, voices: Sequence[LocalVoice], rules: IdentityRules) -> None:
        self.rules = rules
        starts: dict[object, int] = {}
        first = [
            starts.setdefault(("known", voice.known) if voice.known >= 0 else index, len(starts))
            for index, voice in enumerate(voices)
        ]
        self.owner = np.array(first)
        """Cluster of each voice."""
        count = len(starts)
        weights = np.array([min(max(voice.seconds, 0.1), rules.longest) for voice in voices])
        weights[~np.any(vectors, axis=1)] = 0.0
        self.weights = np.zeros(count)
        np.add.at(self.weights, self.owner, weights)
        self.sums = np.zeros((count, vectors.shape[1]))
        np.add.at(self.sums, self.owner, vectors * weights[:, None])
        self.known = np.zeros(count, dtype=np.bool_)
        self.known[self.owner[np.array([voice.known >= 0 for voice in voices])]] = True
        numbers: dict[str, int] = {}
        self.recording = np.array([numbers.setdefault(voice.recording, len(numbers)) for voice in voices])
        self.seconds = np.array([voice.seconds for voice in voices])

    def merge_round(self) -> bool:
        """Merges every two clusters that are each other's nearest. False where nothing is near enough."""
        nearest, margin = self._nearest()
        mine = np.arange(len(nearest))
        chosen = mine[(margin < 0) & (nearest[nearest] == mine) & (mine < nearest)]
        if not len(chosen):
            best = int(np.argmin(margin))  # equal distances can go round in a circle
            if margin[best] >= 0:
                return False
            chosen = np.array([best])
        label = mine.copy()
        label[nearest[chosen]] = chosen
        _, label = np.unique(label, return_inverse=True)
        self._gather(label)
        return True

    def _nearest(self) -> tuple[NDArray[np.intp], Numbers]:
        """Of each cluster the one that is furthest below the limit with it, and by how much (negative: one person)."""
        alive = self.weights > 0
        means = (self.sums / np.maximum(self.weights, 1e-9)[:, None]).astype(np.float32)
        limits = np.interp(self.weights, *np.array(self.rules.limits).T).astype(np.float32)
        rows, columns, extra = self._conflicts()
        nearest, margins = np.zeros(len(means), dtype=np.intp), np.full(len(means), np.inf)
        for start in range(0, len(means), BLOCK):
            part = slice(start, min(start + BLOCK, len(means)))
            # The limit never rises with the seconds, so that of the smaller is the greater of the two.
            margin = 1.0 - means[part] @ means.T - np.maximum(limits[part, None], limits[None])
            low, high = np.searchsorted(rows, [part.start, part.stop])
            margin[rows[low:high] - start, columns[low:high]] += extra[low:high]
            margin[np.ix_(self.known[part], self.known)] = np.inf
            margin[:, ~alive] = np.inf
            margin[~alive[part]] = np.inf
            margin[np.arange(part.stop - start), np.arange(start, part.stop)] = np.inf
            nearest[part] = margin.argmin(axis=1)
            margins[part] = margin[np.arange(len(margin)), nearest[part]]
        return nearest, margins

    def _conflicts(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
        """Pairs of clusters that share a recording, in order of the first, and what that adds to their distance."""
        pairs, seconds = np.unique(
            np.stack([self.recording, self.owner]), axis=1, return_inverse=True
        )  # each cluster of each recording once
        spoken = np.bincount(seconds.ravel(), weights=self.seconds)
        borders = np.flatnonzero(np.diff(pairs[0], prepend=-1, append=-1))
        found: dict[tuple[int, int], float] = {}
        for low, high in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
            owners, lasted = pairs[1, low:high].tolist(), spoken[low:high].tolist()
            for i, one in enumerate(owners):
                for j in range(i):
                    smaller = min(lasted[i], lasted[j])
                    extra = self.rules.differ if smaller < self.rules.surplus else np.inf
                    for pair in ((one, owners[j]), (owners[j], one)):
                        found[pair] = max(found.get(pair, 0.0), extra)
        ordered = sorted(found)
        both = np.array(ordered, dtype=np.intp).reshape(-1, 2)
        return both[:, 0], both[:, 1], np.array([found[pair] for pair in ordered], dtype=np.float32)

    def _gather(self, label: NDArray[np.intp]) -> None:
        count = int(label.max()) + 1
        weights, sums = np.zeros(count), np.zeros((count, self.sums.shape[1]))
        known = np.zeros(count, dtype=np.bool_)
        np.add.at(weights, label, self.weights)
        np.add.at(sums, label, self.sums)
        np.logical_or.at(known, label, self.known)
        self.weights, self.sums, self.known, self.owner = weights, sums, known, label[self.owner]


def alike(vectors: Vectors, seconds: Numbers, rules: IdentityRules = DEFAULT) -> list[tuple[int, int, float]]:
    """Pairs of speakers that sound like one person, nearest first: (smaller index, larger index, distance).

    `vectors` float32 (n, d): unit-length centroids. For a person to decide: nothing merges two known speakers.
    """
    limits = np.interp(np.minimum(seconds, rules.longest), *np.array(rules.limits).T)
    found = []
    for start in range(0, len(vectors), BLOCK):
        distance = 1.0 - vectors[start : start + BLOCK] @ vectors.T
        near = distance < np.maximum(limits[start : start + BLOCK, None], limits[None])
        rows, columns = np.nonzero(near)
        keep = columns > rows + start
        found += [
            (int(row) + start, int(column), float(distance[row, column]))
            for row, column in zip(rows[keep], columns[keep], strict=True)
        ]
    return sorted(found, key=lambda pair: pair[2])


def unpacked(vector: bytes) -> Vectors:
    """float32 (d,): a stored embedding (see `captioner.measures.Voiceprint`), made unit length again; zeros stay."""
    found = np.frombuffer(vector, dtype=np.int8).astype(np.float32)
    return found / max(float(np.linalg.norm(found)), 1e-9)


def mean_vector(vectors: Vectors, seconds: Numbers) -> Vectors:
    """float32 (d,): the direction of the mean of unit-length embeddings (n, d), weighted by seconds (n,)."""
    total = (vectors * np.asarray(seconds)[:, None]).sum(axis=0)
    unit: Vectors = (total / max(float(np.linalg.norm(total)), 1e-9)).astype(np.float32)
    return unit
