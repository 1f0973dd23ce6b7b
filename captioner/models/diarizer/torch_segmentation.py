"""segmentation-3.0 in torch: local speakers of many windows at once, on a GPU.

Bredin, H., and Laurent, A.: End-to-end speaker segmentation for overlap-aware resegmentation (2021), with the powerset
classes of Plaquet and Bredin (2023); the weights are those that ONNX Runtime computes with, and what comes out is the
same to within rounding. Band-pass filters hear the sound, two convolutions and four bidirectional LSTM what is in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.models.diarizer.windows import WINDOW
from captioner.models.onnxfile import read
from captioner.models.sessions import weights
from captioner.models.torch_layers import Layers

WEIGHTS = "segmentation-3.0.onnx"
BANDS, TAPS, STRIDE = 40, 251, 10
"""Of the band-pass filters: each band has an even one and an odd one."""
LOWEST, NARROWEST, HIGHEST = 50.0, 50.0, 8000.0
"""Hz: where the lowest band begins at least, how wide it is at least, and where the highest ends."""
CHANNELS, KERNEL, POOL = 60, 5, 3
DEEP, UNITS, HIDDEN, CLASSES = 4, 128, 128, 7
DENSE = (
    ("onnx::MatMul_915", "linear.0.bias", 2 * UNITS, HIDDEN),
    ("onnx::MatMul_916", "linear.1.bias", HIDDEN, HIDDEN),
    ("onnx::MatMul_917", "classifier.bias", HIDDEN, CLASSES),
)
"""Names and shapes of the dense layers."""
LEAK = 0.01
FRONT = 64
"""Windows that go through the filters at once: what they make of one is 5 MB, three times over."""


class Segmentation:
    """Loaded once onto a device. Raises WeightsMissing where the package is incomplete, ModelError where its file is
    another network's."""

    def __init__(self, device: Any) -> None:
        layers = Layers(read(weights(WEIGHTS)), WEIGHTS, device)
        self._filters = layers.tensor(filters(layers))
        self._norms = [_norm(layers, channels) for channels in (1, 2 * BANDS, CHANNELS, CHANNELS)]
        self._convolutions = [layers.conv(CHANNELS, channels, KERNEL) for channels in (2 * BANDS, CHANNELS)]
        self._memory = layers.lstm(CHANNELS, UNITS, DEEP, both_ways=True)
        self._dense = [_dense(layers, *one) for one in DENSE]
        layers.end()

    def __call__(self, waves: Any) -> Any:
        """int64 (n, FRAMES): the most probable class of each frame (see `windows.speakers`) of float32 (n, WINDOW), a
        tensor on the device; silence is behind what is shorter. Call it within `computing`."""
        return self.logits(waves).argmax(dim=2)

    def logits(self, waves: Any) -> Any:
        """float32 (n, FRAMES, CLASSES), but for a number that all classes of a frame share."""
        import torch

        assert waves.shape[1] == WINDOW, waves.shape
        x = torch.cat([self._front(some) for some in waves.split(FRONT)])
        x, _ = self._memory(x.transpose(1, 2))
        for place, (matrix, bias) in enumerate(self._dense):
            x = torch.nn.functional.leaky_relu(x, LEAK) if place else x
            x = torch.nn.functional.linear(x, matrix, bias)
        return x

    def _front(self, waves: Any) -> Any:
        """(n, CHANNELS, FRAMES)"""
        import torch

        heard = self._normed(waves[:, None], 0)
        x = self._pooled(torch.nn.functional.conv1d(heard, self._filters, stride=STRIDE).abs_(), 1)
        for place, convolution in enumerate(self._convolutions, 2):
            x = self._pooled(convolution(x), place)
        return x

    def _pooled(self, x: Any, place: int) -> Any:
        import torch

        pooled = torch.nn.functional.max_pool1d(x, POOL)
        return torch.nn.functional.leaky_relu(self._normed(pooled, place), LEAK)

    def _normed(self, x: Any, place: int) -> Any:
        """Each channel of each window by itself: no neighbour in the batch has a say."""
        import torch

        weight, bias, least = self._norms[place]
        return torch.nn.functional.instance_norm(x, weight=weight, bias=bias, eps=least)


def _norm(layers: Layers, channels: int) -> tuple[Any, Any, float]:
    node = layers.node("InstanceNormalization")
    weight, bias = (layers.tensor(layers.value(name, (channels,))) for name in node.inputs[1:])
    return weight, bias, float(node.attributes["epsilon"])


def _dense(layers: Layers, matrix: str, bias: str, before: int, after: int) -> tuple[Any, Any]:
    turned = np.ascontiguousarray(layers.value(matrix, (before, after)).T)
    return layers.tensor(turned), layers.tensor(layers.value(bias, (after,)))


def filters(layers: Layers) -> NDArray[np.float32]:
    """float32 (2 x BANDS, 1, TAPS): the even filters of all bands, then the odd ones, as the graph makes them of where
    its bands begin and how wide they are."""
    half = TAPS // 2

    def of(name: str, *shape: int) -> NDArray[np.float32]:
        return np.asarray(layers.value(f"sincnet.conv1d.0.filterbank.{name}", shape), np.float32)

    low = np.float32(LOWEST) + np.abs(of("low_hz_", BANDS, 1))
    wide = np.float32(NARROWEST) + np.abs(of("band_hz_", BANDS, 1))
    high = np.clip(low + wide, np.float32(LOWEST), np.float32(HIGHEST))
    band = 2 * (high - low)
    angles, window = of("n_", 1, half), of("window_", half)
    halved = layers.value("onnx::Div_740", (1, half))
    even = (np.sin(high @ angles) - np.sin(low @ angles)) / halved * window
    odd = (np.cos(low @ angles) - np.cos(high @ angles)) / halved * window
    whole = [np.hstack([even, band, even[:, ::-1]]), np.hstack([odd, np.zeros_like(band), -odd[:, ::-1]])]
    return np.asarray(np.concatenate(whole) / np.tile(band, (2, 1)), np.float32)[:, None]
