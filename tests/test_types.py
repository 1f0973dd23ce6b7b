"""The values: spans, what a cut says, exact sample counts."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.scripts import spoken_text
from captioner.times import Span
from captioner.types import CLIP_RATE, Cut, Line, Word, cut_samples


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["I", "think,", "so."], "I think, so."),
        (["你好", "，", "世界"], "你好，世界"),
        (["これは", "Python", "です"], "これは Python です"),
        (["สวัสดี", "ครับ"], "สวัสดีครับ"),
        (["안녕", "하세요"], "안녕 하세요"),
        ([], ""),
    ],
)
def test_words_are_joined_as_their_script_is_written(words: list[str], text: str) -> None:
    assert spoken_text(words) == text
    line = Line(tuple(Word(word, Span.at(n, n + 1)) for n, word in enumerate(words)), "A")
    assert line.text == text
    assert Cut("a", 0, 49, Fraction(25), (line,)).text == text


@given(st.lists(st.text("ab你です.,", min_size=1, max_size=4), max_size=8))
def test_no_word_is_lost_in_joining(words: list[str]) -> None:
    assert spoken_text(words).replace(" ", "") == "".join(words)


@given(st.integers(0, 10**6), st.integers(1, 500), st.sampled_from([Fraction(25), Fraction(24), Fraction(30000, 1001)]))
def test_samples_are_exactly_those_of_the_frames(start: int, frames: int, rate: Fraction) -> None:
    first, count = cut_samples(start, frames, rate)
    assert count == round(frames * CLIP_RATE / rate)
    assert abs(first / CLIP_RATE - start / rate) <= Fraction(1, 2 * CLIP_RATE)


def test_spans_are_rounded_once_and_refuse_to_run_backwards() -> None:
    assert Span.at(0.1004, 0.2006) == Span(0.1, 0.201)
    assert Span.at(0.0, 1.0).overlap(Span.at(0.5, 2.0)) == 0.5
    assert Span.at(0.0, 1.0).overlap(Span.at(1.0, 2.0)) == 0.0
    with pytest.raises(ValueError, match="before it starts"):
        Span.at(1.0, 0.5)


def test_a_clip_is_named_by_its_source_and_frames() -> None:
    assert Cut("take", 25, 97, Fraction(25), ()).id == "take_f25n97"
