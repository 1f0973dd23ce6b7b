"""One forward pass over the pictures of a recording, shared by all who want some of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeVar

from captioner.media.picture import Converter
from captioner.media.showing import Shown, Stretch


class Taker(Protocol):
    """Somebody who wants pictures of a recording, such as a clip that is written."""

    @property
    def stretch(self) -> Stretch:
        """The pictures that must be decoded for it."""

    def wants(self, shown: Shown) -> Any:
        """What it makes of a picture; something false where it makes nothing of it."""


T = TypeVar("T", bound=Taker)


def taken(source: Iterable[Shown], takers: Iterable[T], converter: Converter) -> Iterator[tuple[T, Any, Any]]:
    """(taker, finished picture, what the taker said of it) in the order of the pictures.

    Deinterlacing is shown the pictures of a taker's stretch that nobody wants, too: it needs the neighbours.
    """
    coming = deque(sorted(takers, key=lambda taker: taker.stretch.start))
    active: list[T] = []
    uses: dict[int, list[tuple[T, Any]]] = {}
    for number, shown in enumerate(source):
        while coming and coming[0].stretch.start < shown.until:
            active.append(coming.popleft())
        active = [taker for taker in active if taker.stretch.end > shown.time]
        here = [(taker, wanted) for taker in active if (wanted := taker.wants(shown))]
        if converter.deinterlaces and (shown.jumped or not active):
            yield from _handed(converter.drain(), uses)
        if here or (active and converter.deinterlaces):
            uses[number] = here
            yield from _handed(converter.convert(shown.frame, number, shown.windowed), uses)
    yield from _handed(converter.drain(), uses)


def _handed(finished: Iterator[tuple[int, Any]], uses: dict[int, list[tuple[T, Any]]]) -> Iterator[tuple[T, Any, Any]]:
    for number, frame in finished:
        for taker, wanted in uses.pop(number):
            yield taker, frame, wanted
