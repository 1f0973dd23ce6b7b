"""ONNX files read without a runtime: the nodes of a graph and its weights, for networks that torch computes.

An ONNX file is a protocol buffer of a few kinds of message; what the shipped networks use of them is read here.
Field numbers are those of the format's own `onnx.proto3`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_TYPES: dict[int, Any] = {
    1: np.float32, 2: np.uint8, 3: np.int8, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16,
    11: np.float64,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Node:
    """One operator, with the names of what goes in and comes out."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    """int, float, bytes, tuple of int, tuple of float, or Array; None for a graph within the graph: it is not read."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A network."""

    nodes: tuple[Node, ...]
    """In the order in which they are computed."""
    known: Mapping[str, Array]
    """By name: weights, constants, and what is merely cast from them."""

    def of(self, operator: str) -> list[Node]:
        return [node for node in self.nodes if node.operator == operator]


def read(data: bytes) -> Graph:
    """The graph of an ONNX file. Raises ValueError where it is none, or has weights of a kind that is not read."""
    try:
        graph = _only(memoryview(data), 7)
        nodes = tuple(_node(value) for field, value in _fields(graph) if field == 1)
        known = dict(_tensor(value) for field, value in _fields(graph) if field == 5)
        for node in nodes:
            if node.operator == "Constant" and "value" in node.attributes:
                known[node.outputs[0]] = node.attributes["value"]
            elif node.operator == "Cast" and node.inputs[0] in known:
                known[node.outputs[0]] = known[node.inputs[0]].astype(_TYPES[node.attributes["to"]])
    except (IndexError, KeyError, OverflowError, TypeError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"it is no ONNX file that can be read here ({type(error).__name__}: {error})") from error
    return Graph(nodes, known)


def _node(data: memoryview) -> Node:
    inputs: list[str] = []
    outputs: list[str] = []
    operator, attributes = "", {}
    for field, value in _fields(data):
        if field == 1:
            inputs.append(_text(value))
        elif field == 2:
            outputs.append(_text(value))
        elif field == 4:
            operator = _text(value)
        elif field == 5:
            name, content = _attribute(value)
            attributes[name] = content
    return Node(operator, tuple(inputs), tuple(outputs), attributes)


def _attribute(data: memoryview) -> tuple[str, Any]:
    name, content, graph = "", None, False
    many: list[Any] = []
    for field, value in _fields(data):
        if field == 1:
            name = _text(value)
        elif field == 2:
            content = struct.unpack("<f", value)[0]
        elif field == 3:
            content = _signed(value)
        elif field == 4:
            content = memoryview(value).tobytes()
        elif field == 5:
            content = _tensor(value)[1]
        elif field == 6:
            graph = True
        elif field == 7:
            many += struct.unpack(f"<{len(value) // 4}f", value)
        elif field == 8:
            many += _integers(value)
    return name, content if content is not None or graph else tuple(many)


def _tensor(data: memoryview) -> tuple[str, Array]:
    shape: list[int] = []
    kind, name, raw = 0, "", None
    values: list[Any] = []
    for field, value in _fields(data):
        if field == 1:
            shape += _integers(value)
        elif field == 2:
            kind = value
        elif field == 4:
            values += struct.unpack(f"<{len(value) // 4}f", value)
        elif field in (5, 7):
            values += _integers(value)
        elif field == 8:
            name = _text(value)
        elif field == 9:
            raw = value
        elif field == 10:
            values += struct.unpack(f"<{len(value) // 8}d", value)
    kept = np.dtype(_TYPES[kind])
    if raw is not None:
        found = np.frombuffer(raw, kept.newbyteorder("<"))
    elif kept == np.float16:
        found = np.array(values, np.uint16).view(np.float16)  # its bits lie in whole numbers
    else:
        found = np.array(values, kept)
    return name, found.reshape(shape)


def _integers(value: Any) -> list[int]:
    """One number, or several packed into bytes."""
    if isinstance(value, int):
        return [_signed(value)]
    found, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        found.append(_signed(number))
    return found


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _text(value: memoryview) -> str:
    return memoryview(value).tobytes().decode()


def _only(data: memoryview, wanted: int) -> memoryview:
    for field, value in _fields(data):
        if field == wanted and isinstance(value, memoryview):
            return value
    raise ValueError("it is no ONNX file: it has no graph")


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """Number and content of each field of a message: int, or memoryview for whatever has a length."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        field, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield field, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in (_EIGHT, _FOUR):
            size = 8 if kind == _EIGHT else 4
        else:
            raise ValueError(f"it is no ONNX file: a field has kind {kind}")
        if at + size > len(data):
            raise ValueError("it is no ONNX file, or it is cut short")
        yield field, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("it is no ONNX file: a number has no end")
