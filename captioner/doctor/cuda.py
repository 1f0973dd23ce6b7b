"""GPU, driver and CUDA libraries against what CTranslate2, torch and ONNX Runtime need: pure."""

from __future__ import annotations

from collections.abc import Iterator

from captioner.doctor.advice import Advice, bad, fine, note, warning
from captioner.doctor.facts import Facts, Outcome
from captioner.doctor.versions import numbers

DRIVERS = {11: (450, 80), 12: (525, 60), 13: (580, 0)}
"""The first driver, on Linux, that runs a CUDA generation."""

CUBLAS = "pip install nvidia-cublas-cu12"


def check_cuda(facts: Facts) -> Iterator[Advice]:
    """What keeps a GPU from being used, or says that there is none."""
    driver = facts.driver
    if driver is None:
        if facts.system == "darwin":
            yield note("gpu", "macOS has no CUDA", "everything runs on the processor")
        else:
            yield note("gpu", "no NVIDIA driver is installed", "everything runs on the processor: slower, and the same")
        yield from _torch_for_nothing(facts)
        return
    if driver.trouble:
        yield bad(
            "gpu", f"the NVIDIA driver is installed and does not answer: {driver.trouble}",
            "after an update it waits for a restart; in a container the GPU was not passed in", "nvidia-smi",
        )  # fmt: skip
        return
    if not driver.gpus:
        yield bad(
            "gpu", f"driver {driver.version or '?'} and no GPU that can be used",
            "CUDA_VISIBLE_DEVICES may hide it, or a container was started without it", "nvidia-smi -L",
        )  # fmt: skip
        return
    serious = list(_against_driver(facts))
    yield from serious
    yield from _ctranslate2(facts)
    yield from _torch(facts)
    if not serious:
        yield fine("gpu", f"{', '.join(driver.gpus)}; driver {driver.version or '?'}, CUDA {driver.cuda or '?'}")


def _torch_for_nothing(facts: Facts) -> Iterator[Advice]:
    torch = facts.tried.get("torch")
    if torch and torch.outcome is Outcome.FINE and torch.facts.get("cuda") and facts.system != "darwin":
        yield note(
            "gpu", f"torch {torch.facts.get('version')} is a CUDA build", "it takes gigabytes and finds no GPU here"
        )


def _against_driver(facts: Facts) -> Iterator[Advice]:
    assert facts.driver is not None
    version = numbers(facts.driver.version or "")
    for name in ("torch",):
        tried = facts.tried.get(name)
        wants = numbers(str(tried.facts.get("cuda") or "")) if tried else ()
        if not wants:
            continue
        too_old = (facts.driver.cuda is not None and wants[0] > facts.driver.cuda) or (
            bool(version) and facts.system == "linux" and version[:2] < DRIVERS.get(wants[0], (0, 0))
        )
        if too_old:
            least = ".".join(map(str, DRIVERS.get(wants[0], ()))) or "a newer one"
            yield bad(
                "gpu",
                f"{name} is built for CUDA {'.'.join(map(str, wants[:2]))}, and driver {facts.driver.version} runs "
                f"CUDA {facts.driver.cuda}",
                f"it finds no GPU and works on the processor; CUDA {wants[0]} needs driver {least} or later",
                "sudo apt-get install nvidia-driver-580",
            )  # fmt: skip


def _ctranslate2(facts: Facts) -> Iterator[Advice]:
    tried = facts.tried.get("ctranslate2")
    if tried is None or tried.outcome is not Outcome.FINE:
        return
    if not tried.facts.get("devices"):
        yield warning(
            "gpu", f"CTranslate2 {tried.facts.get('version')} sees no GPU",
            "it transcribes on the processor, some fifty times slower: its build has no CUDA (there is none for this "
            "system), or the driver is older than CUDA 12", "pip install --force-reinstall --no-deps ctranslate2",
        )  # fmt: skip
    elif not facts.cublas and facts.system == "linux":
        yield bad(
            "gpu", "there is a GPU and no cuBLAS, neither of CUDA 12 nor of 13",
            "CTranslate2 asks for libcublas.so.12 when it first computes, and aborts the process without it", CUBLAS,
        )  # fmt: skip
    elif tried.facts.get("cublas_error"):
        yield bad(
            "gpu", f"cuBLAS does not start: {tried.facts['cublas_error']}",
            "CTranslate2 would abort the process when it first computes", CUBLAS + " --force-reinstall",
        )  # fmt: skip
    elif 12 not in facts.cublas and facts.cublas:
        yield fine("gpu", f"cuBLAS of CUDA 13 stands in for 12's ({facts.cublas[13]})")
    elif facts.cublas:
        yield fine("gpu", f"cuBLAS 12: {facts.cublas[12]}")


def _torch(facts: Facts) -> Iterator[Advice]:
    tried = facts.tried.get("torch")
    if tried is None or tried.outcome is not Outcome.FINE:
        return
    if not tried.facts.get("cuda"):
        yield warning(
            "gpu", f"torch {tried.facts.get('version')} is built for the processor only",
            "diarization, tagging and describing leave the GPU unused",
            "pip install --force-reinstall torch==2.11.0 torchaudio==2.11.0",
        )  # fmt: skip
    elif tried.facts.get("error"):
        said = str(tried.facts["error"])
        yield bad(
            "gpu", f"torch does not compute on the GPU: {said}",
            "this build has no code for this GPU" if "kernel image" in said else "whatever needs torch fails with it",
            "pip install --force-reinstall torch==2.11.0 torchaudio==2.11.0",
        )  # fmt: skip
    else:
        yield fine("gpu", f"torch {tried.facts.get('version')} computes on the GPU")
