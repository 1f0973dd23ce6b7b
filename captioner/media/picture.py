"""From a decoded source frame to a picture that a trainer can use: upright, square pixels, progressive, BT.709."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import uuid4

from captioner.errors import MediaError
from captioner.media.decoding import Window
from captioner.media.tonemap import cube
from captioner.types import VideoStream

STEP = 32
"""Both sides of a written picture are multiples of this."""

_UNKNOWN, _BT709, _RGB, _BT601, _BT2020, _PAL = 2, 1, 0, 6, 9, 5
_LIMITED, _FULL = 1, 2
_WIDE = {4, 8, 9, 10, 11, 12, 22}
"""Primaries (ISO/IEC 23091-2) that differ visibly from BT.709's; the two of BT.601 do not."""
_TURNS = {90: "clock", 270: "cclock"}


@dataclass(frozen=True, slots=True)
class Fit:
    """How a coded picture becomes a written one: part of it, scaled, cropped, then turned. In the coded orientation."""

    box: tuple[int, int, int, int] | None
    """Left, top, width, height of the part of the coded picture that is scaled, its pixels, all even; None: all."""
    scaled: tuple[int, int]
    crop: tuple[int, int, int, int]
    """Left, top, width, height. Left and top are even, so that 4:2:0 chroma stays where it is."""
    rotation: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as written, upright."""
        _, _, width, height = self.crop
        return (height, width) if self.rotation % 180 else (width, height)


def fit(width: int, height: int, aspect: Fraction, rotation: int, size: tuple[int, int] | None) -> Fit:
    """Where a coded picture of width x height goes; `size` (upright) is covered and centre-cropped.

    Without `size` nothing is scaled but non-square pixels, and each side loses less than 32 pixels.
    Raises MediaError where no side of 32 can be had.
    """
    square = (max(1, round(width * aspect)), height)
    if size is None:
        scaled, kept = square, (square[0] // STEP * STEP, square[1] // STEP * STEP)
        if not all(kept):
            raise MediaError(
                f"the picture is {square[0]}x{square[1]}, smaller than {STEP} on a side; give a size to scale to"
            )
    else:
        kept = (size[1], size[0]) if rotation % 180 else size
        factor = max(Fraction(kept[0], square[0]), Fraction(kept[1], square[1]))
        box = _box((width, height), square, kept, factor)
        if box is not None:
            return Fit(box, kept, (0, 0, *kept), rotation)
        scaled = (max(kept[0], round(square[0] * factor)), max(kept[1], round(square[1] * factor)))
    left, top = ((scaled[side] - kept[side]) // 4 * 2 for side in (0, 1))
    return Fit(None, scaled, (left, top, *kept), rotation)


def _box(
    coded: tuple[int, int], square: tuple[int, int], kept: tuple[int, int], factor: Fraction
) -> tuple[int, int, int, int] | None:
    """The middle of a coded picture that becomes `kept` when scaled by `factor`, to the next even pixel: what is thrown
    away need not be scaled. None where that rounding would show: where the picture grows, or a side is odd."""
    if any(side % 2 for side in coded):
        return None
    wide, high = (
        min(whole, 2 * round(want / factor * whole / flat / 2))
        for whole, flat, want in zip(coded, square, kept, strict=True)
    )
    if wide < kept[0] or high < kept[1]:
        return None
    return ((coded[0] - wide) // 4 * 2, (coded[1] - high) // 4 * 2, wide, high)


@dataclass(frozen=True, slots=True)
class Colour:
    """What a frame's numbers mean; the values are those of ISO/IEC 23091-2 as FFmpeg counts them."""

    matrix: int
    primaries: int
    transfer: int
    span: int

    @classmethod
    def of(cls, frame: Any, stream: VideoStream) -> Colour:
        """Of a decoded frame. Untagged pictures are what players take them for: BT.601 up to 576 lines, else BT.709."""
        small = stream.height <= BT601_LINES
        rgb = frame.format.is_rgb or frame.format.has_palette
        matrix = int(frame.colorspace)
        if rgb:
            matrix = _RGB
        elif matrix in (_UNKNOWN, _RGB):
            matrix = _BT2020 if stream.transfer != "sdr" else _BT601 if small else _BT709
        full = rgb or frame.format.name.startswith("yuvj")
        span = int(frame.color_range) or (_FULL if full else _LIMITED)
        transfer = {"pq": 16, "hlg": 18}.get(stream.transfer, _BT709)
        primaries = int(frame.color_primaries)
        if primaries == _UNKNOWN and stream.transfer != "sdr":
            primaries = _BT2020
        return cls(matrix, primaries if primaries in _WIDE else _BT709, transfer, span)

    @property
    def plain(self) -> bool:
        """Whether the numbers already are what is written."""
        return (self.matrix, self.primaries, self.span) == (_BT709, _BT709, _LIMITED)


BT601_LINES = 576
"""Untagged pictures of at most so many lines are standard definition."""


