"""What an action changes of a clip: pure. The desk writes it down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from captioner.decisions import Change, Edit, Status

TODO, EDITED = Status(), Status("edited")


@dataclass(frozen=True, slots=True)
class ClipState:
    """What has to be known of a clip to decide on it."""

    id: str
    status: Status
    edits: Mapping[str, Edit]
    fields: Mapping[str, str]
    """Of each field the text that holds now; "" where it is left out."""
    drafts: Mapping[str, str]
    """... and the machine's."""
    words: str


def set_status(clip: ClipState, status: Status) -> tuple[Change, ...]:
    if status == clip.status:
        return ()
    return (Change("status", clip.id, "", clip.status, status),)


def approve(clip: ClipState) -> tuple[Change, ...]:
    return set_status(clip, Status("approved", words=clip.words))


def set_field(clip: ClipState, field: str, text: str | None) -> tuple[Change, ...]:
    """Another text of a field; None for the draft's. A clip whose text changes is `edited`, even if it was approved."""
    old = clip.edits.get(field)
    draft = clip.drafts.get(field, "")
    new = None if text is None or (old is None and text == draft) else Edit(text, draft)
    if new == old or (new is not None and old is not None and new.text == old.text and new.against == old.against):
        return ()
    change = Change("field", clip.id, field, old, new)
    return (change, *_touched(clip, new is not None or any(name != field for name in clip.edits)))


def _touched(clip: ClipState, left: bool) -> tuple[Change, ...]:
    """`left`: whether it has an edit afterwards."""
    if clip.status.state == "approved" or (clip.status.state == "todo" and left):
        return set_status(clip, EDITED)
    if clip.status.state == "edited" and not left:
        return set_status(clip, TODO)
    return ()


def restore_all(clip: ClipState) -> tuple[Change, ...]:
    """All fields as they were drafted."""
    changes = tuple(Change("field", clip.id, name, edit, None) for name, edit in sorted(clip.edits.items()))
    return (*changes, *_touched(clip, False)) if changes else ()


def recut(gone: Sequence[ClipState], made: Mapping[str, Mapping[str, Edit]]) -> tuple[Change, ...]:
    """What is decided of clips that were cut anew: the new ones carry edits over and are to be looked at again."""
    changes: list[Change] = []
    for clip in gone:
        changes += [Change("field", clip.id, name, edit, None) for name, edit in sorted(clip.edits.items())]
        changes += set_status(clip, TODO)
    for id_, edits in made.items():
        changes += [Change("field", id_, name, None, edit) for name, edit in sorted(edits.items())]
        changes.append(Change("status", id_, "", TODO, Status("edited")))
    return tuple(changes)
