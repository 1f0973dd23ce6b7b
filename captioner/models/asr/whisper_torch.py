"""Whisper on torch, for a GPU: several times as fast there as through CTranslate2, and the same words within rounding.

Takes transformers' models (a name, a hub repository or a folder) and CTranslate2's folders alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from captioner.errors import BackendMissing, ModelError, SettingsError, WeightsMissing
from captioner.models.asr import weights
from captioner.models.asr.calls import ON_CPU, Amounts
from captioner.models.asr.engine import Manner
from captioner.models.asr.transcribing import Whisper, check_language
from captioner.models.protocols import Transcriber

VERSION = "whisper-torch 1 contexts 6"

GPU_COMMAND = "pip install 'captioner[gpu]'"
LANES = 3
"""While the device is at one batch, words are made of those before."""
SHARE = 0.3
"""Of the GPU's free memory that one batch may take."""
MOST = 384_000
"""Frames of context in one call: past 128 full windows nothing gets faster."""
PIECES = 384
TRANSFORMERS = {"turbo": "openai/whisper-large-v3-turbo", "large": "openai/whisper-large-v3"}
"""Names that faster-whisper has for models that are called otherwise on the hub."""


@dataclass(frozen=True, slots=True)
class Options:
    model: str | None = None
    """tiny, base, small, medium, large-v3, turbo ..., a hub repository or a folder. None is base."""
    device: str = "auto"
    """cpu, cuda, cuda:1, or auto: a GPU where torch finds one."""
    beam_size: int = 5
    batch_size: int = 0
    """Most pieces decoded at once; 0 for what the processor takes. Halved by itself where memory runs out."""
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
    """Raises BackendMissing without torch, WeightsMissing, ModelError for a device that is not there, SettingsError."""
    if options.beam_size < 1 or options.batch_size < 0:
        raise SettingsError("asr_options: beam_size is 1 or more, batch_size 0 or more")
    try:
        import torch
    except ImportError as error:
        raise BackendMissing(f"asr whisper_torch: {error}; {GPU_COMMAND}, or choose faster_whisper") from error
    from faster_whisper.feature_extractor import FeatureExtractor
    from tokenizers import Tokenizer

    from captioner.models.asr.logmel import LogMel
    from captioner.models.asr.torched import Torched
    from captioner.models.asr.whispernet import Net

    device = torch_device(options.device)
    own, tokens = _weights(options.model)
    net = Net(own, device, torch.float16 if device.type == "cuda" else torch.float32)
    tokenizer = Tokenizer.from_file(str(tokens))
    filters = FeatureExtractor(feature_size=own.bands).mel_filters
    manner = Manner(options.beam_size, options.hotwords, options.verbatim)
    # English-only models have one token less, and no languages.
    multilingual = net.vocabulary >= 51865
    engine = Torched(net, LogMel(filters, device), tokenizer, multilingual, manner)
    check_language(options.language, engine)
    if device.type == "cuda":
        engine.warm()
    amounts = _on_gpu(net) if device.type == "cuda" else ON_CPU
    if options.batch_size:
        amounts = replace(amounts, pieces=options.batch_size)
    return Whisper(engine, options, amounts)


def _on_gpu(net: Any) -> Amounts:
    """As much at a time as the GPU's free memory holds."""
    import torch

    free, _ = torch.cuda.mem_get_info(net.device)
    # Bytes a frame: what the decoder keeps of the sound, and what the encoder has in hand at once.
    each = 2 * net.width * (net.decoder_layers + 8)
    frames = int(min(MOST, max(3000, SHARE * free / each)))
    return Amounts(pieces=PIECES, frames=frames, held=max(3000, frames // LANES), lanes=LANES)


def torch_device(asked: str) -> Any:
    """`auto`, `cpu`, `cuda`, `cuda:1` -> torch's device. Raises ModelError where there is no such GPU."""
    import torch

    name, _, place = asked.partition(":")
    if name not in ("auto", "cpu", "cuda") or (place and not place.isdigit()):
        raise SettingsError(f"device = {asked!r}: give auto, cpu, cuda, or one GPU such as cuda:1")
    count = torch.cuda.device_count() if name != "cpu" else 0
    if count > int(place or 0):
        return torch.device("cuda", int(place or 0))
    if name == "cuda":
        raise ModelError(f"device = {asked!r}: there is no such GPU for torch (it sees {count}); give auto or cpu")
    return torch.device("cpu")


def _weights(name: str | None) -> tuple[Any, Path]:
    """The weights and the tokenizer's file, of either layout."""
    from captioner.models.asr.whisperweights import read_ct2

    wanted = name or weights.DEFAULT
    folder = Path(wanted).expanduser()
    if not folder.is_dir() and wanted != weights.DEFAULT:
        return _from_transformers(repository_of(wanted))
    if folder.is_dir() and not (folder / "model.bin").is_file():
        return _from_transformers(str(folder))
    found = weights.find_weights(name)
    return read_ct2(found), found / "tokenizer.json"


def repository_of(name: str) -> str:
    """The hub's repository in transformers' layout that a name stands for."""
    return TRANSFORMERS.get(name, name if "/" in name else f"openai/whisper-{name}")


def _from_transformers(name: str) -> tuple[Any, Path]:
    from captioner.models.asr.whisperweights import from_transformers

    try:
        from huggingface_hub import hf_hub_download
        from transformers import WhisperForConditionalGeneration
    except ImportError as error:
        raise BackendMissing(f"asr whisper_torch: {error}; {GPU_COMMAND}, or choose faster_whisper") from error
    try:
        model = WhisperForConditionalGeneration.from_pretrained(name)
        folder = Path(name)
        tokens = folder / "tokenizer.json" if folder.is_dir() else Path(hf_hub_download(name, "tokenizer.json"))
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsMissing(
            f"Whisper {name}: it cannot be loaded ({str(error).strip().splitlines()[0]}); give its folder as `model`"
        ) from error
    if not tokens.is_file():
        raise WeightsMissing(f"{tokens}: there is no such file; a model folder has its tokenizer in it")
    aligned = getattr(model.generation_config, "alignment_heads", None)
    return from_transformers(model.state_dict(), int(model.config.decoder_attention_heads), aligned), tokens
