"""Batches that fit the memory there is: one that does not is halved, and the smaller size is remembered.

Every runtime says in its own way that memory ran out; `memory_watched` makes one error of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from captioner.errors import OutOfMemory

T = TypeVar("T")
R = TypeVar("R")

_SIGNS = ("out of memory", "bad_alloc", "failed to allocate", "alloc_failed", "cannot allocate memory")
"""What CUDA, PyTorch, CTranslate2, cuBLAS and ONNX Runtime write, in lower case."""


def is_memory(error: BaseException) -> bool:
    """Whether an error of any runtime says that memory ran out."""
    return isinstance(error, MemoryError | OutOfMemory) or (isinstance(error, RuntimeError) and says_memory(error))


def says_memory(error: BaseException) -> bool:
    """Whether its words are those of a runtime that has no memory left."""
    return any(sign in str(error).lower() for sign in _SIGNS)


@contextmanager
def memory_watched(what: str) -> Iterator[None]:
    """Raises OutOfMemory, which names `what`, in place of whatever a runtime raises when memory runs out."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_memory(error):
            raise
        first = (str(error).strip().splitlines() or ["no details"])[0]
        raise OutOfMemory(f"{what}: memory ran out ({first[:200]}); a smaller batch may fit") from error


class Room:
    """How much goes into one call, in units of the caller's. It only ever shrinks."""

    def __init__(self, most: int) -> None:
        self.most = max(1, most)

    def shrink(self, tried: int) -> None:
        """`tried` was too much."""
        self.most = max(1, min(self.most, tried // 2))


def served(call: Callable[[Sequence[T]], list[R]], items: Sequence[T], room: Room) -> list[R]:
    """One answer an item, in order, `room` items a call and fewer where memory runs out."""
    done: list[R] = []
    while len(done) < len(items):
        done += fitted(call, items[len(done) : len(done) + room.most], room)
    return done


def fitted(
    call: Callable[[Sequence[T]], list[R]], items: Sequence[T], room: Room, size: Callable[[T], int] = lambda _: 1
) -> list[R]:
    """One answer an item, in order: of one call, or of two where memory ran out, and so on down to single items.

    `size` says what an item takes of `room`. Raises OutOfMemory for an item that does not fit by itself.
    """
    try:
        return list(call(items))
    except OutOfMemory:
        if len(items) < 2:
            raise
    room.shrink(sum(map(size, items)))
    middle = len(items) // 2
    return fitted(call, items[:middle], room, size) + fitted(call, items[middle:], room, size)
