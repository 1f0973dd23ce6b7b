"""Networks on ONNX Runtime: on a GPU where its CUDA provider is installed and asked for, else on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from captioner.errors import ModelError, OutOfMemory, SettingsError, WeightsMissing
from captioner.models.fitting import says_memory

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
INSTALL = "pip uninstall -y onnxruntime, then pip install onnxruntime-gpu"


def on_gpu() -> bool:
    """Whether the ONNX Runtime that is installed brings its CUDA provider. Nothing is imported for this: the process
    that asks holds no models."""
    spec = find_spec("onnxruntime")
    places = (spec.submodule_search_locations if spec is not None else None) or ()
    return any(any(Path(place, "capi").glob("*onnxruntime_providers_cuda*")) for place in places)


class Network:
    """An opened network; may be run from several threads at once."""

    def __init__(self, session: Any, name: str) -> None:
        self._session, self._name = session, name

    @property
    def on_gpu(self) -> bool:
        return CUDA in self._session.get_providers()

    @property
    def inputs(self) -> list[tuple[str, tuple[int | None, ...]]]:
        """Name and shape of each input; None where any size goes."""
        return [
            (given.name, tuple(size if isinstance(size, int) and size > 0 else None for size in given.shape))
            for given in self._session.get_inputs()
        ]

    def run(self, given: Mapping[str, Any]) -> list[Any]:
        """Its outputs. Raises OutOfMemory, ModelError."""
        try:
            return list(self._session.run(None, dict(given)))
        except faults() as error:
            first = (str(error).strip().splitlines() or ["no details"])[0][:300]
            if isinstance(error, MemoryError) or says_memory(error):
                raise OutOfMemory(f"{self._name}: memory ran out ({first}); a smaller batch may fit") from error
            raise ModelError(f"{self._name} failed: {first}") from error


def session(name: str, threads: int, device: str = "cpu") -> Network:
    """A network that the package brings, on `device`: cpu, cuda or cuda:1. Raises WeightsMissing where the package
    lacks it, ModelError where the GPU cannot be had."""
    try:
        return opened(weights(name), name, threads, device)
    except faults() as error:
        raise WeightsMissing(f"{name}: ONNX Runtime cannot read it ({error}); install captioner again") from error


def weights(name: str) -> bytes:
    """A network's file that the package brings. Raises WeightsMissing where the package lacks it."""
    resource = files("captioner.models") / "weights" / name
    if not resource.is_file():
        raise WeightsMissing(f"{name} is missing from the captioner package; install captioner again")
    return resource.read_bytes()


def opened(model: bytes | str, name: str, threads: int, device: str = "cpu") -> Network:
    """Any network, by its bytes or its path. Raises what `faults` lists where it cannot be read, ModelError where the
    GPU cannot be had."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Batches vary in size: an arena sized for the largest would be kept for ever.
    options.enable_cpu_mem_arena = False
    wanted = providers(device)
    opened_ = onnxruntime.InferenceSession(model, options, providers=wanted)
    if len(wanted) > 1 and CUDA not in opened_.get_providers():
        # It goes on on the CPU by itself, and says so in a log only.
        raise ModelError(
            f"ONNX Runtime's CUDA provider does not start on {device}: its CUDA and cuDNN libraries must be those that "
            "it was made for (`captioner doctor` lists what is here)"
        )
    return Network(opened_, name)


def providers(device: str) -> list[Any]:
    """What ONNX Runtime is to compute with, the best first. Raises SettingsError for no such name, ModelError where the
    GPU cannot be had."""
    import onnxruntime

    name, _, place = device.partition(":")
    if device not in ("auto", "cpu", "cuda") and not (name == "cuda" and place.isdigit()):
        raise SettingsError(f"device = {device!r}: give auto, cpu, cuda, or one GPU such as cuda:1")
    if name == "cpu" or (name == "auto" and CUDA not in onnxruntime.get_available_providers()):
        return [CPU]
    if CUDA not in onnxruntime.get_available_providers():
        raise ModelError(f"device = {device!r}: this ONNX Runtime has no CUDA provider ({INSTALL}); give auto or cpu")
    from captioner.models import cuda

    found = cuda.ready()
    if not found.usable:
        if name == "auto":
            return [CPU]
        raise ModelError(f"device = {device!r}: {found.why}; give auto or cpu")
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # NVIDIA's wheels: cuDNN and the rest, as `cuda` does for cuBLAS
    return [
        (
            CUDA,
            {
                "device_id": int(place or 0),
                # As on the CPU to within rounding: half of TF32's mantissa is gone.
                "use_tf32": 0,
                # Lengths vary: each new one would be tried out with every algorithm there is.
                "cudnn_conv_algo_search": "HEURISTIC",
                # Several processes share the card: take what is needed, not the next power of two.
                "arena_extend_strategy": "kSameAsRequested",
            },
        ),
        CPU,
    ]


def faults() -> tuple[type[BaseException], ...]:
    """What ONNX Runtime raises: its errors have no base of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoModel", "NotImplemented",
             "RuntimeException")  # fmt: skip
    return (RuntimeError, ValueError, MemoryError, *(getattr(state, name) for name in names if hasattr(state, name)))
