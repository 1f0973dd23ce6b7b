"""The default diarizer: pyannote's segmentation-3.0 and CAM++ on ONNX Runtime. No torch, no token, no download.

Windows of 10 s, every 2.5 s, in batches across recordings; then, one recording after another, turnlets are embedded,
split where two voices share one, clustered into speakers and stitched into turns.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from captioner.models.diarizer import changes, speakers, stitching, turnlets, windows
from captioner.models.diarizer.clustering import Rules
from captioner.models.diarizer.networks import DIMENSIONS, Networks, banks
from captioner.models.diarizer.turnlets import Turnlet, Unit
from captioner.models.fitting import Room, fitted
from captioner.models.protocols import Diarizer, Progress, Samples, SpeakerHint, Waveform
from captioner.models.sessions import on_gpu
from captioner.types import Diarization

__all__ = ["ONE_CORE", "VERSION", "Options", "load", "on_gpu"]

T = TypeVar("T")
R = TypeVar("R")

VERSION = "1"
ONE_CORE = True

SYLLABLE = 15
"""Filter bank frames (0.15 s) below which an embedding says nothing."""
SPLITTABLE = 1.6
"""Seconds of a turnlet below which it is not searched for a change of voice."""
CHANGE_NEAR, CHANGE_FAR, CHANGE_SURE = 0.42, 0.60, 2.0
"""See `changes.cuts`. Stricter than clustering: a wrong split costs a line its end."""
FRAME = windows.HOP / windows.RATE
SEGMENTING = 0.5
"""Share of the time that finding speech takes, for progress."""


class _Map(Protocol):
    """`map`, or a pool's."""

    def __call__(self, call: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]: ...


@dataclass(frozen=True, slots=True)
class Options:
    threads: int | None = None
    """Threads for the networks; None for one a core."""
    batch: int = 8
    """Windows of 10 s that the segmentation network hears at once; halved by itself where memory runs out."""
    device: str = "auto"
    """Of the segmentation: cpu, cuda, cuda:1, or auto: a GPU where ONNX Runtime has its CUDA provider. Embeddings, of
    stretches of all lengths, are the CPU's."""
    lenience: float = 0.0
    """Added to the cosine distances up to which voices are one person: above 0 finds fewer speakers, below 0 more."""


def load(options: Options) -> Diarizer:
    threads = options.threads or os.cpu_count() or 1
    return _Embedded(options, Networks(threads, options.device), threads)


