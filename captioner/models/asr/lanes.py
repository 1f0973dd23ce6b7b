"""Threads that keep one device busy: while it is at one batch, others lay out the next or make words of the last."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")

TURN = 0.0001
"""Seconds that a lane has the interpreter for while another waits for it."""


class Lanes:
    """`count` threads, kept from call to call: libraries keep what they know of a size by thread."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool: ThreadPoolExecutor | None = None

    def each(
        self, call: Callable[[T], object], items: Sequence[T], given_up: Callable[[], None] = lambda: None
    ) -> None:
        """`call` on every item, begun in their order; one after the other, here, where there is one lane or one item.

        Raises the first error once no lane is at work any more; `given_up` frees lanes that wait for another.
        """
        if self.count == 1 or len(items) < 2:
            for item in items:
                call(item)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.count, thread_name_prefix="captioner-asr")
        futures = [self._pool.submit(call, item) for item in items]
        turns = sys.getswitchinterval()
        try:
            # A lane that starts kernels gives the interpreter up at each; one that makes words would keep it for 5 ms.
            sys.setswitchinterval(min(turns, TURN))
            for future in futures:
                future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            given_up()
            wait(futures)
            raise
        finally:
            sys.setswitchinterval(turns)
