"""`captioner check CONFIG`: the clips that a config points at are found and checked with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from captioner import cli
from captioner.checks import running
from captioner.checks.configs import is_config, parse_config
from captioner.checks.pointing import pointed
from captioner.errors import UsageError
from tests.check_sets import clip


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path_factory.mktemp("cache") / "checks.sqlite"
    monkeypatch.setattr(running, "default_place", lambda: place)


def run(*arguments: str | Path) -> int:
    return cli.main(["check", *map(str, arguments)])


def block(folder: object, more: str = "") -> str:
    return f"- {{folder_path: '{folder}', caption_ext: txt, auto_frame_count: true, fps: 25, do_audio: true{more}}}\n"


def job(*folders: object) -> str:
    return "trigger_word: ema_voice\ndatasets:\n" + "".join(map(block, folders))


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Two folders of clips; the second one's caption has no trigger."""
    clip(tmp_path / "one", "a.mp4", "ema_voice, a woman speaks.")
    clip(tmp_path / "two", "b.mp4", None)
    return tmp_path


# -- where they are --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelled", ["{root}/one", "one", "./one/", "../{name}/one"])
def test_paths_are_found_as_spelled_or_from_the_configs_folder(
    sets: Path, spelled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    (sets / "train.yaml").write_text(job(spelled.format(root=sets, name=sets.name)))
    config = parse_config((sets / "train.yaml").read_text(), str(sets / "train.yaml"))
    (found,) = pointed(config)
    assert (found.place, found.notes) == (sets / "one", ())


def test_a_config_may_stand_in_a_folder_of_its_own(sets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    config = parse_config(job("one"), str(sets / "config" / "mine" / "train.yaml"))
    assert [one.place for one in pointed(config)] == [sets / "one"]


@pytest.mark.parametrize("spelled", ["/workspace/data/one", "C:\\data\\one", "/workspace/one/"])
def test_a_folder_of_another_machine_is_found_by_its_name_and_that_is_said(sets: Path, spelled: str) -> None:
    config = parse_config(job(spelled.replace("\\", "\\\\") if "'" in spelled else spelled), str(sets / "train.yaml"))
    (found,) = pointed(config)
    assert found.place == sets / "one"
    assert "of the same name, was checked" in found.notes[0]


def test_what_is_not_here_is_said_and_the_rest_checked(sets: Path) -> None:
    (found,) = pointed(parse_config(job("one", "/nowhere/at/all"), str(sets / "train.yaml")))
    assert len(found.config.blocks) == 1
    assert found.notes == ("not here, and not checked: datasets[1] (/nowhere/at/all)",)


@pytest.mark.parametrize(
    ("text", "name", "why"),
    [
        (job("/nowhere/at/all"), "train.yaml", r"not here: datasets\[0\] \(/nowhere/at/all\); give the clips and it"),
        ("datasets: []\ntrigger_word: x\njob: x\nconfig: {name: x, process: [{datasets: []}]}", "t.yaml", "no folder"),
        ("model: {}\ntraining_strategy: {name: flexible}\noptimization: {}\ndata: {preprocessed_data_root: x}",
         "t.yaml", "names latents and no clips"),
        ('DATALOADER_CONFIG="x/b.json"', "config.env", "its list of datasets, x/b.json, is not here"),
    ],
)  # fmt: skip
def test_nothing_here_is_an_error_that_says_what_to_give(tmp_path: Path, text: str, name: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        pointed(parse_config(text, str(tmp_path / name)))


# -- the command -----------------------------------------------------------------------------------------------------


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_one_folder_is_checked_as_if_it_had_been_given(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sets / "train.yaml").write_text(job("one"))
    run(sets / "train.yaml", "--json")
    by_config = told(capsys)
    run(sets / "one", "--config", sets / "train.yaml", "--json")
    assert by_config == told(capsys)
    assert by_config["clips"] == 1


def test_every_folder_is_checked_and_the_config_said_once(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sets / "train.yaml").write_text(job("one", "two") + "wibble: 3\n")
    assert run(sets / "train.yaml", "--json") == 1
    first, second = told(capsys)["datasets"]
    assert (Path(first["dataset"]).name, Path(second["dataset"]).name) == ("one", "two")
    assert [one["file"] for one in first["findings"] if one["rule"] == "P01"] == [str(sets / "train.yaml")]
    assert not [one for one in second["findings"] if one["rule"] in ("P01", "P07")]
    assert [one["file"] for one in second["findings"] if one["rule"] == "F01"] == ["b.mp4"]


def test_the_text_names_each_folder(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sets / "train.yaml").write_text(job("one", "two"))
    assert run(sets / "train.yaml") == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.endswith(":")] == [f"{sets / 'one'}:", f"{sets / 'two'}:"]


def test_a_folder_alone_of_several_is_no_error(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sets / "train.yaml").write_text(job(sets / "one", sets / "two"))
    run(sets / "one", "--config", sets / "train.yaml", "--json")
    (finding,) = [one for one in told(capsys)["findings"] if one["rule"] == "P07"]
    assert finding["severity"] == "info"
    assert "datasets[1]" in finding["found"]


def test_sarif_has_a_run_for_each_and_places_of_the_config_are_real(
    sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sets)
    Path("train.yaml").write_text(job("one", "two") + "wibble: 3\n")
    run("train.yaml", "--sarif", "out.sarif")
    runs = json.loads(Path("out.sarif").read_text())["runs"]
    assert len(runs) == 2
    (place,) = [one["locations"][0]["physicalLocation"] for one in runs[0]["results"] if one["ruleId"] == "P01"]
    assert place["artifactLocation"] == {"uri": f"file://{sets}/train.yaml"}


def test_a_config_twice_is_refused(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sets / "train.yaml").write_text(job("one"))
    assert run(sets / "train.yaml", "--config", sets / "train.yaml") == 2
    assert "--config gives another" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["train.yaml", "gone.toml"])
def test_a_config_that_is_not_there_is_told(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / name) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_lists_of_clips_are_no_configs(sets: Path) -> None:
    for name, text in {
        "dataset.json": '[{"caption": "x", "media_path": "one/a.mp4"}]', "d.jsonl": '{"video": "a.mp4"}',
        "map.json": '{"one/a.mp4": {"caption": "x"}}', "broken.json": "[", "d.csv": "caption,video\n",
    }.items():  # fmt: skip
        (sets / name).write_text(text)
        assert not is_config(sets / name), name
    for name, text in {
        "multidatabackend.json": '[{"dataset_type": "video", "instance_data_dir": "one"}]', "t.yml": "", "x.env": "",
        "job.json": json.dumps({"config": {"process": [{"datasets": []}]}}),
        "config.json": '{"--data_backend_config": "multidatabackend.json", "model_family": "ltxvideo2"}',
    }.items():  # fmt: skip
        (sets / name).write_text(text)
        assert is_config(sets / name), name
    assert not is_config(sets / "one")


def test_simpletuners_backends_are_checked_where_they_point(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backends = [
        {
            "id": name,
            "type": "local",
            "dataset_type": "video",
            "instance_data_dir": name,
            "caption_strategy": "textfile",
        }
        for name in ("one", "two")
    ]
    (sets / "multidatabackend.json").write_text(json.dumps(backends))
    (sets / "config.json").write_text('{"data_backend_config": "multidatabackend.json", "framerate": 25}')
    for given in ("multidatabackend.json", "config.json"):
        assert run(sets / given, "--json") == 1
        assert [one["clips"] for one in told(capsys)["datasets"]] == [1, 1]


def test_an_export_that_was_moved_is_not_said_to_prepare_other_latents(
    sets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (sets / "dataset.json").write_text('[{"caption": "ema_voice, a woman speaks.", "media_path": "one/a.mp4"}]')
    (sets / "commands.sh").write_text(
        'python process_dataset.py /old/out/dataset.json --resolution-buckets "64x64x9"\n'
    )
    (sets / "train.yaml").write_text(
        "model: {model_path: m}\ntraining_strategy: {name: flexible, audio: {is_generated: true}}\n"
        "optimization: {batch_size: 1}\ndata: {preprocessed_data_root: /old/out/.precomputed}\n"
    )
    assert run(sets / "train.yaml", "--json") == 0
    report = told(capsys)
    assert [one for one in report["findings"] if one["rule"] == "P07"] == []
    assert f"{sets / 'dataset.json'}, of the same name, was checked" in report["notes"][0]


def test_a_listing_that_a_command_names_is_checked(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sets / "dataset.json").write_text('[{"caption": "ema_voice, a woman speaks.", "media_path": "one/a.mp4"}]')
    (sets / "prepare.sh").write_text('python process_dataset.py dataset.json --resolution-buckets "64x64x9"\n')
    assert run(sets / "prepare.sh", "--json") == 0
    report = told(capsys)
    assert (report["clips"], report["trainer"]) == (1, "ltx")
