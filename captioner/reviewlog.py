"""`OUT/review.jsonl`: what persons decided in the review, an entry a line, never rewritten.

It stands outside the store, so that the store can be thrown away and no decision is lost. Each line:

    {"v": 1, "batch": 7, "did": "approve", "who": "ann", "when": "2026-11-22T10:11:12+00:00", "changes": [
        {"kind": "status", "clip": "take1_f10n49", "old": {"state": "todo"}, "new": {"state": "approved", ...}}]}

or `"undo": 7`, `"redo": 7` in place of changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from captioner.decisions import Change, Decisions, Edit, Entry, Naming, Shape, Status, Value, fold
from captioner.errors import StoreError
from captioner.jsonlines import append_line, read_lines

NAME = "review.jsonl"
VERSION = 1
HOLDS = "what you decided in the review"

_VALUES: Mapping[str, type[Status] | type[Edit] | type[Shape] | type[Naming]] = {
    "status": Status, "field": Edit, "shape": Shape, "speaker": Naming,
}  # fmt: skip


def read_decisions(out: Path) -> Decisions:
    """What holds now. Raises StoreError that names the line where one cannot be read."""
    return fold(entry for entry, _, _ in read_entries(out)[0])


def read_entries(out: Path, start: int = 0) -> tuple[list[tuple[Entry, int, int]], int]:
    """Entries from byte `start` on, each with its first byte and length, and the byte behind the last."""
    path = out / NAME
    lines, end = read_lines(path, HOLDS, start)
    found, at = [], start
    for number, line in enumerate(lines, 1):
        if line.strip():
            found.append((_entry(line, path, number if not start else f"after byte {at}"), at, len(line)))
        at += len(line) + 1
    return found, end


def read_entry(out: Path, at: int, size: int) -> Entry:
    """One entry by its place."""
    path = out / NAME
    try:
        with path.open("rb") as file:
            file.seek(at)
            line = file.read(size)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); it holds {HOLDS}") from error
    return _entry(line, path, f"at byte {at}")


def append_entry(out: Path, entry: Entry) -> tuple[int, int]:
    """Add an entry; it is on the disk when this returns. Returns its first byte and length.

    Raises StoreError where it cannot be written."""
    line = msgspec.json.encode({"v": VERSION, **_slim(msgspec.to_builtins(entry))})
    return append_line(out / NAME, line, HOLDS), len(line)


def journal_size(out: Path) -> int:
    """Bytes of the journal; 0 where there is none."""
    try:
        return (out / NAME).stat().st_size
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StoreError(f"{out / NAME}: cannot be read ({error.strerror}); it holds {HOLDS}") from error


def _slim(value: Any) -> Any:
    """Without what is None or an empty list: its default. An empty text stays, for it is a person's."""
    if isinstance(value, dict):
        return {name: _slim(one) for name, one in value.items() if one is not None and one != [] and one != ()}
    return [_slim(one) for one in value] if isinstance(value, list | tuple) else value


def _entry(line: bytes, path: Path, number: int | str) -> Entry:
    where = f"{path}, line {number}"
    try:
        plain = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise StoreError(f"{where}: not JSON ({error}); correct or remove that line") from error
    if not isinstance(plain, dict) or plain.pop("v", None) != VERSION:
        raise StoreError(f"{where}: not a decision of this version of captioner; remove that line")
    try:
        changes = tuple(_change(one) for one in plain.pop("changes", ()))
        head = msgspec.convert(plain, _Head)
    except (msgspec.ValidationError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{where}: not a decision ({error}); correct or remove that line") from error
    return Entry(head.batch, head.did, changes, head.undo, head.redo, head.who, head.when)


class _Head(msgspec.Struct):
    """What an entry says besides its changes."""

    batch: int
    did: str
    undo: int | None = None
    redo: int | None = None
    who: str = ""
    when: str = ""


def _change(plain: dict[str, Any]) -> Change:
    kind = plain["kind"]

    def value(name: str) -> Value:
        given = plain.get(name)
        return None if given is None else msgspec.convert(given, _VALUES[kind])

    return Change(kind, plain.get("clip", ""), plain.get("field", ""), value("old"), value("new"))
