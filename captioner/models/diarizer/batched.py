"""The networks of a pyannote pipeline over many recordings at once, each stretch of sound uploaded once.

pyannote.audio hears one recording after another, gives the embedding network every window three times, once for each
local speaker, and computes in full precision. Here windows of all recordings share batches; a network that can hand
out its frames (WeSpeaker's) hears a window once and only the pooling is done for each speaker; windows in which nobody
speaks are not embedded; and on a GPU the precision is what the options say.

A GPU gets the next batch while it computes this one: sound and answers go through memory that it reaches by itself, and
nothing waits for a batch but who wants its answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.errors import ModelError, OutOfMemory
from captioner.models.diarizer import traffic, trunks
from captioner.models.diarizer.pipelines import quiet
from captioner.models.diarizer.reassembly import Grid, Local, alone
from captioner.models.diarizer.trunks import Precision
from captioner.models.fitting import is_memory
from captioner.models.protocols import Waveform
from captioner.models.torch_layers import arithmetic, put
from captioner.types import SPEECH_RATE

Vectors = NDArray[np.float32]
"""float32 (windows, local speakers, dimensions)."""
Done = Callable[[int, int], None]
"""Called with a recording's number and how many of its windows are finished."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some windows of one recording, by their numbers, ascending."""

    recording: int
    windows: tuple[int, ...]


def gathered(wanted: Sequence[Sequence[int]], batch: int) -> Iterator[list[Piece]]:
    """Batches of `batch` windows, the last may be smaller: `wanted` are the windows of each recording."""
    pieces: list[Piece] = []
    room = batch
    for recording, numbers in enumerate(wanted):
        at = 0
        while at < len(numbers):
            taken = tuple(numbers[at : at + room])
            pieces.append(Piece(recording, taken))
            at, room = at + len(taken), room - len(taken)
            if room == 0:
                yield pieces
                pieces, room = [], batch
    if pieces:
        yield pieces


