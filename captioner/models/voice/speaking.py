"""How somebody speaks: level, pitch, pace, brightness, breath, over the speech of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captioner.measures import Voice
from captioner.models.protocols import Samples
from captioner.models.voice.masks import decibels, frame_power, inside, powers
from captioner.models.voice.pitch import Track
from captioner.times import Span
from captioner.types import SPEECH_RATE

Values = NDArray[np.float64]

LEAST_SPEECH = 0.3
"""Seconds of speech below which nothing is said of the voice."""
LEAST_RATE = 1.5
"""Seconds of speech below which no rate is said: a short word more or less would change it too much."""
LEAST_VOICED = 10
"""Frames with a pitch below which no pitch is said."""
FAINT = 25.0
"""dB under the loud frames (90th percentile) at which a frame is too faint to say anything."""

WINDOW = 512
"""Samples, 32 ms, around the middle of a pitch frame."""
BRIGHT_FROM = 2000.0
"""Hz."""
DULLEST, BRIGHTEST = 100.0, 7000.0
"""Hz between which brightness is measured: hum and hiss lie outside."""

HARMONIC_WINDOW = 480
"""Samples, 30 ms, that are compared with themselves one period later."""

NUCLEUS_FRAME, NUCLEUS_HOP = 400, 160
"""Samples: 25 ms every 10 ms."""
NUCLEUS_BAND = (300.0, 3300.0)
"""Hz: where vowels are loud and consonants are not."""
NUCLEUS_SMOOTH = 5
"""Frames."""
NUCLEUS_DIP = 1.3
"""dB by which the level falls between two syllables."""
NUCLEUS_FAINT = 22.0
"""dB under the loud frames (95th percentile) at which no syllable lies."""


@dataclass(frozen=True, slots=True)
class _Frames:
    """The pitch frames that lie in speech and are loud enough to be judged."""

    middles: NDArray[np.int64]
    pitch: Values
    voiced: NDArray[np.bool_]
    power: Values


def measure_voice(samples: Samples, speech: Sequence[Span], n_words: int, track: Track) -> Voice:
    """The voice in a clip. `samples` float32 (n,), mono, 16 kHz; `speech` in seconds from its first sample."""
    spoken = inside(len(samples), speech)
    if spoken.sum() < LEAST_SPEECH * SPEECH_RATE:
        return Voice()
    power = float(np.mean(np.square(samples[spoken], dtype=np.float64)))
    if power == 0:
        return Voice()
    lasted = float(spoken.sum()) / SPEECH_RATE
    enough = lasted >= LEAST_RATE
    frames = _judged(samples, spoken, track)
    pitch, spread = _pitch(frames)
    levels = 10 * np.log10(frames.power[frames.voiced] + 1e-12)
    sung = len(levels) >= LEAST_VOICED
    return Voice(
        level=decibels(power),
        pitch=pitch,
        pitch_spread=spread,
        rate=round(n_words / lasted, 2) if n_words > 0 and enough else None,
        level_spread=round(float(np.subtract(*np.percentile(levels, [90, 10]))), 1) if sung else None,
        syllables=round(syllables(samples, spoken, track) / lasted, 2) if enough else None,
        brightness=_brightness(samples, frames) if sung else None,
        harmonicity=_harmonicity(samples, frames) if sung else None,
        voiced=round(float(frames.voiced.mean()), 2) if len(frames.voiced) >= LEAST_VOICED else None,
    )


def _judged(samples: Samples, spoken: NDArray[np.bool_], track: Track) -> _Frames:
    middles = track.centres
    fits = (middles >= WINDOW // 2) & (middles + WINDOW // 2 <= len(samples))
    fits[fits] = spoken[middles[fits]]
    middles, pitch, voiced = middles[fits], track.pitch[fits], track.voiced[fits]
    total = np.concatenate(([0.0], np.cumsum(np.square(samples, dtype=np.float64))))
    power = (total[middles + WINDOW // 2] - total[middles - WINDOW // 2]) / WINDOW
    if len(power):
        loud = power > max(1e-10, float(np.percentile(power, 90)) * 10 ** (-FAINT / 10))
        middles, pitch, voiced, power = middles[loud], pitch[loud], voiced[loud], power[loud]
    return _Frames(middles, pitch, voiced, power)


def _pitch(frames: _Frames) -> tuple[float | None, float | None]:
    """Median, Hz, and 10th to 90th percentile, semitones."""
    heard = frames.pitch[frames.voiced]
    if len(heard) < LEAST_VOICED:
        return None, None
    low, middle, high = np.percentile(heard, [10, 50, 90])
    return round(float(middle), 1), round(12 * float(np.log2(high / low)), 1)


def _brightness(samples: Samples, frames: _Frames) -> float:
    """Level of the vowels above 2 kHz against that below, dB."""
    middles = frames.middles[frames.voiced]
    pieces = samples[middles[:, None] + np.arange(-WINDOW // 2, WINDOW // 2)] * np.hanning(WINDOW).astype(np.float32)
    power = powers(pieces).sum(axis=0, dtype=np.float64)
    low, middle, high = (round(edge * WINDOW / SPEECH_RATE) for edge in (DULLEST, BRIGHT_FROM, BRIGHTEST))
    return round(10 * float(np.log10((power[middle:high].sum() + 1e-30) / (power[low:middle].sum() + 1e-30))), 1)


def _harmonicity(samples: Samples, frames: _Frames) -> float | None:
    """Median ratio of the harmonics to the rest, dB: how like each frame is to itself one period later."""
    periods = SPEECH_RATE / frames.pitch[frames.voiced]
    starts = frames.middles[frames.voiced] - HARMONIC_WINDOW // 2
    fits = (starts >= 0) & (starts + HARMONIC_WINDOW + periods + 3 < len(samples))
    if fits.sum() < LEAST_VOICED:
        return None
    starts, periods = starts[fits], periods[fits]
    window = np.arange(HARMONIC_WINDOW)
    head = samples[starts[:, None] + window]
    head = head - head.mean(axis=1, keepdims=True)
    best = np.zeros(len(starts))
    for shift in (-2, -1, 0, 1, 2):
        later = samples[(starts + np.round(periods).astype(np.int64) + shift)[:, None] + window]
        later = later - later.mean(axis=1, keepdims=True)
        scale = np.sqrt(np.square(head).sum(axis=1) * np.square(later).sum(axis=1))
        best = np.maximum(best, (head * later).sum(axis=1) / np.maximum(scale, 1e-12))
    alike = float(np.median(best).clip(0.01, 0.9999))
    return round(10 * float(np.log10(alike / (1 - alike))), 1)


def syllables(samples: Samples, spoken: NDArray[np.bool_], track: Track) -> int:
    """Syllables in the speech: peaks of the level between 300 and 3,300 Hz, each voiced and behind a dip."""
    from scipy.fft import irfft, next_fast_len, rfft

    size = next_fast_len(len(samples), real=True)
    spectrum = rfft(samples, size)
    low, high = (round(edge * size / SPEECH_RATE) for edge in NUCLEUS_BAND)
    spectrum[:low] = spectrum[high:] = 0
    power = frame_power(np.asarray(irfft(spectrum, size)[: len(samples)], np.float32), NUCLEUS_FRAME, NUCLEUS_HOP)
    if len(power) < 2 * NUCLEUS_SMOOTH or not track.voiced.any():
        return 0
    shape = np.hanning(NUCLEUS_SMOOTH + 2)[1:-1]
    levels = 10 * np.log10(np.convolve(power, shape / shape.sum(), "same") + 1e-12)
    middles = np.minimum(np.arange(len(levels)) * NUCLEUS_HOP + NUCLEUS_FRAME // 2, len(samples) - 1)
    near = track.nearest(middles)
    voiced = track.voiced | np.roll(track.voiced, 1) | np.roll(track.voiced, -1)
    within = spoken[middles]
    if not within.any():
        return 0
    least = float(np.percentile(levels[within], 95)) - NUCLEUS_FAINT
    return sum(bool(within[peak] and voiced[near[peak]] and levels[peak] > least) for peak in _peaks(levels))


def _peaks(levels: Values) -> list[int]:
    """Frames of the maxima that rise `NUCLEUS_DIP` over the dip before them and fall as far behind them."""
    found: list[int] = []
    top, dip, rising = 0, 0, True
    for at in range(1, len(levels)):
        if rising:
            if levels[at] > levels[top]:
                top = at
            elif levels[at] < levels[top] - NUCLEUS_DIP:
                found.append(top)
                rising, dip = False, at
        elif levels[at] < levels[dip]:
            dip = at
        elif levels[at] > levels[dip] + NUCLEUS_DIP:
            rising, top = True, at
    if rising and levels[top] > levels[dip] + NUCLEUS_DIP:
        found.append(top)
    return found
