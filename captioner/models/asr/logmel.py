"""Whisper's log-mel spectrogram of many sounds at once, on any torch device; as faster-whisper makes it of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from captioner.models import torch_layers
from captioner.models.protocols import Samples

HOP = 160
WINDOW = 400
_EDGE = WINDOW // 2
_BACK = _EDGE - HOP + 2
"""One more than the samples that are mirrored at the end: the rest of the half window is the frame of silence."""


@dataclass(frozen=True, slots=True)
class Laid:
    """Sounds on their way to the device."""

    samples: Any
    """float32 (sounds, samples), on the CPU."""
    frames: list[int]
    """Of each sound."""


def put(values: Sequence[Any], device: Any) -> Any:
    """A small tensor on the device, without waiting for what the device has in hand."""
    import torch

    return torch_layers.put(torch.tensor(values), device)


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
        """float32 (sounds, bands, context): frames past a sound's end are 0, as Whisper pads."""
        return self.spectra(self.laid(sounds, context), context)

    def laid(self, sounds: Sequence[Samples], context: int) -> Laid:
        """The sounds side by side as they go to the device. Needs no device, so that one batch can be laid out while
        the device is at another.

        A sound shorter than `_EDGE` + 2 samples cannot be mirrored at its edges: the caller pads it.
        """
        import torch

        frames = [min(context, len(sound) // HOP) for sound in sounds]
        width = max(frames) * HOP + WINDOW
        # Page-locked, so that the copy goes on by itself; torch keeps it until it has gone.
        whole = torch.empty((len(sounds), width), dtype=torch.float32, pin_memory=self._device.type == "cuda")
        for row, sound in zip(whole.numpy(), sounds, strict=True):
            # A frame of silence after it, then mirrored half a window at both ends, as for one sound alone.
            row[:_EDGE] = sound[_EDGE:0:-1]
            end = min(width, _EDGE + len(sound))
            row[_EDGE:end] = sound[: end - _EDGE]
            row[end:] = 0.0
            mirrored = row[_EDGE + len(sound) + 2 * HOP - 1 : len(sound) + 2 * _EDGE + HOP]
            mirrored[:] = sound[:-_BACK:-1][: len(mirrored)]
        return Laid(whole, frames)

    def spectra(self, laid: Laid, context: int) -> Any:
        import torch

        most = max(laid.frames) + 1
        given = laid.samples.to(self._device, non_blocking=True)
        power = self._power(given.unfold(1, WINDOW, HOP))
        loud = torch.log10(torch.clamp(power @ self._filters, min=1e-10))
        place = torch.arange(most, device=self._device)
        length = put(laid.frames, self._device)[:, None]
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
