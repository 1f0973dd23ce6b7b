"""`captioner decide`: decisions made elsewhere, brought back.

A table says what it found when it was exported, so that a clip that was decided on here meanwhile is not decided over:
such a conflict is shown, and left as it is unless it is forced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from captioner.decisions import Change, Edit, State, Status
from captioner.errors import UsageError
from captioner.review import deciding
from captioner.review.sheetfile import DECISION, Row, Table, decided, mark, read_table

if TYPE_CHECKING:
    from captioner.review.desk import Desk
    from captioner.review.items import Item

_NAMES = {"speech": "words"}


@dataclass(frozen=True, slots=True)
class Held:
    """What holds of a clip now."""

    state: str
    reason: str
    fields: Mapping[str, str]
    drafts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Merge:
    """What a row changes of a clip."""

    clip: str
    line: int
    fields: Mapping[str, str | None] = field(default_factory=dict)
    """Name -> new text, None for the draft."""
    decision: tuple[str, str] | None = None
    """State and reason, where they change."""
    conflicts: tuple[str, ...] = ()
    """A sentence for each thing that was changed on both sides."""
    faults: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        return bool(self.fields) or self.decision is not None


def merge(row: Row, held: Held, *, force: bool = False) -> Merge:
    """What a row says against what holds: only what was changed in the table, and not what was changed here meanwhile.

    With `force` the table is right.
    """
    fields: dict[str, str | None] = {}
    conflicts, faults = [], []
    for name, text in row.fields.items():
        if name not in held.fields:
            faults.append(f"no field {name!r}; there are {', '.join(held.fields)}")
            continue
        now = held.fields[name]
        wanted = held.drafts.get(name, "") if text is None else text
        if _same(wanted, now) or not _touched(row, name, wanted if text is not None else None):
            continue
        if _moved(row, name, now) and not force:
            conflicts.append(f"{_NAMES.get(name, name)}: there {_shown(wanted)}, here {_shown(now)} meanwhile")
        else:
            fields[name] = text
    decision = _decision(row, held, force, conflicts)
    return Merge(row.clip, row.line, fields, decision, tuple(conflicts), tuple(faults))


def _decision(row: Row, held: Held, force: bool, conflicts: list[str]) -> tuple[str, str] | None:
    if row.decision is None and not (row.reason and held.state in ("rejected", "flagged")):
        return None
    state = row.decision or held.state
    told = row.reason if row.reason is not None else held.reason if state == held.state else ""
    reason = told if state in ("rejected", "flagged") else ""
    wanted, now = decided(state, reason), decided(held.state, held.reason)
    if state == "edited" or _same(wanted, now) or not _touched(row, DECISION, decided(state, told)):
        return None
    if _moved(row, DECISION, now) and not force:
        conflicts.append(f"there {_told(state, reason)}, here {_told(held.state, held.reason)} meanwhile")
        return None
    return state, reason


def _touched(row: Row, name: str, text: str | None) -> bool:
    """Whether a person changed it in the table."""
    was = (row.was or {}).get(name)
    return was is None or text is None or mark(text) != was


def _moved(row: Row, name: str, now: str) -> bool:
    """Whether it was changed here since the table was made."""
    was = (row.was or {}).get(name)
    return was is not None and mark(now) != was


def _same(one: str, other: str) -> bool:
    return mark(one) == mark(other)


def _shown(text: str) -> str:
    return f'"{text}"' if text else "nothing"


def _told(state: str, reason: str) -> str:
    return f"{state} ({reason})" if reason else state


# --- at the desk --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Report:
    """What bringing a table back came to."""

    clips: tuple[str, ...]
    """Changed, or with `dry` to be changed."""
    conflicts: tuple[str, ...]
    faults: tuple[str, ...]
    rows: int
    told: tuple[str, ...] = ()
    """What was, or would be, done with each clip."""
    dry: bool = False

    @property
    def clean(self) -> bool:
        return not (self.conflicts or self.faults)


def held(item: Item) -> Held:
    fields = {one.name: one.value for one in item.fields}
    return Held(item.line.status, item.line.reason, fields, {one.name: one.draft for one in item.fields})


def decide(desk: Desk, path: Path, *, force: bool = False, dry: bool = False) -> Report:
    """Apply a file's decisions as one batch, which one undo takes back.

    Raises UsageError where the file cannot be opened, BadFormat where it is no table, StoreError where nothing can be
    written. A row that is wrong is named and costs the others nothing.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    return apply(desk, read_table(data, str(path)), force=force, dry=dry)


