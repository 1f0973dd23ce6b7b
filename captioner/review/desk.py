"""A dataset opened for review: what the screen, `--plain` and `captioner decide` read and do.

Whatever `do` changes is on the disk when it returns. A second session can only read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.decisions import Naming
from captioner.errors import StoreError, UsageError
from captioner.review.actions import BY_ID
from captioner.review.ledger import Done, Ledger
from captioner.review.session import Session, at
from captioner.rowtable import ClipLine

if TYPE_CHECKING:
    from captioner.captions.lint import Finding
    from captioner.drafting import Drafter
    from captioner.review.deciding import ClipState
    from captioner.review.items import FieldView, Item
    from captioner.review.pieces import Pieces
    from captioner.review.recutting import Bench, TrimPlan
    from captioner.review.replacing import Preview
    from captioner.review.source import Piece
    from captioner.rowmaking import Now
    from captioner.settings import Settings

PLACE = "review_place"
"""Under which the store keeps the number of the clip that the cursor stood on."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an action came to."""

    message: str = ""
    """For the status line."""
    kind: str = ""
    """`""`, `warn` or `error`: how to show it."""
    confirm: str = ""
    """A question: the same call with `confirmed=True` does it. Nothing was done."""
    rows: tuple[str, ...] = ()
    """Ids of clips whose rows are others now."""
    everything: bool = False
    """Whether the whole list is another: other clips, or any row may have changed."""
    moved: bool = False
    """Whether the cursor is elsewhere."""


@dataclass(frozen=True, slots=True)
class Stats:
    total: int
    counts: Mapping[str, int]
    """Clips by status."""
    done: int
    """Approved and rejected."""
    rate: float | None
    """Clips decided a minute in this session; None before the second."""
    left: float | None
    """Seconds that the rest takes at that rate."""


class Desk:
    """`Desk(out)` takes the dataset's lease, or reads only where another session has it (`read_only`, `why`)."""

    def __init__(self, out: Path, *, read_only: bool = False) -> None:
        """Raises UsageError where nothing was built, StoreError where the store cannot be read."""
        from captioner.review.opening import open_store

        self.out = out
        self.store, self.why = open_store(out, read_only=read_only)
        self.read_only = bool(self.why)
        """Whether this session can only read; `why` says in a sentence."""
        self._drafter: Drafter | None = None
        self._settings: Settings | None = None
        self._decided: list[float] = []
        self._bench: Bench | None = None
        self._pieces: Pieces | None = None
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

    # -- what it stands on -------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """Those of the last build."""
        if self._settings is None:
            from captioner.run import settings_of

            self._settings = settings_of({}, base=json.loads(self.store.meta("settings") or "{}"))
        return self._settings

    @property
    def drafter(self) -> Drafter:
        """Made when it is first needed: it reads the template."""
        if self._drafter is None:
            from captioner.review.opening import make_drafter

            self._drafter = make_drafter(self.store, self.settings, keep=not self.read_only)
        return self._drafter

    # -- reading -----------------------------------------------------------------------------------------------------

    @property
    def shown(self) -> int:
        return len(self.session.ids)

    def page(self, first: int, count: int) -> list[ClipLine]:
        """Rows of the filtered list."""
        ids = self.session.ids[max(0, first) : max(0, first) + count]
        if not self.read_only and (stale := self.store.rows.stale(ids)):
            self.settle(stale)
        known = self.store.rows.get(ids)
        return [known[id_] for id_ in ids if id_ in known]

    def number(self, clip: str) -> int:
        """A clip's place in the whole dataset, from 1."""
        if self._numbers is None:
            self._numbers = {id_: place for place, id_ in enumerate(self._all, 1)}
        return self._numbers.get(clip, 0)

    _numbers: dict[str, int] | None = None

    def now(self, clip: str) -> Now:
        """A clip as machine and person have it. Raises UsageError where there is none."""
        from captioner.rowmaking import stored

        row = self.store.clip(clip)
        if row is None:
            raise UsageError(f"{clip}: no such clip in {self.out}; it may have been cut anew")
        return stored(self.store, row, self.drafter)

    def item(self, which: int | str | None = None) -> Item | None:
        """A clip in full: by its place in the list, by id, or the one under the cursor; None where the list is
        empty."""
        from captioner.review.items import make_item

        clip = self._clip(which)
        if clip is None:
            return None
        now = self.now(clip)
        line = self.store.rows.get([clip])[clip]
        return make_item(now, line, self.number(clip), self.drafter, self.out, self.store.written_one(clip))

    def settle(self, ids: Sequence[str] | None = None, most: int = 1 << 30) -> int:
        """Make the findings of rows that were changed in bulk. Returns how many that were; for a quiet moment."""
        some = self.store.rows.stale(most=most) if ids is None else list(ids)
        if some:
            with self.store.transaction():
                self.ledger.refresh(some)
        return len(some)

    def replace_preview(
        self, find: str, instead: str, *, regex: bool = False, case: bool = False, field: str = "speech",
        scope: str = "shown",
    ) -> Preview:  # fmt: skip
        """What replacing would change; text between slashes is a regular expression. Raises UsageError."""
        from captioner.review.replacing import preview

        return preview(self, find, instead, regex=regex, case=case, field=field, scope=scope)

    def speakers(self) -> list[tuple[str, int]]:
        """Names of speakers and how many clips each has, most first."""
        return [(name, self.store.rows.spoken_by(name)) for name in self.store.rows.values("speaker")]

    def diff(self, which: int | str | None = None) -> tuple[FieldView, ...]:
        """The fields in which a clip differs from its draft."""
        item = self.item(which)
        return () if item is None else tuple(field for field in item.fields if field.value != field.draft)

    def lint(self, which: int | str | None = None) -> tuple[Finding, ...]:
        """What is to be seen of a clip, errors first."""
        item = self.item(which)
        return () if item is None else item.findings

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

    def piece(self, which: int | str | None = None) -> Piece:
        """The sound and picture of a clip as they will be written. Raises UsageError where there is none, Broken
        where its recording is gone."""
        clip = self._clip(which)
        if clip is None:
            raise UsageError("there is no clip here")
        if self._pieces is None:
            from captioner.review.pieces import Pieces

            self._pieces = Pieces(self.store, self.settings, self.out)
        return self._pieces.of(clip)

    def state(self, clip: str) -> ClipState:
        from captioner.review.items import state_of

        return state_of(self.now(clip), self.drafter)

    def _clip(self, which: int | str | None) -> str | None:
        if isinstance(which, str):
            return which
        place = self.session.cursor if which is None else which
        return self.session.ids[place] if 0 <= place < len(self.session.ids) else None

    @property
    def stats(self) -> Stats:
        counts = self.store.rows.counts()
        total = sum(counts.values())
        done = counts.get("approved", 0) + counts.get("rejected", 0)
        recent = self._decided[-50:]
        rate = None
        if len(recent) > 1 and recent[-1] > recent[0]:
            rate = 60 * (len(recent) - 1) / (recent[-1] - recent[0])
        return Stats(total, counts, done, rate, None if rate is None else 60 * (total - done) / rate)

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
        from captioner.review.recutting import reshape

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
