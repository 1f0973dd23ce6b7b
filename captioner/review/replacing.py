"""Find and replace over many clips: what it would change is shown first, and it is one thing to undo."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from captioner.decisions import Change
from captioner.errors import UsageError
from captioner.review import deciding
from captioner.review.deciding import ClipState
from captioner.rowmaking import decided

if TYPE_CHECKING:
    from captioner.review.desk import Desk, Outcome

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Preview:
    hits: int
    """Places."""
    clips: int
    samples: tuple[tuple[str, str], ...]
    """Before and after of the first clips."""
    approved: int = 0
    """Clips among them that are approved: they would have to be approved again."""


def _swap(find: str, instead: str, *, regex: bool, case: bool) -> Callable[[str], tuple[str, int]]:
    """A text and how many places of it changed. Text between slashes is a regular expression. Raises UsageError."""
    if len(find) > 2 and find[0] == find[-1] == "/":
        find, regex = find[1:-1], True
    if not find:
        raise UsageError("find what? give a text, or a regular expression between slashes")
    try:
        pattern = re.compile(find if regex else re.escape(find), 0 if case else re.IGNORECASE)
        put = re.compile(r"\\(?!\d|g<)").sub(r"\\\\", instead) if regex else None
        if put is not None:
            pattern.sub(put, "")
    except (re.error, IndexError) as error:
        raise UsageError(f"/{find}/ cannot be used: {error}") from error
    try:
        pattern.subn(put if put is not None else (lambda _: instead), find)
    except (re.error, IndexError) as error:
        raise UsageError(f"{instead!r} cannot be put there: {error}") from error

    def swapped(text: str) -> tuple[str, int]:
        new, count = pattern.subn(put if put is not None else (lambda _: instead), text)
        return " ".join(new.split()), count

    return swapped


def _hits(
    desk: Desk, find: str, instead: str, *, regex: bool, case: bool, field: str, scope: str
) -> tuple[dict[str, tuple[str, str]], int]:
    """Clip -> its text before and after, in order; and the number of places."""
    swapped = _swap(find, instead, regex=regex, case=case)
    session = desk.session
    ids = desk.store.rows.ids() if scope == "all" else session.ids
    if scope == "marked" or (scope == "shown" and session.marked):
        ids = [id_ for id_ in ids if id_ in session.marked]
    texts: Mapping[str, str]
    if field == "speech":
        texts = desk.store.rows.words()
    else:
        texts = {id_: desk.state(id_).fields.get(field, "") for id_ in ids}
    found, places = {}, 0
    for id_ in ids:
        old = texts.get(id_, "")
        new, count = swapped(old)
        if count and new != old:
            found[id_] = (old, new)
            places += count
    return found, places


def preview(
    desk: Desk, find: str, instead: str, *, regex: bool = False, case: bool = False, field: str = "speech",
    scope: str = "shown",
) -> Preview:  # fmt: skip
    """What it would change. `scope`: `shown` (what the filter shows, or the marked), `marked` or `all`."""
    found, places = _hits(desk, find, instead, regex=regex, case=case, field=field, scope=scope)
    lines = desk.store.rows.get(list(found))
    approved = sum(line.status == "approved" for line in lines.values())
    return Preview(places, len(found), tuple(list(found.values())[:SHOWN]), approved)


def replace_all(
    desk: Desk, action: str, *, find: str = "", instead: str = "", regex: bool = False, case: bool = False,
    field: str = "speech", scope: str = "shown", clip: str | None = None, **_: Any,
) -> Outcome:  # fmt: skip
    found, places = _hits(desk, find, instead, regex=regex, case=case, field=field, scope=scope)
    if clip is not None:
        found = {id_: both for id_, both in found.items() if id_ == clip}
    changes: list[Change] = []
    edits, statuses = decided(desk.store.rows) if field == "speech" else ({}, {})
    for id_, (old, new) in found.items():
        if field == "speech" and "speech" not in edits.get(id_, {}):  # then its words are the draft's
            words = {"speech": old}
            state = ClipState(id_, statuses.get(id_, deciding.TODO), edits.get(id_, {}), words, words, old)
        else:
            state = desk.state(id_)
        changes += deciding.set_field(state, field, new)
    if not changes:
        return desk.commit(action, (), "")
    return desk.commit(action, changes, f"{places} places in {len(found)} clips")
