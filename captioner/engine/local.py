"""Runs batches here, on this machine; the models are in this process or in child processes (see `loading`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from math import inf
from queue import Empty, SimpleQueue
from threading import Event, Lock
from typing import Any, TypeVar

from captioner.backends import Backend
from captioner.engine.hands import Hands, Tell, workers
from captioner.engine.loading import Models
from captioner.errors import CaptionerError, UsageError
from captioner.stages import BATCH_SECONDS

T = TypeVar("T")
R = TypeVar("R")


GPU_SECONDS = 7200.0
"""Sound that one call gets for each GPU: some ten seconds of work."""
TICK = 0.25
"""Seconds between two calls of `tick`."""


class Local:
    """Batches one after the other, single items on `threads` threads, or in as many processes.

    `processes`: whether what may run in processes does; None for where that is worth it. Within a `with`, processes
    stay from one call to the next where stages overlap; elsewhere they would only hold memory while models run.
    """

    def __init__(
        self,
        threads: int,
        models: Models | None = None,
        overlaps: bool | None = None,
        processes: bool | None = None,
    ) -> None:
        self.threads = threads
        self._processes = processes
        self._models = models or Models(threads=threads)
        self._overlaps = overlaps
        self._stopped = Event()
        self._why: BaseException | None = None
        """What made it stop, where that was met here."""
        self._entered = False
        self._hands: Hands | None = None
        self._calls = count()
        self._turn = Lock()

    def __enter__(self) -> Local:
        self._entered = True
        return self

    def __exit__(self, *_: object) -> None:
        self._entered = False
        if self._hands is not None:
            self._hands.close()
            self._hands = None

    @property
    def batch_seconds(self) -> float:
        """Sound that one call gets: a GPU takes far more at a time, and several share a call."""
        return BATCH_SECONDS + GPU_SECONDS * self._models.gpus

    @property
    def overlaps(self) -> bool:
        """Whether several stages at once are quicker: where a GPU computes while the cores do something else. On a CPU
        alone they would fight for its cores and its memory."""
        return bool(self._models.contained and self._models.gpus) if self._overlaps is None else self._overlaps

    def stop(self) -> None:
        """Ends whatever runs, from any thread and for good."""
        self._stopped.set()
        self._models.stop()

    def load(self, backend: Backend, say: Callable[[str], None]) -> Any:
        """The backend's model, or what stands in for it. What is tried in vain is told to `say`."""
        return self._models.load(backend, say)

    def batch(self, call: Callable[[Sequence[T]], list[R]], items: Sequence[T]) -> list[R | CaptionerError]:
        """One answer an item, in order. A batch that fails is halved until the item to blame stands alone.

        A UsageError is nobody's item's fault and goes up. Raises CancelledError once the run is stopped: what ends then
        is no item's fault either.
        """
        if not items:
            return []
        self._go_on()
        try:
            return list(call(items))
        except UsageError:
            raise
        except CaptionerError as error:
            self._go_on()
            if len(items) == 1:
                return [error]
        middle = len(items) // 2
        return self.batch(call, items[:middle]) + self.batch(call, items[middle:])

    def each(
        self,
        call: Callable[[T], R],
        items: Sequence[T],
        done: Callable[[T, R | CaptionerError], None],
        tick: Callable[[], None] | None = None,
    ) -> None:
        """`call` on every item in any order; `done` is called here, in the caller's thread, as each is finished, and
        `tick` a few times a second while they run."""
        self._each(call, items, done, tick, self.threads)

    def apart(
        self,
        work: Callable[[T, Tell], R],
        items: Sequence[T],
        done: Callable[[T, R | CaptionerError], None],
        told: Callable[[T, Any], None] | None = None,
        tick: Callable[[], None] | None = None,
        seconds: float = inf,
        *,
        long: bool = False,
    ) -> None:
        """As `each`, in processes where that is worth it. `work` stands at the top of a module; items and answers can
        be pickled. What it tells while it works reaches `told`, in the caller's thread, before the item is done.

        `seconds`: what all items take one core, roughly; infinite where they must not be done here. `long`: items take
        seconds; of all calls together no more of these are in hand than there are cores, those of the first call first.
        An item whose worker died is answered with a WorkerDied.
        """
        count = workers(self.threads, len(items), seconds, started=self._hands is not None)
        if self._processes is not None:
            count = min(self.threads, len(items)) if self._processes else 0
        news, rank = _News(told), next(self._calls) if long else None

        def finished(item: T, answer: R | CaptionerError) -> None:
            news.pass_on()
            done(item, answer)

        def every() -> None:
            news.pass_on()
            if tick is not None:
                tick()

        try:
            if count == 0:
                self._each(lambda item: work(item, news.of(item)), items, finished, every, self.threads)
            else:
                with self._lent() as hands:
                    call = partial(_by_hand, hands, work, news, rank)
                    self._each(call, items, finished, every, count, hands.end)
        finally:
            news.pass_on()

    def _go_on(self) -> None:
        """Raises what made the run stop, CancelledError where that is known elsewhere."""
        if self._stopped.is_set():
            raise CancelledError if self._why is None else self._why

    @contextmanager
    def _lent(self) -> Iterator[Hands]:
        """Workers for one call."""
        if not (self._entered and self.overlaps):
            with closing(self._new_hands()) as hands:
                yield hands
            return
        with self._turn:
            self._hands = self._hands or self._new_hands()
        yield self._hands

    def _new_hands(self) -> Hands:
        return Hands(behind=self._models.gpus > 0, most=self.threads)

    def _each(
        self,
        call: Callable[[T], R],
        items: Sequence[T],
        done: Callable[[T, R | CaptionerError], None],
        tick: Callable[[], None] | None,
        threads: int,
        stop: Callable[[], None] | None = None,
    ) -> None:
        """`stop` ends what runs, where the run is given up; without it, what runs is waited for."""
        with ThreadPoolExecutor(max(1, threads), thread_name_prefix="captioner") as pool:
            waiting: dict[Future[R], T] = {}
            queue = list(reversed(items))
            try:
                while queue or waiting:
                    while queue and len(waiting) < 2 * threads:
                        item = queue.pop()
                        waiting[pool.submit(call, item)] = item
                    finished = wait(waiting, timeout=TICK, return_when=FIRST_COMPLETED).done
                    self._go_on()
                    if tick is not None:
                        tick()
                    for future in finished:
                        item = waiting.pop(future)
                        outcome: R | CaptionerError = _outcome(future)
                        done(item, outcome)
            except BaseException as error:
                pool.shutdown(wait=False, cancel_futures=True)
                if stop is not None:
                    if self._hands is not None and not self._stopped.is_set():
                        self._why = error
                        self._stopped.set()  # the workers are other calls' too, which must not take this for a death
                    stop()
                    while any(future.running() for future in waiting):
                        time.sleep(0.02)
                        stop()  # a process that was just starting when it was called before
                raise


