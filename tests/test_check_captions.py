"""Rules C01 to C13: a failing and a passing caption each, and both sides of every threshold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from captioner.checks.captiontext import dialect, openings, residue, times_named, word_errors
from captioner.checks.configs import TrainerConfig, read_config
from captioner.checks.findings import Finding, Severity
from captioner.checks.view import View
from tests.check_sets import clip, found, says, view, with_words

GOOD = 'ema_voice, a woman speaks in a calm voice. Speech: "I think we should go." Sounds: quiet room tone.'
AI_TOOLKIT = """job: extension
config:
  name: ema
  process:
  - type: sd_trainer
    trigger_word: "{trigger}"
    model: {{arch: ltx2.3, name_or_path: X}}
    datasets:
    - folder_path: {folder}
      caption_ext: txt
      auto_frame_count: true
      do_audio: true
      fps: 25
{more}
"""


def said(root: Path, *captions: str) -> Path:
    """A folder of clips a.mp4, b.mp4 ... with these captions."""
    for letter, caption in zip("abcdefghijklmnopqrst", captions, strict=False):
        clip(root, f"{letter}.mp4", caption)
    return root


def ai_toolkit(root: Path, trigger: str = "", more: str = "") -> dict[str, object]:
    path = root.parent / f"{root.name}.yaml"
    path.write_text(AI_TOOLKIT.format(trigger=trigger, folder=root, more=more))
    return {"trainer": "ai-toolkit", "config": read_config(path, "ai-toolkit")}


def ltx(root: Path, trigger: str) -> dict[str, object]:
    path = root.parent / f"{root.name}.sh"
    flag = f" --lora-trigger {trigger}" if trigger else ""
    path.write_text(f'python scripts/process_dataset.py dataset.json --resolution-buckets "64x64x9"{flag}\n')
    return {"trainer": "ltx", "config": read_config(path, "ltx")}


def simpletuner(root: Path, **fields: object) -> dict[str, object]:
    import json

    block = {"id": "ema", "type": "local", "dataset_type": "video", "instance_data_dir": str(root),
             "caption_strategy": "textfile", **fields}  # fmt: skip
    path = root.parent / f"{root.name}.json"
    path.write_text(json.dumps([block]))
    return {"trainer": "simpletuner", "config": read_config(path, "simpletuner")}


# -- the trigger -------------------------------------------------------------------------------------------------------


def test_c01_a_trigger_that_is_baked_in_and_added_is_there_twice(tmp_path: Path) -> None:
    root = said(tmp_path / "a", GOOD, "a woman speaks.")
    (one,) = found(root, "C01", **ltx(root, "ema_voice"))
    assert one.file == "a.txt"
    assert "2 times" in one.found
    assert found(root, "C01", **ltx(root, "")) == []


def test_c01_a_trigger_that_is_spoken_is_no_second_one(tmp_path: Path) -> None:
    root = said(tmp_path / "a", 'a woman speaks. Speech: "My name is Ema."')
    assert found(root, "C01", **ltx(root, "Ema")) == []


def test_c02_a_caption_without_the_trigger(tmp_path: Path) -> None:
    root = said(tmp_path / "a", GOOD, "a woman speaks.")
    (one,) = found(root, "C02", trigger="ema_voice")
    assert one.file == "b.txt"
    assert found(root, "C02", trigger="ema_voice,a woman") == []
    assert found(root, "C02", **ai_toolkit(root, "ema_voice")) == []
    assert found(root, "C02", trigger="ema_voice", trainer="musubi") != []


def test_c02_an_empty_trigger_is_told_once_with_its_line(tmp_path: Path) -> None:
    root = said(tmp_path / "a", "a woman speaks.", "The man sings.")
    (one,) = found(root, "C02", **ai_toolkit(root))
    assert "trigger" in one.found
    assert one.line == 6
    baked = said(tmp_path / "b", GOOD, GOOD.replace("calm", "loud"))
    assert found(baked, "C02", **ai_toolkit(baked)) == []


@pytest.mark.parametrize(("without", "known"), [(1, True), (2, False)])
def test_c02_nine_in_ten_captions_show_what_the_trigger_is(without: int, known: bool, tmp_path: Path) -> None:
    texts = [f"ema_voice, take {number}." for number in range(10 - without)] + ["a woman speaks."] * without
    assert (openings(texts) == ("ema_voice",)) is known
    assert len(found(said(tmp_path / "a", *texts), "C02")) == (without if known else 0)


def test_c02_each_speaker_may_have_a_trigger() -> None:
    assert openings(["ema_voice, a.", "ema_voice, b.", "bob_v: c", "bob_v, d"]) == ("bob_v", "ema_voice")
    assert openings(["[VISUAL]: ema_voice, a.", "[VISUAL]: ema_voice sits."]) == ("ema_voice",)
    assert openings(["ema_voice, a.", "bob_v, b."]) == ()
    assert openings(["A woman.", "A man."]) == ()


def test_c03_a_trigger_inside_another_word_is_never_added(tmp_path: Path) -> None:
    root = said(tmp_path / "a", "a cinema in the rain.", "a woman speaks.")
    (one,) = found(root, "C03", **ai_toolkit(root, "ema"))
    assert one.file == "a.txt"
    assert "cinema" in one.found
    assert found(root, "C03", **ai_toolkit(root, "ema_voice")) == []
    assert "comma" in found(root, "C03", **ai_toolkit(root, "ema, voice"))[0].found


def test_c04_a_placeholder_is_filled_by_ai_toolkit_alone(tmp_path: Path) -> None:
    root = said(tmp_path / "a", "[trigger], a woman.", "[Trigger warning] a woman.")
    assert [one.file for one in found(root, "C04", trainer="musubi")] == ["a.txt"]
    assert found(root, "C04", trainer="ai-toolkit") == []


# -- what trainers do to a text ----------------------------------------------------------------------------------------


def test_c05_lines_are_captions_of_their_own_to_simpletuner(tmp_path: Path) -> None:
    root = said(tmp_path / "a", "[VISUAL]: a woman.\n[SPEECH]: hello.\n", "one line.\n\n")
    (one,) = found(root, "C05", trainer="simpletuner")
    assert (one.file, "2 lines" in one.found) == ("a.txt", True)
    assert found(root, "C05", trainer="musubi") == []
    assert found(root, "C05", **simpletuner(root, disable_multiline_split=True)) == []


def test_c06_commas_in_numbers(tmp_path: Path) -> None:
    root = said(tmp_path / "a", 'ema_voice. Speech: "It cost $10,000, I think."', "in 1999, 30 people.")
    (one,) = found(root, "C06", trainer="ai-toolkit")
    assert one.file == "a.txt"
    assert "'$10,000' is read as '$10, 000'" in one.found


def test_c07_shuffled_speech(tmp_path: Path) -> None:
    root = said(tmp_path / "a", GOOD)
    (one,) = found(root, "C07", **ai_toolkit(root, "ema_voice", "      shuffle_tokens: true"))
    assert one.line == 14
    assert found(root, "C07", **ai_toolkit(root, "ema_voice", "      shuffle_tokens: false")) == []
    mute = said(tmp_path / "b", "ema_voice, a street.")
    assert found(mute, "C07", **ai_toolkit(mute, "ema_voice", "      shuffle_tokens: true")) == []


@pytest.mark.parametrize(
    ("tokens", "severity"),
    [(900, None), (901, Severity.WARNING), (1024, Severity.WARNING), (1025, Severity.ERROR)],
)
def test_c08_counted_tokens(tokens: int, severity: Severity | None, tmp_path: Path) -> None:
    seen = replace(view(said(tmp_path, "x" * 2000)), tokens=lambda text: tokens if text else 0)
    assert [one.severity for one in says("C08", seen)] == ([severity] if severity else [])


def test_c08_uncounted_tokens_are_bounded(tmp_path: Path) -> None:
    root = said(tmp_path, "a word " * 100, "a word " * 250, "A B, C; " * 1000)
    assert [(one.file, one.severity) for one in found(root, "C08")] == [
        ("b.txt", Severity.WARNING),
        ("c.txt", Severity.ERROR),
    ]


def test_c08_wan_reads_half_as_much(tmp_path: Path) -> None:
    seen = view(said(tmp_path, "x" * 2000), trainer="wan")
    assert says("C08", replace(seen, tokens=lambda text: 513))[0].severity is Severity.ERROR
    assert says("C08", replace(seen, tokens=lambda text: 512))[0].severity is Severity.WARNING


def test_c09_captions_that_nobody_reads(tmp_path: Path) -> None:
    root = said(tmp_path / "a", GOOD)
    assert len(found(root, "C09", **simpletuner(root, caption_strategy="filename"))) == 1
    assert len(found(root, "C09", **simpletuner(root, only_instance_prompt=True, instance_prompt="ema"))) == 1
    assert found(root, "C09", **simpletuner(root)) == []


# -- how captions are written ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[VISUAL]: a room. [SPEECH]: hello.", "[TAG]:"),
        (GOOD, "label:"),
        ('a woman says <d>hello</d> there.', "<d>"),
        ('A woman says "Music: it heals."', "prose"),
        ("A woman in a room. Her speech is soft.", "prose"),
    ],
)  # fmt: skip
def test_dialects(text: str, kind: str) -> None:
    assert dialect(text) == kind


def test_c10_one_set_one_way_of_writing(tmp_path: Path) -> None:
    tagged = "[VISUAL]: a woman. [SPEECH]: hello there. [SOUNDS]: a soft voice."
    root = said(tmp_path / "a", tagged, tagged.replace("soft", "loud"), "A woman says hello.")
    (one,) = found(root, "C10")
    assert one.file == "c.txt"
    lacking = said(tmp_path / "b", tagged, tagged, "[VISUAL]: a man. [SPEECH]: hello.")
    assert [one.file for one in found(lacking, "C10")] == ["c.txt"]
    half = said(tmp_path / "c", tagged, "[VISUAL]: a man. [SPEECH]: hello.")
    assert found(half, "C10") == []


def test_c10_a_section_that_says_none_where_words_are_heard(tmp_path: Path) -> None:
    seen = view(said(tmp_path, "[VISUAL]: a woman. [SPEECH]: None. [SOUNDS]: a voice."))
    assert says("C10", seen) == []
    (one,) = says("C10", with_words(seen, "a.mp4", ("Hello", 0.0, 0.2)))
    assert "Hello" in one.found


@pytest.mark.parametrize(
    "text",
    [
        "<think>It is a woman.</think> ema_voice, a woman.",
        '{"caption": "a woman"}',
        "The video shows a woman.",
        "Sure! Here is the caption: a woman.",
        "a woman speaks.<end_of_turn>",
        'ema_voice, a woman says "hello there.',
        "ema_voice, a woman speaks. She is in a room, and then the camera moves to the",
    ],
)
def test_c11_what_models_leave_behind(text: str, tmp_path: Path) -> None:
    assert [one.file for one in found(said(tmp_path, text, GOOD), "C11")] == ["a.txt"]


@pytest.mark.parametrize("text", [GOOD, "A thinker sits. The video on her screen shows a cat", "ema_voice"])
def test_c11_plain_captions_have_no_residue(text: str) -> None:
    assert residue(text) is None


# -- what is heard -----------------------------------------------------------------------------------------------------


def heard(root: Path, caption: str, hearing: str | None, **more: object) -> list[Finding]:
    seen = view(said(root, caption))
    told = {} if hearing is None else {"a.mp4": hearing}
    if more:
        seen = replace(seen, clips=tuple(replace(one, **more) for one in seen.clips))
    return says("C12", replace(seen, heard=told))


def test_c12_other_words_than_are_heard(tmp_path: Path) -> None:
    ten = "one two three four five six seven eight nine ten"
    caption = f'ema_voice. Speech: "{ten.capitalize()}."'
    assert heard(tmp_path / "same", caption, "One, two three four five six seven eight nine ten!") == []
    assert heard(tmp_path / "three", caption, ten.replace("one", "x").replace("two", "x").replace("nine", "x")) == []
    (one,) = heard(tmp_path / "four", caption, ten.replace("one two three four", "a b c d"))
    assert "40%" in one.found
    assert heard(tmp_path / "nobody", caption, None) == []


@pytest.mark.parametrize(("letters", "many"), [(8, 0), (9, 1)])
def test_c12_words_that_sound_alike_are_the_same(letters: int, many: int, tmp_path: Path) -> None:
    """Four of four words are others, by 8 or 9 of 40 letters."""
    caption = 'ema_voice. Speech: "' + "aaaaaaaaaa " * 4 + '"'
    parts = [letters // 4 + (place < letters % 4) for place in range(4)]
    assert len(heard(tmp_path, caption, " ".join("b" * part + "a" * (10 - part) for part in parts))) == many


@pytest.mark.parametrize(("seconds", "many"), [(0.49, 0), (0.5, 1)])
def test_c12_a_caption_that_says_nobody_speaks(seconds: float, many: int, tmp_path: Path) -> None:
    caption = "[VISUAL]: a street. [SPEECH]: None. [SOUNDS]: cars."
    assert len(heard(tmp_path, caption, None, speech=((1.0, 1.0 + seconds),))) == many


def test_c12_knows_the_words_of_a_captioner_dataset_in_the_window(tmp_path: Path) -> None:
    """ai-toolkit hears 9 of 17 frames at 24 a second: 0.375 s; what is said behind that is not heard."""
    clip(tmp_path, "a.mp4", 'ema_voice. Speech: "Now then go away home."', frames=17, seconds=0.68)
    words = [("Now", 0.0, 0.1), ("then", 0.1, 0.3), ("go", 0.4, 0.5), ("away", 0.5, 0.6), ("home.", 0.6, 0.68)]
    whole = with_words(view(tmp_path), "a.mp4", *words)
    assert says("C12", whole) == []
    options = SimpleNamespace(options_of=lambda path, picture: _short(), options=_short(), blocks=(), trigger=None)
    short = replace(whole, trainer="ai-toolkit", config=options)  # type: ignore[arg-type]
    (one,) = says("C12", short)
    assert "'Now then'" in one.found


def test_c12_says_nothing_of_a_clip_that_the_trainer_does_not_take(tmp_path: Path) -> None:
    clip(tmp_path, "a.wav", 'ema_voice. Speech: "Now then go away home."', frames=17, seconds=0.68)
    whole = with_words(view(tmp_path), "a.wav", ("Something", 0.0, 0.3), ("else", 0.3, 0.6))
    assert len(says("C12", whole)) == 1
    assert says("C12", replace(whole, trainer="ai-toolkit")) == []


def _short() -> object:
    from captioner.trainers.ai_toolkit import Options

    return Options(auto_frame_count=True, do_audio=True, fps=24.0)


def test_c13_clips_that_say_the_same(tmp_path: Path) -> None:
    root = said(tmp_path / "a", GOOD, GOOD, GOOD.replace("calm", "loud"))
    told = [one.found for one in found(root, "C13")]
    assert len(told) == 2
    assert "same caption" in told[0]
    three, four = 'x. Speech: "One two three."', 'x. Speech: "One two three four."'
    assert found(said(tmp_path / "b", three, three.replace("x", "y")), "C13") == []
    assert len(found(said(tmp_path / "c", four, four.replace("x", "y")), "C13")) == 1


def test_word_errors() -> None:
    assert word_errors("Hello there, you.", "hello there you") == 0
    assert word_errors("a b c d", "a c d") == 0.25
    assert word_errors("", "a") == 1
    assert word_errors("a", "") == 1


def test_a_trigger_counts_as_a_word_outside_speech() -> None:
    assert times_named('ema, ema. Speech: "Ema is ema."', "ema") == 2
    assert times_named("cinema ema_voice", "ema") == 0


def test_no_rule_speaks_of_a_clean_set(tmp_path: Path) -> None:
    seen: View = view(said(tmp_path, GOOD, GOOD.replace("go", "stay here now").replace("think", "hope")))
    assert [one for number in range(1, 14) for one in says(f"C{number:02}", seen)] == []


@pytest.mark.parametrize(
    ("trainer", "here"), [("musubi", False), ("ltx", True), ("ai-toolkit", True), ("wan", False), ("simpletuner", True)]
)
def test_c02_a_trigger_is_set_only_where_a_trainer_has_a_place_for_it(tmp_path: Path, trainer: str, here: bool) -> None:
    said(tmp_path, "A woman speaks.", "In a room she talks.")
    config = TrainerConfig(trainer, "config", ("config",))
    (finding,) = says("C02", view(tmp_path, trainer=trainer, config=config))
    assert ("here or at the beginning" in finding.fix) is here
