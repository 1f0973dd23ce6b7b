"""Readers of metadata files: JSON, JSONL, CSV. Whatever is in them ends as a Listing; what is wrong is said in it.

They read as the trainers do: the first record decides which columns there are.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from captioner.checks.view import Listing, Record

MEDIA_COLUMNS = ("video", "media_path", "video_path", "audio", "audio_path", "file_name", "path", "file")
"""Columns that may name the clip, the likelier first."""
CAPTION_COLUMNS = ("caption", "text", "prompt")
MOST = 1 << 28
"""Bytes: a larger file is no list of clips."""
BOM = b"\xef\xbb\xbf"


def read_listing(path: Path, name: str) -> Listing:
    """The listing in a file, by its suffix in any case. Never raises for what the file holds."""
    try:
        if path.stat().st_size > MOST:
            return Listing(name, path, "json", error="larger than 256 MiB: no list of clips")
        data = path.read_bytes()
    except OSError as error:
        return Listing(name, path, "json", error=f"cannot be read ({error.strerror})")
    return parse_listing(data, path, name)


def parse_listing(data: bytes, path: Path, name: str) -> Listing:
    """Pure: `path` and `name` only say what it is called."""
    form = path.suffix[1:].lower()
    bom = data.startswith(BOM)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return Listing(name, path, form, bom=bom, error="not UTF-8", error_line=line)
    if form == "jsonl":
        return _jsonl(text, path, name, bom)
    if form == "csv":
        return _csv(text, path, name, bom)
    return _json(text, path, name, bom)


def _json(text: str, path: Path, name: str, bom: bool) -> Listing:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        return Listing(name, path, "json", bom=bom, error=f"not JSON: {error.msg}", error_line=error.lineno)
    except (ValueError, RecursionError):
        return Listing(name, path, "json", bom=bom, error="not JSON that can be read")
    if isinstance(found, dict) and found and all(isinstance(value, dict | str) for value in found.values()):
        return _map(found, text, path, name, bom)
    if not isinstance(found, list):
        return Listing(name, path, "json", bom=bom, error="no list of records")
    records: list[Record] = []
    lines = _lines_of_objects(text)
    for number, row in enumerate(found):
        line = lines[number] if number < len(lines) else 1
        if not isinstance(row, dict):
            return Listing(name, path, "json", tuple(records), _columns(records), bom=bom,
                           error=f"record {number + 1} is no object", error_line=line)  # fmt: skip
        records.append(_record(line, row))
    return Listing(name, path, "json", tuple(records), _columns(records), bom=bom)


def _map(found: Mapping[str, Any], text: str, path: Path, name: str, bom: bool) -> Listing:
    """ai-toolkit's form: media path -> {"caption": ...}."""
    records: list[Record] = []
    at = 0
    line, counted = 1, 0
    for media, value in found.items():
        place = text.find(json.dumps(media, ensure_ascii=False), at)
        if place >= 0:
            line, counted, at = line + text.count("\n", counted, place), place, place
        fields = value if isinstance(value, dict) else {"caption": value}
        caption = fields.get("caption")
        records.append(Record(line, fields, media, caption=caption if isinstance(caption, str) else None))
    return Listing(name, path, "map", tuple(records), ("caption",), bom=bom)


def _jsonl(text: str, path: Path, name: str, bom: bool) -> Listing:
    records: list[Record] = []
    blank = []
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            blank.append(number)
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            why = error.msg if isinstance(error, json.JSONDecodeError) else "too deep or too long"
            return Listing(name, path, "jsonl", tuple(records), _columns(records), bom, tuple(blank),
                           f"not JSON: {why}", number)  # fmt: skip
        if not isinstance(row, dict):
            return Listing(name, path, "jsonl", tuple(records), _columns(records), bom, tuple(blank),
                           "a line is no object", number)  # fmt: skip
        records.append(_record(number, row))
    return Listing(name, path, "jsonl", tuple(records), _columns(records), bom, tuple(blank))


def _csv(text: str, path: Path, name: str, bom: bool) -> Listing:
    table = csv.reader(io.StringIO(text, newline=""), strict=True)
    records: list[Record] = []
    columns: tuple[str, ...] = ()
    try:
        columns = tuple(next(table, []))
        before = table.line_num
        for row in table:
            if row:
                records.append(_record(before + 1, dict(zip(columns, row, strict=False))))
            before = table.line_num
    except csv.Error as error:
        return Listing(name, path, "csv", tuple(records), columns, bom, error=f"not CSV: {error}",
                       error_line=table.line_num)  # fmt: skip
    return Listing(name, path, "csv", tuple(records), columns, bom)


def _record(line: int, fields: Mapping[str, Any]) -> Record:
    media = next((fields[key] for key in MEDIA_COLUMNS if isinstance(fields.get(key), str) and fields[key]), None)
    caption = next((fields[key] for key in CAPTION_COLUMNS if isinstance(fields.get(key), str)), None)
    return Record(line, fields, media, caption=caption)


def _columns(records: list[Record]) -> tuple[str, ...]:
    return tuple(map(str, records[0].fields)) if records else ()


def _lines_of_objects(text: str) -> list[int]:
    """1-based lines at which the objects of the outer list begin."""
    return list(_scan(text))


def _scan(text: str) -> Iterator[int]:
    depth, line, quoted, escaped = 0, 1, False, False
    for letter in text:
        if letter == "\n":
            line += 1
        if quoted:
            if escaped:
                escaped = False
            elif letter == "\\":
                escaped = True
            elif letter == '"':
                quoted = False
        elif letter == '"':
            quoted = True
        elif letter in "[{":
            if letter == "{" and depth == 1:
                yield line
            depth += 1
        elif letter in "]}":
            depth -= 1


def is_listing(listing: Listing) -> bool:
    """Whether it lists clips at all: other JSON files stand in folders, too."""
    if listing.form == "map":
        return any("/" in (one.media or "") or "." in (one.media or "") for one in listing.records)
    if listing.form == "csv":
        return any(column in MEDIA_COLUMNS for column in listing.columns)
    if listing.error:
        return bool(listing.records) or listing.form == "jsonl"
    return any(one.media is not None for one in listing.records)
