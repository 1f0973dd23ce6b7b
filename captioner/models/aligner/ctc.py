"""Word times by CTC forced alignment, with any letter model of transformers, on a GPU or the CPU.

The default is facebook/wav2vec2-base-960h (Apache-2.0, English). MMS takes over a thousand languages:
`facebook/mms-1b-all` with an `adapter`, or MMS_FA as `MahmoudAshraf/mms-300m-1130-forced-aligner`, which wants text of
other scripts in Latin letters (installed, the package uroman does that); both weights are CC BY-NC 4.0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from captioner.errors import BackendMissing, ModelError, SettingsError, WeightsMissing
from captioner.models.aligner.aligning import GRID, Ctc
from captioner.models.aligner.letters import Alphabet
from captioner.models.fitting import Room, memory_watched
from captioner.models.hubfaults import HubFault
from captioner.models.protocols import Aligner, Samples
from captioner.types import SPEECH_RATE

VERSION = "ctc 1"

DEFAULT = "facebook/wav2vec2-base-960h"
DEFAULT_LANGUAGES = "en"
ON_CPU, ON_GPU = 40.0, 640.0
"""Seconds of sound in one call."""
FEWEST = 10
"""Tokens of one letter that a letter model has at least."""
INSTEAD = "give a folder with it as aligner_options: {model: FOLDER}, or leave the transcriber's times: --aligner none"


@dataclass(frozen=True, slots=True)
class Options:
    model: str = DEFAULT
    """A repository on the hub or a folder: a CTC model of transformers whose tokens are letters."""
    languages: str | None = None
    """What it was trained on, ISO 639-1 with commas; other recordings keep their times. None: en for the default
    model, all for others."""
    adapter: str | None = None
    """Which language of a model with one adapter a language, in its own spelling: fra for MMS."""
    delay: float = 0.0
    """Seconds by which its letters come late; `bench/word_times.py` measures it where the truth is known."""
    device: str = "auto"
    """cpu, cuda, cuda:1, or auto: a GPU where torch finds one."""
    batch: int = 0
    """Seconds of sound in one call; 0 for what the processor takes. Halved by itself where memory runs out."""


def fingerprint(options: Options) -> tuple[str, ...]:
    """What tells one local model from another that has its name."""
    from captioner.models.tagger.hub import file_state

    return file_state(options.model)


def load(options: Options) -> Aligner:
    """Raises BackendMissing without torch and transformers, WeightsMissing where the model cannot be had, SettingsError
    for one whose tokens are no letters, ModelError for a device that is not there."""
    try:
        from transformers import AutoFeatureExtractor, AutoModelForCTC, AutoTokenizer

        from captioner.models.asr.whisper_torch import torch_device
        from captioner.models.tagger.torched import no_bars

        device = torch_device(options.device)
    except ImportError as error:
        raise BackendMissing(
            f"aligner ctc: {error}; pip install 'captioner[gpu]', or leave the transcriber's times: --aligner none"
        ) from error
    folder = _folder(options)
    # transformers tells models with adapters apart by these words being there.
    spoken = {} if options.adapter is None else {"target_lang": options.adapter, "ignore_mismatched_sizes": True}
    try:
        with no_bars():
            front = AutoFeatureExtractor.from_pretrained(folder)
            tokenizer = AutoTokenizer.from_pretrained(folder, **{k: v for k, v in spoken.items() if k == "target_lang"})
            model = AutoModelForCTC.from_pretrained(folder, **spoken).to(device).eval()
    except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
        why = (str(error).strip().splitlines() or ["no details"])[0]
        raise WeightsMissing(f"the aligner {options.model} cannot be loaded: {why}; {INSTEAD}") from error
    alphabet = alphabet_of(tokenizer, model.config, options.model)
    seconds = options.batch or (ON_GPU if device.type == "cuda" else ON_CPU)
    named = options.languages or (DEFAULT_LANGUAGES if options.model == DEFAULT else "")
    languages = frozenset(part.strip().lower() for part in named.split(",") if part.strip())
    net = Net(model, front, device, options.model)
    return Ctc(net, alphabet, Room(max(1, round(seconds / GRID))), languages, options.delay)


def _folder(options: Options) -> str:
    """Where the model is, fetched where it has to be."""
    from captioner.models.asr.weights import QUICK
    from captioner.models.fetching import Hub, fetch, here

    if Path(options.model).expanduser().is_dir():
        return str(Path(options.model).expanduser())
    what = wanted(options.model, options.adapter)
    try:
        return str(here(what) or fetch(what, Hub.known(QUICK)))
    except HubFault as fault:
        raise WeightsMissing(
            f"the aligner {options.model} is not on this machine and could not be downloaded: {fault}; {INSTEAD}"
        ) from fault


def wanted(repository: str, adapter: str | None = None) -> Any:
    """What of a repository is needed: of a model with a thousand adapters, one."""
    from captioner.models.fetching import Wanted

    patterns = ("*.json", "model*.safetensors", "*.txt")
    own = () if adapter is None else (f"adapter.{adapter}.safetensors",)
    return Wanted(repository, patterns + own, needed=("config.json", "model*.safetensors", *own))


def alphabet_of(tokenizer: Any, config: Any, name: str) -> Alphabet:
    """The letters of a tokenizer. Raises SettingsError where its tokens are no letters."""
    known: dict[str, int] = tokenizer.get_vocab()
    single = {token: place for token, place in known.items() if len(token) == 1 and token.isalpha()}
    if len(single) < FEWEST:
        raise SettingsError(
            f"aligner_options: {name} has {len(single)} tokens of one letter; give a letter model such as {DEFAULT}"
        )
    marks = {token: known[token] for token in ("'", "-") if token in known}
    delimiter = known.get(getattr(tokenizer, "word_delimiter_token", None) or "|")
    blank = known.get("<blank>", getattr(config, "pad_token_id", None))
    if blank is None:
        raise SettingsError(f"aligner_options: {name} does not say which token is CTC's blank")
    latin = all(token.isascii() for token in single)
    return Alphabet(single | marks, int(blank), delimiter, _romanizer() if latin else None)


def _romanizer() -> Callable[[str], str] | None:
    """uroman, where it is installed; opened for the first word that needs it, which takes two seconds."""
    if find_spec("uroman") is None:
        return None
    opened: list[Any] = []

    def romanized(text: str) -> str:
        if not opened:
            import uroman

            opened.append(uroman.Uroman())
        return str(opened[0].romanize_string(text))

    return romanized


class Net:
    """A loaded CTC model: sounds of one length in, log probabilities of its tokens out, on its device."""

    def __init__(self, model: Any, front: Any, device: Any, name: str) -> None:
        self._model, self._front, self.device, self._name = model, front, device, name

    def scores(self, sounds: Sequence[Samples]) -> Any:
        """float32 (sounds, frames, tokens). Raises OutOfMemory, ModelError."""
        import torch

        given = self._front(list(sounds), sampling_rate=SPEECH_RATE, return_tensors="pt", padding=True)
        try:
            with memory_watched(f"the aligner {self._name}"), torch.inference_mode():
                answer = self._model(**{key: value.to(self.device) for key, value in given.items()}).logits
                return answer.float().log_softmax(-1)
        except RuntimeError as error:
            raise ModelError(f"the aligner {self._name} failed on {self.device}: {error}; {INSTEAD}") from error
