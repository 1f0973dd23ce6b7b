"""What runs in a child process: models, loaded when asked for and called with what the parent sends; and functions.

Messages go over the process's own standard input and output; whatever a library prints goes to standard error, which
the parent keeps for its last words. A child that meets an error that nobody foresaw dies of
it, as it does of a native abort: the parent tells both the same way. A child whose parent is gone ends at once,
whatever it does: nobody else would end it.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any, BinaryIO

from captioner.engine.wire import receive, send
from captioner.errors import CaptionerError, OutOfMemory

_END = None

BEHIND = "CAPTIONER_BEHIND"
"""The environment variable that tells a child to let other processes go first..."""
NICE = 10
"""... by so much: it gets a tenth of a core for which one of them waits. Windows is told when it starts the child."""


def main() -> None:
    """Serves until standard input ends."""
    if os.environ.pop(BEHIND, "") and hasattr(os, "nice"):
        os.nice(NICE)
    source = os.fdopen(os.dup(0), "rb")
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    lock = threading.Lock()

    def tell(kind: str, value: Any) -> None:
        with lock:
            send(target, (kind, value))

    busy, asked = threading.Event(), queue.SimpleQueue[Any]()
    threading.Thread(target=_listen, args=(source, asked, busy), daemon=True).start()
    models: dict[Any, Any] = {}
    tell("ready", os.getpid())
    while (question := asked.get()) is not _END:
        busy.set()
        try:
            verb, key, what, arguments = question
            answer = _answer(models, verb, key, what, arguments, lambda step: tell("progress", step))
        except CaptionerError as error:
            busy.clear()
            tell("error", error)
        except MemoryError as error:
            busy.clear()
            tell("error", OutOfMemory(f"memory ran out ({error or 'no details'})"))
        except OSError as error:
            if verb != "run":
                raise
            busy.clear()
            # A plain one: errors of libraries that derive from it cannot all be sent.
            known = error.errno is not None
            tell("error", OSError(error.errno, error.strerror, error.filename) if known else OSError(str(error)))
        else:
            busy.clear()
            tell("done", answer)


def _listen(source: BinaryIO, asked: queue.SimpleQueue[Any], busy: threading.Event) -> None:
    while True:
        try:
            asked.put(receive(source))
        except (EOFError, OSError):
            if busy.is_set():
                os._exit(1)
            asked.put(_END)
            return


def _answer(
    models: dict[Any, Any], verb: str, key: Any, what: str, arguments: tuple[Any, ...], progress: Callable[[Any], None]
) -> Any:
    if verb == "load":
        models[key] = import_module(what).load(*arguments)
        return None
    if verb == "get":
        return getattr(models[key], what)
    if verb == "run":
        # Ctrl+C goes to every process of a terminal. The parent ends this one, and must not take it for a death.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        module, name = what.split(":")
        return getattr(import_module(module), name)(*arguments, progress)
    return getattr(models[key], what)(*arguments, progress)


if __name__ == "__main__":
    main()
