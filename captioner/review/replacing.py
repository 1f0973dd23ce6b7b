"""Find and replace over many clips: what it would change is shown first, and it is one thing to undo."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from captioner.errors import UsageError
from captioner.review import deciding
from captioner.review.deciding import ClipState
from captioner.rowmaking import decided

if TYPE_CHECKING:
    from captioner.review.desk import Desk
    from captioner.review.outcome import Outcome

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


class _Hit(NamedTuple):
    """A clip's text before and after, and the machine's where that is another."""

    old: str
    new: str
    draft: str | None


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
) -> tuple[dict[str, _Hit], int]:
    """By clip, in order; and the number of places."""
    swapped = _swap(find, instead, regex=regex, case=case)
    session = desk.session
    ids = desk.store.rows.ids() if scope == "all" else session.ids
    if scope == "marked" or (scope == "shown" and session.marked):
        ids = [id_ for id_ in ids if id_ in session.marked]
    texts: Mapping[str, tuple[str, str | None]]
    if field == "speech":
        texts = desk.store.rows.said(ids)
    else:
        texts = {id_: (desk.state(id_).fields.get(field, ""), None) for id_ in ids}
    found, places = {}, 0
    for id_ in ids:
        old, draft = texts.get(id_, ("", None))
        new, count = swapped(old)
        if count and new != old:
            found[id_] = _Hit(old, new, draft)
            places += count
    return found, places


def preview(
    desk: Desk, find: str, instead: str, *, regex: bool = False, case: bool = False, field: str = "speech",
    scope: str = "shown",
) -> Preview:  # fmt: skip
    """What it would change. `scope`: `shown` (what the filter shows, or the marked), `marked` or `all`."""
    found, places = _hits(desk, find, instead, regex=regex, case=case, field=field, scope=scope)
    approved = desk.store.rows.counts(list(found)).get("approved", 0)
    return Preview(places, len(found), tuple((hit.old, hit.new) for hit in islice(found.values(), SHOWN)), approved)


def replace_all(
    desk: Desk, action: str, *, find: str = "", instead: str = "", regex: bool = False, case: bool = False,
    field: str = "speech", scope: str = "shown", clip: str | None = None, **_: Any,
) -> Outcome:  # fmt: skip
    found, places = _hits(desk, find, instead, regex=regex, case=case, field=field, scope=scope)
    if clip is not None:
        found = {id_: hit for id_, hit in found.items() if id_ == clip}
    states = _spoken(desk, found) if field == "speech" else (desk.state(id_) for id_ in found)
    changes = [
        change
        for state, hit in zip(states, found.values(), strict=True)
        for change in deciding.set_field(state, field, hit.new)
    ]
    return desk.commit(action, changes, f"{places} places in {len(found)} clips")


def _spoken(desk: Desk, found: Mapping[str, _Hit]) -> Iterator[ClipState]:
    """What has to be known of clips whose words alone are changed, of thousands at once."""
    edits, statuses = decided(desk.store.rows, list(found))
    for id_, hit in found.items():
        words = {"speech": hit.old}
        drafts = words if hit.draft is None else {"speech": hit.draft}
        yield ClipState(id_, statuses.get(id_, deciding.TODO), edits.get(id_, {}), words, drafts, hit.old)
