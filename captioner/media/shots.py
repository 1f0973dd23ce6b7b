"""The picture, watched once from end to end: when each frame is shown, and where one shot gives way to another."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from captioner.errors import Broken
from captioner.media.container import by_index, only, opened
from captioner.media.decoding import Decoding, Misfit, Opener, Window, suits
from captioner.media.timeline import video_frames
from captioner.times import seconds
from captioner.types import Picture, VideoStream

_WIDTH = 256
"""Pixels across of the frames that are compared: enough for a cut, and small beside decoding."""

_SCALER = Interpolation.AREA
"""Of software; a GPU's decoder has its own, which is like this one (SSIM 0.99 on fine texture, where two taps are at
0.69): the same cuts are found on either, also in a fast pan."""

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

_SHORT, _SHORT_SHARE = 1.0, 0.1
"""A picture that ends this many seconds, or this share of itself but at least half a second, too early was cut off."""

Grey = NDArray[np.float32]


def watch(
    path: Path, video: VideoStream, helper: Opener | None = None, say: Callable[[str], None] | None = None
) -> Picture:
    """Decodes the whole picture: the time of every frame that decodes, where the last one ends, and the shot changes.

    Shot changes are cuts, and the beginning and end of dissolves and fades; a flash is none. Memory does not grow with
    the length but for 4 bytes a frame. `helper`: a GPU's decoder, which does what it can; where it fails, all is
    decoded again by software, and `say` is told why. Raises Broken where the picture ends long before it says, or much
    is missing.
    """
    if helper is not None:
        try:
            return _watched(path, video, helper)
        except (Misfit, Broken) as error:
            if isinstance(error, Misfit) and say is not None:
                say(f"{path.name}: {error}; decoded on the cores instead")
    return _watched(path, video, None)


def _watched(path: Path, video: VideoStream, helper: Opener | None) -> Picture:
    times = array("i")
    finder = ShotFinder(video.rate)
    last, length = 0.0, float(1 / video.rate)
    with opened(path) as container:
        stream = by_index(container, video.index, path)
        only(container, stream)
        stream.thread_type = "AUTO"
        small = _Shrink()
        frames = _helped(container, stream, video, helper)
        for time, frame in video_frames(container, stream, video.rate, frames=frames):
            times.append(round(time * 1000))
            finder.add(time, small(frame))
            last, length = time, _length(frame, stream, video.rate)
    if not times:
        raise Broken(f"{path}: no picture can be decoded; export it again from its source")
    end = last + length
    _check(path, video, len(times), end)
    stamps = np.asarray(times, dtype="<i4").tobytes()
    return Picture(frames=len(times), end=seconds(end), shots=finder.shots(), times=stamps)


def _helped(
    container: Any, stream: Any, video: VideoStream, helper: Opener | None
) -> Iterator[tuple[Fraction | None, Any]] | None:
    """What a GPU decodes, small already; None where it is not to."""
    whole = (video.width, video.height)
    window = Window((0, 0, *whole), small_size(*whole))
    grows = any(small > side for small, side in zip(window.size, whole, strict=True))
    if helper is None or grows or not suits(stream, video, window, video.frames or inf):
        return None
    return Decoding(helper, stream, window).timed(container)


def small_size(width: int, height: int) -> tuple[int, int]:
    """Pixels of the frames that are compared: both even."""
    return (_WIDTH, max(16, round(height * _WIDTH / width / 2) * 2))


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
        seen = _Seen(self._count, time, _grey(picture))
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
        change = _apart(before.grey, after.grey)
        if change < _BLEND_CHANGE:
            return
        if _apart(middle.grey, (before.grey + after.grey) * np.float32(0.5)) > _BLEND_ERROR * change:
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
            jump = _apart(dark.grey, bright.grey)
            if bright.grey.mean() > dark.grey.mean() + jump / 2 and _apart(dark.grey, after.grey) < jump / 4:
                self._found.pop()
                return
        self._found.append((before, after))

    def _stands_out(self, before: _Seen, after: _Seen) -> bool:
        """Near an end, where the frames that are fed again look like calm: compares with the true neighbours alone."""
        first, last = before.index - _NEIGHBOURS, after.index + _NEIGHBOURS
        window = [seen for seen in self._near if first <= seen.index <= last]
        others = [_apart(one.grey, other.grey) for one, other in pairwise(window) if other is not after]
        if len(others) == 2 * _NEIGHBOURS or not others:
            return True
        return _apart(before.grey, after.grey) >= _RATIO * sum(others) / len(others)


class _Shrink:
    """Frames as small BGR pictures, all of the size of the first. Brightness keeps its coded curve."""

    def __init__(self) -> None:
        self._make = VideoReformatter()
        self._size: tuple[int, int] | None = None

    def __call__(self, frame: Any) -> NDArray[np.uint8]:
        if self._size is None:
            self._size = small_size(frame.width, frame.height)
        # Scaled as YUV first: that is a third of the cost, and halves the noise in the hue of grey film.
        small = self._make.reformat(frame, *self._size, "yuv420p", interpolation=_SCALER, threads=1)
        return np.asarray(self._make.reformat(small, *self._size, "bgr24", threads=1).to_ndarray(), dtype=np.uint8)


def _grey(picture: NDArray[np.uint8]) -> Grey:
    """float32 (h / 8, w / 8): means of green in cells, so that noise and small movements are gone."""
    height, width = picture.shape[0] // 8, picture.shape[1] // 8
    cells = picture[: height * 8, : width * 8, 1].reshape(height, 8, width, 8)
    return np.asarray(cells.mean(axis=(1, 3)), dtype=np.float32)


def _apart(one: Grey, other: Grey) -> float:
    """Mean absolute difference, in grey levels."""
    return float(np.abs(one - other).mean())


def _length(frame: Any, stream: Any, rate: Fraction) -> float:
    """Seconds for which a frame is shown, where the container says so believably."""
    clock = frame.time_base or stream.time_base  # the last frames that leave a decoder have no clock of their own
    declared = float(frame.duration * clock) if frame.duration and clock else 0.0
    return declared if 0 < declared <= 10.0 else float(1 / rate)


def _check(path: Path, video: VideoStream, frames: int, end: float) -> None:
    declared = video.duration
    if declared is not None and declared - end > min(_SHORT, max(_SHORT / 2, _SHORT_SHARE * declared)):
        raise Broken(
            f"{path}: its picture breaks off at {end:.1f} s of {declared:.1f} s; copy it again from its source, or "
            "export the part that plays as a file of its own"
        )
    expected = round(end * video.rate)
    if not video.variable and expected - frames > max(float(video.rate) * _SHORT, expected * _SHORT_SHARE):
        raise Broken(
            f"{path}: only {frames} of {expected} frames can be decoded; copy it again from its source, or re-encode it"
        )
