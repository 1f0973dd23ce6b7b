"""pyannote.audio 4: its community-1 pipeline, or any other by name or folder. Needs the `gpu` extra; a GPU is used
where there is one.

The pipeline's own networks, parameters and clustering, and the turns that it would find itself; but windows of many
recordings are heard in one batch and none twice (see `batched`), and a recording in which one voice is heard is not
searched for others. Pipelines of another kind are called as they are, one recording after another.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from captioner.errors import ModelError, SettingsError
from captioner.models.diarizer import pipelines, reassembly, voices
from captioner.models.diarizer.batched import Batched, Vectors
from captioner.models.diarizer.reassembly import Local
from captioner.models.diarizer.trunks import Precision
from captioner.models.protocols import Diarizer, Progress, SpeakerHint, Waveform
from captioner.models.torch_layers import arithmetic
from captioner.times import Span
from captioner.types import SPEECH_RATE, Diarization

VERSION = "pyannote 1"

LEAST = 0.1
"""Seconds of sound below which nobody is looked for."""
SEGMENTING = 0.5
"""Share of the time that finding speech takes, for progress."""
TOGETHER = 1024
"""Windows that the networks hear before speakers are told apart in them: some batches, or the last of each would be all
but empty."""
PRECISIONS = ("auto", "full", "tf32", "half")


@dataclass(frozen=True, slots=True)
class Options:
    pipeline: str = pipelines.DEFAULT
    """On the hub: `owner/name` or `owner/name@revision`; or a folder with its config.yaml."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1."""
    precision: Precision = "auto"
    """Of the embeddings on a GPU: full, tf32 or half; auto is half. Who speaks when is heard in full precision."""
    batch: int = 0
    """Windows of 10 s at once; 0 for as many as the memory holds."""
    stock: bool = False
    """Let pyannote.audio do everything itself, to compare."""


def fingerprint(options: Options) -> tuple[str, ...]:
    """The library's version, and what tells one local pipeline from another in its place."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        known = version("pyannote.audio")
    except PackageNotFoundError:
        known = ""
    place = Path(options.pipeline).expanduser()
    folder = place if place.is_dir() else place.parent
    files = sorted(file for file in folder.rglob("*") if file.is_file()) if place.exists() else []
    return (known, *(f"{file.relative_to(folder)} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files))


def load(options: Options) -> Diarizer:
    """Raises BackendMissing without pyannote.audio, WeightsMissing where the pipeline cannot be had, SettingsError."""
    if options.precision not in PRECISIONS:
        raise SettingsError(f"diarizer_options: precision = {options.precision!r}: there are {', '.join(PRECISIONS)}")
    return of_pipeline(pipelines.open_pipeline(options.pipeline), options)


def of_pipeline(pipeline: Any, options: Options) -> Diarizer:
    """A diarizer of a pipeline that is open already."""
    import torch

    name = ("cuda" if torch.cuda.is_available() else "cpu") if options.device == "auto" else options.device
    try:
        device = torch.device(name)
        pipeline.to(device)
    except (RuntimeError, AssertionError) as error:  # a torch without CUDA asserts
        raise SettingsError(f"diarizer_options: device = {name!r}: {error}; give cpu, cuda or cuda:N") from error
    if options.stock or not pipelines.fits(pipeline):
        return _Stock(pipeline)
    return _Pyannote(pipeline, Batched(pipeline, device, options.precision, options.batch))


class _Stock:
    """A pipeline as it is. The whole of a recording is held in memory: 230 MB an hour."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    def diarize(
        self, audios: Sequence[Waveform], hint: SpeakerHint, progress: Progress | None = None
    ) -> list[Diarization]:
        found = []
        for audio in audios:
            found.append(self._one(audio, hint) if audio.duration >= LEAST else Diarization(()))
            if progress is not None:
                progress(audio.duration)
        return found

    def _one(self, audio: Waveform, hint: SpeakerHint) -> Diarization:
        import torch

        samples = torch.from_numpy(np.array(audio.read(0.0, audio.duration)))
        file = {"waveform": samples[None], "sample_rate": SPEECH_RATE, "uri": _name(audio)}
        asked: dict[str, int] = {}
        if hint.least > 1:
            asked["min_speakers"] = hint.least
        if hint.most is not None:
            asked["max_speakers"] = hint.most
        try:
            with pipelines.quiet():
                answer = self._pipeline(file, **asked)
        except (RuntimeError, MemoryError) as error:
            raise ModelError(f"{_name(audio)}: the diarizer failed: {error}; choose --diarizer embedded") from error
        names: dict[int, str] = {}
        labels: dict[str, int] = {}
        regular = getattr(answer, "speaker_diarization", answer)
        exclusive = getattr(answer, "exclusive_speaker_diarization", None)
        turns = reassembly.named(_tracks(regular, labels, audio.duration), names)
        own = reassembly.named(_tracks(exclusive, labels, audio.duration), names) if exclusive is not None else ()
        return Diarization(turns, exclusive=own)


