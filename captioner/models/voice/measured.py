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
from captioner.models.sessions import on_gpu
from captioner.models.voice.distortion import bandwidth, clipped_share
from captioner.models.voice.masks import speech_reach
from captioner.models.voice.mos import Opinion
from captioner.models.voice.pitch import Tracker
from captioner.models.voice.scene import measure_scene
from captioner.models.voice.speaking import measure_voice
from captioner.models.voice.voiceprint import voiceprint
from captioner.types import SPEECH_RATE

__all__ = ["ONE_CORE", "VERSION", "Options", "load", "on_gpu"]

VERSION = "10 swift-f0 0.3 dnsmos-p835"
ONE_CORE = True


@dataclass(frozen=True, slots=True)
class Options:
    threads: int | None = None
    """Threads for the networks; None for one a core."""
    device: str = "auto"
    """Of DNSMOS and the voiceprints: cpu, cuda, cuda:1, or auto: a GPU where ONNX Runtime has its CUDA provider."""


def load(options: Options) -> Meter:
    """Raises WeightsMissing where the package is incomplete, ModelError where the GPU cannot be had."""
    # Clips are measured side by side, each on one thread: half of the work is not in the networks.
    opinion, embedder = Opinion(1, options.device), Embedder(1, options.device)
    return _Measured(Tracker(1), opinion, embedder, options.threads or os.cpu_count() or 1)


class _Measured:
    def __init__(self, track: Tracker, opinion: Opinion, embedder: Embedder, threads: int) -> None:
        self._track, self._opinion, self._embedder = track, opinion, embedder
        self._threads = threads

    def measure(self, batch: Sequence[Excerpt], progress: Progress | None = None) -> list[Measures]:
        found = []
        with ThreadPoolExecutor(self._threads) as pool:
            together = pool.submit(self._opinions, batch) if self._opinion.batches else None
            for index, (excerpt, measures) in enumerate(zip(batch, pool.map(self._one, batch), strict=True)):
                found.append(measures if together is None else _heard(measures, together.result()[index]))
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

    def _opinions(self, batch: Sequence[Excerpt]) -> list[Quality]:
        # Its makers trained DNSMOS on speech: of a clip without any its scores say nothing.
        return self._opinion.many([one.samples if one.speech else one.samples[:0] for one in batch])

    def _quality(self, excerpt: Excerpt) -> Quality:
        heard = Quality() if self._opinion.batches else self._opinions([excerpt])[0]
        return replace(
            heard,
            clipped=clipped_share(excerpt.samples),
            bandwidth=bandwidth(excerpt.samples, excerpt.bandwidth),
        )


def _heard(measures: Measures, opinion: Quality) -> Measures:
    """The measures with DNSMOS's scores in them."""
    known = measures.quality
    return replace(measures, quality=replace(opinion, clipped=known.clipped, bandwidth=known.bandwidth))
