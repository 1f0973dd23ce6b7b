"""The two networks of the embedded diarizer, on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from captioner.models.diarizer import windows
from captioner.models.embedding import DIMENSIONS, Embedder, banks
from captioner.models.protocols import Samples
from captioner.models.sessions import session

__all__ = ["DIMENSIONS", "Networks", "banks"]


class Networks(Embedder):
    """segmentation-3.0 and CAM++, loaded once."""

    def __init__(self, threads: int, device: str = "cpu") -> None:
        # Turnlets are embedded side by side, each on one thread: split over threads, one is no faster.
        super().__init__(1)
        self._segmentation = session("segmentation-3.0.onnx", threads, device)

    def segment(self, batch: Sequence[Samples]) -> list[windows.Local]:
        """Local speakers of each piece of audio, one window each; silence is put behind shorter ones."""
        waves = np.zeros((len(batch), 1, windows.WINDOW), dtype=np.float32)
        for row, samples in zip(waves, batch, strict=True):
            row[0, : len(samples)] = samples
        logits = self._segmentation.run({"waveform": waves})[0]
        return list(windows.speakers(logits))
