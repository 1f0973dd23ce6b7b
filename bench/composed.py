"""Sounds whose truth is known: voices, rooms, noises and damage, made of numbers or of clean recordings.

All are float32, mono, 16 kHz. Used by `bench/measures.py` and the tests of what is measured.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
SOUND_SPEED = 343.0
Floats = NDArray[np.float32]


def recording(path: Path) -> Floats:
    """A file's first sound track."""
    import av

    fold = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(str(path)) as container:
        frames = [made for frame in container.decode(audio=0) for made in fold.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in [*frames, *fold.resample(None)]])


def level(sound: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


def vowel(
    pitch: float | Floats, seconds: float, dbfs: float = -20, formants: tuple[int, ...] = (600, 1200, 2500)
) -> Floats:
    """A pulse train through resonances; `pitch` in Hz, or one for each sample."""
    from scipy.signal import lfilter

    phase = np.cumsum(np.broadcast_to(pitch, round(seconds * RATE)) / RATE)
    sound = np.diff(np.floor(phase), prepend=0.0)
    for formant in formants:
        radius = np.exp(-np.pi * 90 / RATE)
        sound = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * formant / RATE), radius**2], sound)
    return np.asarray(sound / level(sound) * 10 ** (dbfs / 20), np.float32)


def whisper(seconds: float, dbfs: float = -30, seed: int = 0) -> Floats:
    """The same resonances with breath instead of pulses."""
    from scipy.signal import lfilter

    sound = np.random.default_rng(seed).normal(size=round(seconds * RATE))
    for formant in (700, 1500, 2700):
        radius = np.exp(-np.pi * 150 / RATE)
        sound = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * formant / RATE), radius**2], sound)
    return np.asarray(sound / level(sound) * 10 ** (dbfs / 20), np.float32)


def white(count: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=count).astype(np.float32)


def pink(count: int, seed: int = 0) -> Floats:
    """Power that falls with frequency, from 60 Hz."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    spectrum = np.where(hertz < 60, 0, spectrum / np.sqrt(np.maximum(hertz, 60)))
    return np.asarray(np.fft.irfft(spectrum, count), np.float32)


def mains(count: int, hertz: int = 50) -> Floats:
    time = np.arange(count) / RATE
    return np.asarray(sum(np.sin(2 * np.pi * hertz * n * time + n) / n for n in range(1, 8)), np.float32)


def mixed(clean: Floats, speech: NDArray[np.bool_], noise: Floats, snr: float) -> Floats:
    """The noise `snr` dB under the speech; `speech` bool (n,) says where that is."""
    wanted = level(clean[speech]) * 10 ** (-snr / 20)
    return np.asarray(clean + noise[: len(clean)] * (wanted / level(noise[: len(clean)])), np.float32)


def tail_room(t60: float, direct: float = 0.0, seed: int = 0) -> Floats:
    """An impulse and a tail of noise that falls by 60 dB in `t60` seconds; `direct` dB of the one over the other."""
    time = np.arange(int(RATE * (t60 * 1.1 + 0.05))) / RATE
    tail = np.random.default_rng(seed).normal(size=len(time)) * 10 ** (-3 * time / t60)
    tail[: RATE // 250] = 0
    answer = tail / np.sqrt(np.square(tail).sum()) * 10 ** (-direct / 20)
    answer[0] = 1
    return np.asarray(answer, np.float32)


def image_room(sides: tuple[float, float, float], distance: float, absorption: float, seconds: float = 0.6) -> Floats:
    """The answer of a shoebox by image sources: metres from voice to microphone, what each wall takes."""
    size = np.array(sides)
    voice = size * [0.31, 0.42, 0.55]
    ear = np.minimum(voice + np.array([distance, 0.2 * distance, 0.1]), size * 0.93)
    reach = np.ceil(SOUND_SPEED * seconds / (2 * size)).astype(int)
    grid = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij"), -1).reshape(-1, 3)
    count = int(seconds * RATE)
    answer = np.zeros(count + 2)
    for corner in np.ndindex(2, 2, 2):
        side = np.array(corner)
        metres = np.linalg.norm((1 - 2 * side) * voice + 2 * grid * size - ear, axis=1)
        bounces = np.abs(grid - side).sum(1) + np.abs(grid).sum(1)
        gain = (1 - absorption) ** (bounces / 2) / np.maximum(metres, 0.1)
        at = metres / SOUND_SPEED * RATE
        near = at < count
        first = np.floor(at[near]).astype(int)
        np.add.at(answer, first, gain[near] * (1 - at[near] + first))
        np.add.at(answer, first + 1, gain[near] * (at[near] - first))
    spectrum = np.fft.rfft(answer)
    spectrum[: int(50 * len(answer) / RATE)] = 0
    answer = np.fft.irfft(spectrum, len(answer))
    return np.asarray(answer[max(0, int(np.argmax(np.abs(answer))) - 8) :], np.float32)


def reverberation_of(answer: Floats) -> float:
    """Seconds in which a room's answer falls by 60 dB: Schroeder's integral from -5 to -25 dB."""
    left = np.cumsum(np.square(answer, dtype=np.float64)[::-1])[::-1]
    fall = 10 * np.log10(left / left[0] + 1e-12)
    first, last = int(np.argmax(fall < -5)), int(np.argmax(fall < -25))
    return float(-60 / np.polyfit(np.arange(first, last) / RATE, fall[first:last], 1)[0])


def clarity_of(answer: Floats) -> float:
    """C50 of a room's answer, dB."""
    power = np.square(answer, dtype=np.float64)
    border = int(np.argmax(np.abs(answer))) + RATE // 20
    return float(10 * np.log10(power[:border].sum() / max(power[border:].sum(), 1e-12)))


def in_room(sound: Floats, answer: Floats) -> Floats:
    """The sound in that room, as loud and as long as before."""
    size = 1 << (len(sound) + len(answer) - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(answer, size), size)[: len(sound)]
    return np.asarray(wet * (level(sound) / level(wet)), np.float32)


def resampled(sound: Floats, rate: int, to: int) -> Floats:
    """At another rate, without what that cannot hold: by its spectrum, so that nothing is left above."""
    count = round(len(sound) * to / rate)
    spectrum = np.fft.rfft(sound)
    kept = np.zeros(count // 2 + 1, complex)
    most = min(len(kept), len(spectrum))
    kept[:most] = spectrum[:most]
    return np.asarray(np.fft.irfft(kept, count) * (to / rate), np.float32)


def clipped(sound: Floats, gain: float, then: float = 0.3) -> Floats:
    """Too loud by `gain` times at 48 kHz, flattened there, and turned down again by `then`."""
    wide = resampled(sound / np.abs(sound).max(), RATE, 48_000)
    return resampled(np.clip(wide * gain, -1, 1) * np.float32(then), 48_000, RATE)


def telephone(sound: Floats) -> Floats:
    """Through 8 kHz and back."""
    return resampled(resampled(sound, RATE, 8000), 8000, RATE)
