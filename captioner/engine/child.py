"""What runs in a child process: models, loaded when asked for and called with what the parent sends.

Messages are pickles behind their length, on the process's own standard input and output; whatever a library prints goes
to standard error, which the parent keeps for its last words. A child that meets an error that nobody foresaw dies of
it, as it does of a native abort: the parent tells both the same way.
"""

from __future__ import annotations

import copyreg
import os
import pickle
import struct
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from types import MappingProxyType
from typing import Any, BinaryIO

from captioner.errors import CaptionerError, OutOfMemory

LENGTH = struct.Struct("<Q")

# Values hold mappings that nobody can change; Python cannot send those by itself.
copyreg.pickle(MappingProxyType, lambda mapping: (MappingProxyType, (dict(mapping),)))  # type: ignore[arg-type,misc]


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


def main() -> None:
    """Serves until standard input ends."""
    source = sys.stdin.buffer
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    lock = threading.Lock()

    def tell(kind: str, value: Any) -> None:
        with lock:
            send(target, (kind, value))

    models: dict[Any, Any] = {}
    tell("ready", os.getpid())
    while True:
        try:
            verb, key, what, arguments = receive(source)
        except EOFError:
            return
        try:
            if verb == "load":
                models[key] = import_module(what).load(*arguments)
                tell("done", None)
            elif verb == "get":
                tell("done", getattr(models[key], what))
            else:
                tell("done", _call(models[key], what, arguments, lambda step: tell("progress", step)))
        except CaptionerError as error:
            tell("error", error)
        except MemoryError as error:
            tell("error", OutOfMemory(f"memory ran out ({error or 'no details'})"))


def _call(model: Any, method: str, arguments: tuple[Any, ...], progress: Callable[[float], None]) -> Any:
    return getattr(model, method)(*arguments, progress)


if __name__ == "__main__":
    main()
