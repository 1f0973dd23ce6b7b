"""The narrow columns of the dataset's clips: what a list of 100,000 of them shows, filters and searches.

A table of the store, filled when clips are drafted and kept up to what persons decide. Nothing in it is the only copy.
It lies on the disk in the order of the list, so that pages and filters read along it; what a decision changes is in no
index, and how many clips have each status is counted along with every change.
"""

# ruff: noqa: S608  what is put into a statement are names of columns and question marks, never a value

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from captioner.toldtable import SCHEMA as TOLD_SCHEMA
from captioner.toldtable import ToldRows

SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS rows (
    recording TEXT NOT NULL, start INTEGER NOT NULL, frames INTEGER NOT NULL, id TEXT NOT NULL, status TEXT NOT NULL,
    trust REAL, seconds REAL NOT NULL, begins REAL NOT NULL, speaker TEXT NOT NULL, language TEXT NOT NULL,
    findings INTEGER NOT NULL, errors INTEGER NOT NULL, rev INTEGER NOT NULL, doubts TEXT NOT NULL,
    reason TEXT NOT NULL, edited TEXT NOT NULL, words TEXT NOT NULL, drafted TEXT, folded TEXT NOT NULL,
    PRIMARY KEY (recording, start, frames, id)) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS rows_id ON rows (id);
