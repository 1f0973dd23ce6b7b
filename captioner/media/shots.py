"""Where one shot gives way to another, in small frames given one by one."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from captioner.times import seconds

_LEAST_CHANGE = 15.0
"""PySceneDetect's content score of a cut, which is also `_RATIO` x its neighbours. Measured: cuts between like talking
heads 22 to 27, key frames of poor video up to 12."""
_RATIO = 3.0
_NEIGHBOURS = 2

_FLASH = 3
"""Frames: a brightening no longer than this, after which all is as before, is a flash and no shot."""

_BLEND = 0.25
"""Seconds on either side that a frame of a dissolve or fade lies between."""
_BLEND_CHANGE = 10.0
"""Grey levels by which the two sides of a dissolve differ on average."""
_BLEND_ERROR = 0.2
"""Share of that by which a frame may differ from the mean of the two sides; in a pan it is about half."""

Grey = NDArray[np.float32]


def shown_at(times: Sequence[float], time: float) -> int:
    """Index of the frame on the screen at `time`, of frames shown from `times` (rising); before all, the first."""
    return max(0, bisect_right(times, time) - 1)


class ShotFinder:
    """Finds shot changes in frames given one by one: uint8 (h, w, 3) BGR of one size, with rising times in seconds."""

    def __init__(self, rate: Fraction) -> None:
        self._reach = max(2, round(_BLEND * float(rate)))
        self._recent: deque[_Seen] = deque(maxlen=2 * self._reach + 1)
        self._cuts = _Cuts()
        self._blends: list[tuple[int, float, float]] = []
        """Each dissolve's last middle frame, and the times of its first and last."""
        self._count = 0

    def add(self, time: float, picture: NDArray[np.uint8]) -> None:
        seen = _Seen(self._count, time, grey(picture))
        self._count += 1
        self._recent.append(seen)
        self._cuts.add(seen, picture)
        if len(self._recent) == self._recent.maxlen:
            self._blend(self._recent[0], self._recent[self._reach], seen)

    def shots(self) -> tuple[float, ...]:
        """Seconds of the shot changes, rising. Ends the search."""
        times = self._cuts.times() + [time for _, *ends in self._blends for time in ends]
        return tuple(sorted({seconds(time) for time in times if time > 0}))

    def _blend(self, before: _Seen, middle: _Seen, after: _Seen) -> None:
        change = apart(before.grey, after.grey)
        if change < _BLEND_CHANGE:
            return
        if apart(middle.grey, (before.grey + after.grey) * np.float32(0.5)) > _BLEND_ERROR * change:
            return
        if self._blends and middle.index - self._blends[-1][0] <= self._reach:
            self._blends[-1] = (middle.index, self._blends[-1][1], middle.time)
        else:
            self._blends.append((middle.index, middle.time, middle.time))


@dataclass(frozen=True, slots=True)
class _Seen:
    index: int
    time: float
    grey: Grey


class _Cuts:
    """Hard cuts by PySceneDetect's adaptive detector, without the two that a flash looks like."""

    def __init__(self) -> None:
        self._detector = AdaptiveDetector(
            adaptive_threshold=_RATIO, min_scene_len=1, window_width=_NEIGHBOURS, min_content_val=_LEAST_CHANGE
        )
        self._fed = 0
        self._near: deque[_Seen] = deque(maxlen=2 * _NEIGHBOURS + 2)
        self._found: list[tuple[_Seen, _Seen]] = []
        """The frame before each cut and the frame after it."""
        self._last: NDArray[np.uint8] | None = None

    def add(self, seen: _Seen, picture: NDArray[np.uint8]) -> None:
        if self._last is None:
            self._feed(picture, _NEIGHBOURS)
        self._last = picture
        self._near.append(seen)
        self._feed(picture, 1)

    def times(self) -> list[float]:
        if self._last is not None:
            self._feed(self._last, _NEIGHBOURS)
            self._last = None
        return [after.time for _, after in self._found]

    def _feed(self, picture: NDArray[np.uint8], copies: int) -> None:
        """The detector judges only frames with neighbours on both sides: the first and the last are fed again."""
        for _ in range(copies):
            cuts = self._detector.process_frame(FrameTimecode(self._fed, 25.0), picture)
            self._fed += 1
            for cut in cuts:
                self._cut(cut.frame_num - _NEIGHBOURS)

    def _cut(self, index: int) -> None:
        pair = [seen for seen in self._near if index - 1 <= seen.index <= index]
        if len(pair) < 2:
            return
        before, after = pair
        if not self._stands_out(before, after):
            return
        if self._found and after.index - self._found[-1][1].index <= _FLASH:
            dark, bright = self._found[-1]
            jump = apart(dark.grey, bright.grey)
            if bright.grey.mean() > dark.grey.mean() + jump / 2 and apart(dark.grey, after.grey) < jump / 4:
                self._found.pop()
                return
        self._found.append((before, after))

    def _stands_out(self, before: _Seen, after: _Seen) -> bool:
        """Near an end, where the frames that are fed again look like calm: compares with the true neighbours alone."""
        first, last = before.index - _NEIGHBOURS, after.index + _NEIGHBOURS
        window = [seen for seen in self._near if first <= seen.index <= last]
        others = [apart(one.grey, other.grey) for one, other in pairwise(window) if other is not after]
        if len(others) == 2 * _NEIGHBOURS or not others:
            return True
        return apart(before.grey, after.grey) >= _RATIO * sum(others) / len(others)


def grey(picture: NDArray[np.uint8]) -> Grey:
    """float32 (h / 8, w / 8): means of green in cells, so that noise and small movements are gone."""
    height, width = picture.shape[0] // 8, picture.shape[1] // 8
    green = np.ascontiguousarray(picture[: height * 8, : width * 8, 1])
    rows = np.add.reduce(green.reshape(height, 8, width * 8), axis=1, dtype=np.uint16)
    cells = np.add.reduceat(rows, np.arange(0, width * 8, 8), axis=1)  # three times as fast as a mean of both
    return cells.astype(np.float32) / np.float32(64)


def apart(one: Grey, other: Grey) -> float:
    """Mean absolute difference, in grey levels."""
    return float(np.abs(one - other).mean())
