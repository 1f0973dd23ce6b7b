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

from captioner.decisions import Change, Decisions, Edit, Entry, Kind, Naming, Shape, Status, Value, fold
from captioner.errors import StoreError
from captioner.jsonlines import append_line, read_lines

NAME = "review.jsonl"
VERSION = 1
HOLDS = "what you decided in the review"


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
    line = _line(entry)
    return append_line(out / NAME, line, HOLDS), len(line)


def journal_size(out: Path) -> int:
    """Bytes of the journal; 0 where there is none."""
    try:
        return (out / NAME).stat().st_size
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StoreError(f"{out / NAME}: cannot be read ({error.strerror}); it holds {HOLDS}") from error


# -- a line, in the types of its JSON: thousands of changes are read and written at once -------------------------------


class _Status(msgspec.Struct, omit_defaults=True, gc=False):
    state: str
    reason: str = ""
    words: str | None = None


class _Edit(msgspec.Struct, omit_defaults=True, gc=False):
    text: str
    against: str | None = None


class _Change(msgspec.Struct, omit_defaults=True, tag_field="kind"):
    clip: str = ""
    field: str = ""


class _StatusChange(_Change, tag="status"):
    old: Status | None = None
    new: Status | None = None


class _FieldChange(_Change, tag="field"):
    old: Edit | None = None
    new: Edit | None = None


class _ShapeChange(_Change, tag="shape"):
    old: Shape | None = None
    new: Shape | None = None


class _SpeakerChange(_Change, tag="speaker"):
    old: Naming | None = None
    new: Naming | None = None


class _Line(msgspec.Struct, omit_defaults=True):
    v: int
    batch: int
    did: str
    undo: int | None = None
    redo: int | None = None
    who: str = ""
    when: str = ""
    changes: list[_StatusChange | _FieldChange | _ShapeChange | _SpeakerChange] = []


_OF_KIND: Mapping[Kind, Any] = {
    "status": _StatusChange, "field": _FieldChange, "shape": _ShapeChange, "speaker": _SpeakerChange,
}  # fmt: skip
_KINDS: Mapping[type, Kind] = {kind: name for name, kind in _OF_KIND.items()}
_LINE = msgspec.json.Decoder(_Line)


def _line(entry: Entry) -> bytes:
    changes = [
        _OF_KIND[change.kind](change.clip, change.field, _slim(change.old), _slim(change.new))
        for change in entry.changes
    ]
    line = _Line(VERSION, entry.batch, entry.did, entry.undo, entry.redo, entry.who, entry.when, changes)
    return msgspec.json.encode(line)


def _slim(value: Value) -> Any:
    """Without what is None or an empty list: its default. An empty text of a field stays, for it is a person's."""
    if isinstance(value, Status):
        return _Status(value.state, value.reason, value.words)
    if isinstance(value, Edit):
        return _Edit(value.text, value.against)
    return _slim_plain(msgspec.to_builtins(value))


def _slim_plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _slim_plain(one) for name, one in value.items() if one is not None and one not in ([], ())}
    return [_slim_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _entry(line: bytes, path: Path, number: int | str) -> Entry:
    try:
        read = _LINE.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}, line {number}: {_wrong(line, error)}") from error
    if read.v != VERSION:
        raise StoreError(f"{path}, line {number}: {_FOREIGN}")
    changes = [Change(_KINDS[type(one)], one.clip, one.field, one.old, one.new) for one in read.changes]
    return Entry(read.batch, read.did, tuple(changes), read.undo, read.redo, read.who, read.when)


_FOREIGN = "not a decision of this version of captioner; remove that line"


def _wrong(line: bytes, error: Exception) -> str:
    """What is wrong with a line that is no decision."""
    try:
        plain = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"not JSON ({error}); correct or remove that line"
    if not isinstance(plain, dict) or plain.get("v") != VERSION:
        return _FOREIGN
    return f"not a decision ({error}); correct or remove that line"
