"""The window grid of the segmentation network, and what its output says. Pure.

The network hears 10 s and answers 589 frames. Frame `i` listens around sample `FIRST + i x HOP` of its window (its
receptive field is 991 samples wide and moves by 270: the strides of its SincNet front end, 10 x 3 x 3 x 3). Windows
start on multiples of `HOP`, so that the frames of all windows lie on one grid and overlap-add needs no resampling.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
WINDOW = 10 * RATE
"""Samples that the network hears at once."""
FRAMES = 589
"""Frames of one window."""
HOP = 270
"""Samples from one frame to the next."""
FIRST = 495
"""Sample in the middle of frame 0's receptive field."""
SPEAKERS = 3
"""Local speakers that one window can tell apart."""
STRIDE = 148
"""Frames from one window to the next: 2.4975 s, so every instant is heard by four windows."""

Local = NDArray[np.uint8]
"""uint8 (frames, SPEAKERS): 1 where that local speaker speaks."""

_POWERSET = np.array(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]],
    dtype=np.uint8,
)


def starts(samples: int) -> list[int]:
    """First frame of each window over so many samples; the last window ends with the audio or less than a hop after."""
    if samples <= 0:
        return []
    last = max(0, math.ceil((samples - WINDOW) / HOP))
    return [*range(0, last, STRIDE), last]


def frames_of(samples: int) -> int:
    """Frames that describe so many samples: those whose middle lies inside."""
    return max(0, math.ceil((samples - FIRST) / HOP))


def edge(frame: int) -> float:
    """Seconds at which `frame` begins: half-way between its middle and that of the frame before."""
    return (FIRST + frame * HOP - HOP / 2) / RATE


def speakers(logits: NDArray[np.float32]) -> Local:
    """Most probable set of local speakers of each frame: (..., 7) -> uint8 (..., SPEAKERS)."""
    return sets(np.argmax(logits, axis=-1))


def sets(classes: NDArray[np.integer[Any]]) -> Local:
    """The set of local speakers that each class stands for: (...) -> uint8 (..., SPEAKERS)."""
    found: Local = _POWERSET[classes]
    return found


def clean(local: Local) -> NDArray[np.bool_]:
    """Where each local speaker talks alone: bool (frames, SPEAKERS)."""
    alone: NDArray[np.bool_] = (local == 1) & (local.sum(axis=1, keepdims=True) == 1)
    return alone


def bank_frames(alone: NDArray[np.bool_], banks: int) -> NDArray[np.bool_]:
    """Which of `banks` filter bank frames (25 ms every 10 ms) fall on the marked network frames of a window."""
    middles = (200 + 160 * np.arange(banks) - FIRST + HOP // 2) // HOP
    marked: NDArray[np.bool_] = alone[np.clip(middles, 0, len(alone) - 1)]
    return marked