class Batched:
    """The segmentation and the embedding of a pipeline that `fits`, on one device."""

    def __init__(self, pipeline: Any, device: Any, precision: Precision, batch: int) -> None:
        segmentation = pipeline._segmentation
        self._segmentation = segmentation.model
        self._powerset = segmentation.conversion
        self._embedding = pipeline._embedding
        self._exclude_overlap = bool(pipeline.embedding_exclude_overlap)
        self._device = device
        self._precision = trunks.chosen(precision, device)
        self._batch = batch or traffic.fitting(device)
        self._stream: Any = None
        self._window = int(self._segmentation.audio.get_num_samples(segmentation.duration))
        self._hop: int = round(segmentation.step * SPEECH_RATE)
        frames = self._segmentation.receptive_field
        self.grid = Grid(segmentation.duration, segmentation.step, frames.step, frames.duration)
        self._trunk = trunks.trunk(self._embedding.model_, self._precision)
        self._loose = self._precision == "tf32" or (self._precision == "half" and self._trunk is None)
        self.abreast = device.type == "cuda" and not self._loose
        """Whether one thread may segment while another embeds: on one GPU each fills what the other leaves idle. Not
        where they compute in different precision, which torch knows one of at a time."""
        self._shortest = 0
        if self._exclude_overlap:
            with quiet():  # it is found by trying how little sound the network takes
                self._shortest = self._embedding.min_num_samples
        if device.type == "cuda":
            import torch

            torch.cuda.synchronize(device)  # the weights went there in another stream than some of what needs them

    def windows(self, audio: Waveform) -> int:
        """How many windows cover a recording; the last may reach past its end, into silence."""
        samples = round(audio.duration * SPEECH_RATE)
        if samples == 0:
            return 0
        return 1 + max(0, -(-(samples - self._window) // self._hop))

    def segment(self, audios: Sequence[Waveform], done: Done) -> list[Local]:
        """Local speakers of every window of every recording."""
        import torch

        counts = [self.windows(audio) for audio in audios]
        heard: list[list[NDArray[np.uint8]]] = [[] for _ in audios]

        def launch(waves: Any, _: Sequence[Piece]) -> Any:
            return self._powerset(self._segmentation(waves)).to(torch.uint8)

        # In full precision, whatever is asked of the embeddings: where a frame falls the other way, a turn ends
        # elsewhere.
        for pieces, rows in self._run(audios, [range(count) for count in counts], launch, loose=False):
            for piece, part in _split(pieces, rows):
                heard[piece.recording].append(part)
                done(piece.recording, len(piece.windows))
        empty = np.zeros((0, 0, len(self._segmentation.specifications.classes)), np.uint8)
        return [np.concatenate(parts) if parts else empty for parts in heard]

    def embed(
        self, audios: Sequence[Waveform], local: Sequence[Local], wanted: Sequence[Sequence[int]]
    ) -> list[Vectors]:
        """The embeddings of the local speakers in the `wanted` windows of each recording; elsewhere that of silence."""
        silence = self._of_silence()
        found = [np.tile(silence, (*windows.shape[::2], 1)) for windows in local]
        masks = [self._masks(windows) for windows in local]

        def launch(waves: Any, pieces: Sequence[Piece]) -> Any:
            import torch

            chosen = np.concatenate([masks[piece.recording][list(piece.windows)] for piece in pieces])
            return self._vectors(waves, put(torch.from_numpy(chosen), self._device).float().transpose(1, 2))

        for pieces, rows in self._run(audios, wanted, launch, loose=self._loose):
            for piece, part in _split(pieces, rows):
                found[piece.recording][list(piece.windows)] = part
        return found

    def _masks(self, local: Local) -> Local:
        """Which frames of each local speaker are embedded: those without anybody else, where these are enough."""
        if not self._exclude_overlap or not len(local):
            return local
        least = math.ceil(local.shape[1] * self._shortest / self._window)
        lone = alone(local)
        enough = lone.sum(axis=1, keepdims=True) > least
        return np.where(enough, lone, local).astype(np.uint8)

    def _vectors(self, waves: Any, weights: Any) -> Any:
        """float32 (windows, local speakers, dimensions) of `weights` (windows, local speakers, frames)."""
        import torch

        model = self._embedding.model_
        if self._trunk is not None:
            return model.forward_embedding(self._trunk(waves), weights=weights)
        # A network that cannot share its frames hears a window once for each who speaks in it.
        windows, speakers = (weights.sum(dim=2) > 0).nonzero(as_tuple=True)
        spoken = torch.from_numpy(self._of_silence()).to(waves.device).repeat(*weights.shape[:2], 1)
        for rows in torch.arange(len(windows)).split(max(1, len(waves))):
            own = model(waves[windows[rows]], weights=weights[windows[rows], speakers[rows]])
            spoken[windows[rows], speakers[rows]] = own.float()
        return spoken

    def _of_silence(self) -> Vectors:
        """float32 (dimensions,): what the embedding network says where nobody speaks."""
        import torch

        frames = self._segmentation.num_frames(self._window)
        with torch.inference_mode():
            waves = torch.zeros(1, 1, self._window, device=self._device)
            weights = torch.zeros(1, frames, device=self._device)
            return np.asarray(self._embedding.model_(waves, weights=weights)[0].float().cpu().numpy())

    def _run(
        self,
        audios: Sequence[Waveform],
        wanted: Sequence[Sequence[int]],
        launch: Callable[[Any, Sequence[Piece]], Any],
        *,
        loose: bool,
    ) -> Iterator[tuple[list[Piece], NDArray[Any]]]:
        """`launch` over all batches. The sound of the next batch is read while the GPU works on this one."""
        import torch

        waiting: tuple[list[Piece], Callable[[], NDArray[Any]]] | None = None
        for pieces in gathered(wanted, self._batch):
            with torch.inference_mode(), arithmetic(loose=loose):
                answer = traffic.fetched(self._safely(launch, self._waves(audios, pieces), pieces))
            if waiting is not None:
                yield waiting[0], waiting[1]()
            waiting = (pieces, answer)
        if waiting is not None:
            yield waiting[0], waiting[1]()

    def _waves(self, audios: Sequence[Waveform], pieces: Sequence[Piece]) -> Any:
        """The windows of a batch on the device: float32 (windows, 1, samples). Neighbours are uploaded together."""
        import torch

        parts = []
        for piece in pieces:
            first, last = piece.windows[0], piece.windows[-1]
            length = (last - first) * self._hop + self._window
            start = first * self._hop
            samples = audios[piece.recording].read(start / SPEECH_RATE, (start + length) / SPEECH_RATE)[:length]
            whole = torch.zeros(length, device=self._device)
            whole[: len(samples)] = put(torch.from_numpy(np.ascontiguousarray(samples)), self._device)
            rows = whole.unfold(0, self._window, self._hop)
            chosen = torch.tensor([number - first for number in piece.windows])
            parts.append(rows[put(chosen, self._device)])
        return torch.cat(parts)[:, None]

    @contextmanager
    def beside(self) -> Iterator[None]:
        """What this thread gives the GPU does not wait for what others give it."""
        if self._device.type != "cuda":
            yield
            return
        import torch

        self._stream = self._stream or torch.cuda.Stream(self._device)
        with torch.cuda.stream(self._stream):
            yield

    def _safely(self, launch: Callable[[Any, Sequence[Piece]], Any], waves: Any, pieces: Sequence[Piece]) -> Any:
        """A batch that does not fit into the GPU's memory is halved, and so are all that come after it."""
        import torch

        try:
            return launch(waves, pieces)
        except RuntimeError as error:
            if not is_memory(error):
                raise ModelError(
                    f"the diarizer failed on {self._device}: {error}; give diarizer_options: {{device: cpu}}, or "
                    "choose --diarizer embedded"
                ) from error
            if len(waves) == 1:
                raise OutOfMemory(
                    f"the diarizer has too little memory on {self._device} for one window of sound ({error}); free "
                    "some, or give diarizer_options: {device: cpu}"
                ) from error
        torch.cuda.empty_cache()
        self._batch = max(1, min(self._batch, len(waves)) // 2)
        windows = [(piece.recording, window) for piece in pieces for window in piece.windows]
        halves = (windows[: len(windows) // 2], windows[len(windows) // 2 :])
        split = [[Piece(recording, (window,)) for recording, window in half] for half in halves]
        rest = waves[len(split[0]) :]
        return torch.cat([self._safely(launch, waves[: len(split[0])], split[0]), self._safely(launch, rest, split[1])])


def _split(pieces: Sequence[Piece], rows: NDArray[Any]) -> Iterator[tuple[Piece, NDArray[Any]]]:
    at = 0
    for piece in pieces:
        yield piece, rows[at : at + len(piece.windows)]
        at += len(piece.windows)
