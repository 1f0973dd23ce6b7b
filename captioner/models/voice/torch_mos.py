"""DNSMOS in torch: the network of `mos` with the same weights, for the pieces of many clips at once on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from captioner.models.fitting import Room, served
from captioner.models.onnxfile import read
from captioner.models.protocols import Samples
from captioner.models.sessions import weights
from captioner.models.torch_layers import Layers, computing
from captioner.models.voice.mos import STEP, WEIGHTS

BINS = 161
"""Of a frame of two steps."""
CHANNELS = (1, 128, 64, 64, 32, 32, 32, 64)
"""Into the first convolution, and out of each."""
HALVED = (3, 4, 5)
"""Convolutions behind which time and frequency are halved."""
DENSE = (64, 128, 64, 3)
TOGETHER = 64
"""Pieces in one call: 0.7 GB for the first layer, as much for what comes of it."""
LEAST, DECADE = 1e-12, np.float32(np.log(10.0))


class Scores:
    """DNSMOS, loaded once onto a device. Raises WeightsMissing where the package is incomplete."""

    def __init__(self, device: Any) -> None:
        self._device = device
        layers = Layers(read(weights(WEIGHTS)), WEIGHTS, device)
        waves = [layers.conv(BINS, 2 * STEP, 1).weight[:, :, 0].T for _ in ("real", "imaginary")]
        self._real, self._imaginary = (wave.contiguous() for wave in waves)
        self._convolutions = [layers.conv(out, into, 3, 3) for into, out in pairwise(CHANNELS)]
        layers.end()
        self._dense = []
        for into, out in pairwise(DENSE):
            weight = layers.value(layers.node("MatMul").inputs[1], (into, out))
            self._dense.append((layers.tensor(weight), layers.tensor(_bias(layers, out))))
        self._room = Room(TOGETHER)

    def __call__(self, pieces: Sequence[Samples]) -> list[Any]:
        """Three raw scores of each piece of sound; all are of one length. Raises OutOfMemory, ModelError."""
        return served(self._run, pieces, self._room)

    def _run(self, some: Sequence[Samples]) -> list[Any]:
        import torch

        with computing(f"DNSMOS of {len(some)} pieces"):
            waves = torch.from_numpy(np.stack(some)).to(self._device)
            frames = waves.unfold(1, 2 * STEP, STEP)
            power = (frames @ self._real).square() + (frames @ self._imaginary).square()
            x = (power.sqrt().square().clamp_min(LEAST).log() / DECADE)[:, None]
            for number, convolution in enumerate(self._convolutions):
                x = convolution(x).relu_()
                if number in HALVED:
                    x = torch.nn.functional.max_pool2d(x, 2)
            x = x.amax(dim=(2, 3))
            for number, (weight, bias) in enumerate(self._dense):
                x = x @ weight + bias
                if number < len(self._dense) - 1:
                    x = x.relu_()
            return list(x.cpu().numpy())


def _bias(layers: Layers, size: int) -> Any:
    """What the next of the dense layers adds. The file adds other things too, which it computes."""
    while True:
        node = layers.node("Add")
        known = [name for name in node.inputs if name in layers.graph.known]
        if known:
            return layers.value(known[0], (size,))
