"""Whose voice it is, as a vector: CAM++ on ONNX Runtime. Shared by the diarizer and the voiceprints."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from captioner.models.protocols import Samples
from captioner.models.sessions import session
from captioner.types import SPEECH_RATE

WEIGHTS = "campplus-zh-en-192.onnx"
DIMENSIONS = 192
"""Length of a speaker embedding."""
MELS = 80


class Embedder:
    """CAM++ on the CPU, loaded once; `torch_campplus` has it for a GPU: ONNX Runtime is slow there where every stretch
    has another length."""

    def __init__(self, threads: int) -> None:
        self._network = session(WEIGHTS, threads)

    def embed(self, banks: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit-length speaker embedding (DIMENSIONS,) of filter bank frames (frames, MELS)."""
        centred = banks - banks.mean(axis=0, keepdims=True)
        vector: NDArray[np.float32] = self._network.run({"fbank": centred[None]})[0][0]
        return vector / max(float(np.linalg.norm(vector)), 1e-9)


def banks(samples: Samples) -> NDArray[np.float32]:
    """Kaldi log filter banks, 25 ms every 10 ms, without dither: float32 (frames, MELS)."""
    import kaldi_native_fbank as knf

    options = knf.FbankOptions()
    options.frame_opts.samp_freq = SPEECH_RATE
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins = MELS
    computer = knf.OnlineFbank(options)
    computer.accept_waveform(SPEECH_RATE, samples)
    computer.input_finished()
    rows = [computer.get_frame(index) for index in range(computer.num_frames_ready)]
    return np.concatenate(rows).reshape(-1, MELS) if rows else np.zeros((0, MELS), dtype=np.float32)
