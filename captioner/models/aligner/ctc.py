"""Word times by CTC forced alignment, with any letter model of transformers, on a GPU or the CPU.

The default is facebook/wav2vec2-base-960h (Apache-2.0, English). MMS takes over a thousand languages:
`facebook/mms-1b-all` with an `adapter`, or MMS_FA as `MahmoudAshraf/mms-300m-1130-forced-aligner`, which wants text of
other scripts in Latin letters (installed, the package uroman does that); both weights are CC BY-NC 4.0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import groupby
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from captioner.errors import BackendMissing, ModelError, SettingsError, WeightsMissing
from captioner.models.aligner import letters, trellis
from captioner.models.aligner.letters import STAR, Alphabet, Spelling
from captioner.models.aligner.pieces import REACH, Piece, joined, pieces
from captioner.models.asr.timing import UNSPACED
from captioner.models.fitting import Room, fitted, memory_watched
from captioner.models.hubfaults import HubFault
from captioner.models.protocols import Aligner, Progress, Samples, Saying
from captioner.times import Span
from captioner.types import SPEECH_RATE

VERSION = "ctc 1"

DEFAULT = "facebook/wav2vec2-base-960h"
DEFAULT_LANGUAGES = "en"
LONGEST = 20.0
"""Seconds of a piece: these models were trained on up to so much at a time."""
PAUSE = 2.0
"""Seconds without a word that end a piece: more context than that says nothing of the words."""
GRID = 1.0
"""Seconds: pieces are heard in whole numbers of it, with digital silence behind them, so that those in one batch are
as long as each other and nobody's result depends on its neighbours."""
TOUCHING = 0.1
"""Seconds between two words below which they touch: a letter is a spike somewhere in its sound."""
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
    return Ctc(Net(model, front, device, options.model), alphabet, options, Room(max(1, round(seconds / GRID))))


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


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of one recording."""

    item: int
    piece: Piece
    spelling: Spelling
    length: int
    """How long it is heard, in `GRID`s."""


class Ctc:
    """An aligner. `room` is in `GRID`s of sound a call."""

    def __init__(self, net: Net, alphabet: Alphabet, options: Options, room: Room) -> None:
        self._net, self._alphabet, self._room, self._delay = net, alphabet, room, options.delay
        named = options.languages or (DEFAULT_LANGUAGES if options.model == DEFAULT else "")
        self._languages = {part.strip().lower() for part in named.split(",") if part.strip()}

    def align(self, batch: Sequence[Saying], progress: Progress | None = None) -> list[tuple[Span | None, ...]]:
        found: list[list[Span | None]] = [[None] * len(saying.words) for saying in batch]
        tasks = sorted(self._tasks(batch), key=lambda task: task.length)
        done = [0.0] * len(batch)
        for length, same in groupby(tasks, key=lambda task: task.length):
            waiting = list(same)
            while waiting:
                count = max(1, self._room.most // length)
                some, waiting = waiting[:count], waiting[count:]
                answers = fitted(lambda few: self._heard(batch, few), some, self._room, lambda task: task.length)
                for task, spans in zip(some, answers, strict=True):
                    found[task.item][task.piece.first : task.piece.last] = joined(spans, TOUCHING)
                    step = min(task.piece.span.duration, batch[task.item].audio.duration - done[task.item])
                    done[task.item] += step
                    if progress is not None:
                        progress(step)
        if progress is not None:
            for saying, already in zip(batch, done, strict=True):
                progress(saying.audio.duration - already)
        return [tuple(spans) for spans in found]

    def _tasks(self, batch: Sequence[Saying]) -> list[Task]:
        tasks = []
        for index, saying in enumerate(batch):
            if self._languages and saying.language not in self._languages:
                continue
            for piece in pieces(saying.words, saying.audio.duration, LONGEST, PAUSE):
                texts = [word.text for word in saying.words[piece.first : piece.last]]
                spelt = letters.spelling(self._alphabet, texts, spaced=saying.language not in UNSPACED)
                if spelt is not None:
                    tasks.append(Task(index, piece, spelt, max(1, ceil(piece.span.duration / GRID - 1e-6))))
        return tasks

    def _heard(self, batch: Sequence[Saying], tasks: Sequence[Task]) -> list[list[Span | None]]:
        """The spans of each task's words; all tasks are of one length."""
        import torch

        size = round(tasks[0].length * GRID * SPEECH_RATE)
        sounds, sizes = [], []
        for task in tasks:
            span = task.piece.span
            sound = batch[task.item].audio.read(span.start, span.end)[:size]
            sizes.append(len(sound))
            sounds.append(np.pad(sound, (0, size - len(sound))))
        scores = self._net.scores(sounds)
        with memory_watched("the aligner's paths"), torch.inference_mode():
            frames = [max(1, round(scores.shape[1] * own / size)) for own in sizes]
            step = size / scores.shape[1] / SPEECH_RATE
            given = _given(batch, tasks, step, scores.shape[2], scores.shape[1])
            tensors = [torch.tensor(part, device=scores.device) for part in (*given, frames)]
            targets, first, last, counts, lengths = tensors
            starred = trellis.with_star(scores, self._alphabet.unsaid)
            begun, ended = trellis.paths(starred, targets, counts, lengths, first, last, self._alphabet.blank)
        return [
            self._spans(task, own.tolist(), ends.tolist(), step, batch[task.item].audio.duration)
            for task, own, ends in zip(tasks, begun, ended, strict=True)
        ]

    def _spans(
        self, task: Task, begun: Sequence[int], ended: Sequence[int], step: float, duration: float
    ) -> list[Span | None]:
        spans: list[Span | None] = [None] * (task.piece.last - task.piece.first)
        for owner, first, last in zip(task.spelling.words, begun, ended, strict=False):
            if owner is None or first < 0:
                continue
            base = task.piece.span.start - self._delay
            start, end = (min(max(0.0, base + step * frame), duration) for frame in (first, last + 1))
            known = spans[owner]
            spans[owner] = Span.at(start if known is None else known.start, end)
        return spans


def _given(
    batch: Sequence[Saying], tasks: Sequence[Task], step: float, star: int, frames: int
) -> tuple[list[list[int]], list[list[int]], list[list[int]], list[int]]:
    """The letters of each task as tokens, and the frames between which each may be: within `REACH` of its word."""
    most = max(len(task.spelling.tokens) for task in tasks)
    targets, first, last = [], [], []
    for task in tasks:
        words = batch[task.item].words[task.piece.first : task.piece.last]
        ids = [star if token == STAR else token for token in task.spelling.tokens]
        early, late = [], []
        for place, owner in enumerate(task.spelling.words):
            # What stands between two words lies between them.
            one = words[_owner(task.spelling.words, place, -1) if owner is None else owner]
            other = words[_owner(task.spelling.words, place, 1) if owner is None else owner]
            early.append(int((one.span.start - REACH - task.piece.span.start) / step))
            late.append(int((other.span.end + REACH - task.piece.span.start) / step))
        rest = most - len(ids)
        targets.append(ids + [0] * rest)
        first.append(early + [0] * rest)
        last.append(late + [frames] * rest)
    return targets, first, last, [len(task.spelling.tokens) for task in tasks]


def _owner(owners: Sequence[int | None], place: int, way: int) -> int:
    while owners[place] is None:
        place += way
    found = owners[place]
    assert found is not None
    return found
