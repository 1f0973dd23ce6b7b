"""The sound of a clip: 48 kHz stereo, from exactly the samples that its frames stand for.

Everything lies on two fixed grids that begin at the recording's clock 0: the source's own rate, and 48 kHz. Sample j of
the second is always the same function of the first, wherever a cut begins: a cut of the resampled recording, never a
resampled cut.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from math import ceil, gcd
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.media.container import by_index, only, opened
from captioner.media.timeline import audio_frames
from captioner.types import CLIP_RATE, Recording

Floats = NDArray[np.float32]

_ZERO_CROSSINGS = 48
_BETA = 9.0  # Kaiser: 90 dB down
_ROLL = 0.965  # passband edge over the lower Nyquist frequency, at half power

_BEFORE = 1
"""Seconds decoded before what is wanted: more than the filter reaches."""

_AT_ONCE = 49_152
"""Samples made at a time: they stay in a core's own memory."""

_HALF = 0.5**0.5
_MIX: dict[str, tuple[float, float]] = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (_HALF, _HALF),
    "FLC": (1.0, 0.0),
    "FRC": (0.0, 1.0),
    "BL": (_HALF, 0.0),
    "BR": (0.0, _HALF),
    "SL": (_HALF, 0.0),
    "SR": (0.0, _HALF),
    "BC": (0.5, 0.5),
    "LFE": (0.0, 0.0),
}
"""ITU-R BS.775: what each channel gives to left and right. The low-frequency effects stay out, as there."""


