"""Decisions as tables that other programs edit: CSV, JSONL, and the JSON that an exported page saves. Pure.

A cell that was exported carries a mark of what stood in it (`was`), so that bringing the table back tells three things
apart: what a person changed there, what was changed here meanwhile, and what merely stood still.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from captioner.errors import BadFormat

DRAFT = "<draft>"
"""In a cell: back to what the machine drafted. JSON says null."""

KEEPS = ("clip", "decision", "reason")
TOLD = ("recording", "begins", "seconds", "speaker", "findings", "caption")
"""What is there to be read; what is written into it is passed by. In a table's head it stands in brackets."""

DECISION = "*decision"
"""Under which `was` has the decision: no field is called so."""

DECISIONS = {
    "approved": "approved", "approve": "approved", "ok": "approved", "yes": "approved", "keep": "approved",
    "rejected": "rejected", "reject": "rejected", "no": "rejected", "drop": "rejected",
    "flagged": "flagged", "flag": "flagged",
    "todo": "todo",
    "edited": "edited",
}  # fmt: skip
"""What may stand in a decision, in any case, and what it means. "edited" is what an edit makes of a clip by itself."""

_FORMULA = re.compile("'*(?:[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]|\\s*<draft>)")
"""Beginnings that a spreadsheet takes for a formula, or we for an order, behind any number of apostrophes."""

_SPLIT = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Row:
    """What a table says of one clip; what it does not say stays as it is."""

    clip: str
    line: int
    """Where it stands, for people: from 1."""
    decision: str | None = None
    reason: str | None = None
    fields: Mapping[str, str | None] = field(default_factory=dict)
    """Name -> text, None for the draft."""
    was: Mapping[str, str] | None = None
    """`mark` of what stood there when the table was made, by name; None where the table does not say."""


@dataclass(frozen=True, slots=True)
class Table:
    rows: tuple[Row, ...]
    faults: tuple[str, ...] = ()
    """A sentence for each row that cannot be used."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """One clip as it is exported."""

    clip: str
    decision: str
    reason: str
    fields: Mapping[str, str]
    told: Mapping[str, str] = field(default_factory=dict)

    def was(self) -> dict[str, str]:
        stand = {DECISION: decided(self.decision, self.reason), **self.fields}
        return {name: mark(text) for name, text in stand.items()}


def decided(state: str, reason: str) -> str:
    """A decision and its reason as one value."""
    return f"{state} {reason}"


def mark(text: str) -> str:
    """Six hex digits by which a text is known again, however its blanks were laid out."""
    return hashlib.sha256(_SPLIT.sub(" ", text).strip().encode()).hexdigest()[:6]


# --- writing ------------------------------------------------------------------------------------------------------


def as_csv(records: Sequence[ClipRecord]) -> str:
    """With a byte order mark and CRLF, as spreadsheets want it."""
    names = list(dict.fromkeys(name for record in records for name in record.fields))
    told = [name for name in TOLD if any(name in record.told for record in records)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([*KEEPS, *map(_head, names), *(f"({name})" for name in told), "was"])
    for record in records:
        values = [record.clip, record.decision, record.reason]
        values += [record.fields.get(name, "") for name in names]
        values += [record.told.get(name, "") for name in told]
        was = " ".join(f"{name}={told_mark}" for name, told_mark in record.was().items())
        writer.writerow([guarded(value) for value in [*values, was]])
    return "\ufeff" + out.getvalue()


def _head(field: str) -> str:
    """A field's column; one that is called as something else here says that it is a field."""
    return f"field {field}" if field.casefold() in (*KEEPS, "was") else field


def as_jsonl(records: Iterable[ClipRecord]) -> str:
    return "".join(json.dumps(plain(record), ensure_ascii=False) + "\n" for record in records)


def plain(record: ClipRecord) -> dict[str, Any]:
    """As JSON."""
    return {
        "clip": record.clip, "decision": record.decision, "reason": record.reason, "fields": dict(record.fields),
        "was": record.was(), **record.told,
    }  # fmt: skip


def guarded(text: str) -> str:
    """An apostrophe before what would be a formula; `unguarded` takes exactly it off again."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


# --- reading ------------------------------------------------------------------------------------------------------


def read_table(data: bytes, origin: str) -> Table:
    """CSV (comma, semicolon or tab; UTF-8 or UTF-16), JSONL, or a page's JSON. Raises BadFormat for what is neither."""
    text = _decoded(data, origin)
    first = text.lstrip()[:1]
    if first == "{" or first == "[":
        return _from_json(text, origin)
    return _from_csv(text, origin)


def _decoded(data: bytes, origin: str) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadFormat(f"{origin}: not UTF-8 (byte {error.start}); save it as CSV UTF-8") from error