class _Embedded:
    def __init__(self, options: Options, networks: Networks, threads: int = 1) -> None:
        self._options = options
        self._threads = threads
        self._networks = networks
        self._room = Room(options.batch)
        curve = tuple((seconds, distance + options.lenience) for seconds, distance in Rules().limits)
        self._rules = Rules(limits=curve)

    def diarize(
        self, audios: Sequence[Waveform], hint: SpeakerHint, progress: Progress | None = None
    ) -> list[Diarization]:
        heard = self._segment(audios, progress)
        results = []
        with ThreadPoolExecutor(self._threads) as pool:
            # Many recordings go side by side; of few, the turnlets do.
            many = len(audios) >= 2 * self._threads
            inner = cast("_Map", map if many else pool.map)
            outer = cast("_Map", pool.map if many else map)
            found = outer(lambda pair: self._diarize(*pair, hint, inner), zip(audios, heard, strict=True))
            for audio, diarization in zip(audios, found, strict=True):
                results.append(diarization)
                if progress and audio.duration > 0:
                    progress((1 - SEGMENTING) * audio.duration)
        return results

    def _segment(self, audios: Sequence[Waveform], progress: Progress | None) -> list[list[windows.Local]]:
        """Local speakers of every window of every recording."""
        heard: list[list[windows.Local]] = [[] for _ in audios]
        queue = _windows(audios)
        while batch := list(islice(queue, self._room.most)):
            found = fitted(self._networks.segment, [wave for _, wave in batch], self._room)
            for (index, _), local in zip(batch, found, strict=True):
                heard[index].append(local)
                if progress:
                    progress(SEGMENTING * audios[index].duration / len(windows.starts(_samples(audios[index]))))
        return heard

    def _diarize(
        self, audio: Waveform, local: list[windows.Local], hint: SpeakerHint, side_by_side: _Map
    ) -> Diarization:
        firsts = windows.starts(_samples(audio))
        units = [
            unit for window, first in enumerate(firsts) for unit in turnlets.units_of(window, first, local[window])
        ]
        split = self._split(audio, units, turnlets.turnlets_of(units, firsts), side_by_side)
        found = turnlets.turnlets_of(split, firsts)
        vectors = np.zeros((len(found), DIMENSIONS), dtype=np.float32)
        for row, vector in zip(vectors, side_by_side(lambda turnlet: self._voice(audio, turnlet), found), strict=True):
            row[:] = vector
        weights = np.array([max(turnlet.weight, 1) * FRAME for turnlet in found])
        votes, together = turnlets.evidence(split, found)
        labels = speakers.label(vectors, weights, votes, together, hint, self._rules)
        spoken: list[int | None] = [None] * len(split)
        for turnlet, label in zip(found, labels, strict=True):
            for unit in turnlet.units:
                spoken[unit] = label
        spoken = stitching.fill(spoken, split)
        count = 1 + max((label for label in spoken if label is not None), default=-1)
        active = stitching.active(windows.frames_of(_samples(audio)), firsts, local, split, spoken, count)
        turns, names = stitching.named(stitching.turns(active, audio.duration))
        return Diarization(turns, {name: _centroid(vectors, weights, labels, s) for s, name in names.items()})

    def _voice(self, audio: Waveform, turnlet: Turnlet) -> NDArray[np.float32]:
        """Its embedding; zeros where there is too little of it."""
        alone, _ = _alone(audio, turnlet.whole)
        return self._networks.embed(_middle(alone)) if len(alone) >= SYLLABLE else np.zeros(DIMENSIONS, np.float32)

    def _split(
        self, audio: Waveform, units: Sequence[Unit], found: Sequence[Turnlet], side_by_side: _Map
    ) -> list[Unit]:
        """The units, cut where a turnlet holds two voices one after the other."""
        searched = [turnlet for turnlet in found if turnlet.weight * FRAME >= SPLITTABLE]
        changed = side_by_side(lambda turnlet: self._changes(audio, turnlet.whole), searched)
        borders = changes.apart({cut for cuts in changed for cut in cuts})
        return [part for unit in units for part in unit.cut(borders)]

    def _changes(self, audio: Waveform, unit: Unit) -> list[int]:
        """Frames on the recording's grid at which another voice begins within a unit."""
        alone, frames = _alone(audio, unit)
        level = changes.loudness(alone)
        pieces = changes.pieces(level)
        if len(pieces) < 2:
            return []
        vectors = np.stack([self._networks.embed(alone[start:end]) for start, end in pieces])
        seconds = np.array([(end - start) / 100 for start, end in pieces])
        found = []
        for index in changes.cuts(vectors, seconds, CHANGE_NEAR, CHANGE_FAR, CHANGE_SURE):
            places = changes.places(level, pieces[index][0], changes.SHORT - 20, len(level) - changes.SHORT + 20)
            place = max(places, key=lambda at: (self._difference(alone, at), -at))
            found.append(unit.start + int(frames[place]))
        return sorted(set(found))

    def _difference(self, alone: NDArray[np.float32], place: int) -> float:
        before = self._networks.embed(alone[max(0, place - changes.PROBE) : place])
        after = self._networks.embed(alone[place : place + changes.PROBE])
        return 1.0 - float(before @ after)


def _samples(audio: Waveform) -> int:
    return round(audio.duration * windows.RATE)


def _windows(audios: Sequence[Waveform]) -> Iterator[tuple[int, Samples]]:
    for index, audio in enumerate(audios):
        for first in windows.starts(_samples(audio)):
            start = first * windows.HOP
            yield index, audio.read(start / windows.RATE, (start + windows.WINDOW) / windows.RATE)[: windows.WINDOW]


def _alone(audio: Waveform, unit: Unit) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Filter banks of a unit where nobody else speaks, and the unit's own frame of each."""
    start, end = max(0.0, windows.edge(unit.start)), windows.edge(unit.end)
    rows = banks(audio.read(start, end))
    frames = np.minimum((200 + 160 * np.arange(len(rows))) // windows.HOP, len(unit.alone) - 1)
    chosen = unit.alone[frames]
    return rows[chosen], frames[chosen]


def _middle(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    start = max(0, len(rows) - turnlets.CAP) // 2
    return rows[start : start + turnlets.CAP]


def _centroid(
    vectors: NDArray[np.float32], weights: NDArray[np.float64], labels: Sequence[int | None], speaker: int
) -> tuple[float, ...]:
    mine = np.array([label == speaker for label in labels])
    total = (vectors[mine] * weights[mine, None]).sum(axis=0)
    return tuple((total / max(float(np.linalg.norm(total)), 1e-9)).tolist())
