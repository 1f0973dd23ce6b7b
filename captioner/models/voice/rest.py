"""The voice measures beside `networks`: what needs no network, and that too where a clip comes without its answers."""

from __future__ import annotations

import os
from functools import cache

from captioner.models.voice import measured
from captioner.models.voice.hearing import Hearing

ONE_CORE = True


def load(options: measured.Options) -> measured.Measured:
    """The networks are loaded when a clip first needs them: where they compute on a GPU that is never."""
    return measured.Measured(cache(Hearing), options.threads or os.cpu_count() or 1)
