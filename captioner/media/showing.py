"""Which source frame is shown at which moment: the frames of a video stream by their time, decoded once, forwards."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

from captioner.errors import Broken
from captioner.media import timeline
from captioner.media.container import INDEXED, by_index, only, opened
from captioner.media.decoding import Decoding, Misfit, Opener, Window, suits
from captioner.types import Picture, Recording, VideoStream

_WORTH = 12
"""Seconds of pictures nobody wants that are jumped over rather than decoded."""

_LEAD = 2
"""Seconds before a wanted picture that a jump aims at."""

_ROUNDING = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class Shown:
    time: Fraction
    """Seconds on the recording's clock."""
    until: Fraction
    """When the next picture takes its place; before a jump, the time that it leads to."""
    frame: Any
    """The decoded `av.VideoFrame`."""
    jumped: bool
    """Whether pictures were left out before this one."""
    windowed: bool = False
    """Whether the frame is what the `Window` that was asked for shows, not the whole coded picture."""


@dataclass(frozen=True, slots=True)
class Helper:
    """A GPU's decoder that takes the work from a core where it can."""

    start: Opener
    window: Window
    """What is wanted of each picture."""
    say: Callable[[str], None] | None = None
    """Told why software took over."""


@dataclass(frozen=True, slots=True)
class Stretch:
    start: Fraction
    """Seconds."""
    end: Fraction


def grid_range(time: Fraction, until: Fraction, rate: Fraction) -> range:
    """The frames k of a constant-rate grid that show a picture which is shown over [time, until).

    Frame k shows what is seen in its middle, (k + 1/2) / rate; where a change falls there (to 1 ms, which containers
    round to), what was seen before: of 60 frames a second the even ones become 30, at exactly their own times.
    """
    return range(_after(time, rate), _after(until, rate))


def _after(time: Fraction, rate: Fraction) -> int:
    """The first k whose middle is later than `time`."""
    return floor((time + _ROUNDING) * rate - Fraction(1, 2)) + 1


def merged(stretches: Sequence[Stretch]) -> list[Stretch]:
    """In order, those that overlap or lie so close that a jump is not worth it made one."""
    out: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda each: each.start):
        if out and stretch.start - out[-1].end <= _WORTH:
            out[-1] = Stretch(out[-1].start, max(out[-1].end, stretch.end))
        else:
            out.append(stretch)
    return out


def clock_zero(recording: Recording) -> Fraction:
    """The recording's clock 0 on its container's own clock. Raises Broken where nothing decodes."""
    path = Path(recording.path)
    with opened(path) as container:
        if recording.video is not None:
            stream = by_index(container, recording.video.index, path)
            only(container, stream)
            zero = timeline.clock_zero(container, stream)
        else:
            stream = by_index(container, recording.audio.index, path)
            only(container, stream)
            heard, _ = timeline.first_frames(container, stream, None)
            zero = None if heard is None else heard[0]
    if zero is None:
        raise Broken(f"{recording.name}: nothing of it can be decoded; export it again from its source")
    return zero


def shown_frames(
    recording: Recording,
    picture: Picture | None,
    wanted: Sequence[Stretch],
    zero: Fraction,
    threads: int = 1,
    helper: Helper | None = None,
) -> Generator[Shown, None, None]:
    """Every picture that is shown in one of the stretches, in order; a few more may come.

    `zero` is `clock_zero` of the recording. The last picture is shown until `picture.end`, or for one frame's duration.
    `helper`: decodes instead of a core; where it fails, software goes through the recording again from its beginning,
    and gives what is still wanted. Raises Broken where the file cannot be read.
    """
    last: Fraction | None = None
    if helper is not None:
        try:
            for shown in _shown_frames(recording, picture, wanted, zero, threads, helper):
                yield shown
                last = shown.time
            return
        except Misfit as error:
            if helper.say is not None:
                helper.say(f"{recording.name}: {error}; decoded on the cores instead")
    for shown in _shown_frames(recording, picture, wanted, zero, threads, None):
        if last is None or shown.time > last:
            yield shown


