"""SwiftF0 in torch: the network of the package `swift_f0` with its weights, for many clips at once on a GPU.

Clips of any length share a call: what lies behind a clip's end is zero before each convolution over time, as if it
ended there. The steps around the network are those of the package's own `detect`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from captioner.errors import WeightsMissing
from captioner.models.fitting import Room, fitted
from captioner.models.onnxfile import read
from captioner.models.protocols import Samples
from captioner.models.torch_layers import Layers, computing
from captioner.models.voice.pitch import PITCH_RANGE, STEP, UNHEARD, VOICED, Track, raised

SIZES = (1024, 2048, 512)
"""Samples of the windows whose spectra are seen side by side."""
BANDS = 128
STEPS = 95
"""Pitches that are told apart."""
SILENCE = 1e-3
"""Peak below which the package calls a frame silent: confidence 0."""
RESIDUAL = ((7, 3), (7, 1), (5, 1), (3, 1), (3, 1), (7, 3))
"""Kernels, over frequency and time, of the pairs of convolutions that are added to what went into them."""
LOW = 96
"""Bands that the last convolutions see."""
FRAMES = 20_000
"""In one call: 0.1 GB for each of a handful of layers."""
ROUND = 32
"""Frames that a call's length is a multiple of: cuDNN chooses how to compute anew at each new size."""


