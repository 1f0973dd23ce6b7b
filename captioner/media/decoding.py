"""A GPU's own video decoder, NVDEC, in place of a core: the same frames, or it is not used.

It is believed no further than it can be checked: every packet must give one picture, in the order and at the time that
its packet says, and the first picture after the beginning and after every jump must be the one that FFmpeg's own
decoder gives. Whatever does not fit is a `Misfit`: the caller begins again on the cores.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import heappop, heappush
from itertools import chain
from threading import local
from typing import Any, Protocol

import av
import numpy as np
from numpy.typing import NDArray

from captioner.errors import MediaError
from captioner.media.container import packets
from captioner.media.share import gpu_of_this_process
from captioner.types import VideoStream

CODECS = {"h264": "h264_cuvid", "hevc": "hevc_cuvid", "vp9": "vp9_cuvid", "av1": "av1_cuvid"}
"""Codec -> FFmpeg's decoder for it that runs on NVDEC. Those of old camcorders and discs are cheap on a core."""

WORTH = 5e8
"""Pixels below which decoding on a core, at 350 million a second, is done before a GPU has begun: that takes it 0.2 s
for one process, and 3 s where sixteen ask at once, but only for the first of those that are alike: what comes after it
is worth it however short it is."""

KEPT = 2
"""Decoders that a thread keeps for the next of their kind: one for watching and one for the clips."""

_LEAST_SIDE = 256
"""Pixels: NVDEC refuses smaller pictures of some codecs, and they cost a core little."""

_PLAIN = ("yuv420p", "yuvj420p")
"""8 bits, 4:2:0: what NVDEC gives back without a change."""

_AHEAD = 128
"""Pictures that may wait for software's first one."""

_CELLS = 8
_LIKE = 4.0
"""Mean difference, of 255, between the cells of the same picture: scalers differ, wrong pictures differ by more."""


class Misfit(MediaError):
    """The GPU's decoder cannot be had, or gave what software would not have given."""


@dataclass(frozen=True, slots=True)
class Window:
    """What a decoder gives of each coded picture."""

    box: tuple[int, int, int, int]
    """Left, top, width, height: the part of the coded picture, in its pixels; all even."""
    size: tuple[int, int]
    """Width and height, pixels, that this part is scaled to; both even."""

    @property
    def even(self) -> bool:
        return not any(side % 2 for side in (*self.box, *self.size))


class Session(Protocol):
    """A decoder at work on one stream."""

    owner: object
    """Who uses it; whoever did before may not go on."""
    failed: bool
    """Whether it met an error: nobody uses it after that."""

    def decode(self, packet: Any | None) -> Sequence[Any]:
        """The frames (nv12, or any 4:2:0 of 8 bits) that are ready, in the order shown; all that are left for None."""

    def restart(self) -> None:
        """Forgets everything, for a jump."""


class Opener(Protocol):
    """Starts decoding streams of open containers."""

    def __call__(self, stream: Any, window: Window, /) -> Session:
        """Raises Misfit or FFmpeg's errors."""

    def at_hand(self, stream: Any, window: Window, /) -> bool:
        """Whether a decoder for it has begun already: then even a few pictures are worth it."""


class Nvdec:
    """FFmpeg's `*_cuvid` decoders, which crop and scale in hardware and give frames in the machine's memory."""

    def __init__(self, gpu: int, stream: Any, window: Window) -> None:
        own = stream.codec_context
        context: Any = av.CodecContext.create(CODECS[own.codec.canonical_name], "r")
        if own.extradata:
            context.extradata = own.extradata
        left, top, width, height = window.box
        options = {"gpu": str(gpu)}
        if (width, height) != (own.width, own.height):
            options["crop"] = f"{top}x{own.height - top - height}x{left}x{own.width - left - width}"
        if window.size != (width, height):
            options["resize"] = f"{window.size[0]}x{window.size[1]}"
        context.options = options
        context.open()
        self._context = context
        self.owner: object = None
        self.failed = False

    def decode(self, packet: Any | None) -> Sequence[Any]:
        frames: list[Any] = self._context.decode(packet)
        return frames

    def restart(self) -> None:
        self._context.flush_buffers()


def opener(gpus: Sequence[int]) -> Opener | None:
    """A decoder on this process's share of the GPUs; None where it has none."""
    gpu = gpu_of_this_process(gpus)
    return None if gpu is None else OnGpu(gpu)


