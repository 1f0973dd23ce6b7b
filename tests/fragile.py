"""A backend that does to its process what native code may do; for tests of containment only."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from captioner.errors import Broken, ModelError

VERSION = "fragile 1"


@dataclass(frozen=True, slots=True)
class Options:
    device: str = "auto"
    room: int = 10**6
    """Items above which memory runs out."""
    refuses: tuple[str, ...] = ()
    """Devices that it does not load on."""


@dataclass(frozen=True, slots=True)
class Named:
    """A recording to be heard."""

    name: str
    duration: float = 300.0


@dataclass(frozen=True, slots=True)
class Bare:
    """Options of a backend that knows the CPU alone."""

    threads: int = 0


def load(options: Options | Bare) -> Fragile:
    if isinstance(options, Bare):
        return Fragile(Options(device=f"{options.threads} threads"))
    if options.device in options.refuses:
        raise ModelError(f"no {options.device} today")
    return Fragile(options)


class Fragile:
    """Answers each word with the word, its process and its device, unless the word is an order."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def tag(self, audios: Sequence[Any], progress: Any = None) -> list[Any]:
        if len(audios) > self._options.room:
            raise MemoryError("too many")
        for word in audios:
            _obey(word)
            if progress is not None:
                progress(1.0)
        return [
            (MappingProxyType({"of": word}) if word == "fixed" else word, os.getpid(), self._options.device)
            for word in audios
        ]

    listen = tag


def _obey(word: str) -> None:
    if word == "abort":
        os.abort()
    elif word == "hang":
        time.sleep(600)
    elif word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "memory":
        raise MemoryError
    elif word == "bug":
        raise ZeroDivisionError("a bug in somebody's library")
    elif word == "print":
        os.write(1, b"libraries print what they like\n" * 100)
    elif word == "fixed":
        return
    elif word == "broken":
        raise Broken("broken.wav: cannot be read; replace it")
