"""CAM++ in torch: speaker embeddings of many stretches of speech at once, on a GPU.

The network of `embedding` with the same weights, and the same vectors to within rounding. Stretches of any length share
a call: what lies behind a stretch's end is zero before each convolution, as if it ended there, and counts in no mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.models.embedding import DIMENSIONS, MELS, WEIGHTS
from captioner.models.onnxfile import read
from captioner.models.sessions import weights
from captioner.models.torch_layers import Conv, Layers, Norm, computing
from captioner.types import SPEECH_RATE

BLOCKS = ((128, 12), (256, 24), (512, 16))
"""Channels that go into each block, and its layers."""
GROWTH, INNER, GATE = 32, 128, 64
"""Channels that a layer adds, those inside it, and those of its gate."""
SEGMENT = 100
"""Frames whose mean has a say in the gate of each of them."""
FRAMES = 125
"""Stretches are filled up to multiples of so many frames, and calls to multiples of so many rows (ROWS): cuDNN chooses
how to compute anew at each new size."""
ROWS = 16

WINDOW, HOP, POINTS = 400, 160, 512
"""Samples of a filter bank's frame, between two, and of its Fourier transform."""
LOWEST = 20.0
"""Hz where the first filter begins."""


class CamPlus:
    """CAM++, loaded once onto a device. Raises WeightsMissing where the package is incomplete."""

    def __init__(self, device: Any) -> None:
        self._device = device
        layers = Layers(read(weights(WEIGHTS)), WEIGHTS, device)
        self._first = layers.conv(32, 1, 3, 3)
        self._residuals = [_residual(layers, shortcut) for shortcut in (True, False, True, False)]
        self._last = layers.conv(32, 32, 3, 3)
        self._begin = layers.conv(128, 320, 5)
        self._blocks = [_block(layers, channels, count) for channels, count in BLOCKS]
        self._dense, self._norm = layers.conv(DIMENSIONS, 1024, 1), layers.norm(DIMENSIONS, 0)
        layers.end()

    def embed(self, banks: Any, lengths: Sequence[int]) -> NDArray[np.float32]:
        """Unit-length embeddings float32 (n, DIMENSIONS) of stretches that lie one after the other in filter bank
        frames (sum of `lengths`, MELS), a tensor on the device. Raises OutOfMemory, ModelError."""
        return self.embed_at(banks, [0, *accumulate(lengths)][:-1], lengths)

    def embed_at(self, banks: Any, starts: Sequence[int], lengths: Sequence[int]) -> NDArray[np.float32]:
        """The same of stretches that begin at these frames, wherever they lie; they may overlap."""
        import torch

        with computing(f"{len(lengths)} speaker embeddings"):
            rows, size = -len(lengths) % ROWS, -(-max(lengths) // FRAMES) * FRAMES
            # Rows that only fill up the call hear three frames: fewer have no spread.
            first, counts = (
                torch.tensor([*values, *[filled] * rows], device=self._device)
                for values, filled in ((starts, 0), (lengths, 3))
            )
            at = torch.arange(size, device=self._device)
            given = banks[first[:, None] + torch.minimum(at, counts[:, None] - 1)]
            inside = (at < counts[:, None])[..., None]
            given = (given - (given * inside).sum(dim=1, keepdim=True) / counts[:, None, None]) * inside
            vectors = self.forward(given, counts)[: len(lengths)]
            unit = vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-9)
            return np.asarray(unit.cpu().numpy(), np.float32)

    def forward(self, given: Any, lengths: Any) -> Any:
        """(n, DIMENSIONS) of centred filter banks (n, frames, MELS), the first `lengths` (n,) frames of each."""
        import torch

        inside = _inside(lengths, given.shape[1])[:, None]
        x = (self._first((given.transpose(1, 2) * inside)[:, None])).relu_() * inside[:, None]
        for one, two, shortcut in self._residuals:
            inner = one(x).relu_() * inside[:, None]
            x = (two(inner) + (x if shortcut is None else shortcut(x))).relu_() * inside[:, None]
        x = self._last(x).relu_() * inside[:, None]
        x = self._begin(x.flatten(1, 2)).relu_()
        halved = (lengths + 1) // 2
        inside = _inside(halved, x.shape[2])[:, None]
        segments = _Segments(halved, x.shape[2], inside)
        for layers, (norm, transit) in self._blocks:
            for layer in layers:
                x = torch.cat([x, _gated(x, layer, segments, inside)], dim=1)
            x = transit(norm(x).relu_())
        x = x.relu_() * inside
        mean = x.sum(dim=2) / halved[:, None]
        spread = (((x - mean[..., None]) * inside).square().sum(dim=2) / (halved[:, None] - 1)).sqrt()
        return self._norm(self._dense(torch.cat([mean, spread], dim=1)[..., None])[..., 0]).relu_()


