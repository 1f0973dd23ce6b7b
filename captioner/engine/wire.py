"""Messages between a parent and its child processes: pickles behind their length."""

from __future__ import annotations

import copyreg
import pickle
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, BinaryIO

LENGTH = struct.Struct("<Q")


def fixed(content: Mapping[Any, Any]) -> MappingProxyType[Any, Any]:
    """A mapping that nobody can change."""
    return MappingProxyType(content)


def _sent(mapping: MappingProxyType[Any, Any]) -> tuple[Any, ...]:
    return fixed, (dict(mapping),)


# Values hold such mappings; Python cannot send them by itself.
copyreg.pickle(MappingProxyType, _sent)


def send(stream: BinaryIO, message: Any) -> None:
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    stream.write(LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """The next message. Raises EOFError where the other side is gone."""
    head = _exactly(stream, LENGTH.size)
    # The other end is our own parent or child: nobody else can write here.
    return pickle.loads(_exactly(stream, LENGTH.unpack(head)[0]))  # noqa: S301


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise EOFError
    return data
