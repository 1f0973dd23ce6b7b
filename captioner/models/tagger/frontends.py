"""What AudioSet taggers are given to look at: log-mel spectrograms, as the models' authors made them in training."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from captioner.types import SPEECH_RATE

Batch = NDArray[np.float32]

CED_BANDS = 64
CED_HOP = 160
CED_SIZE = 512

AST_BANDS = 128
AST_FRAMES = 1024
AST_SIZE = 400
AST_MEAN, AST_DEVIATION = -4.2677393, 4.5689974
"""Of AudioSet's filter banks, as AST was trained: its inputs have a standard deviation of one half."""


def ced_mel(windows: Batch) -> Batch:
    """float32 (n, 64, 1 + samples // 160): dB of 64 mel bands to 8 kHz, 32 ms Hann windows every 10 ms, centred.

    float32 (n, samples) in. The front end of CED: power mel on the HTK scale, triangles of height one, 10 log10 with
    a floor of 1e-10 and of 120 dB under the loudest of the window.
    """
    padded = np.pad(windows, ((0, 0), (CED_SIZE // 2, CED_SIZE // 2)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, CED_SIZE, axis=1)[:, ::CED_HOP]
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(CED_SIZE) / CED_SIZE)).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames * hann, axis=2))).astype(np.float32)
    levels = 10 * np.log10(np.maximum(power @ ced_bank(), 1e-10))
    levels = np.maximum(levels, levels.max(axis=(1, 2), keepdims=True) - 120)
    return np.ascontiguousarray(levels.transpose(0, 2, 1), np.float32)


@cache
def ced_bank() -> NDArray[np.float32]:
    """float32 (257, 64)."""
    top = 2595 * np.log10(1 + SPEECH_RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, CED_BANDS + 2) / 2595) - 1)
    bins = np.linspace(0, SPEECH_RATE / 2, CED_SIZE // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(0, np.minimum(rising, falling)), np.float32)


def ast_fbank(windows: Batch, frames: int = AST_FRAMES) -> Batch:
    """float32 (n, frames, 128): Kaldi's log filter banks, 25 ms Hann windows every 10 ms, normalised as AST's are.

    float32 (n, samples) in; shorter windows are filled up with zeros before they are normalised, longer ones cut.
    """
    made = np.zeros((len(windows), frames, AST_BANDS), np.float32)
    for row, window in enumerate(windows):
        bank = _kaldi(window)[:frames]
        made[row, : len(bank)] = bank
    return np.asarray((made - AST_MEAN) / (2 * AST_DEVIATION), np.float32)


def _kaldi(window: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 (frames, 128): as Kaldi makes them, whole frames only. (Its own port refuses 128 bands of 512 points,
    for the lowest hold no bin; AST was trained with them all the same.)"""
    if len(window) < AST_SIZE:
        return np.zeros((0, AST_BANDS), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(window, AST_SIZE)[::160]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    shaped = (frames - 0.97 * before) * np.hanning(AST_SIZE).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(shaped, 512, axis=1)))[:, :-1]
    return np.asarray(np.log(np.maximum(power @ ast_bank(), np.finfo(np.float32).eps)), np.float32)


@cache
def ast_bank() -> NDArray[np.float32]:
    """float32 (256, 128): triangles on Kaldi's mel scale, 20 Hz to 8 kHz."""

    def mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(1127 * np.log(1 + hertz / 700))

    low, high = mel(np.array([20.0, SPEECH_RATE / 2]))
    edges = np.linspace(low, high, AST_BANDS + 2)
    bins = mel(np.arange(256) * SPEECH_RATE / 512)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(0, np.minimum(rising, falling)), np.float32)
