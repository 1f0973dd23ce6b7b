"""A cut's samples, waveform, spectrogram and three of its pictures, from its source by the same road as writing."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, pairwise
from math import floor
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from captioner.errors import Broken, MediaError
from captioner.media.container import by_index, only, opened
from captioner.media.picture import Converter
from captioner.media.showing import Shown, Stretch, clock_zero, grid_range, shown_frames
from captioner.media.soundtrack import Floats, Track, downmix, quantise, stereo_blocks
from captioner.media.taking import taken
from captioner.media.timeline import audio_frames
from captioner.review.drawing import BANDS, COLUMNS, STEPS
from captioner.review.source import ClipSound, Piece
from captioner.types import CLIP_RATE, Recording, cut_samples

PLACES = (0.1, 0.5, 0.9)
"""Of a clip's length: where its pictures are taken."""

SIDE = 96
"""Pixels of the longer side of a kept picture."""

QUALITY = 7
"""JPEG quantiser, 2 (best) to 31."""

AROUND = CLIP_RATE
"""Samples of the recording before and after a cut that can be heard with it."""

_LEAD = 2
"""Seconds decoded ahead of a jump's aim, so that decoders have found their feet."""

_KEPT = 30
"""Seconds of decoded sound that stay at hand behind the last cut."""

_LOW, _HIGH = 60.0, 12_000.0
_WINDOW = 2048
_FLOOR, _RANGE = -90.0, 70.0


class Listener:
    """The sound of one recording, decoded forwards once for cuts that follow each other."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.zero = clock_zero(recording)
        self._blocks: Iterator[tuple[int, Floats]] = iter(())
        self._held: list[tuple[int, Floats]] = []
        self._from: int | None = None
        """Source sample from which on everything is held or still to come; None before anything was opened."""

    def hear(self, piece: Piece) -> ClipSound:
        """Raises MediaError where the source cannot be read."""
        first, _ = cut_samples(piece.cut.start, piece.cut.frames, piece.cut.rate)
        rate = self.recording.audio.rate
        oldest = (first - AROUND - _LEAD * CLIP_RATE) * rate // CLIP_RATE
        if self._from is None or oldest < self._from:
            self.close()
            self._blocks, self._from, self._held = stereo_blocks(self.recording, self.zero), -(10**15), []
        sound = _cut(chain(list(self._held), self._read_on()), piece)
        keep = oldest - _KEPT * rate
        passed = [block for block in self._held if block[0] + len(block[1]) <= keep]
        if passed:
            self._from = passed[-1][0] + len(passed[-1][1])
            self._held = self._held[len(passed) :]
        return sound

    def _read_on(self) -> Iterator[tuple[int, Floats]]:
        for block in self._blocks:
            self._held.append(block)
            yield block

    def jump(self, piece: Piece) -> ClipSound | None:
        """The same, decoded from shortly before the cut: fast, and to be believed only if it can be proved.

        AAC may fill bands with noise that depends on all that was decoded before; then these are other samples. None
        where the container cannot jump there.
        """
        path = Path(self.recording.path)
        begin = piece.cut.start / piece.cut.rate - AROUND // CLIP_RATE - _LEAD
        with suppress(MediaError), opened(path) as container:
            stream = by_index(container, self.recording.audio.index, path)
            only(container, stream)
            container.seek(floor((begin + self.zero) / stream.time_base), stream=stream)
            matrix = downmix([channel.name for channel in stream.layout.channels])
            pieces = audio_frames(container, stream, self.zero)
            return _cut(((each.start, each.samples @ matrix) for each in pieces), piece)
        return None

    def close(self) -> None:
        end = getattr(self._blocks, "close", None)
        if end is not None:
            end()
        self._from = None


def _cut(blocks: Iterator[tuple[int, Floats]], piece: Piece) -> ClipSound:
    audio = piece.recording.audio
    first, count = cut_samples(piece.cut.start, piece.cut.frames, piece.cut.rate)
    track = Track(blocks, audio.rate, audio.channels)
    before = track.read(first - AROUND, AROUND)
    samples = track.read(first, count)
    after = track.read(first + count, AROUND)
    pcm = np.concatenate([quantise(part) for part in (before, samples, after)])
    return ClipSound(np.ascontiguousarray(pcm, dtype="<i2").tobytes(), AROUND, count, AROUND)


def samples_of(sound: ClipSound) -> NDArray[np.int16]:
    """int16 (n, 2): the cut's own."""
    return np.frombuffer(sound.part(0.0, sound.duration), dtype="<i2").reshape(-1, 2)


def peaks(samples: NDArray[np.int16]) -> bytes:
    """`Look.peaks` of int16 (n, 2)."""
    if not len(samples):
        return bytes(2 * COLUMNS)
    edges = np.linspace(0, len(samples), COLUMNS + 1).astype(np.int64)[:-1]
    low = np.minimum.reduceat(samples.min(axis=1), edges).astype(np.float32) / 32768
    high = np.maximum.reduceat(samples.max(axis=1), edges).astype(np.float32) / 32768
    pairs = np.rint(np.stack([low, high], axis=1) * 127)
    return np.clip(pairs, -127, 127).astype(np.int8).tobytes()


