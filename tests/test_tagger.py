"""The omnivad tagger's own arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from captioner.errors import ModelError
from captioner.measures import Tag
from captioner.models.tagger import omnivad
from captioner.models.tagger.omnivad import Options, tags_of
from captioner.times import Span
from tests.hearing import RATE, Heard, hiss, recording


def steps(music: list[float]) -> np.ndarray:
    """Tenths of a second in which only music has a probability."""
    return np.array([[0.0, 0.0, one] for one in music], np.float32)


def test_a_tag_says_perhaps_or_surely_and_never_both() -> None:
    tags = tags_of(steps([0.0] * 30 + [0.4] * 30 + [0.95] * 30), 9.0)
    assert [(tag.label, tag.score < 0.75) for tag in tags] == [("music", True), ("music", False)]
    perhaps, surely = tags
    assert perhaps.span.start == pytest.approx(3.0, abs=0.6)
    assert perhaps.span.end == surely.span.start == pytest.approx(6.0, abs=0.6)
    assert surely.span.end == 9.0
    assert surely.score == pytest.approx(0.93, abs=0.05)


def test_a_single_frame_of_doubt_is_averaged_away() -> None:
    assert tags_of(steps([0.0] * 20 + [0.9] + [0.0] * 20), 4.1) == ()


def test_tags_end_with_the_recording() -> None:
    assert tags_of(steps([0.9] * 12), 1.15) == (Tag("music", Span.at(0, 1.15), 0.9),)
    assert tags_of(steps([]), 0.0) == ()


@pytest.mark.models
def test_blocks_give_what_one_pass_over_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Heard(np.concatenate([recording("audio/jfk.flac"), hiss(0.37, -40)]))
    whole = omnivad.load(Options()).tag([said])
    monkeypatch.setattr(omnivad, "BLOCK", 2)
    assert omnivad.load(Options()).tag([said]) == whole


def test_a_failing_model_is_a_model_error() -> None:
    class Failing:
        def detect_probs(self, _samples: np.ndarray) -> np.ndarray:
            raise RuntimeError("OmniVAD error (-8)")

    with pytest.raises(ModelError, match="--tagger none"):
        omnivad._Omnivad(Failing()).tag([Heard(hiss(1.0, -40))])


def test_short_sound_is_filled_up_for_the_model() -> None:
    given: list[int] = []

    class Counting:
        def detect_probs(self, samples: np.ndarray) -> np.ndarray:
            given.append(len(samples))
            return np.zeros((len(samples) // 160 - 2, 3), np.float32)

    assert omnivad._Omnivad(Counting()).tag([Heard(hiss(0.01, -40))]) == [()]
    assert given == [RATE // 2]