class Tracks:
    """SwiftF0, loaded once onto a device. Raises WeightsMissing where its package lacks it, ModelError where it is
    another network."""

    def __init__(self, device: Any) -> None:
        self._device = device
        layers = _layers(device)
        graph = layers.graph
        self._windows = [
            layers.tensor(next(v for v in graph.known.values() if v.dtype == np.float32 and v.shape == (size,)))
            for size in SIZES
        ]
        self._filters = [layers.tensor(_filters(layers, size)) for size in SIZES]
        self._first = layers.conv(12, 3, 3, 3)
        self._residuals = [(layers.conv(12, 12, *kernel), layers.conv(12, 12, *kernel)) for kernel in RESIDUAL]
        self._narrow, self._shape = layers.conv(4, 12, 3, 3), layers.conv(4, 4, 5, 1)
        self._pitch = layers.conv(1, 4, 1, 1)
        self._voice, self._voiced = layers.conv(16, 5, 3), layers.conv(1, 16, 1)
        layers.end()
        hertz = layers.value(layers.node("GreaterOrEqual").inputs[0], (STEPS,))
        self._wanted = layers.tensor((hertz >= PITCH_RANGE[0]) & (hertz <= PITCH_RANGE[1]))
        self._logs = layers.tensor(next(v for v in graph.known.values() if v.dtype == np.float64))
        self._room = Room(FRAMES)

    def __call__(self, clips: Sequence[Samples]) -> list[Track]:
        """The pitch of each float32 (n,) at 16 kHz. Raises OutOfMemory, ModelError."""
        heard = [(place, loud) for place, clip in enumerate(clips) if (loud := raised(clip)) is not None]
        heard.sort(key=lambda one: len(one[1]))
        tracks = [UNHEARD] * len(clips)
        while heard:
            # The longest of a call says what each takes of it; what is in order of length wastes little.
            count = 1
            while count < len(heard) and (count + 1) * _frames(heard[count][1]) <= self._room.most:
                count += 1
            some, heard = heard[:count], heard[count:]
            found = fitted(self._run, [loud for _, loud in some], self._room, _frames)
            for (place, _), track in zip(some, found, strict=True):
                tracks[place] = track
        return tracks

    def _run(self, some: Sequence[Samples]) -> list[Track]:
        import torch

        counts = [len(samples) // STEP for samples in some]
        with computing(f"the pitch of {len(some)} clips"):
            frames, half = _frames(max(some, key=len)), max(SIZES) // 2
            waves = np.zeros((len(some), frames * STEP + 2 * half), np.float32)
            for wave, samples in zip(waves, some, strict=True):
                wave[half : half + len(samples)] = samples
            given = torch.from_numpy(waves).to(self._device)
            lengths = torch.tensor(counts, device=self._device)
            pitch, confidence = self.forward(given, (torch.arange(frames, device=self._device) < lengths[:, None]))
            hops = given[:, half : half + frames * STEP].unflatten(1, (frames, STEP))
            voiced = (confidence >= VOICED) & (hops.abs().amax(dim=2) >= SILENCE)
            rows = zip(pitch.cpu().numpy(), voiced.cpu().numpy(), counts, strict=True)
            return [Track(row[:count].copy(), known[:count].copy()) for row, known, count in rows]

    def forward(self, waves: Any, inside: Any) -> tuple[Any, Any]:
        """Hz, float64, and confidence, float32, of each frame (n, frames): of waves with as much silence before as the
        widest window has on one side. `inside` bool (n, frames): which are of the clip."""
        import torch

        kept = inside[:, None, None].float()
        seen = torch.stack([self._spectrum(waves, place, inside.shape[1]) for place in range(len(SIZES))], dim=1)
        x = self._first(seen * kept).relu_()
        for one, two in self._residuals:
            wide = one.weight.shape[3] > 1
            x = x * kept if wide else x
            inner = one(x).relu_()
            x = (two(inner * kept if wide else inner) + x).relu_()
        x = self._narrow(x[:, :, :LOW] * kept).relu_()
        scores = self._pitch(x)[:, 0].transpose(1, 2)
        about = torch.cat([self._shape(x).amax(dim=2), seen.mean(dim=(1, 2))[:, None]], dim=1) * kept[:, 0]
        confidence = self._voiced(self._voice(about).relu_())[:, 0].sigmoid()
        return self._hertz(scores), torch.where(self._wanted[scores.argmax(dim=2)], confidence, 0.0)

    def _spectrum(self, waves: Any, place: int, frames: int) -> Any:
        """(n, BANDS, frames): log magnitudes in bands, of windows of one size."""
        import torch

        size = SIZES[place]
        cut = waves[:, (max(SIZES) - size) // 2 :].unfold(1, size, STEP)[:, :frames]
        levels = torch.fft.rfft(cut * self._windows[place]).abs() @ self._filters[place]
        return (levels + 1e-8).log().transpose(1, 2)

    def _hertz(self, scores: Any) -> Any:
        """The mean, by their scores, of the best of the pitches that are looked for and its two neighbours."""
        import torch

        wanted = scores.masked_fill(~self._wanted, -torch.inf)
        near = wanted.argmax(dim=2, keepdim=True) + torch.tensor([-1, 0, 1], device=scores.device)
        padded = torch.nn.functional.pad(wanted, (1, 1), value=-torch.inf)
        shares = padded.gather(2, near + 1).double().softmax(dim=2)
        return (shares * self._logs[near.clamp(0, STEPS - 1)]).sum(dim=2).exp()


def _frames(samples: Samples) -> int:
    """Frames of a call that a clip takes."""
    return -(-len(samples) // (STEP * ROUND)) * ROUND


def _layers(device: Any) -> Layers:
    file = files("swift_f0") / "model.onnx"
    if not file.is_file():
        raise WeightsMissing("swift_f0 lacks its network, model.onnx; install captioner again")
    try:
        return Layers(read(file.read_bytes()), "swift_f0's model.onnx", device)
    except ValueError as error:
        raise WeightsMissing(f"swift_f0's model.onnx: {error}; install captioner again") from error


def _filters(layers: Layers, size: int) -> Any:
    """float32 (size // 2 + 1, BANDS): the bands of a spectrum, which the file holds as places and values."""
    node = layers.node("ScatterElements")
    places, values = (layers.value(name) for name in node.inputs[1:])
    made = np.zeros((size // 2 + 1) * BANDS, np.float32)
    made[places] = values
    return made.reshape(-1, BANDS)
