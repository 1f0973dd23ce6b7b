"""Several devices, one process each: a batch is shared by length, and a device that fails leaves the run alive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from threading import Lock
from typing import Any

from captioner.engine.remote import Remote, StandIn
from captioner.errors import CaptionerError, ModelError, UsageError

STRIKES = 2
"""Calls that must fail on one device and go well on another before the device is left out."""


class Fleet(StandIn):
    """One model on several devices; stands in for it. What each device hears is decided by the items' lengths and by
    the first one's name, never by who is quicker. Several batches may be asked about at the same time."""

    def __init__(self, remotes: Sequence[Remote], say: Callable[[str], None]) -> None:
        self._remotes = list(remotes)
        self._strikes = dict.fromkeys(range(len(self._remotes)), 0)
        self._say = say
        self._turn = Lock()

    def _call(self, method: str, batch: Sequence[Any], rest: tuple[Any, ...], progress: Any) -> list[Any]:
        items = list(batch)
        answers: list[Any] = [None] * len(items)
        failed: list[tuple[int, list[int], ModelError]] = []
        live = _turned([index for index, strikes in self._strikes.items() if strikes < STRIKES], items)
        with ThreadPoolExecutor(len(live), thread_name_prefix="captioner-device") as pool:
            jobs = [
                (index, own, pool.submit(self._remotes[index]._call, method, [items[i] for i in own], rest, progress))
                for index, own in zip(live, shares([length(item) for item in items], len(live)), strict=True)
                if own
            ]
            for index, own, job in jobs:
                try:
                    for place, answer in zip(own, job.result(), strict=True):
                        answers[place] = answer
                except UsageError:
                    raise
                except ModelError as error:
                    failed.append((index, own, error))
        for index, own, why in failed:
            done = self._elsewhere(index, [items[i] for i in own], why, method, rest, progress)
            for place, answer in zip(own, done, strict=True):
                answers[place] = answer
        return answers

    def _elsewhere(
        self, index: int, items: list[Any], error: ModelError, method: str, rest: tuple[Any, ...], progress: Any
    ) -> list[Any]:
        """The share of a device that failed, on the next one. Raises its error where that fails as well: then the
        items are to blame."""
        others = [other for other, strikes in self._strikes.items() if strikes < STRIKES and other != index]
        for other in others:
            try:
                done = self._remotes[other]._call(method, items, rest, progress)
            except UsageError:
                raise
            except CaptionerError:
                break
            with self._turn:
                # Another thread may just have left out the one that did well: somebody must stay.
                stays = any(strikes < STRIKES for other, strikes in self._strikes.items() if other != index)
                self._strikes[index] += stays
                last = stays and self._strikes[index] == STRIKES
            if last:
                self._say(f"{self._remotes[index].device} failed {STRIKES} times and is left out ({error})")
            return done
        raise error


def _turned(devices: list[int], items: Sequence[Any]) -> list[int]:
    """The devices, begun with another one for each batch: batches of few items would else all go to the first. The
    same for every model that is asked about a batch, so that what one process knows of a file serves both."""
    if not items or not devices:
        return devices
    name = str(getattr(getattr(items[0], "audio", items[0]), "name", ""))
    first = int.from_bytes(blake2b(name.encode(errors="replace"), digest_size=4).digest(), "big") % len(devices)
    return devices[first:] + devices[:first]


def shares(lengths: Sequence[float], devices: int) -> list[list[int]]:
    """Which items each device gets: the longest first, each to whoever has least; in order within a device."""
    own: list[list[int]] = [[] for _ in range(devices)]
    loads = [0.0] * devices
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        least = min(range(devices), key=lambda device: (loads[device], device))
        own[least].append(index)
        loads[least] += lengths[index]
    return [sorted(part) for part in own]


def length(item: Any) -> float:
    """Seconds of a waveform, a listening or an excerpt; 1 for what has no length."""
    return float(getattr(getattr(item, "audio", item), "duration", 1.0))
