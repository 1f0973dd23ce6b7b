"""Reads a written clip back and says whether it is what its Cut promises. Trusts nothing that the encoder says."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.errors import ClipMismatch, MediaError
from captioner.media.clipfile import BLOCK, ClipSpec, Proof, cells, digest, envelope
from captioner.media.container import opened
from captioner.media.picture import STEP
from captioner.media.soundtrack import Floats
from captioner.types import CLIP_RATE, Cut, cut_samples

_BT709_LIMITED = (1, 1, 1, 1)

_REACH = 2400
"""Samples either way, 50 ms, in which the sound's true place is looked for."""

_SYNC = 48
"""Samples, 1 ms: the most that sound may be away from its place."""

_LIKE = 0.8
"""Least normalised correlation of an excerpt with what was read back."""

_HEARD = 10 ** (-60 / 20)
"""RMS above which a stretch counts as sound."""

_SOFT, _SHARE = 0.004, 0.25
"""An envelope step may differ by this much and by this share of itself: twice what AAC does to noise."""

_LUMA = 3.0
"""Mean difference of a picture's cells, of 255, that no encoding explains."""


def check_clip(path: Path, cut: Cut, spec: ClipSpec, *, has_picture: bool, proof: Proof | None = None) -> None:
    """Decodes all of `path`; raises ClipMismatch saying what differs from the cut and, with a proof, from the source.

    Sound: one stereo stream of 48 kHz from time 0, exactly the cut's samples (AAC: less than 1024 more). Picture:
    exactly the cut's frames at k / rate, H.264 yuv420p BT.709, upright, square pixels, sides multiples of 32.
    """
    try:
        if has_picture:
            pictures = _read_pictures(path, cut, spec)
        samples = _read_sound(path, cut, _sound_codec(spec, has_picture))
    except MediaError as error:
        raise ClipMismatch(f"{path.name}: cannot be read back: {error}") from error
    if proof is not None:
        _same_sound(path, samples, proof, exact=not has_picture or spec.audio_codec == "pcm")
        if has_picture:
            _same_pictures(path, pictures, proof.pictures.astype(np.float32))


def _sound_codec(spec: ClipSpec, has_picture: bool) -> str:
    return "aac" if has_picture and spec.audio_codec == "aac" else "pcm_s16le"


