"""Backends by role and name: a file in `models/<role>/`, or an entry point in the group `captioner.<role>`.

Listing reads file names and package metadata; only `load_backend` imports a backend.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from captioner.errors import BackendMissing, SettingsError

ROLES = ("vad", "diarizer", "asr", "aligner", "tagger", "voice", "describer")


def backends(role: str) -> dict[str, str]:
    """Name -> module of every backend of a role: a file of the role's folder that defines `load`, or an entry point."""
    package = import_module(f"captioner.models.{role}")
    found = {}
    for folder in package.__path__:
        for file in sorted(Path(folder).glob("*.py")):
            # Read, not imported: a backend may be as heavy as torch.
            if "\ndef load(" in file.read_text(encoding="utf-8"):
                found[file.stem] = f"{package.__name__}.{file.stem}"
    for point in entry_points(group=f"captioner.{role}"):
        found[point.name] = point.value
    return found


def backend_module(role: str, name: str) -> ModuleType:
    """The backend's module. Raises SettingsError for an unknown name, BackendMissing where it cannot be imported."""
    known = backends(role)
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SettingsError(f"{role} = {name!r}: there is no such backend; there are {', '.join(sorted(known))}{hint}")
    try:
        return import_module(known[name])
    except ImportError as error:
        raise BackendMissing(
            f"{role} {name}: {error}; it may need an extra: pip install 'captioner[gpu]', or choose another {role}"
        ) from error


def make_options(module: ModuleType, given: Mapping[str, Any], role: str) -> Any:
    """The backend's `Options` from the user's mapping. Raises SettingsError naming every unknown option."""
    known = {field.name for field in dataclasses.fields(module.Options)}
    unknown = sorted(set(given) - known)
    if unknown:
        raise SettingsError(
            f"{role}_options: {module.__name__.rsplit('.', 1)[-1]} has no {', '.join(unknown)}; "
            f"it has {', '.join(sorted(known)) or 'no options'}"
        )
    return module.Options(**given)