def _shown_frames(
    recording: Recording,
    picture: Picture | None,
    wanted: Sequence[Stretch],
    zero: Fraction,
    threads: int,
    helper: Helper | None,
) -> Generator[Shown, None, None]:
    path = Path(recording.path)
    stretches = merged(wanted)
    with opened(path) as container:
        source = _Source(container, recording, picture, zero, threads)
        if helper is not None:
            source.take(helper, float(sum(stretch.end - stretch.start for stretch in stretches)))
        held: tuple[Fraction, Any] | None = None
        jumped = False
        for stretch in stretches:
            if source.approach(stretch.start) and held is not None:
                yield Shown(held[0], max(held[0], stretch.start), held[1], jumped, source.windowed)
                held, jumped = None, True
            while held is None or held[0] < stretch.end:
                following = source.next()
                if following is None:
                    break
                if held is not None and following[0] > stretch.start:
                    yield Shown(held[0], following[0], held[1], jumped, source.windowed)
                    jumped = False
                else:
                    jumped = True
                held = following
        if held is not None:
            yield Shown(held[0], max(source.end, held[0] + source.step), held[1], jumped, source.windowed)


class _Source:
    """The frames of an open file by their time, and the way to jump among them."""

    def __init__(
        self, container: Any, recording: Recording, picture: Picture | None, zero: Fraction, threads: int
    ) -> None:
        assert recording.video is not None
        self._video: VideoStream = recording.video
        self._container, self._zero = container, zero
        self._stream = by_index(container, self._video.index, Path(recording.path))
        self._stream.codec_context.thread_count = threads
        only(container, self._stream)
        self._indexed = recording.path.lower().endswith(INDEXED)
        self._known = _known(picture)
        self.step = 1 / self._video.rate
        self.end = Fraction(0) if picture is None else Fraction(str(picture.end))
        self._helping: Decoding | None = None
        self._place: int | None = None
        """Of the helper's latest frame among those that are known."""
        self._read_on()
        self._waiting: tuple[Fraction, Any] | None = None
        self._now = Fraction(0)

    @property
    def windowed(self) -> bool:
        return self._helping is not None

    def take(self, helper: Helper, seconds: float) -> None:
        """Lets the helper decode, where it can and `seconds` of pictures are worth it. Before the first frame."""
        if suits(helper.start, self._stream, self._video, helper.window, seconds * float(self._video.rate)):
            self._helping = Decoding(helper.start, self._stream, helper.window)
            self._read_on()

    def _read_on(self) -> None:
        frames = None if self._helping is None else self._helping.timed(self._container)
        self._frames = timeline.video_frames(self._container, self._stream, self._video.rate, self._zero, frames)
        self._place = None

    def next(self) -> tuple[Fraction, Any] | None:
        """The next frame and its time; None at the end."""
        if self._waiting is not None:
            found, self._waiting = self._waiting, None
            return found
        following = next(self._frames, None)
        if following is None:
            return None
        time = Fraction(following[0])
        if self._helping is not None:
            self._follow(time)
        self._now = time if self._video.variable else self._snapped(time)
        return self._now, following[1]

    def _follow(self, time: Fraction) -> None:
        """A helper's frame must be one of those that the whole decoding saw, the one after its last. Raises Misfit."""
        if not self._known:
            return
        place = self._known_at(time)
        if place is None or (self._place is not None and place != self._place + 1):
            raise Misfit(f"the GPU's video decoder left a picture out or repeated one (at {float(time):.3f} s)")
        self._place = place

    def _known_at(self, time: Fraction) -> int | None:
        """Which of the known frames is shown at that time."""
        at = float(time * 1000)
        place = bisect_left(self._known, at - 1.0)
        return place if place < len(self._known) and self._known[place] <= at + 1.0 else None

    def _snapped(self, time: Fraction) -> Fraction:
        """A constant rate's own time, where the container rounded it."""
        exact = round(time * self._video.rate) * self.step
        return exact if abs(exact - time) <= self.step / 4 else time

    def approach(self, start: Fraction) -> bool:
        """Jumps to a key frame before `start`, where that is worth it and proves right; whether frames were left."""
        if start - self._now <= _WORTH or not self._indexed:
            return False
        self._seek(start - _LEAD)
        landed = self.next()
        if landed is not None and landed[0] <= start and self._believed(landed):
            self._waiting = landed
            return True
        self._seek(Fraction(0))
        return True

    def _seek(self, time: Fraction) -> None:
        self._container.seek(floor((time + self._zero) / self._stream.time_base), stream=self._stream)
        self._waiting = None
        self._read_on()

    def _believed(self, landed: tuple[Fraction, Any]) -> bool:
        """Whether the frame after a jump is whole, and one of those that the whole decoding saw."""
        if landed[1].is_corrupt or landed[1].pts is None:
            return False
        return not self._known or self._known_at(landed[0]) is not None


def _known(picture: Picture | None) -> Sequence[int]:
    """Milliseconds of every frame, in order; empty where nobody decoded the whole."""
    if picture is None or not picture.times:
        return ()
    import numpy as np

    times: list[int] = np.frombuffer(picture.times, dtype="<i4").tolist()
    return times