def _from_csv(text: str, origin: str) -> Table:
    text, given = _separator(text)
    separators = [given] if given else [",", ";", "\t"]
    readings = [_cells(text, separator) for separator in separators]
    cells = next((cells for cells in readings if cells and "clip" in _heads(cells[0][1])), None)
    if cells is None:
        raise BadFormat(
            f"{origin}: no column `clip` in its first line; `captioner review OUT --export-sheet x.csv` makes one"
        )
    heads = _heads(cells[0][1])
    twice = sorted({head for head in heads if head and heads.count(head) > 1})
    if twice:
        raise BadFormat(f"{origin}: two columns are called {twice[0]}; leave one")
    rows, faults = [], []
    for line, values in cells[1:]:
        if not any(value.strip() for value in values):
            continue
        if len(values) > len(heads) and any(value.strip() for value in values[len(heads) :]):
            faults.append(f"line {line}: more cells than columns; put a text with commas in quotation marks")
            continue
        named = dict(zip(heads, values, strict=False))
        rows.append(_csv_row(named, line))
    return _checked(rows, faults)


def _separator(text: str) -> tuple[str, str]:
    """Excel's own first line `sep=;`, taken off."""
    found = re.match(r"sep=(.)\r?\n", text, re.IGNORECASE)
    return (text[found.end() :], found[1]) if found else (text, "")


def _cells(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """(line on which it begins, cells) of each row."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    out, before = [], 0
    try:
        for values in reader:
            out.append((before + 1, values))
            before = reader.line_num
    except csv.Error:
        return []
    return out


def _heads(cells: Sequence[str]) -> list[str]:
    """Ours in any case; fields as they are spelt."""
    heads = [cell.strip() for cell in cells]
    return [head.casefold() if head.casefold() in (*KEEPS, "was") else head for head in heads]


def _csv_row(named: Mapping[str, str], line: int) -> Row:
    was = _marks(named["was"]) if named.get("was", "").strip() else None
    fields: dict[str, str | None] = {}
    for name, text in named.items():
        if not name or name in (*KEEPS, "was") or name.startswith("("):
            continue
        name = name.removeprefix("field ")
        if text.strip() == DRAFT:
            fields[name] = None
        elif text.strip() or (was is not None and name in was):  # an empty cell says something only where it did not
            fields[name] = unguarded(text)
    clip, decision = named["clip"].strip(), named.get("decision", "").strip()
    reason = named.get("reason")
    return Row(clip, line, decision or None, None if reason is None else unguarded(reason).strip(), fields, was)


def _marks(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split())
    return {name: told for name, _, told in pairs}


def _from_json(text: str, origin: str) -> Table:
    try:
        whole = json.loads(text)
        entries = whole.get("rows", [whole]) if isinstance(whole, dict) else whole
        numbered = list(enumerate(entries, 1)) if isinstance(entries, list) else []
    except json.JSONDecodeError:
        numbered = []
        for line, one in enumerate(text.split("\n"), 1):
            if one.strip():
                try:
                    numbered.append((line, json.loads(one)))
                except json.JSONDecodeError as error:
                    numbered.append((line, f"not JSON ({error.msg}, column {error.colno})"))
    if not numbered:
        raise BadFormat(f"{origin}: no clip in it")
    rows, faults = [], []
    for line, entry in numbered:
        made = _json_row(entry, line)
        if isinstance(made, Row):
            rows.append(made)
        else:
            faults.append(f"line {line}: {made}")
    return _checked(rows, faults)


def _json_row(entry: Any, line: int) -> Row | str:
    """The row, or what is wrong with it."""
    if not isinstance(entry, dict):
        return entry if isinstance(entry, str) else "not an object with a clip"
    entry = dict(entry)
    clip, decision, reason = (entry.pop(name, None) for name in KEEPS)
    was, fields = entry.pop("was", None), entry.pop("fields", {})
    if not isinstance(clip, str) or not clip.strip():
        return "no clip"
    if not isinstance(fields, dict) or any(
        value is not None and not isinstance(value, str) for value in fields.values()
    ):
        return f"{clip}: `fields` must be names with a text or null each"
    if not all(value is None or isinstance(value, str) for value in (decision, reason)):
        return f"{clip}: `decision` and `reason` must be texts"
    unknown = sorted(set(entry) - set(TOLD))
    if unknown:
        return f"{clip}: {unknown[0]!r} is not known; texts of fields go into `fields`"
    if was is not None and not (isinstance(was, dict) and all(isinstance(value, str) for value in was.values())):
        return f"{clip}: `was` is not what was exported"
    return Row(clip.strip(), line, (decision or "").strip() or None, reason, fields, was)


def _checked(rows: Iterable[Row], faults: list[str]) -> Table:
    """Without rows that say two things of one clip or make a decision that nobody knows."""
    kept: dict[str, Row] = {}
    for row in rows:
        decision = None if row.decision is None else DECISIONS.get(row.decision.casefold())
        if not row.clip:
            faults.append(f"line {row.line}: no clip")
        elif row.clip in kept:
            faults.append(f"line {row.line}: {row.clip} stands in line {kept[row.clip].line} already")
        elif row.decision is not None and decision is None:
            faults.append(
                f"line {row.line}: {row.clip}: decision {row.decision!r} is not known; write approved, rejected, "
                "flagged or todo, or leave it empty"
            )
        else:
            kept[row.clip] = Row(row.clip, row.line, decision, row.reason, row.fields, row.was)
    return Table(tuple(kept.values()), tuple(faults))
