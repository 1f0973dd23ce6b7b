"""What every aligner backend does."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from captioner.errors import BackendMissing, WeightsMissing
from captioner.models.protocols import Aligner, Saying
from captioner.models.registry import backend_module, backends
from captioner.times import Span
from captioner.types import Word
from tests.hearing import RATE, Heard, hiss, recording
from tests.letters import taught

pytestmark = pytest.mark.models

JFK = "And so, my fellow Americans, ask not what your country can do for you".split()  # noqa: SIM905
STARTS = (0.4, 0.75, 1.1, 1.3, 1.65, 3.4, 3.9, 5.4, 5.7, 5.9, 6.4, 6.6, 6.8, 7.1)
"""Seconds, by hand to within 0.2: as a transcriber would have them."""


@pytest.fixture(scope="module", params=sorted(backends("aligner")))
def aligner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Aligner:
    """Every backend; a model of transformers is made here, since none comes with the package."""
    module = backend_module("aligner", request.param)
    assert isinstance(module.VERSION, str)
    try:
        options = module.Options()
        if request.param == "ctc":
            pytest.importorskip("transformers")
            options = module.Options(model=str(taught(tmp_path_factory.mktemp("made"), steps=3)), device="cpu")
        loaded: Aligner = module.load(options)
    except (BackendMissing, WeightsMissing) as error:
        pytest.skip(str(error))
    return loaded


def jfk(gain: float = 1.0) -> Saying:
    words = tuple(Word(text, Span.at(start, start + 0.25), 0.9) for text, start in zip(JFK, STARTS, strict=True))
    return Saying(Heard(recording("audio/jfk.flac") * np.float32(gain)), words, "en")


def test_one_place_a_word_inside_the_recording_and_in_order(aligner: Aligner) -> None:
    asked = [jfk(), Saying(Heard(hiss(3.0, -50)), (), "en"), jfk(0.3)]
    found = aligner.align(asked)
    assert [len(spans) for spans in found] == [14, 0, 14]
    for saying, spans in zip(asked, found, strict=True):
        known = [span for span in spans if span is not None]
        assert all(0 <= span.start <= span.end <= round(saying.audio.duration, 3) for span in known)
        assert all(one.start <= other.start for one, other in pairwise(known))
        assert all(
            abs(span.start - word.span.start) <= 2.5
            for span, word in zip(spans, saying.words, strict=True)
            if span is not None
        )


def test_neighbours_change_nothing(aligner: Aligner) -> None:
    batch = [jfk(), jfk(0.05), Saying(Heard(hiss(2.0, -30)), (Word("noise", Span.at(0.5, 1.0)),), "en")]
    together = aligner.align(batch)
    assert together == [aligner.align([one])[0] for one in batch]
    assert aligner.align(batch[::-1]) == together[::-1]


@pytest.mark.parametrize("duration", [0.0, 1 / RATE, 0.02, 0.3])
def test_hardly_any_sound_does_no_harm(aligner: Aligner, duration: float) -> None:
    sound = Heard(np.zeros(round(duration * RATE), np.float32))
    word = Word("hello", Span.at(0.0, duration))
    (spans,) = aligner.align([Saying(sound, (word,), "en")])
    assert len(spans) == 1
    assert spans[0] is None or spans[0].end <= duration + 0.001


def test_progress_adds_up_to_the_duration(aligner: Aligner) -> None:
    told: list[float] = []
    asked = [jfk(), Saying(Heard(hiss(2.5, -40)), (), "en"), replace(jfk(), language="de")]
    aligner.align(asked, told.append)
    assert sum(told) == pytest.approx(sum(saying.audio.duration for saying in asked), abs=0.05)
    assert all(step >= 0 for step in told)


def test_a_backend_is_one_file() -> None:
    assert {Path(name).suffix for name in backends("aligner").values()} >= {".ctc", ".pocketsphinx"}
