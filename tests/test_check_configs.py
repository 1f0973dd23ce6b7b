"""Configs of five trainers: what is read out of them, whose they are, what is wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from checking import Kind, Studio, folder_of, found, only, seen
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.checks import rules_config
from captioner.checks.configs import PARSERS, parse_config, read_config
from captioner.checks.configs.flags import commands_in
from captioner.checks.configs.reading import MOST_DEPTH, MOST_TEXT, parse
from captioner.checks.configs.sources import clip_names
from captioner.checks.findings import Severity
from captioner.checks.rules import all_rules
from captioner.checks.rules_config_targets import reached
from captioner.errors import BadFormat, CaptionerError, UsageError
from captioner.trainers import ai_toolkit, id_lora, ltx, musubi, simpletuner
from captioner.trainers._buckets import Bucket

JOB = """\
job: extension
config:
  name: run
  process:
  - type: diffusion_trainer
    trigger_word: ema
    network: {type: lora, linear: 32, network_kwargs: {only_if_contains: [audio_attn]}}
    train:
      batch_size: 2
      steps: 500
      audio_loss_multiplier: 1.0
    datasets:
    - folder_path: /data/one
      caption_ext: txt
      num_frames: 97
      shrink_video_to_frames: false
      fps: 25
      do_audio: true
      caption_dropout_rate: 0.1
    - folder_path: /data/two
      auto_frame_count: true
    model: {arch: ltx2.3}
"""
TOML = """\
# a comment
[general]
caption_extension = ".txt"
resolution = [768, 512]

[[datasets]]
video_directory = "/data/one"
target_frames = [49, 97]
source_fps = 30.0
cache_directory = "/cache/1"

[[datasets]]
audio_directory = "/data/two"
cache_directory = "/cache/2"
"""
BACKENDS = """\
[
 {"id": "films", "type": "local", "dataset_type": "video", "instance_data_dir": "/data/one",
  "caption_strategy": "textfile", "prepend_instance_prompt": true, "instance_prompt": "ema",
  "video": {
   "num_frames": 97,
   "min_frames": 49},
  "audio": {"channels": 2}},
 {"id": "text", "type": "local", "dataset_type": "text_embeds", "default": true, "cache_dir": "/cache"}
]
"""
TRAINING = """\
model: {model_path: m, training_mode: lora}
lora: {rank: 32, alpha: 32, target_modules: [attn1.to_k, attn1.to_q]}
training_strategy:
  name: flexible
  audio: {is_generated: true}
optimization:
  batch_size: 1
data: {preprocessed_data_root: /data/.precomputed}
"""
PREPARE = """\
#!/bin/sh
# python process_dataset.py old.json --resolution-buckets "1x1x1"
cd /opt/ltx && uv run python scripts/process_dataset.py /data/dataset.json \\
  --resolution-buckets "768x512x97;512x512x121" \\
  --lora-trigger=ema --skip-audio
