"""What persons said of the dataset's voices, as a fold over their decisions. Pure.

A decision names speakers by id and carries anchors of their voices: which recording, when they speak in it, and the
embedding. So it holds on after everything that machines made was thrown away and made again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Literal

from captioner.times import Span

ID = re.compile(r"SPEAKER_\d{2,}")

Kind = Literal["name", "merge", "split", "enrol", "forget", "undo"]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A voice in a recording, so described that it can be found again."""

    content: str
    """SHA-256 of the recording's bytes; empty for a reference clip."""
    recording: str
    """Its name, for people."""
    spans: tuple[Span, ...]
    """Its longest turns, in order."""
    seconds: float
    """Of speech behind the embedding."""
    vector: bytes
    """int8 (192,), see `captioner.measures.Voiceprint`; empty where there is none."""

    def shared(self, spans: Iterable[Span]) -> float:
        """Seconds of its own turns that lie in others."""
        return sum(own.overlap(other) for other in spans for own in self.spans)


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of the journal."""

    do: Kind
    speaker: str = ""
    """Id of the speaker that it is about; of a split, the new one."""
    name: str | None = None
    subject: str | None = None
    trigger: str | None = None
    others: tuple[str, ...] = ()
    """Speakers that become this one."""
    moved: tuple[Anchor, ...] = ()
    """Of a split: the voices that are the new speaker."""
    cuts: tuple[tuple[str, Span], ...] = ()
    """Of a split: content and span of single cuts that are the new speaker."""
    voices: Mapping[str, tuple[Anchor, ...]] = field(default_factory=dict)
    """Anchors of every speaker that it speaks of, as they were."""
    when: str = ""
    """UTC, ISO 8601."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a person says of one speaker."""

    name: str | None = None
    subject: str | None = None
    trigger: str | None = None


@dataclass(frozen=True, slots=True)
class People:
    """All that holds after the last decision."""

    said: Mapping[str, Said] = field(default_factory=dict)
    into: Mapping[str, str] = field(default_factory=dict)
    """Merged speaker -> the one that it became part of."""
    moved: tuple[tuple[Anchor, str], ...] = ()
    cuts: tuple[tuple[str, Span, str], ...] = ()
    voices: Mapping[str, tuple[Anchor, ...]] = field(default_factory=dict)
    """Anchors of every speaker that a person spoke of, by id."""
    made: frozenset[str] = frozenset()
    """Ids that only a person's decision made, by a split or an enrolment, and that decision stands."""
    unmade: frozenset[str] = frozenset()
    """... and that decision was taken back: their voices are to be placed again."""
    taken: frozenset[str] = frozenset()
    """Ids that any decision ever spoke of: no new voice may get them."""

    def owner(self, id_: str) -> str:
        """The speaker that an id belongs to after all merges."""
        while id_ in self.into:
            id_ = self.into[id_]
        return id_

    def label(self, id_: str) -> str:
        """What its clips are called by: the person's name for it, else its id."""
        owner = self.owner(id_)
        return self.said.get(owner, Said()).name or owner

    def named(self, name: str) -> str | None:
        """Id of the speaker that a person gave this name."""
        for id_, said in self.said.items():
            if said.name == name and id_ not in self.into:
                return id_
        return None


def standing(decisions: Sequence[Decision]) -> list[Decision]:
    """Those that were not taken back: each `undo` takes back the last that stands."""
    kept: list[Decision] = []
    for decision in decisions:
        if decision.do != "undo":
            kept.append(decision)
        elif kept:
            kept.pop()
    return kept


def people(decisions: Sequence[Decision]) -> People:
    """The fold. Decisions that were taken back still keep their ids from being given to others."""
    state = People()
    held = standing(decisions)
    for decision in held:
        state = _apply(state, decision)
    made = _made(held)
    taken = frozenset(id_ for d in decisions for id_ in (d.speaker, *d.others, *d.voices) if id_)
    return replace(state, made=made, unmade=_made(decisions) - made, taken=taken)


def _made(decisions: Iterable[Decision]) -> frozenset[str]:
    """Speakers that are there because a person said so: by a split, or by a reference that sounded like nobody yet."""
    return frozenset(
        d.speaker
        for d in decisions
        if d.do == "split"
        or (d.do == "enrol" and d.speaker in d.voices and not any(anchor.content for anchor in d.voices[d.speaker]))
    )


def _apply(state: People, decision: Decision) -> People:
    speaker = state.owner(decision.speaker)
    voices = {**state.voices, **decision.voices}
    state = replace(state, voices=voices)
    if decision.do == "forget":
        return replace(state, said={id_: said for id_, said in state.said.items() if id_ != speaker})
    if decision.do == "split":
        moved = tuple((anchor, speaker) for anchor in decision.moved)
        cuts = tuple((content, span, speaker) for content, span in decision.cuts)
        return replace(state, moved=state.moved + moved, cuts=state.cuts + cuts)
    into = {**state.into, **{state.owner(other): speaker for other in decision.others if state.owner(other) != speaker}}
    before = [state.said.get(speaker, Said()), *(state.said.get(state.owner(o), Said()) for o in decision.others)]
    given = Said(decision.name, decision.subject, decision.trigger)
    said = {**state.said, speaker: _first([given, *before])}
    return replace(state, into=into, said=said)


def _first(said: Sequence[Said]) -> Said:
    """Of each field what is said first."""

    def pick(values: Iterable[str | None]) -> str | None:
        return next((value for value in values if value), None)

    return Said(pick(s.name for s in said), pick(s.subject for s in said), pick(s.trigger for s in said))


def name_fault(name: str) -> str | None:
    """Why a name cannot be used; None where it can."""
    if not name or any(sign.isspace() or not sign.isprintable() for sign in name) or set(name) & set(",/"):
        return "give one word without blanks, commas and slashes, such as ema"
    if ID.fullmatch(name):
        return "names like SPEAKER_02 are given by captioner and belong to other voices"
    return None


def new_ids(taken: Iterable[str]) -> Iterator[str]:
    """The ids after the highest that was ever given."""
    numbers = [int(id_.removeprefix("SPEAKER_")) for id_ in taken if ID.fullmatch(id_)]
    return (f"SPEAKER_{number:02d}" for number in count(max(numbers, default=-1) + 1))


def free_ids(taken: Iterable[str]) -> Iterator[str]:
    """The ids that are not taken, the lowest first."""
    known = set(taken)
    return (id_ for number in count() if (id_ := f"SPEAKER_{number:02d}") not in known)


def new_id(taken: Iterable[str]) -> str:
    """The id after the highest that was ever given."""
    return next(new_ids(taken))
