"""What models hear of a recording: its sound, decoded once, 16 kHz mono, in step with its picture."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf, log10
from pathlib import Path
from typing import Any

import av
import numpy as np

from captioner.errors import Broken, Silent
from captioner.media.container import by_index, only, opened
from captioner.media.pcm import PcmFile, Samples16k
from captioner.media.reach import LEAST_FRAMES, power_sum, reach
from captioner.media.timeline import Floats, Piece, audio_frames, clock_zero, first_frames
from captioner.times import Span, seconds
from captioner.types import SPEECH_RATE, AudioStream, Sound, VideoStream

__all__ = ["PcmFile", "Samples16k", "decode_speech"]

_SILENT = 1e-4
"""-80 dBFS: nothing that anybody recorded on purpose is quieter throughout."""

_BLOCK = 65_536
"""Samples that are resampled at a time: the cost of a call is then nothing."""

_WEIGHT = {"FC": 1.0, "FL": 0.7, "FR": 0.7, "FLC": 0.7, "FRC": 0.7, "LFE": 0.0, "LFE2": 0.0}
_OTHER = 0.5
"""How much each channel counts where there are more than two: speech is mixed to the centre, never to the subwoofer."""


_SHORT, _SHORT_SHARE = 1.0, 0.1
"""A stream that ends this many seconds, or this share of itself but at least half a second, before its declared end
was cut off; one that lost as large a share in the middle is not worth hearing."""


def decode_speech(path: Path, audio: AudioStream, video: VideoStream | None, target: Path) -> Sound:
    """Writes the sound to `target`: raw little-endian int16, 16 kHz, mono, sample 0 at the recording's clock 0.

    All channels are mixed. What was heard before the first picture is dropped; sound that starts later is led by
    silence; holes are filled with silence, so that sync holds to the end, and told. Memory does not grow with length.
    Raises Silent where nothing louder than -80 dBFS was decoded, and Broken where much less decodes than is declared.
    """
    aside = target.with_name(f"{target.name}.{os.getpid()}.part")
    tally = _Tally()
    try:
        with aside.open("wb") as file, opened(path) as container:
            zero = _zero(path, audio, video)
            stream = by_index(container, audio.index, path)
            only(container, stream)
            tally.rate = int(stream.rate)
            for block in _resampled(_mono(audio_frames(container, stream, zero), stream, tally), tally):
                tally.add(block)
                file.write(_int16(block))
        sound = tally.sound()
        _check(path, audio, sound, tally)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    return sound


def _zero(path: Path, audio: AudioStream, video: VideoStream | None) -> Fraction:
    """Where the recording's clock 0 lies on the container's own clock."""
    with opened(path) as container:
        if video is not None:
            picture = by_index(container, video.index, path)
            only(container, picture)
            return clock_zero(container, picture) or Fraction(0)
        stream = by_index(container, audio.index, path)
        only(container, stream)
        heard, _ = first_frames(container, stream, None)
        return heard[0] if heard is not None else Fraction(0)


@dataclass(slots=True)
class _Tally:
    """What went by on the way to the file."""

    count: int = 0
    energy: float = 0.0
    peak: float = 0.0
    end: float = 0.0
    """Seconds: where the last decoded sample ended."""
    holes: list[tuple[float, float]] = field(default_factory=list)
    rate: int = SPEECH_RATE
    """Samples a second before it is resampled."""
    power: Any = 0.0
    """Sum of the power spectra at that rate, float64 (bins,), and of how many frames."""
    frames: int = 0

    def hole(self, start: float, end: float) -> None:
        if self.holes and start - self.holes[-1][1] < 1e-6:
            start = self.holes.pop()[0]
        self.holes.append((start, end))

    def before(self, block: Floats) -> None:
        """What goes by at the stream's own rate."""
        power, frames = power_sum(block, self.rate)
        self.power, self.frames = self.power + power, self.frames + frames

    def add(self, block: Floats) -> None:
        self.count += len(block)
        self.energy += float(np.square(block, dtype=np.float64).sum())
        self.peak = max(self.peak, float(np.abs(block).max(initial=0.0)))

    def sound(self) -> Sound:
        power = self.energy / self.count if self.count else 0.0
        return Sound(
            duration=seconds(self.count / SPEECH_RATE),
            peak=self.peak,
            level=10 * log10(power) if power > 0 else -inf,
            bandwidth=self._bandwidth(),
            holes=tuple(Span.at(start, end) for start, end in self.holes),
        )

    def _bandwidth(self) -> float | None:
        if self.frames < LEAST_FRAMES or not np.any(self.power):
            return None
        return reach(self.power, self.rate) or self.rate / 2


