"""`OUT/speakers.jsonl`: what persons said of the dataset's voices, a decision a line, never rewritten.

It stands outside the store, so that the store can be thrown away and what a person said is still there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from captioner.errors import StoreError
from captioner.jsonlines import append_line, read_lines
from captioner.speech.people import Decision

NAME = "speakers.jsonl"
VERSION = 1
HOLDS = "what you said of speakers"


def read_journal(out: Path) -> list[Decision]:
    """The decisions so far, in order. Raises StoreError that names the line where one cannot be read.

    Half a last line is what a crash left of a decision that was never confirmed, and is passed by.
    """
    path = out / NAME
    lines, _ = read_lines(path, HOLDS)
    return [_decision(line, path, number) for number, line in enumerate(lines, 1) if line.strip()]


def append_decision(out: Path, decision: Decision) -> None:
    """Add a decision; it is on the disk when this returns. Raises StoreError where it cannot be written."""
    path = out / NAME
    plain: Mapping[str, Any] = {
        name: value for name, value in msgspec.to_builtins(decision).items() if value not in (None, "", (), [], {})
    }
    append_line(path, msgspec.json.encode({"v": VERSION, **plain}), HOLDS)


def _decision(line: bytes, path: Path, number: int) -> Decision:
    try:
        plain = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise StoreError(f"{path}, line {number}: not JSON ({error}); correct or remove that line") from error
    if not isinstance(plain, dict) or plain.pop("v", None) != VERSION:
        raise StoreError(f"{path}, line {number}: not a decision of this version of captioner; remove that line")
    try:
        return msgspec.convert(plain, Decision)
    except msgspec.ValidationError as error:
        raise StoreError(f"{path}, line {number}: not a decision ({error}); correct or remove that line") from error
