"""From windows to turnlets: the smallest stretches of speech that get one label. Pure.

A window's local speaker is not safe as a unit: where more than three people talk within 10 s, or two voices are alike,
the network puts two people on one local speaker. Its borders hold all the same. So what is embedded and labelled is a
*unit*: one stretch of one local speaker in one window, with nobody else's stretch inside. The same speech is heard by
up to four windows; units that are the same speech make one *turnlet*, embedded once. What the windows say about who is
the same person becomes evidence between turnlets.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captioner.models.diarizer.windows import FRAMES, Local, clean

JOIN = 30
"""Frames (0.5 s) of nobody else's speech across which one local speaker goes on."""
CAP = 600
"""Filter bank frames (6 s) of a turnlet that are embedded, from its middle: more costs time and says nothing new."""
EITHER = 12
"""Frames (0.2 s) on either side of a change of voice that are looked at."""
BACK = 3
"""Windows before this one that share frames with it."""
LONGEST = FRAMES * 3 // 2
"""Frames (15 s) that the units of one turnlet span together, so that every second lies in one that is embedded."""
SAME = 0.6
"""Shared part of the frames in common from which two stretches are the same speech."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One stretch of one local speaker in one window. Frames are on the recording's grid."""

    window: int
    local: int
    start: int
    end: int
    """One past its last frame."""
    alone: NDArray[np.bool_]
    """bool (end - start,): where nobody else speaks."""

    def cut(self, borders: Sequence[int]) -> list[Unit]:
        """The unit in parts, cut before each frame of `borders` (ascending) at which it talks and nobody else does."""
        inside = [border for border in borders if self.start < border < self.end and self._alone_at(border)]
        edges = [self.start, *inside, self.end]
        return [
            Unit(self.window, self.local, start, end, self.alone[start - self.start : end - self.start])
            for start, end in itertools.pairwise(edges)
        ]

    def _alone_at(self, frame: int) -> bool:
        """Whether nobody else speaks in most of the 0.2 s on either side of a frame."""
        around = self.alone[max(0, frame - self.start - EITHER) : frame - self.start + EITHER]
        return bool(around.mean() >= 0.5)


@dataclass(frozen=True, slots=True)
class Turnlet:
    units: tuple[int, ...]
    """Indices of the units that are this speech, at most one a window."""
    whole: Unit
    """Its whole stretch: the unit with most speech of nobody else, and what others heard before and after that one."""
    weight: int
    """Frames of it that nobody else speaks in."""


