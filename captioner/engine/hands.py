"""Worker processes for what is done file by file: threads of Python keep each other waiting for the interpreter.

What kills a worker costs the item that it had in hand, and nobody else's.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from math import ceil, inf
from threading import Condition
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

    def __init__(self, *, behind: bool = False, most: float = inf) -> None:
        """`behind`: see `House`. `most`: long items that are in hand at the same time."""
        self._behind, self._most = behind, most
        self._turn = Condition()
        self._free: list[tuple[int, House]] = []
        """A heap: the first ones may have what the others lack, see `media.share`."""
        self._all: list[House] = []
        self._long = 0
        self._queue: list[tuple[int, int]] = []
        """A heap of the long items that wait: which call each is of, and when it came."""
        self._arrivals = count()
        self._over = False

    def do(self, work: Work[T, R], item: T, tell: Tell, *, long: int | None = None) -> R:
        """`work(item, tell)` in a worker; `tell` is called here, in this thread. Raises what it raised, of
        CaptionerError and OSError; WorkerDied where the worker died of it.

        `work` is found by its module and its name: it must stand at the top of a module. `long`: keeps a core busy for
        long, so that it waits for one that is free, behind those of a lower number; a short one goes in between, for
        others wait for it.
        """
        number, house = self._take(long)
        try:
            answer: R = house.ask("run", None, f"{work.__module__}:{work.__qualname__}", (item,), _PATIENCE, tell)
            return answer
        except ModelDied as error:
            raise WorkerDied(f"{error}; {_FEWER if error.killed else _AGAIN}") from error
        finally:
            with self._turn:
                heappush(self._free, (number, house))
                self._long -= long is not None
                self._turn.notify_all()

    def _take(self, long: int | None) -> tuple[int, House]:
        with self._turn:
            if long is not None:
                self._wait(long)
            if self._over:
                raise WorkerDied("ended with the run")
            if self._free:
                return heappop(self._free)
            number = len(self._all)
            environment = _ENVIRONMENT | {WORKER: str(number)}
            house = House(f"worker {number + 1}", _PATIENCE, environment, behind=self._behind)
            self._all.append(house)
            return number, house

    def _wait(self, rank: int) -> None:
        """For a core that is free, and for those before."""
        place = (rank, next(self._arrivals))
        heappush(self._queue, place)
        while not self._over and (self._long >= self._most or self._queue[0] != place):
            self._turn.wait()
        if not self._over:
            heappop(self._queue)
            self._long += 1
            self._turn.notify_all()

    def end(self) -> None:
        """Ends every worker at once, whatever it does. May be called again, for one that was just starting."""
        with self._turn:
            self._over = True
            self._turn.notify_all()
        for house in self._all:
            house.end()

    def close(self) -> None:
        """Ends the workers, who must have nothing in hand."""
        self.end()
        for house in self._all:
            house.close()
