"""Reading sources and clips for `check_clips`, with PyAV alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

HEAR = 16_000
SIDE = 48
FILMS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".ts", ".m4v"}
MEDIA = FILMS | {".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".opus"}
Picture = NDArray[np.float32]


@dataclass
class Source:
    """A source on its own clock: 0 where its first picture is shown, else at its first sample."""

    path: Path
    sound: NDArray[np.float32]
    """Mono, 16 kHz, from clock 0."""
    times: NDArray[np.float64]
    """Seconds at which each picture is shown; empty without pictures."""
    pictures: list[NDArray[np.float32]]
    """Of each, grey, displayed as a player would, squeezed to fit `shape`."""
    shape: tuple[int, int]
    """Displayed width and height."""


@cache
def source_of(path: Path) -> Source:
    """The source, or an empty one where the file cannot be decoded: nothing can have come from it."""
    try:
        return _decoded(path)
    except av.FFmpegError:
        return Source(path, np.zeros(0, np.float32), np.zeros(0), [], (0, 0))


def _decoded(path: Path) -> Source:
    times, pictures, shape = [], [], (0, 0)
    with av.open(str(path)) as container:
        if container.streams.video and path.suffix.lower() in FILMS:  # elsewhere a picture is a cover
            for frame in container.decode(video=0):
                grey, shape = shown(frame)
                times.append(frame.time)
                pictures.append(grey)
    zero = times[0] if times else None
    with av.open(str(path)) as container:
        sound = hear(container, zero) if container.streams.audio else np.zeros(0, np.float32)
    return Source(path, sound, np.array(times) - (zero or 0.0), pictures, shape)


def shown(frame: av.VideoFrame) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """A picture as it is displayed: turned, grey, at most 480 rows; and its displayed size in square pixels."""
    aspect = float(frame.sample_aspect_ratio or 1) if hasattr(frame, "sample_aspect_ratio") else 1.0
    aspect = aspect or 1.0
    size = (round(frame.width * aspect), frame.height)
    grey = frame.reformat(width=min(640, frame.width), height=min(480, frame.height), format="gray").to_ndarray()
    turned = np.rot90(grey, round((getattr(frame, "rotation", 0) or 0) / 90))
    if turned.shape[0] == grey.shape[1] and grey.shape[0] != grey.shape[1]:
        size = size[::-1]
    return turned.astype(np.float32), size


def hear(container: av.container.InputContainer, zero: float | None) -> NDArray[np.float32]:
    """The first sound as mono 16 kHz from clock `zero`; None for the first sample's time. Gaps become silence."""
    pieces: list[NDArray[np.float32]] = []
    resampler = av.AudioResampler("flt", "mono", HEAR)
    start = None
    streams = container.streams.audio
    marked = next((stream for stream in streams if stream.disposition & Disposition.default), streams[0])
    for frame in [*container.decode(marked), None]:
        if frame is not None and start is None:
            start = frame.time or 0.0
        pieces += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    sound = np.concatenate([np.zeros(0, np.float32), *pieces])
    ahead = round(((start or 0.0) - (start if zero is None else zero or 0.0)) * HEAR) if start is not None else 0
    return np.concatenate([np.zeros(ahead, np.float32), sound]) if ahead >= 0 else sound[-ahead:]


def cropped(picture: NDArray[np.float32], shape: tuple[int, int], size: tuple[int, int]) -> NDArray[np.float32]:
    """The middle of a source's picture as a clip of `size` shows it, SIDE x SIDE, mean 0 and spread 1."""
    width, height = shape
    scale = 1.0 if 0 <= width - size[0] < 32 and 0 <= height - size[1] < 32 else max(size[0] / width, size[1] / height)
    kept = [min(1.0, size[0] / scale / width), min(1.0, size[1] / scale / height)]
    rows, columns = picture.shape
    top, left = round(rows * (1 - kept[1]) / 2), round(columns * (1 - kept[0]) / 2)
    return small(picture[top : rows - top, left : columns - left])


def small(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    edges = [np.linspace(0, side, SIDE + 1).astype(int)[:-1] for side in picture.shape]
    sums = np.add.reduceat(np.add.reduceat(picture, edges[0], axis=0), edges[1], axis=1)
    counts = [np.diff([*edge, side]) for edge, side in zip(edges, picture.shape, strict=True)]
    means = sums / np.outer(*counts)
    return np.asarray((means - means.mean()) / max(1.0, float(means.std())), np.float32)
