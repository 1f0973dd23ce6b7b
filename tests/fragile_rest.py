"""The half on the CPU of `fragile_halves`: without limits of its own."""

from __future__ import annotations

from dataclasses import replace

from tests.fragile import Options
from tests.fragile_halves import Half

ONE_CORE = True


def load(options: Options) -> Half:
    return Half(replace(options, room=10**6), "rest")
