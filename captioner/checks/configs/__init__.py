"""Configs of all trainers, from whatever file a person has, as one `TrainerConfig`.

    config = read_config(Path("train.yaml"))
    config.options_of(Path("clips/take1_f0n121.mp4"))  # the trainer's own Options

The trainer is told by the file's shape. Scripts with its commands, and what the config itself names, are read too
where they stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

from captioner.checks.configs.flags import Command, commands_in
from captioner.checks.configs.reading import MOST_TEXT, Doc, parse
from captioner.checks.configs.sources import Read
from captioner.checks.configs.value import Block, Fault, Given, TrainerConfig
from captioner.errors import BadFormat, UsageError

__all__ = ["Block", "Fault", "Given", "TrainerConfig", "is_config", "parse_config", "read_config"]

PARSERS = {
    "id-lora": "id_lora", "ltx": "ltx", "wan": "wan", "musubi": "musubi", "simpletuner": "simpletuner",
    "ai-toolkit": "ai_toolkit",
}  # fmt: skip
"""In the order in which they are asked whether a file is theirs: a fork before what it was forked from."""

SCRIPTS = (".sh", ".bash", ".bat", ".cmd", ".ps1")
_MOST_FILE = 64 * 2**20
"""Bytes of a listing."""
_MOST_SCRIPTS = 8


def read_config(path: Path, trainer: str | None = None) -> TrainerConfig:
    """The config in a file: YAML, TOML, JSON, an ID-LoRA CSV, or a script with the trainer's commands.

    Scripts beside it that call the trainer's programs are read too. Raises UsageError where the file cannot be opened
    or no trainer is told by its shape, BadFormat where it is not what it says.
    """
    text = _text(path)
    scripts = {str(path): text} if path.suffix.lower() in SCRIPTS else _scripts(path)
    seen: list[str] = []

    def read(name: str) -> str | None:
        found = _beside(path.parent, name)
        if found is None:
            return None
        seen.append(str(found[0]))
        return found[1]

    made = parse_config(text, str(path), trainer, scripts, read)
    return replace(made, files=tuple(dict.fromkeys([*made.files, *seen])))


ENDINGS = (".yaml", ".yml", ".toml", ".env", *SCRIPTS)
"""Of files that are configs whatever they hold. A .json may be a list of clips, too."""


def is_config(path: Path) -> bool:
    """Whether a file is to be read as a config, and not as clips or a list of them."""
    ending = path.suffix.lower() or (path.name if path.name == ".env" else "")
    try:
        if ending != ".json" or not path.is_file() or path.stat().st_size > 4 * MOST_TEXT:
            return ending in ENDINGS and not path.is_dir()
        doc = parse(_text(path), path.name)
    except (OSError, ValueError, UsageError, BadFormat):
        return False
    return any(_parser(name).recognised(doc, ()) for name in PARSERS)


def parse_config(
    text: str, name: str, trainer: str | None = None, scripts: Mapping[str, str] | None = None,
    read: Read | None = None,
) -> TrainerConfig:  # fmt: skip
    """The same from texts: `scripts` by name are those beside the config, `read` gives files that it names.

    Raises BadFormat, and UsageError where no trainer is told by its shape.
    """
    read = read or (lambda _: None)
    doc = Doc(name, "csv", {}) if name.lower().endswith(".csv") else parse(text, name)
    commands: list[Command] = []
    for script, held in (scripts or {}).items():
        commands += commands_in(held, script)
    asked = _asked(doc, commands, trainer)
    if asked in ("musubi", "wan") and doc.form == "commands":
        doc = _named(commands, "dataset_config", read) or doc
    if asked == "ltx" and doc.form == "commands":
        doc = _named(commands, "", read) or doc
    made: TrainerConfig = _parser(asked).parsed(doc, commands, read)
    return made


def _asked(doc: Doc, commands: Sequence[Command], trainer: str | None) -> str:
    """The trainer whose config it is."""
    from captioner.checks.configs import wan

    told = [name for name in PARSERS if _parser(name).recognised(doc, commands)]
    if trainer == "wan" and "wan" not in told and wan.may_be(doc, commands):
        return "wan"
    if told[:1] == ["wan"] and trainer in (None, wan.through(doc, commands)):
        return "wan"  # whoever names the loader means the model that the file names
    if trainer in PARSERS:
        if told and trainer not in told:
            raise UsageError(f"{doc.name}: has the shape of a config for {told[0]}; give --trainer {told[0]}")
        return str(trainer)
    if trainer is not None:
        raise UsageError(f"{doc.name}: configs of {trainer} are not read; there are {', '.join(sorted(PARSERS))}")
    if not told:
        raise UsageError(
            f"{doc.name}: no trainer's config by its shape; say whose it is with --trainer "
            f"({', '.join(sorted(PARSERS))})"
        )
    return told[0]


def _parser(name: str) -> Any:
    return import_module(f"captioner.checks.configs.{PARSERS[name]}")


def _named(commands: Sequence[Command], flag: str, read: Read) -> Doc | None:
    """The config that a command names: by a flag, or as the argument of train.py."""
    for one in commands:
        place = (
            one.flags.get(flag) if flag else (one.arguments[0] if one.program == "train.py" and one.arguments else "")
        )
        text = read(place) if place else None
        if place and text is not None:
            return parse(text, PurePosixPath(place).name)
    return None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(4 * MOST_TEXT + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{path}: cannot be read ({why}); give the path of a config") from error
    if len(data) > 4 * MOST_TEXT:
        raise BadFormat(f"{path}: more than {4 * MOST_TEXT:,} bytes; no config has so many")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadFormat(f"{path}:{line}: not UTF-8; save it as UTF-8") from error


def _scripts(path: Path) -> dict[str, str]:
    """Scripts in the config's own folder."""
    made = {}
    try:
        found = sorted(one for one in path.parent.iterdir() if one.suffix.lower() in SCRIPTS and one.is_file())
    except OSError:
        return {}
    for one in found[:_MOST_SCRIPTS]:
        try:
            made[str(one)] = _text(one)
        except (UsageError, BadFormat):
            continue  # it is not the file that was asked for
    return made


def _beside(folder: Path, name: str) -> tuple[Path, str] | None:
    """(path, text) of a file as a config spells it, or of that name in the config's folder: a bare name there first."""
    bare = PurePosixPath(name.replace("\\", "/")).name
    places = (folder / name, Path(name)) if bare == name else (Path(name), folder / name, folder / bare)
    for place in places:
        try:
            if place.is_file() and place.stat().st_size <= _MOST_FILE:
                return place, place.read_text(encoding="utf-8-sig")
        except (OSError, ValueError):
            continue
    return None
