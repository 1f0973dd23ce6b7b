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

    def encode(self, sounds: Sequence[Samples], context: int) -> list[State]:
        """Each sound in its own context of `context` frames. Loudness is judged within the sound alone."""
        import ctranslate2
        import torch

        padded = [np.pad(sound, (0, max(0, SHORTEST - len(sound)))) for sound in sounds]
        with memory_watched(f"encoding {len(sounds)} pieces"), self._lock, torch.inference_mode():
            states = self._net.encode(self._mel(padded, context)).contiguous()
            if states.device.type == "cuda":
                torch.cuda.synchronize(states.device)  # CTranslate2 has streams of its own
                storage = ctranslate2.StorageView.from_array(states)
            else:
                storage = ctranslate2.StorageView.from_array(states.numpy())
        batch = Batch(storage, states)
        return [State(batch, row) for row in range(len(sounds))]
