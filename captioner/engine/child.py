"""What runs in a child process: models, loaded when asked for and called with what the parent sends.

Messages go over the process's own standard input and output; whatever a library prints goes to standard error, which
the parent keeps for its last words. A child that meets an error that nobody foresaw dies of
it, as it does of a native abort: the parent tells both the same way.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from captioner.engine.wire import receive, send
from captioner.errors import CaptionerError, OutOfMemory


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
