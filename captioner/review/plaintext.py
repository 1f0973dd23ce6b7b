"""What `--plain` says, as lines that stand by themselves when they are read aloud. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from captioner.checks.findings import printable
from captioner.review.actions import Action
from captioner.review.labels import label_of

if TYPE_CHECKING:
    from captioner.review.items import Item

STATES = {
    "todo": "to do", "edited": "edited, to do", "approved": "approved", "rejected": "rejected", "flagged": "flagged",
}  # fmt: skip

GROUPS = {
    "move": "Moving", "decide": "Deciding", "edit": "Editing", "hear": "Hearing", "see": "Seeing", "cut": "Cutting",
    "find": "Finding", "other": "Other",
}  # fmt: skip

SPOKEN_KEYS = {"space": "an empty line"}


def line_of(text: str) -> str:
    """Any text as one line that steers no terminal."""
    return printable(" ".join(text.split()))


def describe(item: Item, place: int, shown: int, total: int, marked: bool = False) -> list[str]:
    """A clip: which, what is said, what speaks against it."""
    line = item.line
    where = f"Clip {place} of {shown}" if shown == total else f"Clip {place} of {shown} shown, {total} in all"
    state = STATES[line.status] + (f" because {line_of(line.reason)}" if line.reason else "") + ", marked" * marked
    speaker = f", {line_of(line.speaker)} speaks" if line.speaker else ""
    trust = "" if line.trust is None else f", trust {line.trust:.2f}"
    source = f"{line_of(line.recording)} at {clock(item.begins)}"
    out = [f"{where}, {state}: {line_of(item.id)}.", f"{line.seconds:.1f} seconds of {source}{speaker}{trust}."]
    out.append(f"Said: {line_of(line.words) or 'nothing'}")
    unsure = list(dict.fromkeys(word.text for word in item.words if word.doubted))
    if unsure and not any(one.code == "low-word" for one in item.findings):
        out.append(f"Not sure of: {line_of(', '.join(unsure))}")
    out.append(f"Caption: {line_of(item.caption)}")
    out += [f"{'Error' if one.error else 'Warning'}: {line_of(one.text)}" for one in item.findings]
    out += [f"Note: {line_of(one)}" for one in item.notices]
    return out


def clock(seconds: float) -> str:
    """2 min 3.20 s, as it is said."""
    minutes, rest = divmod(round(seconds, 2), 60)
    return f"{int(minutes)} min {rest:.2f} s" if minutes else f"{rest:.2f} s"


def fields_told(item: Item) -> list[str]:
    """Each field with its number."""
    return [
        f"{number} {label_of(field.name)}{', edited' if field.edited else ''}: {line_of(field.value) or 'left out'}"
        for number, field in enumerate(item.fields, 1)
    ]


def differences(item: Item) -> list[str]:
    """What a person changed of the draft, word by word."""
    return [
        f"{label_of(field.name)}: {'; '.join(_steps(field.draft.split(), field.value.split()))}"
        for field in item.fields
        if field.value != field.draft
    ]


def _steps(draft: Sequence[str], now: Sequence[str]) -> Iterable[str]:
    for kind, a, b, c, d in difflib.SequenceMatcher(None, draft, now, autojunk=False).get_opcodes():
        old, new = line_of(" ".join(draft[a:b])), line_of(" ".join(now[c:d]))
        if kind == "replace":
            yield f'"{old}" became "{new}"'
        elif kind == "delete":
            yield f'"{old}" is gone'
        elif kind == "insert":
            yield f'"{new}" came in'


def help_text(actions: Sequence[Action]) -> list[str]:
    """All that can be asked for: letter, name, what it does."""
    out = ["Type a letter or a name, then Enter; what it needs may follow: x too noisy. An empty line plays or stops."]
    for group, title in GROUPS.items():
        own = [action for action in actions if action.group == group]
        if own:
            out.append(f"{title}:")
        for action in own:
            keys = [SPOKEN_KEYS.get(key, key) for key in action.keys if len(key) == 1 or key in SPOKEN_KEYS]
            named = ", ".join([*keys, action.id] if action.id not in keys else keys)
            out.append(f"  {named}: {action.title}{_needs(action)}")
    return out


def _needs(action: Action) -> str:
    return f" (asks: {', '.join(action.asks)})" if action.asks else ""
