"""What can be measured of a clip's voice and of the sound around it, from its samples alone.

A clip of 5 s takes about 3 ms. Nothing here guesses: what there is too little sound to say is None.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captioner.measures import Measures, Scene, Tag, Voice
from captioner.models.embedding import Embedder
from captioner.models.protocols import Excerpt, Meter, Progress, Samples
from captioner.models.voice.voiceprint import voiceprint
from captioner.times import Span
from captioner.types import SPEECH_RATE

VERSION = "3"

QUIETEST = -120.0
"""dBFS: what digital silence is said to have."""

LEAST_SPEECH = 0.3
"""Seconds of speech below which nothing is said of the voice."""
LEAST_RATE = 1.5
"""Seconds of speech below which no rate is said: a short word more or less would change it too much."""
LEAST_NOISE = 0.2
"""Seconds of non-speech below which nothing is said of the noise."""
GUARD = 0.05
"""Seconds beside speech that count as neither: words fade there."""

PITCH_RANGE = (60.0, 500.0)
"""Hz: the fundamentals that are looked for."""
PITCH_RATE = SPEECH_RATE // 2
WINDOW, HOP = 0.03, 0.015
"""Seconds that are compared with themselves, and between two such frames."""
VOICED = 0.6
"""Normalised cross-correlation above which a frame has a pitch."""
FAINT = 25.0
"""dB under the loud frames (90th percentile) at which a frame is too faint to have one."""
SHORTER = 0.88
"""Share of the best peak at which a shorter period is believed: two periods correlate as well as one."""
LEAST_VOICED = 10
"""Frames with a pitch below which no pitch is said."""

HEARD = {"speech": 0.5, "music": 0.75, "singing": 0.9}
"""Score from which a tag says that the sound is there; a lesser one only forbids to say that it is not. Instruments
pass for singing up to 0.9; hum passes for music up to 0.7."""
HEARD_FOR = {"speech": 0.2, "music": 0.5, "singing": 2.0}
"""Seconds that it must last in the clip..."""
HEARD_SHARE = 0.25
"""... and the share of the clip."""


def _half_band() -> Samples:
    """float32 (31,): low-pass at a quarter of the rate, Hamming window; what scipy.signal.decimate filters with, whose
    import alone takes longer than measuring a hundred clips."""
    offsets = np.arange(31) - 15
    taps = np.sinc(offsets / 2) * np.hamming(31)
    return np.asarray(taps / taps.sum(), np.float32)


HALF_BAND = _half_band()


@dataclass(frozen=True, slots=True)
class Options:
    threads: int | None = None
    """Threads for the networks; None for one a core."""


def load(options: Options) -> Meter:
    return _Measured(Embedder(options.threads or os.cpu_count() or 1))


class _Measured:
    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def measure(self, batch: Sequence[Excerpt], progress: Progress | None = None) -> list[Measures]:
        found = []
        for excerpt in batch:
            voice = measure_voice(excerpt.samples, excerpt.speech, excerpt.words)
            scene = measure_scene(excerpt.samples, excerpt.speech, tags=excerpt.tags, hears=excerpt.hears)
            whose = voiceprint(self._embedder, excerpt.samples, excerpt.speech)
            found.append(Measures(voice, scene, voiceprint=whose))
            if progress is not None:
                progress(len(excerpt.samples) / SPEECH_RATE)
        return found


def measure_voice(samples: Samples, speech: Sequence[Span], n_words: int) -> Voice:
    """The voice in a clip. `samples` float32 (n,), mono, 16 kHz; `speech` in seconds from its first sample."""
    spoken = _inside(len(samples), speech)
    if spoken.sum() < LEAST_SPEECH * SPEECH_RATE:
        return Voice()
    power = float(np.mean(np.square(samples[spoken], dtype=np.float64)))
    if power == 0:
        return Voice()
    pitches = track_pitch(samples, spoken)
    lasted = float(spoken.sum()) / SPEECH_RATE
    rate = round(n_words / lasted, 2) if n_words > 0 and lasted >= LEAST_RATE else None
    if len(pitches) < LEAST_VOICED:
        return Voice(level=_decibels(power), rate=rate)
    low, middle, high = np.percentile(pitches, [10, 50, 90])
    return Voice(_decibels(power), round(float(middle), 1), round(12 * float(np.log2(high / low)), 1), rate)


def measure_scene(
    samples: Samples, speech: Sequence[Span], *, tags: Sequence[Tag] | None = None, hears: frozenset[str] = frozenset()
) -> Scene:
    """The sound around the voice in a clip. `tags` are those of the clip, cut to it; None where no tagger listened."""
    duration = len(samples) / SPEECH_RATE
    heard = {label: _heard(label, tags, hears, duration) for label in HEARD}
    others = [tag for tag in tags or () if tag.label not in HEARD]
    events = tuple(sorted(others, key=lambda tag: (tag.span, tag.label)))
    noise, snr = _noise(samples, speech)
    return Scene(noise, snr, heard["speech"], heard["singing"], heard["music"], events)


def _noise(samples: Samples, speech: Sequence[Span]) -> tuple[float | None, float | None]:
    """Level of the non-speech, dBFS, and how far the speech without that noise lies above it, dB."""
    spoken = _inside(len(samples), speech)
    around = ~_inside(len(samples), [Span.at(max(0.0, one.start - GUARD), one.end + GUARD) for one in speech])
    if around.sum() < LEAST_NOISE * SPEECH_RATE:
        return None, None
    power = np.square(samples, dtype=np.float64)
    noise = max(float(power[around].mean()), 10 ** (QUIETEST / 10))
    if spoken.sum() < LEAST_SPEECH * SPEECH_RATE:
        return _decibels(noise), None
    # What is measured while somebody speaks is voice and noise together.
    voice = float(power[spoken].mean()) - noise
    if voice < noise / 100:
        return _decibels(noise), None  # louder where nobody speaks: this is not the noise that lies under the voice
    return _decibels(noise), round(_decibels(voice) - _decibels(noise), 1)


def _heard(label: str, tags: Sequence[Tag] | None, hears: frozenset[str], duration: float) -> bool | None:
    if tags is None or label not in hears:
        return None
    mine = [tag for tag in tags if tag.label == label]
    lasted = sum(tag.span.duration for tag in mine if tag.score >= HEARD[label])
    if lasted >= max(HEARD_FOR[label], HEARD_SHARE * duration):
        return True
    return None if mine else False


def track_pitch(samples: Samples, spoken: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fundamentals of the voiced frames, Hz, in order: float64 (frames,). Normalised cross-correlation at 8 kHz."""
    frames = _frames(samples, spoken)
    if len(frames) == 0:
        return np.zeros(0)
    alike = _correlation(frames)
    peak = np.zeros_like(alike, dtype=bool)
    peak[:, 1:-1] = (alike[:, 1:-1] > alike[:, :-2]) & (alike[:, 1:-1] >= alike[:, 2:])
    strength = np.where(peak, alike, 0.0)
    best = strength.max(axis=1)
    voiced = best >= VOICED
    if not voiced.any():
        return np.zeros(0)
    strength, alike, best = strength[voiced], alike[voiced], best[voiced]
    first = (strength >= SHORTER * best[:, None]).argmax(axis=1)
    # The same voice seldom leaps an octave: with the middle known, each frame chooses again.
    periods = np.arange(alike.shape[1]) + _shortest()
    leap = np.abs(np.log2(periods / (np.median(first) + _shortest())))
    chosen = (strength - 0.4 * np.maximum(0.0, leap - 0.4)).argmax(axis=1)
    chosen = np.where(np.abs(leap[first]) <= 0.4, first, chosen)
    rows = np.arange(len(chosen))
    before, at, after = (alike[rows, chosen + step] for step in (-1, 0, 1))
    bend = before - 2 * at + after
    shift = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1.0), 0.0)
    return np.asarray(PITCH_RATE / (periods[chosen] + shift.clip(-0.5, 0.5)), np.float64)


