"""How good speech sounds, 1 to 5, by DNSMOS P.835 (Microsoft): of the voice, of the background, of the whole.

The network was made for 9.01 s of sound, to which its makers repeat shorter clips, and costs more than all the other
measuring. It ends in a maximum over time, so it is given less: 1.4 s from the middle of every 5 s. Of 57 clips of 4.2 s
the scores then were 0.3 lower in the mean than those of the whole, which `SHORT` gives back. On a
processor clips go one by one: the first layers take 8 MB a second of sound, and a batch is no faster there. On a GPU
`torch_mos` hears many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from captioner.measures import Quality
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
STEP = 160
"""Samples of a frame; the network takes whole ones."""

# Its makers' mapping from what the network says to the scale that listeners used: highest power first.
_SPEECH = (-0.08397278, 1.22083953, 0.0052439)
_BACKGROUND = (-0.13166888, 1.60915514, -0.39604546)
_OVERALL = (-0.06766283, 1.11546468, 0.04602535)


class Opinion:
    """DNSMOS on the CPU, loaded once. Raises WeightsMissing where the package is incomplete."""

    def __init__(self, threads: int) -> None:
        self._network = session(WEIGHTS, threads)

    def __call__(self, samples: Samples) -> Quality:
        """`speech`, `background` and `overall` of float32 (n,) at 16 kHz; None each where there is too little."""
        return quality([self._network.run({"input_1": piece[None]})[0][0] for piece in pieces(samples)])


def quality(scores: Sequence[Any]) -> Quality:
    """Of a clip, from what the network says of its pieces."""
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
    """What the network hears of a clip: the middle of every part of it, in whole frames, all of one length; nothing
    where there is too little."""
    if len(samples) < LEAST * SPEECH_RATE or not np.any(samples):
        return []
    if len(samples) < PIECE:
        samples = np.tile(samples, -(-PIECE // len(samples)))[:PIECE]
    parts = np.array_split(samples, max(1, round(len(samples) / EVERY)))
    middles = [part[(len(part) - PIECE) // 2 :][:PIECE] if len(part) > PIECE else part for part in parts]
    return [np.ascontiguousarray(one[: len(one) // STEP * STEP], np.float32) for one in middles]
