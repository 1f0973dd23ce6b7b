"""When each decoded sample and frame is heard or shown, on the recording's clock.

Containers round their timestamps, lose packets, jump and lie. Here that becomes two plain streams: sound without holes
or overlaps (`audio_frames`) and pictures with a time each (`video_frames`). The clock is 0 at the first shown picture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import chain, pairwise
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from captioner.media.container import packets

JITTER = 0.02
"""Seconds: a timestamp this near to the running count of samples is rounding, unless it stays so."""

_STEADY = 50
"""Frames: a deviation that stays for as many is no jitter."""

_DRIFT = 0.005
"""Seconds: the smallest steady deviation that is put right. Above the rounding of every container."""

_JUMP = 60.0
"""Seconds: a longer step, or a step back that is longer than `_BACK`, is a clock set anew, not missing sound."""
_BACK = 2.0

Floats = NDArray[np.float32]
Timed = tuple[Fraction, Any]

_SCALE = {"u1": 2.0**7, "i2": 2.0**15, "i4": 2.0**31, "i8": 2.0**63}


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one stream's sound."""

    start: int
    """Index of its first sample, at the stream's rate, from the clock's 0; negative before it."""
    samples: Floats
    """float32 (n, channels)."""
    hole: bool = False
    """Nothing was decoded here: packets are missing or damaged, and the samples are zeros."""


def first_frames(container: Any, audio: Any, video: Any | None) -> tuple[Timed | None, Timed | None]:
    """(time on the container's own clock, frame) of the first sound and the first picture.

    The times are those after edit lists and codec delay. Reads from where the container stands, no further than
    needed. None for what does not decode.
    """
    found: dict[int, Timed] = {}
    wanted = [audio] if video is None else [audio, video]
    for stream, time, frame in _mixed(container, wanted):
        if time is not None and stream.index not in found:
            found[stream.index] = (time, frame)
        if len(found) == len(wanted):
            break
    return found.get(audio.index), None if video is None else found.get(video.index)


def clock_zero(container: Any, video: Any) -> Fraction | None:
    """When the first picture is shown, on the container's own clock: there the recording's clock is 0."""
    return next((time for _, time, _ in _mixed(container, [video]) if time is not None), None)


def audio_frames(container: Any, stream: Any, zero: Fraction) -> Iterator[Piece]:
    """The stream's sound from where the container stands, as pieces that follow each other without hole or overlap.

    `zero`: the recording's clock 0 on the container's own clock. Gaps become pieces of zeros marked `hole`; overlaps
    are trimmed. All pieces have the stream's declared rate and channels, also where the stream changes them midway.
    """
    line = _Line(int(stream.rate), zero)
    shape = _Shape(int(stream.rate), stream.layout)
    for (time, frame), (following, _) in pairwise(chain(timed(container, stream), [(None, None)])):
        if not frame.samples or not frame.sample_rate:
            continue
        sure = line.believed(time, _lasting(frame.samples, frame.sample_rate), following)
        yield from line.place(sure, shape.floats(frame), hole=frame.is_corrupt)


@lru_cache(maxsize=16)
def _lasting(samples: int, rate: int) -> Fraction:
    return Fraction(samples, rate)


class _Shape:
    """Frames of any format, as float32 (n, channels) of one rate and one layout."""

    def __init__(self, rate: int, layout: Any) -> None:
        self._rate, self._layout = rate, layout

    def floats(self, frame: Any) -> Floats:
        if frame.sample_rate == self._rate and frame.layout.nb_channels == self._layout.nb_channels:
            return _floats(frame)
        fold = av.AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
        frame.pts = None
        return np.concatenate([_floats(made) for made in [*fold.resample(frame), *fold.resample(None)]])


def _floats(frame: Any) -> Floats:
    raw = frame.to_ndarray()
    planes = raw if frame.format.is_planar else raw.reshape(-1, frame.layout.nb_channels).T
    kind = planes.dtype.str[1:]
    samples: Floats = planes.T.astype(np.float32)
    if kind == "u1":
        samples -= 128
    if kind in _SCALE:
        samples /= np.float32(_SCALE[kind])
    return samples


