"""Calls that wait for somebody else, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def at_once(call: Callable[[T], R], items: Iterable[T], workers: int, stop: Event) -> Iterator[tuple[T, R]]:
    """`call` on every item, at most `workers` at a time: each answer as soon as it is there, in any order.

    Items are taken in the caller's thread, one more than are under way, so that it is ready when its turn comes. What
    `call` raises is raised here. `stop` is set when the caller leaves early: a call that waits should look at it. The
    threads are daemons, so that a program that is stopped does not wait for a server that hangs.
    """
    asked: Queue[T | None] = Queue()
    answered: Queue[tuple[T, Future[R]]] = Queue()

    def work() -> None:
        while (item := asked.get()) is not None and not stop.is_set():
            outcome: Future[R] = Future()
            try:
                outcome.set_result(call(item))
            except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
                outcome.set_exception(error)
            answered.put((item, outcome))

    threads: list[Thread] = []
    under_way = 0
    try:
        for item in items:
            if len(threads) < workers:
                threads.append(Thread(target=work, name="captioner-ask", daemon=True))
                threads[-1].start()
            asked.put(item)
            under_way += 1
            while under_way and (under_way > workers or not answered.empty()):
                answer, outcome = answered.get()
                yield answer, outcome.result()
                under_way -= 1
        for _ in range(under_way):
            answer, outcome = answered.get()
            yield answer, outcome.result()
        under_way = 0
    finally:
        if under_way:
            stop.set()
        for _ in threads:
            asked.put(None)
