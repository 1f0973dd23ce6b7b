"""Text <-> values: what goes out comes back, damage is refused with its row, and nothing else is ever raised."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from captioner.errors import BadFormat
from captioner.formats import audacity, ctm, rttm, srt, stm, vtt
from captioner.formats.cues import Cue, split_label
from captioner.times import Span
from captioner.types import Turn, Word

PARSERS = [rttm.parse, ctm.parse, srt.parse, vtt.parse, audacity.parse, stm.parse]

times = st.integers(0, 30_000_000).map(lambda ms: ms / 1000)
spans = st.tuples(times, st.integers(0, 100_000)).map(lambda t: Span.at(t[0], t[0] + t[1] / 1000))
unwritable = {"NA", "<NA>", "N/A", "UNKNOWN"}
names = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Z")), min_size=1, max_size=12).filter(
    lambda name: name.split() == [name] and not name.startswith((";", "\ufeff")) and name.upper() not in unwritable
)
texts = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=40).map(lambda t: " ".join(t.split()))
speakers = st.none() | names
labels = st.none() | st.from_regex(r"[A-Z][A-Z0-9_]{0,9}( [A-Z]{1,8})?", fullmatch=True)


def test_rttm_of_the_field_is_read() -> None:
    text = (
        "\ufeff;; a comment\r\n\r\nSPKR-INFO a 1 <NA> <NA> <NA> unknown ann <NA> <NA>\r\n"
        "SPEAKER a 1 3.00 1.5 <NA> <NA> bob <NA> <NA>\r\nSPEAKER a 1 0.1004 2 <NA> <NA> ann <NA>\r\n"
        "SPEAKER b 1 1 1 <NA> <NA> ann <NA> <NA>"
    )
    assert rttm.parse(text) == {
        "a": [Turn(Span(0.1, 2.1), "ann"), Turn(Span(3.0, 4.5), "bob")],
        "b": [Turn(Span(1.0, 2.0), "ann")],
    }


@pytest.mark.parametrize(
    ("parse", "text", "row", "says"),
    [
        (rttm.parse, "SPEAKER a 1 0 1 <NA> <NA>", 1, "7 fields"),
        (rttm.parse, "\nSPEAKER a 1 0 -1 <NA> <NA> ann", 2, "before it starts"),
        (rttm.parse, "SPEAKER a 1 nan 1 <NA> <NA> ann", 1, "not a time"),
        (rttm.parse, "SPEAKER a 1 1e9 1 <NA> <NA> ann", 1, "not a time"),
        (rttm.parse, "ann 0 1", 1, "SPEAKER"),
        (ctm.parse, "a 1 0 1 word 1.2", 1, "between 0 and 1"),
        (ctm.parse, ";; x\na 1 0 1", 2, "4 fields"),
        (ctm.parse, "a 1 * * <ALT_BEGIN>", 1, "alternative"),
        (srt.parse, "1\n00:00:01,000 -> 2\nHi", 1, "no cue times"),
        (srt.parse, "1\n00:00:03,000 --> 00:00:02,000\nHi", 2, "before it starts"),
        (srt.parse, "00:00:01,000 --> 00:00:02,000\nHi\n\n00:00:03 --> 00:00:04\nYes", 4, "cannot read the times"),
        (srt.parse, "00:61:01,000 --> 00:62:02,000\nHi", 1, "59 minutes"),
        (vtt.parse, "00:01.000 --> 00:02.000\nHi", 1, "WEBVTT"),
        (vtt.parse, "WEBVTT\n\n00:01 --> 00:02.000\nHi", 3, "cannot read the times"),
        (vtt.parse, "WEBVTT\n\n00:03.000 --> 00:02.000\nHi", 3, "before it starts"),
        (audacity.parse, "1.0 2.0 hi", 1, "is no label"),
        (audacity.parse, "1.0\tx\thi", 1, "not a time"),
        (stm.parse, "a 1 ann 0", 1, "4 fields"),
        (stm.parse, "a 1 ann 2 1 hi", 1, "before it starts"),
    ],
)
def test_damage_is_refused_with_its_place(parse, text: str, row: int, says: str) -> None:
    with pytest.raises(BadFormat) as caught:
        parse(text, "take.txt")
    assert str(caught.value).startswith(f"take.txt:{row}: ")
    assert says in str(caught.value)


def test_ctm_forms() -> None:
    text = ";; words\na 1 1.0 0.5 two NA lex ann\na A 0.5 0.25 one 0.875\r\na 1 2 0 three\n"
    assert ctm.parse(text) == {
        "a": [
            Word("one", Span(0.5, 0.75), 0.875),
            Word("two", Span(1.0, 1.5), None, "ann"),
            Word("three", Span(2.0, 2.0)),
        ]
    }


def test_srt_as_found_in_the_wild() -> None:
    text = (
        "\ufeff1\r\n00:00:01,000 --> 00:00:02,500 X1:40\r\n<i>JOHN: Hello</i>\r\n"
        "{\\an8}there, <font color='red'>3 < 4</font>.\r\n\r\n"
        "7\r\n00:00:03.5 --> 00:00:04,000\r\n42\r\n\r\nmore\r\n\r\n"
        "00:00:05,000 --> 00:00:06,000\r\n- Who?\r\n- Me.\r\n\r\n4\r\n00:00:07,000 --> 00:00:08,000\r\n \r\n\r\n"
        "5\r\n01:00:00,000 --> 01:00:01,000\r\nANN: Yes.\r\nBOB: No: never."
    )
    assert srt.parse(text) == [
        Cue(Span(1.0, 2.5), "Hello there, 3 < 4.", "JOHN"),
        Cue(Span(3.5, 4.0), "42 more"),
        Cue(Span(5.0, 6.0), "Who? Me."),
        Cue(Span(3600.0, 3601.0), "Yes. No: never."),
    ]


def test_vtt_of_the_standard() -> None:
    text = (
        "WEBVTT - a title\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE 00:09.000 --> is only a remark\n\n"
        "intro\n00:01.000 --> 00:02.500 line:80% align:start\n<v.loud Ann Lee>Hi, "
        "<c.x>you</c> &amp;\n<00:00:02.000>I &lt;3</v>\n\n"
        "01:00:00.000 --> 01:00:01.000\n<v Ann>Yes.</v> <v Bob>No.\n\n"
        "00:03.000 --> 00:04.000\nMARY: <ruby>\u6f22<rt>kan</rt></ruby>&nbsp;so\n"
    )
    assert vtt.parse(text) == [
        Cue(Span(1.0, 2.5), "Hi, you & I <3", "Ann Lee"),
        Cue(Span(3600.0, 3601.0), "Yes. No."),
        Cue(Span(3.0, 4.0), "\u6f22 so", "MARY"),
    ]


def test_audacity_and_stm() -> None:
    assert audacity.parse("0,5\t1,25\tANN: hi\n\\\t20.0\t3000.0\n2\t2\n") == [
        Cue(Span(0.5, 1.25), "hi", "ANN"),
        Cue(Span(2.0, 2.0), ""),
    ]
    text = ";; x\na 1 ann 0 1.5 <o,f0,female> Hi  there\na 1 inter_segment_gap 1.5 2\na 1 NA 2 3\n"
    assert stm.parse(text) == {"a": [Cue(Span(0.0, 1.5), "Hi there", "ann"), Cue(Span(2.0, 3.0), "")]}


@pytest.mark.parametrize("said", ["he said: no", "Note: this", "11:30 is late", "\u0642\u0627\u0644: \u0644\u0627"])
def test_what_is_speech_is_not_taken_for_a_speaker(said: str) -> None:
    assert split_label(said) == (None, said)
    assert srt.parse(f"1\n00:00:01,000 --> 00:00:02,000\n{said}")[0].text == said


@given(st.dictionaries(names, st.lists(st.builds(Turn, spans, names), min_size=1, max_size=5), max_size=3))
def test_rttm_comes_back(values: dict[str, list[Turn]]) -> None:
    assert rttm.parse(rttm.serialize(values)) == {uri: sorted(turns) for uri, turns in values.items()}


words = st.builds(Word, names, spans, st.none() | st.floats(0, 1), speakers)


@given(st.dictionaries(names, st.lists(words, min_size=1, max_size=5), max_size=3))
def test_ctm_comes_back(values: dict[str, list[Word]]) -> None:
    ordered = {uri: sorted(said, key=lambda word: word.span.start) for uri, said in values.items()}
    assert ctm.parse(ctm.serialize(values)) == ordered


@given(st.dictionaries(names, st.lists(st.builds(Cue, spans, texts, speakers), min_size=1, max_size=4), max_size=3))
def test_stm_comes_back(values: dict[str, list[Cue]]) -> None:
    assume(all(cue.speaker != "inter_segment_gap" for cues in values.values() for cue in cues))
    assert stm.parse(stm.serialize(values)) == values


@given(st.lists(st.builds(Cue, spans, texts.filter(bool), labels | names), max_size=4))
def test_vtt_comes_back_whatever_is_said(values: list[Cue]) -> None:
    assert vtt.parse(vtt.serialize(values)) == values


plain = st.from_regex(r"[a-z\u4e00-\u4eff][a-z', \u4e00-\u4eff?!.:-]{0,30}", fullmatch=True).map(
    lambda t: " ".join(t.split())
)


@given(st.lists(st.builds(Cue, spans, plain, labels), max_size=4))
def test_srt_and_audacity_come_back(values: list[Cue]) -> None:
    assert srt.parse(srt.serialize(values)) == values
    assert audacity.parse(audacity.serialize(values)) == values


heads = [
    "SPEAKER a 1 ",
    "WEBVTT\n\n",
    "00:00:01,000",
    " --> ",
    "00:01.000",
    "1.5 ",
    "-1 ",
    "nan ",
    "1e999 ",
    "\t",
    "\n",
]
marks = [
    "\r",
    "\n\n",
    "<v A>",
    "&#0;",
    "&#xD800;",
    "<c",
    "A: ",
    "- ",
    "{\\an",
    "a 1 ann 0 1 ",
    ";;",
    "\ufeff",
    "\u0663",
]
pieces = st.sampled_from([*heads, *marks, "NOTE", "99:99:99,9", "\\"])


@pytest.mark.parametrize("parse", PARSERS)
@given(text=st.lists(pieces | st.text(max_size=6), max_size=14).map("".join))
def test_only_bad_format_is_ever_raised(parse, text: str) -> None:
    try:
        found = parse(text, "o")
    except BadFormat as error:
        message = str(error)
        found = []
    else:
        message = "o:"
    assert message.startswith("o:")
    for values in found.values() if isinstance(found, dict) else [found]:
        assert all(value.span.start <= value.span.end for value in values)


@pytest.mark.parametrize("name", ["two words", "", ";;x", "<NA>", "a\u2003b"])
def test_a_name_that_would_not_come_back_is_refused(name: str) -> None:
    with pytest.raises(BadFormat, match="cannot be written"):
        rttm.serialize({"a": [Turn(Span(0.0, 1.0), name)]})
    with pytest.raises(BadFormat, match="cannot be written"):
        ctm.serialize({name: [Word("hi", Span(0.0, 1.0))]})
