"""A dataset opened for review: what the screen, `--plain` and `captioner decide` read and do.

Whatever `do` changes is on the disk when it returns. A second session can only read.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.decisions import Naming
from captioner.errors import StoreError, UsageError
from captioner.review.actions import BY_ID
from captioner.review.ledger import Done, Ledger
from captioner.review.looking import Looking
from captioner.review.outcome import Outcome
from captioner.review.session import Session, at

if TYPE_CHECKING:
    from captioner.review.recutting import Bench, TrimPlan
    from captioner.review.replacing import Preview


@contextmanager
def _unswept() -> Iterator[None]:
    """Garbage in circles waits: to look for it among tens of thousands of changes doubles what some actions take."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


PLACE = "review_place"
"""Under which the store keeps the number of the clip that the cursor stood on."""


class Desk(Looking):
    """`Desk(out)` takes the dataset's lease, or reads only where another session has it (`read_only`, `why`)."""

    def __init__(self, out: Path, *, read_only: bool = False) -> None:
        """Raises UsageError where nothing was built, StoreError where the store cannot be read."""
        from captioner.review.opening import open_store

        self.out = out
        self.store, self.why = open_store(out, read_only=read_only)
        self.read_only = bool(self.why)
        self._decided = []
        self._bench: Bench | None = None
        self.ledger = Ledger(out, self.store, lambda: self.drafter, self._reshape, self._rename, self._check)
        if not self.read_only:
            self._bring_up()
        ids = self.store.rows.ids()
        self._all = ids
        self._version = self.store.version
        place = int(self.store.meta(PLACE) or "1")
        self.session = at(Session(ids, len(ids)), place - 1)

    def close(self) -> None:
        if not self.read_only and self.session.clip is not None and not self.session.query:
            self.store.set_meta(PLACE, str(self.session.cursor + 1))
        self.store.close()

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what something would come to ----------------------------------------------------------------------------------

    @property
    def bench(self) -> Bench:
        """Where recordings are laid out for cutting."""
        if self._bench is None:
            from captioner.review.recutting import Bench

            self._bench = Bench(self)
        return self._bench

    def plan_trim(self, clip: str | None, start: int, end: int) -> TrimPlan:
        """What moving the edges by so many milliseconds (later is more) comes to. Raises UsageError where there is no
        legal cut near there."""
        from captioner.review.recutting import plan_trim

        return plan_trim(self, clip, start, end)

    def replace_preview(
        self, find: str, instead: str, *, regex: bool = False, case: bool = False, field: str = "speech",
        scope: str = "shown",
    ) -> Preview:  # fmt: skip
        """What replacing would change; text between slashes is a regular expression. Raises UsageError."""
        from captioner.review.replacing import preview

        return preview(self, find, instead, regex=regex, case=case, field=field, scope=scope)

    def refresh(self) -> bool:
        """For a session that reads: whether the writer changed anything since; then the list is read again."""
        if self.store.version == self._version:
            return False
        self._version = self.store.version
        self._relist()
        return True

    # -- doing -------------------------------------------------------------------------------------------------------

    def do(self, action: str, *, confirmed: bool = False, clip: str | None = None, **given: Any) -> Outcome:
        """Do what the table of actions has under this id. `clip` binds it to one clip whatever the cursor is on.

        Raises UsageError for an unknown action or arguments that do not fit, StoreError where it cannot be written:
        nothing was changed then.
        """
        from captioner.review.doing import HANDLERS

        known = BY_ID.get(action)
        handler = HANDLERS.get(action)
        if known is None or handler is None:
            raise UsageError(f"{action}: no such action here")
        if known.changes and self.read_only:
            raise StoreError(f"nothing can be changed in this session: {self.why}")
        with _unswept():
            return handler(self, action, clip=clip, confirmed=confirmed, **given)

    def commit(self, did: str, changes: Sequence[Any], message: str) -> Outcome:
        """Write changes down. For the handlers of actions."""
        if not changes:
            return Outcome("nothing changes", "warn")
        return self.after(self.ledger.commit(did, changes), message)

    def after(self, done: Done, message: str, kind: str = "") -> Outcome:
        """The list after something was done."""
        from captioner.review.session import swapped

        if done.gone or done.made:
            before = self.session
            self.session = swapped(before, done.gone, done.made, self._order)
            self._all, self._numbers = self.store.rows.ids(), None
            self.session = replace(self.session, total=len(self._all))
            return Outcome(message, kind, rows=done.clips, everything=True, moved=True)
        return Outcome(message, kind, rows=done.clips, everything=done.everything)

    def decided(self) -> None:
        """Counts for the rate."""
        self._decided.append(time.monotonic())

    def _order(self, clip: str) -> tuple[str, int, int]:
        line = self.store.rows.get([clip]).get(clip)
        return ("", 0, 0) if line is None else (line.recording, line.start, line.frames)

    def _relist(self) -> None:
        from captioner.review.session import listed

        self._all, self._numbers = self.store.rows.ids(), None
        self.session = replace(listed(self.session, self.matching(self.session.query), self.session.query),
                               total=len(self._all))  # fmt: skip

    def matching(self, query: str) -> list[str]:
        """Ids of the clips that a filter shows. Raises QueryError."""
        if not query.strip():
            return self._all
        from captioner.review.query import needs_findings, parse, to_sql

        asked = parse(query)
        if needs_findings(asked) and not self.read_only:
            self.settle()
        where, values = to_sql(asked, self.session.marked)
        return self.store.rows.ids(where, values)

    def _bring_up(self) -> None:
        """The store after all that the journals say."""
        from captioner.review.opening import bring_up

        bring_up(self)

    def _reshape(self, gone: Sequence[str], made: Sequence[str]) -> None:
        from captioner.review.reshaping import reshape

        reshape(self, gone, made)

    def _rename(self, naming: Naming, forward: bool) -> None:
        from captioner.review.naming import rename

        rename(self, naming, forward)

    def _check(self, naming: Naming) -> None:
        from captioner.review.naming import check_unname

        check_unname(self, naming)

    def forget_drafter(self) -> None:
        """It is made again when it is next needed: what it knows of speakers is other now."""
        self._drafter = None