class Converter:
    """Source frames in, finished pictures out, each with the key it was given. One source stream, in order.

    Interlaced streams need neighbours: give frames before and after those wanted, and `drain` before a jump.
    `scratch` is a folder for the colour cube of HDR sources.
    """

    def __init__(self, stream: VideoStream, size: tuple[int, int] | None, scratch: Path, threads: int = 1) -> None:
        self._stream, self._scratch, self._threads = stream, scratch, threads
        self._fit = fit(stream.width, stream.height, stream.pixel_aspect, stream.rotation, size)
        self._graph: Any = None
        self._shape: tuple[Any, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of every picture that comes out."""
        return self._fit.size

    @property
    def window(self) -> Window:
        """What a decoder that crops and scales may give instead of the whole picture: where that makes it smaller."""
        whole = (self._stream.width, self._stream.height)
        box = self._fit.box
        return Window((0, 0, *whole), whole) if box is None else Window(box, self._fit.scaled)

    @property
    def deinterlaces(self) -> bool:
        return self._stream.interlaced

    def convert(self, frame: Any, key: int, windowed: bool = False) -> Iterator[tuple[int, Any]]:
        """Feeds one frame, or what `window` shows of it; gives those that are finished, which may be earlier ones."""
        colour = Colour.of(frame, self._stream)
        shape = (frame.width, frame.height, frame.format.name, windowed, colour)
        if self._graph is not None and shape != self._shape:
            yield from self.drain()
        if self._graph is None:
            self._graph, self._shape = self._build(frame, self._fit_of(frame, windowed), colour), shape
        frame.pts, frame.time_base = key, Fraction(1)
        self._graph.vpush(frame)
        yield from self._finished()

    def drain(self) -> Iterator[tuple[int, Any]]:
        """Gives what is still inside and forgets the neighbours."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._finished()
            self._graph = None

    def _finished(self) -> Iterator[tuple[int, Any]]:
        import av

        while True:
            try:
                done = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield round(done.pts * done.time_base), done

    def _build(self, frame: Any, goes: Fit, colour: Colour) -> Any:
        from av.filter import Graph

        graph = Graph()
        graph.threads = self._threads
        size = f"{frame.width}x{frame.height}"
        nodes = [graph.add("buffer", video_size=size, pix_fmt=frame.format.name, time_base="1/1",
                           colorspace=str(colour.matrix), range=str(colour.span))]  # fmt: skip
        nodes += [graph.add(name, **options) for name, options in self._steps(frame, goes, colour)]
        graph.link_nodes(*nodes, graph.add("buffersink")).configure()
        return graph

    def _steps(self, frame: Any, goes: Fit, colour: Colour) -> Iterator[tuple[str, dict[str, str]]]:
        tags = {"colorspace": colour.matrix, "range": colour.span}
        tags |= {"color_primaries": colour.primaries, "color_trc": colour.transfer}
        yield "setparams", {name: str(value) for name, value in tags.items()}
        if self._stream.interlaced:
            # Only frames that say so are touched, unless the container alone knew.
            yield "bwdif", {"mode": "send_frame", "deint": "interlaced" if frame.interlaced_frame else "all"}
        if goes.box is not None:
            yield "crop", _crop(goes.box)
        yield from self._scaled(goes, colour)
        yield "crop", _crop(goes.crop)
        if self._fit.rotation in _TURNS:
            yield "transpose", {"dir": _TURNS[self._fit.rotation]}
        elif self._fit.rotation == 180:
            yield "hflip", {}
            yield "vflip", {}
        yield "setsar", {"sar": "1"}
        yield "setparams", {"colorspace": "bt709", "range": "tv", "color_primaries": "bt709", "color_trc": "bt709"}

    def _scaled(self, goes: Fit, colour: Colour) -> Iterator[tuple[str, dict[str, str]]]:
        width, height = goes.scaled
        scale = {"w": str(width), "h": str(height), "flags": "bicubic+accurate_rnd"}
        final = {"out_color_matrix": "bt709", "out_range": "tv"}
        if self._stream.transfer in ("pq", "hlg"):
            yield "scale", scale
            yield "format", {"pix_fmts": "gbrp16le"}
            yield "lut3d", {"file": str(_cube_file(self._stream.transfer, self._scratch)), "interp": "tetrahedral"}
            yield "setparams", {"color_primaries": "bt709", "color_trc": "bt709"}
            yield "scale", final | {"flags": "bicubic+accurate_rnd"}
        elif colour.primaries in _WIDE:
            yield "scale", scale | final | {"out_primaries": "bt709", "out_transfer": "bt709"}
        else:
            yield "scale", scale | final
        yield "format", {"pix_fmts": "yuv420p"}

    def _fit_of(self, frame: Any, windowed: bool) -> Fit:
        """A stream whose size changes on the way is brought to the size that it began with."""
        if windowed:
            return replace(self._fit, box=None)
        if (frame.width, frame.height) == (self._stream.width, self._stream.height):
            return self._fit
        return fit(frame.width, frame.height, self._stream.pixel_aspect, self._stream.rotation, self._fit.size)


def _crop(part: tuple[int, int, int, int]) -> dict[str, str]:
    return {name: str(value) for name, value in zip("xywh", part, strict=True)}


def _cube_file(transfer: str, scratch: Path) -> Path:
    path = scratch / f"{transfer}.cube"
    if not path.exists():
        scratch.mkdir(parents=True, exist_ok=True)
        aside = scratch / f".{transfer}.{uuid4().hex}.cube"
        aside.write_text(cube(transfer), encoding="ascii")
        aside.replace(path)
    return path
