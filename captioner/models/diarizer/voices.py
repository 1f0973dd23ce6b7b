"""Which local speakers of a pyannote pipeline are one person: its own clustering, where there can be more than one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.models.diarizer import pipelines, reassembly
from captioner.models.diarizer.batched import Batched, Vectors
from captioner.models.diarizer.reassembly import NOBODY, Grid, Local
from captioner.models.protocols import SpeakerHint, Waveform

EVERY = 0.5
"""Of a window: how far apart the windows are that are asked whether one voice speaks all along."""
SURE = 0.8
"""Of the distance up to which the pipeline takes two voices for one: the most between any two of those windows."""
MOST = 7200
"""Windows that are clustered: of longer recordings, two hours where windows are a second apart, every second or third
one, and the others go to the nearest voice. Clustering takes memory by the square of their number, 2 GB for so many."""
SPOKEN = 0.2
"""Of a window: below that much speech of a local speaker the pipeline's clustering does not listen to it."""


class Voices:
    def __init__(self, pipeline: Any, networks: Batched) -> None:
        self._networks = networks
        self._near = _near(pipeline)

    def of(self, audios: Sequence[Waveform], local: Sequence[Local], hint: SpeakerHint) -> list[Vectors | None]:
        """The embeddings of each recording's local speakers; None where one person is all there can be or is heard.

        Where no window holds two voices, a few windows are embedded first. If all of them are one voice, the pipeline's
        clustering would say no more after hearing the rest.
        """
        spoken = [np.flatnonzero(windows.any(axis=(1, 2))).tolist() for windows in local]
        alone = [(_one_at_a_time(windows) and hint.least <= 1) or hint.most == 1 for windows in local]
        few = [
            self._few(own) if one and hint.most != 1 and self._near is not None else []
            for own, one in zip(spoken, alone, strict=True)
        ]
        tried = self._networks.embed(audios, local, [own if len(own) > 1 else [] for own in few])
        single = [
            one and (hint.most == 1 or len(own) == 1 or self._alike(windows, vectors, asked))
            for one, own, windows, vectors, asked in zip(alone, spoken, local, tried, few, strict=True)
        ]
        rest = [
            [] if one else sorted(set(own) - set(asked)) for one, own, asked in zip(single, spoken, few, strict=True)
        ]
        found = self._networks.embed(audios, local, rest)
        for vectors, first, asked in zip(found, tried, few, strict=True):
            vectors[asked] = first[asked]
        return [None if one else vectors for one, vectors in zip(single, found, strict=True)]

    def _few(self, spoken: Sequence[int]) -> list[int]:
        """Windows that together hold all speech, EVERY apart."""
        apart = max(1, round(EVERY * self._networks.grid.window / self._networks.grid.hop))
        chosen: list[int] = []
        for window in spoken:
            if not chosen or window - chosen[-1] >= apart:
                chosen.append(window)
        return sorted({*chosen, *spoken[-1:]})

    def _alike(self, local: Local, vectors: Vectors, asked: Sequence[int]) -> bool:
        if self._near is None:
            return False
        own = local[asked]
        long = own.sum(axis=1) >= SPOKEN * local.shape[1]
        voices = vectors[asked][long]
        voices = voices / np.maximum(np.linalg.norm(voices, axis=1, keepdims=True), 1e-9)
        if not np.isfinite(voices).all():
            return False
        return len(voices) < 2 or float((1 - voices @ voices.T).max()) <= SURE * self._near


def labels(pipeline: Any, local: Local, vectors: Vectors | None, grid: Grid, hint: SpeakerHint) -> NDArray[np.int64]:
    """The speaker of each local one, NOBODY for the silent: int64 (windows, local speakers).

    `vectors` None says that all are one.
    """
    silent = reassembly.silent(local)
    if vectors is None:
        return np.where(silent, NOBODY, 0)
    every = -(-len(local) // MOST)
    found, centroids = _clustered(pipeline, local[::every], vectors[::every], grid, every, hint)
    if every > 1:
        found = _nearest(pipeline.clustering, vectors, centroids, silent)
    return np.where(silent, NOBODY, np.asarray(found, np.int64))


def _clustered(
    pipeline: Any, local: Local, vectors: Vectors, grid: Grid, every: int, hint: SpeakerHint
) -> tuple[NDArray[Any], NDArray[Any]]:
    """What the pipeline's clustering says of every so many windows: labels (windows, local speakers), centroids."""
    from pyannote.core import SlidingWindow, SlidingWindowFeature  # type: ignore[import-untyped]

    windows = SlidingWindowFeature(local, SlidingWindow(start=0.0, duration=grid.window, step=every * grid.hop))
    with pipelines.quiet():
        found, _, centroids = pipeline.clustering(
            embeddings=vectors,
            segmentations=windows,
            num_clusters=hint.least if hint.least == hint.most else None,
            min_clusters=hint.least,
            max_clusters=np.inf if hint.most is None else hint.most,
        )
    return found, centroids


def _nearest(clustering: Any, vectors: Vectors, centroids: NDArray[Any], silent: NDArray[np.bool_]) -> NDArray[Any]:
    """The nearest centroid of each local speaker; where the clustering gives two of a window to different people, so
    does this."""
    from scipy.spatial.distance import cdist

    near = 2 - cdist(vectors.reshape(-1, vectors.shape[-1]), centroids, metric=clustering.metric)
    near = near.reshape(*vectors.shape[:2], len(centroids))
    if not clustering.constrained_assignment:
        return np.asarray(near.argmax(axis=2))
    near[silent] = np.nanmin(near) - 1
    return np.asarray(clustering.constrained_argmax(near))


def _one_at_a_time(local: Local) -> bool:
    """Whether no window holds more than one local speaker."""
    return bool((local.any(axis=1).sum(axis=1) <= 1).all())


def _near(pipeline: Any) -> float | None:
    """The cosine distance up to which the pipeline's clustering begins with taking two voices for one; None where that
    is not known of it."""
    clustering = pipeline.clustering
    kind = type(clustering).__name__
    if kind == "VBxClustering":
        return float(clustering.threshold) ** 2 / 2  # of unit vectors
    if kind == "AgglomerativeClustering" and clustering.metric == "cosine":
        euclidean = clustering.method in ("centroid", "median", "ward")
        return float(clustering.threshold) ** 2 / 2 if euclidean else float(clustering.threshold)
    return None
