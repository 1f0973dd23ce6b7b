"""Whisper's log-mel spectrogram of many sounds at once, on any torch device; as faster-whisper makes it of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from captioner.models.protocols import Samples

HOP = 160
WINDOW = 400
_EDGE = WINDOW // 2


class LogMel:
    """`filters`: float32 (bands, 201), as faster-whisper's FeatureExtractor makes them."""

    def __init__(self, filters: Samples, device: Any) -> None:
        import torch

        self._device = device
        self._filters = torch.from_numpy(np.ascontiguousarray(filters.T)).to(device)
        self._taper = torch.from_numpy(np.hanning(WINDOW + 1)[:-1].astype(np.float32)).to(device)

    def __call__(self, sounds: Sequence[Samples], context: int) -> Any:
        """float32 (sounds, bands, context): frames past a sound's end are 0, as Whisper pads.

        A sound shorter than `_EDGE` samples cannot be mirrored at its edges: the caller pads it.
        """
        import torch

        frames = [min(context, len(sound) // HOP) for sound in sounds]
        most = max(frames) + 1
        rows = np.zeros((len(sounds), (most - 1) * HOP + WINDOW), np.float32)
        for row, sound in zip(rows, sounds, strict=True):
            # A frame of silence after it, then mirrored half a window at both ends, as for one sound alone.
            mirrored = np.pad(np.pad(sound, (0, HOP)), (_EDGE, _EDGE), mode="reflect")[: rows.shape[1]]
            row[: len(mirrored)] = mirrored
        given = torch.from_numpy(rows).to(self._device, non_blocking=True)
        power = torch.fft.rfft(given.unfold(1, WINDOW, HOP) * self._taper).abs().square()
        loud = torch.log10(torch.clamp(power @ self._filters, min=1e-10))
        place = torch.arange(most, device=self._device)
        length = torch.tensor(frames, device=self._device)[:, None]
        # The loudest frame of a sound counts its last one, which is half silence and not kept.
        top = loud.masked_fill((place > length)[..., None], -10.0).amax((1, 2), keepdim=True)
        loud = (torch.maximum(loud, top - 8.0) + 4.0) / 4.0
        loud = loud.masked_fill((place >= length)[..., None], 0.0).transpose(1, 2)[..., :context]
        return torch.nn.functional.pad(loud, (0, context - loud.shape[2]))
