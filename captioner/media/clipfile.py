"""Encodes one clip: H.264 and AAC or PCM in MP4, or PCM in WAV. What is fed is remembered as a small `Proof`."""

from __future__ import annotations

import wave
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from captioner.errors import UsageError
from captioner.media.picture import STEP
from captioner.media.soundtrack import Floats, quantise
from captioner.types import CLIP_RATE

BLOCK = 1024
"""Samples of one AAC frame: decoded AAC runs over by less than this."""

ENVELOPE = 480
"""Samples of one step of a proof's envelope: 10 ms."""

EXCERPT = 2048
"""Samples of each excerpt that a proof keeps."""

GRID = 8
"""Cells along each side of a proof's picture."""


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """How clips are written. Raises UsageError where it makes no sense."""

    size: tuple[int, int] | None = None
    """Width and height, multiples of 32: the picture is scaled to cover it and cropped. None: the smallest crop."""
    audio_codec: str = "aac"
    """"aac" or "pcm"."""
    crf: int = 16
    """x264's quality, lower is better: 16 is hard to tell from the source and far above what a trainer's VAE keeps."""
    preset: str = "fast"
    audio_bits: int = 256_000
    """A second, AAC only."""
    threads: int = 1
    """Of the decoder and of the encoder of one clip."""
    gpus: tuple[int, ...] = ()
    """Those whose decoders may help; what is written does not depend on them by more than a scaler's rounding."""

    def __post_init__(self) -> None:
        if self.audio_codec not in ("aac", "pcm"):
            raise UsageError(f"audio codec {self.audio_codec!r} is not known; it is aac or pcm")
        if self.size is not None and any(side < STEP or side % STEP for side in self.size):
            raise UsageError(f"size {self.size[0]}x{self.size[1]}: both sides must be multiples of {STEP}")


@dataclass(frozen=True, slots=True)
class Proof:
    """What went into the encoders, small enough to keep until the file has been read back."""

    envelope: NDArray[np.float32] = field(repr=False)
    """RMS (steps, 2) of every 10 ms of the fed sound; (0, 2) for a WAV, where the digest decides alone."""
    excerpts: tuple[tuple[int, NDArray[np.int16]], ...] = field(repr=False)
    """(first sample, 16-bit (n, 2)): pieces of the fed sound, the loudest of its beginning, middle and end; none for a
    WAV."""
    digest: str
    """SHA-256 of the fed sound as 16-bit samples."""
    pictures: NDArray[np.float16] = field(repr=False)
    """(frames, 8, 8): mean luma of the cells of every fed picture; (0, 8, 8) without picture."""


def envelope(samples: Floats) -> NDArray[np.float32]:
    """RMS (steps, 2) of every whole 10 ms of samples (n, 2)."""
    steps = len(samples) // ENVELOPE
    squares = np.square(samples[: steps * ENVELOPE].astype(np.float64)).reshape(steps, ENVELOPE, 2)
    levels: NDArray[np.float32] = np.sqrt(squares.mean(axis=1)).astype(np.float32)
    return levels


def digest(samples: NDArray[np.int16]) -> str:
    import hashlib

    return hashlib.sha256(np.ascontiguousarray(samples, dtype="<i2").tobytes()).hexdigest()


