"""`captioner speakers name, merge, split, enrol, forget, undo`: what a person says of who is in a dataset.

Each is written down in the journal and the captions are brought to it at once. No model runs but to enrol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.errors import UsageError
from captioner.speakerlist import clips_of, opened, state_of

if TYPE_CHECKING:
    from captioner.speech.people import Anchor, Decision, People
    from captioner.speech.roster import Entry, Roster

ANCHORED = 8
"""Voices of a speaker that a decision carries, the longest: enough to find it again."""


def find_dataset(given: Path | None) -> Path:
    """The dataset folder: the one given, this folder, or the only `*_dataset` in it. Raises UsageError."""
    if given is not None:
        if not _is_dataset(given):
            raise UsageError(f"{given}: not a dataset of captioner; give the OUT of a build")
        return given
    here = Path()
    if _is_dataset(here):
        return here
    found = sorted(path for path in here.glob("*_dataset") if _is_dataset(path))
    if len(found) != 1:
        told = f"there are {', '.join(map(str, found))}" if found else "there is none in this folder"
        raise UsageError(f"which dataset? {told}; give the OUT of a build, or run this in its folder")
    return found[0]


def _is_dataset(path: Path) -> bool:
    return (path / ".captioner" / "store.sqlite").is_file()


# -- decisions -----------------------------------------------------------------------------------------------------


def name(out: Path, speaker: str, new: str, *, subject: str | None = None, trigger: str | None = None) -> str:
    """Give a speaker a name, and what captions say of it. Returns a sentence on what changed."""
    with opened(out) as store:
        said, roster = state_of(store)
        decision = name_decision(out, roster, said, speaker, new, subject=subject, trigger=trigger)
    return _decide(out, decision, f"{speaker} is {new}")


def name_decision(
    out: Path, roster: Roster, said: People, speaker: str, new: str, *, subject: str | None, trigger: str | None
) -> Decision:
    """What naming a speaker writes down. Raises UsageError where the name cannot be used or is another's."""
    from captioner.speech.people import Decision, name_fault

    fault = name_fault(new)
    if fault:
        raise UsageError(f"{new!r} cannot be a name: {fault}")
    id_ = _resolve(speaker, roster, said)
    holder = said.named(new) or (new if new in roster.ids and roster.replayed else None)
    if holder is not None and said.owner(holder) != id_:
        raise UsageError(
            f"{new} is already {holder}'s name; `captioner speakers merge {out} {new} {speaker}` makes them one"
        )
    return _complete(Decision("name", id_, name=new, subject=subject, trigger=trigger), roster)


def merge(out: Path, speaker: str, others: Sequence[str]) -> str:
    """Make several speakers one: the first."""
    with opened(out) as store:
        said, roster = state_of(store)
        decision = merge_decision(roster, said, speaker, others)
    return _decide(out, decision, f"{', '.join(others)} and {speaker} are one")


def merge_decision(roster: Roster, said: People, speaker: str, others: Sequence[str]) -> Decision:
    """What making several speakers one writes down."""
    from captioner.speech.people import Decision

    id_ = _resolve(speaker, roster, said)
    gone = tuple(dict.fromkeys(_resolve(other, roster, said) for other in others))
    if id_ in gone:
        raise UsageError(f"{speaker} cannot be merged with itself")
    return _complete(Decision("merge", id_, others=gone), roster)


def split(out: Path, speaker: str, parts: Sequence[str]) -> str:
    """Make a new speaker of one's voices in some recordings (by name, file name or stem), or of single clips."""
    from captioner.speech.people import Decision, new_id

    with opened(out) as store:
        said, roster = state_of(store)
        id_ = _resolve(speaker, roster, said)
        label = said.label(id_)
        own = [entry for entry in roster.entries if entry.present and said.owner(entry.id) == id_]
        clips = {row.id: cut for row, cut in clips_of(store) if cut.speaker == label}
        moved: dict[tuple[str, str], Entry] = {}
        cuts = []
        for part in parts:
            if part in clips:
                content = roster.entries[roster.cuts[part]].anchor.content
                cuts.append((content, clips[part].span))
                continue
            hits = [entry for entry in own if part in _called(entry.anchor.recording)]
            if not hits:
                names = sorted({entry.anchor.recording for entry in own})
                raise UsageError(f"{part}: no recording or clip of {speaker}; it speaks in {', '.join(names)}")
            moved |= {(entry.anchor.recording, entry.local): entry for entry in hits}
        if not cuts and len(moved) == len(own):
            raise UsageError(f"that is all of {speaker}: nothing would be left of it; name what is somebody else's")
        fresh = new_id({*roster.ids, *said.taken})
    anchors = tuple(entry.anchor for entry in moved.values())
    kept = tuple(entry.anchor for entry in own if entry not in moved.values())
    voices = {fresh: anchors, id_: _longest(kept)}
    decision = Decision("split", fresh, moved=anchors, cuts=tuple(cuts), voices=voices)
    return _decide(out, decision, f"{', '.join(parts)} of {speaker} is {fresh}")


