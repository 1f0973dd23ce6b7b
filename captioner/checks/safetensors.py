"""Reads safetensors without torch: the header, and of tensors only what is asked for.

The format: 8 bytes, little-endian, the header's length; the header, UTF-8 JSON, an object of tensors by name plus
`__metadata__`; then the tensors' bytes, without holes or overlaps. https://huggingface.co/docs/safetensors

A header is foreign input. Its shape is proven on its bytes, in time and memory linear in its length, before any JSON
parser sees it: a parser alone can be made to take a gigabyte or to run out of stack.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from captioner.errors import BadFormat, UsageError

MOST_HEADER = 16 * 2**20
"""Bytes. A LoRA of every LTX-2 module has about 1 MB; the reference reader stops at 100 MB."""

MOST_TENSORS = 65_536
"""Several times the tensors of the whole model."""

_MOST_COMMAS = 6 * MOST_TENSORS
_MOST_QUOTES = 16 * MOST_TENSORS
_MOST_DIMENSIONS = 16
_MOST_DIGITS = 19
"""Of a number: 2**63 has 19."""

BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
"""Bits of one element."""

_SIGNED = {"F8_E4M3", "F8_E5M2", "F16", "BF16", "F32", "F64"}
"""Floats whose sign bit alone makes a zero negative, and still zero."""

CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor's place. `start` and `end` are bytes from the start of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself, in the file's order."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """The header of a file. Raises UsageError where it cannot be opened, BadFormat where it is not what it says."""
    with opened(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        first = file.read(8)
        if len(first) < 8:
            raise BadFormat(f"{path}: {size} bytes, too short for a safetensors file; copy or download it again")
        length = int.from_bytes(first, "little")
        if length > size - 8:
            raise BadFormat(f"{path}: {_not_one(first)}")
        if length > MOST_HEADER:
            raise BadFormat(f"{path}: a header of {length:,} bytes; no LoRA or cache has more than {MOST_HEADER:,}")
        data = file.read(length)
    try:
        return _header(data, 8 + length, size)
    except _Wrong as wrong:
        raise BadFormat(f"{path}: {wrong}") from wrong


def opened(path: Path) -> BinaryIO:
    """The file, for reading bytes. Raises UsageError saying why it cannot be."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UsageError(f"{path}: no file but a pipe or a device; give the path of a file")
        return path.open("rb")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{path}: cannot be read ({why}); give the path of a file") from error


def pieces(file: BinaryIO, tensor: Tensor) -> Iterator[bytes]:
    """A tensor's bytes, at most CHUNK at a time. Raises BadFormat where the file has become shorter."""
    file.seek(tensor.start)
    left = tensor.end - tensor.start
    while left:
        piece = file.read(min(left, CHUNK))
        if not piece:
            raise BadFormat(f"{tensor.name}: the file ends inside of it; copy or download it again")
        left -= len(piece)
        yield piece


def is_zero(file: BinaryIO, tensor: Tensor) -> bool:
    """Whether every element is exactly zero, of either sign. Stops at the first that is not."""
    step = BITS[tensor.dtype] // 8 or 1
    if tensor.dtype not in _SIGNED:
        return not any(piece.strip(b"\0") for piece in pieces(file, tensor))
    for piece in pieces(file, tensor):  # CHUNK is a multiple of every step
        if not piece.strip(b"\0"):
            continue
        if piece[step - 1 :: step].translate(None, b"\0\x80") or any(
            piece[k::step].strip(b"\0") for k in range(step - 1)
        ):
            return False
    return True


class _Wrong(ValueError):
    """What is wrong with a header, without the file's name."""


def _not_one(first: bytes) -> str:
    if first.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return "a pickle (.pt, .ckpt, .bin), not safetensors; it can run code when opened, so it is left closed"
    return "cut short, or not a safetensors file: its header would end after its last byte; copy or download it again"


_STRING = re.compile(rb'"[^"]*(?:"|\Z)')
_ARRAY = re.compile(rb"\[[^\[\]{}]*\]")
_LEVELS = re.compile(rb"\s*\{[^{}\[\]]*+(?:\{[^{}\[\]]*+\}[^{}\[\]]*+)*+\}\s*")
_FOREIGN = re.compile(rb"[^\"{}\[\],:0-9 \t\r\n]")
_LONG = re.compile(rb"\d{%d}" % (_MOST_DIGITS + 1))


