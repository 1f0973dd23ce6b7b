"""What is heard around a voice: noise and how far it lies under the speech, mains hum, hiss, clicks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from captioner.models.protocols import Samples
from captioner.models.voice.masks import GUARD, QUIETEST, around, decibels, inside, powers
from captioner.times import Span
from captioner.types import SPEECH_RATE

LEAST_SPEECH = 0.3
"""Seconds of speech below which it is not compared with the noise."""
LEAST_NOISE = 0.2
"""Seconds of non-speech below which it is not taken for the noise."""
WIDE_GUARD, ENOUGH_NOISE = 0.1, 0.5
"""Seconds kept from speech where that leaves as much non-speech: a fading word is no noise."""

FLOOR_BANDS = 24
FLOOR_QUANTILE = 0.12
"""Of a band's levels over the time of the clip: what is taken for its noise where nobody stops to speak."""
FLOOR_FRAMES = 4
"""Frames of 32 ms, half overlapping, that are averaged first."""
FLOOR_FREEDOM = 1.1
"""Degrees of freedom that one bin of one such frame adds; half of what free ones would."""
LEAST_FLOOR = 1.0
"""Seconds of sound below which no floor is looked for."""

HUM_WINDOW, HUM_HOP = 3200, 800
"""Samples: 200 ms tell 100 from 120 Hz, and every multiple of 50 and 60 falls on a bin."""
MAINS = (50, 60)
"""Hz."""
HARMONICS = 10
STANDS_OUT = 8.0
"""dB over what lies between the harmonics from which one is there."""
LEAST_HARMONICS = 2

HISS_FROM = 4000.0
"""Hz."""

SWING_SIZE = 320
"""Samples: 20 ms."""

CLICK_SIZE = 16
"""Samples, 1 ms: a click is no longer."""
CLICK_NEAR = 320
"""Samples on each side, 20 ms, that it stands out from."""
CLICK_OVER = 200.0
"""Times the energy of the louder side: a consonant's burst is followed by breath, a voice's pulses by the next one."""
LEAST_CLICKS = 2
"""A single one may be a lip."""
CLICK_LEAST = 1e-6
"""Mean square: a click below -60 dBFS is not heard."""


def noise_of(samples: Samples, speech: Sequence[Span], *, steady: bool) -> tuple[float | None, float | None]:
    """Level of the noise, dBFS, and how far the speech without that noise lies above it, dB.

    `samples` are without rumble. Where the clip has too little non-speech and what lies under the voice is `steady`
    (no music), the quietest moments of each band are taken.
    """
    spoken = inside(len(samples), speech)
    power = np.square(samples, dtype=np.float64)
    noise = _between(power, speech)
    if noise is None and steady:
        noise = _floor(samples)
    if noise is None:
        return None, None
    noise = max(noise, 10 ** (QUIETEST / 10))
    if spoken.sum() < LEAST_SPEECH * SPEECH_RATE:
        return decibels(noise), None
    # What is measured while somebody speaks is voice and noise together.
    voice = float(power[spoken].mean()) - noise
    if voice < noise / 100:
        return decibels(noise), None  # louder where nobody speaks: this is not the noise that lies under the voice
    return decibels(noise), round(decibels(voice) - decibels(noise), 1)


def over_floor(samples: Samples, speech: Sequence[Span]) -> float | None:
    """dB of the speech over the quietest moments of each band: what a decay can fall by before it ends in the noise.

    Where a room rings on between the words, what is heard there is no noise but the voice."""
    floor = _floor(samples)
    spoken = inside(len(samples), speech)
    if floor is None or spoken.sum() < LEAST_SPEECH * SPEECH_RATE:
        return None
    voice = float(np.square(samples[spoken], dtype=np.float64).mean()) - floor
    return round(decibels(voice) - decibels(floor), 1) if voice > 0 else None


def _between(power: NDArray[np.float64], speech: Sequence[Span]) -> float | None:
    """Mean square where nobody speaks."""
    for guard, least in ((WIDE_GUARD, ENOUGH_NOISE), (GUARD, LEAST_NOISE)):
        silent = around(len(power), speech, guard)
        if silent.sum() >= least * SPEECH_RATE:
            return float(power[silent].mean())
    return None


