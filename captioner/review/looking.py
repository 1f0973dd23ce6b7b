"""What a desk shows of a dataset: its clips as they are now, what is known of them, and how far the review is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.errors import UsageError
from captioner.review.ledger import Ledger
from captioner.review.outcome import Stats
from captioner.review.session import Session
from captioner.rowtable import ClipLine
from captioner.store import Store

if TYPE_CHECKING:
    from captioner.captions.lint import Finding
    from captioner.drafting import Drafter
    from captioner.review.deciding import ClipState
    from captioner.review.items import FieldView, Item
    from captioner.review.pieces import Pieces
    from captioner.review.source import Piece
    from captioner.rowmaking import Now
    from captioner.settings import Settings


class Looking:
    """The half of the desk that changes no decision."""

    out: Path
    store: Store
    ledger: Ledger
    session: Session
    read_only: bool
    """Whether this session can only read."""
    _all: list[str]
    """Ids of all clips, in order."""
    _numbers: dict[str, int] | None = None
    _decided: list[float]
    """When clips were decided on."""
    _drafter: Drafter | None = None
    _settings: Settings | None = None
    _pieces: Pieces | None = None

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
        if self.session.ids is self._all and self.session.clip == clip:  # mostly: a table of all is not needed then
            return self.session.cursor + 1
        if self._numbers is None:
            self._numbers = {id_: place for place, id_ in enumerate(self._all, 1)}
        return self._numbers.get(clip, 0)

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
