"""What can be measured of a clip's voice, of the sound around it and of its quality, from its samples alone.

Each part is a module of its own: `pitch` and `speaking` (the voice), `scene`, `background` and `room` (what is around
it), `mos` and `distortion` (quality), `voiceprint` (whose voice). Nothing here guesses: what there is too little sound
to say is None. `bench/measures.py` prints the error and the cost of each part.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from captioner.measures import Measures
from captioner.models import torch_layers
from captioner.models.protocols import Excerpt, Progress
from captioner.models.voice.distortion import bandwidth, clipped_share
from captioner.models.voice.hearing import Heard, Hearing, Listened
from captioner.models.voice.scene import measure_scene
from captioner.models.voice.speaking import measure_voice

VERSION = "10 swift-f0 0.3 dnsmos-p835"
ONE_CORE = True
NETWORKS = "captioner.models.voice.networks"
"""The module of the half that a GPU does, for whoever shares the work out: `both` joins a clip and its answer..."""
REST = "captioner.models.voice.rest"
"""... for the module that does the other half on the CPU."""
both, on_gpu = Listened, torch_layers.on_gpu


@dataclass(frozen=True, slots=True)
class Options:
    threads: int | None = None
    """Threads for clips side by side; None for one a core."""
    device: str = "auto"
    """Of the networks: cpu, cuda, cuda:1, or auto: a GPU where there is one and torch is installed."""


def load(options: Options) -> Measured:
    """Raises WeightsMissing where the package is incomplete, BackendMissing without torch and ModelError where the GPU
    cannot be had, if one is asked for."""
    threads = options.threads or os.cpu_count() or 1
    if options.device in ("auto", "cpu"):
        hearing = Hearing()
        return Measured(lambda: hearing, threads)
    from captioner.models.voice import networks

    return Measured(Hearing, threads, networks.load(options).measure)


class Measured:
    """Measures clips side by side, each on one thread. `ahead` hears all of a batch; else a `hearing` each clip."""

    def __init__(
        self,
        hearing: Callable[[], Callable[[Excerpt], Heard]],
        threads: int,
        ahead: Callable[[Sequence[Excerpt]], list[Heard]] | None = None,
    ) -> None:
        self._hearing, self._threads, self._ahead = hearing, threads, ahead

    def measure(self, batch: Sequence[Excerpt | Listened], progress: Progress | None = None) -> list[Measures]:
        """Clips, or clips with what networks elsewhere heard in them."""
        if self._ahead is not None:
            plain = [one for one in batch if isinstance(one, Excerpt)]
            answers = iter(self._ahead(plain))
            batch = [Listened(one, next(answers)) if isinstance(one, Excerpt) else one for one in batch]
        found = []
        with ThreadPoolExecutor(self._threads) as pool:
            for item, measures in zip(batch, pool.map(self._one, batch), strict=True):
                found.append(measures)
                if progress is not None:
                    progress(item.duration)
        return found

    def _one(self, item: Excerpt | Listened) -> Measures:
        listened = item if isinstance(item, Listened) else Listened(item, self._hearing()(item))
        excerpt, heard = listened.excerpt, listened.heard
        samples, speech = excerpt.samples, excerpt.speech
        return Measures(
            voice=measure_voice(samples, speech, excerpt.words, heard.track),
            scene=measure_scene(samples, speech, tags=excerpt.tags, hears=excerpt.hears),
            quality=replace(
                heard.opinion, clipped=clipped_share(samples), bandwidth=bandwidth(samples, excerpt.bandwidth)
            ),
            voiceprint=heard.voiceprint,
        )
