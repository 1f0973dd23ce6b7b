"""The two networks of the embedded diarizer on ONNX Runtime: stretches side by side, each on one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from captioner.models.diarizer import changes, windows
from captioner.models.diarizer.stretches import SYLLABLE, Stretch, Window, middle
from captioner.models.embedding import DIMENSIONS, Embedder, banks
from captioner.models.fitting import Room, fitted
from captioner.models.protocols import Samples
from captioner.models.sessions import session

R = TypeVar("R")

TOGETHER = 8
"""Windows in one call."""


class Networks:
    """segmentation-3.0 and CAM++, loaded once. The first may be on a GPU; stretches, of all lengths, are the CPU's."""

    def __init__(self, threads: int, device: str = "cpu", together: int = TOGETHER) -> None:
        self._threads = threads
        # Split over threads, a stretch is embedded no faster.
        self._voices = Embedder(1)
        self._segmentation = session("segmentation-3.0.onnx", threads, device)
        self._room = Room(together)

    def segment(self, asked: Sequence[Window]) -> Iterator[windows.Local]:
        queue = iter(asked)
        while batch := list(islice(queue, self._room.most)):
            yield from fitted(self._segmented, [window.read() for window in batch], self._room)

    def search(self, asked: Sequence[Stretch]) -> Iterator[list[int]]:
        return self._side_by_side(self._changes, asked)

    def embed(self, asked: Sequence[Stretch]) -> Iterator[NDArray[np.float32]]:
        return self._side_by_side(self._voice, asked)

    def _segmented(self, batch: Sequence[Samples]) -> list[windows.Local]:
        waves = np.zeros((len(batch), 1, windows.WINDOW), dtype=np.float32)
        for row, samples in zip(waves, batch, strict=True):
            row[0, : len(samples)] = samples
        return list(windows.speakers(self._segmentation.run({"waveform": waves})[0]))

    def _side_by_side(self, call: Callable[[Stretch], R], asked: Sequence[Stretch]) -> Iterator[R]:
        with ThreadPoolExecutor(self._threads) as pool:
            yield from pool.map(call, asked)

    def _changes(self, stretch: Stretch) -> list[int]:
        rows, frames = _alone(stretch)

        def embed(asked: list[tuple[int, changes.Stretch]]) -> NDArray[np.float32]:
            return np.stack([self._voices.embed(rows[start:end]) for _, (start, end) in asked])

        (found,) = changes.together([changes.search(rows.mean(axis=1, dtype=np.float64))], embed)
        return [int(frame) for frame in frames[found]]

    def _voice(self, stretch: Stretch) -> NDArray[np.float32]:
        rows, _ = _alone(stretch)
        return self._voices.embed(rows[middle(rows)]) if len(rows) >= SYLLABLE else np.zeros(DIMENSIONS, np.float32)


def _alone(stretch: Stretch) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Its filter banks where nobody else speaks, and the frame of the recording's grid of each."""
    rows = banks(stretch.read())
    chosen, frames = stretch.alone(len(rows))
    return rows[chosen], frames
