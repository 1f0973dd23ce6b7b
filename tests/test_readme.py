"""The README is true to the letter: its commands run, its tables are the code's."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from captioner import cli
from captioner.templates_io import shipped_templates
from captioner.trainers import trainers

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands(language: str) -> list[str]:
    lines = list(filter(None, "\n".join(blocks(language)).splitlines()))
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")] if language == "console" else lines


@pytest.mark.models
def test_the_commands_run_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    for name in ("phone.mp4", "table.wav"):
        shutil.copy(next((ROOT / "sample_dataset" / "raw").rglob(name)), tmp_path / "raw")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in commands("console"):
        assert command.startswith("captioner ")
        done = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert (tmp_path / "captioner.yaml").exists()
    captions = {path.stem: path.read_text() for path in (tmp_path / "raw_dataset" / "clips").glob("*.txt")}
    assert captions
    assert all(text.startswith("ema_voice, a young woman") for text in captions.values())
    (tmp_path / "captioner.yaml").unlink()  # its empty trigger is none of the script's business
    subprocess.run([sys.executable, "-c", "\n".join(blocks("python"))], cwd=tmp_path, check=True)
    rows = json.loads((tmp_path / "raw_dataset" / "dataset.json").read_text())
    assert rows
    assert all((tmp_path / "raw_dataset" / row["media_path"]).exists() for row in rows)
    assert all(row["caption"].startswith("ema_voice") for row in rows)


def test_make_and_pip_name_what_there_is() -> None:
    makefile = (ROOT / "Makefile").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for command in commands("sh"):
        if command.startswith("make "):
            assert f"\n{command.split()[1]}:" in makefile
        elif command.startswith("pip "):
            assert all(extra in extras for extra in re.findall(r"\[(\w+)\]", command))
        else:
            assert (ROOT / command.split()[1]).exists(), command
    rows = re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)
    assert set(rows) >= set(extras)


def test_the_exit_codes_are_those_of_the_command_line() -> None:
    table = dict(re.findall(r"^\| (\d) \| (.*) \|$", README, re.MULTILINE))
    said = dict(re.findall(r"^  (\d)  (.*)$", cli.EXIT_CODES, re.MULTILINE))
    assert {code: text.replace("`", "") for code, text in table.items()} == said


def test_trainers_and_templates_are_named() -> None:
    assert all(f"`{name}`" in README for name in trainers())
    assert all(name in README for name in shipped_templates())


def test_every_quoted_file_stands() -> None:
    for path in re.findall(r"`((?:captioner|bench|sample_dataset|templates|tests)/[\w/.-]+)`", README):
        if "raw_dataset" not in path:
            assert (ROOT / path).exists(), path


def test_the_project_speaks_of_itself_alone() -> None:
    """No path of somebody's machine and no tool of somebody's workshop in anything that is shipped."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a checkout")
    strange = re.compile("|".join(["/work" + "/", "/ro" + "ot/", "farm" + "-"]))
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".json", ".rttm", ""} and path.is_file():
            found = strange.search(path.read_text(encoding="utf-8", errors="ignore"))
            assert found is None, f"{name}: {found.group()}" if found else ""
