"""Worker processes for what is done file by file: threads of Python keep each other waiting for the interpreter.

What kills a worker costs the item that it had in hand, and nobody else's.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, inf
from threading import Lock
from typing import Any, TypeVar

from captioner.engine.loading import POOLS
from captioner.engine.remote import House
from captioner.errors import ModelDied, WorkerDied
from captioner.media.share import WORKER

T = TypeVar("T")
R = TypeVar("R")

Tell = Callable[[Any], None]
Work = Callable[[T, Tell], R]

CORES = 4
"""Threads below which there are no workers: on few cores threads lose little to each other."""
WORTH = 0.6
"""Seconds of one core's work below which none is started: a start takes 0.3 to 0.6 s, and on 16 cores as many threads
take five times as long as one."""
SHARE = 0.15
"""Seconds of one core's work that are worth one more worker: all start at the same time."""

_ENVIRONMENT = dict.fromkeys((*POOLS, "OPENCV_FOR_THREADS_NUM"), "1")
"""There are as many workers as cores: none may start a thread for each core as well."""
_PATIENCE = 30 * 86_400.0
"""Seconds. A long film is silent for hours while it is watched: silence is no hang."""
_AGAIN = (
    "run again, for what is done is kept; if it happens again, export the file anew from its source, or leave it out"
)
_FEWER = "give fewer `threads` and run again: what is done is kept"


def workers(threads: int, items: int, seconds: float, *, started: bool = False) -> int:
    """How many processes are worth it for that many items, which take a core `seconds` in all; 0 for none. What takes
    an infinite time is done in processes always; where some are `started`, what takes long at all."""
    if seconds == inf:
        return min(threads, items)
    if threads < CORES or (not started and (items < 2 or seconds < WORTH)):
        return 0
    return min(threads, items, ceil(seconds / SHARE))


class Hands:
    """Worker processes, started when there is an item for one. Threads may ask at the same time, each for one item."""

    def __init__(self, *, behind: bool = False) -> None:
        """`behind`: see `House`."""
        self._behind = behind
        self._turn = Lock()
        self._free: list[House] = []
        self._all: list[House] = []
        self._over = False

    def do(self, work: Work[T, R], item: T, tell: Tell) -> R:
        """`work(item, tell)` in a worker; `tell` is called here, in this thread. Raises what it raised, of
        CaptionerError and OSError; WorkerDied where the worker died of it.

        `work` is found by its module and its name: it must stand at the top of a module.
        """
        house = self._take()
        try:
            answer: R = house.ask("run", None, f"{work.__module__}:{work.__qualname__}", (item,), _PATIENCE, tell)
            return answer
        except ModelDied as error:
            raise WorkerDied(f"{error}; {_FEWER if error.killed else _AGAIN}") from error
        finally:
            with self._turn:
                self._free.append(house)

    def _take(self) -> House:
        with self._turn:
            if self._over:
                raise WorkerDied("ended with the run")
            if self._free:
                return self._free.pop()
            number = {WORKER: str(len(self._all))}
            house = House(f"worker {len(self._all) + 1}", _PATIENCE, _ENVIRONMENT | number, behind=self._behind)
            self._all.append(house)
            return house

    def end(self) -> None:
        """Ends every worker at once, whatever it does. May be called again, for one that was just starting."""
        with self._turn:
            self._over = True
        for house in self._all:
            house.end()

    def close(self) -> None:
        """Ends the workers, who must have nothing in hand."""
        self.end()
        for house in self._all:
            house.close()
