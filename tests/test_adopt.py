"""Clips that are cut already: what stands beside them is taken over and compared with what is heard."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.adopt import Adopted, adopt_turns, adopt_words, adopted_doubts, find_adopted
from captioner.errors import BadFormat
from captioner.formats.cues import Cue
from captioner.speech.cues import bare, words_of_cues
from captioner.times import Span
from captioner.types import Cut, Line, Turn, Word


def word(text: str, start: float, end: float) -> Word:
    return Word(text, Span.at(start, end), 0.9)


HEARD = [word("we", 0.5, 0.7), word("shud", 0.7, 1.0), word("start", 1.0, 1.5), word("again.", 1.5, 2.0)]


def clip(text: str) -> Cut:
    words = tuple(word(part, n * 0.5, n * 0.5 + 0.4) for n, part in enumerate(text.split()))
    return Cut("a", 0, 49, Fraction(25), (Line(words, "A"),))


def test_a_cues_words_take_the_times_at_which_they_are_heard() -> None:
    words = words_of_cues([Cue(Span.at(0.4, 2.2), "We should start again.", "Ema")], HEARD)
    assert [(w.text, w.span.start, w.speaker) for w in words] == [
        ("We", 0.5, "Ema"), ("should", 0.7, "Ema"), ("start", 1.0, "Ema"), ("again.", 1.5, "Ema"),
    ]  # fmt: skip


def test_a_word_that_nobody_heard_gets_its_share_of_the_time_between() -> None:
    words = words_of_cues([Cue(Span.at(0.4, 2.2), "we start over again.", None)], [HEARD[0], HEARD[2], HEARD[3]])
    assert [w.text for w in words] == ["we", "start", "over", "again."]
    assert words[1].span == HEARD[2].span
    assert words[2].probability is None
    assert words[2].span.start >= words[1].span.end


def test_what_is_heard_outside_every_cue_stays() -> None:
    words = words_of_cues([Cue(Span.at(0.4, 1.0), "We should", None)], HEARD)
    assert [w.text for w in words] == ["We", "should", "start", "again."]


@given(
    st.lists(st.sampled_from(["one", "two", "Three,", "four."]), max_size=6),
    st.lists(st.sampled_from(["one", "two", "three", "five"]), max_size=6),
)
def test_every_written_word_comes_out_once_and_in_order(written: list[str], heard: list[str]) -> None:
    said = [word(text, n * 0.3, n * 0.3 + 0.25) for n, text in enumerate(heard)]
    words = words_of_cues([Cue(Span.at(0.0, 1.9), " ".join(written), "A")] if written else [], said)
    assert [w.text for w in words if w.speaker == "A"] == written
    assert all(a.span.start <= b.span.start for a, b in itertools.pairwise(words))
    if written:
        assert len(words) == len(written), "what lies inside the cue is the cue's"


def test_bare_words_compare_across_case_and_marks() -> None:
    assert bare("Don't,") == bare("DON’T") == "dont"


def test_sidecars_are_found_by_their_stem(tmp_path: Path) -> None:
    media = tmp_path / "take.mp4"
    (tmp_path / "take.txt").write_bytes('\ufeffA woman at\r\na desk. Speech: "Hello."'.encode())
    (tmp_path / "take.srt").write_text("1\n00:00:00,500 --> 00:00:01,000\nHello.\n")
    (tmp_path / "take.rttm").write_text("SPEAKER take 1 0.5 0.5 <NA> <NA> Ema <NA> <NA>\n")
    (tmp_path / "take.ctm").write_text("take 1 0.5 0.5 Hello. 0.9\n")
    (tmp_path / "other.txt").write_text("not this")
    found = find_adopted(media, keep_cuts=True)
    assert found.caption == 'A woman at a desk. Speech: "Hello."'
    assert found.cues == (Cue(Span.at(0.5, 1.0), "Hello.", None),)
    assert adopt_turns(found, [Turn(Span.at(0, 9), "B")]) == (Turn(Span.at(0.5, 1.0), "Ema"),)
    assert [w.text for w in adopt_words(found, HEARD)] == ["Hello."]
    assert find_adopted(media, keep_cuts=False) == Adopted()


def test_an_audacity_label_track_is_no_caption(tmp_path: Path) -> None:
    (tmp_path / "take.txt").write_text("0.500000\t1.000000\tHello.\n")
    found = find_adopted(tmp_path / "take.wav", keep_cuts=True)
    assert found.caption is None
    assert found.cues == (Cue(Span.at(0.5, 1.0), "Hello.", None),)


@pytest.mark.parametrize(
    ("suffix", "data"), [(".srt", b"no times here"), (".txt", b"\xff\xfe\xff"), (".ctm", b"a 1 b")]
)
def test_a_sidecar_that_cannot_be_read_is_named(tmp_path: Path, suffix: str, data: bytes) -> None:
    (tmp_path / f"take{suffix}").write_bytes(data)
    with pytest.raises(BadFormat, match=f"take\\{suffix}"):
        find_adopted(tmp_path / "take.mp4", keep_cuts=True)


@pytest.mark.parametrize(
    ("caption", "doubted"),
    [
        ('A desk. Speech: "we should start AGAIN"', False),
        ('A desk. Speech: "we should stop again"', True),
        ("A desk, and nobody is quoted.", False),
        (None, False),
    ],
)
def test_a_caption_that_quotes_other_words_is_doubted(caption: str | None, doubted: bool) -> None:
    cut = adopted_doubts(Adopted(caption), clip("We should start again."))
    assert [doubt.reason for doubt in cut.doubts] == (["caption-differs"] if doubted else [])
    if doubted:
        assert "stop again" in cut.doubts[0].detail
        assert "start again" in cut.doubts[0].detail
