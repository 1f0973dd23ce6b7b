"""What a build needs of where it runs and of who watches it: the engine and the reporter, by what they can do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any, Protocol, TypeVar

from captioner.backends import Backend
from captioner.errors import CaptionerError

T = TypeVar("T")
R = TypeVar("R")


class Engine(Protocol):
    """Where batches run; see `captioner.engine`."""

    threads: int

    @property
    def batch_seconds(self) -> float:
        """Sound that one call gets."""

    @property
    def overlaps(self) -> bool:
        """Whether several stages at once are quicker than one after the other."""

    def stop(self) -> None:
        """Ends whatever runs, from any thread and for good."""

    def load(self, backend: Backend, say: Callable[[str], None]) -> Any:
        """A backend's model, wherever it runs; what is tried in vain is told to `say`."""

    def batch(self, call: Callable[[Sequence[T]], list[R]], items: Sequence[T]) -> list[R | CaptionerError]: ...

    def each(
        self,
        call: Callable[[T], R],
        items: Sequence[T],
        done: Callable[[T, R | CaptionerError], None],
        tick: Callable[[], None] | None = None,
    ) -> None: ...

    def apart(
        self,
        work: Callable[[T, Callable[[Any], None]], R],
        items: Sequence[T],
        done: Callable[[T, R | CaptionerError], None],
        told: Callable[[T, Any], None] | None = None,
        tick: Callable[[], None] | None = None,
        seconds: float = inf,
        *,
        long: bool = False,
    ) -> None:
        """As `each`, in processes of their own where that is worth it; `work` stands at the top of a module. `seconds`:
        what it takes one core; infinite where it must not be done in this process."""


class Reporter(Protocol):
    """Told what goes on; see `captioner.cli`."""

    def stage(self, name: str, total: float, unit: str) -> None:
        """A stage begins; `total` of `unit` lie before it."""

    def advance(self, amount: float) -> None: ...

    def say(self, text: str) -> None:
        """One line that a person should see before what comes next."""
