"""The pattern language, template files, and what they are refused for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner import templates_io
from captioner.captions.pattern import fill, parse_pattern
from captioner.captions.template import Ask, Template, parse_template, render
from captioner.errors import TemplateError
from captioner.templates_io import find_template, shipped_templates


def filled(pattern: str, **fields: str) -> str:
    nodes, wrong = parse_pattern(pattern)
    assert wrong == []
    return fill(nodes, fields)


@pytest.mark.parametrize(
    ("pattern", "fields", "text"),
    [
        ("{a}", {"a": "x"}, "x"),
        ("{ a }", {"a": "x"}, "x"),
        ("{a}[ in a {b} voice].", {"a": "x", "b": "soft"}, "x in a soft voice."),
        ("{a}[ in a {b} voice].", {"a": "x"}, "x."),
        ("{a}[ with {b}[ and {c}]]", {"a": "x", "b": "y", "c": "z"}, "x with y and z"),
        ("{a}[ with {b}[ and {c}]]", {"a": "x", "b": "y"}, "x with y"),
        ("{a}[ with {b}[ and {c}]]", {"a": "x", "c": "z"}, "x"),
        ("[{a}|{b}|nobody] came", {"a": "x", "b": "y"}, "x came"),
        ("[{a}|{b}|nobody] came", {"b": "y"}, "y came"),
        ("[{a}|{b}|nobody] came", {}, "nobody came"),
        (r"\[A\]: {a} \{b\} \| \\", {"a": "x"}, r"[A]: x {b} | \ "[:-1]),
        ("{a} | {b}", {"a": "x", "b": "y"}, "x | y"),
        ("[{a?}yes|no] {b}", {"a": "x", "b": "y"}, "yes y"),
        ("[{a?}yes|no] {b}", {"b": "y"}, "no y"),
        ("is a {a} man", {"a": "even"}, "is an even man"),
        ("is a {a} man", {"a": "uniform"}, "is a uniform man"),
        ("is a {a} man", {"a": "low"}, "is a low man"),
    ],
)
def test_what_stands_in_brackets_goes_with_its_field(pattern: str, fields: dict[str, str], text: str) -> None:
    assert filled(pattern, **fields) == text


@pytest.mark.parametrize(
    ("pattern", "fields", "text"),
    [
        ("{a}, {b}, {c}.", {"a": "x", "c": "z"}, "x, z."),
        ("{a}, {b}.", {"a": "x"}, "x."),
        ("{a}: {b}", {"a": "x"}, "x"),
        ("{b}, {a}", {"a": "x"}, "x"),
        ("{a}  {b}   {c}", {"a": "x", "c": "z"}, "x z"),
        ("{a}. Next", {"a": "Stop!"}, "Stop! Next"),
        ("{a}. Next", {"a": '"Why?"'}, '"Why?" Next'),
        ("{a}. Next", {"a": '"so"'}, '"so". Next'),
        ("{a}. Next", {"a": '"So. (sighs)"'}, '"So. (sighs)" Next'),
        ("{a}. Next", {"a": '"\u0644\u0645\u061f"'}, '"\u0644\u0645\u061f" Next'),
        ("{a}. Next", {"a": "two,  kept"}, "two,  kept. Next"),
    ],
)
def test_the_words_around_close_up_and_values_are_not_touched(pattern: str, fields: dict[str, str], text: str) -> None:
    assert filled(pattern, **fields) == text


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{a} [ {b}", "never closed"),
        ("{a} ] {b}", "nothing was opened"),
        ("{a", r"write \{"),
        ("a} ", r"write \}"),
        ("a \\b", r"write \\"),
        ("[VISUAL]: {a}", r"write \[ and \]"),
        ("[ with [{a}]]", "never vanish"),
        ("[nobody|{a}]", "put it last"),
    ],
)
def test_a_faulty_pattern_is_explained(pattern: str, said: str) -> None:
    _, wrong = parse_pattern(pattern)
    assert any(said in fault for fault in wrong), wrong


@given(st.text(alphabet="ab {}[]|\\,.", max_size=40))
def test_any_pattern_is_read_or_explained(pattern: str) -> None:
    nodes, wrong = parse_pattern(pattern)
    if not wrong:
        text = fill(nodes, {"a": "x"})
        assert "  " not in text
        assert text == text.strip()


@given(st.text())
def test_any_text_is_a_template_or_a_template_error(text: str) -> None:
    said = ""
    try:
        template = parse_template(text, "t.yaml")
    except TemplateError as error:
        said = str(error)
    assert said.startswith("t.yaml: ") or isinstance(template, Template)


def refused(text: str) -> str:
    with pytest.raises(TemplateError) as caught:
        parse_template(text, "mine.yaml")
    return str(caught.value)


def test_unknown_fields_are_all_named_with_near_matches() -> None:
    said = refused("dialect: mine\ntext: '{trigger} {speech} {speach} {soundz} {colour}'")
    assert said.startswith("mine.yaml: unknown fields:")
    assert "{speach} (did you mean speech?)" in said
    assert "{soundz} (did you mean sounds?)" in said
    assert "{colour}" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dialect: m\ntext: '{speech}'", "{trigger} is missing: without it in every caption the model cannot"),
        ("dialect: m\ntext: '{trigger}'", "{speech} is missing: a caption must hold the words that are heard"),
        ("dialect: m\ntext: '[{trigger}] {speech}'", "{trigger} stands in brackets"),
        ("dialect: m\ntext: '{trigger} {speech} {trigger}'", "{trigger} is there twice"),
        ("dialect: m\ntext: '{trigger} {speech}[ {speech}]'", "{speech} is there twice"),
        ("dialect: m\ntext: '{trigger}[ {speech?}said]'", "{speech} is missing"),
        ("dialect: m\ntext: '{trigger} {speech} {words}'", "{speech} and {words} hold the same words"),
        ("dialect: m\nnonverbal: '*{}*'\ntext: '{trigger} {speech}'", "nonverbal is '*{}*'"),
        ("text: '{trigger} {speech}'", "`dialect` is missing"),
        ("dialect: m", "`text` is missing"),
        ("dialect: m\ntxt: '{trigger} {speech}'", "unknown key 'txt' (did you mean text?)"),
        ("- a\n- b", "YAML mapping"),
        ("dialect: [", "not valid YAML"),
        ("dialect: m\ntext: '{trigger} {speech}'\nask: [a]", "`ask` is a mapping"),
        ("dialect: m\ntext: '{trigger} {speech}'\nask: {voice: {question: Who}}", "ask: 'voice' is no name"),
        ("dialect: m\ntext: '{trigger} {speech}'\nask: {coat: {default: red}}", "ask: coat needs a `question`"),
    ],
)
def test_a_faulty_file_is_refused_with_its_name_and_reason(text: str, said: str) -> None:
    told = refused(text)
    assert "mine.yaml: " in told
    assert said in told


def test_everything_that_is_wrong_is_told_at_once() -> None:
    said = refused("txt: a\ntext: '{voise} [VISUAL]'")
    assert len(said.splitlines()) == 6


def test_speech_may_stand_in_two_choices_of_which_one_is_taken() -> None:
    template = parse_template("dialect: m\ntext: '{trigger}: [{subject} says {speech}|{speech}]'", "m.yaml")
    assert render(template, {"trigger": "t", "speech": '"a"'}).text == 't: "a"'
    assert render(template, {"trigger": "t", "speech": '"a"', "subject": "she"}).text == 't: she says "a"'


def test_a_template_may_ask_for_fields_of_its_own() -> None:
    text = "dialect: m\ntext: '{trigger}[ in {coat}]: {speech}'\nask: {coat: {question: 'What coat?', default: red}}"
    assert parse_template(text, "m.yaml").asks == (Ask("coat", "What coat?", "red"),)


@pytest.mark.parametrize("trigger", [None, ""])
def test_an_empty_trigger_is_refused(trigger: str | None) -> None:
    template = parse_template(*find_template("default"))
    with pytest.raises(TemplateError, match="trigger is empty"):
        render(template, {"trigger": trigger, "speech": '"a"'})


def test_the_shipped_templates_are_found_and_bear_their_names() -> None:
    assert set(shipped_templates()) == {"default", "ltx-prose", "ltx-dialogue", "id-lora", "minimax-h3", "plain"}
    for name in shipped_templates():
        assert parse_template(*find_template(name)).dialect == name


def test_templates_are_found_in_the_package_before_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "package"
    inside.mkdir()
    (inside / "default.yaml").write_text("dialect: other\ntext: '{trigger} {speech}'", encoding="utf-8")
    monkeypatch.setattr(templates_io, "SHIPPED", (inside, *templates_io.SHIPPED))
    assert "other" in find_template("default")[0]


def test_a_path_is_read_and_named(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("\ufeffdialect: mine\ntext: '{trigger} {speech}'", encoding="utf-8")
    text, origin = find_template(str(mine))
    assert parse_template(text, origin).dialect == "mine"
    assert origin == str(mine)


def test_a_template_that_is_nowhere_is_refused_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"there are default, id-lora, .*did you mean ltx-prose"):
        find_template("ltx-prosa")
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TemplateError, match="cannot be read as UTF-8"):
        find_template(str(tmp_path / "bad.yaml"))