def apply(desk: Desk, table: Table, *, force: bool = False, dry: bool = False) -> Report:
    """The same for a table that was read."""
    changes: list[Change] = []
    conflicts, faults, told, clips = [], list(table.faults), [], []
    for row in table.rows:
        if _untouched(row):
            continue
        if desk.store.clip(row.clip) is None:
            faults.append(f"line {row.line}: {row.clip}: no such clip here; it may have been cut anew since")
            continue
        item = desk.item(row.clip)
        assert item is not None
        merged = _checked(merge(row, held(item), force=force))
        faults += [f"line {row.line}: {row.clip}: {fault}" for fault in merged.faults]
        conflicts += [f"line {row.line}: {row.clip}: {one}" for one in merged.conflicts]
        own = _changes(desk, merged) if merged.changes else ()
        if own:
            changes += own
            clips.append(row.clip)
            told.append(f"{row.clip}: {_said(merged)}")
    if changes and not dry:
        desk.commit("decide", changes, "decided")
    return Report(tuple(clips), tuple(conflicts), tuple(faults), len(table.rows), tuple(told), dry)


def _untouched(row: Row) -> bool:
    """Whether it says what it said when it was exported: then nothing has to be looked up."""
    if row.was is None:
        return False
    texts: dict[str, str | None] = dict(row.fields)
    if row.decision is not None:
        texts[DECISION] = decided(row.decision, row.reason or "")
    return all(name in row.was and text is not None and mark(text) == row.was[name] for name, text in texts.items())


def _checked(merged: Merge) -> Merge:
    trigger = merged.fields.get("trigger")
    if trigger is None or trigger.strip():
        return merged
    fields = {name: text for name, text in merged.fields.items() if name != "trigger"}
    fault = "the trigger cannot be empty: training ties voice and look to it"
    return replace(merged, fields=fields, faults=(*merged.faults, fault))


def _changes(desk: Desk, merged: Merge) -> tuple[Change, ...]:
    """First the texts, then the decision, which holds for the texts as they are then."""
    from captioner.rowmaking import now_of

    clip = desk.state(merged.clip)
    made: list[Change] = []
    for name, text in merged.fields.items():
        own = deciding.set_field(clip, name, None if text is None else " ".join(text.split()))
        made += own
        clip = _after(clip, own)
    if merged.decision is not None:
        state, reason = merged.decision
        assert state in get_args(State)
        row = desk.store.clip(merged.clip)
        assert row is not None
        words = now_of(row, desk.drafter, clip.edits, clip.status).words if state == "approved" else None
        if state == "todo" and clip.edits:
            state = "edited"
        made += deciding.set_status(clip, Status(state, reason, words))  # type: ignore[arg-type]
    return tuple(made)


def _after(clip: deciding.ClipState, changes: Iterable[Change]) -> deciding.ClipState:
    edits = dict(clip.edits)
    for change in changes:
        if change.kind == "status":
            clip = replace(clip, status=change.new if isinstance(change.new, Status) else Status())
        elif isinstance(change.new, Edit):
            edits[change.field] = change.new
        else:
            edits.pop(change.field, None)
    return replace(clip, edits=edits)


def _said(merged: Merge) -> str:
    parts = [
        f"{name} as it was drafted" if text is None else f"{name}: {_shown(text)}"
        for name, text in merged.fields.items()
    ]
    return "; ".join([*parts, *([_told(*merged.decision)] if merged.decision else [])])


def as_text(report: Report) -> str:
    """For people."""
    count = f"{len(report.clips)} of {report.rows} clips {'would change' if report.dry else 'changed'}"
    lines = [count, *(f"  {one}" for one in report.told)] if report.dry else [count]
    if report.conflicts:
        lines.append("changed there and here, left as it is here (--force takes the file's):")
        lines += [f"  {one}" for one in report.conflicts]
    if report.faults:
        lines.append("not used:")
        lines += [f"  {one}" for one in report.faults]
    return "\n".join(lines)
