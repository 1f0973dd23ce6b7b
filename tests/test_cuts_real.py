"""From real speech to cuts with the embedded models: how much is kept, and that no word of the truth is cut."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from captioner.cuts.frames import FrameRule
from captioner.cuts.plan import Plan, plan
from captioner.cuts.values import Footage
from captioner.speech.assign import assign
from captioner.speech.correct import correct
from captioner.speech.doubt import doubt_lines
from captioner.speech.lines import segment
from captioner.speech.regions import speech_regions
from captioner.times import Span
from captioner.types import Line, Turn

DATA = Path(os.environ.get("CAPTIONER_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
READ = [
    "audio/librispeech_1089-134686-0000.flac",
    "audio/librispeech_1089-134686-0001.flac",
    "audio/ljspeech_LJ001-0007.flac",
    "audio/jfk.flac",
]
GRID = ["grid/bbaf2n.mpg", "grid/prwq3s.mpg", "grid/swwp2s.mpg", "grid/brbk7n.mpg"]
TURNS = "grid/grid_turns.mp4"

pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(not (DATA / READ[0]).is_file(), reason="the test data are not here"),
]


class _Wave:
    def __init__(self, samples: np.ndarray[Any, np.dtype[np.float32]]) -> None:
        self._samples = samples

    @property
    def duration(self) -> float:
        return len(self._samples) / 16_000

    def read(self, start: float, end: float) -> np.ndarray[Any, np.dtype[np.float32]]:
        return self._samples[max(0, round(start * 16_000)) : max(0, round(end * 16_000))]


@pytest.fixture(scope="module")
def planned() -> dict[str, tuple[list[Line], Plan]]:
    """Lines and plan of each file."""
    from faster_whisper import decode_audio

    from captioner.models.asr import faster_whisper
    from captioner.models.protocols import Listening
    from captioner.models.vad import embedded

    files = [*READ, *GRID, TURNS]
    waves = [_Wave(decode_audio(str(DATA / file))) for file in files]
    activities = embedded.load(embedded.Options()).listen(waves)
    heard = [Listening(wave, speech_regions(activity), "en") for wave, activity in zip(waves, activities, strict=True)]
    transcripts = faster_whisper.load(faster_whisper.Options(threads=2)).transcribe(heard)
    done = {}
    for file, wave, activity, transcript in zip(files, waves, activities, transcripts, strict=True):
        regions, shots = speech_regions(activity), ()
        turns = [Turn(Span.at(0, wave.duration), "A")]
        if file == TURNS:
            shots = (3.0, 6.0, 9.0, 12.0, 15.0)
            turns = [Turn(Span.at(3 * i, 3 * i + 3), name) for i, name in enumerate("ABCADB")]
        words = assign(correct(transcript.words, activity), turns)
        lines = segment(words, turns, regions)
        lines = doubt_lines(lines, activity=activity, regions=regions, turns=turns, transcript=transcript)
        result = plan(
            Footage("x", lines, words, turns, activity, shots, 0.0, wave.duration, Fraction(25), FrameRule.parse())
        )
        done[file] = lines, result
    return done


def _said(lines: list[Line]) -> float:
    return sum(word.span.duration for line in lines for word in line.words)


def test_four_fifths_of_read_speech_are_kept(planned: dict[str, tuple[list[Line], Plan]]) -> None:
    said = sum(_said(planned[file][0]) for file in READ)
    kept = sum(_said([line for cut in planned[file][1].cuts for line in cut.lines]) for file in READ)
    assert kept >= 0.8 * said


@pytest.mark.parametrize("file", GRID)
def test_a_sentence_of_a_three_second_clip_survives_whole(
    planned: dict[str, tuple[list[Line], Plan]], file: str
) -> None:
    lines, result = planned[file]
    assert len(result.cuts) == 1
    assert not result.left_out
    assert result.cuts[0].text == " ".join(line.text for line in lines)
    truth = DATA / Path(file).with_suffix(".words.json")
    for word in json.loads(truth.read_text()) if truth.is_file() else []:
        assert result.cuts[0].span.contains(Span.at(word["start"], word["end"]))


def test_six_sentences_of_four_talkers_are_six_cuts(planned: dict[str, tuple[list[Line], Plan]]) -> None:
    _, result = planned[TURNS]
    assert len(result.cuts) >= 5
    assert all(int(cut.span.start / 3) == int((cut.span.end - 0.001) / 3) for cut in result.cuts)