_UNNAMED = {
    3: ("FL", "FR", "LFE"),
    4: ("FL", "FR", "FC", "BC"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
"""What so many channels are taken for where the file does not name them: FFmpeg's default layouts."""


def downmix(channels: Sequence[str]) -> Floats:
    """float32 (channels, 2): the matrix that makes stereo of channels with these names (FFmpeg's: FL, FR, FC, LFE ...).

    One channel goes to both sides as it is; two stay as they are; a channel without a known place goes to both at half.
    """
    if len(channels) == 1:
        return np.ones((1, 2), dtype=np.float32)
    if len(channels) == 2:
        return np.eye(2, dtype=np.float32)
    if not any(name in _MIX for name in channels):
        channels = _UNNAMED.get(len(channels), channels)
    return np.array([_MIX.get(name, (0.5, 0.5)) for name in channels], dtype=np.float32)


def quantise(samples: Floats) -> NDArray[np.int16]:
    """int16 of float samples: 16-bit sources come back as they were; beyond full scale is held there; no dither."""
    scaled = samples * np.float32(32768)  # a power of two: nothing is lost in 32 bits
    np.rint(scaled, out=scaled)
    np.clip(scaled, -32768, 32767, out=scaled)
    whole: NDArray[np.int16] = scaled.astype(np.int16)
    return whole


@lru_cache(maxsize=4)
def _taps(up: int, down: int) -> Floats:
    """float32 (2 _ZERO_CROSSINGS max(up, down) + 1,): a sinc under a Kaiser window, which sums to 1."""
    wide = max(up, down)
    half = _ZERO_CROSSINGS * wide
    place = np.arange(-half, half + 1, dtype=np.float64)
    window = np.i0(_BETA * np.sqrt(1 - np.square(place / half))) / np.i0(_BETA)
    taps = np.sinc(place * _ROLL / wide) * window
    return np.asarray(taps / taps.sum(), dtype=np.float32)


def multiplied(samples: Floats, up: int) -> Floats:
    """float32 (up n, c) of (n, c): the same sound at `up` times its rate, silence before and after it.

    To the bit what scipy.signal.resample_poly makes of it, which adds in the same order but one sample at a time: half
    the time, and the second that SciPy takes to be imported is saved.
    """
    half = _ZERO_CROSSINGS * up
    count, reach = len(samples), _ZERO_CROSSINGS
    # Row d, column p: what a sample d places before adds to the p-th of the `up` new ones, in the order of time.
    rows = np.pad(_taps(up, 1) * np.float32(up), (0, up - 1))[half % up :].reshape(-1, up)[::-1, :, None]
    out = np.empty((samples.shape[1], count, up), dtype=np.float32)
    block = _AT_ONCE // up
    for side, made in zip(samples.T, out, strict=True):
        padded = np.pad(side, reach)
        for first in range(0, count, block):
            last = min(count, first + block)
            total = np.zeros((up, last - first), dtype=np.float32)
            term = np.empty_like(total)
            for place, taps in enumerate(rows):
                np.multiply(padded[first + place : last + place], taps, out=term)
                total += term
            made[first:last] = total.T
    return np.ascontiguousarray(out.reshape(samples.shape[1], -1).T)


def _resampled(samples: Floats, up: int, down: int) -> Floats:
    if down == 1:
        return multiplied(samples, up)
    from scipy.signal import resample_poly

    taps: Any = _taps(up, down)  # its stub knows no array of coefficients
    return np.asarray(resample_poly(samples, up, down, axis=0, window=taps), np.float32)


class Track:
    """One recording's sound as a 48 kHz stereo stream, read forwards.

    `blocks` gives (index, samples): samples float32 (n, 2) at `rate`, the first of them the index-th of the
    recording's clock (negative where sound starts before the picture), in order. What no block holds is silence.
    `channels`: of which they were made; the two sides of one are the same.
    """

    def __init__(self, blocks: Iterable[tuple[int, Floats]], rate: int, channels: int = 2) -> None:
        self._blocks: Iterator[tuple[int, Floats]] = iter(blocks)
        self._folded = channels > 2
        self._different = 1 if channels == 1 else 2
        common = gcd(rate, CLIP_RATE)
        self._up, self._down = CLIP_RATE // common, rate // common
        self._held: list[tuple[int, Floats]] = []

    def read(self, first: int, count: int) -> Floats:
        """float32 (count, 2): samples [first, first + count) at 48 kHz. `first` must not be lower than before.

        A fold of more than two channels that passes full scale is turned down as a whole, by as much as it needs.
        """
        samples = self._at_48k(first, count)
        if self._folded and count:
            samples = samples / max(1.0, float(np.abs(samples).max()))
        return samples

    def _at_48k(self, first: int, count: int) -> Floats:
        if self._up == self._down:
            return self._native(first, count)
        lead = ceil(_ZERO_CROSSINGS * max(self._up, self._down) / self._up / self._down) + 1
        whole = first // self._up - lead  # a place where both grids have a sample, before anything the filter reaches
        skip = first - whole * self._up
        length = ceil((skip + count) * self._down / self._up) + lead * self._down
        native = self._native(whole * self._down, length)
        made = _resampled(native[:, : self._different], self._up, self._down)
        kept = np.broadcast_to(made[skip : skip + count], (count, 2))
        return np.ascontiguousarray(kept, dtype=np.float32)

    def _native(self, first: int, count: int) -> Floats:
        while not self._held or self._held[-1][0] + len(self._held[-1][1]) < first + count:
            block = next(self._blocks, None)
            if block is None:
                break
            self._held.append(block)
            if block[0] + len(block[1]) <= first:
                self._held.clear()
        self._held = [held for held in self._held if held[0] + len(held[1]) > first]
        out = np.zeros((count, 2), dtype=np.float32)
        for start, samples in self._held:
            low, high = max(start, first), min(start + len(samples), first + count)
            if low < high:
                out[low - first : high - first] = samples[low - start : high - start]
        return out


def stereo_blocks(
    recording: Recording, zero: Fraction, since: Fraction = Fraction(0)
) -> Generator[tuple[int, Floats], None, None]:
    """The audio stream for a `Track`: (index, float32 (n, 2)), at the stream's own rate.

    `zero` is `clock_zero` of the recording. Nothing will be read before `since`, seconds on its clock: what is before
    need not be decoded where a time in the file is a place in it. Raises Broken where the file cannot be read.
    """
    path = Path(recording.path)
    with opened(path) as container:
        stream = by_index(container, recording.audio.index, path)
        only(container, stream)
        matrix = downmix([channel.name for channel in stream.layout.channels])
        begin = since + zero - _BEFORE
        if begin > 0 and recording.video is None and container.format.name == "wav" and _plain(stream):
            container.seek(int(begin / stream.time_base), stream=stream)
        for piece in audio_frames(container, stream, zero):
            yield piece.start, piece.samples @ matrix


def _plain(stream: Any) -> bool:
    """Whether each sample lies in the file as it is: the time of a packet is then told by its place, and is exact."""
    return str(stream.codec_context.name).startswith("pcm_")
