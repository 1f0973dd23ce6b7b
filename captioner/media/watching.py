"""The picture, watched once from end to end: when each frame is shown, and where one shot gives way to another.

A long one can be watched in parts by several processes at the same time. Each part begins at a key frame and goes on a
little into the next one: what both saw there must be the same, and no frame may be without a time or far from the one
before. Then they saw what one would have seen; where anything does not fit, the picture is watched whole.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import floor, inf
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from captioner.errors import Broken
from captioner.media.container import INDEXED, by_index, only, opened, packets
from captioner.media.decoding import Decoding, Misfit, Opener, Window, suits
from captioner.media.shots import Grey, ShotFinder, apart, grey
from captioner.media.timeline import clock_zero, timed, video_frames
from captioner.times import seconds
from captioner.types import Picture, VideoStream

_WIDTH = 256
"""Pixels across of the frames that are compared: enough for a cut, and small beside decoding."""

_SCALER = Interpolation.AREA
"""Of software; a GPU's decoder has its own, which is like this one (SSIM 0.99 on fine texture, where two taps are at
0.69): the same cuts are found on either, also in a fast pan."""

_SHORT, _SHORT_SHARE = 1.0, 0.1
"""A picture that ends this many seconds, or this share of itself but at least half a second, too early was cut off."""

_SHARED = Fraction(2)
"""Seconds that a part goes on into the next one. Whether a shot changes is seen within half a second, so that in the
middle of what both saw both say the same."""
_STEP = Fraction(60)
"""Seconds from frame to frame: after a longer step the clock may have been set anew."""
_SAME = 2.0
"""Grey levels by which the same picture differs between a GPU's decoder and software."""

Say = Callable[[str], None]
T = TypeVar("T")


def watch(path: Path, video: VideoStream, helper: Opener | None = None, say: Say | None = None) -> Picture:
    """Decodes the whole picture: the time of every frame that decodes, where the last one ends, and the shot changes.

    Shot changes are cuts, and the beginning and end of dissolves and fades; a flash is none. Memory does not grow with
    the length but for 4 bytes a frame. `helper`: a GPU's decoder, which does what it can; where it fails, all is
    decoded again by software, and `say` is told why. Raises Broken where the picture ends long before it says, or much
    is missing.
    """
    return _with_help(lambda helping: _watched(path, video, helping), path, helper, say)


@dataclass(frozen=True, slots=True)
class Part:
    """Of a picture; times are seconds on the container's own clock."""

    zero: Fraction
    """When the first picture is shown."""
    first: Fraction
    """When the key frame is shown with which the part begins."""
    last: Fraction | None
    """When the next part begins; None where this is the last one."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found out of a part."""

    part: Part
    times: bytes
    """int32 milliseconds on the recording's clock, little endian, of each of its frames."""
    end: float
    """Seconds: when its last frame stops being shown."""
    shots: tuple[float, ...]
    """Seconds; also of what it saw of the next part."""
    head: tuple[tuple[Fraction, Grey], ...]
    """Its first frames, which the part before saw as well: when each is shown, and what it looks like."""
    tail: tuple[tuple[Fraction, Grey], ...]
    """What it saw of the next part."""