def _expect(path: Path, what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise ClipMismatch(f"{path.name}: {what} is {found}, not {wanted}")


# --- picture ------------------------------------------------------------------------------------------------------


def _read_pictures(path: Path, cut: Cut, spec: ClipSpec) -> NDArray[np.float32]:
    """float32 (frames, 8, 8): mean luma of each frame's cells."""
    seen = []
    with opened(path) as container:
        _expect(path, "the number of streams", (len(container.streams.video), len(container.streams.audio)), (1, 1))
        stream = container.streams.video[0]
        _check_stream(path, stream, cut, spec)
        for number, frame in enumerate(container.decode(stream)):
            _check_frame(path, frame, number, cut.rate)
            seen.append(cells(frame))
    _expect(path, "the number of frames", len(seen), cut.frames)
    return np.stack(seen)


def _check_stream(path: Path, stream: Any, cut: Cut, spec: ClipSpec) -> None:
    size = (stream.width, stream.height)
    if spec.size is not None:
        _expect(path, "the picture's size", size, spec.size)
    if any(side < STEP or side % STEP for side in size):
        raise ClipMismatch(f"{path.name}: the picture is {size[0]}x{size[1]}; both sides must be multiples of {STEP}")
    _expect(path, "the picture's codec", stream.codec_context.codec.canonical_name, "h264")
    _expect(path, "the pixel format", stream.pix_fmt, "yuv420p")
    _expect(path, "the pixels' aspect", stream.sample_aspect_ratio or Fraction(1), Fraction(1))
    _expect(path, "the picture's start", stream.start_time, 0)
    _expect(path, "the declared number of frames", stream.frames, cut.frames)
    if cut.frames > 1:
        _expect(path, "the frame rate", stream.average_rate, cut.rate)


def _check_frame(path: Path, frame: Any, number: int, rate: Fraction) -> None:
    _expect(path, f"the time of frame {number}", frame.pts * frame.time_base, number / rate)
    tags = (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range)
    _expect(path, f"matrix, primaries, transfer and range of frame {number}", tags, _BT709_LIMITED)
    _expect(path, f"the rotation of frame {number}", frame.rotation, 0)
    _expect(path, f"the interlacing of frame {number}", bool(frame.interlaced_frame), False)


def _same_pictures(path: Path, read: NDArray[np.float32], fed: NDArray[np.float32]) -> None:
    _expect(path, "the number of frames that were encoded", len(fed), len(read))
    for number, picture in enumerate(read):
        away = np.abs(fed - picture).mean(axis=(1, 2))
        nearest = int(away.argmin())
        if away[number] > _LUMA or (away[number] > 0.5 and away[number] > 3 * away[nearest]):
            raise ClipMismatch(
                f"{path.name}: frame {number} is not the picture that was encoded there (it differs by "
                f"{away[number]:.1f} of 255; the nearest, frame {nearest}, by {away[nearest]:.1f})"
            )
    _in_step(path, read, fed)


def _in_step(path: Path, read: NDArray[np.float32], fed: NDArray[np.float32]) -> None:
    """Slow movement hides one frame among its neighbours, but not a whole clip that is one frame off."""
    if len(read) < 3:
        return
    apart = {shift: float(np.abs(read[1:-1] - fed[1 + shift : len(fed) - 1 + shift]).mean()) for shift in (-1, 0, 1)}
    best = min(apart, key=lambda shift: apart[shift])
    if best and apart[0] > 2 * apart[best] + 0.05:
        raise ClipMismatch(f"{path.name}: the pictures are {abs(best)} frame {'late' if best < 0 else 'early'}")


# --- sound --------------------------------------------------------------------------------------------------------


def _read_sound(path: Path, cut: Cut, codec: str) -> NDArray[Any]:
    """(n, 2), n as the cut wants, or less than one AAC frame more: float32 of AAC, else int16 as it is."""
    wanted = cut_samples(cut.start, cut.frames, cut.rate)[1]
    with opened(path) as container:
        _expect(path, "the number of audio streams", len(container.streams.audio), 1)
        stream = container.streams.audio[0]
        _expect(path, "the sound's codec", stream.codec_context.name.removesuffix("float"), codec)
        _expect(path, "the sound's rate", stream.rate, CLIP_RATE)
        _expect(path, "the number of channels", stream.channels, 2)
        blocks, first = [], None
        for frame in container.decode(stream):
            first = frame.pts * frame.time_base if first is None else first
            blocks.append(_samples(frame))
    _expect(path, "the sound's start", first, 0)
    samples = np.concatenate(blocks)
    extra = len(samples) - wanted
    if not 0 <= extra < (BLOCK if codec == "aac" else 1):
        raise ClipMismatch(
            f"{path.name}: {len(samples)} samples of sound, {abs(extra)} too {'many' if extra > 0 else 'few'}"
        )
    return samples


def _samples(frame: Any) -> NDArray[Any]:
    data: NDArray[Any] = frame.to_ndarray()
    return data.T if frame.format.is_planar else data.reshape(-1, 2)


def _same_sound(path: Path, read: NDArray[Any], proof: Proof, exact: bool) -> None:
    if exact:
        if digest(read) != proof.digest:
            raise ClipMismatch(f"{path.name}: the sound is not, sample for sample, what was encoded")
        return
    for start, excerpt in proof.excerpts:
        _in_place(path, read, start, (excerpt / 32768).astype(np.float32))
    levels = envelope(read)[: len(proof.envelope)]
    away = np.abs(levels - proof.envelope)
    wrong = np.argwhere(away > _SOFT + _SHARE * proof.envelope)
    if len(wrong):
        step, channel = (int(each) for each in wrong[0])
        raise ClipMismatch(
            f"{path.name}: at {step / 100:.2f} s the sound's level is {levels[step, channel]:.4f}, not the "
            f"{proof.envelope[step, channel]:.4f} that was encoded (channel {channel + 1}; {len(wrong)} places)"
        )


def _in_place(path: Path, read: Floats, start: int, excerpt: Floats) -> None:
    """Whether an excerpt is found where it was fed, to 1 ms."""
    if np.sqrt(np.square(excerpt).mean()) < _HEARD:
        return
    around = np.zeros((len(excerpt) + 2 * _REACH, 2), dtype=np.float32)
    low, high = max(0, start - _REACH), min(len(read), start + len(excerpt) + _REACH)
    around[low - start + _REACH : high - start + _REACH] = read[low:high]
    product = sum(np.correlate(around[:, side], excerpt[:, side], "valid") for side in (0, 1))
    power = np.concatenate([[0.0], np.cumsum(np.square(around, dtype=np.float64).sum(axis=1))])
    energy = np.maximum(power[len(excerpt) :] - power[: -len(excerpt)], 1e-9)
    alike = product / np.sqrt(energy * np.square(excerpt, dtype=np.float64).sum())
    near = float(alike[_REACH - _SYNC : _REACH + _SYNC + 1].max())
    best = int(alike.argmax()) - _REACH
    if near < _LIKE or near < 0.98 * float(alike.max()):
        raise ClipMismatch(
            f"{path.name}: the sound of {start / CLIP_RATE:.2f} s is not in its place (likeness {near:.2f}; "
            f"best {float(alike.max()):.2f}, {best / CLIP_RATE * 1000:+.1f} ms away)"
        )
