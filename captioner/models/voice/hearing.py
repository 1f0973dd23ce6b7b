"""What the three networks hear of a clip: its pitch, how good it sounds, whose voice it is.

Here on the CPU, clip by clip; `networks` has the same for many clips at once on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from captioner.measures import Quality, Voiceprint
from captioner.models.embedding import Embedder
from captioner.models.protocols import Excerpt, Samples
from captioner.models.voice.masks import speech_reach
from captioner.models.voice.mos import Opinion
from captioner.models.voice.pitch import Track, Tracker
from captioner.models.voice.voiceprint import voiceprint
from captioner.times import Span


@dataclass(frozen=True, slots=True)
class Heard:
    """What the networks heard of one clip."""

    track: Track
    opinion: Quality
    """Without what is measured otherwise."""
    voiceprint: Voiceprint


@dataclass(frozen=True, slots=True)
class Listened:
    """A clip whose networks' answers are known: the rest is to be measured."""

    excerpt: Excerpt
    heard: Heard

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.excerpt.duration


class Hearing:
    """The networks on ONNX Runtime. Raises WeightsMissing where the package is incomplete."""

    def __init__(self) -> None:
        # Each on one thread: clips are heard side by side.
        self._track, self._opinion, self._embedder = Tracker(1), Opinion(1), Embedder(1)

    def __call__(self, excerpt: Excerpt) -> Heard:
        samples, speech = excerpt.samples, excerpt.speech
        first, stop = speech_reach(speech, len(samples))
        return Heard(
            replace(self._track(samples[first:stop]), first=first),
            self._opinion(judged(samples, speech)),
            voiceprint(self._embedder, samples, speech),
        )


def judged(samples: Samples, speech: Sequence[Span]) -> Samples:
    """What DNSMOS hears of a clip: its makers trained it on speech, and of one without any its scores say nothing."""
    return samples if speech else samples[:0]
