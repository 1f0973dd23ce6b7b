"""The narrow columns of the dataset's clips: what a list of 100,000 of them shows, filters and searches.

A table of the store, filled when clips are drafted and kept up to what persons decide. Nothing in it is the only copy.
"""

# ruff: noqa: S608  what is put into a statement are names of columns and question marks, never a value

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    id TEXT PRIMARY KEY, recording TEXT NOT NULL, start INTEGER NOT NULL, frames INTEGER NOT NULL,
    begins REAL NOT NULL, seconds REAL NOT NULL, speaker TEXT NOT NULL, trust REAL, language TEXT NOT NULL,
    words TEXT NOT NULL, folded TEXT NOT NULL, doubts TEXT NOT NULL, findings INTEGER NOT NULL,
    errors INTEGER NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, edited TEXT NOT NULL, rev INTEGER NOT NULL
    ) WITHOUT ROWID;
DROP INDEX IF EXISTS rows_order;
CREATE INDEX IF NOT EXISTS rows_listed ON rows (
    recording, start, frames, id, status, trust);
CREATE INDEX IF NOT EXISTS rows_status ON rows (status);
CREATE TABLE IF NOT EXISTS edits (
    clip TEXT NOT NULL, field TEXT NOT NULL, text TEXT NOT NULL, against TEXT, PRIMARY KEY (clip, field)
    ) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS statuses (
    clip TEXT PRIMARY KEY, state TEXT NOT NULL, reason TEXT NOT NULL, words TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shelf (
    id TEXT PRIMARY KEY, recording TEXT NOT NULL, cut BLOB NOT NULL, draft BLOB NOT NULL, adopted TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stale (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (
    batch INTEGER PRIMARY KEY, at INTEGER NOT NULL, size INTEGER NOT NULL, did TEXT NOT NULL, stands INTEGER NOT NULL);
"""

COLUMNS = (
    "id, recording, start, frames, begins, seconds, speaker, trust, language, words, doubts, findings, errors, status, "
    "reason, edited, rev"
)
ORDER = "ORDER BY recording, start, frames, id"


class ClipLine(NamedTuple):
    """A clip in the list."""

    id: str
    recording: str
    start: int
    """First frame."""
    frames: int
    begins: float
    """Seconds in its recording."""
    seconds: float
    speaker: str
    trust: float | None
    language: str
    words: str
    """What is said in it, as edited."""
    doubts: str
    """Codes of all findings, a blank before, between and behind."""
    findings: int
    errors: int
    """Findings that are errors."""
    status: str
    reason: str
    edited: str
    """Names of the fields that a person changed, a blank before, between and behind."""
    rev: int
    """Raised with every change."""


class Rows:
    """The table. Callers hold the store's transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.create_function("regexp", 2, _regexp, deterministic=True)

    def fill(self, lines: Iterable[tuple[ClipLine, str]]) -> None:
        """Put or replace; each with its text in one case, for searching."""
        values = [(*line[:10], folded, *line[10:]) for line, folded in lines]
        self._db.executemany(f"INSERT OR REPLACE INTO rows VALUES ({', '.join('?' * 18)})", values)

    def drop(self, ids: Iterable[str]) -> None:
        self._db.executemany("DELETE FROM rows WHERE id = ?", [(id_,) for id_ in ids])

    def drop_strangers(self) -> None:
        """Forget the rows whose clip is not there any more."""
        self._db.execute("DELETE FROM rows WHERE id NOT IN (SELECT id FROM clips)")

    def missing(self) -> list[str]:
        """Recordings with clips that have no row."""
        found = self._db.execute("SELECT DISTINCT recording FROM clips WHERE id NOT IN (SELECT id FROM rows)")
        return [name for (name,) in found]

    def ids(self, where: str = "1", values: Sequence[Any] = (), order: str = ORDER) -> list[str]:
        """Ids in order. `where` is made by `captioner.review.query`, never by a person."""
        return [id_ for (id_,) in self._db.execute(f"SELECT id FROM rows WHERE {where} {order}", values)]

    def get(self, ids: Sequence[str]) -> dict[str, ClipLine]:
        found: dict[str, ClipLine] = {}
        for at in range(0, len(ids), 500):
            some = ids[at : at + 500]
            marks = ", ".join("?" * len(some))
            for row in self._db.execute(f"SELECT {COLUMNS} FROM rows WHERE id IN ({marks})", some):
                found[row[0]] = ClipLine(*row)
        return found

    def saying(self, ids: Sequence[str], text: str, *, pattern: bool = False) -> list[str]:
        """Those of some clips whose caption has a text in it, whatever its case."""
        found: list[str] = []
        test = "folded REGEXP ?" if pattern else "instr(folded, ?)"
        for at in range(0, len(ids), 5000):
            some = ids[at : at + 5000]
            marks = ", ".join("?" * len(some))
            query = f"SELECT id FROM rows WHERE id IN ({marks}) AND {test}"
            found += [id_ for (id_,) in self._db.execute(query, [*some, text if pattern else text.casefold()])]
        return found

    def words(self) -> dict[str, str]:
        """What every clip says."""
        return dict(self._db.execute("SELECT id, words FROM rows"))

    # -- rows that were changed in bulk: their findings are made when they are looked at ---------------------------

    def mark_stale(self, ids: Iterable[str]) -> None:
        self._db.executemany("INSERT OR IGNORE INTO stale VALUES (?)", [(id_,) for id_ in ids])

    def stale(self, ids: Sequence[str] | None = None, most: int = 1000) -> list[str]:
        if ids is None:
            return [id_ for (id_,) in self._db.execute("SELECT id FROM stale LIMIT ?", (most,))]
        marks = ", ".join("?" * len(ids))
        return [id_ for (id_,) in self._db.execute(f"SELECT id FROM stale WHERE id IN ({marks})", ids)]

    def settle(self, ids: Iterable[str]) -> None:
        self._db.executemany("DELETE FROM stale WHERE id = ?", [(id_,) for id_ in ids])

    def folded(self, ids: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for at in range(0, len(ids), 500):
            some = ids[at : at + 500]
            marks = ", ".join("?" * len(some))
            found |= dict(self._db.execute(f"SELECT id, folded FROM rows WHERE id IN ({marks})", some))
        return found

    def counts(self) -> dict[str, int]:
        """How many clips have each status."""
        return dict(self._db.execute("SELECT status, count(*) FROM rows GROUP BY status"))

    def revs(self, ids: Sequence[str]) -> dict[str, int]:
        return {id_: line.rev for id_, line in self.get(ids).items()}

    def values(self, column: str) -> list[str]:
        """What stands in a column, most clips first."""
        assert column in ("speaker", "language", "recording")
        rows = self._db.execute(f"SELECT {column} FROM rows GROUP BY {column} ORDER BY count(*) DESC, {column}")
        return [value for (value,) in rows]

    def spoken_by(self, speaker: str) -> int:
        """How many clips are a speaker's."""
        return int(self._db.execute("SELECT count(*) FROM rows WHERE speaker = ?", (speaker,)).fetchone()[0])

    def twins(self, words: str) -> int:
        """How many clips say these words."""
        return int(self._db.execute("SELECT count(*) FROM rows WHERE words = ?", (words,)).fetchone()[0])

    # -- what persons decided, folded from the journal --------------------------------------------------------------

    def edits(self, clip: str) -> dict[str, tuple[str, str | None]]:
        found = self._db.execute("SELECT field, text, against FROM edits WHERE clip = ?", (clip,))
        return {field: (text, against) for field, text, against in found}

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


def _regexp(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


def words_of(codes: Iterable[str]) -> str:
    """Codes as they stand in a column: a blank before, between and behind, so that one is found by itself."""
    kept = list(dict.fromkeys(codes))
    return f" {' '.join(kept)} " if kept else ""
