"""What earlier checks found out, kept in the user's cache folder by path, size and time of change.

Losing it costs time and nothing else: a damaged or unwritable file is done without.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import msgspec

from captioner.checks.view import Media

T = TypeVar("T")

FORMAT = 1
"""Raised when what is kept of a file changes: what older code kept is then not found."""
REPORTS = 40
"""Whole reports that are kept."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (
    folder TEXT, name TEXT, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, kind TEXT, value BLOB NOT NULL,
    PRIMARY KEY (folder, kind, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reports (key TEXT PRIMARY KEY, made REAL NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
"""

Known = tuple[str, int, int]
"""Name, size in bytes, time of change in ns."""


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    raise TypeError(f"cannot keep a {type(value).__name__}")


def _rich(kind: type, value: Any) -> Any:
    return Fraction(value) if kind is Fraction else value


def default_place() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("captioner", appauthor=False) / f"checks-{FORMAT}.sqlite"


class Memory:
    """Facts of files and whole reports; use it in a `with`."""

    def __init__(self, place: Path | None) -> None:
        """`place` None: nothing is kept."""
        self._db = _opened(place)

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(sqlite3.Error):
            self._db.close()

    def facts(self, folder: Path, kind: str, wanted: type[T]) -> dict[Known, T]:
        """What is kept of the files of a folder; files of which the same is known share one value."""
        if not _told(os.fspath(folder)):
            return {}
        decode = msgspec.msgpack.Decoder(wanted, dec_hook=_rich).decode
        found: dict[Known, T] = {}
        made: dict[bytes, T] = {}
        try:
            rows = self._db.execute(
                "SELECT name, size, mtime_ns, value FROM facts WHERE folder = ? AND kind = ?", (os.fspath(folder), kind)
            )
            for name, size, mtime, value in rows:
                with suppress(msgspec.DecodeError, ValueError, ZeroDivisionError):
                    if value not in made:
                        made[value] = decode(value)
                    found[(name, size, mtime)] = made[value]
        except sqlite3.DatabaseError:
            return {}
        return found

    def keep(self, folder: Path, kind: str, rows: Iterable[tuple[Known, object]], gone: Sequence[str] = ()) -> None:
        """Remembers facts; `gone`: names of files that are no longer there. Nothing of names that are no text."""
        if not _told(os.fspath(folder)):
            return
        encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
        place = os.fspath(folder)
        with suppress(sqlite3.DatabaseError):
            self._db.execute("BEGIN")
            self._db.executemany(
                "INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?, ?)",
                ((place, name, size, at, kind, encode(value)) for (name, size, at), value in rows if _told(name)),
            )
            self._db.executemany(
                "DELETE FROM facts WHERE folder = ? AND kind = ? AND name = ?", ((place, kind, name) for name in gone)
            )
            self._db.execute("COMMIT")

    def report(self, key: str, wanted: type[T]) -> T | None:
        """A whole report that was made from the same; None where there is none."""
        try:
            row = self._db.execute("SELECT value FROM reports WHERE key = ?", (key,)).fetchone()
            return None if row is None else msgspec.msgpack.decode(row[0], type=wanted)
        except (sqlite3.DatabaseError, msgspec.DecodeError):
            return None

    def keep_report(self, key: str, value: object) -> None:
        with suppress(sqlite3.DatabaseError):
            self._db.execute("INSERT OR REPLACE INTO reports VALUES (?, ?, ?)",
                             (key, time.time(), msgspec.msgpack.encode(value)))  # fmt: skip
            self._db.execute(
                "DELETE FROM reports WHERE key NOT IN (SELECT key FROM reports ORDER BY made DESC LIMIT ?)", (REPORTS,)
            )


def _told(name: str) -> bool:
    """Whether a name is text: on Linux any bytes may be one."""
    return name.isprintable() or name.encode("utf-8", "replace") == name.encode("utf-8", "surrogatepass")


def _opened(place: Path | None) -> sqlite3.Connection:
    if place is not None:
        for _ in range(2):
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                db = sqlite3.connect(place, timeout=5, isolation_level=None, check_same_thread=False)
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA synchronous=OFF")
                db.executescript(_SCHEMA)
            except sqlite3.OperationalError:
                break  # in use, or nowhere to write
            except sqlite3.DatabaseError:
                with suppress(OSError):
                    place.unlink()
            except OSError:
                break
            else:
                return db
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.executescript(_SCHEMA)
    return db


def media_facts(memory: Memory, folder: Path) -> dict[Known, Media]:
    return memory.facts(folder, "media", Media)
