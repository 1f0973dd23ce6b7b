"""faster-whisper on CTranslate2: Whisper with word times, every recording's pieces through the model together.

Each piece has a context of its own (see `packing`), so what is heard in a recording depends on that recording alone;
what batching leaves out of Whisper's own loop is put back by `guards`: a piece with a fault is heard again by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from captioner.errors import BackendMissing, ModelError, SettingsError
from captioner.models import cuda
from captioner.models.asr import weights
from captioner.models.asr.calls import ON_CPU, Amounts
from captioner.models.asr.ct2 import CT2
from captioner.models.asr.engine import Manner
from captioner.models.asr.transcribing import Whisper, check_language
from captioner.models.protocols import Transcriber

VERSION = "faster-whisper-1.2 contexts 6"

ON_GPU = Amounts(pieces=192, frames=192_000, held=192_000, lanes=3)
"""64 full windows at a time, in three lanes: their decoders' small steps leave most of a GPU to the next encoder."""


@dataclass(frozen=True, slots=True)
class Options:
    model: str | None = None
    """tiny, base, small, medium, large-v3, turbo ..., a hub repository or a folder. None is base."""
    device: str = "auto"
    """cpu, cuda, cuda:1, or auto: a GPU where CTranslate2 finds one."""
    compute_type: str = "auto"
    """CTranslate2's: auto is int8 on a CPU and float16 on a GPU."""
    beam_size: int = 5
    threads: int = 0
    """CPU threads; 0 for one a core."""
    batch_size: int = 0
    """Most pieces decoded at once; 0 for what the processor takes. Halved by itself where memory runs out."""
    encoder: str = "auto"
    """What encodes: ct2, torch (several times as fast on a GPU), or auto: torch where it is installed and a GPU is
    used. The decoder is CTranslate2's in any case."""
    language: str | None = None
    """ISO 639-1 of every recording that does not come with its own; None to detect it for each."""
    hotwords: tuple[str, ...] = ()
    """Names to expect."""
    verbatim: bool = False
    """Whether to coax Whisper, by an English prompt, to write down every `um`."""


def fingerprint(options: Options) -> tuple[str, ...]:
    """What the options do not say of the weights."""
    return weights.fingerprint(options.model)


def load(options: Options) -> Transcriber:
    """Raises WeightsMissing, ModelError where CTranslate2 refuses device or type, SettingsError for a wrong option."""
    if options.beam_size < 1 or options.batch_size < 0 or options.threads < 0:
        raise SettingsError("asr_options: beam_size is 1 or more, batch_size and threads 0 or more")
    folder = weights.find_weights(options.model)
    device, index = device_of(options.device)
    amounts = ON_GPU if device == "cuda" else ON_CPU
    if options.batch_size:
        amounts = replace(amounts, pieces=options.batch_size)
    kind = options.compute_type
    if kind == "auto":
        kind = "int8" if device == "cpu" else "float16"
    model = _open(str(folder), device, index, kind, options.threads, amounts.lanes)
    manner = Manner(options.beam_size, options.hotwords, options.verbatim)
    engine = _engine(model, manner, folder, options.encoder, device, index)
    check_language(options.language, engine)
    return Whisper(engine, options, amounts)


def _engine(model: Any, manner: Manner, folder: Path, encoder: str, device: str, index: int) -> CT2:
    """Raises BackendMissing where torch is asked for and not there."""
    if encoder not in ("auto", "ct2", "torch"):
        raise SettingsError(f"asr_options: encoder = {encoder!r}: give auto, ct2 or torch")
    with_torch = encoder == "torch" or (encoder == "auto" and device == "cuda" and find_spec("torch") is not None)
    if with_torch:
        try:
            import torch
        except ImportError as error:
            raise BackendMissing(f"asr_options: encoder: torch: {error}; pip install 'captioner[gpu]'") from error
        if device == "cpu" or torch.cuda.device_count() > index:
            from captioner.models.asr.hybrid import Hybrid

            return Hybrid(
                model, manner, folder, torch.device(device, index) if device == "cuda" else torch.device("cpu")
            )
    return CT2(model, manner, on_gpu=device == "cuda")


def device_of(asked: str) -> tuple[str, int]:
    """`auto`, `cpu`, `cuda`, `cuda:1` -> what CTranslate2 is told. Raises ModelError where there is no such GPU."""
    name, _, place = asked.partition(":")
    if name not in ("auto", "cpu", "cuda") or (place and not place.isdigit()):
        raise SettingsError(f"device = {asked!r}: give auto, cpu, cuda, or one GPU such as cuda:1")
    if name == "cpu":
        return "cpu", 0
    found = cuda.ready()
    import ctranslate2

    count = ctranslate2.get_cuda_device_count() if found.usable else 0
    if count > int(place or 0):
        return "cuda", int(place or 0)
    if name == "auto":
        return "cpu", 0
    why = found.why if not found.usable else f"CTranslate2 sees {count} GPUs"
    raise ModelError(f"device = {asked!r}: there is no such GPU for CTranslate2 ({why}); give auto or cpu")


def _open(folder: str, device: str, index: int, kind: str, threads: int, lanes: int) -> Any:
    from faster_whisper import WhisperModel

    try:
        return WhisperModel(
            folder, device=device, device_index=index, compute_type=kind, cpu_threads=threads, num_workers=lanes,
            local_files_only=True,
        )  # fmt: skip
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"{folder}: CTranslate2 cannot load it on {device} as {kind} ({error}); "
            "try asr_options: {device: cpu, compute_type: int8}"
        ) from error
