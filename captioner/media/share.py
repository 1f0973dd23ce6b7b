"""Which worker processes a GPU's video decoder helps: read by those who start them, without loading any decoder."""

from __future__ import annotations

import os
from collections.abc import Sequence

WORKER = "CAPTIONER_WORKER"
"""The environment variable that tells a worker process its number, from 0."""


def gpu_of_this_process(gpus: Sequence[int]) -> int | None:
    """`gpus` names a GPU once for each process that may decode on it; who comes later decodes on its core: None."""
    worker = int(os.environ.get(WORKER, "0"))
    return gpus[worker] if worker < len(gpus) else None
