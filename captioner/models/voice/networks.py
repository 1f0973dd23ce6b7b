"""The networks of the voice measures in torch, for many clips at once: the half of the work that a GPU does.

What it answers goes with the clips into `rest`, which measures the other half on the CPU; the numbers are those of
`hearing` to within rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.measures import Voiceprint
from captioner.media.pcm import Samples16k
from captioner.models.fitting import Room, served
from captioner.models.protocols import Excerpt, Progress, Samples
from captioner.models.torch_campplus import HOP, WINDOW, Banks, CamPlus
from captioner.models.torch_layers import computing, device_of
from captioner.models.voice import measured
from captioner.models.voice.hearing import Heard, judged
from captioner.models.voice.masks import speech_reach
from captioner.models.voice.mos import pieces, quality
from captioner.models.voice.torch_mos import Scores
from captioner.models.voice.torch_pitch import Tracks
from captioner.models.voice.voiceprint import print_of, spoken_frames, stretches
from captioner.times import Span
from captioner.types import SPEECH_RATE

HOUSE = "networks"
"""The process that these share with other small ones on a GPU."""
TOGETHER = 128
"""Stretches of speech that are embedded in one call: 0.3 GB for each of a few layers."""
WARM, SECONDS = 64, 5
"""Clips, and their length, that a GPU hears first: it loads its code at the first call, which is best done while the
sound is still decoded."""


def load(options: measured.Options) -> Networks:
    """Raises BackendMissing without torch, ModelError where it cannot compute on the device, WeightsMissing where a
    package is incomplete."""
    made = Networks(device_of(options.device))
    if options.device != "cpu":
        made.warm()
    return made


class Networks:
    """All three, on one device."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self._tracks, self._scores = Tracks(device), Scores(device)
        self._banks, self._voices = Banks(device), CamPlus(device)
        self._room = Room(TOGETHER)

    def measure(self, batch: Sequence[Excerpt], progress: Progress | None = None) -> list[Heard]:
        """One answer a clip, in order. Raises OutOfMemory, ModelError."""
        sounds = [one.samples for one in batch]
        reaches = [speech_reach(one.speech, len(samples)) for one, samples in zip(batch, sounds, strict=True)]
        spoken = [samples[first:stop] for samples, (first, stop) in zip(sounds, reaches, strict=True)]
        tracks = self._tracks(spoken)
        judgements = [pieces(judged(samples, one.speech)) for one, samples in zip(batch, sounds, strict=True)]
        scores = iter(self._scores([piece for own in judgements for piece in own]))
        prints = self._prints(spoken, [one.speech for one in batch], [first for first, _ in reaches])
        found = []
        for place, one in enumerate(batch):
            track = replace(tracks[place], first=reaches[place][0])
            found.append(Heard(track, quality([next(scores) for _ in judgements[place]]), prints[place]))
            if progress is not None:
                progress(one.duration)
        return found

    def warm(self) -> None:
        """Hears as much noise as fills its calls."""
        noise = np.random.default_rng(0).normal(0, 0.1, SECONDS * SPEECH_RATE).astype(np.float32)
        self.measure([Excerpt(Samples16k(noise), (Span.at(0.0, float(SECONDS)),), 0)] * WARM)

    def _prints(
        self, spoken: Sequence[Samples], speech: Sequence[Sequence[Span]], begins: Sequence[int]
    ) -> list[Voiceprint]:
        """Whose voice each clip's speech is. `begins`: the sample of the clip at which what is `spoken` does."""
        frames = [
            spoken_frames(_frames(len(samples)), spans, begin / SPEECH_RATE)
            for samples, spans, begin in zip(spoken, speech, begins, strict=True)
        ]
        offsets = np.cumsum([0, *map(len, spoken)])
        # Where the frames of each stretch begin, in samples of all clips one after the other.
        parts = [
            offset + own.astype(np.int64) * HOP
            for offset, mine in zip(offsets, frames, strict=False)
            for own in stretches(mine)
        ]
        # In order of length, those that are filled up to one length are together.
        order = sorted(range(len(parts)), key=lambda place: len(parts[place]))
        vectors: list[Any] = [None] * len(parts)
        if parts:
            sound = self._uploaded(spoken)
            found = served(lambda some: self._embedded(sound, some), [parts[place] for place in order], self._room)
            for place, vector in zip(order, found, strict=True):
                vectors[place] = vector
        answers = iter(vectors)
        return [print_of(mine, [next(answers) for _ in stretches(mine)]) for mine in frames]

    def _uploaded(self, spoken: Sequence[Samples]) -> Any:
        import torch

        with computing("the sound of clips"):
            return torch.from_numpy(np.concatenate(spoken)).to(self._device)

    def _embedded(self, sound: Any, some: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        import torch

        with computing(f"{len(some)} stretches of speech"):
            starts = torch.from_numpy(np.concatenate(some)).to(self._device)
            return list(self._voices.embed(self._banks(sound, starts), [len(one) for one in some]))


def _frames(samples: int) -> int:
    """Filter bank frames of so many samples, as Kaldi counts them."""
    return 1 + (samples - WINDOW) // HOP if samples >= WINDOW else 0