"""


# -- what is read out ------------------------------------------------------------------------------------------------


def test_ai_toolkits_job_gives_options_and_lines() -> None:
    config = parse_config(JOB, "train.yaml")
    first, second = config.blocks
    assert first.options == ai_toolkit.Options(
        num_frames=97, shrink_video_to_frames=False, fps=25.0, do_audio=True, trigger_word="ema"
    )
    assert second.options == ai_toolkit.Options(auto_frame_count=True, trigger_word="ema")
    assert (first.folders, first.caption_extension, first.line) == (("/data/one",), ".txt", 13)
    assert first.line_of("fps") == 17
    assert first.line_of("auto_frame_count") == 13
    assert (config.trigger and (config.trigger.value, config.trigger.line)) == ("ema", 6)
    assert config.batch_size == 2
    assert config.batch is not None
    assert config.batch.line == 9
    assert config.targets is not None
    assert config.targets.value == ["audio_attn"]
    assert config.dropout is not None
    assert config.dropout.value == 0.1
    assert config.faults == ()
    assert config.sound is True


def test_a_clip_belongs_to_the_block_of_its_folder_here_or_elsewhere() -> None:
    config = parse_config(JOB, "train.yaml")
    assert config.options_of(Path("/data/two/a.mp4")) == config.blocks[1].options
    assert config.options_of(Path("/mine/two/a.mp4")) == config.blocks[1].options
    assert config.options_of(Path("/data/one/deep/a.mp4")) == config.blocks[0].options
    assert config.options_of(Path("/nowhere/a.mp4")) == config.blocks[0].options


@pytest.mark.parametrize("shape", ["job", "datasets", "list", "block"])
def test_a_block_is_read_however_it_is_posted(shape: str) -> None:
    block = {"folder_path": "/d", "auto_frame_count": True, "do_audio": True, "fps": 24}
    value: Any = {
        "job": {"job": "extension", "config": {"name": "x", "process": [{"datasets": [block]}]}},
        "datasets": {"datasets": [block]}, "list": [block], "block": block,
    }[shape]  # fmt: skip
    for text in (yaml.safe_dump(value), json.dumps(value, indent=1)):
        config = parse_config(text, "x.json" if text[0] in "[{" else "x.yaml")
        assert config.trainer == "ai-toolkit"
        assert config.faults == ()
        assert config.options == ai_toolkit.Options(auto_frame_count=True, do_audio=True, fps=24.0)


def test_musubis_blocks_take_over_what_is_general() -> None:
    config = parse_config(TOML, "d.toml")
    first, second = config.blocks
    assert first.options == musubi.Options(target_frames=(49, 97), source_fps=30.0, mode_av=True)
    assert first.caption_extension == ".txt"
    assert (first.line, first.line_of("target_frames"), second.line) == (6, 8, 12)
    assert second.sound_alone
    assert config.block_of(Path("/x/y.wav"), picture=False) == second
    assert config.commands is False
    assert config.sound is None


def test_musubis_commands_decide_on_sound() -> None:
    for flags, sound in (("--ltx2_mode av", True), ("--ltx_mode=va", True), ("", False), ("--ltx2_mode v", False)):
        config = parse_config(TOML, "d.toml", scripts={"run.sh": f"python x/ltx2_cache_latents.py {flags}\n"})
        assert config.sound is sound
        assert config.blocks[0].options.mode_av is sound


def test_a_script_leads_to_its_dataset_config() -> None:
    script = "accelerate launch ltx2_train_network.py --dataset_config /far/away/d.toml --ltx2_mode av\n"
    read: Callable[[str], str | None] = {"/far/away/d.toml": TOML}.get
    config = parse_config(script, "run.sh", None, {"run.sh": script}, read)
    assert config.trainer == "musubi"
    assert len(config.blocks) == 2


def test_every_file_that_was_read_is_named_where_it_stands(tmp_path: Path) -> None:
    """A check is remembered only while all of them are the same."""
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "d.toml").write_text(TOML)
    (tmp_path / "run.sh").write_text("python ltx2_cache_latents.py --dataset_config sets/d.toml --ltx2_mode av\n")
    files = read_config(tmp_path / "run.sh").files
    assert {str(tmp_path / "run.sh"), str(tmp_path / "sets" / "d.toml")} <= set(files)


def test_simpletuners_backends_and_flags() -> None:
    flags = '{"--framerate": 24, "--train_batch_size": 2, "--caption_dropout_probability": 0.2}'
    config = parse_config(BACKENDS, "multidatabackend.json", read={"config.json": flags}.get)
    (block,) = config.blocks
    assert block.options == simpletuner.Options(24.0, 97, 49, audio=True, instance_prompt="ema")
    assert (block.line, block.line_of("video.min_frames")) == (2, 6)
    assert config.batch_size == 2
    assert config.trigger is not None
    assert config.trigger.value == "ema"
    assert parse_config(BACKENDS, "multidatabackend.json").options.framerate == 25.0


def test_simpletuners_flags_lead_to_its_backends() -> None:
    flags = '{"model_family": "ltxvideo2", "data_backend_config": "x/b.json", "framerate": "30"}'
    config = parse_config(flags, "config.json", read={"x/b.json": BACKENDS}.get)
    assert config.options.framerate == 30.0


def test_ltxs_command_gives_buckets_and_flags() -> None:
    config = parse_config(TRAINING, "train.yaml", scripts={"prepare.sh": PREPARE})
    assert config.options == ltx.Options(
        (Bucket(768, 512, 97), Bucket(512, 512, 121)), skip_audio=True, lora_trigger="ema"
    )
    assert config.blocks[0].listings == ("/data/dataset.json",)
    assert config.blocks[0].line == 3
    assert config.targets is not None
    assert config.targets.value == ["attn1.to_k", "attn1.to_q"]
    assert config.sound is True
    assert parse_config(TRAINING, "train.yaml").options is None


def test_id_lora_is_known_by_its_references() -> None:
    script = (
        'python process_dataset.py d.csv --resolution-buckets "512x512x97" --with-audio --reference-column reference'
    )
    config = parse_config("", "d.csv", None, {"run.sh": script})
    assert config.trainer == "id-lora"
    assert config.options == id_lora.Options((Bucket(512, 512, 97),), with_audio=True)
    training = TRAINING.replace("flexible", "audio_ref_only_ic")
    assert parse_config(training, "t.yaml").trainer == "id-lora"


@pytest.mark.parametrize(
    ("text", "name", "trainer"),
    [(JOB, "a.yaml", "ai-toolkit"), (TOML, "a.toml", "musubi"), (BACKENDS, "a.json", "simpletuner"),
     (TRAINING, "a.yaml", "ltx"), (PREPARE, "a.sh", "ltx")],
)  # fmt: skip
def test_the_trainer_is_told_by_the_shape(text: str, name: str, trainer: str) -> None:
    scripts = {name: text} if name.endswith("sh") else None
    assert parse_config(text, name, None, scripts).trainer == trainer
    assert parse_config(text, name, trainer, scripts).trainer == trainer
    other = "musubi" if trainer != "musubi" else "ltx"
    with pytest.raises(UsageError, match=f"give --trainer {trainer}"):
        parse_config(text, name, other, scripts)


@pytest.mark.parametrize("text", ["", "a: 1", "[]", "just words", "- 1\n- 2"])
def test_what_is_nobodys_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--trainer"):
        parse_config(text, "x.yaml")
    for trainer in PARSERS:
        parse_config(text, "x.yaml", trainer)  # whoever says so gets faults, not a crash


def test_an_unknown_trainers_config_is_refused() -> None:
    with pytest.raises(UsageError, match="are not read"):
        parse_config(JOB, "x.yaml", "plain")


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_config(tmp_path / "gone.yaml")
    (tmp_path / "bad.yaml").write_bytes(b"a: 1\nb: \xff\xfe\n")
    with pytest.raises(BadFormat, match=r"bad\.yaml:2: not UTF-8"):
        read_config(tmp_path / "bad.yaml")
    (tmp_path / "big.yaml").write_bytes(b"#" * (4 * MOST_TEXT + 10))
    with pytest.raises(BadFormat, match="bytes"):
        read_config(tmp_path / "big.yaml")
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbf" + JOB.encode())
    assert read_config(tmp_path / "bom.yaml").trainer == "ai-toolkit"


# -- texts that harm -------------------------------------------------------------------------------------------------

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20))
MERGES = "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 20))


@pytest.mark.parametrize(
    ("text", "name", "why"),
    [
        (BOMB, "x.yaml", "unfold"), (MERGES, "x.yaml", "unfold"), ("a: &a [*a]", "x.yaml", "unfold"),
        ("[" * 2000, "x.yaml", "deep"), ("[" * 2000 + "]" * 2000, "x.json", "deep"),
        ("a: " + "[" * 500 + "]" * 500, "x.yaml", "deep"),
        ("a = " + "[" * 5000 + "]" * 5000, "x.toml", "deep"), ("{" * 2000, "x.json", "deep"),
        ("a = " + "[" * (MOST_DEPTH + 2) + "]" * (MOST_DEPTH + 2), "x.toml", "deep"),
        ("#" * (MOST_TEXT + 1), "x.yaml", "characters"), ("a: 1\na: 2", "x.yaml", r":2: 'a' stands twice"),
        ('{"a": 1, "a": 2}', "x.json", "stands twice"), ("a = 1\na = 2", "x.toml", "no TOML"),
        ("!!python/object/apply:os.system [id]", "x.yaml", "tag"), ("a: !!int ''", "x.yaml", "tag says"),
        ("a: !!python/name:os.system ''", "x.yaml", "constructor"), ("a: 2020-13-45", "x.yaml", "tag says"),
        ("a: [", "x.yaml", "x.yaml:1"), ("{\n\n oops", "x.json", "x.json:3"), ("a = ", "x.toml", "no TOML"),
        ("? [a, b]\n: 1", "x.yaml", "name must be text"), ("a: 1\n--- \nb: 2", "x.yaml", "no YAML"),
        ("\x00", "x.yaml", "no YAML"),
        ("<<: 3", "x.yaml", "<< takes over"), ('{"a": NaN}', "x.json", "no JSON"), ("9" * 5000, "x.json", "no JSON"),
        ("a = " + "9" * 5000, "x.toml", "no TOML"), ("a: " + "9" * 5000, "x.yaml", "tag says"),
        ('python a.py "never closed', "x.sh", "never closed"),
    ],
)  # fmt: skip
def test_texts_that_are_none_or_would_harm_are_refused_with_the_reason(text: str, name: str, why: str) -> None:
    with pytest.raises(BadFormat, match=why):
        parse(text, name)


def test_aliases_and_merges_of_an_ordinary_config_are_read() -> None:
    text = "base: &b {fps: 24, do_audio: true}\ndatasets:\n- <<: *b\n  folder_path: /d\n  fps: 25\n"
    config = parse_config(text, "x.yaml")
    assert (config.options.fps, config.options.do_audio) == (25.0, True)


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-10**9, 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4),
    max_leaves=25,
))  # fmt: skip
def test_json_comes_back_with_the_line_of_every_place(value: Any) -> None:
    text = json.dumps(value, indent=1)
    doc = parse(text, "x.json")
    assert doc.value == value

    def walk(part: Any, place: tuple[Any, ...]) -> None:
        assert place in doc.lines
        own = text.splitlines()[doc.lines[place] - 1]
        if place and isinstance(place[-1], str):
            assert own.strip().startswith(json.dumps(place[-1]))
        for key, below in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
            walk(below, (*place, key))

    walk(value, ())


plain = st.text(st.characters(codec="ascii", categories=("Ll",)), min_size=1, max_size=6)


@given(st.dictionaries(plain, st.dictionaries(plain, st.integers(0, 99) | plain, max_size=3), max_size=4))
def test_yaml_comes_back_with_lines(value: dict[str, dict[str, Any]]) -> None:
    text = yaml.safe_dump(value, sort_keys=False)
    doc = parse(text, "x.yaml")
    assert doc.value == yaml.safe_load(text)
    for key in doc.value:
        assert text.splitlines()[doc.lines[key,] - 1].startswith((key, f"'{key}'", f'"{key}"'))


@given(st.dictionaries(plain, st.integers(0, 99), min_size=1, max_size=4), st.integers(0, 3))
def test_toml_lines(value: dict[str, int], blanks: int) -> None:
    rows = [f"{key} = {number}" for key, number in value.items()]
    text = "\n" * blanks + "\n".join(["[[datasets]]", *rows, "[[datasets]]", *rows])
    doc = parse(text, "x.toml")
    for block in (0, 1):
        for number, key in enumerate(value):
            assert doc.line(("datasets", block, key)) == blanks + 2 + number + block * (len(rows) + 1)


# -- fuzzing ---------------------------------------------------------------------------------------------------------

NAMES = ("x.yaml", "x.json", "x.toml", "x.sh", "x.csv", "x.env")
GOOD = (JOB, TOML, BACKENDS, TRAINING, PREPARE)


PIECES = ("", "[", "}", "&a *a", "!!int", ": ", "\n", '"', "\x85", "0x", "1e999", "<<: ", "--")


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """A good config with pieces cut out, doubled or written over."""
    text = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        put = draw(st.sampled_from(PIECES) | st.text(max_size=6))
        text = text[:start] + put + text[end:]
    return text


anything = st.text(max_size=200) | st.text("[]{}:,'\"\n -#&*!|>%@=.0123abc", max_size=200) | spoilt()


@given(anything, st.sampled_from(NAMES), st.sampled_from([None, *PARSERS]))
@settings(max_examples=300, deadline=None)
def test_whatever_a_file_holds_it_is_read_or_refused(text: str, name: str, trainer: str | None) -> None:
    scripts = {name: text} if name.endswith("sh") else {"run.sh": text}
    try:
        config = parse_config(text, name, trainer, scripts, lambda _: text)
    except CaptionerError:
        return
    assert config.trainer in PARSERS
    assert config.options is None or type(config.options).__name__ == "Options"
    assert all(fault.told and fault.cost and fault.fix for fault in config.faults)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8,
)  # fmt: skip


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_fields_of_any_kind_become_faults_and_never_crash(data: st.DataObject) -> None:
    """Every known field of every trainer, with values of every kind; the windows of what comes out are made, too."""
    from fractions import Fraction

    from captioner.checks.configs import ai_toolkit as ait
    from captioner.checks.configs import musubi as mu
    from captioner.checks.configs import simpletuner as tuner
    from captioner.trainers import trainer
    from captioner.trainers._window import ClipFacts

    name, table = data.draw(st.sampled_from([
        ("ai-toolkit", ait.DATASET), ("musubi", mu.BLOCK), ("simpletuner", tuner.BACKEND), ("wan", mu.BLOCK),
        ("wan", ait.DATASET),
    ]))  # fmt: skip
    block = data.draw(st.dictionaries(st.sampled_from(sorted(table.kinds)), values, max_size=6))
    value = [block] if name == "simpletuner" else {"datasets": [block]}
    text = json.dumps(value)
    if "NaN" in text or "Infinity" in text:
        return
    config = parse_config(text, "x.json", name) if name != "ai-toolkit" else parse_config(text, "x.yaml", name)
    for one in config.blocks:
        trainer(name).window(ClipFacts(121, Fraction(25), 64, 64, 48_000, 232_320), one.options)


@given(st.text(max_size=100) | st.text("-=ab. \\\n\"'#", max_size=100))
def test_any_script_is_parted_or_refused(text: str) -> None:
    try:
        found_ = commands_in(f"python a.py {text}", "x.sh")
    except BadFormat:
        return
    assert all(one.program.endswith(".py") or one.program == "simpletuner" for one in found_)


@given(st.text(max_size=100), st.sampled_from(["x.json", "x.jsonl", "x.csv"]))
def test_any_listing_names_clips_or_none(text: str, name: str) -> None:
    found_ = clip_names(text, name, ("media_path",))
    assert found_ is None or found_


# -- P01 to P10 ------------------------------------------------------------------------------------------------------


@pytest.fixture
def clips(studio: Studio, tmp_path: Path) -> Path:
    return folder_of(studio, tmp_path / "clips", {"a": Kind(49), "b": Kind(49)})


def ait(folder: Path, more: str = "", job: str = "trigger_word: ema") -> str:
    block = f"{{folder_path: '{folder}', caption_ext: txt, auto_frame_count: true, do_audio: true, fps: 25{more}}}"
    return f"datasets: [{block}]\n{job}\n"


@pytest.mark.parametrize(
    ("more", "near"), [(", auto_frame_cuont: true", "auto_frame_count"), (", Do_Audio: true", "do_audio"), ("", None)]
)
def test_p01_a_misspelt_field_is_named_with_the_one_that_was_meant(clips: Path, more: str, near: str | None) -> None:
    told = found(seen(clips, config=ait(clips, more)), "P01")
    assert [f"did you mean {near}?" in one.found for one in told] == ([True] if near else [])


def test_p01_a_field_like_no_other_is_only_mentioned(clips: Path) -> None:
    assert only(seen(clips, config=ait(clips, ", wibble: 3")), "P01").severity is Severity.INFO


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (', do_audio: "false"', "must be true or false"), (", num_frames: 0", "at least 1"),
        (", fps: 0", "more than 0"),
        (', resolution: ["big"]', "whole number"), (", caption_dropout_rate: 5", "at most 1"),
        (", num_repeats: 2", None),
        (", shrink_video_to_frames: 1", "must be true or false"), (", resolution: 512", None),
        (", num_frames: null", None),
    ],
)  # fmt: skip
def test_p02_values_of_the_wrong_kind(clips: Path, more: str, told: str | None) -> None:
    text = ait(clips, more)
    if "do_audio" in more:
        text = text.replace("do_audio: true, ", "")
    if "fps" in more:
        text = text.replace("fps: 25, ", "")
    findings = found(seen(clips, config=text), "P02")
    assert [told in one.found for one in findings] == ([True] if told else [])


@pytest.mark.parametrize(
    ("job", "severity"),
    [
        ("trigger_word: ema", None),
        ("trigger_word: other", Severity.ERROR),
        ('trigger_word: ""', Severity.INFO),
        ("", None),
    ],
)
def test_p03_two_triggers(clips: Path, job: str, severity: Severity | None) -> None:
    told = found(seen(clips, config=ait(clips, job=job)), "P03")
    assert [one.severity for one in told] == ([severity] if severity else [])


def test_p04_captions_of_another_ending(clips: Path) -> None:
    other = ait(clips).replace("caption_ext: txt", "caption_ext: caption")
    told = only(seen(clips, config=other), "P04")
    assert "2 of 2 clips have no such file; they have a .txt" in told.found
    for path in clips.glob("*.txt"):
        path.with_suffix(".caption").write_text(path.read_text())
    assert found(seen(clips, config=other), "P04") == []
    assert found(seen(clips, config=ait(clips)), "P04") == []


@pytest.mark.parametrize(
    ("rate", "severity"), [(0.05, None), (0.3, None), (0.31, Severity.WARNING), (1.0, Severity.ERROR)]
)
def test_p05_captions_left_out(clips: Path, rate: float, severity: Severity | None) -> None:
    told = found(seen(clips, config=ait(clips, f", caption_dropout_rate: {rate}")), "P05")
    assert [one.severity for one in told] == ([severity] if severity else [])


def test_p05s_threshold_is_what_the_test_above_rests_on(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = seen(clips, config=ait(clips, ", caption_dropout_rate: 0.31"))
    monkeypatch.setattr(rules_config, "MOST_DROPOUT", 0.4)
    assert found(view, "P05") == []


@pytest.mark.parametrize(
    ("trainer", "targets", "missing"),
    [
        ("ltx", ["to_k", "to_q", "to_v", "to_out.0"], set()),
        ("ltx", ["attn1.to_k", "attn1.to_q", "attn2.to_k"], {"audio", "audio-to-video", "video-to-audio"}),
        ("ltx", ["attn1.to_k", "audio_attn1.to_k"], {"audio-to-video", "video-to-audio"}),
        ("ltx", ["audio_attn1.to_k", "video_to_audio_attn.to_k", "audio_to_video_attn.to_v"], set()),
        ("ai-toolkit", ["attn1"], {"audio-to-video", "video-to-audio"}),  # part of audio_attn1
        ("ai-toolkit", [".attn1"], {"audio", "audio-to-video", "video-to-audio"}),
        ("ai-toolkit", ["transformer_blocks"], set()),
        ("musubi", ["t2v"], set()), ("musubi", ["video_sa"], {"audio", "audio-to-video", "video-to-audio"}),
        ("musubi", ["audio"], {"video-to-audio"}),
    ],
)  # fmt: skip
def test_p06_which_branches_names_reach(trainer: str, targets: list[str], missing: set[str]) -> None:
    assert {"audio", "audio-to-video", "video-to-audio"} - reached(trainer, targets) == missing


def test_p06_attn1_to_k_misses_the_branch_that_speaks(clips: Path) -> None:
    (clips / "dataset.json").write_text('[{"caption": "ema hi", "media_path": "a.mp4"}]')
    (clips / "train.yaml").write_text(TRAINING)
    told = only(seen(clips / "dataset.json", config=clips / "train.yaml"), "P06")
    assert "attn1.to_k, attn1.to_q" in told.found
    assert "it stays the base model's" in told.cost
    assert "to_k, to_q" in told.fix
    assert told.line == 2
    (clips / "train.yaml").write_text(TRAINING.replace("attn1.", ""))
    assert found(seen(clips / "dataset.json", config=clips / "train.yaml"), "P06") == []


def test_p07_other_clips_than_these(clips: Path) -> None:
    told = only(seen(clips, config=ait(Path("/data/others"))), "P07")
    assert "trains /data/others" in told.found
    assert found(seen(clips, config=ait(Path("/on/another/machine/clips"))), "P07") == []


@pytest.mark.parametrize(("root", "broken"), [(".precomputed", False), ("sound", False), ("elsewhere", True)])
def test_p07_latents_of_either_preparation(clips: Path, root: str, broken: bool) -> None:
    """Clips with a picture and sound alone are prepared by a command each, into a folder each."""
    (clips / "dataset.json").write_text('[{"caption": "ema hi", "media_path": "a.mp4"}]')
    (clips / "audio.json").write_text('[{"caption": "ema hi", "audio": "a.mp4"}]')
    (clips / "train.yaml").write_text(TRAINING.replace("/data/.precomputed", str(clips / root)))
    (clips / "commands.sh").write_text(
        f'python process_dataset.py {clips}/dataset.json --resolution-buckets "64x64x9"\n'
        f"python process_dataset.py {clips}/audio.json --audio-durations 1.0 --output-dir {clips}/sound\n"
    )
    told = found(seen(clips / "dataset.json", config=clips / "train.yaml"), "P07")
    assert bool(told) is broken
    assert all(one.fix == f"set it to {clips / '.precomputed'}" for one in told)


@pytest.mark.parametrize(
    ("root", "broken"),
    [(".precomputed", False), ("clips/.precomputed", False), ("sets/.precomputed", True), ("", True)],
)
def test_p07_a_relative_folder_of_latents_may_be_the_one(clips: Path, root: str, broken: bool) -> None:
    (clips / "dataset.json").write_text('[{"caption": "ema hi", "media_path": "a.mp4"}]')
    (clips / "train.yaml").write_text(TRAINING.replace("/data/.precomputed", root or "/elsewhere/.precomputed"))
    (clips / "prepare.sh").write_text(
        f'python process_dataset.py {clips}/dataset.json --resolution-buckets "64x64x9"\n'
    )
    assert bool(found(seen(clips / "dataset.json", config=clips / "train.yaml"), "P07")) is broken


def test_p08_the_old_field_is_named_in_the_fix(clips: Path) -> None:
    (clips / "dataset.json").write_text('[{"caption": "ema hi", "media_path": "a.mp4"}]')
    old = TRAINING.replace("name: flexible\n  audio: {is_generated: true}", "name: text_to_video\n  with_audio: false")
    (clips / "train.yaml").write_text(old)
    told = only(seen(clips / "dataset.json", config=clips / "train.yaml"), "P08")
    assert (told.fix, "with_audio leaves sound out" in told.found) == ("with_audio: true", True)


@pytest.mark.parametrize(("loss", "broken"), [(0.0, True), (0.5, False)])
def test_p08_a_loss_of_nothing(clips: Path, loss: float, broken: bool) -> None:
    view = seen(clips, config=ait(clips, job=f"trigger_word: ema\ntrain: {{audio_loss_multiplier: {loss}}}"))
    assert bool(found(view, "P08")) is broken


def test_p09_what_is_not_in_the_config_is_said(clips: Path) -> None:
    (clips / "dataset.json").write_text('[{"caption": "ema hi", "media_path": "a.mp4"}]')
    (clips / "train.yaml").write_text(TRAINING)
    assert "process_dataset.py" in only(seen(clips / "dataset.json", config=clips / "train.yaml"), "P09").found
    (clips / "prepare.sh").write_text('python process_dataset.py dataset.json --resolution-buckets "64x64x49"')
    assert found(seen(clips / "dataset.json", config=clips / "train.yaml"), "P09") == []


def test_p10_num_frames_beside_auto_frame_count(clips: Path) -> None:
    assert "ignored because of auto_frame_count" in only(seen(clips, config=ait(clips, ", num_frames: 1")), "P10").found
    assert found(seen(clips, config=ait(clips)), "P10") == []


def test_every_rule_of_configs_is_tested_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    missing = [one for one in all_rules() if one[0] == "P" and not re.search(rf"def test_{one.lower()}", text)]
    assert missing == []
