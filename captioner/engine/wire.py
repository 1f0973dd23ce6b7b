"""Messages between a parent and its child processes: pickles behind their lengths, and large arrays behind them.

An array of samples is written from where it lies: a pickle would hold a copy of it, made while no other thread of the
parent can do anything.
"""

from __future__ import annotations

import copyreg
import pickle
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, cast

if TYPE_CHECKING:
    from io import BufferedReader

LENGTH = struct.Struct("<Q")
LARGE = 65_536
"""Bytes of an array from which it does not go into the pickle: what lies in a pipe's own buffer costs nothing."""


def fixed(content: Mapping[Any, Any]) -> MappingProxyType[Any, Any]:
    """A mapping that nobody can change."""
    return MappingProxyType(content)


def _sent(mapping: MappingProxyType[Any, Any]) -> tuple[Any, ...]:
    return fixed, (dict(mapping),)


# Values hold such mappings; Python cannot send them by itself.
copyreg.pickle(MappingProxyType, _sent)


def send(stream: BinaryIO, message: Any) -> None:
    large: list[memoryview] = []

    def aside(buffer: pickle.PickleBuffer) -> bool:
        """Whether it goes into the pickle."""
        view = buffer.raw()
        if view.nbytes < LARGE:
            return True
        large.append(view)
        return False

    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL, buffer_callback=aside)
    parts: list[bytes | memoryview] = [data, *large]
    stream.write(LENGTH.pack(len(parts)) + b"".join(LENGTH.pack(len(part)) for part in parts))
    stream.writelines(parts)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """The next message. Raises EOFError where the other side is gone."""
    (count,) = LENGTH.unpack(_exactly(stream, LENGTH.size))
    lengths = _exactly(stream, LENGTH.size * count)
    data, *large = [_exactly(stream, length) for (length,) in LENGTH.iter_unpack(lengths)]
    # The other end is our own parent or child: nobody else can write here.
    return pickle.loads(data, buffers=large)  # noqa: S301


def _exactly(stream: BinaryIO, count: int) -> bytearray:
    """Writable: arrays that lie in it are like any other."""
    data = bytearray(count)
    if cast("BufferedReader", stream).readinto(data) != count:
        raise EOFError
    return data
