"""The two networks of the embedded diarizer, on ONNX Runtime's CPU provider."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.errors import WeightsMissing
from captioner.models.diarizer import windows
from captioner.models.protocols import Samples

DIMENSIONS = 192
"""Length of a speaker embedding."""
MELS = 80


class Networks:
    """segmentation-3.0 and CAM++, loaded once."""

    def __init__(self, threads: int) -> None:
        self._segmentation = _session("segmentation-3.0.onnx", threads)
        self._embedding = _session("campplus-zh-en-192.onnx", threads)

    def segment(self, batch: Sequence[Samples]) -> list[windows.Local]:
        """Local speakers of each piece of audio, one window each; silence is put behind shorter ones."""
        waves = np.zeros((len(batch), 1, windows.WINDOW), dtype=np.float32)
        for row, samples in zip(waves, batch, strict=True):
            row[0, : len(samples)] = samples
        logits = self._segmentation.run(None, {"waveform": waves})[0]
        return list(windows.speakers(logits))

    def embed(self, banks: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit-length speaker embedding (DIMENSIONS,) of filter bank frames (frames, MELS)."""
        centred = banks - banks.mean(axis=0, keepdims=True)
        vector: NDArray[np.float32] = self._embedding.run(None, {"fbank": centred[None]})[0][0]
        return vector / max(float(np.linalg.norm(vector)), 1e-9)


def banks(samples: Samples) -> NDArray[np.float32]:
    """Kaldi log filter banks, 25 ms every 10 ms, without dither: float32 (frames, MELS)."""
    import kaldi_native_fbank as knf

    options = knf.FbankOptions()
    options.frame_opts.samp_freq = windows.RATE
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins = MELS
    computer = knf.OnlineFbank(options)
    computer.accept_waveform(windows.RATE, samples)
    computer.input_finished()
    rows = [computer.get_frame(index) for index in range(computer.num_frames_ready)]
    return np.stack(rows) if rows else np.zeros((0, MELS), dtype=np.float32)


def _session(name: str, threads: int) -> Any:
    import onnxruntime

    resource = files("captioner.models") / "weights" / name
    if not resource.is_file():
        raise WeightsMissing(f"{name} is missing from the captioner package; install captioner again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Windows come in batches of varying size: an arena sized for the largest would be kept for ever.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(resource.read_bytes(), options, providers=["CPUExecutionProvider"])
