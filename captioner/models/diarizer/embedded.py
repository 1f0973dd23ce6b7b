"""The default diarizer: pyannote's segmentation-3.0 and CAM++, on ONNX Runtime or, on a GPU, in torch. No token, no
download, and on the CPU no torch.

Windows of 10 s, every 2.5 s, in batches across recordings; then turnlets of all recordings are searched for changes of
voice, split there, and embedded; then, one recording after another, they are clustered into speakers and stitched into
turns.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.errors import BackendMissing, ModelError
from captioner.models import sessions, torch_layers
from captioner.models.diarizer import changes, networks, speakers, stitching, turnlets, windows
from captioner.models.diarizer.clustering import Rules
from captioner.models.diarizer.stretches import Ears, Stretch, Window
from captioner.models.diarizer.turnlets import Turnlet, Unit
from captioner.models.embedding import DIMENSIONS
from captioner.models.protocols import Diarizer, Progress, SpeakerHint, Waveform
from captioner.types import Diarization

VERSION = "1"
ONE_CORE = True
one_a_gpu = torch_layers.on_gpu
"""Torch keeps a GPU busy from one process; beside ONNX Runtime, which leaves voices to the CPU, others share it."""

SPLITTABLE = 1.6
"""Seconds of a turnlet below which it is not searched for a change of voice."""
FRAME = windows.HOP / windows.RATE
SEGMENTING, SEARCHING, EMBEDDING = 0.5, 0.3, 0.2
"""Shares of the time that each step takes, for progress."""


@dataclass(frozen=True, slots=True)
class Options:
    threads: int | None = None
    """Threads for the networks; None for one a core."""
    batch: int | None = None
    """Windows of 10 s that the segmentation network hears at once; halved by itself where memory runs out. None for 8,
    or 256 in torch."""
    device: str = "auto"
    """cpu, cuda, cuda:1, or auto. On a GPU all is computed in torch where that is installed; else, where ONNX Runtime
    has its CUDA provider, the segmentation is, and embeddings, of stretches of all lengths, are the CPU's."""
    lenience: float = 0.0
    """Added to the cosine distances up to which voices are one person: above 0 finds fewer speakers, below 0 more."""


def on_gpu() -> bool:
    """Whether what is installed may compute there. Nothing is imported for this."""
    return torch_layers.on_gpu() or sessions.on_gpu()


def load(options: Options) -> Diarizer:
    """Raises WeightsMissing where the package is incomplete, BackendMissing and ModelError where a GPU that is asked
    for cannot be had, SettingsError for a device of no such name."""
    return _Embedded(options, _ears(options))


def _ears(options: Options) -> Ears:
    """In torch on a GPU; where there is no torch that can, on ONNX Runtime."""
    device = _torch_device(options.device) if options.device.startswith("cuda") else None
    if device is not None:
        from captioner.models.diarizer import torch_networks

        made = torch_networks.Networks(device, options.batch or torch_networks.TOGETHER)
        made.warm()
        return made
    threads = options.threads or os.cpu_count() or 1
    return networks.Networks(threads, options.device, options.batch or networks.TOGETHER)


def _torch_device(name: str) -> Any | None:
    """None where ONNX Runtime can compute on the GPU, and torch cannot."""
    if sessions.on_gpu() and not torch_layers.on_gpu():
        return None
    try:
        return torch_layers.device_of(name)
    except ModelError as error:
        if sessions.on_gpu():
            return None
        if isinstance(error, BackendMissing) and torch_layers.on_gpu():
            # It is there and cannot be imported. That is no reason to end: the CPU does without.
            raise ModelError(str(error)) from error
        raise