def parts(path: Path, video: VideoStream, length: float) -> tuple[Part, ...]:
    """The picture in parts of about `length` seconds, two or more; () where it is too short, or has no index by which a
    key frame could be found. Raises Broken where the file cannot be read."""
    count = int((video.duration or 0.0) // length)
    if path.suffix.lower() not in INDEXED or count < 2:
        return ()
    with opened(path) as container:
        stream = by_index(container, video.index, path)
        only(container, stream)
        zero = clock_zero(container, stream)
        if zero is None:
            return ()
        firsts = [zero]
        for number in range(1, count):
            key = _key_frame(container, stream, zero + number * Fraction(length))
            if key is not None and key >= firsts[-1] + 2 * _SHARED:
                firsts.append(key)
    made = tuple(Part(zero, first, last) for first, last in pairwise([*firsts, None]) if first is not None)
    return made if len(made) > 1 else ()


def _key_frame(container: Any, stream: Any, time: Fraction) -> Fraction | None:
    """When the key frame is shown at which a jump to `time` lands."""
    container.seek(floor(time / stream.time_base), stream=stream)
    packet = next(packets(container, [stream]), None)
    if packet is None or not packet.is_keyframe or packet.pts is None:
        return None
    found: Fraction = packet.pts * stream.time_base
    return found


def watch_part(
    path: Path, video: VideoStream, part: Part, helper: Opener | None = None, say: Say | None = None
) -> Seen | None:
    """As `watch`, of a part; None where it cannot be watched by itself. Raises Broken where the file cannot be read."""
    return _with_help(lambda helping: _part(path, video, part, helping), path, helper, say)


def joined(path: Path, video: VideoStream, seen: Sequence[Seen]) -> Picture | None:
    """The picture of all its parts, in order; None where they do not fit together. Raises Broken as `watch` does."""
    if not all(_fit(one, other) for one, other in pairwise(seen)):
        return None
    shots: list[float] = []
    low = -inf
    for one in seen:
        high = inf if one.part.last is None else float(one.part.last - one.part.zero + _SHARED / 2)
        shots += [time for time in one.shots if low <= time < high]
        low = high
    times = b"".join(one.times for one in seen)
    frames = len(times) // 4
    _check(path, video, frames, seen[-1].end)
    return Picture(frames=frames, end=seconds(seen[-1].end), shots=tuple(shots), times=times)


def _fit(one: Seen, other: Seen) -> bool:
    """Whether a part saw of the next one what that saw itself."""
    return [time for time, _ in one.tail] == [time for time, _ in other.head] and all(
        apart(mine, theirs) <= _SAME for (_, mine), (_, theirs) in zip(one.tail, other.head, strict=True)
    )


def _with_help(call: Callable[[Opener | None], T], path: Path, helper: Opener | None, say: Say | None) -> T:
    if helper is not None:
        try:
            return call(helper)
        except (Misfit, Broken) as error:
            if isinstance(error, Misfit) and say is not None:
                say(f"{path.name}: {error}; decoded on the cores instead")
    return call(None)


def _watched(path: Path, video: VideoStream, helper: Opener | None) -> Picture:
    times = array("i")
    finder = ShotFinder(video.rate)
    last, length = 0.0, float(1 / video.rate)
    with opened(path) as container:
        stream = by_index(container, video.index, path)
        only(container, stream)
        stream.thread_type = "AUTO"
        small = _Shrink()
        frames = _helped(container, stream, video, helper, video.frames or inf)
        for time, frame in video_frames(container, stream, video.rate, frames=frames):
            times.append(round(time * 1000))
            finder.add(time, small(frame))
            last, length = time, _length(frame, stream, video.rate)
    if not times:
        raise Broken(f"{path}: no picture can be decoded; export it again from its source")
    end = last + length
    _check(path, video, len(times), end)
    return Picture(frames=len(times), end=seconds(end), shots=finder.shots(), times=_packed(times))


def _part(path: Path, video: VideoStream, part: Part, helper: Opener | None) -> Seen | None:
    times, finder, small = array("i"), ShotFinder(video.rate), _Shrink()
    head, tail = list[tuple[Fraction, Grey]](), list[tuple[Fraction, Grey]]()
    latest: Fraction | None = None
    end = 0.0
    with opened(path) as container:
        stream = by_index(container, video.index, path)
        only(container, stream)
        stream.codec_context.thread_count = 1  # the other cores have parts of their own
        if part.first > part.zero:
            container.seek(floor(part.first / stream.time_base), stream=stream)
        lasts = inf if part.last is None else float((part.last - part.first) * video.rate)
        frames = _helped(container, stream, video, helper, lasts)
        for time, frame in timed(container, stream) if frames is None else frames:
            if latest is None and time is not None and time < part.first:
                continue  # the part before has it
            if time is None or (time != part.first if latest is None else not latest < time <= latest + _STEP):
                return None
            if part.last is not None and time >= part.last + _SHARED:
                break
            latest, now, picture = time, float(time - part.zero), small(frame)
            finder.add(now, picture)
            if part.last is None or time < part.last:
                times.append(round(now * 1000))
                end = now + _length(frame, stream, video.rate)
            else:
                tail.append((time, grey(picture)))
            if part.first > part.zero and time < part.first + _SHARED:
                head.append((time, grey(picture)))
    if latest is None or (part.last is not None and not tail):
        return None
    return Seen(part, _packed(times), end, finder.shots(), tuple(head), tuple(tail))


def _helped(
    container: Any, stream: Any, video: VideoStream, helper: Opener | None, frames: float
) -> Iterator[tuple[Fraction | None, Any]] | None:
    """What a GPU decodes, small already; None where it is not to. `frames`: how many will be wanted."""
    whole = (video.width, video.height)
    window = Window((0, 0, *whole), small_size(*whole))
    grows = any(small > side for small, side in zip(window.size, whole, strict=True))
    if helper is None or grows or not suits(helper, stream, video, window, frames):
        return None
    return Decoding(helper, stream, window).timed(container)


def small_size(width: int, height: int) -> tuple[int, int]:
    """Pixels of the frames that are compared: both even."""
    return (_WIDTH, max(16, round(height * _WIDTH / width / 2) * 2))


class _Shrink:
    """Frames as small BGR pictures, all of the size of the first. Brightness keeps its coded curve."""

    def __init__(self) -> None:
        self._scale, self._colour = VideoReformatter(), VideoReformatter()  # each keeps what it has prepared
        self._size: tuple[int, int] | None = None

    def __call__(self, frame: Any) -> NDArray[np.uint8]:
        if self._size is None:
            self._size = small_size(frame.width, frame.height)
        # Scaled as YUV first: that is a third of the cost, and halves the noise in the hue of grey film.
        small = self._scale.reformat(frame, *self._size, "yuv420p", interpolation=_SCALER, threads=1)
        return np.asarray(self._colour.reformat(small, *self._size, "bgr24", threads=1).to_ndarray(), dtype=np.uint8)


def _packed(times: array[int]) -> bytes:
    return np.asarray(times, dtype="<i4").tobytes()


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
