"""Silero VAD in torch, for many recordings at once on a GPU.

The network of `embedded` with the same weights, and the same probabilities to within rounding: a Fourier transform as
one convolution, four more over what is in a window, and an LSTM that goes from window to window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.models.fitting import Room, fitted
from captioner.models.onnxfile import read
from captioner.models.protocols import Samples, Waveform
from captioner.models.torch_layers import Layers, computing
from captioner.models.vad.silero import CONTEXT, FRAME, NAME, WINDOW, frame_count, weights
from captioner.types import SPEECH_RATE

BINS, POINTS, EDGE = 129, 256, 64
"""Of the Fourier transform, its length in samples, and those mirrored behind a window's end."""
UNITS = 128
AT_ONCE = 8192
"""Windows that go through the convolutions at once: 60 MB."""
STRETCH = 56_250
"""Windows of a recording that are read at once, half an hour: hours then take no more memory."""
TOGETHER = 4 * STRETCH
"""Windows of all recordings in such a call: 0.3 GB. The LSTM takes one after the other, of all recordings at the same
time: many take it as long as one."""
STEPS = 4096
"""Windows of each recording that the LSTM gets in one call: what cuDNN needs beside grows with them."""


class Silero:
    """Loaded once onto a device. Raises WeightsMissing where faster-whisper has no such file, ModelError where the file
    is another network's."""

    def __init__(self, device: Any) -> None:
        self._device = device
        layers = Layers(read(weights()), NAME, device)
        self._waves = layers.conv(2 * BINS, 1, POINTS)
        shapes = ((UNITS, BINS, 3), (64, UNITS, 3), (64, 64, 3), (UNITS, 64, 3))
        self._convolutions = [layers.conv(*shape) for shape in shapes]
        self._memory = layers.lstm(UNITS, UNITS)
        self._last = layers.conv(1, UNITS, 1)
        layers.end()
        self._room = Room(TOGETHER)

    def __call__(self, audios: Sequence[Waveform]) -> list[NDArray[np.float32]]:
        """Speech probabilities float32 (windows,) of each recording, as if it were heard alone. Raises OutOfMemory,
        ModelError."""
        order = sorted(range(len(audios)), key=lambda place: audios[place].duration)
        found: list[Any] = [np.zeros(0, np.float32)] * len(audios)
        for group in _groups([(place, _size(audios[place])) for place in order], self._room.most):
            some = [audios[place] for place in group]
            for place, own in zip(group, fitted(self._together, some, self._room, _size), strict=True):
                found[place] = own
        return found

    def _together(self, audios: Sequence[Waveform]) -> list[NDArray[np.float32]]:
        import torch

        windows = [_windows(audio) for audio in audios]
        made: list[list[NDArray[np.float32]]] = [[] for _ in audios]
        tails = [np.zeros(CONTEXT, np.float32) for _ in audios]
        with computing(f"the speech of {len(audios)} recordings"):
            state = tuple(torch.zeros(1, len(audios), UNITS, device=self._device) for _ in range(2))
            live = list(range(len(audios)))
            for first in range(0, max(windows, default=0), STRETCH):
                left = [place for place, own in enumerate(live) if windows[own] > first]
                live, state = [live[place] for place in left], tuple(one[:, left] for one in state)
                counts = [min(STRETCH, windows[own] - first) for own in live]
                given = torch.zeros(len(live), max(counts), UNITS, device=self._device)
                for row, own, count in zip(given, live, counts, strict=True):
                    heard = _read(audios[own], first, count)
                    row[:count] = self._heard(np.concatenate([tails[own], heard]))
                    tails[own] = heard[-CONTEXT:]
                # What lies behind a recording's end is heard after all that counts.
                speech = []
                for steps in given.split(STEPS, dim=1):
                    known, state = self._memory(steps.contiguous(), tuple(one.contiguous() for one in state))
                    speech.append(self._last(known.relu_().transpose(1, 2)).sigmoid_()[:, 0])
                for row, own, count in zip(torch.cat(speech, dim=1).cpu().numpy(), live, counts, strict=True):
                    made[own].append(row[:count])
        return [np.concatenate([np.zeros(0, np.float32), *own]) for own in made]

    def _heard(self, samples: Samples) -> Any:
        """(windows, UNITS), on the device: what is in each window, of which `samples` (with what is heard again of the
        one before the first) hold a whole number."""
        import torch

        windows = torch.from_numpy(samples).to(self._device).unfold(0, CONTEXT + WINDOW, WINDOW)
        return torch.cat([self._front(some) for some in windows.split(AT_ONCE)])

    def _front(self, windows: Any) -> Any:
        import torch

        waves = self._waves(torch.nn.functional.pad(windows[:, None], (0, EDGE), mode="reflect"))
        x = torch.sqrt(waves[:, :BINS] ** 2 + waves[:, BINS:] ** 2)
        for convolution in self._convolutions:
            x = convolution(x).relu_()
        return x[:, :, 0]


def _windows(audio: Waveform) -> int:
    return -(-frame_count(audio.duration) * FRAME // WINDOW)


def _size(audio: Waveform) -> int:
    """Of a recording in one call."""
    return max(1, min(STRETCH, _windows(audio)))


def _groups(sizes: Sequence[tuple[int, int]], most: int) -> list[list[int]]:
    """Recordings (place, size), the shortest first, in groups that fit: each takes what its longest does."""
    groups: list[list[int]] = []
    for place, size in sizes:
        if not groups or (len(groups[-1]) + 1) * size > most:
            groups.append([])
        groups[-1].append(place)
    return groups


def _read(audio: Waveform, first: int, count: int) -> Samples:
    """The samples of so many windows, silence behind the end."""
    begin, stop = first * WINDOW, (first + count) * WINDOW
    heard = audio.read(begin / SPEECH_RATE, stop / SPEECH_RATE)[: stop - begin]
    return np.pad(heard, (0, stop - begin - len(heard)))