class _News:
    """What items tell, kept until the caller's thread passes it on."""

    def __init__(self, told: Callable[[Any, Any], None] | None) -> None:
        self._told = told
        self._queue: SimpleQueue[tuple[Any, Any]] = SimpleQueue()

    def of(self, item: Any) -> Tell:
        return lambda value: self._queue.put((item, value))

    def pass_on(self) -> None:
        while True:
            try:
                item, value = self._queue.get_nowait()
            except Empty:
                return
            if self._told is not None:
                self._told(item, value)


def _by_hand(hands: Hands, work: Callable[[T, Tell], R], news: _News, long: int | None, item: T) -> R:
    return hands.do(work, item, news.of(item), long=long)


def _outcome(future: Future[R]) -> R | CaptionerError:
    try:
        return future.result()
    except UsageError:
        raise
    except CaptionerError as error:
        return error


class Stopwatch:
    """Wall seconds by name, added up; moments in which several threads do the same count once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._begun: dict[str, tuple[int, float]] = {}
        """How many are at it, and since when."""
        self._turn = Lock()

    def time(self, name: str, call: Callable[[], R]) -> R:
        with self._turn:
            count, since = self._begun.get(name, (0, 0.0))
            self._begun[name] = (count + 1, since if count else time.perf_counter())
        try:
            return call()
        finally:
            with self._turn:
                count, since = self._begun[name]
                self._begun[name] = (count - 1, since)
                if count == 1:
                    self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - since
