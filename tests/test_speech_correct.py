"""Word times against what is heard."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.speech.correct import correct
from captioner.speech.regions import listen, quiet, talking
from captioner.times import Span
from captioner.types import STEP, Activity, Word


def heard(length: float, *spoken: tuple[float, float]) -> Activity:
    """Clear speech in the spans, silence elsewhere."""
    frames = round(length / STEP)
    speech, level = np.zeros(frames, np.uint8), np.full(frames, -70, np.int8)
    for start, end in spoken:
        speech[round(start / STEP) : round(end / STEP)] = 250
        level[round(start / STEP) : round(end / STEP)] = -20
    return Activity(speech.tobytes(), (speech > 0).astype(np.uint8).tobytes(), level.tobytes())


def corrected(activity: Activity, *spans: tuple[float, float]) -> list[tuple[float, float]]:
    words = [Word(f"w{i}", Span.at(a, b), 0.9) for i, (a, b) in enumerate(spans)]
    return [(w.span.start, w.span.end) for w in correct(words, activity)]


def about(spans: Sequence[tuple[float, float]], slack: float = 0.021) -> object:
    return pytest.approx(np.array(spans), abs=slack)


def test_an_end_that_absorbs_the_silence_is_drawn_in() -> None:
    assert np.array(corrected(heard(5, (1, 1.6)), (1.0, 3.5))) == about([(1.0, 1.6)])


def test_a_start_that_comes_seconds_early_is_drawn_in() -> None:
    activity = heard(6, (0.5, 1.0), (3.0, 3.6))
    assert np.array(corrected(activity, (0.5, 1.0), (1.0, 3.6))) == about([(0.5, 1.0), (3.0, 3.6)])


def test_a_pause_between_words_that_touch_goes_to_the_nearest_boundary() -> None:
    """Times are 0.1 s early: the boundary at 1.2 belongs to the pause at 1.3 to 1.5."""
    activity = heard(4, (0.5, 1.3), (1.5, 2.5))
    spans = corrected(activity, (0.5, 0.85), (0.85, 1.2), (1.2, 1.8), (1.8, 2.4))
    assert np.array(spans) == about([(0.5, 0.85), (0.85, 1.3), (1.5, 1.8), (1.8, 2.5)])


def test_boundaries_are_taken_to_come_early() -> None:
    """The pause is closer to the boundary at 1.5 as written, and to that at 1.15 once both are 0.1 s later."""
    spans = corrected(heard(4, (0.5, 1.28), (1.4, 2.4)), (0.5, 1.15), (1.15, 1.5), (1.5, 2.3))
    assert np.array(spans) == about([(0.5, 1.28), (1.4, 1.5), (1.5, 2.4)])


def test_a_word_over_a_pause_lies_where_its_neighbours_leave_it() -> None:
    activity = heard(4, (0.5, 1.2), (1.4, 2.4))
    spans = corrected(activity, (0.5, 1.0), (1.0, 1.6), (1.6, 2.3))
    assert np.array(spans) == about([(0.5, 1.2), (1.4, 1.6), (1.6, 2.4)])


def test_edges_reach_out_over_the_speech_that_goes_on() -> None:
    assert np.array(corrected(heard(4, (1.0, 2.0)), (1.2, 1.85))) == about([(1.0, 2.0)])


def test_edges_do_not_reach_over_speech_that_may_be_another_word() -> None:
    ((start, end),) = corrected(heard(6, (1.0, 4.0)), (2.0, 2.5))
    assert start == 2.0
    assert 2.5 <= end <= 2.62


def test_a_last_word_lingers_as_long_as_a_word_can_last() -> None:
    """1.2 s is nothing odd for "content," before a pause, and too much for "no"."""
    activity = heard(4, (1.0, 2.2))
    long, short = (correct([Word(text, Span.at(1.0, 1.5), 0.9)], activity)[0].span.end for text in ("content,", "no"))
    assert long == pytest.approx(2.2, abs=0.03)
    assert short < 1.9, "another word must be in there"


def test_a_short_dip_inside_a_word_stays_inside() -> None:
    activity = heard(4, (0.5, 0.9), (0.95, 1.6))
    assert np.array(corrected(activity, (0.5, 1.3), (1.3, 1.6))) == about([(0.5, 1.3), (1.3, 1.6)])


def test_a_word_without_speech_keeps_its_time() -> None:
    assert corrected(heard(5, (0.5, 1.0)), (0.5, 1.0), (3.0, 3.4))[1] == (3.0, 3.4)


def test_words_on_one_instant_are_spread() -> None:
    spans = corrected(heard(3, (1.0, 2.0)), (1.5, 1.5), (1.5, 1.5), (1.5, 1.5))
    assert all(b - a >= STEP - 1e-9 for a, b in spans)
    assert all(x[1] <= y[0] for x, y in pairwise(spans))


def test_nothing_to_do() -> None:
    activity = heard(1.0, (0.2, 0.5))
    assert correct([], activity) == []
    word = Word("a", Span(0.1, 0.2))
    assert correct([word], Activity(b"", b"", b"")) == [word]


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Activity, list[Word]]:
    spoken, at = [], 0.0
    for _ in range(draw(st.integers(0, 5))):
        at += draw(st.integers(2, 80)) / 100
        length = draw(st.integers(3, 150)) / 100
        spoken.append((at, at + length))
        at += length
    total = at + draw(st.integers(1, 100)) / 100
    words = []
    for index in range(draw(st.integers(0, 10))):
        start = draw(st.integers(0, int(total * 1000))) / 1000
        words.append(Word(f"w{index}", Span.at(start, min(total, start + draw(st.integers(0, 900)) / 1000)), 0.5))
    return heard(total, *spoken), words


@settings(max_examples=300, deadline=None)
@given(scenes())
def test_words_come_out_ordered_apart_whole_and_inside(scene: tuple[Activity, list[Word]]) -> None:
    activity, words = scene
    done = correct(words, activity)
    assert sorted(w.text for w in done) == sorted(w.text for w in words)
    assert all(w.span.duration >= STEP - 1e-9 for w in done)
    assert all(a.span.end <= b.span.start for a, b in pairwise(done))
    limit = max(len(activity) * STEP, len(words) * STEP)
    assert all(w.span.start >= 0 and w.span.end <= limit + 1e-9 for w in done)
    assert done == correct(list(reversed(words)), activity) or len({(w.span.start, w.span.end) for w in words}) < len(
        words
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(30, 90), st.integers(25, 90)), min_size=1, max_size=6), st.data())
def test_each_stretch_of_speech_with_one_word_is_covered_by_it(
    parts: list[tuple[int, int]], data: st.DataObject
) -> None:
    """However the word's own times are shifted: afterwards no quiet frame is inside and no speech outside."""
    spoken, words, at = [], [], 0.0
    for index, (gap, length) in enumerate(parts):
        at += gap / 100
        spoken.append((at, at + length / 100))
        early, late = data.draw(st.integers(-20, 5)) / 100, data.draw(st.integers(-15, 5)) / 100
        words.append(Word(f"w{index}", Span.at(max(0.0, at + early), at + length / 100 + late), 0.9))
        at += length / 100
    activity = heard(at + 0.5, *spoken)
    done = correct(words, activity)
    covered = np.zeros(len(activity), np.bool_)
    for word in done:
        covered[round(word.span.start / STEP) : round(word.span.end / STEP)] = True
    assert [w.text for w in done] == [w.text for w in words]
    assert not (covered & quiet(activity)).any()
    assert not (talking(listen(activity)) & ~covered).any()


@pytest.mark.parametrize("behind", [0.06, 0.1, 0.3])
def test_a_word_across_a_pause_was_said_behind_it(behind: float) -> None:
    """In "ten meters | Go somewhere" Whisper lets "Go" begin where "meters" is still drawn out."""
    activity = heard(6, (0.5, 1.4), (2.4, 3.2))
    spans = corrected(activity, (0.5, 1.1), (1.1, 2.4 + behind), (2.4 + behind, 3.1))
    assert spans[0][1] == pytest.approx(1.4, abs=0.03)
    assert spans[1][0] == pytest.approx(2.4, abs=0.03)


def test_a_word_that_only_swallows_a_pause_was_said_before_it() -> None:
    activity = heard(6, (0.5, 1.4), (2.4, 3.2))
    assert corrected(activity, (0.5, 1.0), (1.0, 2.4), (2.4, 3.1))[1][1] == pytest.approx(1.4, abs=0.03)