class _Kept(local):
    def __init__(self) -> None:
        self.sessions: dict[Any, Nvdec] = {}


_KEPT = _Kept()


@dataclass(frozen=True, slots=True)
class OnGpu:
    """Gives a decoder that this thread has done with, if one is right for the stream, else a new one: what takes long
    is to begin on a GPU, and parts of a film are alike."""

    gpu: int

    def __call__(self, stream: Any, window: Window, /) -> Nvdec:
        kind = self._kind(stream, window)
        found = _KEPT.sessions.pop(kind, None)
        if found is None or found.failed:
            while len(_KEPT.sessions) >= KEPT:
                _KEPT.sessions.pop(next(iter(_KEPT.sessions)))
            found = Nvdec(self.gpu, stream, window)
        else:
            found.restart()
        _KEPT.sessions[kind] = found
        return found

    def at_hand(self, stream: Any, window: Window, /) -> bool:
        found = _KEPT.sessions.get(self._kind(stream, window))
        return found is not None and not found.failed

    def _kind(self, stream: Any, window: Window) -> Any:
        own = stream.codec_context
        like = (own.codec.canonical_name, bytes(own.extradata or b""), own.width, own.height, stream.time_base)
        return (self.gpu, like, window)


def suits(start: Opener, stream: Any, video: VideoStream, window: Window, frames: float) -> bool:
    """Whether NVDEC gives what software does, and `frames` of it are worth the start, if there is one to be made."""
    context = stream.codec_context
    return (
        context.codec.canonical_name in CODECS
        and not video.interlaced
        and video.transfer == "sdr"
        and context.pix_fmt in _PLAIN
        and (context.width, context.height) == (video.width, video.height)
        and min(video.width, video.height) >= _LEAST_SIDE
        and window.even
        and (frames * video.width * video.height >= WORTH or start.at_hand(stream, window))
    )


class Decoding:
    """One stream of an open container on a GPU. Software decodes the first pictures too: the stream's own decoder must
    be used for nothing else."""

    def __init__(self, start: Opener, stream: Any, window: Window) -> None:
        self.window = window
        self._stream = stream
        stream.codec_context.thread_count = 1  # threads would only delay its first picture
        try:
            self._session: Session = start(stream, window)
        except (av.error.FFmpegError, ValueError) as error:
            raise Misfit(f"the GPU's video decoder cannot be started ({error})") from error
        self._session.owner = self._token = object()
        self._fresh = True

    def timed(self, container: Any) -> Iterator[tuple[Fraction, Any]]:
        """(time on the container's own clock, frame) from where the container stands to its end, as `window` says.
        Raises Misfit."""
        if not self._fresh:
            self._session.restart()
        self._fresh = False
        order, first, waiting = _Order(), None, deque[Any]()
        for packet in chain(packets(container, [self._stream]), [None]):
            if packet is not None:
                order.expect(packet)
            if first is None:
                first = self._by_software(packet)
            waiting.extend(self._decoded(packet))
            if first is None:
                if len(waiting) > _AHEAD:
                    raise Misfit("software decodes nothing of it, and the GPU does")
                continue
            while waiting:
                frame = waiting.popleft()
                if order.shown(frame, first):
                    yield frame.pts * self._stream.time_base, self._dressed(frame, first, order)
        if first is None or order.left:
            raise Misfit("the GPU's video decoder gave fewer pictures than there are packets")

    def _by_software(self, packet: Any | None) -> Any | None:
        try:
            frames = self._stream.decode(packet)
        except (av.error.FFmpegError, ValueError):
            return None
        return frames[0] if frames else None

    def _decoded(self, packet: Any | None) -> Sequence[Any]:
        if self._session.owner is not self._token:
            raise Misfit("the GPU's video decoder has gone on to something else")
        try:
            return self._session.decode(_bare(packet))
        except (av.error.FFmpegError, ValueError) as error:
            self._session.failed = True
            raise Misfit(f"the GPU's video decoder failed ({error})") from error

    def _dressed(self, frame: Any, first: Any, order: _Order) -> Any:
        """With everything that software says of its frames, since a GPU's decoder says other things."""
        if (frame.width, frame.height) != self.window.size:
            raise Misfit(f"the GPU's video decoder gave another size (of {frame.width}x{frame.height})")
        if frame.pts == first.pts and (away := _apart(frame, first, self.window.box)) > _LIKE:
            raise Misfit(f"the GPU's video decoder gave another picture than software ({away:.1f} of 255 away)")
        frame.colorspace, frame.color_range = first.colorspace, _range(first)
        frame.color_primaries, frame.color_trc = first.color_primaries, first.color_trc
        frame.time_base = self._stream.time_base
        frame.duration = order.durations.pop(frame.pts, 0)
        return frame


