"""Makes real media for the tests: encoded by PyAV, with pictures and sounds whose truth is known.

    make(tmp_path / "a.mp4", Video(frames=50, rate=Fraction(25)), Audio(clicks([1.0], 2.0, 48000), 48000))

Every frame that `Video` draws by default carries its own index as a 4 x 4 block pattern over the whole picture;
`read_index` finds it again in a decoded frame, also after H.264, scaling and small crops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Draw = Callable[[int, int, int], Pixels]
"""(index, width, height) -> uint8 (height, width, 3) RGB."""

INDEX_LIMIT = 4096
"""Indices are read back modulo this: 12 bits, and 4 of check sum."""

CODECS: dict[str, tuple[str, str | None, str]] = {
    ".mp4": ("mp4", "libx264", "aac"),
    ".m4v": ("mp4", "libx264", "aac"),
    ".mov": ("mov", "libx264", "aac"),
    ".mkv": ("matroska", "libx264", "aac"),
    ".webm": ("webm", "libvpx", "libopus"),
    ".avi": ("avi", "mpeg4", "pcm_s16le"),  # MP3 in AVI has no place for its encoder's delay
    ".mpg": ("mpeg", "mpeg2video", "mp2"),
    ".mpeg": ("mpeg", "mpeg2video", "mp2"),
    ".ts": ("mpegts", "libx264", "aac"),
    ".m2ts": ("mpegts", "libx264", "aac"),
    ".wav": ("wav", None, "pcm_s16le"),
    ".flac": ("flac", None, "flac"),
    ".mp3": ("mp3", None, "libmp3lame"),
    ".m4a": ("ipod", None, "aac"),
    ".aac": ("adts", None, "aac"),
    ".ogg": ("ogg", None, "vorbis"),
    ".opus": ("ogg", None, "libopus"),
}
"""Suffix -> container format, default video codec (None: sound only), default audio codec."""

_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
_HDR = {"pq": 16, "hlg": 18}


# --- pictures ---------------------------------------------------------------------------------------------------


def numbered(index: int, width: int, height: int) -> Pixels:
    """The picture of frame `index`: 4 x 4 black or white blocks, most significant bit first, then its check sum."""
    bits = _bits(index % INDEX_LIMIT)
    rows = np.arange(height) * 4 // height
    columns = np.arange(width) * 4 // width
    luma = np.where(bits.reshape(4, 4)[rows][:, columns], 220, 30).astype(np.uint8)
    return np.repeat(luma[:, :, None], 3, axis=2)


def read_index(picture: NDArray[Any]) -> int | None:
    """The index drawn by `numbered`, from luma or RGB (h, w[, 3]) of any depth; None where there is no valid pattern.

    The picture must be upright: turn it back (`numpy.rot90`) before.
    """
    luma = picture.astype(np.float64)
    if luma.ndim == 3:
        luma = luma.mean(axis=2)
    height, width = luma.shape
    blocks = np.empty((4, 4))
    for row in range(4):
        for column in range(4):
            top, left = (row * height) // 4 + height // 12, (column * width) // 4 + width // 12
            blocks[row, column] = luma[top : top + max(1, height // 12), left : left + max(1, width // 12)].mean()
    low, high = blocks.min(), blocks.max()
    if high - low < 0.05 * max(high, 1.0):
        return None
    bits = (blocks > (low + high) / 2).ravel()
    index = int("".join("1" if bit else "0" for bit in bits[:12]), 2)
    return index if np.array_equal(bits, _bits(index)) else None


def shown_index(frame: av.VideoFrame) -> int | None:
    """`read_index` of a decoded frame."""
    return read_index(frame.to_ndarray(format="gray"))


def _bits(index: int) -> NDArray[np.bool_]:
    check = (index ^ (index >> 4) ^ (index >> 8) ^ 0b0101) & 0xF
    value = (index << 4) | check
    return np.array([(value >> (15 - bit)) & 1 for bit in range(16)], dtype=bool)


def flashes(frames: Sequence[int]) -> Draw:
    """Dark pictures, white where the index is one of `frames`."""

    def draw(index: int, width: int, height: int) -> Pixels:
        return np.full((height, width, 3), 235 if index in frames else 20, dtype=np.uint8)

    return draw


# --- sounds -----------------------------------------------------------------------------------------------------


def clicks(times: Sequence[float], duration: float, rate: int, length: float = 0.004) -> Floats:
    """Silence with a sharp-edged 1 kHz burst of `length` seconds starting at each of `times`."""
    samples = np.zeros(round(duration * rate), dtype=np.float32)
    burst = (0.9 * np.cos(2 * np.pi * 1000 * np.arange(round(length * rate)) / rate)).astype(np.float32)
    for time in times:
        first = round(time * rate)
        samples[first : first + len(burst)] = burst[: max(0, len(samples) - first)]
    return samples


def tone(frequency: float, duration: float, rate: int, peak: float = 0.5) -> Floats:
    return (peak * np.sin(2 * np.pi * frequency * np.arange(round(duration * rate)) / rate)).astype(np.float32)


def noise(duration: float, rate: int, peak: float = 0.5, seed: int = 7) -> Floats:
    return (peak * np.random.default_rng(seed).uniform(-1, 1, round(duration * rate))).astype(np.float32)


def click_times(samples: Floats, rate: int, threshold: float = 0.3) -> list[float]:
    """Seconds at which each burst of `clicks` begins: where its envelope first passes `threshold` x its peak."""
    loud = np.abs(samples)
    found: list[float] = []
    index, quiet = 0, round(0.05 * rate)
    while index < len(loud):
        above = np.flatnonzero(loud[index:] > 0.2)
        if not len(above):
            break
        near = index + int(above[0])
        burst = loud[max(0, near - quiet // 5) : near + quiet]
        first = max(0, near - quiet // 5) + int(np.flatnonzero(burst > threshold * burst.max())[0])
        found.append(first / rate)
        index = near + quiet
    return found


# --- files ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Video:
    frames: int = 50
    rate: Fraction = Fraction(25)
    size: tuple[int, int] = (192, 128)
    """Pixels across and down, as coded."""
    start: float = 0.0
    """Seconds at which the first frame is shown."""
    times: Sequence[float] | None = None
    """Variable rate: seconds at which each frame is shown, from `start`. Overrides `frames`."""
    draw: Draw = numbered
    codec: str | None = None
    pixels: str = "yuv420p"
    rotation: int = 0
    """Degrees clockwise that a player must turn the picture."""
    aspect: Fraction = Fraction(1)
    """Of a pixel."""
    interlaced: bool = False
    hdr: str | None = None
    """"pq" or "hlg": 10 bit, BT.2020."""
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Audio:
    samples: Floats
    """(n,) or (n, channels)."""
    rate: int = 48_000
    start: float = 0.0
    """Seconds of the first sample on the container's clock."""
    codec: str | None = None
    default: bool | None = None
    """The stream's default flag; None leaves it to the container."""
    gaps: Sequence[tuple[float, float]] = ()
    """(seconds from, to) on the container's clock: packets that begin there are dropped; the clock goes on."""
    options: dict[str, str] = field(default_factory=dict)