class _Line:
    """Where the next sample belongs: a running count, put right by the timestamps that deserve it."""

    def __init__(self, rate: int, zero: Fraction) -> None:
        self._rate, self._zero = rate, zero
        self._next: int | None = None
        self._off: deque[int] = deque(maxlen=_STEADY)
        """By how many samples the latest timestamps deviated, all within the jitter."""

    def believed(self, time: Fraction | None, length: Fraction, following: Fraction | None) -> Fraction | None:
        """`time`, or None where it contradicts both what came before and what follows: one damaged timestamp.

        A long step needs the next frame to confirm it.
        """
        if time is None:
            return None
        # Equal as a rule, which is told at a fraction of what the comparison with a float costs, for every frame.
        if following is not None and ((step := following - time) == length or abs(step - length) < JITTER):
            return time
        if self._next is None:
            far = following is not None and abs(following - time) > _JUMP
            return following - length if far and following is not None else time
        due = Fraction(self._next, self._rate) + self._zero
        fits = following is not None and abs(following - due - length) < JITTER
        return None if abs(time - due) >= (JITTER if fits else _BACK) else time

    def place(self, time: Fraction | None, samples: Floats, hole: bool = False) -> Iterator[Piece]:
        step = self._step(time)
        if self._next is None:
            self._next, step = step, 0
        for first in range(0, step, self._rate):
            count = min(self._rate, step - first)
            zeros = np.zeros((count, samples.shape[1]), dtype=np.float32)
            yield Piece(self._next, zeros, hole=step >= JITTER * self._rate)
            self._next += count
        kept = samples[max(0, -step) :]
        if len(kept):
            yield Piece(self._next, np.zeros_like(kept) if hole else kept, hole)
            self._next += len(kept)

    def _step(self, time: Fraction | None) -> int:
        """Samples of silence (or, negative, of overlap) between the running count and `time`."""
        if time is None:
            return 0
        due = self._next or 0
        step = round((time - self._zero) * self._rate) - due
        if self._next is None:
            return step
        if not -_BACK * self._rate <= step <= _JUMP * self._rate:
            self._zero += Fraction(step, self._rate)
            return 0
        if abs(step) >= JITTER * self._rate:
            self._off.clear()
            return step
        self._off.append(step)
        if abs(step) <= _DRIFT * self._rate:
            return 0  # one such is enough to say that the deviation is not steady
        low, high = min(self._off), max(self._off)
        steady = len(self._off) == _STEADY and (low > _DRIFT * self._rate or high < -_DRIFT * self._rate)
        if not steady:
            return 0
        middle = sorted(self._off)[_STEADY // 2]
        self._off.clear()
        return middle


def video_frames(
    container: Any,
    stream: Any,
    rate: Fraction,
    zero: Fraction | None = None,
    frames: Iterator[tuple[Fraction | None, Any]] | None = None,
) -> Iterator[tuple[float, Any]]:
    """(seconds on the recording's clock, frame) of every frame that decodes, in the order shown.

    A frame without a time, or with one that is not later than the frame before, is shown 1 / rate after it. Without
    `zero` the first frame is at 0. `frames`: (time on the container's clock, frame) where somebody else decodes them.
    """
    last: Fraction | None = None
    shift = Fraction(0)
    for time, frame in timed(container, stream) if frames is None else frames:
        if zero is None and time is not None:
            zero = time - (0 if last is None else last + 1 / rate)
        now = None if time is None or zero is None else time - zero + shift
        if last is None:
            now = now if now is not None else Fraction(0)
        elif now is None:
            now = last + 1 / rate
        elif now <= last or now - last > _JUMP:
            shift += last + 1 / rate - now
            now = last + 1 / rate
        last = now
        yield float(now), frame


def timed(container: Any, stream: Any) -> Iterator[tuple[Fraction | None, Any]]:
    """(time on the container's clock, frame) of all that decodes; what does not is passed by."""
    return ((time, frame) for _, time, frame in _mixed(container, [stream]))


def _mixed(container: Any, streams: Sequence[Any]) -> Iterator[tuple[Any, Fraction | None, Any]]:
    flush = [(stream, None) for stream in streams]
    for stream, packet in chain(((packet.stream, packet) for packet in packets(container, streams)), flush):
        try:
            frames = stream.decode(packet)
        except (av.error.FFmpegError, ValueError):
            continue
        for frame in frames:
            base = frame.time_base or stream.time_base
            yield stream, (None if frame.pts is None or base is None else frame.pts * base), frame
