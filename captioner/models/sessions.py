"""The networks that the package brings, on ONNX Runtime: its CUDA provider where that is installed and asked for."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from captioner.errors import WeightsMissing

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"


def session(name: str, threads: int, device: str = "cpu") -> Any:
    """An embedded network on `device`: cpu, or cuda and cuda:1 where ONNX Runtime has its CUDA provider (the package
    onnxruntime-gpu), else the CPU. Raises WeightsMissing where the package lacks it."""
    import onnxruntime

    resource = files("captioner.models") / "weights" / name
    if not resource.is_file():
        raise WeightsMissing(f"{name} is missing from the captioner package; install captioner again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Batches vary in size: an arena sized for the largest would be kept for ever.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(resource.read_bytes(), options, providers=providers(device))


def providers(device: str) -> list[Any]:
    """What ONNX Runtime is to compute with, the best first."""
    import onnxruntime

    name, _, place = device.partition(":")
    if name != "cuda" or CUDA not in onnxruntime.get_available_providers():
        return [CPU]
    from captioner.models import cuda

    if not cuda.ready().usable:
        return [CPU]
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # NVIDIA's wheels: cuDNN and the rest, as `cuda` does for cuBLAS
    return [(CUDA, {"device_id": int(place or 0)}), CPU]
