"""The clip under the cursor, with all that a person may want to see of it: values that any screen can show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from captioner.captionfiles import edited
from captioner.captions.lint import UNSURE, Finding
from captioner.decisions import Status
from captioner.drafting import Drafter
from captioner.review.deciding import ClipState
from captioner.review.labels import label_of
from captioner.rowmaking import Now
from captioner.rowtable import ClipLine
from captioner.store import WrittenRow
from captioner.types import Caption, Cut, Word


@dataclass(frozen=True, slots=True)
class SaidWord:
    text: str
    start: float
    """Seconds from the clip's first sample."""
    end: float
    doubted: bool
    """Whether the machine was not sure of it."""


@dataclass(frozen=True, slots=True)
class FieldView:
    name: str
    value: str
    """As it stands; the words without their quotation marks; "" where the field is left out."""
    draft: str
    """As the machine has it now."""
    edited: bool
    against: str | None = None
    """The draft that the edit was written over, where that is another now: the draft changed under the edit."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A caption file that was changed outside: it is never overwritten."""

    path: str
    found: str
    """What stands in the file."""
    ours: str
    """What captioner wrote there."""


@dataclass(frozen=True, slots=True)
class Item:
    """A clip in full."""

    line: ClipLine
    number: int
    """Its place in the whole dataset, from 1."""
    begins: float
    ends: float
    """Seconds in its recording."""
    words: tuple[SaidWord, ...]
    fields: tuple[FieldView, ...]
    findings: tuple[Finding, ...]
    """Errors first."""
    caption: str
    """The whole text as it is, or will be, written."""
    file: str
    """Path of its `.txt`."""
    written: bool
    """Whether the clip stands in `clips/` ..."""
    current: bool
    """... with this very caption."""
    status: Status
    notices: tuple[str, ...]
    """Sentences that a person must see: a draft that changed under an edit, other words than were approved."""
    conflict: Conflict | None

    @property
    def id(self) -> str:
        return self.line.id


def make_item(now: Now, line: ClipLine, number: int, drafter: Drafter, out: Path, made: WrittenRow | None) -> Item:
    fields = fields_of(now, drafter)
    file = out / "clips" / f"{line.id}.txt"
    conflict = None
    if made is not None and edited(file, made.caption):
        found = file.read_bytes().decode("utf-8", errors="replace").rstrip("\r\n")
        conflict = Conflict(str(file), found, made.caption)
    span = now.cut.span
    return Item(
        line, number, span.start, span.end, said_words(now.cut), fields, now.findings, now.caption.text, str(file),
        made is not None, made is not None and made.caption == now.caption.text, now.status,
        tuple(_notices(now, fields, conflict)), conflict,
    )  # fmt: skip


def _notices(now: Now, fields: tuple[FieldView, ...], conflict: Conflict | None) -> list[str]:
    told = [
        f"the draft of {label_of(field.name)} changed under your edit: "
        f"from {_shown(field.against)} to {_shown(field.draft)}"
        for field in fields
        if field.against is not None
    ]
    if now.status.state == "approved" and not now.stands:
        told.append(f"other words than you approved: you approved {_shown(now.status.words)}")
    if conflict is not None:
        told.append(f"{conflict.path} was changed outside and is left as it is; delete it to have this caption written")
    return told


def _shown(text: str | None) -> str:
    return f'"{text}"' if text else "nothing"


def said_words(cut: Cut) -> tuple[SaidWord, ...]:
    start = cut.span.start
    spans = [doubt.span for doubt in cut.all_doubts if doubt.span is not None and doubt.span.duration < 1.0]

    def doubted(word: Word) -> bool:
        return word.probability is not None and word.probability < UNSURE

    return tuple(
        SaidWord(
            word.text, round(word.span.start - start, 3), round(word.span.end - start, 3),
            doubted(word) or any(span.overlap(word.span) > 0 for span in spans),
        )
        for line in cut.lines
        for word in line.words
    )  # fmt: skip


def fields_of(now: Now, drafter: Drafter) -> tuple[FieldView, ...]:
    """What a person can edit, in the order in which it is shown."""

    def view(name: str) -> FieldView:
        draft = value_of(name, now.draft, now.row.adopted)
        edit = now.edits.get(name)
        value = draft if edit is None else edit.text
        against = edit.against if edit is not None and edit.against not in (None, draft) else None
        return FieldView(name, value, draft, edit is not None, against)

    return tuple(map(view, drafter.asked(now.row.adopted)))


def value_of(name: str, caption: Caption, adopted: str | None) -> str:
    if name == "caption":
        return adopted or ""
    if name == "speech":
        return (caption.fields.get("speech") or '""')[1:-1]
    return caption.fields.get(name) or ""


def state_of(now: Now, drafter: Drafter) -> ClipState:
    fields = fields_of(now, drafter)
    return ClipState(
        now.row.id, now.status, now.edits, {field.name: field.value for field in fields},
        {field.name: field.draft for field in fields}, now.words,
    )  # fmt: skip
