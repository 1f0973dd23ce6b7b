"""Speakers named at the desk: kept in `OUT/speakers.jsonl` as everywhere, and undone with all else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from captioner.decisions import Change, Naming, place_of
from captioner.errors import UsageError
from captioner.identities import KEY, called, moved_cut, reassigned
from captioner.journal import append_decision, read_journal
from captioner.rowmaking import keep_voices, line_of, stored
from captioner.speakercommands import merge_decision, name_decision
from captioner.speakerlist import state_of
from captioner.speech.people import Decision, People, name_fault, people, standing
from captioner.speech.roster import Roster
from captioner.store import pack, unpack
from captioner.types import Cut

if TYPE_CHECKING:
    from captioner.review.desk import Desk
    from captioner.review.outcome import Outcome


def name_speaker(
    desk: Desk, action: str, *, name: str = "", subject: str | None = None, trigger: str | None = None,
    clip: str | None = None, confirmed: bool = False, **_: Any,
) -> Outcome:  # fmt: skip
    """The speaker of the clip, in every clip. Asks first, with how many clips that is; a name that another speaker has
    makes the two one."""
    from captioner.review.outcome import Outcome

    item = desk.store.rows.get([clip or desk.session.clip or ""])
    if not item:
        raise UsageError("there is no clip here")
    speaker = next(iter(item.values())).speaker
    if not speaker:
        raise UsageError("nobody is known to speak in this clip")
    new = name.strip()
    if fault := name_fault(new):
        raise UsageError(f"{new!r} cannot be a name: {fault}")
    said, roster = state_of(desk.store)
    count = desk.store.rows.spoken_by(speaker)
    holder = said.named(new)
    if new == speaker and not subject and not trigger:
        return Outcome(f"that is {speaker} already", "warn")
    if holder is not None and said.label(holder) != speaker:
        decision, told = merge_decision(roster, said, new, [speaker]), f"{speaker} and {new} are one"
        question = f"{new} is there already: are {speaker} and {new} one person ({count} clips)?"
    else:
        decision = name_decision(desk.out, roster, said, speaker, new, subject=subject, trigger=trigger)
        told, question = f"{speaker} is {new}", f"{speaker} is {new} in {count} clips?"
    if not confirmed:
        return Outcome(confirm=question)
    # To the microsecond: naming one speaker the same twice is two decisions, each of which can be taken back.
    decision = replace(decision, when=datetime.now(UTC).isoformat(timespec="microseconds"))
    naming = Naming(msgspec.to_builtins(decision), told)
    return desk.commit(action, [Change("speaker", field=decision.speaker, new=naming)], f"{told}; {count} clips")


def check_unname(desk: Desk, naming: Naming) -> None:
    """Raises UsageError where other decisions on speakers came after this one: only the last can be taken back."""
    held = standing(read_journal(desk.out))
    decision = _decision(naming)
    if decision in held and held[-1] != decision:
        raise UsageError(
            f"{naming.told}: speakers were named elsewhere after it; `captioner speakers undo {desk.out}` takes those "
            "back first"
        )


def rename(desk: Desk, naming: Naming, forward: bool) -> None:
    """Bring `speakers.jsonl` and the clips to a decision that holds now, or does not any more. Doing it twice is doing
    it once. Callers hold a transaction."""
    decision = _decision(naming)
    known = read_journal(desk.out)
    before = people(known)
    held = standing(known)
    if forward and decision not in held:
        append_decision(desk.out, decision)
    elif not forward and held and held[-1] == decision:
        append_decision(desk.out, Decision("undo", when=decision.when))
    relabel(desk, before, people(read_journal(desk.out)), decision)


def _decision(naming: Naming) -> Decision:
    return msgspec.convert(dict(naming.decision), Decision)


def relabel(desk: Desk, before: People, after: People, decision: Decision) -> None:
    """The clips of the speakers that a decision is about, named and drafted as it says."""
    store = desk.store
    roster = store.get(KEY, Roster) or Roster()
    fresh = reassigned(roster, after)
    if fresh != roster:
        store.put(KEY, KEY, fresh)
    ids = {decision.speaker, *decision.others}
    labels = {state.label(id_) for state in (before, after) for id_ in ids}
    clips = store.rows.ids("speaker IN (SELECT value FROM json_each(?))", [_json(sorted(labels))])
    _keep_renamed_voices(desk, {before.label(id_): after.label(id_) for id_ in sorted(ids)})
    desk.forget_drafter()
    drafter, lines = desk.drafter, []
    revs = store.rows.revs(clips)
    for id_ in clips:
        row = store.clip(id_)
        if row is None:
            continue
        cut, place = unpack(row.cut, Cut), _entry_of(id_, fresh.cuts)
        if place is not None:
            entry = fresh.entries[place]
            cut = called(cut, after.label(moved_cut(cut, entry.anchor.content, after) or entry.id))
        row = replace(row, cut=pack(cut), draft=pack(drafter.draft(cut, row.adopted)))
        store.set_clip(row)
        lines.append(line_of(stored(store, row, drafter), revs.get(id_, 0) + 1))
    store.rows.fill(lines)


def _entry_of(clip: str, cuts: Mapping[str, int]) -> int | None:
    """The voice that a clip is of; one cut by hand since the last build has that of the clip which it lies on most."""
    if clip in cuts:
        return cuts[clip]
    slug, start, frames = place_of(clip)

    def shared(other: str) -> int:
        name, first, count = place_of(other)
        return min(start + frames, first + count) - max(start, first) if name == slug else 0

    best = max(cuts, key=shared, default=None)
    return cuts[best] if best is not None and shared(best) > 0 else None


def _keep_renamed_voices(desk: Desk, names: Mapping[str, str]) -> None:
    """What is known of a voice goes with its name; the next build knows it from all clips again."""
    voices = desk.drafter.captions.voices
    speakers = dict(voices.speakers)
    for old, new in names.items():
        if old != new and old in speakers:
            speakers[new] = speakers.pop(old)
    takes = {(names.get(name, name), slug): own for (name, slug), own in voices.takes.items()}
    keep_voices(desk.store, replace(voices, speakers=speakers, takes=takes))


def _json(values: list[str]) -> str:
    return msgspec.json.encode(values).decode()
