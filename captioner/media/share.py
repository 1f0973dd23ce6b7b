"""Which worker processes a GPU's video decoder helps: read by those who start them, without loading any decoder."""

from __future__ import annotations

import os
from collections.abc import Sequence

WORKER = "CAPTIONER_WORKER"
"""The environment variable that tells a worker process its number, from 0."""

SESSIONS = 16
"""Workers that decode on one GPU, each with 300 to 400 MB of its memory; the others decode on their cores."""


def gpu_of_this_process(gpus: Sequence[int]) -> int | None:
    """Workers take the GPUs in turn. None where there are none, or enough others have them."""
    worker = int(os.environ.get(WORKER, "0"))
    return gpus[worker % len(gpus)] if gpus and worker < SESSIONS * len(gpus) else None
