"""One model whose halves live apart: networks in a process on each GPU, the rest in processes that share the cores.

A batch goes through in parts: while the cores measure one, the GPUs hear the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from math import ceil
from threading import Lock
from typing import Any

from captioner.engine.fleet import STRIKES, length
from captioner.engine.remote import StandIn
from captioner.errors import ModelError, OutOfMemory, UsageError

PART = 600.0
"""Seconds of sound in a part, if the model's module does not say otherwise: enough to fill a GPU's batches."""
MORE = 0.25
"""Share of a part by which all parts may be longer, rather than that there is one more."""
LEAST = 300.0
"""Seconds of sound in a call below which the rest does it alone while the networks load: it is done before they are."""
SHORT = 300.0
"""Seconds of an item that one core is soon done with."""
LANES = 2
"""Parts that are with the cores at the same time: one core that is last with the first leaves no other idle."""


class Halves(StandIn):
    """Stands in for a model. `networks` answer first, once they are loaded, which is asked of `ready`: the call waits
    for that, and gives None where no GPU takes them. `both` joins an item and its answer to what `rest` takes, which
    can do without an answer too, slowly.

    Where the networks fail and the rest can do the part alone, the items are not to blame: networks that fail so
    `STRIKES` times are left out, which is told to `say`.
    """

    def __init__(
        self,
        networks: Callable[[], StandIn | None],
        ready: Callable[[], bool],
        rest: StandIn,
        both: Callable[[Any, Any], Any],
        what: str,
        say: Callable[[str], None],
        alone: float = 0.0,
        part: float = PART,
    ) -> None:
        """`part`: seconds of sound in a part. `alone`: seconds of short items in a call that the rest does by itself
        too while the networks load: others wait for them, and would wait longer for that."""
        self._networks, self._ready, self._rest, self._both = networks, ready, rest, both
        self._what, self._say, self._alone, self._part = what, say, alone, part
        self._strikes = 0
        self._turn = Lock()

    def _call(self, method: str, batch: Sequence[Any], rest: tuple[Any, ...], progress: Any) -> list[Any]:
        total, longest = sum(map(length, batch)), max(map(length, batch), default=0.0)
        if (total < LEAST or (total <= self._alone and longest <= SHORT)) and not self._ready():
            return self._rest._call(method, batch, rest, progress)
        with (
            ThreadPoolExecutor(1, thread_name_prefix="captioner-networks") as first,
            ThreadPoolExecutor(LANES, thread_name_prefix="captioner-rest") as second,
        ):
            heard = [first.submit(self._hear, method, part, rest) for part in parts(batch, self._part)]
            done = [second.submit(self._finish, method, one, rest, progress) for one in heard]
            try:
                return [answer for one in done for answer in one.result()]
            except BaseException:
                for mine in heard:
                    mine.cancel()
                for one in done:
                    one.cancel()
                raise

    def _hear(self, method: str, items: list[Any], rest: tuple[Any, ...]) -> tuple[list[Any], ModelError | None]:
        """The items with their answers; as they are, and why, where the networks failed."""
        networks = None if self._strikes >= STRIKES else self._networks()
        if networks is None:
            return items, None
        try:
            answers = networks._call(method, items, rest, None)
        except UsageError:
            raise
        except OutOfMemory as error:
            if len(items) > 1:
                raise  # fewer at a time may fit
            return items, error
        except ModelError as error:
            return items, error
        return [self._both(item, answer) for item, answer in zip(items, answers, strict=True)], None

    def _finish(
        self, method: str, heard: Future[tuple[list[Any], ModelError | None]], rest: tuple[Any, ...], progress: Any
    ) -> list[Any]:
        items, error = heard.result()
        done = self._rest._call(method, items, rest, progress)
        if error is not None:
            with self._turn:
                self._strikes += 1
                if self._strikes == STRIKES:
                    self._say(f"{self._what}: the GPU failed {STRIKES} times and is left out ({error}); goes on on cpu")
        return done


def parts(items: Sequence[Any], most: float) -> list[list[Any]]:
    """In order, about `most` seconds of sound in each, and about as much in one as in another."""
    total = sum(map(length, items)) or 1.0  # all may be empty
    count = max(1, ceil(total / most - MORE))
    found: list[list[Any]] = [[] for _ in range(count)]
    at = 0.0
    for item in items:
        found[min(int((at + length(item) / 2) / total * count), count - 1)].append(item)
        at += length(item)
    return [part for part in found if part]