def bands(samples: NDArray[np.int16]) -> bytes:
    """`Look.bands` of int16 (n, 2): the loudest of each of 24 log-spaced bands from 60 Hz to 12 kHz."""
    mono = samples.astype(np.float32).mean(axis=1) / 32768
    mono = np.pad(mono, (_WINDOW // 2, _WINDOW // 2 + 1))
    at = np.linspace(0, len(mono) - _WINDOW - 1, STEPS).astype(np.int64)
    frames = np.lib.stride_tricks.sliding_window_view(mono, _WINDOW)[at] * np.hanning(_WINDOW).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)) * (4 / _WINDOW))
    edges = np.geomspace(_LOW, _HIGH, BANDS + 1) * _WINDOW / CLIP_RATE
    rows = []
    for low, high in pairwise(edges.tolist()):
        first = floor(low)
        rows.append(power[:, first : max(first + 1, floor(high))].max(axis=1))
    level = 10 * np.log10(np.stack(rows) + 1e-12)
    return np.clip(np.rint((level - _FLOOR) / _RANGE * 15), 0, 15).astype(np.uint8).tobytes()


def m4a(sound: ClipSound) -> bytes:
    """The cut as a small file that every browser plays: AAC, 128 kbit/s."""
    out = io.BytesIO()
    with av.open(out, "w", format="ipod") as container:
        stream: Any = container.add_stream("aac", rate=CLIP_RATE, layout="stereo")
        stream.bit_rate = 128_000
        samples = samples_of(sound).astype(np.float32) / 32768
        for first in range(0, len(samples), 1024):
            block = np.ascontiguousarray(samples[first : first + 1024].T)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = CLIP_RATE, first, Fraction(1, CLIP_RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


# --- pictures -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Sitter:
    """One clip while the pictures that are kept of it pass by."""

    piece: Piece
    margin: Fraction
    stretch: Stretch = field(init=False)
    places: tuple[int, ...] = field(init=False)
    found: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        cut = self.piece.cut
        self.places = tuple(cut.start + min(cut.frames - 1, floor(cut.frames * place)) for place in PLACES)
        first, last = self.places[0] / cut.rate, (self.places[-1] + 1) / cut.rate
        self.stretch = Stretch(first - self.margin, last + self.margin)

    def wants(self, shown: Shown) -> tuple[int, ...]:
        seen = grid_range(shown.time, shown.until, self.piece.cut.rate)
        return tuple(place for place in self.places if place in seen)


def pictures(pieces: Sequence[Piece], size: tuple[int, int] | None, scratch: Path) -> Iterator[tuple[Piece, bytes]]:
    """(piece, JPEG of its three pictures side by side) for pieces of one recording, in one pass over it.

    `size`: the width and height that clips are written in. Raises MediaError; Broken where a picture is missing.
    """
    recording, picture = pieces[0].recording, pieces[0].picture
    assert recording.video is not None
    converter = Converter(recording.video, size, scratch)
    sitters = [_Sitter(piece, _margin(recording)) for piece in pieces]
    wanted = [sitter.stretch for sitter in sitters]
    with closing(shown_frames(recording, picture, wanted, clock_zero(recording))) as source:
        for sitter, frame, places in taken(source, sitters, converter):
            small = _small(frame)
            sitter.found |= dict.fromkeys(places, small)
            if len(sitter.found) == len(set(sitter.places)):
                yield sitter.piece, _jpeg(np.concatenate([sitter.found.pop(place) for place in sitter.places], axis=1))
    missing = [sitter.piece.cut.id for sitter in sitters if sitter.found]
    if missing:
        raise Broken(f"{recording.name}: its picture ends before clip {missing[0]} does; run again if it changed")


def _margin(recording: Recording) -> Fraction:
    assert recording.video is not None
    return 4 / recording.video.rate if recording.video.interlaced else Fraction(0)


def _small(frame: Any) -> NDArray[np.uint8]:
    """uint8 (height, width, 3) of at most `SIDE` pixels each way."""
    share = SIDE / max(frame.width, frame.height)
    width, height = (max(2, round(side * share / 2) * 2) for side in (frame.width, frame.height))
    made: NDArray[np.uint8] = frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="AREA")
    return made


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(format="yuvj420p")
    codec: Any = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = frame.width, frame.height, "yuvj420p", Fraction(1)
    codec.qmin = codec.qmax = QUALITY
    codec.flags |= 2  # a fixed quantiser
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])


def fitted(jpeg: bytes, box: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """The three pictures, each as large as goes into `box` (width, height; an even number of rows), square pixels."""
    codec: Any = av.CodecContext.create("mjpeg", "r")
    frame = codec.decode(av.Packet(jpeg))[0]
    one = frame.width // len(PLACES)
    share = min(box[0] / one, box[1] / frame.height)
    width, height = max(1, floor(one * share)), max(2, floor(frame.height * share) // 2 * 2)
    whole = frame.to_ndarray(format="rgb24")
    out: list[NDArray[np.uint8]] = []
    for number in range(len(PLACES)):
        part = np.ascontiguousarray(whole[:, number * one : (number + 1) * one])
        small = av.VideoFrame.from_ndarray(part, format="rgb24")
        made: NDArray[Any] = small.to_ndarray(format="rgb24", width=width, height=height, interpolation="AREA")
        out.append(made)
    return out
