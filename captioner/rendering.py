"""`captioner render`: captions again from what is stored, without running a model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from captioner.captionfiles import refresh_captions
from captioner.drafting import Drafter
from captioner.errors import UsageError
from captioner.identities import people_of, relabelled
from captioner.pipeline import HOME, remember
from captioner.reviewlog import read_decisions
from captioner.rowmaking import fill_rows, keep_voices, retell, told_all
from captioner.settings import Settings
from captioner.store import ClipRow, Store, pack


def render(out: Path, settings: Settings) -> tuple[int, list[str], list[str]]:
    """Draft every stored clip again, with the names that persons gave its speakers, and bring the written captions to
    it, without running a model.

    Returns how many captions changed on disk, the ids whose text a person had changed, which stay, and what is to be
    said of captions that are doubted in themselves: a written clip keeps its caption, however long that has become.
    """
    drafter = Drafter.of(settings)
    with Store(out / HOME) as store:
        rows = relabelled(store, store.clips())
        if not rows:
            raise UsageError(f"{out}: no drafted clips here; `captioner build` makes them")
        drafter = drafter.told(people_of(store)).hearing(cut for _, cut in rows)
        decided = read_decisions(out)
        drafts, doubted = {}, []
        by_recording: dict[str, list[ClipRow]] = {}
        for row, cut in rows:
            caption = drafter.draft(cut, row.adopted)
            final = drafter.edited(cut, caption, row.adopted, decided.edits(row.id))[1]
            drafts[row.id] = final.text
            doubted += [f"{row.id}: {doubt.reason}: {doubt.detail}" for doubt in final.doubts]
            by_recording.setdefault(row.recording, []).append(replace(row, draft=pack(caption)))
        with store.transaction():
            before = {id_: row.caption for id_, row in store.written().items()}
            for name, entries in by_recording.items():
                store.replace_clips(name, entries)
            store.set_meta("drafted", "{}")
            if not told_all(store, out):
                retell(store, out)
            fill_rows(store, drafter, by_recording)
            keep_voices(store, drafter.captions.voices)
            edited = refresh_captions(drafts, out / "clips", store)
            remember(store, settings, None)
        changed = sum(drafts[id_] != text for id_, text in before.items() if id_ in drafts and id_ not in edited)
        return changed, edited, doubted


def remembered(out: Path) -> dict[str, Any]:
    """The settings that the last build of a dataset had. Raises UsageError where there was none."""
    if not (out / HOME / "store.sqlite").exists():
        raise UsageError(f"{out}: not a dataset of captioner (no {HOME} in it); give the OUT of a build")
    with Store(out / HOME) as store:
        settings: dict[str, Any] = json.loads(store.meta("settings") or "{}")
        return settings