def forget(out: Path, speaker: str) -> str:
    """Take back name, subject and trigger of a speaker."""
    from captioner.speech.people import Decision

    with opened(out) as store:
        said, roster = state_of(store)
        id_ = _resolve(speaker, roster, said)
    return _decide(out, Decision("forget", id_), f"{speaker} is called {id_} again")


def undo(out: Path) -> str:
    """Take back the last decision that stands."""
    from captioner.journal import read_journal
    from captioner.speech.people import Decision, standing

    held = standing(read_journal(out))
    if not held:
        raise UsageError(f"{out}: nothing to take back: nobody was named, merged or split")
    last = held[-1]
    return _decide(out, Decision("undo"), f"taken back: {last.do} {last.name or last.speaker}")


def enrol(out: Path, new: str, reference: Path, **said_too: str | None) -> str:
    """Name whoever sounds like a reference clip; voices of later recordings that do get the name, too."""
    from captioner.enrolment import heard
    from captioner.speech.people import Decision, name_fault, new_id
    from captioner.speech.roster import near_reference

    fault = name_fault(new)
    if fault:
        raise UsageError(f"{new!r} cannot be a name: {fault}")
    anchor = heard(reference)
    with opened(out) as store:
        said, roster = state_of(store)
        near = list(dict.fromkeys(said.owner(id_) for id_ in near_reference(roster, anchor)))
        taken = [said.label(id_) for id_ in near if said.label(id_) not in (id_, new)]
        holder = said.named(new)
        if taken:
            raise UsageError(
                f"{reference} sounds like {taken[0]}, who has that name; `captioner speakers name` changes it"
            )
        id_ = holder or (near[0] if near else new_id({*roster.ids, *said.taken}))
        anchors = (anchor, *_anchors(id_, roster))
        decision = Decision(
            "enrol", id_, new, said_too.get("subject"), said_too.get("trigger"),
            tuple(other for other in near if other != id_), voices={id_: anchors},
        )  # fmt: skip
    there = f"{new} is {', '.join(near)}" if near else f"{new} is nobody so far; voices to come are compared with it"
    return _decide(out, decision, there)


def _decide(out: Path, decision: Decision, told: str) -> str:
    """Write a decision down, and bring the captions to it at once."""
    from captioner.journal import append_decision
    from captioner.rendering import remembered, render
    from captioner.run import settings_of

    with opened(out) as store:
        _, roster = state_of(store)
    append_decision(out, _complete(decision, roster))
    settings = settings_of({}, base=remembered(out))
    changed, edited, _ = render(out, settings)
    by_hand = f"; {len(edited)} edited by hand stay as they are: {', '.join(edited[:5])}" if edited else ""
    return f"{told}; {changed} captions changed{by_hand}"


def _complete(decision: Decision, roster: Roster) -> Decision:
    """With the voices of those that it speaks of, and the time."""
    voices = {id_: _longest(_anchors(id_, roster)) for id_ in (decision.speaker, *decision.others) if id_}
    stamp = datetime.now(UTC).isoformat(timespec="seconds")
    return replace(decision, voices={**voices, **decision.voices}, when=stamp)


def _resolve(speaker: str, roster: Roster, said: People) -> str:
    """Id of a speaker that a person calls by id or name. Raises UsageError that lists those there are."""
    id_ = said.named(speaker) or (speaker if speaker in roster.ids or speaker in said.taken else None)
    if id_ is None:
        there = sorted({said.label(entry.id) for entry in roster.entries if entry.present and entry.id in roster.ids})
        raise UsageError(f"there is no speaker {speaker}; there are {', '.join(there) or 'none'}")
    return said.owner(id_)


def _anchors(id_: str, roster: Roster) -> tuple[Anchor, ...]:
    return tuple(entry.anchor for entry in roster.entries if entry.id == id_)


def _longest(anchors: Sequence[Anchor]) -> tuple[Anchor, ...]:
    return tuple(sorted(anchors, key=lambda anchor: (-anchor.seconds, anchor.recording))[:ANCHORED])


def _called(recording: str) -> set[str]:
    path = Path(recording)
    return {recording, path.name, path.stem, path.with_suffix("").as_posix()}
