"""Who said each word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from captioner.speech.assign import assign
from captioner.times import Span
from captioner.types import Turn, Word


def word(start: float, end: float, text: str = "word", speaker: str | None = None) -> Word:
    return Word(text, Span.at(start, end), 0.9, speaker)


def turn(start: float, end: float, speaker: str) -> Turn:
    return Turn(Span.at(start, end), speaker)


def speakers(words: list[Word], *turns: Turn) -> list[str | None]:
    return [each.speaker for each in assign(words, turns)]


def test_the_turn_that_covers_most_of_a_word_wins() -> None:
    assert speakers([word(0.8, 1.3)], turn(0, 1, "A"), turn(1, 2, "B")) == ["B"]
    assert speakers([word(0.6, 1.1)], turn(0, 1, "A"), turn(1, 2, "B")) == ["A"]


def test_turns_of_one_speaker_count_together() -> None:
    assert speakers([word(0, 1)], turn(0, 0.3, "A"), turn(0.3, 0.7, "B"), turn(0.7, 1, "A")) == ["A"]


def test_overlapping_turns_of_one_speaker_do_not_count_twice() -> None:
    assert speakers([word(0, 1)], turn(0, 0.4, "A"), turn(0, 0.4, "A"), turn(0.4, 1, "B")) == ["B"]


def test_where_two_cover_a_word_the_one_who_was_speaking_goes_on() -> None:
    turns = [turn(0, 3, "A"), turn(1, 5, "B")]
    assert speakers([word(0.2, 0.8), word(2.2, 2.6)], *turns) == ["A", "A"]
    assert speakers([word(2.2, 2.6)], *turns) == ["B"]


def test_after_a_sentence_the_one_with_more_time_alone_around_wins() -> None:
    turns = [turn(0, 1.8, "A"), turn(1.2, 5, "B")]
    assert speakers([word(0.2, 0.8, "done."), word(1.35, 1.75)], *turns) == ["A", "B"]


def test_an_entirely_equal_claim_is_settled_the_same_way_each_time() -> None:
    turns = [turn(1, 2, "B"), turn(1, 2, "A")]
    assert speakers([word(1.2, 1.5)], *turns) == speakers([word(1.2, 1.5)], *reversed(turns)) == ["A"]


def test_a_word_beside_exactly_one_speaker_is_his() -> None:
    assert speakers([word(2.1, 2.4)], turn(0, 2, "A")) == ["A"]
    assert speakers([word(2.2, 2.4)], turn(0, 2, "A")) == [None]


def test_a_word_between_two_speakers_is_nobodys() -> None:
    assert speakers([word(2.05, 2.2)], turn(0, 2, "A"), turn(2.3, 4, "B")) == [None]


def test_a_word_without_any_turn_is_nobodys_and_a_given_speaker_stays() -> None:
    assert speakers([word(0, 1), word(1, 2, speaker="Z")]) == [None, "Z"]
    assert speakers([word(1, 2, speaker="Z")], turn(0, 3, "A")) == ["Z"]


def test_a_long_turn_far_back_is_still_found() -> None:
    turns = [turn(0, 100, "A"), *[turn(i, i + 0.1, "B") for i in range(1, 90)]]
    assert speakers([word(95, 95.5)], *turns) == ["A"]


times = st.integers(0, 60).map(lambda value: value / 10)


@given(
    st.lists(st.tuples(times, times), max_size=8),
    st.lists(st.tuples(times, times, st.sampled_from("AB")), max_size=8),
)
def test_nothing_but_the_speaker_changes_and_silence_has_none(
    spans: list[tuple[float, float]], talk: list[tuple[float, float, str]]
) -> None:
    words = [word(min(s), max(s) + 0.1) for s in spans]
    turns = [turn(min(a, b), max(a, b) + 0.1, name) for a, b, name in talk]
    done = assign(words, turns)
    assert [(w.text, w.span, w.probability) for w in done] == [(w.text, w.span, w.probability) for w in words]
    for each in done:
        near = {
            t.speaker for t in turns if t.span.start - 0.16 <= each.span.end and t.span.end + 0.16 >= each.span.start
        }
        assert each.speaker is None or each.speaker in near
        covered = {t.speaker for t in turns if t.span.overlap(each.span) > 0}
        assert not covered or each.speaker in covered
