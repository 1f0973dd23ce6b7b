"""Reads what stands in a `.pt` file without unpickling it: names, numbers, texts, and of tensors the kind and shape.

A pickle is a program. Here its instructions are read and only those are followed that build plain values; the functions
that it names are never looked up, let alone called. What torch itself writes for tensors is known by name; any other
name makes the file foreign, and it is refused with that name.

The format: a zip archive, its entries stored uncompressed, one of them `<folder>/data.pkl`.
https://docs.pytorch.org/docs/stable/notes/serialization.html, https://docs.python.org/3/library/pickletools.html
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from captioner.checks.findings import printable
from captioner.checks.safetensors import opened
from captioner.checks.torchzip import Wrong, program
from captioner.errors import BadFormat

_MOST_STEPS = 200_000
_MOST_DIMENSIONS = 16
_MOST_ELEMENTS = 2**40


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor, as the file describes it."""

    kind: str
    """Of its storage: `FloatStorage`, `BFloat16Storage`."""
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Name:
    """Something of a module, named and not looked up."""

    module: str
    name: str


@dataclass(slots=True)
class _Made:
    """What a call of it would have made."""

    of: _Name
    arguments: Any = None
    state: Any = field(default=None, repr=False)


_STORAGES = {
    "DoubleStorage", "FloatStorage", "HalfStorage", "BFloat16Storage", "LongStorage", "IntStorage", "ShortStorage",
    "CharStorage", "ByteStorage", "BoolStorage", "ComplexFloatStorage", "ComplexDoubleStorage", "UntypedStorage",
    "QUInt8Storage", "QInt8Storage", "QInt32Storage",
}  # fmt: skip

_KNOWN = {
    *(("torch", name) for name in _STORAGES), ("torch.storage", "UntypedStorage"), ("torch.storage", "TypedStorage"),
    ("torch", "Size"), ("torch", "device"), ("torch", "Tensor"), ("torch.serialization", "_get_layout"),
    *(("torch", name) for name in (
        "float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool",
        "uint16", "uint32", "uint64", "float8_e4m3fnuz", "float8_e5m2fnuz",
        "float8_e4m3fn", "float8_e5m2", "complex64")),
    ("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor_v3"),
    ("torch._utils", "_rebuild_parameter"), ("torch._tensor", "_rebuild_from_type_v2"),
    ("collections", "OrderedDict"), ("numpy", "dtype"), ("numpy._core.multiarray", "scalar"),
    ("numpy.core.multiarray", "scalar"), ("_codecs", "encode"), ("fractions", "Fraction"),
}  # fmt: skip
"""What the caches of trainers name. Nothing of it is called here; what is not here is refused."""

_REBUILT = {"_rebuild_tensor_v2", "_rebuild_tensor_v3"}


def read_values(path: Path) -> Mapping[str, Any]:
    """The entries of the dictionary in a `.pt` file: None, bool, int, float, str, Stored, and `...` for all else.

    Raises UsageError where it cannot be opened; BadFormat where it is damaged, holds something else than a dictionary,
    or names what no cache of tensors needs: such a file runs code when torch opens it the usual way.
    """
    with opened(path) as file:
        try:
            code = program(file)
            value = _Reader(code).value()
        except Wrong as wrong:
            raise BadFormat(f"{path}: {wrong}") from wrong
    if isinstance(value, _Made) and value.of.name == "OrderedDict":
        value = value.state if isinstance(value.state, dict) else {}
    if not isinstance(value, dict):
        raise BadFormat(f"{path}: holds no dictionary of tensors; it is no cache of latents or conditions")
    return {key: _plain(one) for key, one in value.items() if isinstance(key, str)}


def _plain(value: Any) -> Any:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return ...
    return value if value is None or isinstance(value, bool | int | float | str | Stored) else ...


_MARK = object()


