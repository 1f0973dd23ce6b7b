"""Software that does what NVDEC does through FFmpeg's `*_cuvid`: crops, scales and gives nv12, and says little else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import av
from av.filter import Graph

from captioner.media.decoding import Opener, Session, Window

OUTPUT_CORRUPT = 1 << 3
"""FFmpeg's flag of a codec's context."""


class Like:
    """A stand-in for `Nvdec`. `scaler`: swscale's flags."""

    def __init__(self, stream: Any, window: Window, scaler: str = "area") -> None:
        own = stream.codec_context
        self.restarts = 0
        self.owner: object = None
        self.failed = False
        self._context: Any = av.CodecContext.create(own.codec.canonical_name, "r")
        if own.extradata:
            self._context.extradata = own.extradata
        self._context.flags |= OUTPUT_CORRUPT  # a GPU's decoder gives what refers to pictures before a jump, too
        self._window, self._scaler = window, scaler
        self._graph: Any = None

    def decode(self, packet: Any | None) -> Sequence[Any]:
        # FFmpeg takes the mark of the latest packet for one of the pictures that a GPU's decoder gives just then.
        mistaken = packet is not None and packet.is_discard
        return [self._shaped(frame) for frame in self._context.decode(packet) if not mistaken]

    def restart(self) -> None:
        self.restarts += 1
        self._context.flush_buffers()

    def _shaped(self, frame: Any) -> Any:
        pts = frame.pts
        frame.pts = None
        if self._graph is None:
            self._graph = self._build(frame)
        self._graph.vpush(frame)
        made = self._graph.vpull()
        made.pts = pts
        # What a GPU's decoder says of colours is not what software says, least of all where the stream is silent.
        made.colorspace, made.color_range, made.color_primaries, made.color_trc = 9, 1, 9, 16
        return made

    def _build(self, frame: Any) -> Any:
        left, top, width, height = self._window.box
        across, down = self._window.size
        graph = Graph()
        # One range all along: levels are not the scaler's to change.
        source = f"{frame.width}x{frame.height}"
        levels = "pc" if frame.format.name.startswith("yuvj") else "tv"
        graph.link_nodes(
            graph.add("buffer", video_size=source, pix_fmt=frame.format.name, time_base="1/1"),
            graph.add("setparams", range=levels),
            graph.add("crop", x=str(left), y=str(top), w=str(width), h=str(height)),
            graph.add("scale", w=str(across), h=str(down), flags=self._scaler, in_range=levels, out_range=levels),
            graph.add("format", pix_fmts="nv12"),
            graph.add("buffersink"),
        ).configure()
        return graph


@dataclass(frozen=True)
class Anew:
    """Begins a decoder for each stream."""

    start: Callable[[Any, Window], Session]

    def __call__(self, stream: Any, window: Window, /) -> Session:
        return self.start(stream, window)

    def at_hand(self, _stream: Any, _window: Window, /) -> bool:
        return False


def like(scaler: str = "area", made: list[Like] | None = None) -> Opener:
    """Opens such decoders, and keeps them in `made`."""

    def start(stream: Any, window: Window) -> Session:
        session = Like(stream, window, scaler)
        if made is not None:
            made.append(session)
        return session

    return Anew(start)
