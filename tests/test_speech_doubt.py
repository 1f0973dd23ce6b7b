"""Reasons to look before a line is trusted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from captioner.speech.doubt import REASONS, doubt_lines, unheard
from captioner.speech.ghosts import PHRASES, is_ghost
from captioner.speech.lines import segment
from captioner.speech.regions import speech_regions
from captioner.times import Span
from captioner.types import STEP, Activity, Doubt, Heard, Line, Transcript, Turn, Word


def heard(length: float, *spoken: tuple[float, float]) -> Activity:
    frames = round(length / STEP)
    speech, level = np.zeros(frames, np.uint8), np.full(frames, -70, np.int8)
    for start, end in spoken:
        speech[round(start / STEP) : round(end / STEP)] = 250
        level[round(start / STEP) : round(end / STEP)] = -20
    return Activity(speech.tobytes(), (speech > 0).astype(np.uint8).tobytes(), level.tobytes())


def said(
    text: str, start: float, each: float = 0.3, probability: float | None = 0.95, who: str | None = "A"
) -> list[Word]:
    parts = text.split()
    return [Word(t, Span.at(start + i * each, start + (i + 1) * each), probability, who) for i, t in enumerate(parts)]


def doubts(
    words: Sequence[Word],
    spoken: Sequence[tuple[float, float]] | None = None,
    *,
    turns: Sequence[Turn] | None = None,
    language: str | None = "en",
    given: tuple[Doubt, ...] = (),
) -> list[Doubt]:
    """Of the first line."""
    end = max(word.span.end for word in words)
    activity = heard(end + 1, *(spoken if spoken is not None else [(word.span.start, word.span.end) for word in words]))
    turns = turns if turns is not None else [Turn(Span(0, end), "A")]
    regions = speech_regions(activity)
    lines = segment(words, turns, regions)
    transcript = Transcript(tuple(words), language, 1.0, given)
    done = doubt_lines(lines, activity=activity, regions=regions, turns=turns, transcript=transcript)
    assert [line.words for line in done] == [line.words for line in lines]
    assert all(doubt.reason in REASONS for line in done for doubt in line.doubts if doubt not in given)
    return list(done[0].doubts)


def reasons(*args: object, **kwargs: object) -> list[str]:
    return [doubt.reason for doubt in doubts(*args, **kwargs)]  # type: ignore[arg-type]


def test_clear_speech_is_not_doubted() -> None:
    assert doubts(said("we should start again from the beginning", 0.5)) == []


def test_words_where_nobody_speaks_are_doubted() -> None:
    assert "no-speech" in reasons(said("hello there", 3.0), [(0.5, 1.0)])
    found = doubts(said("we start again now", 0.5), [(0.5, 1.4)])
    assert [doubt.reason for doubt in found] == ["no-speech"]
    assert "now" in found[0].detail
    assert found[0].span == Span(1.4, 1.7)


def test_more_words_than_can_be_said_are_doubted() -> None:
    assert reasons(said("internationalisation notwithstanding", 0.5, 0.3)) == ["too-fast"]
    assert reasons(said("a b c d e f", 0.5, 0.1)) == ["too-fast"]
    assert reasons(said("notwithstanding that", 0.5, 0.6)) == []
    assert reasons(said("我们应该从头再来一次吧", 0.5, 0.7), language="zh") == ["too-fast"]
    assert reasons(said("我们应该从头再来", 0.5, 1.6), language="zh") == []


def test_an_invented_phrase_is_doubted_only_where_little_speaks_for_it() -> None:
    phrase = "Thanks for watching!"
    assert reasons(said(phrase, 0.5)) == []
    assert reasons(said(phrase, 0.5, probability=0.6)) == ["invented"]
    assert reasons(said(phrase, 0.5, probability=None)) == ["invented"]
    assert "invented" in reasons(said(phrase, 0.5), [(0.5, 0.9)])
    assert reasons(said("thanks for watching my dog", 0.5, probability=0.6)) == []


@pytest.mark.parametrize("language", sorted(PHRASES))
def test_phrases_are_known_in_many_languages(language: str) -> None:
    phrase = PHRASES[language][0]
    assert is_ghost(phrase.upper() + "!", language)
    assert is_ghost(f"{phrase} {phrase}", language)
    assert is_ghost(phrase, None)
    assert not is_ghost(phrase + " x9", language)


def test_a_phrase_of_another_language_is_no_ghost() -> None:
    assert not is_ghost("Vielen Dank", "fr")
    assert is_ghost("Thank you.", "fr")
    assert not is_ghost("...", "en")


def test_a_word_of_low_probability_alone_is_no_doubt_here() -> None:
    assert reasons(said("we start again", 0.5, probability=0.1)) == []


def test_evidence_of_a_line_is_kept_with_it() -> None:
    words = said("we start again", 1.0)
    activity = heard(5, (1.0, 1.6), (1.95, 2.4))
    transcript = Transcript(
        tuple(words), "en", 0.9, (), (Heard(Span(0.5, 3.0), -0.4, 0.2), Heard(Span(3.0, 5.0), -0.9, 0.8))
    )
    turns = [Turn(Span(0.0, 5.0), "A"), Turn(Span(1.7, 5.0), "B")]
    (line,) = doubt_lines(
        [Line(tuple(words), "A")], activity=activity, regions=[Span(1.0, 2.4)], turns=turns, transcript=transcript
    )
    evidence = line.evidence
    assert evidence is not None
    assert evidence.speech == pytest.approx(0.6 / 0.9, abs=0.02)
    assert evidence.unheard == pytest.approx(0.45, abs=0.06)
    assert evidence.overlap == pytest.approx(0.2)
    assert (evidence.log_probability, evidence.no_speech, evidence.language) == (-0.4, 0.2, 0.9)
    assert not evidence.invented


def test_a_loop_is_doubted_and_emphasis_is_not() -> None:
    assert reasons(said("no no no", 0.5)) == []
    assert reasons(said("all of us all of us", 0.5)) == []
    assert reasons(said("here we go again here we go again", 0.5)) == ["repetition"]
    (doubt,) = doubts(said("and so we go we go we go we go", 0.5))
    assert doubt.reason == "repetition"
    assert "4 times: we go" in doubt.detail


def test_speech_without_a_word_is_doubted_inside_and_beside_a_line() -> None:
    words = [*said("one", 0.5), *said("two", 1.1)]
    assert "unheard-speech" in reasons(words, [(0.5, 1.4)])
    assert "unheard-speech" in reasons(said("one", 0.5), [(0.5, 1.1)])
    assert "unheard-speech" in reasons(said("one", 1.0), [(0.5, 1.3)])
    assert "unheard-speech" not in reasons(said("one", 0.5), [(0.5, 1.0)])
    assert "unheard-speech" not in reasons(said("one", 0.5), [(0.5, 0.8), (1.5, 2.5)])


def test_unheard_speech_is_found_beside_words() -> None:
    activity = heard(4, (0.5, 1.5), (2.0, 2.2), (3.0, 3.5))
    assert unheard(said("one two", 0.5), activity) == (Span(1.1, 1.5), Span(3.0, 3.5))


def test_a_line_of_nobody_is_doubted() -> None:
    assert reasons(said("hello", 0.5, who=None), turns=[]) == ["no-speaker"]


def test_somebody_else_at_the_same_time_is_doubted() -> None:
    turns = [Turn(Span(0, 3), "A"), Turn(Span(0.6, 0.8), "B"), Turn(Span(0.7, 0.9), "C")]
    (doubt,) = doubts(said("one two three", 0.5), turns=turns)
    assert (doubt.reason, "0.30 s" in doubt.detail) == ("overlap", True)
    assert doubts(said("one two three", 0.5), turns=[Turn(Span(0, 3), "A"), Turn(Span(0.6, 0.7), "B")]) == []


def test_doubts_of_the_transcriber_reach_the_lines_that_they_are_about() -> None:
    inside = Doubt("compression", "ratio 3.1", Span(0.4, 0.7))
    elsewhere = Doubt("compression", "ratio 3.1", Span(5.0, 6.0))
    assert doubts(said("one two", 0.5), given=(inside, elsewhere)) == [inside]


def test_doubts_that_a_line_came_with_stay_first() -> None:
    activity = heard(2, (0.5, 1.1))
    line = Line(tuple(said("one two", 0.5, who=None)), None, (Doubt("mine", "x"),))
    (done,) = doubt_lines([line], activity=activity, regions=(), turns=(), transcript=Transcript((), "en"))
    assert [doubt.reason for doubt in done.doubts] == ["mine", "no-speaker"]
