"""Where templates are read from: a user's file, or those that captioner ships."""

from __future__ import annotations

import difflib
from pathlib import Path

from captioner.errors import TemplateError

_HERE = Path(__file__).resolve().parent
SHIPPED = (_HERE / "templates", _HERE.parent / "templates")
"""In a wheel; in a checkout."""


def shipped_templates() -> dict[str, Path]:
    """Name -> file of every template that comes with captioner."""
    folder = next((folder for folder in SHIPPED if folder.is_dir()), None)
    return {} if folder is None else {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def find_template(name: str) -> tuple[str, str]:
    """The text of a shipped template, or of the YAML file at a path, and what to call it in messages.

    Raises TemplateError where there is no such template or it cannot be read.
    """
    shipped = shipped_templates()
    path = shipped.get(name, Path(name).expanduser())
    if name not in shipped and not path.is_file():
        near = difflib.get_close_matches(name, shipped, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise TemplateError(
            f"template {name!r}: there is no such template and no such file; "
            f"there are {', '.join(shipped)}, or give the path of a YAML file{hint}"
        )
    try:
        return path.read_text(encoding="utf-8-sig"), str(path)
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"{path}: cannot be read as UTF-8 text ({error})") from error
