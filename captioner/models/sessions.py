"""The networks that the package brings, on ONNX Runtime's CPU provider."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from captioner.errors import WeightsMissing


def session(name: str, threads: int) -> Any:
    """An embedded network. Raises WeightsMissing where the package lacks it."""
    import onnxruntime

    resource = files("captioner.models") / "weights" / name
    if not resource.is_file():
        raise WeightsMissing(f"{name} is missing from the captioner package; install captioner again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Batches vary in size: an arena sized for the largest would be kept for ever.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(resource.read_bytes(), options, providers=["CPUExecutionProvider"])