def _header(data: bytes, start: int, size: int) -> Header:
    _prove_shape(data)
    try:
        # Spaces may follow the header as padding; whatever else does is no JSON.
        read = json.loads(data.decode("utf-8"), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise _Wrong("the header is not UTF-8; the file is damaged") from error
    except json.JSONDecodeError as error:
        raise _Wrong(f"the header is not JSON ({error.msg} at {error.pos}); the file is damaged") from error
    metadata = read.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _Wrong("__metadata__ must be text by name; the file is damaged")
    if len(read) > MOST_TENSORS:
        raise _Wrong(f"{len(read):,} tensors; no LoRA or cache has more than {MOST_TENSORS:,}")
    tensors = {name: _tensor(name, entry, start, size) for name, entry in read.items()}
    _prove_places(tensors.values(), start, size)
    return Header(tensors, {_legible(key): _legible(value) for key, value in metadata.items()})


def _prove_shape(data: bytes) -> None:
    """Raises _Wrong unless the header is an object of flat objects, with lists of whole numbers and text in them."""
    if data.count(b'"') > _MOST_QUOTES:
        raise _Wrong("the header holds far more names than any LoRA or cache")
    bare = _STRING.sub(b'"', data.replace(b"\\\\", b"").replace(b'\\"', b""))
    if bare.count(b",") > _MOST_COMMAS or bare.count(b"{") > MOST_TENSORS + 2:
        raise _Wrong("the header holds far more values than any LoRA or cache")
    foreign = _FOREIGN.search(bare)
    if foreign:
        raise _Wrong("the header holds more than text and whole numbers; the file is damaged")
    if _LONG.search(bare):
        raise _Wrong(f"the header holds a number of more than {_MOST_DIGITS} digits; the file is damaged")
    if not _LEVELS.fullmatch(_ARRAY.sub(b"", bare)):
        raise _Wrong("the header is not an object of tensors; the file is damaged")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        seen: set[str] = set()
        for twice, _ in pairs:
            if twice in seen:
                break
            seen.add(twice)
        raise _Wrong(f"{_legible(twice)[:80]!r} stands twice in the header; readers would disagree on which counts")
    return values


def _tensor(name: str, entry: object, start: int, size: int) -> Tensor:
    shown = _legible(name)[:120]
    if shown != name[:120]:
        raise _Wrong(f"the name {shown!r} is not Unicode text; the file is damaged")
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _Wrong(f"{shown!r} is described by other fields than dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise _Wrong(f"{shown!r} has the unknown dtype {_legible(str(dtype))[:40]!r}")
    if not _whole(shape) or len(shape) > _MOST_DIMENSIONS:
        raise _Wrong(f"{shown!r} has no usable shape")
    if not _whole(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _Wrong(f"{shown!r} has no usable data_offsets")
    if start + offsets[1] > size:
        raise _Wrong(f"cut short: {shown!r} would end after the last byte; copy or download it again")
    if prod(shape) * BITS[dtype] != 8 * (offsets[1] - offsets[0]):
        raise _Wrong(f"{shown!r} has {offsets[1] - offsets[0]:,} bytes, which is not {dtype} of shape {shape}")
    return Tensor(name, dtype, tuple(shape), start + offsets[0], start + offsets[1])


def _whole(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, int) for one in value)


def _prove_places(tensors: Any, start: int, size: int) -> None:
    end = start
    for tensor in sorted(tensors, key=lambda one: (one.start, one.end)):
        if tensor.start != end:
            how = "overlaps the tensor before it" if tensor.start < end else "leaves a hole before it"
            raise _Wrong(f"{tensor.name[:120]!r} {how}; the file is damaged")
        end = tensor.end
    if end != size:
        raise _Wrong(f"{size - end:,} bytes after the last tensor belong to none; the file is damaged")


def _legible(text: str) -> str:
    """With lone surrogates replaced: JSON can spell them, nothing can print them."""
    return text.encode("utf-8", "replace").decode("utf-8")
