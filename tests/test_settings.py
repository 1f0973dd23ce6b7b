"""Settings: one model for file, flags and environment, and errors that say where and what."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from captioner.errors import SettingsError
from captioner.run import default_out, settings_of
from captioner.settings import Settings, commented_file, read_file, resolve
from captioner.trainers import preset, trainers


def write(folder: Path, text: str) -> Path:
    path = folder / "captioner.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_later_layers_win(tmp_path: Path) -> None:
    file = write(tmp_path, "trigger: from_file\ncrf: 20\nframes: 49\nsubject: a man\n")
    made = resolve(
        flags={"trigger": "from_flag", "subject": None},
        file=file,
        preset={"frames": "4k+1", "fps": "16"},
        environment={"CAPTIONER_CRF": "21", "CAPTIONER_TRIGGER": "from_environment"},
    )
    assert (made.trigger, made.crf, made.frames, made.fps, made.subject) == ("from_flag", 21, "49", "16", "a man")


def test_environment_keeps_text_as_text() -> None:
    made = resolve(
        flags={}, environment={"CAPTIONER_FPS": "24", "CAPTIONER_TRIGGER": "on", "CAPTIONER_KEEP_CUTS": "true"}
    )
    assert (made.fps, made.trigger, made.keep_cuts) == ("24", "on", True)


def test_every_wrong_setting_is_named_with_its_origin(tmp_path: Path) -> None:
    file = write(tmp_path, "triger: ema\n")
    with pytest.raises(SettingsError) as caught:
        resolve(flags={"size": "100x100"}, file=file, environment={"CAPTIONER_CRF": "99"})
    said = str(caught.value)
    assert "triger" in said
    assert str(file) in said
    assert "flags: size" in said
    assert "multiples of 32" in said
    assert "environment: crf" in said


@pytest.mark.parametrize("text", ["- a\n", "trigger: [\n", "just words\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"captioner\.yaml"):
        read_file(write(tmp_path, text))


def test_the_commented_file_has_every_setting_and_is_the_defaults(tmp_path: Path) -> None:
    text = commented_file()
    assert all(f"\n# {name}: " in text or f"\n{name}: " in text for name in Settings.model_fields)
    assert resolve(flags={}, file=write(tmp_path, text), environment={}) == Settings()


def test_uncommenting_every_line_still_gives_the_defaults(tmp_path: Path) -> None:
    names = tuple(Settings.model_fields)
    lines = [line.removeprefix("# ") for line in commented_file().splitlines()]
    kept = "\n".join(line for line in lines if line.split(":")[0] in names and ": " in line)
    assert set(yaml.safe_load(kept)) == set(names)
    assert resolve(flags={}, file=write(tmp_path, kept), environment={}) == Settings()


@pytest.mark.parametrize(("text", "bounds"), [("2", (2, 2)), ("2-4", (2, 4)), (None, (1, None))])
def test_number_of_speakers(text: str | None, bounds: tuple[int, int | None]) -> None:
    assert Settings(num_speakers=text).speaker_bounds == bounds


@pytest.mark.parametrize("text", ["0", "4-2", "two", "1-2-3", ""])
def test_a_wrong_number_of_speakers_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="num_speakers"):
        resolve(flags={"num_speakers": text}, environment={})


@pytest.mark.parametrize("name", trainers())
def test_every_trainer_gives_settings_that_hold(name: str) -> None:
    assert settings_of({"trigger": "ema"}, trainer=name) == Settings(trigger="ema", **preset(name))


def test_an_unknown_trainer_names_the_known() -> None:
    with pytest.raises(SettingsError, match="did you mean ltx"):
        preset("ltxx")


def test_out_stands_beside_the_input(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "take.mp4").write_bytes(b"")
    assert default_out(tmp_path / "raw") == tmp_path / "raw_dataset"
    assert default_out(tmp_path / "take.mp4") == tmp_path / "take_dataset"