class _Embedded:
    def __init__(self, options: Options, ears: Ears) -> None:
        self._ears = ears
        curve = tuple((seconds, distance + options.lenience) for seconds, distance in Rules().limits)
        self._rules = Rules(limits=curve)

    def diarize(
        self, audios: Sequence[Waveform], hint: SpeakerHint, progress: Progress | None = None
    ) -> list[Diarization]:
        drafts = [_Draft(audio, progress) for audio in audios]
        asked = [(draft, Window(draft.audio, first)) for draft in drafts for first in draft.firsts]
        for (draft, _), local in zip(asked, self._ears.segment([window for _, window in asked]), strict=True):
            draft.local.append(local)
            draft.tell(SEGMENTING / len(draft.firsts))
        for draft in drafts:
            draft.gather()
        searched = [(draft, turnlet) for draft in drafts for turnlet in draft.searched]
        for (draft, _), cuts in zip(searched, self._ears.search(_stretches(searched)), strict=True):
            draft.cuts.update(cuts)
            draft.tell(SEARCHING / len(draft.searched))
        for draft in drafts:
            draft.split()
        voiced = [(draft, turnlet) for draft in drafts for turnlet in draft.turnlets]
        for (draft, _), vector in zip(voiced, self._ears.embed(_stretches(voiced)), strict=True):
            draft.vectors.append(vector)
            draft.tell(EMBEDDING / len(draft.turnlets))
        return [draft.done(hint, self._rules) for draft in drafts]


class _Draft:
    """One recording on its way to turns."""

    def __init__(self, audio: Waveform, progress: Progress | None) -> None:
        self.audio = audio
        self._samples = round(audio.duration * windows.RATE)
        self.firsts = windows.starts(self._samples)
        """First frame of each window."""
        self.local: list[windows.Local] = []
        """Local speakers of each window."""
        self.units: list[Unit] = []
        self.turnlets: list[Turnlet] = []
        self.searched: list[Turnlet] = []
        """Those that may hold two voices."""
        self.cuts: set[int] = set()
        """Frames at which another voice begins."""
        self.vectors: list[NDArray[np.float32]] = []
        """Of each turnlet."""
        self._progress, self._left = progress, 1.0

    def tell(self, share: float) -> None:
        """Such a share of the recording's work is done."""
        share = min(share, self._left)
        self._left -= share
        if self._progress and self.audio.duration > 0:
            self._progress(share * self.audio.duration)

    def gather(self) -> None:
        """What all windows heard, as units and turnlets."""
        for window, (first, local) in enumerate(zip(self.firsts, self.local, strict=True)):
            self.units += turnlets.units_of(window, first, local)
        self.turnlets = turnlets.turnlets_of(self.units, self.firsts)
        self.searched = [turnlet for turnlet in self.turnlets if turnlet.weight * FRAME >= SPLITTABLE]

    def split(self) -> None:
        """Cuts the units where a turnlet holds two voices one after the other."""
        borders = changes.apart(self.cuts)
        self.units = [part for unit in self.units for part in unit.cut(borders)]
        self.turnlets = turnlets.turnlets_of(self.units, self.firsts)

    def done(self, hint: SpeakerHint, rules: Rules) -> Diarization:
        vectors = np.stack(self.vectors) if self.vectors else np.zeros((0, DIMENSIONS), np.float32)
        weights = np.array([max(turnlet.weight, 1) * FRAME for turnlet in self.turnlets])
        votes, together = turnlets.evidence(self.units, self.turnlets)
        labels = speakers.label(vectors, weights, votes, together, hint, rules)
        spoken: list[int | None] = [None] * len(self.units)
        for turnlet, label in zip(self.turnlets, labels, strict=True):
            for unit in turnlet.units:
                spoken[unit] = label
        spoken = stitching.fill(spoken, self.units)
        count = 1 + max((label for label in spoken if label is not None), default=-1)
        frames = windows.frames_of(self._samples)
        active = stitching.active(frames, self.firsts, self.local, self.units, spoken, count)
        turns, names = stitching.named(stitching.turns(active, self.audio.duration))
        self.tell(1.0)
        return Diarization(turns, {name: _centroid(vectors, weights, labels, s) for s, name in names.items()})


def _stretches(asked: Sequence[tuple[_Draft, Turnlet]]) -> list[Stretch]:
    return [Stretch(draft.audio, turnlet.whole) for draft, turnlet in asked]


def _centroid(
    vectors: NDArray[np.float32], weights: NDArray[np.float64], labels: Sequence[int | None], speaker: int
) -> tuple[float, ...]:
    mine = np.array([label == speaker for label in labels])
    total = (vectors[mine] * weights[mine, None]).sum(axis=0)
    return tuple((total / max(float(np.linalg.norm(total)), 1e-9)).tolist())