def cells(frame: Any) -> NDArray[np.float32]:
    """Mean luma (8, 8) of a yuv420p frame whose sides are multiples of 8."""
    plane = frame.planes[0]
    high, wide = plane.height // GRID, plane.width // GRID
    luma = np.frombuffer(plane, dtype=np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
    columns = luma.reshape(GRID, high, plane.width).sum(axis=1, dtype=np.uint32)
    means: NDArray[np.float32] = (columns.reshape(GRID, GRID, wide).sum(axis=2) / (high * wide)).astype(np.float32)
    return means


def prove(samples: Floats, pictures: list[NDArray[np.float32]]) -> Proof:
    levels = envelope(samples)
    excerpts = []
    third = max(1, len(levels) // 3)
    for first in range(0, min(len(levels), 3 * third), third):
        loud = levels[first : first + third].sum(axis=1)
        start = max(0, min((first + int(loud.argmax())) * ENVELOPE - EXCERPT // 2, len(samples) - EXCERPT))
        excerpts.append((start, quantise(samples[start : start + EXCERPT])))
    drawn = np.stack(pictures) if pictures else np.zeros((0, GRID, GRID))
    return Proof(levels, tuple(excerpts), digest(quantise(samples)), drawn.astype(np.float16))


class ClipFile:
    """An MP4 on its way. Feed all sound, then every picture, then `close`; `abandon` leaves nothing behind."""

    def __init__(self, path: Path, rate: Fraction, size: tuple[int, int], spec: ClipSpec) -> None:
        self.path, self._rate, self._spec = path, rate, spec
        # A movie clock of one tick a sample, or edit lists would round the length of the sound to milliseconds.
        options = {"movflags": "+faststart", "movie_timescale": str(CLIP_RATE)}
        self._out = av.open(str(path), "w", format="mp4", options=options)
        self._video = self._add_video(size)
        self._audio = self._add_audio()
        self.frames = 0
        self._samples: Floats = np.zeros((0, 2), dtype=np.float32)
        self._drawn: list[NDArray[np.float32]] = []

    def _add_video(self, size: tuple[int, int]) -> Any:
        # Without B-frames the stream needs no edit list and is the same to readers that know none.
        options = {"crf": str(self._spec.crf), "preset": self._spec.preset, "bf": "0"}
        stream = self._out.add_stream("libx264", rate=self._rate, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = 1 / self._rate
        context.thread_count = self._spec.threads
        context.sample_aspect_ratio = Fraction(1)
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        return stream

    def _add_audio(self) -> Any:
        if self._spec.audio_codec == "pcm":
            return self._out.add_stream("pcm_s16le", rate=CLIP_RATE, layout="stereo")
        stream = self._out.add_stream("aac", rate=CLIP_RATE, layout="stereo")
        stream.bit_rate = self._spec.audio_bits
        return stream

    def sound(self, samples: Floats) -> None:
        """float32 (n, 2): all the sound of the clip, its first sample at time 0."""
        self._samples = samples
        self._encode_sound(samples)

    def _encode_sound(self, samples: Floats) -> None:
        pcm = self._spec.audio_codec == "pcm"
        whole: NDArray[Any] = quantise(samples) if pcm else samples
        for first in range(0, len(whole), BLOCK):
            block = whole[first : first + BLOCK]
            laid = block.reshape(1, -1) if pcm else np.ascontiguousarray(block.T)
            frame = av.AudioFrame.from_ndarray(laid, format="s16" if pcm else "fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = CLIP_RATE, first, Fraction(1, CLIP_RATE)
            self._out.mux(self._audio.encode(frame))
        self._out.mux(self._audio.encode(None))

    def picture(self, frame: Any, times: int = 1) -> None:
        """The next frame of the clip, `times` times: yuv420p of the clip's size."""
        thumbnail = cells(frame)
        frame.pict_type = 0  # the source's own choice of key frames would be kept otherwise
        frame.time_base = 1 / self._rate
        for _ in range(times):
            frame.pts = self.frames
            self._encode_picture(frame)
            self._drawn.append(thumbnail)
            self.frames += 1

    def _encode_picture(self, frame: Any) -> None:
        self._out.mux(self._video.encode(frame))

    def close(self) -> Proof:
        self._out.mux(self._video.encode(None))
        self._out.close()
        return prove(self._samples, self._drawn)

    def abandon(self) -> None:
        with suppress(av.error.FFmpegError, OSError):  # whatever made us give up is already on its way
            self._out.close()
        self.path.unlink(missing_ok=True)


def write_wave(path: Path, samples: Floats) -> Proof:
    """A 16-bit stereo WAV of float32 (n, 2) at 48 kHz."""
    whole = quantise(samples)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(CLIP_RATE)
        out.writeframes(np.ascontiguousarray(whole, dtype="<i2").tobytes())
    none = np.zeros((0, GRID, GRID), dtype=np.float16)
    return Proof(np.zeros((0, 2), dtype=np.float32), (), digest(whole), none)
