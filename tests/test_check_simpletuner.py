"""SimpleTuner's flags wherever they stand: config.env as its own reader takes it, config.json, config.toml."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from checking import Kind, Studio, folder_of, found, only
from hypothesis import given
from hypothesis import strategies as st

from captioner.checks.configs import TrainerConfig, parse_config, read_config
from captioner.checks.configs.envfile import MOST_LINES, parse_env
from captioner.checks.findings import Severity
from captioner.checks.running import Request, check, view_of
from captioner.checks.view import View
from captioner.errors import BadFormat, UsageError

ENV = """\
# the run
export MODEL_TYPE='lora'
export MODEL_FAMILY="ltxvideo2"
export DATALOADER_CONFIG="config/multidatabackend.json"
export OUTPUT_DIR=output/models
TRAIN_BATCH_SIZE=2
export CAPTION_DROPOUT_PROBABILITY=0.1

export LEARNING_RATE=1e-4
TRAINER_EXTRA_ARGS="--framerate=24 --seed 7"
TRAINER_EXTRA_ARGS+=" --lora_rank=16"
export TRACKER_RUN_NAME="$MODEL_TYPE-$(whoami)"
this is no line of it
"""


def backends(folder: object = "/data/clips", **more: Any) -> list[dict[str, Any]]:
    return [{
        "id": "films", "type": "local", "dataset_type": "video", "instance_data_dir": str(folder),
        "caption_strategy": "textfile", "disable_multiline_split": True, "video": {"num_frames": 49, "min_frames": 49},
        "audio": {"channels": 2}, **more,
    }]  # fmt: skip


def env(text: str, **more: Any) -> TrainerConfig:
    return parse_config(
        text, "config.env", None, {}, {"config/multidatabackend.json": json.dumps(backends(**more))}.get
    )


def test_its_names_become_flags_and_its_extra_words_too() -> None:
    config = env(ENV)
    assert config.trainer == "simpletuner"
    assert config.options.framerate == 24.0
    assert config.batch_size == 2
    assert (config.value("--learning_rate"), config.value("--seed"), config.value("--lora_rank")) == (1e-4, 7, 16)
    assert config.dropout is not None
    assert (config.dropout.value, config.dropout.line) == (0.1, 7)
    assert config.fields["--framerate"].line == 11
    assert config.blocks[0].folders == ("/data/clips",)
    assert config.faults == ()
    assert config.commands


@pytest.mark.parametrize(
    ("line", "value"),
    [("A=1", "1"), ("export A=1", "1"), ("A = 1 ", "1"), ("A='a  b'", "a b"), ('A="x"', "x"), ("A=", ""),
     ("A='x", "'x"), ("A=x=y", "x=y"), ("A='x' # why", "'x' # why")],
)  # fmt: skip
def test_a_line_is_read_as_its_own_reader_does(line: str, value: str) -> None:
    assert parse_env(line, "x.env").value == {"A": value}


def test_nothing_runs_and_nothing_is_filled_in(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    text = f"TRAIN_BATCH_SIZE=$(touch {trap})\nRESOLUTION=`touch {trap}`\nOUTPUT_DIR=$HOME\nTRAINING_SEED=1\n"
    config = env(text + f'TRAINER_EXTRA_ARGS="--framerate=$(touch {trap}) --lora_rank=8"\n')
    assert not trap.exists()
    assert config.batch_size is None
    assert set(config.fields) == {"--seed", "--lora_rank"}
    assert config.faults == ()


@pytest.mark.parametrize("text", ["no line\nof it", "[section]", "a b=1", "x" * 600_000])
def test_what_is_no_such_file_is_refused(text: str) -> None:
    with pytest.raises(BadFormat):
        env(text)
    with pytest.raises(BadFormat, match="values"):
        env("".join(f"A{n}=1\n" for n in range(MOST_LINES + 1)))
    with pytest.raises(UsageError, match="no trainer"):
        env("PATH=/bin\n")


@given(st.text(max_size=200) | st.text("AB=+#'\"$` \n-", max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        doc = parse_env(text, "x.env")
    except BadFormat:
        return
    assert all(isinstance(value, str) for value in doc.value.values())


def test_a_name_that_is_dropped_is_told() -> None:
    (fault,) = env(ENV + "FRAMERATE=30\nWHATEVER=1\n").faults
    assert "FRAMERATE is no name that is read" in fault.told
    assert fault.fix == 'TRAINER_EXTRA_ARGS="--framerate=30"'
    assert fault.line == 14
    assert env(ENV + "FRAMERATE=30\n").options.framerate == 24.0


def test_a_comment_behind_a_value_is_told() -> None:
    (fault,) = env(ENV.replace("TRAIN_BATCH_SIZE=2", "TRAIN_BATCH_SIZE=2 # for 24 GB")).faults
    assert "comment behind TRAIN_BATCH_SIZE" in fault.told
    assert env(ENV.replace("output/models", "'out#put'")).faults == ()


def test_a_value_of_the_wrong_kind_is_told_with_its_line() -> None:
    (fault,) = env(ENV.replace("TRAIN_BATCH_SIZE=2", "TRAIN_BATCH_SIZE=two")).faults
    assert (fault.line, "whole number" in fault.told) == (6, True)


# -- which file counts -----------------------------------------------------------------------------------------------


@pytest.fixture
def run(studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with clips of 24 a second and a `config` folder in it."""
    folder_of(
        studio, tmp_path / "clips", {"a": Kind(49, 24), "b": Kind(49, 24)}, {"a": 'ema, "Go."', "b": 'ema, "No."'}
    )
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "multidatabackend.json").write_text(json.dumps(backends(tmp_path / "clips")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(run: Path, **files: str) -> None:
    for name, text in files.items():
        (run / "config" / name.replace("_", ".")).write_text(text)


def looked(run: Path, file: str = "multidatabackend.json") -> View:
    config = read_config(Path("config") / file)
    return view_of(Request(run / "clips", trainer="simpletuner", config=config, memory=None))


JSON = '{"--framerate": 24}'


@pytest.mark.parametrize(
    ("files", "rate"),
    [
        ({}, 25), ({"config_env": 'TRAINER_EXTRA_ARGS="--framerate=24"'}, 24), ({"config_json": JSON}, 24),
        ({"config_toml": "framerate = 24.0"}, 24), ({"config_json": JSON, "config_env": "TRAINING_SEED=1"}, 24),
        ({"config_json": JSON, "config_toml": "framerate = 30.0"}, 24),
        ({"config_toml": "framerate = 30.0", "config_env": 'TRAINER_EXTRA_ARGS="--framerate=24"'}, 30),
    ],
)  # fmt: skip
def test_one_of_them_counts(run: Path, files: dict[str, str], rate: int) -> None:
    put(run, **files)
    assert looked(run).options.framerate == rate
    assert bool(found(looked(run), "T07")) is (rate != 24)
    assert bool(found(looked(run), "P09")) is (not files)


def test_flags_of_another_folder_are_not_taken_for_its_own(run: Path) -> None:
    (run / "config.json").write_text('{"--framerate": 30}')
    put(run, config_env='TRAINER_EXTRA_ARGS="--framerate=24"')
    put(run, config_json='{"--framerate": 24}')
    assert looked(run).options.framerate == 24


def test_a_config_env_that_is_not_read_is_told(run: Path) -> None:
    put(run, config_json=JSON, config_env=ENV)
    told = only(looked(run, "config.env"), "P01")
    assert "config.json stands beside it, which is read in its place" in told.found
    assert told.severity is Severity.INFO


def test_a_changed_file_beside_the_config_is_looked_at_again(run: Path, tmp_path: Path) -> None:
    """What was remembered of an earlier check holds only while every file that was read is the same."""
    rates = []
    for rate in (24, 30):
        put(run, config_json=f'{{"--framerate": {rate}}}')
        os.utime(run / "config" / "config.json", ns=(rate, rate))
        config = read_config(Path("config/multidatabackend.json"))
        report = check(Request(run / "clips", trainer="simpletuner", config=config, memory=tmp_path / "memory"))
        rates.append(bool([one for one in report.findings if one.rule == "T07"]))
    assert rates == [False, True]


# -- rules over its flags --------------------------------------------------------------------------------------------

GOOD = 'TRAINER_EXTRA_ARGS="--framerate=24"\n'


def rules(run: Path, more: str = "") -> dict[str, Severity]:
    put(run, config_env=GOOD + more)
    return {one.rule: one.severity for one in found(looked(run))}


def test_good_flags_have_nothing_wrong(run: Path) -> None:
    assert rules(run, "TRAIN_BATCH_SIZE=1\nCAPTION_DROPOUT_PROBABILITY=0.05\nRESOLUTION=512\n") == {}


@pytest.mark.parametrize(
    ("line", "rule", "severity"),
    [
        ("CAPTION_DROPOUT_PROBABILITY=0.5", "P05", Severity.WARNING),
        ("CAPTION_DROPOUT_PROBABILITY=often", "P02", Severity.ERROR),
        ("TRAIN_BATCH_SIZE=0", "P02", Severity.ERROR),
        ("FRAMERATE=24", "P02", Severity.ERROR),
        ("RESOLUTION=512\nRESOLUTION_TYPE=area", "P02", Severity.ERROR),
        ("RESOLUTION=0.5\nRESOLUTION_TYPE=pixel", "P02", Severity.ERROR),
        ("TRAINER_EXTRA_ARGS+=--prepend_instance_prompt --instance_prompt=ema", "C01", Severity.ERROR),
        ("TRAINER_EXTRA_ARGS+=--only_instance_prompt", "C09", Severity.ERROR),
        ("TRAINER_EXTRA_ARGS+=--peft_lora_target_modules=[\"attn1.to_k\"]", "P06", Severity.ERROR),
    ],
)  # fmt: skip
def test_harmful_flags_are_found(run: Path, line: str, rule: str, severity: Severity) -> None:
    assert rules(run, f"{line}\n") == {rule: severity}


@pytest.mark.parametrize("line", [
    "RESOLUTION=0.5\nRESOLUTION_TYPE=area", "TRAINER_EXTRA_ARGS+=--only_instance_prompt=false",
    'TRAINER_EXTRA_ARGS+=--peft_lora_target_modules=["to_k","to_q"]',
    "TRAINER_EXTRA_ARGS+=--peft_lora_target_modules=targets.json",
])  # fmt: skip
def test_harmless_flags_are_not(run: Path, line: str) -> None:
    assert rules(run, f"{line}\n") == {}
