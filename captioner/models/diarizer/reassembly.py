"""From pyannote's labelled windows back to one recording: who is heard in each frame, and the turns. Pure.

The same arithmetic as pyannote.audio 4's own, so that the turns are the same to the frame, without its loops over
frames and its array of every window times every speaker: an hour takes 0.1 s, and memory grows with frames alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captioner.times import Span
from captioner.types import Turn

Local = NDArray[np.uint8]
"""uint8 (windows, frames, local speakers): 1 where that local speaker of that window speaks."""
NOBODY = -2
"""Label of a local speaker who is silent."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Windows of `window` seconds, one every `hop` seconds, whose frames are `step` seconds apart."""

    window: float
    hop: float
    step: float
    width: float
    """Seconds that a frame listens to."""

    def starts(self, windows: int) -> NDArray[np.int64]:
        """The first frame of each window on the recording's own grid."""
        # Not simplified: halves are rounded as pyannote rounds them.
        middles = np.arange(windows) * self.hop + 0.5 * self.width
        return np.asarray(np.rint((middles - 0.5 * self.width) / self.step), np.int64)

    def frames(self, windows: int) -> int:
        """Frames of the whole recording."""
        end = self.window + (windows - 1) * self.hop + 0.5 * self.width
        return int(np.rint((end - 0.5 * self.width) / self.step)) + 1

    def middles(self, frames: int) -> NDArray[np.float64]:
        """Seconds: the middle of each frame, where turns begin and end."""
        starts = np.arange(frames) * self.step
        return np.asarray(0.5 * (starts + (starts + self.width)))


def silent(local: Local) -> NDArray[np.bool_]:
    """Which local speakers never speak in their window: bool (windows, local speakers)."""
    return np.asarray(~local.any(axis=1))


def alone(local: Local) -> Local:
    """The windows without the frames in which two or more speak."""
    return np.asarray(local * (local.sum(axis=2, keepdims=True) < 2), np.uint8)


def speaker_count(local: Local, grid: Grid) -> NDArray[np.uint8]:
    """How many speak in each frame of the recording, by the mean of the windows: uint8 (frames,)."""
    total = np.zeros(grid.frames(len(local)), dtype=np.float32)
    heard = np.zeros_like(total)
    many = local.sum(axis=2, dtype=np.float32)
    for start, row in zip(grid.starts(len(local)), many, strict=True):
        total[start : start + len(row)] += row
        heard[start : start + len(row)] += 1
    return np.rint(total / np.maximum(heard, 1)).astype(np.uint8)


def activations(local: Local, labels: NDArray[np.int64], grid: Grid) -> NDArray[np.float32]:
    """In how many windows each speaker is heard: float32 (frames, speakers).

    `labels` (windows, local speakers): the speaker of each local one, NOBODY for none. Two local speakers of a window
    may be one speaker.
    """
    heard = np.zeros((grid.frames(len(local)), int(labels.max(initial=-1)) + 1), dtype=np.float32)
    length = local.shape[1]
    for start, window, owners in zip(grid.starts(len(local)), local, labels, strict=True):
        for owner in set(owners.tolist()) - {NOBODY}:
            heard[start : start + length, owner] += window[:, owners == owner].max(axis=1)
    return heard


def loudest(heard: NDArray[np.float32], count: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The `count` speakers of each frame that most windows hear: bool (frames, speakers)."""
    speakers = max(heard.shape[1], int(count.max(initial=0)))
    wide = np.pad(heard, ((0, 0), (0, speakers - heard.shape[1])))
    chosen = np.zeros(wide.shape, dtype=np.bool_)
    # The same sort as pyannote's, of the same type: ties fall alike.
    np.put_along_axis(chosen, np.argsort(-wide, axis=-1), np.arange(speakers) < count[:, None], axis=-1)
    return chosen


def turns(active: NDArray[np.bool_], grid: Grid, duration: float, close: float) -> list[tuple[int, Span]]:
    """Turns as (speaker's column, span) in order of start, inside [0, duration] seconds.

    Pauses of one speaker shorter than `close` seconds are closed.
    """
    middles = grid.middles(len(active))
    found: list[tuple[int, Span]] = []
    for speaker in range(active.shape[1]):
        edges = np.diff(active[:, speaker].astype(np.int8), prepend=0)
        first = np.flatnonzero(edges == 1)
        last = np.append(np.flatnonzero(edges == -1), len(active) - 1)[: len(first)]
        spans: list[tuple[float, float]] = []
        for low, high in zip(middles[first].tolist(), middles[last].tolist(), strict=True):
            if spans and low - spans[-1][1] < close:
                spans[-1] = (spans[-1][0], high)
            else:
                spans.append((low, high))
        for low, high in spans:
            span = Span.at(min(low, duration), min(high, duration))
            if span.duration > 0:
                found.append((speaker, span))
    return sorted(found, key=lambda item: (item[1], item[0]))


def named(found: Sequence[tuple[int, Span]], names: dict[int, str]) -> tuple[Turn, ...]:
    """Turns with names SPEAKER_00, SPEAKER_01 ... in order of appearance; `names` keeps them and is added to."""
    for speaker, _ in found:
        names.setdefault(speaker, f"SPEAKER_{len(names):02d}")
    return tuple(sorted(Turn(span, names[speaker]) for speaker, span in found))
