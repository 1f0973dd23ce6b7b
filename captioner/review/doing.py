"""What each action of the table does at the desk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from captioner.decisions import Change, Status
from captioner.errors import UsageError
from captioner.review import deciding
from captioner.review.labels import choices, label_of, name_of
from captioner.review.outcome import Outcome
from captioner.review.query import parse
from captioner.review.session import at, find, listed, mark, moved

if TYPE_CHECKING:
    from captioner.review.desk import Desk

LOW = 0.7
"""Trust below which the words of a clip are not sure."""


# -- moving ------------------------------------------------------------------------------------------------------------


def _move(desk: Desk, action: str, *, page: int = 20, **_: Any) -> Outcome:
    before = desk.session.cursor
    desk.session = moved(desk.session, action, page)
    return Outcome(moved=desk.session.cursor != before)


def _go(desk: Desk, _action: str, *, clip: str | int | None = None, place: int | None = None, **_: Any) -> Outcome:
    """To a place of the list, or to a clip by its id or its number in the dataset."""
    if place is not None:
        desk.session = at(desk.session, place)
        return Outcome(moved=True)
    if isinstance(clip, int) or (clip is not None and clip.isdecimal()):
        clip = desk.store.rows.ids()[int(clip) - 1] if 1 <= int(clip) <= desk.session.total else str(clip)
    if clip is None or clip not in desk.session.ids:
        raise UsageError(f"{clip}: not in the list; / and Enter shows all clips again")
    desk.session = at(desk.session, desk.session.ids.index(clip))
    return Outcome(moved=True)


def _next(desk: Desk, action: str, **_: Any) -> Outcome:
    """To the next clip of a kind, in either direction."""
    way, kind = action.split("-", 1)
    rows = desk.store.rows

    def matches(ids: Any) -> list[str]:
        lines = rows.get(list(ids))
        if kind == "todo":
            return [id_ for id_, line in lines.items() if line.status in ("todo", "edited")]
        if kind == "low":
            return [id_ for id_, line in lines.items() if line.trust is not None and line.trust < LOW]
        if desk.session.searched:
            text = desk.session.searched
            if len(text) > 2 and text[0] == text[-1] == "/":
                return rows.saying(list(ids), text[1:-1], pattern=True)
            return rows.saying(list(ids), text)
        return [id_ for id_, line in lines.items() if line.findings]

    place = find(desk.session, matches, 1 if way == "next" else -1)
    if place is None:
        told = {"todo": "no clip is left to do here", "low": "no clip here whose words are not sure"}
        return Outcome(told.get(kind, "nothing like it here"), "warn")
    desk.session = at(desk.session, place)
    return Outcome(moved=True)


# -- deciding ---------------------------------------------------------------------------------------------------------


def _chosen(desk: Desk, clip: str | None) -> tuple[str, ...]:
    chosen = (clip,) if clip is not None else desk.session.chosen
    if not chosen:
        raise UsageError("there is no clip here")
    return chosen


def _decide(desk: Desk, action: str, clip: str | None, made: Callable[[str], tuple[Change, ...]], told: str) -> Outcome:
    chosen = _chosen(desk, clip)
    changes = [change for id_ in chosen for change in made(id_)]
    message = told if len(chosen) == 1 else f"{told}: {len(chosen)} clips"
    outcome = desk.commit(action, changes, message)
    if changes:
        for _ in chosen:
            desk.decided()
        desk.session = replace(desk.session, marked=desk.session.marked - frozenset(chosen))
    return outcome


def _approve(desk: Desk, action: str, *, clip: str | None = None, confirmed: bool = False, **_: Any) -> Outcome:
    """Errors are asked about once more; warnings are not."""
    chosen = _chosen(desk, clip)
    if not desk.read_only and (stale := desk.store.rows.stale(chosen)):
        desk.settle(stale)
    wrong = [line.id for line in desk.store.rows.get(chosen).values() if line.errors]
    if wrong and not confirmed:
        first = next(one.text for one in desk.now(wrong[0]).findings if one.error)
        many = "" if len(chosen) == 1 else f" ({len(wrong)} of {len(chosen)} clips)"
        return Outcome(kind="warn", confirm=f"{first}{many}: approve all the same?")
    outcome = _decide(desk, action, clip, lambda id_: deciding.approve(desk.state(id_)), "approved")
    if clip is None and len(chosen) == 1:
        onward = _next(desk, "next-todo")
        return replace(outcome, moved=onward.moved)
    return outcome


def _reject(desk: Desk, action: str, *, clip: str | None = None, reason: str = "", **_: Any) -> Outcome:
    status = Status("rejected", reason.strip())
    told = f"rejected: {reason.strip()}" if reason.strip() else "rejected"
    outcome = _decide(desk, action, clip, lambda id_: deciding.set_status(desk.state(id_), status), told)
    if clip is None and outcome.rows:
        return replace(outcome, moved=_next(desk, "next-todo").moved)
    return outcome


def _flag(desk: Desk, action: str, *, clip: str | None = None, note: str = "", **_: Any) -> Outcome:
    status = Status("flagged", note.strip())
    return _decide(desk, action, clip, lambda id_: deciding.set_status(desk.state(id_), status), "flagged")


def _reopen(desk: Desk, action: str, *, clip: str | None = None, **_: Any) -> Outcome:
    def made(id_: str) -> tuple[Change, ...]:
        state = desk.state(id_)
        return deciding.set_status(state, Status("edited") if state.edits else Status())

    return _decide(desk, action, clip, made, "to do again")


def _undo(desk: Desk, action: str, **_: Any) -> Outcome:
    done = desk.ledger.undo() if action == "undo" else desk.ledger.redo()
    if done is None:
        return Outcome(f"nothing to {action}", "warn")
    outcome = desk.after(done, f"{action}: {done.did}")
    shown = set(desk.session.ids) if len(done.clips) > 1 else desk.session.ids
    first = next((id_ for id_ in done.clips if id_ in shown), None)
    if first is not None:
        desk.session = at(desk.session, desk.session.ids.index(first))
    return replace(outcome, moved=True)


# -- fields ------------------------------------------------------------------------------------------------------------


def _set_field(
    desk: Desk, action: str, *, field: str = "", text: str | None = None, clip: str | None = None,
    rev: int | None = None, **_: Any,
) -> Outcome:  # fmt: skip
    """`rev`: of the row that the text was typed over; where the clip is another by now nothing is changed."""
    id_ = clip or desk.session.clip
    if id_ is None:
        raise UsageError("there is no clip here")
    state = desk.state(id_)
    field = name_of(field, state.fields)
    if field not in state.fields:
        raise UsageError(f"{field}: no field of this clip; there are {choices(state.fields)}")
    if field == "trigger" and text is not None and not text.strip():
        raise UsageError("the trigger cannot be empty: training ties voice and look to it")
    if rev is not None and desk.store.rows.revs([id_]).get(id_) != rev:
        raise UsageError(f"{id_} has changed since you began to type; look at it again")
    line = None if text is None else " ".join(text.split())
    changes = deciding.set_field(state, field, line)
    return desk.commit(action, changes, "saved" if text is not None else f"{label_of(field)} as it was drafted")


def _restore(desk: Desk, action: str, *, field: str = "", clip: str | None = None, **_: Any) -> Outcome:
    return _set_field(desk, action, field=field, text=None, clip=clip)


def _restore_all(desk: Desk, action: str, *, clip: str | None = None, **_: Any) -> Outcome:
    chosen = _chosen(desk, clip)
    changes = [change for id_ in chosen for change in deciding.restore_all(desk.state(id_))]
    return desk.commit(action, changes, "as it was drafted")


# -- finding -----------------------------------------------------------------------------------------------------------


def _filter(desk: Desk, action: str, *, query: str = "", **_: Any) -> Outcome:
    """Raises QueryError, which says where the text cannot be read."""
    wanted = "" if action == "clear-filter" else query.strip()
    if action == "clear-filter" and not desk.session.query:
        desk.session = replace(desk.session, marked=frozenset(), searched="")
        return Outcome(everything=True)
    ids = desk.matching(wanted)
    desk.session = listed(desk.session, ids, wanted)
    told = f"{len(ids)} of {desk.session.total} clips" if wanted else ""
    return Outcome(told, "" if ids else "warn", everything=True, moved=True)


def _search(desk: Desk, _action: str, *, text: str = "", **_: Any) -> Outcome:
    if text.strip()[:1] == "/":
        parse(text.strip())  # says what is wrong with a regular expression
    desk.session = replace(desk.session, searched=text.strip())
    if not text.strip():
        return Outcome("nothing is searched")
    return _next(desk, "next-hit")


def _mark(desk: Desk, action: str, *, clip: str | None = None, **_: Any) -> Outcome:
    session = desk.session
    ids = session.ids if action == "mark-all" else [one for one in (clip or session.clip,) if one]
    desk.session = mark(session, ids)
    count = len(desk.session.marked)
    return Outcome(f"{count} marked" if count else "none marked", rows=tuple(ids[:1]), everything=action == "mark-all")


def _late(module: str, name: str) -> Callable[..., Outcome]:
    """A handler whose module is loaded when it is first used: cutting needs NumPy."""

    def call(desk: Desk, action: str, **given: Any) -> Outcome:
        from importlib import import_module

        outcome: Outcome = getattr(import_module(f"captioner.review.{module}"), name)(desk, action, **given)
        return outcome

    return call


HANDLERS: Mapping[str, Callable[..., Outcome]] = {
    **dict.fromkeys(("down", "up", "page-down", "page-up", "first", "last"), _move),
    **dict.fromkeys(
        ("next-todo", "previous-todo", "next-low", "previous-low", "next-hit", "previous-hit"), _next
    ),
    "go": _go, "approve": _approve, "reject": _reject, "flag": _flag, "reopen": _reopen, "undo": _undo, "redo": _undo,
    "set-field": _set_field, "restore": _restore, "restore-all": _restore_all, "filter": _filter,
    "clear-filter": _filter, "search": _search, "mark": _mark, "mark-all": _mark,
    "replace": _late("replacing", "replace_all"), "name-speaker": _late("naming", "name_speaker"),
    "keep-trim": _late("recutting", "keep_trim"), "split": _late("recutting", "split"),
    "merge": _late("recutting", "merge"),
}  # fmt: skip
