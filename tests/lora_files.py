"""Makes safetensors with the names that each trainer really gives its keys."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

Tensors = dict[str, tuple[str, tuple[int, ...], bytes]]
"""(dtype, shape, bytes) by name."""

RANK, WIDTH = 8, 64
BLOCKS = (0, 1, 47)
LINEAR = ("to_q", "to_k", "to_v", "to_out.0")
VIDEO, AUDIO, CROSS = ("attn1", "attn2"), ("audio_attn1", "audio_attn2"), ("audio_to_video_attn", "video_to_audio_attn")
ATTENTION = VIDEO + AUDIO + CROSS
FEED = ("ff.net.0.proj", "ff.net.2", "audio_ff.net.0.proj", "audio_ff.net.2")


def write(path: Path, tensors: Tensors, metadata: Mapping[str, str] | None = None) -> Path:
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    start = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, start + len(data)]}
        start += len(data)
    told = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(told)) + told + b"".join(data for _, _, data in tensors.values()))
    return path


def encoded(values: np.ndarray, dtype: str) -> bytes:
    """Values as bytes; FP8 keeps only the sign, and whether it is zero."""
    if dtype == "BF16":
        return (values.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
    if dtype.startswith("F8"):
        return np.where(values == 0, 0, np.where(values > 0, 0x38, 0xB8)).astype(np.uint8).tobytes()
    return values.astype({"F16": "<f2", "F32": "<f4", "F64": "<f8"}[dtype]).tobytes()


def modules(parts: Sequence[str] = ATTENTION, feed: Sequence[str] = FEED, blocks: Sequence[int] = BLOCKS) -> list[str]:
    made = []
    for block in blocks:
        made += [f"transformer_blocks.{block}.{part}.{line}" for part in parts for line in LINEAR]
        made += [f"transformer_blocks.{block}.{part}" for part in feed]
    return made


def lora(
    names: Sequence[str],
    *,
    prefix: str = "diffusion_model.",
    spelling: tuple[str, str] = ("lora_A.weight", "lora_B.weight"),
    alpha: float | None = None,
    zero: Callable[[str], bool] = lambda _: False,
    dtype: str = "BF16",
    rank: int = RANK,
) -> Tensors:
    """Down- and up-matrices of modules; the up-matrices that `zero` picks are exactly zero."""
    random = np.random.default_rng(7)
    tensors: Tensors = {}
    for name in names:
        stem = prefix + (name.replace(".", "_") if prefix.endswith("_") else name)
        down = random.normal(0, 0.02, (rank, WIDTH))
        up = np.zeros((WIDTH, rank)) if zero(name) else random.normal(0, 0.01, (WIDTH, rank))
        tensors[f"{stem}.{spelling[0]}"] = (dtype, (rank, WIDTH), encoded(down, dtype))
        tensors[f"{stem}.{spelling[1]}"] = (dtype, (WIDTH, rank), encoded(up, dtype))
        if alpha is not None:
            tensors[f"{stem}.alpha"] = ("F32", (), struct.pack("<f", alpha))
    return tensors


KOHYA = ("lora_down.weight", "lora_up.weight")


def lokr(names: Sequence[str], prefix: str = "lycoris_") -> Tensors:
    data = encoded(np.ones((4, 4)), "F32")
    made: Tensors = {}
    for name in names:
        stem = prefix + (name.replace(".", "_") if prefix.endswith("_") else name)
        made |= {f"{stem}.lokr_w1": ("F32", (4, 4), data), f"{stem}.lokr_w2": ("F32", (4, 4), data)}
        made[f"{stem}.alpha"] = ("F32", (), struct.pack("<f", 1))
    return made


def picture_only(name: str) -> bool:
    """What stays zero where sound was there and only the picture had a loss."""
    return ".47.video_to_audio_attn" in name or ".47.audio_ff" in name


def sound_alone(name: str) -> bool:
    """What stays zero where the clips had no picture."""
    return "video" in name or ".attn" in name or ".ff" in name
