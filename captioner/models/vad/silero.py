"""Silero VAD v6 on ONNX Runtime, from the faster-whisper wheel.

Its graph takes a sequence of 512-sample windows, each behind the last 64 samples of the window before it, and the LSTM
state from the sequence before. Carrying both from block to block makes the result that of one pass over the whole
recording, to the bit, in memory that does not grow with it.
"""

from __future__ import annotations

from importlib.resources import files
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.errors import WeightsMissing
from captioner.models.protocols import Samples
from captioner.types import SPEECH_RATE, STEP

NAME = "silero_vad_v6.onnx"
WINDOW = 512
"""Samples that are judged at once: 32 ms."""
CONTEXT = 64
"""Samples of the window before that are heard again."""
FRAME = round(SPEECH_RATE * STEP)
"""Samples in a frame of an Activity."""


def weights() -> bytes:
    """Raises WeightsMissing where the installed faster-whisper has no such file."""
    place = files("faster_whisper") / "assets" / NAME
    if not place.is_file():
        raise WeightsMissing(
            f"{place} is missing: Silero VAD comes inside faster-whisper; "
            "pip install --force-reinstall 'faster-whisper>=1.2.1,<2'"
        )
    return place.read_bytes()


def session() -> Any:
    """The network, on one thread. Raises WeightsMissing."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(weights(), settings, providers=["CPUExecutionProvider"])


class Silero:
    """Speech probabilities of consecutive blocks of one recording."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._hidden = np.zeros((1, 1, 128), np.float32)
        self._cell = np.zeros((1, 1, 128), np.float32)
        self._tail = np.zeros(CONTEXT, np.float32)

    def __call__(self, samples: Samples) -> NDArray[np.float32]:
        """float32 (ceil(n / WINDOW),), 0 to 1. Only the last block may hold a part of a window."""
        windows = np.pad(samples, (0, -len(samples) % WINDOW)).reshape(-1, WINDOW)
        before = np.concatenate([self._tail[None], windows[:-1, -CONTEXT:]])
        self._tail = windows[-1, -CONTEXT:]
        probability, self._hidden, self._cell = self._session.run(
            None, {"input": np.concatenate([before, windows], axis=1), "h": self._hidden, "c": self._cell}
        )
        return np.asarray(probability, np.float32)


def frame_count(duration: float) -> int:
    """Frames of an Activity over `duration` seconds; a rest below a microsecond is float noise and begins none."""
    return ceil(round(duration / STEP, 4))


def by_frame(probability: NDArray[np.float32], frames: int) -> NDArray[np.uint8]:
    """uint8 (frames,): the probability of the window that holds each frame's middle, x 255."""
    middles = np.arange(frames) * FRAME + FRAME // 2
    return (probability[middles // WINDOW] * 255).round().clip(0, 255).astype(np.uint8)
