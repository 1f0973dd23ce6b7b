"""Reading the packages' recordings and writing the samples, with PyAV."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""float32 (n,), mono, in [-1, 1]."""

RATE, SPEECH = 48_000, 16_000
TICKS = Fraction(1, 90_000)


def hear(path: Path) -> Samples:
    """All of a recording, mono, 16 kHz. `.raw` is 16 kHz int16, `.g722` has no container."""
    if path.suffix == ".raw":
        return (np.fromfile(path, "<i2") / 32768).astype(np.float32)
    resampler = av.AudioResampler("flt", "mono", SPEECH)
    pieces = []
    with av.open(str(path), format="g722" if path.suffix == ".g722" else None) as container:
        for frame in [*container.decode(audio=0), None]:
            pieces += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(pieces).astype(np.float32)


def streams(path: Path) -> dict[str, Any]:
    """What the manifest says of a file's streams."""
    with av.open(str(path)) as container:
        found: dict[str, Any] = {"duration_s": round((container.duration or 0) / 1e6, 3)}
        for video in container.streams.video:
            found["video"] = {"codec": video.codec_context.name, "width": video.width, "height": video.height,
                              "fps": str(video.average_rate), "frames": video.frames}  # fmt: skip
        for audio in container.streams.audio:
            found["audio"] = {"codec": audio.codec_context.name, "sample_rate": audio.rate, "channels": audio.channels}
    return found


def write_wav(source: Path, path: Path) -> None:
    """A WAV file as it is."""
    shutil.copyfile(source, path)


def write_video(
    path: Path, pictures: Iterable[NDArray[np.uint8]], ticks: Sequence[int], sound: Samples, *,
    rate: int = RATE, late: int = 0, rotate: bool = False,
) -> Path:  # fmt: skip
    """H.264 with each picture at its tick (1/90000 s) and AAC, `late` samples after the first picture."""
    with av.open(str(path), "w", options={"fflags": "+bitexact", "movflags": "+faststart"}) as container:
        options = {"crf": "26", "preset": "slow", "threads": "1", "flags": "+bitexact"}
        video = container.add_stream("libx264", rate=25, options=options)
        video.width, video.height, video.pix_fmt = 512, 288, "yuv420p"
        video.codec_context.time_base = TICKS
        video.codec_context.gop_size = 100
        audio = container.add_stream("aac", rate=rate, layout="mono", options={"flags": "+bitexact"})
        audio.bit_rate = 96_000
        for tick, picture in zip(ticks, pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = tick, TICKS
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for start in range(0, len(sound), 1024):
            block = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = rate, start + late, Fraction(1, rate)
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    if rotate:
        _turn(path, height=288)
    return path


def _turn(path: Path, height: int) -> None:
    """Sets the track header's matrix to a quarter turn clockwise, which is how phones say how they were held."""
    data = bytearray(path.read_bytes())
    plain = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    at = data.index(plain, data.index(b"tkhd"))  # the first track is the picture
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, height << 16, 0, 1 << 30)
    path.write_bytes(data)
