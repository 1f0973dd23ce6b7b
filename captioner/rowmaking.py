"""A clip as persons and machine have it now: its words and caption, and its row in the list."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.captions.edited import plain_speech
from captioner.captions.lint import Finding, lint
from captioner.captions.voices import Profile, Voices
from captioner.cliptables import ClipRow
from captioner.decisions import Decisions, Edit, Status, fold
from captioner.drafting import Drafter
from captioner.reviewlog import journal_size, read_entries
from captioner.rowtable import ClipLine, Listed, Rows, words_of
from captioner.store import Store, unpack
from captioner.types import Caption, Cut

TOLD = "review"
"""Name under which the store keeps how far it was told: bytes of the journal, and the highest batch."""
SHAPES = "shapes"
VOICES = "voices"
"""Under which the store keeps what is known of every speaker's voice."""
ROWS_VERSION = "1"
"""Raised when rows are made in another way."""


@dataclass(frozen=True, slots=True)
class Now:
    """A clip with all that was decided of it."""

    row: ClipRow
    drafted: Cut
    """As the machine has it..."""
    draft: Caption
    cut: Cut
    """... and as edited."""
    caption: Caption
    edits: Mapping[str, Edit]
    status: Status
    findings: tuple[Finding, ...]

    @property
    def words(self) -> str:
        return plain_speech(self.caption.fields)

    @property
    def stands(self) -> bool:
        """Whether it is approved as it is: approving other words does not count."""
        return self.status.state == "approved" and self.status.words in (None, self.words)


def now_of(
    row: ClipRow, drafter: Drafter, edits: Mapping[str, Edit], status: Status, known: tuple[Cut, Caption] | None = None
) -> Now:
    """`known`: the row's cut and draft, where somebody has them."""
    cut, draft = known or (unpack(row.cut, Cut), unpack(row.draft, Caption))
    edited, caption = drafter.edited(cut, draft, row.adopted, edits)
    return Now(row, cut, draft, edited, caption, edits, status, lint(edited, caption, edits, cut.text))


def line_of(now: Now, rev: int = 0) -> Listed:
    """Its row."""
    cut, state = now.cut, now.status.state
    if state == "approved" and not now.stands:
        state = "edited"
    line = ClipLine(
        now.row.id, now.row.recording, cut.start, cut.frames, cut.span.start, cut.span.duration,
        now.drafted.speaker or "", now.drafted.trust, cut.language or "", now.words,
        words_of(finding.code for finding in now.findings), len(now.findings),
        sum(finding.error for finding in now.findings), state, now.status.reason, words_of(sorted(now.edits)), rev,
    )  # fmt: skip
    return line, now.caption.text.casefold(), plain_speech(now.draft.fields) if "speech" in now.edits else None


def edits_of(rows: Rows, clip: str) -> dict[str, Edit]:
    return {field: Edit(text, against) for field, (text, against) in rows.edits(clip).items()}


def status_of(rows: Rows, clip: str) -> Status:
    state, reason, words = rows.status(clip)
    return Status(state, reason, words)  # type: ignore[arg-type]


def decided(rows: Rows, clips: Sequence[str]) -> tuple[dict[str, dict[str, Edit]], dict[str, Status]]:
    """Edits and statuses of many clips at once; those that nobody touched are in none."""
    edits: dict[str, dict[str, Edit]] = {}
    for clip, field, text, against in rows.edits_of(clips):
        edits.setdefault(clip, {})[field] = Edit(text, against)
    found = rows.statuses_of(clips)
    return edits, {clip: Status(state, reason, words) for clip, state, reason, words in found}  # type: ignore[arg-type]


def stored(store: Store, row: ClipRow, drafter: Drafter) -> Now:
    """A clip of the store with what the store knows of decisions."""
    return now_of(row, drafter, edits_of(store.rows, row.id), status_of(store.rows, row.id))


def retell(store: Store, out: Path) -> Decisions:
    """Make the store's tables of decisions anew from the journal, which wins. Raises StoreError."""
    entries, end = read_entries(out)
    decided = fold(entry for entry, _, _ in entries)
    rows, last = store.rows, 0
    with store.transaction():
        rows.forget_decisions()
        edits = ((clip, name, one) for clip, own in decided.fields.items() for name, one in own.items())
        rows.set_edits({(clip, name): (one.text, one.against) for clip, name, one in edits})
        rows.set_statuses({clip: (one.state, one.reason, one.words) for clip, one in decided.status.items()})
        for entry, at, size in entries:
            last = max(last, entry.batch)
            if entry.undo is not None or entry.redo is not None:
                rows.stand(entry.undo or entry.redo or 0, entry.undo is None)
            else:
                rows.add_batch(entry.batch, at, size, entry.did)
        store.set_meta(TOLD, json.dumps({"at": end, "batch": last}))
        keep_shapes(store, decided.gone, decided.made)
    return decided


def keep_shapes(store: Store, gone: Iterable[str], made: Iterable[str]) -> None:
    store.set_meta(SHAPES, json.dumps({"gone": sorted(gone), "made": sorted(made)}))


def kept_shapes(store: Store) -> tuple[set[str], set[str]]:
    """Clips of the machine that are hidden, and a person's, in the clips that the store has."""
    known = json.loads(store.meta(SHAPES) or "{}")
    return set(known.get("gone", ())), set(known.get("made", ()))


def told_all(store: Store, out: Path) -> bool:
    """Whether the store knows the whole journal."""
    told = json.loads(store.meta(TOLD) or "{}")
    return int(told.get("at", 0)) == journal_size(out)


@dataclass(frozen=True, slots=True)
class _Kept:
    """`Voices` as the store has it: no mapping has pairs for keys there."""

    speakers: Mapping[str, Profile]
    takes: tuple[tuple[str, str, Profile], ...]
    brightness: float | None


def keep_voices(store: Store, voices: Voices) -> None:
    """So that one clip can be drafted again without a look at all."""
    takes = tuple((speaker, slug, own) for (speaker, slug), own in voices.takes.items())
    store.put(VOICES, VOICES, _Kept(voices.speakers, takes, voices.brightness))


def kept_voices(store: Store) -> Voices | None:
    known = store.get(VOICES, _Kept)
    if known is None:
        return None
    return Voices(known.speakers, {(name, slug): own for name, slug, own in known.takes}, known.brightness)


def fill_rows(
    store: Store, drafter: Drafter, recordings: Iterable[str], known: Mapping[str, tuple[Cut, Caption]] | None = None
) -> None:
    """Make the rows of these recordings' clips anew. Callers hold a transaction or not.

    `known`: cuts and drafts of clips that were stored just now."""
    known = known or {}
    with store.transaction():
        for name in recordings:
            clips = store.clips_of(name)
            ids = [clip.id for clip in clips]
            revs, (edits, statuses) = store.rows.revs(ids), decided(store.rows, ids)
            store.rows.settle(ids)
            now = (
                now_of(clip, drafter, edits.get(clip.id, {}), statuses.get(clip.id, Status()), known.get(clip.id))
                for clip in clips
            )
            store.rows.fill([line_of(one, revs.get(one.row.id, 0) + 1) for one in now])
        store.rows.drop_strangers()
