"""Writes files as trainers cache them: `.pt` as torch does, without torch, and safetensors."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

SIZES = {"F32": 4, "BF16": 2, "I64": 8, "BOOL": 1}


class T:
    """A tensor of zeros."""

    def __init__(self, *shape: int, kind: str = "BFloat16") -> None:
        self.shape, self.kind = shape, kind


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def whole(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def name(module: str, called: str) -> bytes:
    return f"c{module}\n{called}\n".encode()


def value(given: Any) -> bytes:
    """The pickle instructions, of protocol 2, that torch writes for a value."""
    if isinstance(given, T):
        numbers = b"(" + b"".join(whole(side) for side in given.shape) + b"t"
        storage = b"(" + text("storage") + name("torch", f"{given.kind}Storage") + text("0") + text("cpu")
        storage += whole(prod(given.shape) % 2**31) + b"tQ"
        hooks = name("collections", "OrderedDict") + b")R"
        inner = storage + whole(0) + numbers + numbers + b"\x89" + hooks
        return name("torch._utils", "_rebuild_tensor_v2") + b"(" + inner + b"tR"
    if isinstance(given, bool):
        return b"\x88" if given else b"\x89"
    if isinstance(given, int):
        return whole(given)
    if isinstance(given, float):
        return b"G" + struct.pack(">d", given)
    if isinstance(given, str):
        return text(given)
    assert given is None
    return b"N"


def program(values: Mapping[str, Any]) -> bytes:
    return b"\x80\x02}(" + b"".join(text(key) + value(one) for key, one in values.items()) + b"u."


def write_pt(path: Path, values: Mapping[str, Any] | bytes, compressed: bool = False) -> Path:
    """A `.pt`; `values` may be the program itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = values if isinstance(values, bytes) else program(values)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/data/0", bytes(64))
        archive.writestr("archive/version", b"3\n")
    return path


def write_safetensors(
    path: Path, tensors: Mapping[str, tuple[str, tuple[int, ...]]], metadata: Mapping[str, str] | None = None
) -> Path:  # fmt: skip
    """Tensors of zeros: (dtype, shape) by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for called, (dtype, shape) in tensors.items():
        size = SIZES[dtype] * prod(shape)
        header[called] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    data = json.dumps(header).encode()
    path.write_bytes(len(data).to_bytes(8, "little") + data + bytes(at))
    return path


def latents(frames: int = 16, rate: float = 25.0, channels: int = 128, **more: Any) -> dict[str, Any]:
    """As the LTX trainer stores a clip's picture; `frames` are latent ones."""
    stored = T(channels, frames, 17, 30)
    return {"latents": stored, "num_frames": frames, "height": 17, "width": 30, "fps": rate, **more}


def sound(seconds: float = 4.84) -> dict[str, Any]:
    steps = round(seconds * 25)
    return {"latents": T(8, steps, 16), "num_time_steps": steps, "frequency_bins": 16, "duration": seconds}


def conditions(width: int = 3840) -> dict[str, Any]:
    return {
        "video_prompt_embeds": T(1024, width), "prompt_attention_mask": T(1024, kind="Bool"),
        "audio_prompt_embeds": T(1024, 2048),
    }  # fmt: skip
