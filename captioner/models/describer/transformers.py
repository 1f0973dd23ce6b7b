"""Vision-language models on this machine, through transformers' image-text-to-text pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

from captioner.captions.text import one_line
from captioner.errors import BackendMissing, DescriptionError, ModelError, SettingsError, WeightsMissing
from captioner.models.describer.looking import Looking
from captioner.models.describer.wording import plain, refused, whole_sentences
from captioner.models.protocols import Describer, Description, View

VERSION = "1"

NEEDED = ("torch", "transformers", "PIL")
SPECIAL = 2
"""Tokens of an answer that its text does not show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Looking):
    model: str = "Qwen/Qwen2.5-VL-3B-Instruct"
    """A model of the hub with the task image-text-to-text, or a folder with one."""
    revision: str | None = None
    """Its commit, branch or tag."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps, or auto: a GPU where torch finds one."""
    dtype: str = "auto"
    """float32, float16, bfloat16, or auto: as the weights are stored."""

    def __post_init__(self) -> None:
        Looking.__post_init__(self)
        if not isinstance(self.model, str) or not self.model.strip():
            raise SettingsError("describer transformers: no model; give describer_options: {model: name or folder}")

    @property
    def who(self) -> str:
        return f"{self.model} on this machine"


def fingerprint(options: Options) -> tuple[tuple[str, int, int], ...] | None:
    """Of a folder's files: name, size and time; a model of the hub is told by its name and revision."""
    folder = Path(options.model)
    if not folder.is_dir():
        return None
    stats = [(path.name, path.stat()) for path in sorted(folder.iterdir()) if path.is_file()]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def ready(_options: Options) -> None:
    """Raises BackendMissing where a package is not installed."""
    lacking = [name for name in NEEDED if find_spec(name) is None]
    if lacking:
        raise BackendMissing(
            f"describer transformers: {', '.join(lacking)} is not installed; pip install 'captioner[gpu]', "
            "or choose --describer openai with a server, or none"
        )


def load(options: Options) -> Describer:
    """Raises BackendMissing, WeightsMissing where the model cannot be had, ModelError where it cannot be loaded."""
    ready(options)
    import torch
    from transformers import pipeline

    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        model = pipeline(
            "image-text-to-text", model=options.model, revision=options.revision, device=device, dtype=options.dtype
        )
    except OSError as error:
        raise WeightsMissing(
            f"describer transformers: {options.model} cannot be had ({one_line(str(error))[:200]}); "
            "give describer_options model a folder, or connect to the hub"
        ) from error
    except (ValueError, RuntimeError, KeyError, ImportError) as error:
        raise ModelError(
            f"describer transformers: {options.model} cannot be loaded on {device} ({one_line(str(error))[:200]}); "
            "choose a model with the task image-text-to-text, or another device"
        ) from error
    return Pipeline(model, options)


class Pipeline:
    """Clips go through one by one: their pictures are many already, and of different sizes."""

    def __init__(self, model: Any, options: Options) -> None:
        self._model, self._options = model, options

    def describe(self, views: Iterable[View]) -> Iterator[tuple[View, Description | DescriptionError]]:
        for view in views:
            yield view, self._look(view)

    def _look(self, view: View) -> Description | DescriptionError:
        try:
            raw, tokens = self._generate(view)
        except (RuntimeError, ValueError, IndexError, TypeError, OSError) as error:  # torch's own are RuntimeErrors
            way_out = "try fewer frames, a smaller side, or another model"
            return DescriptionError(f"{self._options.model} failed ({one_line(str(error))[:200]}); {way_out}")
        if refused(raw):
            return DescriptionError(f"{self._options.model} refused ({one_line(raw)[:120]}); say it with `visual`")
        text = plain(raw)
        full = tokens + SPECIAL >= self._options.max_tokens
        if full:
            text = whole_sentences(text or "")
        if text is None:
            cut = "was cut off before a sentence ended" if full else "said nothing of what is seen"
            return DescriptionError(f"{self._options.model} {cut}; raise max_tokens, or change model or prompt")
        return Description(text, None, tokens)

    def _generate(self, view: View) -> tuple[str, int]:
        """What the model says, and of how many tokens that is."""
        from PIL import Image

        pictures = [{"type": "image", "image": Image.open(BytesIO(frame)).convert("RGB")} for frame in view.frames]
        chat = [{"role": "user", "content": [*pictures, {"type": "text", "text": self._options.question}]}]
        # Always the likeliest word: the same clip gets the same description.
        generate = {"do_sample": False, "max_new_tokens": self._options.max_tokens}
        (said,) = self._model(text=chat, return_full_text=False, generate_kwargs=generate)
        text = str(said["generated_text"])
        return text, len(self._model.tokenizer(text, add_special_tokens=False)["input_ids"])