def _residual(layers: Layers, shortcut: bool) -> tuple[Conv, Conv, Conv | None]:
    one, two = layers.conv(32, 32, 3, 3), layers.conv(32, 32, 3, 3)
    return one, two, layers.conv(32, 32, 1, 1) if shortcut else None


_Layer = tuple[Norm, Conv, Conv, Conv, Conv]


def _block(layers: Layers, channels: int, count: int) -> tuple[list[_Layer], tuple[Norm, Conv]]:
    made: list[_Layer] = []
    for _ in range(count):
        norm, inner = layers.norm(channels), layers.conv(INNER, channels, 1)
        local = layers.conv(GROWTH, INNER, 3)
        made.append((norm, inner, local, layers.conv(GATE, INNER, 1), layers.conv(GROWTH, GATE, 1)))
        channels += GROWTH
    return made, (layers.norm(channels), layers.conv(channels // 2, channels, 1))


def _gated(x: Any, layer: _Layer, segments: _Segments, inside: Any) -> Any:
    """What a layer adds: its own convolution, louder or softer by what the whole and the segment are like."""
    norm, inner, local, narrow, wide = layer
    heard = inner(norm(x).relu_()).relu_() * inside
    gate = wide(narrow(segments.context(heard)).relu_()).sigmoid()
    return local(heard) * gate[:, :, segments.of]


class _Segments:
    """Means over the whole of each row and over its segments."""

    def __init__(self, lengths: Any, frames: int, inside: Any) -> None:
        import torch

        self._missing = -frames % SEGMENT
        self._lengths = lengths[:, None, None]
        self._counts = self._summed(inside).clamp_min(1)
        self.of = torch.arange(frames, device=inside.device) // SEGMENT
        """Which segment each frame lies in."""

    def context(self, x: Any) -> Any:
        """(n, channels, segments)"""
        sums = self._summed(x)
        return sums.sum(dim=2, keepdim=True) / self._lengths + sums / self._counts

    def _summed(self, x: Any) -> Any:
        import torch

        return torch.nn.functional.pad(x, (0, self._missing)).unflatten(2, (-1, SEGMENT)).sum(dim=3)


def _inside(lengths: Any, frames: int) -> Any:
    """float (n, frames): 1 for the frames of each row, 0 behind its end."""
    import torch

    return (torch.arange(frames, device=lengths.device) < lengths[:, None]).float()


class Banks:
    """Kaldi's log filter banks, as `embedding.banks` has them, of chosen frames of a sound. No power is less than
    `floor`, by default Kaldi's."""

    def __init__(self, device: Any, floor: float = float(np.finfo(np.float32).eps)) -> None:
        import torch

        self._floor = floor
        # Kaldi's "povey" window: a Hann window that does not quite reach zero.
        self._window = torch.from_numpy((np.hanning(WINDOW) ** 0.85).astype(np.float32)).to(device)
        self._filters = torch.from_numpy(filters()).to(device)

    def __call__(self, samples: Any, starts: Any) -> Any:
        """float32 (n, MELS) of the frames that begin at samples `starts` int64 (n,) of float32 (samples,), tensors on
        the device."""
        import torch

        with computing("filter banks"):
            cut = samples.unfold(0, WINDOW, 1)[starts]
            cut = cut - cut.mean(dim=1, keepdim=True)
            before = torch.cat([cut[:, :1], cut[:, :-1]], dim=1)
            power = torch.fft.rfft((cut - 0.97 * before) * self._window, POINTS).abs().square()[:, :-1]
            return (power @ self._filters).clamp_min(self._floor).log()


def filters() -> NDArray[np.float32]:
    """float32 (256, MELS): triangles on the mel scale, as Kaldi has them."""

    def mel(hertz: Any) -> Any:
        return 1127 * np.log1p(np.asarray(hertz) / 700)

    low, high = mel(LOWEST), mel(SPEECH_RATE / 2)
    step = (high - low) / (MELS + 1)
    left = low + step * np.arange(MELS)
    places = mel(np.arange(POINTS // 2) * SPEECH_RATE / POINTS)[:, None]
    rising, falling = (places - left) / step, (left + 2 * step - places) / step
    return np.asarray(np.clip(np.minimum(rising, falling), 0, None), np.float32)
