"""Whose voice a clip holds, as speaker embeddings of its speech and of the two halves of it.

The network hears each half once and the clip's own embedding is their mean: hearing the whole as well would double the
cost and change it little. A half is taken from its outer end, since where somebody else speaks in a clip that
was cut on words, it is at its beginning or its end; the border is the widest pause near the middle.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from captioner.measures import Voiceprint
from captioner.models.embedding import Embedder, banks
from captioner.models.protocols import Samples
from captioner.models.voice.masks import speech_reach
from captioner.times import Span
from captioner.types import SPEECH_RATE

LEAST = 60
"""Filter bank frames (0.6 s) of speech below which an embedding says nothing of a person."""
CAP = 250
"""Frames (2.5 s) of each half that are heard: more costs time and says little more."""
MIDDLE = (0.3, 0.7)
"""Share of the speech between which a pause may be the border of the halves."""
SCALE = 127
"""What a unit-length embedding is multiplied by to be kept as int8."""


def voiceprint(embedder: Embedder, samples: Samples, speech: Sequence[Span]) -> Voiceprint:
    """`samples` float32 (n,), mono, 16 kHz; `speech` in seconds from its first sample, in order, not overlapping."""
    begin, stop = speech_reach(speech, len(samples))
    if stop - begin < SPEECH_RATE // 20:
        return Voiceprint()
    rows = banks(samples[begin:stop])
    frames = spoken_frames(len(rows), speech, begin / SPEECH_RATE)
    return print_of(frames, [embedder.embed(rows[part]) for part in stretches(frames)])


def stretches(frames: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Which of the frames with speech are heard together: those of each half, all where a half would be too short, none
    where all are too few."""
    if len(frames) < LEAST:
        return []
    border = middle(frames)
    if min(border, len(frames) - border) < LEAST:
        return [frames]
    return [frames[: min(border, CAP)], frames[max(border, len(frames) - CAP) :]]


def print_of(frames: NDArray[np.intp], vectors: Sequence[NDArray[np.float32]]) -> Voiceprint:
    """Of the unit-length embeddings of the `stretches`."""
    if len(vectors) < 2:
        return Voiceprint(packed(vectors[0])) if vectors else Voiceprint()
    first, second = vectors
    border = middle(frames)
    whole = border * first + (len(frames) - border) * second
    whole /= max(float(np.linalg.norm(whole)), 1e-9)
    return Voiceprint(packed(whole), round(float(first @ second), 3), packed(first), packed(second))


def spoken_frames(count: int, speech: Sequence[Span], begin: float = 0.0) -> NDArray[np.intp]:
    """Indices of the filter bank frames (25 ms every 10 ms, the first at `begin` seconds) whose middle lies in
    speech."""
    spoken = np.zeros(count, dtype=np.bool_)
    for span in speech:
        start, end = (max(0, round(100 * (time - begin) - 1.25)) for time in (span.start, span.end))
        spoken[start:end] = True
    return np.flatnonzero(spoken)


def middle(frames: NDArray[np.intp]) -> int:
    """How many of the frames are the first half: up to the widest pause near the middle, else half of them."""
    low, high = (round(share * len(frames)) for share in MIDDLE)
    pauses = np.diff(frames)[max(low - 1, 0) : max(high - 1, 0)]
    if len(pauses) and pauses.max() > 1:
        return max(low, 1) + int(np.argmax(pauses))
    return len(frames) // 2


def packed(vector: NDArray[np.float32]) -> bytes:
    """A unit-length embedding as int8: one byte a dimension, cosines off by less than 0.01."""
    return np.round(vector * SCALE).astype(np.int8).tobytes()
