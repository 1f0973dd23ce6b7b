"""The journal and the store in step: what is decided is on the disk in the journal first, then in the store's tables.

The store knows up to which byte of the journal it was told; what lies behind that it is told when it is opened.
"""

from __future__ import annotations

import getpass
import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from captioner.decisions import Change, Edit, Entry, Naming, Shape, Status, shape_into
from captioner.drafting import Drafter
from captioner.errors import StoreError
from captioner.reviewlog import append_entry, journal_size, read_entries, read_entry
from captioner.rowmaking import TOLD, fill_rows, keep_shapes, kept_shapes, line_of, retell, stored
from captioner.store import Store

MANY = 300
"""Clips from which findings are only made when somebody looks at them: a person waits."""


@dataclass(frozen=True, slots=True)
class Done:
    """What an entry came to."""

    did: str
    clips: tuple[str, ...]
    """Ids whose rows are others now, in the order of the changes."""
    gone: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    everything: bool = False
    """Whether any row may be another: a speaker was named."""


class Ledger:
    """Opened by the one writer. `reshape` makes the store hold other clips; `rename` brings a speaker's clips to the
    names that hold, `check` says by an error where a name cannot be taken back."""

    def __init__(
        self, out: Path, store: Store, drafter: Callable[[], Drafter],
        reshape: Callable[[Sequence[str], Sequence[str]], None],
        rename: Callable[[Naming, bool], None],
        check: Callable[[Naming], None],
    ) -> None:  # fmt: skip
        self.out, self.store, self.drafter = out, store, drafter
        self.reshape, self.rename, self.check = reshape, rename, check
        self.who = _who()
        self.at, self.batch = self._recalled()
        self.behind = False
        """Whether the journal has an entry that the store could not take."""

    def _recalled(self) -> tuple[int, int]:
        told = json.loads(self.store.meta(TOLD) or "{}")
        return told.get("at", 0), told.get("batch", 0)

    # -- catching up -------------------------------------------------------------------------------------------------

    def catch_up(self) -> int:
        """Tell the store what the journal has more than it knows; the journal wins. Returns the entries told."""
        size = journal_size(self.out)
        if size == self.at:
            return 0
        if size < self.at or not self._known():
            return self._begin_again()
        entries, end = read_entries(self.out, self.at)
        with self.store.transaction():
            for entry, at, length in entries:
                self._tell(entry, self._effect(entry), at, length)
            self.at = max(end, self.at)
            self._note()
        self.behind = False
        return len(entries)

    def _begin_again(self) -> int:
        """Another journal than the store was told of, an older one or none: it wins."""
        gone, made = kept_shapes(self.store)
        with self.store.transaction():
            now = retell(self.store, self.out)
            lost = (made - now.made) | (now.gone - gone)
            back = (now.made - made) | (gone - now.gone)
            if lost or back:
                self.reshape(sorted(lost), sorted(back))
            fill_rows(self.store, self.drafter(), self.store.rows.values("recording"))
        self.at, self.batch = self._recalled()
        self.behind = False
        return self.batch

    def _known(self) -> bool:
        """Whether the byte before `at` ends a line: the journal is the one that was told of."""
        if not self.at:
            return True
        with (self.out / "review.jsonl").open("rb") as file:
            file.seek(self.at - 1)
            return file.read(1) == b"\n"

    # -- deciding ----------------------------------------------------------------------------------------------------

    def commit(self, did: str, changes: Sequence[Change]) -> Done:
        """Write down what is done, and do it. It is on the disk when this returns. Raises StoreError: nothing was
        changed then."""
        return self._write(Entry(self.batch + 1, did, tuple(changes)))

    def undo(self) -> Done | None:
        """Take back what stands last; None where nothing does."""
        last = self.store.rows.last_standing()
        if last is None:
            return None
        return self._write(Entry(self.batch + 1, "undo", undo=last))

    def redo(self) -> Done | None:
        """Do again what was taken back last."""
        first = self.store.rows.first_undone()
        return None if first is None else self._write(Entry(self.batch + 1, "redo", redo=first))

    def changes_of(self, batch: int) -> tuple[str, tuple[Change, ...]]:
        """What an earlier batch did, and its changes."""
        found = self.store.rows.batch(batch)
        if found is None:
            return "", ()
        at, size, did = found
        return did, read_entry(self.out, at, size).changes

    def _write(self, entry: Entry) -> Done:
        """The store's lock first: where it cannot be had, nothing is written down."""
        if self.behind:
            self.at, self.batch = self._recalled()
            self.catch_up()
            entry = replace(entry, batch=self.batch + 1)
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = replace(entry, who=self.who, when=stamp)
        effect = self._effect(entry)
        if entry.undo is not None:
            for change in effect[1]:
                if isinstance(change.new, Naming):
                    self.check(change.new)
        written = False
        large = self.store.large_change() if len(effect[1]) > MANY else nullcontext()
        try:
            with large, self.store.transaction():
                at, size = append_entry(self.out, entry)
                written = True
                return self._tell(entry, effect, at, size)
        except sqlite3.Error as error:
            if not written:
                raise StoreError(f"{self.store.folder}: cannot be written ({error}); nothing was changed") from error
            self.behind = True
            raise StoreError(
                f"{self.store.folder}: cannot be written ({error}); your decision is kept in review.jsonl, and the "
                "list follows when there is room again"
            ) from error
        except BaseException:
            self.behind = written
            raise

    def _effect(self, entry: Entry) -> tuple[str, tuple[Change, ...]]:
        """What was done, and the changes that an entry makes or, an `undo`, takes back."""
        back = entry.undo if entry.undo is not None else entry.redo
        return (entry.did, entry.changes) if back is None else self.changes_of(back)

    def _tell(self, entry: Entry, effect: tuple[str, tuple[Change, ...]], at: int, size: int) -> Done:
        """The store after an entry of the journal; callers hold a transaction."""
        rows = self.store.rows
        if entry.undo is not None or entry.redo is not None:
            rows.stand(entry.undo or entry.redo or 0, entry.undo is None)
        else:
            rows.add_batch(entry.batch, at, size, entry.did)
        done = self._apply(effect[0], effect[1], entry.undo is None)
        self.batch = max(self.batch, entry.batch)
        self.at = at + size + 1
        self._note()
        return done

    def _note(self) -> None:
        self.store.set_meta(TOLD, json.dumps({"at": self.at, "batch": self.batch}))

    def _apply(self, did: str, changes: Sequence[Change], forward: bool) -> Done:
        """Make changes or, not `forward`, take them back, the last first: as `decisions.inverse` has it, without a copy
        of thousands."""
        rows = self.store.rows
        gone: list[str] = []
        made: list[str] = []
        statuses: dict[str, tuple[str, str, str | None]] = {}
        edits: dict[tuple[str, str], tuple[str, str | None] | None] = {}
        for change in changes if forward else reversed(changes):
            new = change.new if forward else change.old
            if isinstance(change.new, Shape):
                went, came = (change.new.gone, change.new.made) if forward else (change.new.made, change.new.gone)
                gone, made = [*gone, *went], [*made, *came]
            elif change.kind == "status":
                status = new if isinstance(new, Status) else Status()
                statuses[change.clip] = (status.state, status.reason, status.words)
            elif change.kind == "field":
                edits[change.clip, change.field] = (new.text, new.against) if isinstance(new, Edit) else None
        rows.set_statuses(statuses)
        rows.set_edits(edits)
        if gone or made:
            hidden, own = kept_shapes(self.store)
            shape_into(Shape(tuple(gone), tuple(made)), hidden, own)
            keep_shapes(self.store, hidden, own)
            self.reshape(gone, made)
        named = [change.new for change in changes if isinstance(change.new, Naming)]
        for naming in named if forward else reversed(named):
            self.rename(naming, forward)
        touched = dict.fromkeys([*made, *(change.clip for change in changes if change.clip)])
        lost, new_ones = set(gone), set(made)
        left = [clip for clip in touched if clip not in lost]  # in the list's order, as the rows lie
        if len(left) > MANY:
            rows.follow(left)
            left = [clip for clip in left if clip in new_ones]
        self.refresh(left)
        return Done(did, tuple(touched), tuple(gone), tuple(made), bool(named))

    def refresh(self, clips: Iterable[str]) -> None:
        """The rows of these clips as they are now."""
        drafter = None
        lines = []
        ids = list(clips)
        revs = self.store.rows.revs(ids)
        for id_ in ids:
            row = self.store.clip(id_)
            if row is None:
                continue  # decided of a clip that the last build did not make
            drafter = drafter or self.drafter()
            lines.append(line_of(stored(self.store, row, drafter), revs.get(id_, 0) + 1))
        self.store.rows.fill(lines)
        self.store.rows.settle(ids)


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no name for this user id
        return ""
