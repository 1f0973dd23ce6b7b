"""Words to lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from captioner.speech.lines import LineOptions, segment
from captioner.times import Span
from captioner.types import Turn, Word


def word(text: str, start: float, end: float, speaker: str | None = "A") -> Word:
    return Word(text, Span.at(start, end), 0.9, speaker)


def texts(words: list[Word], turns: tuple[Turn, ...] = (), regions: tuple[Span, ...] = ()) -> list[str]:
    return [line.text for line in segment(words, turns, regions)]


def test_a_line_ends_at_a_change_of_speaker() -> None:
    words = [word("yes", 0, 0.5), word("no", 0.5, 1, "B"), word("so", 1, 1.5, None), word("on", 1.5, 2, None)]
    lines = segment(words, (), ())
    assert [(line.text, line.speaker) for line in lines] == [("yes", "A"), ("no", "B"), ("so on", None)]


def test_a_line_ends_at_a_pause() -> None:
    assert texts([word("one", 0, 0.5), word("two", 0.95, 1.5)]) == ["one", "two"]
    assert texts([word("one", 0, 0.5), word("two", 0.94, 1.5)]) == ["one two"]


def test_a_sentence_end_needs_room_to_cut() -> None:
    assert texts([word("One.", 0, 0.5), word("Two", 0.62, 1.5)]) == ["One.", "Two"]
    assert texts([word("One.", 0, 0.5), word("Two", 0.6, 1.5)]) == ["One. Two"]
    assert texts([word("“One.”", 0, 0.5), word("Two", 0.7, 1.5)]) == ["“One.”", "Two"]
    assert texts([word("一。", 0, 0.5), word("二", 0.7, 1.5)]) == ["一。", "二"]
    assert texts([word("one,", 0, 0.5), word("two", 0.7, 1.5)]) == ["one, two"]


def test_speech_in_a_gap_makes_it_no_pause() -> None:
    words = [word("one", 0, 0.5), word("two", 1.2, 1.5)]
    assert texts(words, regions=(Span(0.0, 1.5),)) == ["one two"]
    assert texts(words, regions=(Span(0.0, 0.6), Span(1.15, 1.5))) == ["one", "two"]


def test_somebody_elses_turn_in_a_gap_ends_a_line() -> None:
    words = [word("one", 0, 0.5), word("two", 0.9, 1.5)]
    assert texts(words, (Turn(Span(0.55, 0.85), "B"),)) == ["one", "two"]
    assert texts(words, (Turn(Span(0.55, 0.85), "A"),)) == ["one two"]
    assert texts(words, (Turn(Span(0.4, 1.85), "B"),)) == ["one two"]


def test_options_change_the_pause() -> None:
    words = [word("one", 0, 0.5), word("two", 0.95, 1.5)]
    assert len(segment(words, (), (), LineOptions(pause=0.5))) == 1


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 10), st.sampled_from(["A", "B", None])), max_size=20))
def test_every_word_is_in_exactly_one_line_of_its_speaker(raw: list[tuple[int, int, str | None]]) -> None:
    words = [word(f"w{i}", a / 10, (a + b) / 10, who) for i, (a, b, who) in enumerate(raw)]
    lines = segment(words, (), ())
    assert sorted(w.text for line in lines for w in line.words) == sorted(w.text for w in words)
    assert all(w.speaker == line.speaker for line in lines for w in line.words)
    starts = [w.span.start for line in lines for w in line.words]
    assert starts == sorted(starts)
