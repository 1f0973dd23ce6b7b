"""Whisper's weights for torch: from a CTranslate2 folder, or from transformers' layout.

The names are CTranslate2's, where the projections that are always made together are one matrix already.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from captioner.errors import WeightsMissing

_TYPES = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}
"""CTranslate2's numbers of types; 5 is bfloat16, which numpy does not know."""
_BFLOAT16 = 5
_FILE_VERSION = 6


@dataclass(frozen=True, slots=True)
class WhisperWeights:
    tensors: Mapping[str, Any]
    """Name -> torch tensor on the CPU, float."""
    heads: int
    encoder_layers: int
    decoder_layers: int
    alignment_heads: tuple[tuple[int, int], ...]
    """(layer, head) of the decoder's attention that follows the sound."""

    @property
    def width(self) -> int:
        return int(self.tensors["decoder/embeddings/weight"].shape[1])

    @property
    def bands(self) -> int:
        """Bands of the spectrogram."""
        return int(self.tensors["encoder/conv1/weight"].shape[1])


def read_ct2(folder: Path) -> WhisperWeights:
    """Raises WeightsMissing where model.bin is not a Whisper that CTranslate2 wrote."""
    file = folder / "model.bin"
    try:
        with file.open("rb") as source:
            arrays = _variables(source)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, struct.error, UnicodeDecodeError, ValueError, KeyError) as error:
        raise WeightsMissing(f"{file}: cannot be read as a CTranslate2 model ({error})") from error
    if "encoder/conv1/weight" not in arrays or "decoder/embeddings/weight" not in arrays:
        raise WeightsMissing(f"{file}: it is not a Whisper model")
    return _weights(arrays, config.get("alignment_heads"), int(arrays["decoder/num_heads"]))


def encoder_only(weights: WhisperWeights) -> WhisperWeights:
    """The same without what the decoder alone needs; its embeddings stay, they say how many tokens there are."""
    kept = ("encoder/", "decoder/embeddings/", "decoder/position_encodings/")
    return replace(weights, tensors={name: own for name, own in weights.tensors.items() if name.startswith(kept)})


def _weights(tensors: Mapping[str, Any], aligned: Any, heads: int) -> WhisperWeights:
    layers = [
        sum(name.startswith(f"{side}/layer_") and name.endswith("/ffn/linear_0/weight") for name in tensors)
        for side in ("encoder", "decoder")
    ]
    # Where nobody measured which heads follow the sound, Whisper takes all of the later half.
    half = [(layer, head) for layer in range(layers[1] // 2, layers[1]) for head in range(heads)]
    chosen = tuple((int(layer), int(head)) for layer, head in aligned or half)
    return WhisperWeights(tensors, heads, layers[0], layers[1], chosen)


def _variables(source: BufferedReader) -> dict[str, Any]:
    """Everything in a model.bin: floats as torch tensors, quantized weights multiplied out."""
    import torch

    (version,) = struct.unpack("<I", source.read(4))
    if version != _FILE_VERSION:
        raise ValueError(f"file version {version}, not {_FILE_VERSION}")
    _text(source)
    _, count = struct.unpack("<II", source.read(8))
    found: dict[str, Any] = {}
    for _ in range(count):
        name = _text(source)
        (rank,) = struct.unpack("<B", source.read(1))
        shape = struct.unpack(f"<{rank}I", source.read(4 * rank))
        kind, size = struct.unpack("<BI", source.read(5))
        data = np.empty(size, np.uint8)  # not zeroed first, and not copied: most of the time is this
        if source.readinto(data.data) != size:
            raise ValueError("it is cut off")
        if kind == _BFLOAT16:
            found[name] = torch.frombuffer(data, dtype=torch.bfloat16).reshape(shape)
        else:
            found[name] = torch.from_numpy(np.frombuffer(data, _TYPES[kind]).reshape(shape))
    for name in [name for name in found if name.endswith("/weight_scale")]:
        weight = name.removesuffix("_scale")
        scale = found.pop(name).float()
        found[weight] = found[weight].float() / (scale[:, None] if scale.ndim else scale)
    return found


def _text(source: BufferedReader) -> str:
    (length,) = struct.unpack("<H", source.read(2))
    return source.read(length).rstrip(b"\0").decode()


def from_transformers(state: Mapping[str, Any], heads: int, aligned: Any) -> WhisperWeights:
    """From a WhisperForConditionalGeneration's `state_dict()`; `aligned` is its generation config's."""
    import torch

    found: dict[str, Any] = {}

    def linear(target: str, *names: str) -> None:
        """One matrix of several; a key projection has no bias, which is a bias of zero."""
        weights = [state[f"model.{name}.weight"] for name in names]
        zeros = [torch.zeros(len(weight), dtype=weight.dtype) for weight in weights]
        biases = [state.get(f"model.{name}.bias", zero) for name, zero in zip(names, zeros, strict=True)]
        found[f"{target}/weight"], found[f"{target}/bias"] = torch.cat(weights), torch.cat(biases)

    def norm(target: str, name: str) -> None:
        found[f"{target}/gamma"], found[f"{target}/beta"] = (
            state[f"model.{name}.weight"], state[f"model.{name}.bias"],
        )  # fmt: skip

    for side in ("encoder", "decoder"):
        found[f"{side}/position_encodings/encodings"] = state[f"model.{side}.embed_positions.weight"]
        norm(f"{side}/layer_norm", f"{side}.layer_norm")
        layer = 0
        while f"model.{side}.layers.{layer}.fc1.weight" in state:
            here, there = f"{side}/layer_{layer}", f"{side}.layers.{layer}"
            own = f"{there}.self_attn"
            norm(f"{here}/self_attention/layer_norm", f"{own}_layer_norm")
            linear(f"{here}/self_attention/linear_0", f"{own}.q_proj", f"{own}.k_proj", f"{own}.v_proj")
            linear(f"{here}/self_attention/linear_1", f"{own}.out_proj")
            if side == "decoder":
                cross = f"{there}.encoder_attn"
                norm(f"{here}/attention/layer_norm", f"{cross}_layer_norm")
                linear(f"{here}/attention/linear_0", f"{cross}.q_proj")
                linear(f"{here}/attention/linear_1", f"{cross}.k_proj", f"{cross}.v_proj")
                linear(f"{here}/attention/linear_2", f"{cross}.out_proj")
            norm(f"{here}/ffn/layer_norm", f"{there}.final_layer_norm")
            linear(f"{here}/ffn/linear_0", f"{there}.fc1")
            linear(f"{here}/ffn/linear_1", f"{there}.fc2")
            layer += 1
    linear("encoder/conv1", "encoder.conv1")
    linear("encoder/conv2", "encoder.conv2")
    found["decoder/embeddings/weight"] = state["model.decoder.embed_tokens.weight"]
    return _weights(found, aligned, heads)
