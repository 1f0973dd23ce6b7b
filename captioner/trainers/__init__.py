"""One file a trainer: what it wants of a dataset. The file name, with `-` for `_`, is what `--for` takes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from captioner.errors import SettingsError


def trainers() -> list[str]:
    """Names of all trainers, read from file names."""
    names = (file.stem for file in Path(__file__).parent.glob("*.py") if not file.stem.startswith("_"))
    return sorted(name.replace("_", "-") for name in names)


def preset(name: str) -> Mapping[str, Any]:
    """The settings that a trainer wants. Raises SettingsError for an unknown name."""
    known = trainers()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SettingsError(f"--for {name}: unknown trainer; there are {', '.join(known)}{hint}")
    settings: Mapping[str, Any] = import_module(f"captioner.trainers.{name.replace('-', '_')}").SETTINGS
    return settings
