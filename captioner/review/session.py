"""Where a person is in the list: a value, and the fold of moves over it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

CHUNK = 200
"""Clips that are asked about at once when the next of a kind is looked for."""


@dataclass(frozen=True, slots=True)
class Session:
    ids: Sequence[str]
    """Clips that the filter shows, in order."""
    total: int
    """All clips."""
    cursor: int = 0
    """Place of the clip that everything is about; 0 where none is shown."""
    query: str = ""
    searched: str = ""
    """What `next-hit` goes to; findings where it is empty."""
    marked: frozenset[str] = frozenset()

    @property
    def clip(self) -> str | None:
        """Id of the clip under the cursor."""
        return self.ids[self.cursor] if self.ids else None

    @property
    def chosen(self) -> tuple[str, ...]:
        """What a decision is about: the marked clips, in order, else the one under the cursor."""
        if self.marked:
            shown = [id_ for id_ in self.ids if id_ in self.marked]
            return tuple(shown)
        return () if self.clip is None else (self.clip,)


def at(session: Session, place: int) -> Session:
    """The cursor at a place, held inside the list."""
    return replace(session, cursor=max(0, min(place, len(session.ids) - 1)))


def moved(session: Session, action: str, page: int = 20) -> Session:
    """After a plain move: `down`, `up`, `page-down`, `page-up`, `first`, `last`."""
    steps = {"down": 1, "up": -1, "page-down": page, "page-up": -page}
    if action in steps:
        return at(session, session.cursor + steps[action])
    return at(session, 0 if action == "first" else len(session.ids) - 1)


def listed(session: Session, ids: Sequence[str], query: str) -> Session:
    """After another filter: the cursor stays on its clip, else goes to the nearest place that is left."""
    known = session.clip
    session = replace(session, ids=ids, query=query)
    if known in ids:
        return at(session, ids.index(known))
    return at(session, session.cursor if not query else 0)


def swapped(
    session: Session, gone: Iterable[str], made: Sequence[str], order: Callable[[str], tuple[str, int, int]]
) -> Session:
    """After clips were cut anew: the new ones stand where the old ones stood, the cursor on the first of them."""
    lost = set(gone)
    places = [place for place, id_ in enumerate(session.ids) if id_ in lost]
    kept = [id_ for id_ in session.ids if id_ not in lost and id_ not in made]
    first = places[0] if places else session.cursor
    ids = [*kept[:first], *sorted(made, key=order), *kept[first:]]
    grown = session.total + len(made) - len(lost)
    session = replace(session, ids=ids, marked=session.marked - lost, total=grown)
    return at(session, ids.index(made[0]) if made else first)


def mark(session: Session, ids: Iterable[str]) -> Session:
    """Marks are set, or taken off where all have one."""
    some = frozenset(ids)
    marked = session.marked - some if some <= session.marked else session.marked | some
    return replace(session, marked=marked)


def find(session: Session, matches: Callable[[Sequence[str]], Iterable[str]], step: int) -> int | None:
    """Place of the next clip (`step` 1; -1: the one before) that matches, round the end; None where there is none.

    `matches` says which of some clips do: asked in chunks, so that a near hit costs little.
    """
    count = len(session.ids)
    order = [(session.cursor + step * distance) % count for distance in range(1, count + 1)] if count else []
    for begin in range(0, len(order), CHUNK):
        some = order[begin : begin + CHUNK]
        hits = set(matches([session.ids[place] for place in some]))
        for place in some:
            if session.ids[place] in hits:
                return place
    return None