def _bare(packet: Any | None) -> Any | None:
    """Without the mark that its picture is not shown, which FFmpeg would put on another picture of a GPU's decoder."""
    if packet is None or not packet.is_discard:
        return packet
    plain = av.Packet(bytes(packet))
    plain.pts, plain.dts, plain.time_base, plain.is_keyframe = (
        packet.pts, packet.dts, packet.time_base, packet.is_keyframe,
    )  # fmt: skip
    return plain


class _Order:
    """Which picture must come next: of those whose packets were read, the one that is shown first."""

    def __init__(self) -> None:
        self._due: list[int] = []
        self._hidden: set[int] = set()
        self.durations: dict[int, int] = {}
        """By the picture's time; in the stream's time base."""

    @property
    def left(self) -> bool:
        """Whether a picture is missing that should have come."""
        return any(time not in self._hidden for time in self._due)

    def expect(self, packet: Any) -> None:
        if packet.pts is None or packet.is_corrupt:
            raise Misfit("it is damaged, or its packets have no times")
        heappush(self._due, packet.pts)
        self.durations[packet.pts] = packet.duration or 0
        if packet.is_discard:
            self._hidden.add(packet.pts)

    def shown(self, frame: Any, first: Any) -> bool:
        """Whether it is to be shown: not where it comes before software's first picture, or an edit list hides it.
        Raises Misfit where another picture should have come."""
        if frame.pts is not None and frame.pts < first.pts:
            return False
        due = None
        while self._due and (due is None or due < first.pts):
            due = heappop(self._due)
        if due is None or frame.pts != due or first.pts > due:
            raise Misfit(
                f"the GPU's video decoder left a picture out or repeated one ({frame.pts} where {due} was due)"
            )
        return due not in self._hidden


def _range(frame: Any) -> int:
    """Software's name for a full range can be in the format alone."""
    return int(frame.color_range) or (2 if frame.format.name.startswith("yuvj") else 0)


def _apart(made: Any, whole: Any, box: tuple[int, int, int, int]) -> float:
    """How far a picture is from the part `box` of a whole one: the largest of luma's and both chromas' differences."""
    left, top, width, height = box
    halves = (left // 2, top // 2, width // 2, height // 2)
    differences = []
    for one, other, part in zip(_planes(made), _planes(whole), (box, halves, halves), strict=True):
        left, top, width, height = part
        cut = other[top : top + height, left : left + width]
        differences.append(float(np.abs(_cells(one) - _cells(cut)).mean()))
    return max(differences)


def _planes(frame: Any) -> list[NDArray[np.uint8]]:
    """Luma and both chromas, uint8 (h, w), of a frame of 4:2:0 and 8 bits."""
    planes = [
        np.frombuffer(plane, dtype=np.uint8).reshape(plane.height, plane.line_size)[:, : width]
        for plane, width in zip(frame.planes, _widths(frame), strict=True)
    ]  # fmt: skip
    if frame.format.name == "nv12":
        return [planes[0], planes[1][:, 0::2], planes[1][:, 1::2]]
    return planes


def _widths(frame: Any) -> tuple[int, ...]:
    """Bytes across of each plane that are pictures."""
    half = (frame.width + 1) // 2
    return (frame.width, 2 * half) if frame.format.name == "nv12" else (frame.width, half, half)


def _cells(plane: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Means (8, 8) of its parts."""
    high, wide = plane.shape
    rows = np.arange(_CELLS) * high // _CELLS
    columns = np.arange(_CELLS) * wide // _CELLS
    sums = np.add.reduceat(np.add.reduceat(plane, rows, axis=0, dtype=np.int64), columns, axis=1)
    areas = np.diff([*rows, high])[:, None] * np.diff([*columns, wide])[None, :]
    means: NDArray[np.float64] = sums / areas
    return means