CREATE TABLE IF NOT EXISTS tally (status TEXT PRIMARY KEY, clips INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shelf (
    id TEXT PRIMARY KEY, recording TEXT NOT NULL, cut BLOB NOT NULL, draft BLOB NOT NULL, adopted TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stale (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""
    + TOLD_SCHEMA
)

COLUMNS = (
    "id, recording, start, frames, begins, seconds, speaker, trust, language, words, doubts, findings, errors, status, "
    "reason, edited, rev"
)
ORDER = "ORDER BY recording, start, frames, id"
_THESE = "id IN (SELECT value FROM json_each(?))"


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


Listed = tuple[ClipLine, str, str | None]
"""A clip's row, its caption in one case, and what the machine drafted of its words where a person has others."""

LONG = 1000
"""Letters from which a text is too long for a pattern of SQLite's."""
_SIGNS = re.compile(r"[*?\[]")

MANY = 2000
"""Rows from which all are counted again: that costs less than to count each of them twice."""


class Rows(ToldRows):
    """The table, and those of what was decided. Callers hold the store's transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        super().__init__(db)
        db.create_function("regexp", 2, _regexp, deterministic=True)
        db.create_function("refolded", 3, _refolded, deterministic=True)

    def fill(self, lines: Iterable[Listed]) -> None:
        """Put or replace."""
        values = [
            (
                line.recording, line.start, line.frames, line.id, line.status, line.trust, line.seconds, line.begins,
                line.speaker, line.language, line.findings, line.errors, line.rev, line.doubts, line.reason,
                line.edited, line.words, drafted, folded,
            )
            for line, folded, drafted in lines
        ]  # fmt: skip
        with self._counted([value[3] for value in values]):
            self._db.executemany(f"INSERT OR REPLACE INTO rows VALUES ({', '.join('?' * 19)})", values)

    def follow(self, ids: Sequence[str]) -> None:
        """Status, words and names of edited fields as the tables of decisions have them; findings stay as they were,
        and the caption is the old one with the new words in it. For thousands; `stale` says that it was done."""
        said = "coalesce(edits.text, rows.drafted, rows.words)"
        with self._counted(ids):
            self._db.execute(
                f"""
                UPDATE rows SET (rev, reason, edited, status, folded, drafted, words) = (
                    SELECT
                        rows.rev + 1,
                        coalesce(statuses.reason, ''),
                        coalesce(' ' || (SELECT group_concat(field, ' ') FROM edits WHERE clip = rows.id) || ' ', ''),
                        CASE WHEN statuses.state = 'approved' AND statuses.words <> {said} THEN 'edited'
                            ELSE coalesce(statuses.state, 'todo') END,
                        refolded(rows.folded, rows.words, {said}),
                        CASE WHEN edits.text IS NULL THEN NULL ELSE coalesce(rows.drafted, rows.words) END,
                        {said}
                    FROM (SELECT 1)
                    LEFT JOIN statuses ON statuses.clip = rows.id
                    LEFT JOIN edits ON edits.clip = rows.id AND edits.field = 'speech')
                WHERE {_THESE}""",
                [json.dumps(ids)],
            )
            self._db.execute("INSERT OR IGNORE INTO stale SELECT value FROM json_each(?)", [json.dumps(ids)])

    def drop(self, ids: Iterable[str]) -> None:
        ids = list(ids)
        with self._counted(ids):
            self._db.executemany("DELETE FROM rows WHERE id = ?", [(id_,) for id_ in ids])

    def drop_strangers(self) -> None:
        """Forget the rows whose clip is not there any more."""
        if self._db.execute("DELETE FROM rows WHERE id NOT IN (SELECT id FROM clips)").rowcount:
            self._count()

    def missing(self) -> list[str]:
        """Recordings with clips that have no row."""
        query = (
            "SELECT id FROM clips WHERE NOT EXISTS (SELECT 1 FROM rows WHERE rows.id = clips.id)"  # two indices alone
        )
        found = self._db.execute(f"SELECT DISTINCT recording FROM clips WHERE id IN ({query})")
        return [name for (name,) in found]

    def ids(self, where: str = "1", values: Sequence[Any] = ()) -> list[str]:
        """Ids in order. `where` is made by `captioner.review.query`, never by a person."""
        # One text of all is several times as quick to get as a row of each; no id has a line end in it.
        query = f"SELECT group_concat(id, char(10)) FROM (SELECT id FROM rows WHERE {where} {ORDER})"
        found = self._db.execute(query, values).fetchone()[0]
        return found.split("\n") if found else []

    def get(self, ids: Sequence[str]) -> dict[str, ClipLine]:
        found = self._db.execute(f"SELECT {COLUMNS} FROM rows WHERE {_THESE}", [json.dumps(ids)])
        return {row[0]: ClipLine(*row) for row in found}

    def saying(self, ids: Sequence[str], text: str, *, pattern: bool = False) -> list[str]:
        """Those of some clips whose caption has a text in it, whatever its case."""
        test, value = ("folded REGEXP ?", text) if pattern else holds(text)
        query = f"SELECT id FROM rows WHERE {_THESE} AND {test}"
        return [id_ for (id_,) in self._db.execute(query, [json.dumps(ids), value])]

    def said(self, ids: Sequence[str]) -> dict[str, tuple[str, str | None]]:
        """What clips say, and what the machine drafted of it where a person has other words."""
        found = self._db.execute(f"SELECT id, words, drafted FROM rows WHERE {_THESE}", [json.dumps(ids)])
        return {id_: (words, drafted) for id_, words, drafted in found}

    # -- rows that were changed in bulk: their findings are made when they are looked at ---------------------------

    def stale(self, ids: Sequence[str] | None = None, most: int = 1000) -> list[str]:
        if ids is None:
            return [id_ for (id_,) in self._db.execute("SELECT id FROM stale LIMIT ?", (most,))]
        return [id_ for (id_,) in self._db.execute(f"SELECT id FROM stale WHERE {_THESE}", [json.dumps(ids)])]

    def settle(self, ids: Iterable[str]) -> None:
        self._db.executemany("DELETE FROM stale WHERE id = ?", [(id_,) for id_ in ids])

    # -- how many ------------------------------------------------------------------------------------------------------

    def counts(self, ids: Sequence[str] | None = None) -> dict[str, int]:
        """How many clips, or of some, have each status."""
        if ids is None:
            return dict(self._db.execute("SELECT status, clips FROM tally WHERE clips"))
        query = f"SELECT status, count(*) FROM rows WHERE {_THESE} GROUP BY status"
        return dict(self._db.execute(query, [json.dumps(ids)]))

    @contextmanager
    def _counted(self, ids: Sequence[str]) -> Iterator[None]:
        """The counts follow what is done to these rows meanwhile."""
        before = self.counts(ids) if len(ids) < MANY else {}
        yield
        if len(ids) >= MANY:
            self._count()
            return
        after = self.counts(ids)
        changed = [(one, after.get(one, 0) - before.get(one, 0)) for one in before.keys() | after.keys()]
        self._db.executemany(
            "INSERT INTO tally VALUES (?, ?) ON CONFLICT (status) DO UPDATE SET clips = clips + excluded.clips",
            [(status, more) for status, more in changed if more],
        )

    def _count(self) -> None:
        self._db.execute("DELETE FROM tally")
        self._db.execute("INSERT INTO tally SELECT status, count(*) FROM rows GROUP BY status")

    def revs(self, ids: Sequence[str]) -> dict[str, int]:
        return dict(self._db.execute(f"SELECT id, rev FROM rows WHERE {_THESE}", [json.dumps(ids)]))

    def values(self, column: str) -> list[str]:
        """What stands in a column, most clips first."""
        assert column in ("speaker", "language", "recording")
        rows = self._db.execute(f"SELECT {column} FROM rows GROUP BY {column} ORDER BY count(*) DESC, {column}")
        return [value for (value,) in rows]

    def spoken_by(self, speaker: str) -> int:
        """How many clips are a speaker's."""
        return int(self._db.execute("SELECT count(*) FROM rows WHERE speaker = ?", (speaker,)).fetchone()[0])


def _regexp(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


def _refolded(folded: str, before: str, after: str) -> str:
    """A caption in one case with other words: in quotation marks where it has them so."""
    old, new = before.casefold(), after.casefold()
    if not old or not new or old == new:
        return folded
    quoted = f'"{old}"'
    return folded.replace(quoted, f'"{new}"') if quoted in folded else folded.replace(old, new)


def holds(text: str) -> tuple[str, str]:
    """A condition that a caption has a text in it, whatever its case, and its value. Quicker than `instr`."""
    folded = text.casefold()
    if len(folded) > LONG:
        return "instr(folded, ?)", folded
    return "folded GLOB ?", "*" + _SIGNS.sub(r"[\g<0>]", folded) + "*"


def words_of(codes: Iterable[str]) -> str:
    """Codes as they stand in a column: a blank before, between and behind, so that one is found by itself."""
    kept = list(dict.fromkeys(codes))
    return f" {' '.join(kept)} " if kept else ""
