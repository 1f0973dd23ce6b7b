"""The store's tables of clips: as they were drafted, those kept aside, and those that stand in `OUT/clips/`."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

SCHEMA = """
CREATE TABLE IF NOT EXISTS clips (
    id TEXT PRIMARY KEY, recording TEXT NOT NULL, place INTEGER NOT NULL, cut BLOB NOT NULL, draft BLOB NOT NULL,
    adopted TEXT);
CREATE INDEX IF NOT EXISTS clips_recording ON clips (recording, place);
CREATE TABLE IF NOT EXISTS written (
    id TEXT PRIMARY KEY, key TEXT NOT NULL, media TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    caption TEXT NOT NULL, repeated INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A drafted clip as it is kept: `cut` and `draft` packed, so that a list of 20,000 stays cheap."""

    id: str
    recording: str
    place: int
    cut: bytes
    draft: bytes
    adopted: str | None = None
    """The text of a caption file that stood beside an already-cut source."""


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """A clip that stands in `OUT/clips/`."""

    id: str
    key: str
    """What its picture and sound were made from."""
    media: str
    """File name."""
    size: int
    mtime_ns: int
    caption: str
    """The text that captioner wrote; another text on disk is a person's."""
    repeated: int
    """Source frames shown more than once to keep the rate."""


class ClipTables:
    """Callers that change something hold the store's transaction."""

    _db: sqlite3.Connection

    def clips(self) -> list[ClipRow]:
        rows = self._db.execute("SELECT id, recording, place, cut, draft, adopted FROM clips ORDER BY recording, place")
        return [ClipRow(*row) for row in rows]

    def clips_of(self, recording: str) -> list[ClipRow]:
        rows = self._db.execute(
            "SELECT id, recording, place, cut, draft, adopted FROM clips WHERE recording = ? ORDER BY place",
            (recording,),
        )
        return [ClipRow(*row) for row in rows]

    def clip(self, id_: str) -> ClipRow | None:
        query = "SELECT id, recording, place, cut, draft, adopted FROM clips WHERE id = ?"
        row = self._db.execute(query, (id_,)).fetchone()
        return None if row is None else ClipRow(*row)

    def set_clip(self, row: ClipRow) -> None:
        values = (row.id, row.recording, row.place, row.cut, row.draft, row.adopted)
        self._db.execute("INSERT OR REPLACE INTO clips VALUES (?, ?, ?, ?, ?, ?)", values)

    def shelve(self, row: ClipRow) -> None:
        """Keep a clip that is cut anew, so that it can come back as it was."""
        values = (row.id, row.recording, row.cut, row.draft, row.adopted)
        self._db.execute("INSERT OR REPLACE INTO shelf VALUES (?, ?, ?, ?, ?)", values)

    def shelved(self, id_: str) -> ClipRow | None:
        query = "SELECT id, recording, 0, cut, draft, adopted FROM shelf WHERE id = ?"
        row = self._db.execute(query, (id_,)).fetchone()
        return None if row is None else ClipRow(*row)

    def written(self) -> dict[str, WrittenRow]:
        rows = self._db.execute("SELECT id, key, media, size, mtime_ns, caption, repeated FROM written")
        return {row[0]: WrittenRow(*row) for row in rows}

    def written_one(self, id_: str) -> WrittenRow | None:
        query = "SELECT id, key, media, size, mtime_ns, caption, repeated FROM written WHERE id = ?"
        row = self._db.execute(query, (id_,)).fetchone()
        return None if row is None else WrittenRow(*row)
