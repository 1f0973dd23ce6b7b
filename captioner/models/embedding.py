"""Whose voice it is, as a vector: CAM++ on ONNX Runtime's CPU provider. Shared by the diarizer and the voiceprints."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.errors import WeightsMissing
from captioner.models.protocols import Samples
from captioner.types import SPEECH_RATE

DIMENSIONS = 192
"""Length of a speaker embedding."""
MELS = 80


class Embedder:
    """CAM++, loaded once."""

    def __init__(self, threads: int) -> None:
        self._session = session("campplus-zh-en-192.onnx", threads)

    def embed(self, banks: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit-length speaker embedding (DIMENSIONS,) of filter bank frames (frames, MELS)."""
        centred = banks - banks.mean(axis=0, keepdims=True)
        vector: NDArray[np.float32] = self._session.run(None, {"fbank": centred[None]})[0][0]
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
    return np.stack(rows) if rows else np.zeros((0, MELS), dtype=np.float32)


def session(name: str, threads: int) -> Any:
    """An embedded network. Raises WeightsMissing where the package lacks it."""
    import onnxruntime

    resource = files("captioner.models") / "weights" / name
    if not resource.is_file():
        raise WeightsMissing(f"{name} is missing from the captioner package; install captioner again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Batches vary in size: an arena sized for the largest would be kept for ever.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(resource.read_bytes(), options, providers=["CPUExecutionProvider"])
