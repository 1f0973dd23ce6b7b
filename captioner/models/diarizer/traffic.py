"""What goes to a GPU and comes back without anybody waiting, how much goes at once, and how exactly it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def put(tensor: Any, device: Any) -> Any:
    """On the device, without waiting for what it has in hand: a copy from ordinary memory would."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


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


@contextmanager
def arithmetic(*, loose: bool) -> Iterator[None]:
    """Convolutions in TensorFloat-32 where that is good enough; filter banks and statistics never. Left as it was
    found: others share the process. It holds for all threads."""
    import torch

    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    convolutions.allow_tf32, products.allow_tf32 = loose, False
    try:
        yield
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before
