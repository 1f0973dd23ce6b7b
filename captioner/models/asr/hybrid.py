"""Torch's encoder before CTranslate2's decoder: on a GPU its kernels are several times as fast as CTranslate2's own."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from captioner.models.asr.ct2 import CT2, Batch, State
from captioner.models.asr.engine import SHORTEST, Manner
from captioner.models.fitting import memory_watched
from captioner.models.protocols import Samples


class Hybrid(CT2):
    """The same weights twice: the encoder's in torch, the decoder's (and an idle encoder) in CTranslate2."""

    def __init__(self, model: Any, manner: Manner, folder: Path, device: Any) -> None:
        import torch

        from captioner.models.asr.logmel import LogMel
        from captioner.models.asr.whispernet import Net
        from captioner.models.asr.whisperweights import encoder_only, read_ct2

        super().__init__(model, manner, on_gpu=device.type == "cuda")
        kind = torch.float16 if device.type == "cuda" else torch.float32
        self._net = Net(encoder_only(read_ct2(folder)), device, kind)
        self._mel = LogMel(model.feature_extractor.mel_filters, device)
        self._lock = threading.Lock()
        self._stream: Any = None
        if device.type == "cuda":
            torch.cuda.synchronize(device)  # the weights went there in another stream
            # The default stream would wait for CTranslate2's decoder in other threads, and hold it up.
            self._stream = torch.cuda.Stream(device)

    def encode(self, sounds: Sequence[Samples], context: int) -> list[State]:
        """Each sound in its own context of `context` frames. Loudness is judged within the sound alone."""
        import ctranslate2
        import torch

        padded = [np.pad(s, (0, SHORTEST - len(s))) if len(s) < SHORTEST else s for s in sounds]
        laid = self._mel.laid(padded, context)
        with memory_watched(f"encoding {len(sounds)} pieces"), torch.inference_mode():
            with self._lock, torch.cuda.stream(self._stream):  # None is no stream
                states = self._net.encode(self._mel.spectra(laid, context)).contiguous()
                made = None if self._stream is None else self._stream.record_event()
            if made is None:
                storage = ctranslate2.StorageView.from_array(states.numpy())
            else:
                made.synchronize()  # CTranslate2 has streams of its own
                storage = ctranslate2.StorageView.from_array(states)
        batch = Batch(storage, states)
        return [State(batch, row) for row in range(len(sounds))]
