"""The captions of all clips: drafted where the plan or the words around it changed, with what persons wrote in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from captioner.decisions import Decisions, place_of
from captioner.drafting import Drafter
from captioner.planning import PlannedJob
from captioner.rowmaking import ROWS_VERSION, fill_rows, keep_voices, retell, told_all
from captioner.store import ClipRow, Store, key_of, pack, unpack
from captioner.types import Caption, Cut


def draft_all(
    planned: Sequence[PlannedJob], drafter: Drafter, store: Store, out: Path, decided: Decisions
) -> dict[str, Caption]:
    """A caption for every cut, with what persons wrote in it. Stored rows are replaced where the plan or the words
    around it changed; what the machine drafted and what a person wrote never share a row."""
    drafts: dict[str, Caption] = {}
    drafter = drafter.hearing(cut for entry in planned for cut in entry.planned.cuts)
    known = {row.id: row for row in store.clips()}
    drafted = json.loads(store.meta("drafted") or "{}")
    now, made = {}, {}
    fresh = set(store.rows.missing())
    with store.transaction():
        for entry in planned:
            name = entry.job.recording.name
            key = now[name] = key_of(entry.key, drafter.identity, drafter.voice_words(entry.planned.cuts))
            if drafted.get(name) == key and all(cut.id in known for cut in entry.planned.cuts):
                drafts |= {cut.id: unpack(known[cut.id].draft, Caption) for cut in entry.planned.cuts}
                continue
            rows = []
            for place, cut in enumerate(entry.planned.cuts):
                caption = drafts[cut.id] = drafter.draft(cut, entry.planned.adopted_caption)
                made[cut.id] = cut, caption
                rows.append(ClipRow(cut.id, name, place, pack(cut), pack(caption), entry.planned.adopted_caption))
            store.replace_clips(name, rows)
            fresh.add(name)
        store.keep_only(now)
        store.set_meta("drafted", json.dumps(now))
        _list_rows(store, drafter, out, fresh, set(now), made)
    return drafts | _edited(planned, drafter, drafts, decided)


def _list_rows(
    store: Store, drafter: Drafter, out: Path, fresh: set[str], everything: set[str],
    made: Mapping[str, tuple[Cut, Caption]],
) -> None:  # fmt: skip
    """The rows that a review lists: of what was drafted again, or all where decisions or rows are others."""
    if not told_all(store, out) or store.meta("rows") != ROWS_VERSION:
        retell(store, out)
        fresh = everything
    fill_rows(store, drafter, sorted(fresh), made)
    keep_voices(store, drafter.captions.voices)
    store.set_meta("rows", ROWS_VERSION)


def _edited(
    planned: Sequence[PlannedJob], drafter: Drafter, drafts: Mapping[str, Caption], decided: Decisions
) -> dict[str, Caption]:
    """The captions that a person wrote in."""
    return {
        cut.id: drafter.edited(cut, drafts[cut.id], entry.planned.adopted_caption, decided.edits(cut.id))[1]
        for entry in planned
        for cut in entry.planned.cuts
        if decided.edits(cut.id)
    }


def homeless(planned: Sequence[PlannedJob], decided: Decisions) -> list[str]:
    """What is to be said of decisions about clips that are not there any more, because they are cut elsewhere now."""
    here = {cut.id for entry in planned for cut in entry.planned.cuts}
    slugs = {entry.job.recording.slug for entry in planned}
    lost = [id_ for id_ in {*decided.status, *decided.fields} if id_ not in here and place_of(id_)[0] in slugs]
    return [
        f"{id_}: you decided on it, and it is cut otherwise now; look at that stretch again" for id_ in sorted(lost)
    ]
