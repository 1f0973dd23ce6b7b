"""What is drawn of clips, kept in the dataset's store folder: a few KB a clip, made once and free to be deleted."""

from __future__ import annotations

import os
import sqlite3
import zlib
from contextlib import suppress
from pathlib import Path

VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS looks (key TEXT PRIMARY KEY, peaks BLOB, bands BLOB, proof INTEGER, pictures BLOB)
WITHOUT ROWID;
"""

FILMS = 1 << 30
"""Bytes of films that are kept for the browser."""


class Keep:
    """`media.sqlite` in the store's folder; in memory where that cannot be written. One process uses it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self._db = self._open(folder / "media.sqlite")
        except sqlite3.DatabaseError:
            with suppress(OSError):
                (folder / "media.sqlite").unlink(missing_ok=True)  # damaged: nothing in it is a person's
            try:
                self._db = self._open(folder / "media.sqlite")
            except sqlite3.DatabaseError:
                self._db = self._open(":memory:")

    @staticmethod
    def _open(path: Path | str) -> sqlite3.Connection:
        db = sqlite3.connect(path, timeout=2.0, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=OFF")
            if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                db.execute("DROP TABLE IF EXISTS looks")
            db.execute(_SCHEMA)
            db.execute(f"PRAGMA user_version={VERSION}")
        except sqlite3.DatabaseError:
            db.close()
            raise
        return db

    def heard(self, key: str) -> tuple[bytes, bytes, int] | None:
        """Peaks, bands, and the check sum of the cut's samples."""
        row = self._db.execute("SELECT peaks, bands, proof FROM looks WHERE key = ?", (key,)).fetchone()
        if row is None or row[0] is None:
            return None
        return zlib.decompress(row[0]), _apart(zlib.decompress(row[1])), row[2]

    def seen(self, key: str) -> bytes | None:
        """JPEG of the three pictures."""
        row = self._db.execute("SELECT pictures FROM looks WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def put_heard(self, key: str, peaks: bytes, bands: bytes, proof: int) -> None:
        values = (key, zlib.compress(peaks, 6), zlib.compress(_together(bands), 6), proof)
        self._write(
            "INSERT INTO looks (key, peaks, bands, proof) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
            "peaks = excluded.peaks, bands = excluded.bands, proof = excluded.proof",
            values,
        )

    def put_seen(self, key: str, pictures: bytes) -> None:
        self._write(
            "INSERT INTO looks (key, pictures) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET "
            "pictures = excluded.pictures",
            (key, pictures),
        )

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        with suppress(sqlite3.OperationalError):  # a full disk or another session's lock: it is made again next time
            self._db.execute(statement, values)

    # -- films -------------------------------------------------------------------------------------------------------

    @property
    def films(self) -> Path:
        return self.folder / "films"

    def film(self, key: str) -> Path | None:
        path = self.films / f"{key}.mp4"
        try:
            os.utime(path)  # the least lately used go first
        except OSError:
            return None
        return path

    def add_film(self, key: str, made: Path) -> Path:
        """Gives a finished file its name, and lets go of the oldest where they have become too many."""
        path = self.films / f"{key}.mp4"
        made.replace(path)
        films = sorted(self.films.glob("*.mp4"), key=lambda film: film.stat().st_mtime, reverse=True)
        total = 0
        for film in films:
            total += film.stat().st_size
            if total > FILMS and film != path:
                film.unlink(missing_ok=True)
        return path

    def close(self) -> None:
        self._db.close()


def _together(values: bytes) -> bytes:
    """Two values of 0 to 15 a byte."""
    return bytes(low | high << 4 for low, high in zip(values[::2], values[1::2], strict=True))


def _apart(packed: bytes) -> bytes:
    return bytes(part for value in packed for part in (value & 15, value >> 4))
