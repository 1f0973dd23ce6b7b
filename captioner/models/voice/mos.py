"""How good speech sounds, 1 to 5, by DNSMOS P.835 (Microsoft): of the voice, of the background, of the whole.

The network was made for 9.01 s of sound, to which its makers repeat shorter clips, and costs more than all the other
measuring. It ends in a maximum over time, so it is given less: 1.4 s from the middle of every 5 s. Of 57 clips of 4.2 s
the scores then were 0.3 lower in the mean than those of the whole, which `SHORT` gives back. On a
processor clips go one by one: the first layers take 8 MB a second of sound, and a batch is no faster there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from captioner.measures import Quality
from captioner.models.fitting import Room, served
from captioner.models.protocols import Samples
from captioner.models.sessions import session
from captioner.types import SPEECH_RATE

WEIGHTS = "dnsmos-p835.onnx"
LEAST = 0.5
"""Seconds of sound below which nothing is said."""
PIECE, EVERY = 7 * SPEECH_RATE // 5, 5 * SPEECH_RATE
"""Samples: how long a piece is heard, and of how much sound; shorter clips are repeated up to a piece."""
SHORT = (0.33, 0.28, 0.36)
"""What the voice, the background and the whole score less when only a piece is heard."""
TOGETHER = 128
"""Pieces in one call on a GPU: 1.4 GB."""
STEP = 160
"""Samples of a frame; the network takes whole ones."""

# Its makers' mapping from what the network says to the scale that listeners used: highest power first.
_SPEECH = (-0.08397278, 1.22083953, 0.0052439)
_BACKGROUND = (-0.13166888, 1.60915514, -0.39604546)
_OVERALL = (-0.06766283, 1.11546468, 0.04602535)


class Opinion:
    """DNSMOS, loaded once. Raises WeightsMissing where the package is incomplete, ModelError where the GPU cannot be
    had."""

    def __init__(self, threads: int, device: str = "cpu") -> None:
        self._network = session(WEIGHTS, threads, device)
        self.batches: bool = self._network.on_gpu
        """Whether clips are better asked about together."""
        self._room = Room(TOGETHER if self.batches else 1)

    def __call__(self, samples: Samples) -> Quality:
        """`speech`, `background` and `overall` of float32 (n,) at 16 kHz; None each where there is too little."""
        return self.many([samples])[0]

    def many(self, clips: Sequence[Samples]) -> list[Quality]:
        """The same of each clip; all pieces are of one length, so that those of many clips share a call."""
        heard = [pieces(clip) if len(clip) >= LEAST * SPEECH_RATE and np.any(clip) else [] for clip in clips]
        answers = iter(served(self._run, [piece for own in heard for piece in own], self._room))
        return [_quality([next(answers) for _ in own]) for own in heard]

    def _run(self, some: Sequence[Samples]) -> list[Any]:
        return list(self._network.run({"input_1": np.stack(some)})[0])


def _quality(scores: Sequence[Any]) -> Quality:
    """Of a clip's pieces."""
    if not scores:
        return Quality()
    voice, background, overall = np.mean(scores, axis=0)
    return Quality(
        _score(_SPEECH, voice, SHORT[0]),
        _score(_BACKGROUND, background, SHORT[1]),
        _score(_OVERALL, overall, SHORT[2]),
    )


def _score(curve: tuple[float, ...], raw: float, short: float) -> float:
    return round(min(5.0, max(1.0, float(np.polyval(curve, raw)) + short)), 2)


def pieces(samples: Samples) -> list[Samples]:
    """What the network hears of a clip: the middle of every part of it, in whole frames."""
    if len(samples) < PIECE:
        samples = np.tile(samples, -(-PIECE // len(samples)))[:PIECE]
    parts = np.array_split(samples, max(1, round(len(samples) / EVERY)))
    middles = [part[(len(part) - PIECE) // 2 :][:PIECE] if len(part) > PIECE else part for part in parts]
    return [np.ascontiguousarray(one[: len(one) // STEP * STEP], np.float32) for one in middles]
