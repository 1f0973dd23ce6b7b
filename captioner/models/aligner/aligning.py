"""How recordings go through a CTC model, whatever runs it: pieces, letters, batches, paths, and times for the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from typing import Any, Protocol

import numpy as np

from captioner.models.aligner import trellis
from captioner.models.aligner.letters import STAR, Alphabet, Spelling, spelling
from captioner.models.aligner.pieces import REACH, Piece, joined, pieces
from captioner.models.asr.timing import UNSPACED
from captioner.models.fitting import Room, fitted, memory_watched
from captioner.models.protocols import Progress, Samples, Saying
from captioner.times import Span
from captioner.types import SPEECH_RATE

LONGEST = 20.0
"""Seconds of a piece: these models were trained on up to so much at a time."""
PAUSE = 2.0
"""Seconds without a word that end a piece: more context than that says nothing of the words."""
GRID = 1.0
"""Seconds: pieces are heard in whole numbers of it, with digital silence behind them, so that those in one batch are
as long as each other and nobody's result depends on its neighbours."""
TOUCHING = 0.1
"""Seconds between two words below which they touch: a letter is a spike somewhere in its sound."""
TOGETHER = 32
"""Pieces whose paths are looked for together: every step takes as long for one. 150 MB where they are long."""


class Network(Protocol):
    def scores(self, sounds: Sequence[Samples]) -> Any:
        """Log probabilities of its tokens, sounds of one length: a tensor, float32 (sounds, frames, tokens), on its
        device. Raises OutOfMemory, ModelError."""


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of one recording."""

    item: int
    piece: Piece
    spelling: Spelling
    length: int
    """How long it is heard, in `GRID`s."""


@dataclass(frozen=True, slots=True)
class Emitted:
    """What the model hears in one piece; tensors on its device."""

    letters: Any
    """(frames, letters of its text): log probability of each letter at each frame."""
    blanks: Any
    """(frames,)."""
    frames: int
    """How many of the frames are sound."""
    step: float
    """Seconds of a frame."""


class Steps:
    """Seconds done, told as they are, and in the end all of every recording."""

    def __init__(self, batch: Sequence[Saying], progress: Progress | None) -> None:
        self._left = [saying.audio.duration for saying in batch]
        self._tell = progress or (lambda _: None)

    def done(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            step = min(task.piece.span.duration, self._left[task.item])
            self._left[task.item] -= step
            self._tell(step)

    def rest(self) -> None:
        for left in self._left:
            self._tell(left)


class Ctc:
    """An aligner. `room` is in `GRID`s of sound a call; `languages` empty for all; `delay` in seconds, by which letters
    come late."""

    def __init__(
        self, net: Network, alphabet: Alphabet, room: Room, languages: frozenset[str], delay: float = 0.0
    ) -> None:
        self._net, self._alphabet, self._room = net, alphabet, room
        self._languages, self._delay = languages, delay

    def align(self, batch: Sequence[Saying], progress: Progress | None = None) -> list[tuple[Span | None, ...]]:
        found: list[list[Span | None]] = [[None] * len(saying.words) for saying in batch]
        tasks = sorted(self._tasks(batch), key=lambda task: task.length)
        step = Steps(batch, progress)
        for _, same in groupby(tasks, key=lambda task: task.length):
            waiting = list(same)
            while waiting:
                some, waiting = waiting[:TOGETHER], waiting[TOGETHER:]
                for task, spans in zip(some, self._placed(batch, some, step), strict=True):
                    found[task.item][task.piece.first : task.piece.last] = joined(spans, TOUCHING)
        step.rest()
        return [tuple(spans) for spans in found]

    def _tasks(self, batch: Sequence[Saying]) -> list[Task]:
        tasks = []
        for index, saying in enumerate(batch):
            if self._languages and saying.language not in self._languages:
                continue
            for piece in pieces(saying.words, saying.audio.duration, LONGEST, PAUSE):
                texts = [word.text for word in saying.words[piece.first : piece.last]]
                spelt = spelling(self._alphabet, texts, spaced=saying.language not in UNSPACED)
                if spelt is not None:
                    tasks.append(Task(index, piece, spelt, max(1, ceil(piece.span.duration / GRID - 1e-6))))
        return tasks

    def _placed(self, batch: Sequence[Saying], tasks: Sequence[Task], step: Steps) -> list[list[Span | None]]:
        """The spans of each task's words; all tasks are of one length."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        heard: list[Emitted] = []
        while len(heard) < len(tasks):
            few = tasks[len(heard) :][: max(1, self._room.most // tasks[0].length)]
            heard += fitted(lambda some: self._emitted(batch, some), few, self._room, lambda task: task.length)
            step.done(few)
        with memory_watched("the aligner's paths"), torch.inference_mode():
            said = pad_sequence([one.letters.T for one in heard], batch_first=True).transpose(1, 2)
            blanks = torch.stack([one.blanks for one in heard])
            numbers = (*_given(batch, tasks, heard[0].step), [one.frames for one in heard])
            targets, first, last, counts, frames = (torch.tensor(part, device=said.device) for part in numbers)
            begun, ended = trellis.paths(said, blanks, targets, counts, frames, first, last)
        return [
            self._spans(task, own.tolist(), ends.tolist(), one.step, batch[task.item].audio.duration)
            for task, one, own, ends in zip(tasks, heard, begun, ended, strict=True)
        ]

    def _emitted(self, batch: Sequence[Saying], tasks: Sequence[Task]) -> list[Emitted]:
        import torch

        size = round(tasks[0].length * GRID * SPEECH_RATE)
        sounds, sizes = [], []
        for task in tasks:
            span = task.piece.span
            sound = batch[task.item].audio.read(span.start, span.end)[:size]
            sizes.append(len(sound))
            sounds.append(np.pad(sound, (0, size - len(sound))))
        scores = self._net.scores(sounds)
        with memory_watched("the aligner's letters"), torch.inference_mode():
            tokens = [[scores.shape[2] if token == STAR else token for token in task.spelling.tokens] for task in tasks]
            said = trellis.said(scores, torch.tensor(_even(tokens), device=scores.device), self._alphabet.unsaid)
            blanks = scores[..., self._alphabet.blank].clone()
        step = size / scores.shape[1] / SPEECH_RATE
        return [
            Emitted(said[row, :, : len(own)], blanks[row], max(1, round(scores.shape[1] * long / size)), step)
            for row, (own, long) in enumerate(zip(tokens, sizes, strict=True))
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
    batch: Sequence[Saying], tasks: Sequence[Task], step: float
) -> tuple[list[list[int]], list[list[int]], list[list[int]], list[int]]:
    """The letters of each task, the frames between which each may be (within `REACH` of its word), and how many."""
    first, last = [], []
    for task in tasks:
        words = batch[task.item].words[task.piece.first : task.piece.last]
        early, late = [], []
        for place, owner in enumerate(task.spelling.words):
            # What stands between two words lies between them.
            one = words[_owner(task.spelling.words, place, -1) if owner is None else owner]
            other = words[_owner(task.spelling.words, place, 1) if owner is None else owner]
            early.append(int((one.span.start - REACH - task.piece.span.start) / step))
            late.append(int((other.span.end + REACH - task.piece.span.start) / step))
        first.append(early)
        last.append(late)
    tokens = [list(task.spelling.tokens) for task in tasks]
    return _even(tokens), _even(first), _even(last), [len(own) for own in tokens]


def _even(rows: Sequence[list[int]]) -> list[list[int]]:
    """The rows, all as long as the longest."""
    most = max(map(len, rows))
    return [row + [0] * (most - len(row)) for row in rows]


def _owner(owners: Sequence[int | None], place: int, way: int) -> int:
    while owners[place] is None:
        place += way
    found = owners[place]
    assert found is not None
    return found
