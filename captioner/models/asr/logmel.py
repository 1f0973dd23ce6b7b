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
        taper = np.hanning(WINDOW + 1)[:-1]
        self._taper = torch.from_numpy(taper.astype(np.float32)).to(device)
        turns = np.exp(-2j * np.pi * np.outer(np.arange(WINDOW), np.arange(WINDOW // 2 + 1)) / WINDOW) * taper[:, None]
        self._turns = torch.from_numpy(np.hstack([turns.real, turns.imag]).astype(np.float32)).to(device)

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
        power = self._power(given.unfold(1, WINDOW, HOP))
        loud = torch.log10(torch.clamp(power @ self._filters, min=1e-10))
        place = torch.arange(most, device=self._device)
        length = torch.tensor(frames, device=self._device)[:, None]
        # The loudest frame of a sound counts its last one, which is half silence and not kept.
        top = loud.masked_fill((place > length)[..., None], -10.0).amax((1, 2), keepdim=True)
        loud = (torch.maximum(loud, top - 8.0) + 4.0) / 4.0
        loud = loud.masked_fill((place >= length)[..., None], 0.0).transpose(1, 2)[..., :context]
        return torch.nn.functional.pad(loud, (0, context - loud.shape[2]))

    def _power(self, frames: Any) -> Any:
        """(..., 400) -> (..., 201). On a GPU as one product of matrices: cuFFT plans anew for every size."""
        import torch

        if frames.device.type == "cpu":
            return torch.fft.rfft(frames * self._taper).abs().square()
        real, imaginary = (frames @ self._turns).chunk(2, -1)
        return real.square() + imaginary.square()