def _mono(pieces: Iterable[Piece], stream: Any, tally: _Tally) -> Iterator[Floats]:
    """float32 (n,) blocks at the stream's rate, the first sample at the clock's 0."""
    rate, weights = int(stream.rate), _weights(stream.layout)
    due = 0
    for piece in pieces:
        last = piece.start + len(piece.samples)
        tally.end = last / rate
        if last <= 0:
            continue
        if piece.hole:
            tally.hole(max(0, piece.start) / rate, last / rate)
        while due < piece.start:
            due, before = min(piece.start, due + _BLOCK), due
            yield np.zeros(due - before, dtype=np.float32)
        yield piece.samples[max(0, -piece.start) :] @ weights
        due = last


def _weights(layout: Any) -> Floats:
    """float32 (channels,), summing to 1: how much each channel counts."""
    names = [channel.name for channel in layout.channels]
    if len(names) <= 2:
        return np.full(len(names), 1 / len(names), dtype=np.float32)
    weights: Floats = np.array([_WEIGHT.get(name, _OTHER) for name in names], dtype=np.float32)
    weights /= weights.sum()
    return weights


def _resampled(blocks: Iterable[Floats], tally: _Tally) -> Iterator[Floats]:
    """The same sound at 16 kHz, in blocks."""
    rate = tally.rate
    if rate == SPEECH_RATE:
        for block in _gathered(blocks):
            tally.before(block)
            yield block
        return
    fold = av.AudioResampler(format="flt", layout="mono", rate=SPEECH_RATE)
    given = 0
    for block in _gathered(blocks):
        tally.before(block)
        frame = av.AudioFrame.from_ndarray(block[None, :], format="flt", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), given
        given += len(block)
        for made in fold.resample(frame):
            yield made.to_ndarray()[0]
    if given:
        for made in fold.resample(None):
            yield made.to_ndarray()[0]


def _gathered(blocks: Iterable[Floats]) -> Iterator[Floats]:
    held: list[Floats] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        if count >= _BLOCK:
            yield np.concatenate(held)
            held, count = [], 0
    if count:
        yield np.concatenate(held)


def _int16(block: Floats) -> bytes:
    samples = np.clip(np.rint(block * np.float32(32768)), -32768, 32767)
    return bytes(samples.astype("<i2").tobytes())


def _check(path: Path, audio: AudioStream, sound: Sound, tally: _Tally) -> None:
    if audio.duration is not None:
        end = audio.offset + audio.duration
        if end - tally.end > min(_SHORT, max(_SHORT / 2, _SHORT_SHARE * audio.duration)):
            raise Broken(
                f"{path}: its sound breaks off at {tally.end:.1f} s of {end:.1f} s; copy it again from its source, "
                "or export the part that plays as a file of its own"
            )
    if sound.lost > max(_SHORT, _SHORT_SHARE * sound.duration):
        raise Broken(
            f"{path}: {sound.lost:.1f} s of {sound.duration:.1f} s of its sound are missing or damaged; copy it again "
            "from its source"
        )
    if sound.peak < _SILENT:
        raise Silent(f"{path}: has an audio stream but it is silent; check the recording, or choose another stream")
