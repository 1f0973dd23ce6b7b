"""What every transcriber does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from captioner.errors import BackendMissing
from captioner.models.asr.guards import REASONS
from captioner.models.protocols import Listening, Transcriber
from captioner.models.registry import backend_module, backends
from captioner.times import Span
from captioner.types import Transcript
from tests import parakeets
from tests.hearing import RATE, Floats, hiss, recording

pytestmark = pytest.mark.models

Make = Callable[[], Transcriber]

SPEECH = {
    "audio/jfk.flac": ((0.3, 2.2), (3.3, 4.4), (5.4, 7.6), (8.2, 10.5)),
    "audio/falcon_3speakers.wav": ((0.1, 18.5),),
}
JFK = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"


@dataclass
class Named:
    samples: Floats
    name: str

    @property
    def duration(self) -> float:
        return len(self.samples) / RATE

    def read(self, start: float, end: float) -> Floats:
        return self.samples[max(0, round(start * RATE)) : max(0, round(end * RATE))]


def item(name: str, *, language: str | None = None, rate: float = 1.0) -> Listening:
    samples = recording(name) * np.float32(rate)
    return Listening(Named(samples, name), tuple(Span.at(*span) for span in SPEECH[name]), language)


def silent() -> Listening:
    return Listening(Named(hiss(2.0, -60), "silent.wav"), ())


@pytest.fixture(scope="module", params=sorted(backends("asr")))
def transcriber(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Transcriber:
    module = backend_module("asr", request.param)
    assert isinstance(module.VERSION, str)
    options = module.Options()
    if request.param == "ctm":
        folder = tmp_path_factory.mktemp("words")
        _write_ctm(folder / "words.ctm")
        options = module.Options(str(folder / "words.ctm"), language="en")
    if request.param == "parakeet":  # no package carries its weights
        pytest.importorskip("torch")
        pytest.importorskip("transformers")
        folder = parakeets.taught(tmp_path_factory.mktemp("parakeet"), recording("audio/jfk.flac"), JFK)
        options = module.Options(str(folder), device="cpu")
    try:
        loaded: Transcriber = module.load(options)
    except BackendMissing as error:
        pytest.skip(str(error))
    return loaded


def _write_ctm(file: Path) -> None:
    rows = [f"audio/jfk.flac 1 {0.4 + 0.45 * index:.2f} 0.4 {word} 0.9" for index, word in enumerate(JFK.split())]
    rows += ["audio/falcon_3speakers.wav 1 0.2 0.3 and", "silent.wav 1 0.1 0.1 hm"]
    file.write_text("\n".join(rows))


def plain(transcript: Transcript) -> str:
    return " ".join(re.sub(r"[^\w ]", "", " ".join(word.text for word in transcript.words).lower()).split())


def test_no_recordings_give_no_transcripts(transcriber: Transcriber) -> None:
    assert transcriber.transcribe([]) == []


def test_one_transcript_a_recording_in_order_with_words_inside_it(transcriber: Transcriber) -> None:
    batch = [item("audio/falcon_3speakers.wav"), silent(), item("audio/jfk.flac")]
    steps: list[float] = []
    done = transcriber.transcribe(batch, steps.append)
    assert len(done) == 3
    assert plain(done[2]) == JFK
    assert sum(steps) == pytest.approx(sum(one.audio.duration for one in batch), abs=0.01)
    for one, transcript in zip(batch, done, strict=True):
        for word in transcript.words:
            assert 0.0 <= word.span.start < word.span.end <= one.audio.duration
            assert word.text
            assert word.text == word.text.strip()
            assert word.probability is None or 0.0 <= word.probability <= 1.0
            assert word.speaker is None
        assert all(a.span.start <= b.span.start for a, b in pairwise(transcript.words))
        assert {doubt.reason for doubt in transcript.doubts} <= set(REASONS)
    assert done[0].language == done[2].language == "en"


def test_a_given_language_is_the_transcripts(transcriber: Transcriber) -> None:
    assert transcriber.transcribe([item("audio/jfk.flac", language="en")])[0].language == "en"


@pytest.fixture(scope="module")
def whisper() -> Transcriber:
    module = backend_module("asr", "faster_whisper")
    loaded: Transcriber = module.load(module.Options())
    return loaded


def test_neighbours_change_nothing(whisper: Transcriber) -> None:
    alone = whisper.transcribe([item("audio/jfk.flac")])[0]
    batch = [item("audio/falcon_3speakers.wav"), item("audio/jfk.flac", rate=0.2), item("audio/jfk.flac")]
    among = whisper.transcribe(batch)[2]
    assert [(word.text, word.span) for word in among.words] == [(word.text, word.span) for word in alone.words]
    assert [w.probability for w in among.words] == pytest.approx([w.probability for w in alone.words], abs=0.02)
    assert among.doubts == alone.doubts


def test_words_stand_where_they_are_said(whisper: Transcriber) -> None:
    """The pauses of this speech are long: words on both sides of each must not lie in it."""
    (transcript,) = whisper.transcribe([item("audio/jfk.flac", language="en")])
    by_text = {re.sub(r"\W", "", word.text.lower()): word.span for word in transcript.words}
    assert by_text["americans"].end < 2.7
    assert 3.0 < by_text["not"].start < 4.5
    assert by_text["and"].start < 0.7


def test_noise_that_a_vad_took_for_speech_gives_no_undoubted_words(whisper: Transcriber) -> None:
    for level in (-20, -45):
        (transcript,) = whisper.transcribe([Listening(Named(hiss(6.0, level), "noise"), (Span.at(0.5, 5.5),), "en")])
        assert transcript.doubts
        spans = [doubt.span for doubt in transcript.doubts if doubt.span is not None]
        assert all(any(span.overlap(word.span) > 0 for span in spans) for word in transcript.words)


def test_speech_of_a_hundredth_of_a_second_is_no_crash(whisper: Transcriber) -> None:
    tiny = Listening(Named(hiss(0.01, -20), "tiny"), (Span.at(0.0, 0.01),), "en")
    assert len(whisper.transcribe([tiny])) == 1
