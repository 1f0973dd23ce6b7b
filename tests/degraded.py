"""What may become of a sound on its way through a trainer's latents and back, made of real speech."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
RATE = 16000
SIZE, HOP, MELS = 1024, 160, 64


def _frames(samples: Samples) -> NDArray[np.complex128]:
    padded = np.pad(samples.astype(np.float64), SIZE // 2)
    count = 1 + (len(padded) - SIZE) // HOP
    at = np.arange(SIZE)[None] + HOP * np.arange(count)[:, None]
    return np.fft.rfft(padded[at] * np.hanning(SIZE), axis=1)


def _sound(spectrum: NDArray[np.complex128], length: int) -> NDArray[np.float64]:
    window = np.hanning(SIZE)
    total = np.zeros(HOP * (len(spectrum) - 1) + SIZE)
    weight = np.zeros_like(total)
    for number, frame in enumerate(np.fft.irfft(spectrum, SIZE, axis=1)):
        total[number * HOP : number * HOP + SIZE] += frame * window
        weight[number * HOP : number * HOP + SIZE] += window**2
    return (total / np.maximum(weight, 1e-6))[SIZE // 2 : SIZE // 2 + length]


def _filters() -> NDArray[np.float64]:
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), MELS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(SIZE, 1 / RATE)
    rising = (bins[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins[None]) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling))


def vocoded(samples: Samples, *, rounds: int = 12, blur: float = 0.0, seed: int = 0) -> Samples:
    """Through 64 mel bands at 100 frames a second and back, phases made anew: what is left of sound in LTX's latents.

    `blur` adds that many nepers of noise to the bands, and halves the frames' rate: a poor decoder.
    """
    rng = np.random.default_rng(seed)
    filters = _filters()
    mel = np.log(np.maximum(np.abs(_frames(samples)) @ filters.T, 1e-5))
    if blur:
        mel = np.repeat(mel[::2], 2, axis=0)[: len(mel)] + rng.normal(0, blur, mel.shape)
    magnitude = np.maximum(np.exp(mel) @ np.linalg.pinv(filters).T, 1e-6)
    phase = np.exp(2j * np.pi * rng.random(magnitude.shape))
    for _ in range(rounds):
        again = _frames(_sound(magnitude * phase, len(samples)).astype(np.float32))
        phase = np.exp(1j * np.angle(again))[: len(magnitude)]
    made = _sound(magnitude * phase, len(samples))
    # Vocoders give the level back; the inverse above need not.
    made *= np.sqrt(float(np.mean(samples**2)) / max(float(np.mean(made**2)), 1e-12))
    return np.asarray(np.clip(made, -1, 1), np.float32)


def faster(samples: Samples, tempo: float) -> Samples:
    """Played faster, and higher with it: what linear resampling does."""
    at = np.arange(int(len(samples) / tempo)) * tempo
    return np.asarray(np.interp(at, np.arange(len(samples)), samples), np.float32)


def noise(samples: Samples, seed: int = 0) -> Samples:
    """As loud, and of the same average spectrum: hiss in the shape of the voice."""
    rng = np.random.default_rng(seed)
    spectrum = np.abs(np.fft.rfft(samples)) * np.exp(2j * np.pi * rng.random(len(samples) // 2 + 1))
    return np.asarray(np.fft.irfft(spectrum, len(samples)), np.float32)


def garbled(samples: Samples, seed: int = 0) -> Samples:
    """Bands at random, changing 25 times a second: what a decoder makes of latents that are no sound."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(-3, 2, (len(samples) // 640 + 2, MELS))
    mel = np.repeat(steps, 4, axis=0)
    magnitude = np.maximum(np.exp(mel) @ np.linalg.pinv(_filters()).T, 1e-6)
    made = _sound(magnitude * np.exp(2j * np.pi * rng.random(magnitude.shape)), len(samples))
    made = np.pad(made, (0, max(0, len(samples) - len(made))))[: len(samples)]
    return np.asarray(made * np.sqrt(np.mean(samples**2) / np.mean(made**2)), np.float32)


def through_aac(samples: Samples, kilobits: int = 48) -> Samples:
    """Encoded and decoded again."""
    file = io.BytesIO()
    with av.open(file, "w", format="adts") as container:
        stream = container.add_stream("aac", rate=RATE)
        stream.bit_rate = kilobits * 1000
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    file.seek(0)
    with av.open(file, "r") as read:
        parts = [one.to_ndarray()[0] for one in read.decode(audio=0)]
    return np.concatenate(parts)[: len(samples)].astype(np.float32)


def write_wav(path: Path, samples: Samples) -> Path:
    import wave

    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path
