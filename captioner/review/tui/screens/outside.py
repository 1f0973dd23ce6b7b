"""What leaves the screen for a moment: a text for the clipboard of the terminal's own machine, fields in `$EDITOR`."""

from __future__ import annotations

import base64
import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from captioner.errors import UsageError
from captioner.review.labels import label_of, name_of

HEAD = "# One field a line, `name: text`. What is left as it is, or removed, is not changed."


def copied(text: str) -> str:
    """The sequence (OSC 52) that puts a text on the clipboard of the terminal that shows it, over SSH too."""
    return f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\a"


def as_page(clip: str, fields: Sequence[tuple[str, str]]) -> str:
    """A clip's fields as a text for an editor."""
    return "\n".join([HEAD, f"# {clip}", "", *(f"{label_of(name)}: {text}" for name, text in fields), ""])


def from_page(page: str, fields: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The fields that were changed: name -> new text. A line that begins with no field's name goes on with the one
    before. Raises UsageError where the text before the first field is not a comment."""
    names = dict(fields)
    found: dict[str, list[str]] = {}
    last = ""
    for number, line in enumerate(page.splitlines(), 1):
        name, colon, text = line.partition(":")
        if line.startswith("#"):
            continue
        if colon and name_of(name.strip(), names) in names:
            last = name_of(name.strip(), names)
            found[last] = [text.strip()]
        elif line.strip() and not last:
            known = ", ".join(map(label_of, names))
            raise UsageError(f"line {number}: `{line.strip()[:40]}` belongs to no field; begin it with one of {known}")
        elif line.strip():
            found[last].append(line.strip())
    texts = {name: " ".join(part for part in parts if part) for name, parts in found.items()}
    return {name: text for name, text in texts.items() if text != names[name]}


def in_editor(clip: str, fields: Sequence[tuple[str, str]], environ: Mapping[str, str]) -> dict[str, str]:
    """Let a person change a clip's fields in `$VISUAL` or `$EDITOR`; the terminal is theirs meanwhile.

    Returns what was changed. Raises UsageError where there is no such editor, or it failed.
    """
    command = environ.get("VISUAL") or environ.get("EDITOR") or ("notepad" if os.name == "nt" else "vi")
    handle, name = tempfile.mkstemp(prefix="captioner-", suffix=".txt")
    path = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(as_page(clip, fields))
        ended = subprocess.run([*shlex.split(command), name], check=False)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise UsageError(f"{command}: {error.strerror}; set EDITOR to an editor that is installed") from error
    if ended.returncode:
        raise UsageError(f"{command} ended with {ended.returncode}; nothing was changed; what you typed is in {path}")
    try:
        changed = from_page(path.read_text(encoding="utf-8"), fields)
    except (UsageError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}; nothing was changed, the file is kept") from error
    path.unlink(missing_ok=True)
    return changed
