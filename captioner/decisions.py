"""What persons decided in the review, as a fold over the entries of `OUT/review.jsonl`. Pure.

An entry is one thing that a person did: changes that came together and are undone together. Each change says what was
there before it, so that taking an entry back is to set that again; nothing is ever deleted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

T = TypeVar("T")

Kind = Literal["status", "field", "shape", "speaker"]
State = Literal["todo", "edited", "approved", "rejected", "flagged"]
STATES: tuple[State, ...] = ("todo", "edited", "approved", "rejected", "flagged")

_ID = re.compile(r"(?P<slug>.+)_f(?P<start>\d+)n(?P<frames>\d+)")


@dataclass(frozen=True, slots=True)
class Status:
    """Where a clip stands. `reason`: why it was rejected, or the note of a flag. `words`: what was said in it when it
    was approved: other words are not approved by that."""

    state: State = "todo"
    reason: str = ""
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """A person's text of a field; "" leaves the field out. `against` is the draft that it was written over."""

    text: str
    against: str | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """Clips of one recording that take the place of others, all by id."""

    gone: tuple[str, ...] = ()
    made: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Naming:
    """A decision on a speaker, as it stands in `OUT/speakers.jsonl`, and what it says for people."""

    decision: Mapping[str, Any]
    told: str


Value = Status | Edit | Shape | Naming | None


@dataclass(frozen=True, slots=True)
class Change:
    """An assignment. Of a status, field or speaker from `old` to `new`; a shape has `new` alone."""

    kind: Kind
    clip: str = ""
    field: str = ""
    old: Value = None
    new: Value = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal: some changes, or an earlier entry taken back (`undo`) or made again (`redo`)."""

    batch: int
    """Counts from 1."""
    did: str
    """Id of the action."""
    changes: tuple[Change, ...] = ()
    undo: int | None = None
    redo: int | None = None
    who: str = ""
    when: str = ""
    """UTC, ISO 8601."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """What holds after the last entry. Clips by id; those that nobody touched are in none."""

    status: Mapping[str, Status] = field(default_factory=dict)
    fields: Mapping[str, Mapping[str, Edit]] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    """Clips that the machine made and a person cut anew."""
    made: frozenset[str] = frozenset()
    """Clips that a person cut."""

    def of(self, clip: str) -> Status:
        return self.status.get(clip, Status())

    def edits(self, clip: str) -> Mapping[str, Edit]:
        return self.fields.get(clip, {})

    def shaped(self, slug: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Of one recording: ids of the machine's clips that are gone, and of those that a person cut, sorted."""

        def own(ids: Iterable[str]) -> tuple[str, ...]:
            return tuple(sorted(id_ for id_ in ids if place_of(id_)[0] == slug))

        return own(self.gone), own(self.made)


def place_of(clip: str) -> tuple[str, int, int]:
    """Slug, first frame and number of frames that an id says. An id of another form is its own slug, 0, 0."""
    found = _ID.fullmatch(clip)
    return (clip, 0, 0) if found is None else (found["slug"], int(found["start"]), int(found["frames"]))


def inverse(changes: Sequence[Change]) -> tuple[Change, ...]:
    """The changes that take others back."""

    def back(change: Change) -> Change:
        if isinstance(change.new, Shape):
            return replace(change, new=Shape(change.new.made, change.new.gone))
        return Change(change.kind, change.clip, change.field, change.new, change.old)

    return tuple(back(change) for change in reversed(changes))


def fold(entries: Iterable[Entry]) -> Decisions:
    """What holds after all entries."""
    status: dict[str, Status] = {}
    fields: dict[str, dict[str, Edit]] = {}
    gone: set[str] = set()
    made: set[str] = set()
    known: dict[int, tuple[Change, ...]] = {}
    for entry in entries:
        known[entry.batch] = entry.changes
        for change in effect(entry, known):
            new = change.new
            if isinstance(new, Shape):
                shape_into(new, gone, made)
            elif change.kind == "status":
                _put(status, change.clip, new if isinstance(new, Status) and new != Status() else None)
            elif change.kind == "field":
                own = fields.setdefault(change.clip, {})
                _put(own, change.field, new if isinstance(new, Edit) else None)
    return Decisions(status, {clip: own for clip, own in fields.items() if own}, frozenset(gone), frozenset(made))


def effect(entry: Entry, known: Mapping[int, tuple[Change, ...]]) -> tuple[Change, ...]:
    """The changes that an entry comes to; `known` are those of earlier entries by number."""
    if entry.undo is not None:
        return inverse(known.get(entry.undo, ()))
    if entry.redo is not None:
        return known.get(entry.redo, ())
    return entry.changes


def shape_into(shape: Shape, gone: set[str], made: set[str]) -> None:
    """Clips of a person come and go; one of the machine is only ever hidden, and seen again."""
    for clip in shape.gone:
        if clip in made:
            made.discard(clip)
        else:
            gone.add(clip)
    for clip in shape.made:
        if clip in gone:
            gone.discard(clip)
        else:
            made.add(clip)


def _put(known: dict[str, T], name: str, value: T | None) -> None:
    if value is None:
        known.pop(name, None)
    else:
        known[name] = value
