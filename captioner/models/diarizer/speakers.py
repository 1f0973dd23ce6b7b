"""A label for every turnlet: how the clustering is used. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

from captioner.models.diarizer.clustering import Clusters, Pair, Rules, agglomerate, limit
from captioner.models.protocols import SpeakerHint


def label(
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    votes: Mapping[Pair, float],
    apart: AbstractSet[Pair],
    hint: SpeakerHint,
    rules: Rules,
) -> list[int | None]:
    """Speaker of each turnlet, counted from 0; None for those without an embedding.

    `vectors` float32 (n, d), unit length, rows of zeros where there is no embedding; `weights` seconds (n,).
    """
    known = [index for index in range(len(vectors)) if np.any(vectors[index])]
    core = [index for index in known if weights[index] >= rules.core]
    if len(core) < hint.least:
        core = sorted(sorted(known, key=lambda i: (-weights[i], i))[: max(hint.least, len(core), 1)])
    result: list[int | None] = [None] * len(vectors)
    if not core:
        return result
    for index, speaker in zip(core, _core(core, vectors, weights, votes, apart, hint, rules), strict=True):
        result[index] = speaker
    rest = sorted((i for i in known if result[i] is None), key=lambda i: (-weights[i], i))
    _join(rest, result, vectors, weights, votes, apart, hint, rules)
    return result


def _core(
    core: Sequence[int],
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    votes: Mapping[Pair, float],
    apart: AbstractSet[Pair],
    hint: SpeakerHint,
    rules: Rules,
) -> list[int]:
    place = {index: position for position, index in enumerate(core)}
    near_votes = {(place[a], place[b]): vote for (a, b), vote in votes.items() if a in place and b in place}
    near_apart = {(place[a], place[b]) for a, b in apart if a in place and b in place}
    chosen = list(core)
    clusters = Clusters(vectors[chosen], weights[chosen], near_votes, near_apart, rules)
    tight = rules.tight
    while len(clusters) > rules.dense and tight < rules.limits[-1][1]:
        _thin(clusters, tight, hint.least)
        tight += 0.05
    labels = agglomerate(clusters.distances(), clusters.weights, clusters.apart, rules.limits, hint.least, hint.most)
    out = [0] * len(core)
    for members, speaker in zip(clusters.members, labels, strict=True):
        for member in members:
            out[member] = speaker
    return out


def _thin(clusters: Clusters, tight: float, least: int) -> None:
    """Merges what is surely one person within blocks of `dense` neighbours, so that the whole fits in memory."""
    labels: list[int] = []
    for start in range(0, len(clusters), clusters.rules.dense):
        block = clusters.block(start, min(start + clusters.rules.dense, len(clusters)))
        offset = max(labels, default=-1) + 1
        found = agglomerate(block.distances(), block.weights, block.apart, ((0.0, tight),), least)
        labels += [offset + speaker for speaker in found]
    clusters.gather(labels)


def _join(
    rest: Sequence[int],
    result: list[int | None],
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    votes: Mapping[Pair, float],
    apart: AbstractSet[Pair],
    hint: SpeakerHint,
    rules: Rules,
) -> None:
    """Gives each short turnlet, longest first, to the nearest speaker, or to a new one."""
    around: dict[int, dict[int, float]] = {}
    for (one, two), vote in votes.items():
        around.setdefault(one, {})[two] = vote
        around.setdefault(two, {})[one] = vote
    clash: dict[int, set[int]] = {}
    for one, two in apart:
        clash.setdefault(one, set()).add(two)
        clash.setdefault(two, set()).add(one)
    alone = limit(rules.limits, weights)
    count = 1 + max(speaker for speaker in result if speaker is not None)
    sums = np.zeros((count, vectors.shape[1]))
    totals = np.zeros(count)
    for index, speaker in enumerate(result):
        if speaker is not None:
            sums[speaker] += vectors[index] * weights[index]
            totals[speaker] += weights[index]
    for index in rest:
        distances = 1.0 - sums @ vectors[index].astype(np.float64) / totals
        distances += _said(around.get(index, {}), result, weights, len(totals), rules)
        shut = {s for other in clash.get(index, ()) if (s := result[other]) is not None}
        distances[sorted(shut)] += rules.differ
        nearest = int(np.argmin(distances))
        full = hint.most is not None and len(totals) >= hint.most
        if not full and weights[index] >= rules.least and distances[nearest] > alone[index]:
            nearest = len(totals)
            sums = np.vstack([sums, np.zeros(vectors.shape[1])])
            totals = np.append(totals, 0.0)
        result[index] = nearest
        sums[nearest] += vectors[index] * weights[index]
        totals[nearest] += weights[index]


def _said(
    around: Mapping[int, float],
    result: Sequence[int | None],
    weights: NDArray[np.float64],
    count: int,
    rules: Rules,
) -> NDArray[np.float64]:
    """What the windows say about a turnlet and each speaker: the mean vote of that speaker's turnlets around it."""
    votes, total = np.zeros(count), np.zeros(count)
    for other, vote in around.items():
        speaker = result[other]
        if speaker is not None:
            votes[speaker] += weights[other] * vote * (rules.differ if vote > 0 else rules.same)
            total[speaker] += weights[other]
    return votes / np.maximum(total, 1e-9)
