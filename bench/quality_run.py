"""What is scored: a build of captioner's own with what it heard on the way, and faster-whisper run alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from quality_truth import Truth, TurnT

import captioner
from captioner.summary import Summary

RATE = 16_000
HeardT = tuple[float, float, str]


@dataclass
class Clip:
    id: str
    span: tuple[float, float]
    """Seconds of the source: exactly the frames that were written."""
    text: str
    """The words of its caption."""
    doubts: tuple[str, ...]
    file: Path | None
    """None where it was not written."""
    trust: float | None = None
    speaker: str | None = None
    """By the dataset's own name for the voice."""


@dataclass
class Heard:
    """What captioner made of one item."""

    words: list[HeardT] | None = None
    """None where the recording could not be used."""
    turns: list[TurnT] | None = None
    clips: list[Clip] | None = None
    failure: str = ""


def build(truths: Sequence[Truth], out: Path, options: dict[str, Any]) -> tuple[Summary, dict[str, Heard]]:
    """One build of all items, doubted clips written too; what was heard in each, by the item's file."""
    settings = {"trigger": "ema_voice", "include_doubted": True, **options}
    summary = captioner.build([truth.path for truth in truths], out, yes=True, **settings)
    return summary, collect(truths, summary, out, settings)


def collect(truths: Sequence[Truth], summary: Summary, out: Path, settings: dict[str, Any]) -> dict[str, Heard]:
    """Turns and words from the build's store, clips from its summary."""
    from captioner.backends import choose_backends
    from captioner.engine.local import Local
    from captioner.identify import identify
    from captioner.pipeline import HOME
    from captioner.run import Quiet, settings_of
    from captioner.stages import Stages
    from captioner.store import Store
    from captioner.types import Diarization, Transcript

    resolved = settings_of(settings)
    engine, quiet = Local(1), Quiet()
    rate = Fraction(summary.rate)
    heard: dict[str, Heard] = {truth.file: Heard(failure="not found by the build") for truth in truths}
    with Store(out / HOME) as store:
        found = identify([truth.path for truth in truths], out, resolved, store, engine, quiet)
        stages = Stages(resolved, store, engine, quiet, choose_backends(resolved), lambda _, call: call(), {})
        by_path = {str(truth.path.resolve()): truth.file for truth in truths}
        failed = {failure.name: failure.text for failure in (*summary.failures, *found.failures)}
        for recording in found.recordings:
            file = by_path[str(Path(recording.path).resolve())]
            keys = stages.keys(recording)
            turns, words = store.get(keys["diarizer"], Diarization), store.get(keys["asr"], Transcript)
            result = heard[file] = Heard(failure=failed.get(recording.name, ""))
            if turns is not None:
                result.turns = [(turn.span.start, turn.span.end, turn.speaker) for turn in turns.turns]
            if words is not None:
                result.words = [(word.span.start, word.span.end, word.text) for word in words.words]
            result.clips = [
                clip_of(clip, rate, out) for clip in summary.clips if clip.recording == recording.name
            ]  # fmt: skip
        for failure in found.failures:
            for truth in truths:
                if truth.path.name == Path(failure.name).name:
                    heard[truth.file].failure = failure.text
    return heard


def clip_of(clip: Any, rate: Fraction, out: Path) -> Clip:
    """The span comes from the clip's name, which says the first frame and how many."""
    start, frames = (int(part) for part in clip.id.rsplit("_f", 1)[1].split("n"))
    span = (float(start / rate), float((start + frames) / rate))
    files = [out / "clips" / f"{clip.id}{suffix}" for suffix in (".mp4", ".wav")]
    file = next((file for file in files if file.exists()), None)
    return Clip(clip.id, span, clip.text, tuple(clip.doubts), file, clip.trust, clip.speaker)


class Alone:
    """faster-whisper by itself, one file at a time, with the settings of captioner's transcriber."""

    def __init__(self, options: dict[str, Any], threads: int = 2) -> None:
        from faster_whisper import WhisperModel

        from captioner.models.asr import faster_whisper as backend
        from captioner.models.asr.weights import find_weights

        given = backend.Options()
        self.beam = int(options.get("beam_size", 5))
        self.compute = str(getattr(given, "compute_type", None) or "int8")
        if self.compute in ("auto", "default"):
            self.compute = "int8"
        weights = str(find_weights(options.get("model")))
        self.model = WhisperModel(weights, device="cpu", compute_type=self.compute, cpu_threads=threads)

    def words(self, samples: NDArray[np.float32], language: str | None) -> list[HeardT]:
        segments, _ = self.model.transcribe(samples, beam_size=self.beam, language=language, word_timestamps=True)
        return [(word.start, word.end, word.word) for segment in segments for word in segment.words or []]


def sound_of(path: Path) -> NDArray[np.float32]:
    """float32 (n,), mono, 16 kHz: the first sound of a file, as PyAV decodes it."""
    import av

    resampler = av.AudioResampler("flt", "mono", RATE)
    pieces = [np.zeros(0, np.float32)]
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return pieces[0]
        for frame in [*container.decode(audio=0), None]:
            pieces += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(pieces).astype(np.float32)