def _shortest() -> int:
    """Samples at PITCH_RATE of the shortest period, less one so that it can be a peak."""
    return int(PITCH_RATE / PITCH_RANGE[1]) - 1


def _frames(samples: Samples, spoken: NDArray[np.bool_]) -> NDArray[np.float32]:
    """float32 (frames, window + longest period): those inside speech that are loud enough, without their mean."""
    slow = np.convolve(samples, HALF_BAND, "same")[::2] if len(samples) > 200 else samples[:0]
    size = round(WINDOW * PITCH_RATE) + int(PITCH_RATE / PITCH_RANGE[0]) + 2
    if len(slow) < size:
        return np.zeros((0, size), np.float32)
    hop = round(HOP * PITCH_RATE)
    frames = np.lib.stride_tricks.sliding_window_view(slow, size)[::hop]
    middles = np.arange(len(frames)) * hop * 2 + size
    frames = frames[spoken[np.minimum(middles, len(spoken) - 1)]]
    frames = frames - frames.mean(axis=1, keepdims=True, dtype=np.float32)
    power = np.square(frames).mean(axis=1)
    loud = power > max(1e-10, np.percentile(power, 90) * 10 ** (-FAINT / 10)) if len(power) else power > 0
    return np.asarray(frames[loud], np.float32)


def _correlation(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 (frames, periods), -1 to 1: how like each frame's window is to itself one period later."""
    from scipy.fft import irfft, next_fast_len, rfft

    window = round(WINDOW * PITCH_RATE)
    periods = frames.shape[1] - window
    # Negative periods wrap round to beyond the longest one: no room is needed for them.
    size = next_fast_len(frames.shape[1], real=True)
    head = rfft(frames[:, :window], size)
    product = irfft(np.conj(head) * rfft(frames, size), size)[:, _shortest() : periods]
    total = np.cumsum(np.square(frames), axis=1, dtype=np.float64)
    total = np.pad(total, ((0, 0), (1, 0)))
    energy = total[:, window:] - total[:, :-window]
    scale = np.sqrt(energy[:, :1] * energy[:, _shortest() : periods])
    return np.asarray(product / np.maximum(scale, 1e-12), np.float32)


def _inside(count: int, spans: Sequence[Span]) -> NDArray[np.bool_]:
    mask = np.zeros(count, dtype=bool)
    for span in spans:
        mask[round(span.start * SPEECH_RATE) : round(span.end * SPEECH_RATE)] = True
    return mask


def _decibels(power: float) -> float:
    return round(max(QUIETEST, 10 * float(np.log10(max(power, 1e-30)))), 1)
