"""Clips that a person cut take the place of the machine's, before anything is measured of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TypeVar

from captioner.adopt import Adopted
from captioner.cuts.recut import Unfit, around, fault, held, lay_out, left, words_inside
from captioner.decisions import Decisions, place_of
from captioner.errors import StoreError
from captioner.planning import Ground, Planned, PlannedJob, dressed, ground_of, spoken_seconds
from captioner.settings import Settings
from captioner.stages import Job, Stages
from captioner.store import Store, key_of
from captioner.types import Cut, LeftOut, Recording

T = TypeVar("T")

SHAPE_VERSION = "1"
SOURCES = "sources"
"""Under which the store keeps what a review needs of every recording."""


@dataclass(frozen=True, slots=True)
class Source:
    """A recording with the keys of what was heard and seen in it."""

    recording: Recording
    keys: dict[str, str]
    rate: Fraction
    """Frames a second of its clips."""
    adopted: Adopted = field(default_factory=Adopted)


class Stored:
    """What the stages stored, without the stages."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def result(self, job: Job, stage: str, kind: type[T]) -> T:
        """Raises StoreError where it was thrown away."""
        found = self.store.get(job.keys[stage], kind)
        if found is None:
            raise StoreError(
                f"what was heard in {job.recording.name} is not in the store any more; `captioner build` hears it again"
            )
        return found


def keep_sources(planned: Sequence[PlannedJob], store: Store, rate: Fraction) -> None:
    sources = tuple(Source(one.job.recording, dict(one.job.keys), rate, one.adopted) for one in planned)
    if store.get(SOURCES, tuple[Source, ...]) != sources:
        store.put(SOURCES, SOURCES, sources)


def shape_all(
    planned: Sequence[PlannedJob], stages: Stages, settings: Settings, rate: Fraction, decided: Decisions
) -> tuple[list[PlannedJob], list[str]]:
    """The same with a person's cuts, and what is to be said of those that cannot be made any more."""
    done, notes = [], []
    for entry in planned:
        gone, made = decided.shaped(entry.job.recording.slug)
        if gone or made:
            ground = ground_of(entry.job, stages, settings, rate, entry.adopted)
            plan, told = shaped(ground, entry.planned, gone, made, ready=settings.keep_cuts)
            notes += told
            if plan != entry.planned:
                entry = replace(entry, planned=plan, key=key_of("shape", SHAPE_VERSION, entry.key, gone, made))
        done.append(entry)
    return done, notes


def shaped(
    ground: Ground, plan: Planned, gone: Sequence[str], made: Sequence[str], *, ready: bool
) -> tuple[Planned, list[str]]:
    """The plan in which a person's cuts replace those that share a word with them, and those that they cut anew."""
    table = lay_out(ground.footage, ready=ready)
    own: list[Cut] = []
    notes = []
    for id_ in made:
        _, start, frames = place_of(id_)
        why = fault(table, start, frames)
        if why:  # the rule, or what is heard there, is another by now: the same words, cut as it now has to be
            inside = words_inside(table, start, frames)
            found = around(table, inside[0], inside[-1]) if inside else Unfit(why)
            if isinstance(found, Unfit):
                notes.append(f"{id_}: you cut it so, and it cannot be kept: {found.why}")
                continue
            start, frames = found
            notes.append(f"{id_}: you cut it so; {why}, so it is now frames {start} to {start + frames}")
        own.append(dressed(ground, held(table, start, frames)))
    mine = {(word.span, word.text) for cut in own for line in cut.lines for word in line.words}
    ids = {cut.id for cut in own}

    def stays(cut: Cut) -> bool:
        return (
            cut.id not in gone
            and cut.id not in ids
            and not any((word.span, word.text) in mine for line in cut.lines for word in line.words)
        )

    kept = [cut for cut in plan.cuts if stays(cut)]
    cuts = tuple(sorted((*kept, *own), key=lambda cut: (cut.start, cut.frames)))
    dropped = [cut for cut in plan.cuts if not stays(cut) and cut.id not in ids]
    lost = [
        LeftOut(line.span, line.speaker, "recut", line.text, "a person cut it otherwise")
        for line in left(cuts, dropped)
    ]
    before = [one for one in plan.left_out if not _now_in(one, own)]
    everything = tuple(sorted((*before, *lost), key=lambda one: (one.span.start, one.span.end, one.text)))
    seconds = spoken_seconds([line for cut in cuts for line in cut.lines])
    return replace(plan, cuts=cuts, left_out=everything, kept=seconds), notes


def _now_in(one: LeftOut, cuts: Sequence[Cut]) -> bool:
    return any(cut.span.contains(one.span) and one.speaker == cut.speaker for cut in cuts)
