"""The store's tables of what persons decided, folded from the journal: edits, statuses, and what can be taken back."""

# ruff: noqa: S608  what is put into a statement are names of columns and question marks, never a value

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS edits (
    clip TEXT NOT NULL, field TEXT NOT NULL, text TEXT NOT NULL, against TEXT, PRIMARY KEY (clip, field)
    ) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS statuses (
    clip TEXT PRIMARY KEY, state TEXT NOT NULL, reason TEXT NOT NULL, words TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (
    batch INTEGER PRIMARY KEY, at INTEGER NOT NULL, size INTEGER NOT NULL, did TEXT NOT NULL, stands INTEGER NOT NULL);
"""
_THESE = "clip IN (SELECT value FROM json_each(?))"


class ToldRows:
    """Callers hold the store's transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def edits(self, clip: str) -> dict[str, tuple[str, str | None]]:
        found = self._db.execute("SELECT field, text, against FROM edits WHERE clip = ?", (clip,))
        return {field: (text, against) for field, text, against in found}

    def edits_of(self, clips: Sequence[str]) -> list[tuple[str, str, str, str | None]]:
        """Clip, field, text and what it was written against."""
        query = f"SELECT clip, field, text, against FROM edits WHERE {_THESE} ORDER BY clip, field"
        return list(self._db.execute(query, [json.dumps(clips)]))

    def statuses_of(self, clips: Sequence[str]) -> list[tuple[str, str, str, str | None]]:
        """Clip, state, reason and the words that were approved."""
        return list(
            self._db.execute(f"SELECT clip, state, reason, words FROM statuses WHERE {_THESE}", [json.dumps(clips)])
        )

    def all_edits(self) -> list[tuple[str, str, str, str | None]]:
        return list(self._db.execute("SELECT clip, field, text, against FROM edits ORDER BY clip, field"))

    def set_edits(self, edits: Mapping[tuple[str, str], tuple[str, str | None] | None]) -> None:
        """(clip, field) -> text and what it was written against, or None for the draft."""
        gone = [place for place, edit in edits.items() if edit is None]
        self._db.executemany("DELETE FROM edits WHERE clip = ? AND field = ?", gone)
        kept = [(*place, *edit) for place, edit in edits.items() if edit is not None]
        self._db.executemany("INSERT OR REPLACE INTO edits VALUES (?, ?, ?, ?)", kept)

    def status(self, clip: str) -> tuple[str, str, str | None]:
        row = self._db.execute("SELECT state, reason, words FROM statuses WHERE clip = ?", (clip,)).fetchone()
        return ("todo", "", None) if row is None else tuple(row)

    def all_statuses(self) -> list[tuple[str, str, str, str | None]]:
        return list(self._db.execute("SELECT clip, state, reason, words FROM statuses ORDER BY clip"))

    def set_statuses(self, statuses: Mapping[str, tuple[str, str, str | None]]) -> None:
        """Clip -> state, reason and the words that were approved."""
        none = ("todo", "", None)
        self._db.executemany(
            "DELETE FROM statuses WHERE clip = ?", [(c,) for c, one in statuses.items() if one == none]
        )
        kept = [(clip, *one) for clip, one in statuses.items() if one != none]
        self._db.executemany("INSERT OR REPLACE INTO statuses VALUES (?, ?, ?, ?)", kept)

    def forget_decisions(self) -> None:
        for table in ("edits", "statuses", "batches"):
            self._db.execute(f"DELETE FROM {table}")

    # -- what can be taken back ---------------------------------------------------------------------------------------

    def add_batch(self, batch: int, at: int, size: int, did: str) -> None:
        """A new batch: what was taken back before it cannot be made again."""
        self._db.execute("UPDATE batches SET stands = 2 WHERE stands = 0")
        self._db.execute("INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, 1)", (batch, at, size, did))

    def stand(self, batch: int, stands: bool) -> None:
        self._db.execute("UPDATE batches SET stands = ? WHERE batch = ?", (int(stands), batch))

    def batch(self, number: int) -> tuple[int, int, str] | None:
        """First byte, length and action of a batch."""
        row = self._db.execute("SELECT at, size, did FROM batches WHERE batch = ?", (number,)).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def last_standing(self) -> int | None:
        row: Any = self._db.execute("SELECT max(batch) FROM batches WHERE stands = 1").fetchone()[0]
        return None if row is None else int(row)

    def first_undone(self) -> int | None:
        row: Any = self._db.execute("SELECT min(batch) FROM batches WHERE stands = 0").fetchone()[0]
        return None if row is None else int(row)