def _floor(samples: Samples) -> float | None:
    """Mean square of a steady noise under speech that never stops: in each band the voice is away now and then."""
    if len(samples) < LEAST_FLOOR * SPEECH_RATE:
        return None
    from scipy.special import gammaincinv

    size, hop = 512, 256
    window = np.hanning(size).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop] * window
    power = np.square(np.abs(np.fft.rfft(frames)), dtype=np.float64)
    edges = np.unique(np.round(np.geomspace(2, size // 2 + 1, FLOOR_BANDS + 1)).astype(int))
    bands = np.add.reduceat(power, edges[:-1], axis=1)
    smooth = np.lib.stride_tricks.sliding_window_view(bands, FLOOR_FRAMES, axis=0).mean(axis=-1)
    # A low quantile of a noise lies under its mean: by how much follows from how much of it was averaged.
    freedom = FLOOR_FREEDOM * FLOOR_FRAMES * np.diff(edges)
    under = gammaincinv(freedom / 2, FLOOR_QUANTILE) / (freedom / 2)
    return float((np.quantile(smooth, FLOOR_QUANTILE, axis=0) / under).sum() * 2 / (size * np.square(window).sum()))


def hum_of(samples: Samples, speech: Sequence[Span]) -> float | None:
    """Level of the mains' harmonics where nobody speaks, dBFS; QUIETEST where none stands out, None where it cannot be
    said. `samples` as they were decoded, rumble and all."""
    silent = around(len(samples), speech)
    if len(samples) < HUM_WINDOW:
        return None
    total = np.concatenate(([0], np.cumsum(silent)))
    free = (total[HUM_WINDOW:] - total[:-HUM_WINDOW])[::HUM_HOP] == HUM_WINDOW
    if not free.any():
        return None
    window = np.hanning(HUM_WINDOW).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, HUM_WINDOW)[::HUM_HOP][free] * window
    power = powers(frames).mean(axis=0, dtype=np.float64)
    return max(_harmonics(power, mains) for mains in MAINS)


def _harmonics(power: NDArray[np.float64], mains: int) -> float:
    step = SPEECH_RATE / HUM_WINDOW
    total, heard = 0.0, 0
    for number in range(1, HARMONICS + 1):
        at = round(number * mains / step)
        tone = float(power[at - 1 : at + 2].sum())
        beside = np.concatenate([power[at - 5 : at - 2], power[at + 3 : at + 6]])
        rest = 3 * float(np.median(beside))
        if tone > rest * 10 ** (STANDS_OUT / 10):
            total, heard = total + tone - rest, heard + 1
    # The sum of squares of a Hann window of n samples is 3/8 n; half of a tone's power lies at negative frequencies.
    return decibels(2 * total / (HUM_WINDOW * 0.375 * HUM_WINDOW)) if heard >= LEAST_HARMONICS else QUIETEST


def hiss_of(samples: Samples, speech: Sequence[Span]) -> float | None:
    """Level above 4 kHz where nobody speaks, dBFS; None where too little of it is there."""
    size = 512
    if len(samples) < size:
        return None
    silent = around(len(samples), speech)
    free = np.add.reduceat(silent[: len(silent) // size * size], np.arange(0, len(silent) // size * size, size)) == size
    if free.sum() * size < LEAST_NOISE * SPEECH_RATE / 2:
        return None
    window = np.hanning(size).astype(np.float32)
    frames = samples[: len(free) * size].reshape(-1, size)[free] * window
    power = powers(frames).mean(axis=0, dtype=np.float64)
    high = power[round(HISS_FROM * size / SPEECH_RATE) :].sum()
    return decibels(2 * float(high) / (size * float(np.square(window).sum())))


def clicks_of(samples: Samples) -> float | None:
    """Clicks a second: moments of a millisecond that stand far out of the 20 ms before and after them."""
    count = len(samples) // CLICK_SIZE
    if count < 4 * CLICK_NEAR // CLICK_SIZE:
        return None
    sharp = np.diff(samples, 2, prepend=samples[:1], append=samples[-1:])[: count * CLICK_SIZE]
    energy = np.square(sharp, dtype=np.float64).reshape(count, CLICK_SIZE).mean(axis=1)
    near = CLICK_NEAR // CLICK_SIZE
    total = np.concatenate(([0.0], np.cumsum(energy)))
    mean = (total[near:] - total[:-near]) / near
    places = np.arange(near + 1, count - near - 1)
    before, after = mean[places - near - 1], mean[places + 2]
    loud = energy[places] > CLICK_OVER * np.maximum(before, after) + CLICK_LEAST
    found = np.flatnonzero(loud)
    clicks = 0 if len(found) == 0 else 1 + int((np.diff(found) > 2).sum())
    if clicks < LEAST_CLICKS:
        return 0.0
    return round(clicks * SPEECH_RATE / len(samples), 2)


def swing_of(samples: Samples, speech: Sequence[Span]) -> float | None:
    """How far the mean level of the non-speech stands over its quiet moments (lower quartile of 20 ms), dB: below 1
    for a steady noise, 20 and more where somebody murmurs or a dog barks in a quiet room."""
    silent = around(len(samples), speech)
    if silent.sum() < LEAST_NOISE * SPEECH_RATE:
        return None
    power = np.square(samples[silent], dtype=np.float64)
    frames = power[: len(power) // SWING_SIZE * SWING_SIZE].reshape(-1, SWING_SIZE).mean(axis=1)
    return round(decibels(float(frames.mean())) - decibels(float(np.quantile(frames, 0.25))), 1)
