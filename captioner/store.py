"""The only state on disk: one SQLite file in `OUT/.captioner/`.

Every result is kept under a key made from all that it was made from (`key_of`), so stale is computed and never guessed:
a result whose key nobody asks for any more is simply not found. Deleting the file costs time, nothing else.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from threading import RLock, Thread
from typing import Any, TypeVar

import msgspec

from captioner.cliptables import SCHEMA as CLIPS_SCHEMA
from captioner.cliptables import ClipRow, ClipTables, WrittenRow
from captioner.errors import StoreError
from captioner.rowtable import SCHEMA as ROWS_SCHEMA
from captioner.rowtable import Rows

T = TypeVar("T")

__all__ = ["ClipRow", "Store", "WrittenRow", "key_of", "pack", "unpack"]

FORMAT = 2
"""Raised when the tables change in a way that older code cannot read."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, content TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, stage TEXT NOT NULL, value BLOB NOT NULL);
"""


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"cannot keep a {type(value).__name__}")


def _rich(kind: type, value: Any) -> Any:
    if kind is Fraction:
        return Fraction(value)
    raise TypeError(f"cannot make a {kind.__name__}")


def pack(value: object) -> bytes:
    """Any value of `captioner.types`, as bytes."""
    return zlib.compress(msgspec.msgpack.encode(value, enc_hook=_plain), 3)


def unpack(data: bytes, kind: type[T]) -> T:
    """The value that `pack` was given. Raises StoreError where the bytes are damaged or of another kind."""
    try:
        return msgspec.msgpack.decode(zlib.decompress(data), type=kind, dec_hook=_rich)
    except (zlib.error, msgspec.DecodeError, ValueError) as error:
        raise StoreError(
            f"a stored {kind.__name__} cannot be read ({error}); delete OUT/.captioner and build again"
        ) from error


def key_of(*parts: object) -> str:
    """One key of everything that a result was made from: the order counts, `repr` of each part is hashed."""
    return hashlib.sha256("\x1f".join(map(repr, parts)).encode()).hexdigest()[:40]


def _bring_in(path: Path) -> None:
    with suppress(sqlite3.Error):  # then the next small change does it
        db = sqlite3.connect(path, isolation_level=None)
        try:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        finally:
            db.close()


class Store(ClipTables):
    """Opened by one writer at a time; `close` it, or use it in a `with`."""

    _tidying: Thread | None = None

    def __init__(self, folder: Path) -> None:
        self._turn = RLock()
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        lease = self._take_lease(folder / "lease.sqlite")
        self._lock: sqlite3.Connection | None = lease
        try:
            self._db = sqlite3.connect(folder / "store.sqlite", isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA page_size=8192")  # of a new store: a tenth quicker to filter and to change in bulk
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA temp_store=MEMORY")
            self._db.executescript(SCHEMA + CLIPS_SCHEMA)
            found = self.meta("format")
            if found not in (None, "1", str(FORMAT)):
                raise StoreError(f"{folder}: made by another version of captioner; build into another folder")
            if found == "1":  # the list lay otherwise then; who opens the store makes missing rows anew
                self._db.execute("DROP TABLE IF EXISTS rows")
            self._db.executescript(ROWS_SCHEMA)
            self.rows = Rows(self._db)
            if found != str(FORMAT):
                self.set_meta("format", str(FORMAT))
        except sqlite3.DatabaseError as error:
            lease.close()
            raise StoreError(f"{folder / 'store.sqlite'}: {error}; delete {folder} and build again") from error

    @classmethod
    def reading(cls, folder: Path) -> Store:
        """A store that somebody else may be writing: nothing can be put into it. Raises StoreError."""
        store = cls.__new__(cls)
        store.folder = folder
        store._turn = RLock()
        store._lock = None
        path = (folder / "store.sqlite").absolute().as_uri()
        for mode in ("?mode=ro", "?mode=ro&immutable=1"):  # the second: a read-only folder without the log's files
            try:
                store._db = sqlite3.connect(f"{path}{mode}", uri=True, isolation_level=None, check_same_thread=False)
                found = store.meta("format")
                store.rows = Rows(store._db)
            except sqlite3.OperationalError as error:
                fault = error
                continue
            if found == str(FORMAT):
                return store
            store.close()
            raise StoreError(
                f"{folder}: made by another version of captioner; open it once where it can be written, or build again"
            )
        raise StoreError(f"{folder / 'store.sqlite'}: cannot be read ({fault}); `captioner build` makes it")

    @property
    def version(self) -> int:
        """Changes whenever another process has written."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    @staticmethod
    def _take_lease(path: Path) -> sqlite3.Connection:
        # SQLite's own file lock: portable, and the system drops it with the process, however that ends.
        lease = sqlite3.connect(path, timeout=0.2, isolation_level=None, check_same_thread=False)
        try:
            lease.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            lease.close()
            if "locked" not in str(error):
                raise StoreError(
                    f"{path.parent}: cannot be written ({error}); make the folder writable, or work on a copy"
                ) from error
            raise StoreError(
                f"{path.parent.parent}: another captioner is working on this dataset; wait for it or stop it"
            ) from error
        return lease

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._tidying is not None:
            self._tidying.join()
        self._db.close()
        if self._lock is not None:
            self._lock.close()

    @contextmanager
    def large_change(self) -> Iterator[None]:
        """What is written within goes from the log into the store itself afterwards, while the person looks at it: for
        thousands of rows that takes as long as to write them. Nothing is less safe: it stands in the log."""
        self._db.execute("PRAGMA wal_autocheckpoint = 0")
        try:
            yield
        finally:
            self._db.execute("PRAGMA wal_autocheckpoint = 1000")
            if self._tidying is None or not self._tidying.is_alive():
                self._tidying = Thread(target=_bring_in, args=(self.folder / "store.sqlite",))
                self._tidying.start()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Nested calls join the outer one; other threads wait until it is over."""
        with self._turn:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk ends it by itself
                    self._db.execute("ROLLBACK")
                raise

    # -- facts about the dataset -------------------------------------------------------------------------------------

    def meta(self, name: str) -> str | None:
        with self._turn:
            row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, name: str, value: str) -> None:
        with self._turn:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    # -- content hashes, remembered by path, size and time -----------------------------------------------------------

    def known_files(self) -> dict[str, tuple[int, int, str]]:
        """Path -> size in bytes, modification time in ns, content hash."""
        rows = self._db.execute("SELECT path, size, mtime_ns, content FROM files")
        return {path: (size, mtime, content) for path, size, mtime, content in rows}

    def remember_files(self, rows: Iterable[tuple[str, int, int, str]]) -> None:
        with self.transaction():
            self._db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", rows)

    # -- results -----------------------------------------------------------------------------------------------------

    def keys(self) -> set[str]:
        """Every key that has a result."""
        return {key for (key,) in self._db.execute("SELECT key FROM results")}

    def get(self, key: str, kind: type[T]) -> T | None:
        data = self.packed(key)
        return None if data is None else unpack(data, kind)

    def put(self, key: str, stage: str, value: object) -> None:
        self.put_packed(key, stage, pack(value))

    def packed(self, key: str) -> bytes | None:
        """A result as it is kept: what another process gets without this one unpacking it."""
        with self._turn:
            row = self._db.execute("SELECT value FROM results WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def put_packed(self, key: str, stage: str, data: bytes) -> None:
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?)", (key, stage, data))

    # -- clips -------------------------------------------------------------------------------------------------------

    def replace_clips(self, recording: str, rows: Iterable[ClipRow]) -> None:
        """All clips of one recording at once: those that it no longer has go."""
        with self.transaction():
            self._db.execute("DELETE FROM clips WHERE recording = ?", (recording,))
            values = [(row.id, row.recording, row.place, row.cut, row.draft, row.adopted) for row in rows]
            self._db.executemany("INSERT OR REPLACE INTO clips VALUES (?, ?, ?, ?, ?, ?)", values)

    def keep_only(self, recordings: Iterable[str]) -> None:
        """Forget the clips of recordings that are no longer among the inputs."""
        keep = set(recordings)
        gone = [(name,) for (name,) in self._db.execute("SELECT DISTINCT recording FROM clips") if name not in keep]
        with self.transaction():
            self._db.executemany("DELETE FROM clips WHERE recording = ?", gone)

    def set_written(self, row: WrittenRow) -> None:
        with self.transaction():
            values = (row.id, row.key, row.media, row.size, row.mtime_ns, row.caption, row.repeated)
            self._db.execute("INSERT OR REPLACE INTO written VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def unset_written(self, ids: Iterable[str]) -> None:
        with self.transaction():
            self._db.executemany("DELETE FROM written WHERE id = ?", [(clip,) for clip in ids])
