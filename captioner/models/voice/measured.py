"""What can be measured of a clip's voice, of the sound around it and of its quality, from its samples alone.

Each part is a module of its own: `pitch` and `speaking` (the voice), `scene`, `background` and `room` (what is around
it), `mos` and `distortion` (quality), `voiceprint` (whose voice). Nothing here guesses: what there is too little sound
to say is None. `bench/measures.py` prints the error and the cost of each part.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from captioner.measures import Measures, Quality
from captioner.models.embedding import Embedder
from captioner.models.protocols import Excerpt, Meter, Progress
from captioner.models.voice.distortion import bandwidth, clipped_share
from captioner.models.voice.masks import speech_reach
from captioner.models.voice.mos import Opinion
from captioner.models.voice.pitch import Tracker
from captioner.models.voice.scene import measure_scene
from captioner.models.voice.speaking import measure_voice
from captioner.models.voice.voiceprint import voiceprint
from captioner.types import SPEECH_RATE

VERSION = "10 swift-f0 0.3 dnsmos-p835"


@dataclass(frozen=True, slots=True)
class Options:
    threads: int | None = None
    """Threads for the networks; None for one a core."""


def load(options: Options) -> Meter:
    """Raises WeightsMissing where the package is incomplete."""
    # Clips are measured side by side, each on one thread: half of the work is not in the networks.
    return _Measured(Tracker(1), Opinion(1), Embedder(1), options.threads or os.cpu_count() or 1)


class _Measured:
    def __init__(self, track: Tracker, opinion: Opinion, embedder: Embedder, threads: int) -> None:
        self._track, self._opinion, self._embedder = track, opinion, embedder
        self._threads = threads

    def measure(self, batch: Sequence[Excerpt], progress: Progress | None = None) -> list[Measures]:
        found = []
        with ThreadPoolExecutor(self._threads) as pool:
            for excerpt, measures in zip(batch, pool.map(self._one, batch), strict=True):
                found.append(measures)
                if progress is not None:
                    progress(len(excerpt.samples) / SPEECH_RATE)
        return found

    def _one(self, excerpt: Excerpt) -> Measures:
        samples, speech = excerpt.samples, excerpt.speech
        first, stop = speech_reach(speech, len(samples))
        track = replace(self._track(samples[first:stop]), first=first)
        return Measures(
            voice=measure_voice(samples, speech, excerpt.words, track),
            scene=measure_scene(samples, speech, tags=excerpt.tags, hears=excerpt.hears),
            quality=self._quality(excerpt),
            voiceprint=voiceprint(self._embedder, samples, speech),
        )

    def _quality(self, excerpt: Excerpt) -> Quality:
        # Its makers trained DNSMOS on speech: of a clip without any its scores say nothing.
        heard = self._opinion(excerpt.samples) if excerpt.speech else Quality()
        return replace(
            heard,
            clipped=clipped_share(excerpt.samples),
            bandwidth=bandwidth(excerpt.samples, excerpt.bandwidth),
        )