class _Reader:
    """Follows the instructions that build values. Time and memory are linear in the program's length."""

    def __init__(self, program: bytes) -> None:
        self._program = program
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def value(self) -> Any:
        """What the program leaves. Raises Wrong."""
        try:
            for steps, (code, argument, _) in enumerate(self._steps()):
                if steps > _MOST_STEPS:
                    raise Wrong(f"a program of more than {_MOST_STEPS:,} steps; a cache has some hundred")
                if code == "STOP":
                    return self._pop()
                self._follow(code, argument)
        except IndexError as error:
            raise Wrong("a damaged program: it takes what it never made; cache it again") from error
        raise Wrong("a damaged program: it has no end; cache it again")

    def _steps(self) -> Iterator[tuple[str, Any, int | None]]:
        try:
            for code, argument, place in pickletools.genops(self._program):
                yield code.name, argument, place
        except Wrong:
            raise
        except (ValueError, OverflowError, EOFError, MemoryError, UnicodeError) as error:
            raise Wrong(f"a damaged program ({printable(str(error))[:80]}); cache it again") from error

    def _follow(self, code: str, argument: Any) -> None:
        act = _ACTS.get(code)
        if code in _CONSTANTS:
            self._stack.append(_CONSTANTS[code])
        elif code in _ARGUMENTS:
            self._stack.append(argument)
        elif act is not None:
            act(self, argument)
        elif code not in _NOTHING:
            raise Wrong(f"the instruction {code}, which no cache of tensors needs; do not open it with torch")

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise IndexError
        return value

    def _to_mark(self) -> list[Any]:
        taken = []
        while (value := self._stack.pop()) is not _MARK:
            taken.append(value)
        taken.reverse()
        return taken

    def _put(self, key: int | None) -> None:
        self._memo[len(self._memo) if key is None else key] = self._stack[-1]

    def _get(self, key: int) -> None:
        if key not in self._memo:
            raise IndexError
        self._stack.append(self._memo[key])

    def _named(self, module: Any, name: Any) -> None:
        if (module, name) not in _KNOWN:
            shown = printable(f"{module}.{name}")[:120]
            raise Wrong(
                f"it names {shown}, which no cache of tensors needs: opened by torch it may run foreign code; delete it"
            )
        self._stack.append(_Name(str(module), str(name)))

    def _call(self, _: Any) -> None:
        arguments, called = self._pop(), self._pop()
        if not isinstance(called, _Name):
            raise Wrong("it calls what it made itself; do not open it with torch")
        self._stack.append(_tensor(arguments) if called.name in _REBUILT else _Made(called, arguments))

    def _stored(self, _: Any) -> None:
        """A storage: ("storage", kind, key, device, number of elements)."""
        told = self._pop()
        kind = told[1] if isinstance(told, tuple) and len(told) >= 5 and told[0] == "storage" else None
        self._stack.append(_Made(kind) if isinstance(kind, _Name) else _Made(_Name("torch", "UntypedStorage")))

    def _build(self, _: Any) -> None:
        state, target = self._pop(), self._stack[-1]
        if isinstance(target, _Made):
            target.state = state

    def _items(self, pairs: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, _Made) and target.of.name == "OrderedDict":
            target.state = target.state if isinstance(target.state, dict) else {}
            target = target.state
        if not isinstance(target, dict) or len(pairs) % 2:
            raise IndexError
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            # Other keys are left out: to hash a foreign value may take any time.
            if isinstance(key, str):
                target[key] = value

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise IndexError
        self._stack[-1].extend(values)


def _tensor(arguments: Any) -> Stored:
    if not isinstance(arguments, tuple) or len(arguments) < 3:
        raise Wrong("a tensor without a shape; cache it again")
    storage, shape = arguments[0], arguments[2]
    if isinstance(shape, _Made):  # torch.Size((...))
        shape = shape.arguments[0] if isinstance(shape.arguments, tuple) and shape.arguments else ()
    whole = isinstance(shape, tuple) and all(type(one) is int and 0 <= one < _MOST_ELEMENTS for one in shape)
    if not whole or len(shape) > _MOST_DIMENSIONS or prod(shape) > _MOST_ELEMENTS:
        raise Wrong("a tensor without a usable shape; cache it again")
    kind = storage.of.name if isinstance(storage, _Made) else "UntypedStorage"
    return Stored(kind, shape)


_CONSTANTS: Mapping[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "MARK": _MARK}
_ARGUMENTS = {
    "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINSTRING", "SHORT_BINSTRING", "STRING", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip
_NOTHING = {"PROTO", "FRAME"}


def _tuple_of(count: int) -> Callable[[_Reader, Any], None]:
    def act(reader: _Reader, _: Any) -> None:
        taken = [reader._pop() for _ in range(count)]
        reader._stack.append(tuple(reversed(taken)))

    return act


def _global(reader: _Reader, argument: Any) -> None:
    module, _, name = str(argument).partition(" ")
    reader._named(module, name)


def _stack_global(reader: _Reader, _: Any) -> None:
    name, module = reader._pop(), reader._pop()
    reader._named(module if isinstance(module, str) else None, name if isinstance(name, str) else None)


def _set_item(reader: _Reader, _: Any) -> None:
    value, key = reader._pop(), reader._pop()
    reader._items([key, value])


def _dict(reader: _Reader, _: Any) -> None:
    pairs = reader._to_mark()
    reader._stack.append({})
    reader._items(pairs)


def _append(reader: _Reader, _: Any) -> None:
    value = reader._pop()
    reader._extend([value])


def _drop(reader: _Reader, _: Any) -> None:
    reader._to_mark()


_ACTS: Mapping[str, Callable[[_Reader, Any], None]] = {
    "EMPTY_DICT": lambda reader, _: reader._stack.append({}),
    "EMPTY_LIST": lambda reader, _: reader._stack.append([]),
    "DICT": _dict, "LIST": lambda reader, _: reader._stack.append(reader._to_mark()),
    "TUPLE": lambda reader, _: reader._stack.append(tuple(reader._to_mark())),
    "TUPLE1": _tuple_of(1), "TUPLE2": _tuple_of(2), "TUPLE3": _tuple_of(3),
    "PUT": lambda reader, key: reader._put(key), "BINPUT": lambda reader, key: reader._put(key),
    "LONG_BINPUT": lambda reader, key: reader._put(key), "MEMOIZE": lambda reader, _: reader._put(None),
    "GET": lambda reader, key: reader._get(key), "BINGET": lambda reader, key: reader._get(key),
    "LONG_BINGET": lambda reader, key: reader._get(key),
    "GLOBAL": _global, "STACK_GLOBAL": _stack_global, "REDUCE": _Reader._call, "NEWOBJ": _Reader._call,
    "BINPERSID": _Reader._stored, "BUILD": _Reader._build, "SETITEM": _set_item,
    "SETITEMS": lambda reader, _: reader._items(reader._to_mark()), "APPEND": _append,
    "APPENDS": lambda reader, _: reader._extend(reader._to_mark()), "POP": lambda reader, _: reader._stack.pop(),
    "POP_MARK": _drop, "DUP": lambda reader, _: reader._stack.append(reader._stack[-1]),
}  # fmt: skip
