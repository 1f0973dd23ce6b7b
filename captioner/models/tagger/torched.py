"""AudioSet classifiers of transformers: AST and CED. Torch is imported when one is opened, not before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from captioner.errors import BackendMissing, ModelError, WeightsMissing
from captioner.models.protocols import Samples
from captioner.models.tagger import hub
from captioner.models.tagger.listening import Scores
from captioner.models.tagger.runtimes import probabilities

GPU_COMMAND = 'pip install "captioner[gpu]"'
CONFIG = ("config.json",)


@dataclass(frozen=True, slots=True)
class TorchScorer:
    """Scores windows with a transformers audio classifier, half precision on a GPU."""

    model: Any
    labels: tuple[str, ...]
    window: int
    batch: int
    prepare: Callable[[Any], Any]
    """A tensor of windows to what the model looks at, on the same device."""
    device: Any
    half: bool
    logits: bool = False
    """Whether it surely answers with logits; of others their range tells."""

    def score(self, windows: Samples) -> Scores:
        import torch

        try:
            with torch.inference_mode():
                # The front end in full precision: half cannot hold the power of a loud window.
                given = self.prepare(torch.from_numpy(windows).to(self.device))
                answer = self.model(given.half() if self.half else given).logits
        except RuntimeError as error:  # torch's out-of-memory error is one
            raise ModelError(
                f"the tagger failed on {self.device}: {error}; give a smaller batch, "
                f"tagger_options: {{batch: {max(1, self.batch // 2)}}}"
            ) from error
        answer = answer.float().sigmoid() if self.logits else answer.float()
        return probabilities(np.asarray(answer.cpu().numpy(), np.float32))


def open_classifier(
    name: str,
    *,
    window: int,
    batch: int,
    device: str,
    prepare: Callable[[Any], Any],
    trust: bool = False,
    logits: bool = False,
) -> TorchScorer:
    """A classifier from a folder or the hub, on `device`: auto, cpu, cuda, cuda:1.

    Raises BackendMissing without torch and transformers, WeightsMissing where the model cannot be had.
    """
    try:
        import torch
        from transformers import AutoModelForAudioClassification
    except ImportError as error:
        raise BackendMissing(f"tagger: {error}; {GPU_COMMAND}, or {hub.WITHOUT}") from error
    instead = f"Give a folder with it as tagger_options: {{model: FOLDER}}, or {hub.WITHOUT}"
    folder = Path(name).expanduser()
    source = str(folder) if folder.is_dir() else _repository(name, instead)
    chosen = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    half = chosen.type == "cuda"
    try:
        with no_bars():
            model = AutoModelForAudioClassification.from_pretrained(source, trust_remote_code=trust)
        model = model.to(chosen, torch.float16 if half else torch.float32).eval()
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise WeightsMissing(f"the tagger {name} cannot be loaded: {error}. {instead}") from error
    names = model.config.id2label
    labels = tuple(str(names[place]) for place in sorted(names))
    return TorchScorer(model, labels, window, batch, prepare, chosen, half, logits)


@contextmanager
def no_bars() -> Iterator[None]:
    """transformers draws progress bars over ours."""
    from transformers.utils import logging

    drawn = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if drawn:
            logging.enable_progress_bar()


def _repository(name: str, instead: str) -> str:
    """The name, once the hub is known to answer or the model to be here: transformers alone waits for minutes."""
    hub.fetched(name, CONFIG, instead)
    return name
