"""Opening a dataset for review: the lease or a look, rows for an older store, what the journals say and it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.drafting import Drafter
from captioner.errors import StoreError, UsageError
from captioner.journal import read_journal
from captioner.rowmaking import fill_rows, keep_voices, kept_voices
from captioner.settings import Settings
from captioner.speech.people import people
from captioner.store import Store, unpack
from captioner.types import Cut

if TYPE_CHECKING:
    from captioner.review.desk import Desk

HOME = ".captioner"


def open_store(out: Path, *, read_only: bool) -> tuple[Store, str]:
    """The store, and why it can only be read; "" where it can be written."""
    folder = out / HOME
    if not (folder / "store.sqlite").is_file():
        raise UsageError(f"{out}: not a dataset of captioner (no {HOME} in it); give the OUT of a build")
    why = "it was opened to be read only" if read_only else ""
    if not read_only:
        try:
            return Store(folder), ""
        except StoreError as error:
            why = str(error)
    return Store.reading(folder), why


def make_drafter(store: Store, settings: Settings, *, keep: bool) -> Drafter:
    """As the last build drafted, with what it knew of every speaker's voice; `keep` what had to be found out."""
    drafter = Drafter.of(settings).told(people(read_journal(store.folder.parent)))
    voices = kept_voices(store)
    if voices is None:  # built by an older captioner
        drafter = drafter.hearing(unpack(row.cut, Cut) for row in store.clips())
        if keep:
            keep_voices(store, drafter.captions.voices)
        return drafter
    return replace(drafter, captions=replace(drafter.captions, voices=voices))


def bring_up(desk: Desk) -> None:
    """Rows for clips that have none, then what the journal has more than the store knows."""
    missing = desk.store.rows.missing()
    if missing:
        fill_rows(desk.store, desk.drafter, missing)
    desk.ledger.catch_up()