def runs(active: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Stretches of True as (first, one past last)."""
    steps = np.diff(np.concatenate(([0], active.astype(np.int8), [0])))
    return list(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))


def units_of(window: int, first: int, local: Local) -> list[Unit]:
    """The units of one window whose first frame is `first` on the grid, in order of start."""
    alone = clean(local)
    found: list[Unit] = []
    for speaker in np.flatnonzero(local.any(axis=0)).tolist():
        others = alone.any(axis=1) & ~alone[:, speaker]
        joined: list[tuple[int, int]] = []
        for start, end in runs(local[:, speaker] == 1):
            if joined and start - joined[-1][1] <= JOIN and not others[joined[-1][1] : start].any():
                joined[-1] = (joined[-1][0], end)
            else:
                joined.append((start, end))
        found += [Unit(window, speaker, first + s, first + e, alone[s:e, speaker]) for s, e in joined]
    return sorted(found, key=lambda unit: (unit.start, unit.local))


def turnlets_of(units: Sequence[Unit], firsts: Sequence[int]) -> list[Turnlet]:
    """Units that are the same speech, heard by neighbouring windows, gathered. `firsts`: first frame of each window.

    The units of a turnlet span LONGEST frames at most: where somebody talks for a minute without a pause, a chain of
    windows would else make one turnlet of it.
    """
    gathering = _Gathering(units, firsts)
    for index in range(len(units)):
        gathering.add(index)
    return [_turnlet(ids, units, gathering.spoken) for ids in gathering.members]


def _turnlet(ids: list[int], units: Sequence[Unit], spoken: Sequence[int]) -> Turnlet:
    best = units[max(ids, key=lambda i: (spoken[i], -i))]
    start, end = min(units[i].start for i in ids), max(units[i].end for i in ids)
    alone = np.zeros(end - start, dtype=np.bool_)
    for unit in (units[i] for i in ids):
        alone[unit.start - start : unit.end - start] |= unit.alone
    alone[best.start - start : best.end - start] = best.alone
    return Turnlet(tuple(ids), Unit(best.window, best.local, start, end, alone), int(np.count_nonzero(alone)))


class _Gathering:
    """Units of the same speech, found one after the other."""

    def __init__(self, units: Sequence[Unit], firsts: Sequence[int]) -> None:
        self._units, self._firsts = units, firsts
        self.spoken = [int(np.count_nonzero(unit.alone)) for unit in units]
        """Frames of each unit that nobody else speaks in."""
        self.members: list[list[int]] = []
        self._spans: list[tuple[int, int]] = []
        """Of the members' units together."""
        self._by_window: dict[int, list[tuple[int, int]]] = {}
        """Units of a window, each with the members that it is among."""

    def add(self, index: int) -> None:
        unit, choice = self._units[index], self._same_speech(index)
        if choice is None:
            choice = len(self.members)
            self.members.append([])
            self._spans.append((unit.start, unit.end))
        self.members[choice].append(index)
        start, end = self._spans[choice]
        self._spans[choice] = min(start, unit.start), max(end, unit.end)
        self._by_window.setdefault(unit.window, []).append((index, choice))

    def _same_speech(self, index: int) -> int | None:
        unit = self._units[index]
        best, found = SAME, None
        for window in range(unit.window - 1, unit.window - 1 - BACK, -1):
            end = self._firsts[window] + FRAMES if window >= 0 else 0
            for other, choice in self._by_window.get(window, ()):
                if self._units[other].end <= unit.start or self._units[other].start >= unit.end:
                    continue  # most are: this is asked about every pair
                likeness = self._likeness(index, other, self._firsts[unit.window], end)
                if likeness > best and self._fits(unit, choice):
                    best, found = likeness, choice
        return found

    def _fits(self, unit: Unit, choice: int) -> bool:
        """Whether a unit may join others: none of its own window, and not too long a stretch with them."""
        start, end = self._spans[choice]
        if max(end, unit.end) - min(start, unit.start) > LONGEST:
            return False
        return all(self._units[member].window != unit.window for member in self.members[choice])

    def _likeness(self, index: int, other: int, low: int, high: int) -> float:
        """Common part of the lone speech of two units, over all of it between frames `low` and `high`, which both
        heard; 0 where most of the shorter unit lies outside."""
        one, two = self._units[index], self._units[other]
        start, end = max(low, one.start, two.start), min(high, one.end, two.end)
        least = SAME * min(self.spoken[index], self.spoken[other])
        if end <= start or end - start < least:
            return 0.0
        both = np.count_nonzero(_between(one, start, end) & _between(two, start, end))
        if not both or both < least:
            return 0.0
        alone = np.count_nonzero(_between(one, low, high)) + np.count_nonzero(_between(two, low, high))
        return both / (alone - both)


def _between(unit: Unit, low: int, high: int) -> NDArray[np.bool_]:
    """Its frames in [low, high) on the recording's grid."""
    return unit.alone[max(0, low - unit.start) : max(0, high - unit.start)]


def evidence(
    units: Sequence[Unit], turnlets: Sequence[Turnlet]
) -> tuple[dict[tuple[int, int], float], set[tuple[int, int]]]:
    """What the windows say about pairs of turnlets (smaller index first): the mean over the windows that hold both,
    +1 where they are different local speakers and -1 where they are one; and the pairs that talk at the same time."""
    owner = {unit: index for index, turnlet in enumerate(turnlets) for unit in turnlet.units}
    by_window: dict[int, list[int]] = {}
    for index, unit in enumerate(units):
        by_window.setdefault(unit.window, []).append(index)
    votes: dict[tuple[int, int], list[int]] = {}
    together: set[tuple[int, int]] = set()
    for ids in by_window.values():
        for position, i in enumerate(ids):
            for j in ids[position + 1 :]:
                pair = (min(owner[i], owner[j]), max(owner[i], owner[j]))
                if units[i].local == units[j].local:
                    votes.setdefault(pair, []).append(-1)
                    continue
                votes.setdefault(pair, []).append(1)
                if min(units[i].end, units[j].end) - max(units[i].start, units[j].start) > 0:
                    together.add(pair)
    return {pair: sum(cast) / len(cast) for pair, cast in votes.items()}, together
