"""A backend in two halves that do to their processes what native code may do; for tests of containment only.

Orders are told with whom they are for: `net:abort`, `rest:abort`, `all:abort`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests import fragile

VERSION = "halves 1"
ONE_CORE = True
NETWORKS = "tests.fragile_networks"
REST = "tests.fragile_rest"
Options = fragile.Options


@dataclass(frozen=True, slots=True)
class Known:
    """A word, and what the networks said of it."""

    word: str
    heard: tuple[Any, ...]


both = Known


class Half:
    """Obeys what is for `name`."""

    def __init__(self, options: fragile.Options, name: str) -> None:
        self._half, self._name = fragile.Fragile(options), name

    def tag(self, audios: Sequence[Any], progress: Any = None) -> list[Any]:
        words = [item.word if isinstance(item, Known) else item for item in audios]
        orders = [word.split(":")[1] if word.split(":")[0] in (self._name, "all") else "calm" for word in words]
        answers = self._half.tag(orders, progress)
        return [
            (word, pid, device, item.heard if isinstance(item, Known) else None)
            for word, item, (_, pid, device) in zip(words, audios, answers, strict=True)
        ]


def load(options: fragile.Options) -> Half:
    """The whole."""
    return Half(options, "whole")
