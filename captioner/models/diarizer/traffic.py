"""How much goes to a GPU at once, and how its answers come back without anybody waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

ON_CPU = 16
"""Windows at once on a processor."""
MOST = 256
"""Windows at once on a GPU: more are no faster."""
PER_WINDOW = 100 << 20
"""Bytes of GPU memory that a window may take, at most."""


def fitting(device: Any) -> int:
    """Windows at once: as many as half of the free memory holds."""
    import torch

    if device.type != "cuda":
        return ON_CPU
    free, _ = torch.cuda.mem_get_info(device)
    return int(max(1, min(MOST, free // 2 // PER_WINDOW)))


def fetched(answer: Any) -> Callable[[], NDArray[Any]]:
    """The answer's way back is begun, behind nothing that is given to the device later: what gives it once it is
    there."""
    import torch

    if answer.device.type != "cuda":
        return lambda: np.asarray(answer.numpy())
    here, there = answer.to("cpu", non_blocking=True), torch.cuda.Event(blocking=True)  # others need the core
    there.record(torch.cuda.current_stream(answer.device))  # the device in use may be another one

    def get() -> NDArray[Any]:
        there.synchronize()
        return np.asarray(here.numpy())

    return get
