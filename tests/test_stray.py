"""Sound that no word explains is doubted; quiet, words' own ends, clicks, going noise and named sounds are not."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.judging import judge_all
from captioner.measures import Scene, Tag, Voiceprint
from captioner.planning import Planned, PlannedJob
from captioner.settings import Settings
from captioner.speech.purity import UNSURE, unsure_voice
from captioner.speech.stray import LEAST, OVER_FLOOR, REASON, UNDER_VOICE, explained, unexplained
from captioner.times import Span
from captioner.types import Activity, Cut, Doubt, Line, Word

VOICE, FLOOR = -30, -70


def cut(*words: tuple[float, float]) -> Cut:
    """4 s from 0, with words at these times."""
    said = tuple(Word("word", Span(start, end), 0.9) for start, end in words)
    return Cut("take", 0, 100, Fraction(25), (Line(said, "A"),))


def sounding(*sounds: tuple[float, float, int, int], floor: int = FLOOR) -> Activity:
    """4 s; each sound is (start, end, dBFS, speech probability x 255)."""
    level, speech = np.full(400, floor, dtype=np.int8), np.zeros(400, dtype=np.uint8)
    for start, end, loud, likely in sounds:
        level[round(start * 100) : round(end * 100)] = loud
        speech[round(start * 100) : round(end * 100)] = likely
    return Activity(speech.tobytes(), bytes(400), level.tobytes())


SAID = (1.0, 2.0, VOICE, 250)
SPOKEN = cut((1.0, 1.5), (1.5, 2.0))


def test_a_false_start_is_doubted_with_its_time_and_level() -> None:
    (doubt,) = unexplained(SPOKEN, sounding(SAID, (0.4, 0.6, VOICE - 8, 30)))
    assert doubt == Doubt(REASON, "0.20 s of sound at 0.40 s, 8 dB under the voice, and no word for it", Span(0.4, 0.6))


@pytest.mark.parametrize(
    "sounds",
    [
        (),
        ((0.4, 0.6, VOICE - round(UNDER_VOICE) - 1, 30),),  # a breath
        ((0.4, 0.4 + LEAST - 0.01, VOICE, 30),),  # a click
        ((0.4, 0.6, VOICE - 8, 5),),  # a step: not like a voice
        ((0.92, 1.0, VOICE - 8, 30), (2.0, 2.09, VOICE - 8, 30)),  # the words' own beginning and end
    ],
)
def test_what_a_listener_would_pass_by_is_not(sounds: tuple[tuple[float, float, int, int], ...]) -> None:
    assert unexplained(SPOKEN, sounding(SAID, *sounds)) == ()


def test_a_noise_that_goes_on_is_no_stray_sound() -> None:
    over = VOICE - 8 - round(OVER_FLOOR) + 1
    assert unexplained(SPOKEN, sounding(SAID, (0.4, 0.6, VOICE - 8, 30), floor=over)) == ()
    assert unexplained(SPOKEN, sounding(SAID, (0.4, 0.6, VOICE - 8, 30), floor=over - 2))


def test_sound_outside_the_cut_is_not_its_own() -> None:
    short = replace(SPOKEN, start=20, frames=50)  # 0.8 to 2.8 s
    assert unexplained(short, sounding(SAID, (0.4, 0.6, VOICE, 200), (3.0, 3.5, VOICE, 200))) == ()


def test_a_cut_without_words_has_no_voice_to_compare_with() -> None:
    assert unexplained(replace(SPOKEN, lines=()), sounding(SAID)) == ()


@given(st.floats(0.0, 0.8), st.floats(0.06, 0.9), st.integers(-60, -20))
def test_a_louder_sound_is_never_doubted_less(start: float, length: float, loud: int) -> None:
    end = min(start + length, 0.85)
    softer = unexplained(SPOKEN, sounding(SAID, (start, end, loud, 100)))
    louder = unexplained(SPOKEN, sounding(SAID, (start, end, loud + 5, 100)))
    assert not softer or louder


def test_a_sound_that_a_tagger_names_is_explained() -> None:
    found = replace(SPOKEN, start=25, doubts=(Doubt(REASON, "", Span(1.4, 1.6)), Doubt("noisy", "")))
    assert [one.reason for one in explained(found, (Tag("Dog", Span(0.3, 0.5), 0.9),))] == ["noisy"]
    assert explained(found, (Tag("Dog", Span(1.4, 1.6), 0.9),)) == found.doubts, "times of tags are the cut's own"


def judged(one: Cut) -> tuple[str, ...]:
    entry = PlannedJob(None, Planned((one,), (), 4.0, 1.0, 1.0, "en", 1), "key")  # type: ignore[arg-type]
    (after,) = judge_all([entry], Settings())
    return tuple(doubt.reason for doubt in after.planned.cuts[0].doubts)


def test_judging_drops_the_doubt_that_a_tag_explains() -> None:
    doubted = replace(SPOKEN, doubts=(Doubt(REASON, "", Span(0.4, 0.6)),))
    assert judged(doubted) == (REASON,)
    assert judged(replace(doubted, scene=Scene(events=(Tag("Dog", Span(0.3, 0.5), 0.9),)))) == ()


def test_another_voice_that_is_nearer_counts_where_the_words_are_unsure() -> None:
    near = replace(SPOKEN, voiceprint=Voiceprint(b"x", own=0.44, other=0.51))
    assert [one.reason for one in unsure_voice(near, UNSURE - 0.01)] == ["other-voice"]
    assert unsure_voice(near, UNSURE) == unsure_voice(near, None) == ()
    assert unsure_voice(replace(near, voiceprint=Voiceprint(b"x", own=0.51, other=0.51)), 0.1) == ()
    told = replace(near, doubts=(Doubt("other-voice", ""),))
    assert unsure_voice(told, 0.1) == (), "said once"
