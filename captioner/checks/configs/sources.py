"""How a parser gets at the files that a config names: text by name, None where there is none. Touches no file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import PurePosixPath

Read = Callable[[str], str | None]
"""Text of a file that a config names, as spelled there or of that name beside the config; None where it is not here."""

_MOST_ROWS = 200_000


def clip_names(text: str | None, name: str, keys: tuple[str, ...]) -> frozenset[str] | None:
    """The file names of the clips that a JSON, JSONL or CSV lists; None where it is not here or lists none.

    What is wrong with such a file is not said here: rules on listings do.
    """
    if text is None:
        return None
    rows: list[object] = []
    try:
        if name.lower().endswith(".csv"):
            rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
        elif name.lower().endswith(".json"):
            read = json.loads(text.removeprefix("\ufeff"))
            rows = read if isinstance(read, list) else []
        else:
            rows = [json.loads(line) for line in text.removeprefix("\ufeff").splitlines()[:_MOST_ROWS] if line.strip()]
    except (ValueError, RecursionError, csv.Error):
        return None
    found = set()
    for row in rows[:_MOST_ROWS]:
        if isinstance(row, dict):
            for key in keys:
                path = row.get(key)
                if isinstance(path, str) and path.strip():
                    found.add(PurePosixPath(path.strip().replace("\\", "/")).name)
    return frozenset(found) or None