class _Pyannote:
    """pyannote's own pipeline, its networks run in batches."""

    def __init__(self, pipeline: Any, networks: Batched) -> None:
        self._pipeline = pipeline
        self._networks = networks

    def diarize(
        self, audios: Sequence[Waveform], hint: SpeakerHint, progress: Progress | None = None
    ) -> list[Diarization]:
        """Without embeddings: voices are compared over the dataset by those of the cuts, which are of one network
        whatever the diarizer."""
        if self._pipeline.clustering.expects_num_clusters and hint.least != hint.most:
            raise SettingsError(
                "this pipeline's clustering must be told how many people speak: give --speakers N, or another pipeline"
            )
        counts = [self._networks.windows(audio) if audio.duration >= LEAST else 0 for audio in audios]
        usable = [(audio, count) for audio, count in zip(audios, counts, strict=True) if count]
        # While windows are segmented, those before are embedded, and speakers are told apart in those before these.
        with (
            arithmetic(loose=False),
            ThreadPoolExecutor(1, thread_name_prefix="captioner-voices") as hearing,
            ThreadPoolExecutor(1, thread_name_prefix="captioner-turns") as telling,
        ):
            turns: list[Future[Diarization]] = []
            try:
                for some in _together(usable):
                    turns += self._begun([audio for audio, _ in some], hint, progress, hearing, telling)
                found = iter(turns)
                results = []
                for audio, count in zip(audios, counts, strict=True):
                    results.append(next(found).result() if count else Diarization(()))
                    if progress is not None:
                        progress((1 - SEGMENTING if count else 1) * audio.duration)
            finally:
                hearing.shutdown(wait=False, cancel_futures=True)
                telling.shutdown(wait=False, cancel_futures=True)
        return results

    def _begun(
        self, audios: Sequence[Waveform], hint: SpeakerHint, progress: Progress | None, hearing: ThreadPoolExecutor,
        telling: ThreadPoolExecutor,
    ) -> list[Future[Diarization]]:  # fmt: skip
        """The recordings segmented; the rest is on its way."""
        local = self._segmented(audios, progress)
        vectors: Future[list[Vectors | None]]
        if self._networks.abreast:
            vectors = hearing.submit(self._embedded, audios, local, hint)
        else:
            vectors = Future()
            vectors.set_result(self._embedded(audios, local, hint))
        return [
            telling.submit(self._turns, audio, own, vectors, place, hint)
            for place, (audio, own) in enumerate(zip(audios, local, strict=True))
        ]

    def _segmented(self, audios: Sequence[Waveform], progress: Progress | None) -> list[Local]:
        """Who speaks when in each window, for each recording."""

        def done(recording: int, windows: int) -> None:
            audio = audios[recording]
            if progress is not None:
                progress(SEGMENTING * audio.duration * windows / self._networks.windows(audio))

        return self._networks.segment(audios, done)

    def _embedded(self, audios: Sequence[Waveform], local: Sequence[Local], hint: SpeakerHint) -> list[Vectors | None]:
        with self._networks.beside():
            return voices.Voices(self._pipeline, self._networks).of(audios, local, hint)

    def _turns(
        self, audio: Waveform, local: Local, embedded: Future[list[Vectors | None]], place: int, hint: SpeakerHint
    ) -> Diarization:
        vectors = embedded.result()[place]
        grid = self._networks.grid
        count = reassembly.speaker_count(local, grid)
        if not count.any():
            return Diarization(())
        labels = voices.labels(self._pipeline, local, vectors, grid, hint)
        if hint.most is not None:
            count = np.minimum(count, hint.most).astype(np.uint8)
        heard = reassembly.activations(local, labels, grid)
        names: dict[int, str] = {}
        close = float(self._pipeline.segmentation.min_duration_off)
        made = []
        for most in (int(count.max()), 1):
            active = reassembly.loudest(heard, np.minimum(count, most).astype(np.uint8))
            made.append(reassembly.named(reassembly.turns(active, grid, audio.duration, close), names))
        return Diarization(made[0], exclusive=made[1])


def _together(usable: Sequence[tuple[Waveform, int]]) -> Iterator[list[tuple[Waveform, int]]]:
    """Recordings and how many windows they have, `TOGETHER` windows at least but for the last."""
    some: list[tuple[Waveform, int]] = []
    room = TOGETHER
    for audio, count in usable:
        some.append((audio, count))
        room -= count
        if room <= 0:
            yield some
            some, room = [], TOGETHER
    if some:
        yield some


def _tracks(annotation: Any, labels: dict[str, int], duration: float) -> list[tuple[int, Span]]:
    found = []
    for segment, _, label in annotation.itertracks(yield_label=True):
        span = Span.at(max(0.0, min(segment.start, duration)), max(0.0, min(segment.end, duration)))
        if span.duration > 0:
            found.append((labels.setdefault(label, len(labels)), span))
    return sorted(found, key=lambda item: (item[1], item[0]))


def _name(audio: Waveform) -> str:
    return os.path.basename(str(getattr(audio, "name", "") or "recording"))  # noqa: PTH119
