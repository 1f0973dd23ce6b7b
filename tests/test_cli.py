"""The command line: what it prints and the exit codes that it documents."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from captioner import cli
from captioner.settings import Settings, resolve


def run(*arguments: str | Path) -> int:
    return cli.main([str(argument) for argument in arguments])


def test_help_names_every_exit_code_and_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run("build", "--help")
    assert left.value.code == 0
    said = capsys.readouterr().out
    for code in (cli.OK, cli.FAILED, cli.USAGE, cli.REVIEW, cli.EMPTY, cli.PARTLY):
        assert f"\n  {code}  " in said
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        if extra["flag"] is not None:
            assert f"--{str(extra['flag']) or name.replace('_', '-')}" in said


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, contextlib, io\nfrom captioner import cli\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n  try: cli.main(['--help'])\n  except SystemExit: pass\n"
        "print(sorted({'numpy', 'av', 'cv2', 'onnxruntime', 'ctranslate2', 'rich', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_input_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("build", tmp_path / "nowhere", "--trigger", "ema", "--yes") == cli.USAGE
    assert "no such file or folder" in capsys.readouterr().err


def test_no_trigger_stops_the_build_and_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("build", tmp_path, "--out", tmp_path / "out", "--yes") == cli.USAGE
    said = capsys.readouterr().err
    assert "--trigger" in said
    assert "cannot tell your subject" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--frames", "7q"], "frames"),
        (["--fps", "fast"], "fps"),
        (["--template", "nowhere"], "nowhere"),
        (["--asr", "fster_whisper"], "faster_whisper"),
        (["--glossary", "nowhere.txt"], "nowhere.txt"),
        (["--size", "500x500"], "size"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--for", "ltxx"], "ltx"),
    ],
)
def test_a_wrong_setting_is_wrong_usage(
    tmp_path: Path, flags: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("build", tmp_path, "--out", tmp_path / "out", "--trigger", "ema", "--yes", *flags) == cli.USAGE
    assert named in capsys.readouterr().err


def test_init_writes_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "captioner.yaml"
    assert run("init", file) == cli.OK
    assert resolve(flags={}, file=file, environment={}) == Settings()
    before = file.read_text()
    assert run("init", file) == cli.USAGE
    assert "left as it is" in capsys.readouterr().err
    assert file.read_text() == before


def test_render_of_no_dataset_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("render", tmp_path) == cli.USAGE
    assert "not a dataset" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_gives_nothing_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "raw").mkdir()
    assert run("build", tmp_path / "raw", "--trigger", "ema", "--yes") == cli.EMPTY
    assert "0 clips" in capsys.readouterr().out
