"""A machine with a GPU, for which the CPU stands in."""

from __future__ import annotations

from typing import Any

from captioner.backends import Backend
from captioner.engine.loading import CPU, Models


class OneGpu(Models):
    """Whatever is meant for a GPU is loaded, in the process that it would have, on the CPU."""

    def _ways(self, backend: Backend, device: str, **changes: Any) -> Any:
        return super()._ways(backend, CPU if device.startswith("cuda") else device, **changes)