def make(
    path: Path,
    video: Video | None = None,
    *audios: Audio,
    container: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Writes a media file whose container follows the suffix (or `container`), and returns its path.

    `options`: the container's own, such as `{"movflags": "faststart"}`.
    """
    form, video_codec, audio_codec = CODECS.get(path.suffix.lower(), CODECS[".mp4"])
    with av.open(str(path), "w", format=container or form, container_options=options or {}) as out:
        picture = None if video is None else _add_video(out, video, video.codec or video_codec or "libx264")
        streams = [_add_audio(out, audio, audio.codec or audio_codec) for audio in audios]
        packets = [] if video is None else _encode(picture, _pictures(video))
        for stream, audio in zip(streams, audios, strict=True):
            packets.extend(_kept(_encode(stream, _sounds(audio)), audio.gaps))
        for packet in sorted(packets, key=_when):
            out.mux(packet)
    return path


def cover(path: Path, audio: Audio) -> Path:
    """A sound file (mp3 or flac) with an attached picture."""
    form, _, codec = CODECS[path.suffix]
    still = Video(frames=1, rate=Fraction(1), pixels="yuvj420p")
    with av.open(str(path), "w", format=form) as out:
        sound = _add_audio(out, audio, audio.codec or codec)
        picture = _add_video(out, still, "mjpeg")
        picture.disposition = av.stream.Disposition.attached_pic
        for packet in [*_encode(picture, _pictures(still)), *_encode(sound, _sounds(audio))]:
            out.mux(packet)
    return path


def _add_video(out: Any, video: Video, codec: str) -> Any:
    options = dict(video.options)
    if codec == "libx264":
        options = {"crf": "18", "preset": "veryfast"} | options
    if codec == "libx265":
        options = {"crf": "18", "preset": "ultrafast", "x265-params": "log-level=error"} | options
    if codec == "libvpx":
        options = {"deadline": "realtime", "cpu-used": "8", "crf": "10"} | options
    if video.interlaced:
        options = {"flags": "+ilme+ildct"} | options
    stream = out.add_stream(codec, rate=video.rate, options=options)
    stream.width, stream.height = video.size
    stream.pix_fmt = "yuv420p10le" if video.hdr else video.pixels
    if codec in ("mpeg2video", "mpeg1video", "mpeg4", "libvpx"):
        stream.bit_rate = 4_000_000
    stream.codec_context.time_base = _clock(video)
    if out.format.name == "avi":
        stream.codec_context.max_b_frames = 0
    stream.codec_context.sample_aspect_ratio = video.aspect
    if video.rotation:
        stream.set_display_rotation(-video.rotation)  # FFmpeg counts counterclockwise
    if video.hdr:
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = _HDR[video.hdr], 9, 9
    return stream


def _clock(video: Video) -> Fraction:
    """The time base to encode with: the frame grid where every time lies on it, else fine."""
    steps = Fraction(video.start).limit_denominator(90_000) * video.rate
    on_grid = video.times is None and steps.denominator == 1
    return 1 / video.rate if on_grid else Fraction(1, 90_000)


def _pictures(video: Video) -> list[Any]:
    clock = _clock(video)
    grid = [index / video.rate for index in range(video.frames)]
    times = grid if video.times is None else [Fraction(time) for time in video.times]
    frames = []
    for index, time in enumerate(times):
        drawn = av.VideoFrame.from_ndarray(video.draw(index, *video.size), format="rgb24")
        frame = drawn.reformat(format="yuv420p10le" if video.hdr else video.pixels)
        if video.hdr:
            frame.color_trc, frame.color_primaries, frame.colorspace = _HDR[video.hdr], 9, 9
        frame.time_base = clock
        frame.pts = round((Fraction(video.start).limit_denominator(90_000) + time) / clock)
        frames.append(frame)
    return frames


def _add_audio(out: Any, audio: Audio, codec: str) -> Any:
    channels = 1 if audio.samples.ndim == 1 else audio.samples.shape[1]
    options = ({"strict": "-2"} if codec == "vorbis" else {}) | audio.options
    stream = out.add_stream(codec, rate=audio.rate, layout=_LAYOUTS[channels], options=options)
    if codec in ("aac", "libmp3lame", "mp2") and audio.rate >= 32_000:
        stream.bit_rate = 128_000 if codec == "aac" else 192_000
    if audio.default is not None:
        stream.disposition = av.stream.Disposition.default if audio.default else av.stream.Disposition(0)
    return stream


def _sounds(audio: Audio) -> list[Any]:
    samples = audio.samples if audio.samples.ndim == 2 else audio.samples[:, None]
    frames = []
    for first in range(0, len(samples), 1024):
        block = samples[first : first + 1024]
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block.T), format="fltp", layout=_LAYOUTS[samples.shape[1]]
        )
        frame.sample_rate, frame.time_base = audio.rate, Fraction(1, audio.rate)
        frame.pts = first + round(audio.start * audio.rate)
        frames.append(frame)
    return frames


def _encode(stream: Any, frames: Sequence[Any]) -> list[Any]:
    packets = []
    for frame in [*frames, None]:
        packets.extend(stream.encode(frame))
    return packets


def _kept(packets: Sequence[Any], gaps: Sequence[tuple[float, float]]) -> list[Any]:
    return [packet for packet in packets if not any(start <= _when(packet) < end for start, end in gaps)]


def _when(packet: Any) -> float:
    stamp = packet.dts if packet.dts is not None else packet.pts
    return float(stamp * packet.time_base) if stamp is not None else 0.0
