"""The store made to hold other clips, after some were cut anew or that was taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from captioner.cuts.recut import held
from captioner.decisions import place_of
from captioner.errors import UsageError
from captioner.identities import called
from captioner.judging import judged
from captioner.planning import dressed
from captioner.shaping import SOURCES, Source
from captioner.store import ClipRow, pack, unpack
from captioner.types import Cut, Doubt

if TYPE_CHECKING:
    from captioner.review.desk import Desk
    from captioner.review.recutting import Laid

RECUT = Doubt("recut", "cut by hand: it is measured again when it is written")


def made_row(desk: Desk, laid: Laid, place: tuple[int, int], like: ClipRow | None) -> ClipRow:
    """A new clip as the store keeps it: named, judged and drafted, measured as the clip that it comes from."""
    bare = dressed(laid.ground, held(laid.table, *place))
    parent = None if like is None else unpack(like.cut, Cut)
    if parent is not None:
        bare = called(bare, parent.speaker) if parent.speaker else bare
        bare = replace(
            bare, voice=parent.voice, scene=parent.scene, quality=parent.quality, voiceprint=parent.voiceprint,
            visual=parent.visual,
        )  # fmt: skip
    cut = judged(bare, desk.settings)
    cut = replace(cut, doubts=(*cut.doubts, RECUT))
    adopted = laid.source.adopted.caption
    return ClipRow(cut.id, laid.source.recording.name, 0, pack(cut), pack(desk.drafter.draft(cut, adopted)), adopted)


def reshape(desk: Desk, gone: Sequence[str], made: Sequence[str]) -> None:
    """Make the store hold other clips; those that go are kept aside, so that they can come back as they were. Callers
    hold a transaction."""
    store = desk.store
    known = [row for row in (store.clip(id_) for id_ in gone) if row is not None]
    fresh: list[ClipRow] = []
    for row in known:
        store.shelve(row)
    for id_ in made:
        back = store.shelved(id_)
        if back is None:
            name = known[0].recording if known else _recording_of(desk, id_)
            back = made_row(desk, desk.bench.of(name), place_of(id_)[1:], known[0] if known else None)
        fresh.append(back)
    for name in dict.fromkeys(row.recording for row in (*known, *fresh)):
        rows = [row for row in store.clips_of(name) if row.id not in gone and row.id not in made]
        rows += [row for row in fresh if row.recording == name]
        rows.sort(key=lambda row: (*place_of(row.id)[1:], row.id))
        store.replace_clips(name, [replace(row, place=place) for place, row in enumerate(rows)])
    store.rows.drop(gone)


def _recording_of(desk: Desk, clip: str) -> str:
    slug = place_of(clip)[0]
    for source in desk.store.get(SOURCES, tuple[Source, ...]) or ():
        if source.recording.slug == slug:
            return source.recording.name
    raise UsageError(f"{clip}: its recording is not among those of the last build")
