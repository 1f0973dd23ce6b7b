"""From labelled windows back to one recording: how often each speaker is heard, and the turns. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from captioner.models.diarizer.turnlets import Unit, runs
from captioner.models.diarizer.windows import FRAMES, Local, edge
from captioner.times import Span
from captioner.types import Turn

BLIP = 0.10
"""Turns shorter than this, in seconds, are dropped."""
GAP = 0.10
"""Pauses of one speaker shorter than this, in seconds, are closed."""


def fill(labels: Sequence[int | None], units: Sequence[Unit]) -> list[int | None]:
    """Labels of all units. One without a label takes that of the nearest unit in time of the same local speaker of its
    window; failing that, of the window's nearest unit; failing that, of the recording's nearest."""
    by_window: dict[int, list[int]] = {}
    for index, unit in enumerate(units):
        if labels[index] is not None:
            by_window.setdefault(unit.window, []).append(index)
    everywhere = [index for index in range(len(units)) if labels[index] is not None]
    result = list(labels)
    for index, unit in enumerate(units):
        if result[index] is None:
            here = by_window.get(unit.window, [])
            choice = [i for i in here if units[i].local == unit.local] or here or everywhere
            if choice:
                result[index] = labels[min(choice, key=lambda i: (_gap(units[i], unit), i))]
    return result


def _gap(one: Unit, two: Unit) -> int:
    return max(0, one.start - two.end, two.start - one.end)


def active(
    frames: int,
    firsts: Sequence[int],
    locals_: Sequence[Local],
    units: Sequence[Unit],
    labels: Sequence[int | None],
    speakers: int,
) -> NDArray[np.bool_]:
    """Who is heard in each frame: bool (frames, speakers).

    As many speakers as the windows over a frame count on average, and those that most windows hear.
    """
    size = max(frames, firsts[-1] + FRAMES if firsts else 0)
    heard = np.zeros((size, speakers), dtype=np.uint8)
    counted = np.zeros(size, dtype=np.uint8)
    windows = np.zeros(size, dtype=np.uint8)
    by_window: dict[int, list[int]] = {}
    for index, unit in enumerate(units):
        by_window.setdefault(unit.window, []).append(index)
    for window, first in enumerate(firsts):
        here = np.zeros((FRAMES, speakers), dtype=np.uint8)
        for index in by_window.get(window, ()):
            unit, label = units[index], labels[index]
            if label is not None:
                start, end = unit.start - first, unit.end - first
                here[start:end, label] |= locals_[window][start:end, unit.local]
        heard[first : first + FRAMES] += here
        counted[first : first + FRAMES] += here.sum(axis=1, dtype=np.uint8)
        windows[first : first + FRAMES] += 1
    return _loudest(heard[:frames], counted[:frames], windows[:frames])


def _loudest(heard: NDArray[np.uint8], counted: NDArray[np.uint8], windows: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The `round(counted / windows)` speakers of each frame that most windows hear; the lower number wins a tie."""
    many = (2 * counted.astype(np.int32) + windows) // np.maximum(2 * windows.astype(np.int32), 1)
    result = np.zeros(heard.shape, dtype=np.bool_)
    left = heard.copy()
    for turn in range(int(many.max(initial=0))):
        if not heard.shape[1]:
            break
        rows = np.flatnonzero(many > turn)
        best = np.argmax(left[rows], axis=1)
        found = left[rows, best] > 0
        result[rows[found], best[found]] = True
        left[rows, best] = 0
    return result


def turns(heard: NDArray[np.bool_], duration: float, blip: float = BLIP, gap: float = GAP) -> list[tuple[int, Span]]:
    """Turns as (speaker's column, span), in order of start; inside [0, duration] seconds."""
    found: list[tuple[int, Span]] = []
    for speaker in range(heard.shape[1]):
        spans: list[tuple[float, float]] = []
        for start, end in runs(heard[:, speaker]):
            low, high = max(0.0, edge(start)), min(duration, edge(end))
            if spans and low - spans[-1][1] < gap:
                spans[-1] = (spans[-1][0], high)
            else:
                spans.append((low, high))
        found += [(speaker, Span.at(low, high)) for low, high in spans if high - low >= blip]
    return sorted(found, key=lambda item: (item[1], item[0]))


def named(found: Sequence[tuple[int, Span]]) -> tuple[tuple[Turn, ...], Mapping[int, str]]:
    """Turns with names SPEAKER_00, SPEAKER_01 ... in order of appearance, and the name of each column that speaks."""
    names: dict[int, str] = {}
    for speaker, _ in found:
        names.setdefault(speaker, f"SPEAKER_{len(names):02d}")
    return tuple(Turn(span, names[speaker]) for speaker, span in found), names
