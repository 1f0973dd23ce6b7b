"""The half on the GPU of `fragile_halves`."""

from __future__ import annotations

from captioner.errors import ModelError
from tests.fragile import Options
from tests.fragile_halves import Half


def load(options: Options) -> Half:
    if options.device in options.refuses:
        raise ModelError(f"no {options.device} today")
    return Half(options, "net")
