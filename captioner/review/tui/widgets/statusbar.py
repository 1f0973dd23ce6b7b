"""The lines above and below: where one is, how far, how fast, what state the keys are in, and what they do."""

from __future__ import annotations

from collections.abc import Sequence

from captioner.review.tui.palette import Glyphs
from captioner.review.tui.rows import Piece, clean, fit, width_of


def number(value: int) -> str:
    """A count with thin groups: 20 000."""
    return f"{value:,}".replace(",", " ")


def between(left: Sequence[Piece], right: Sequence[Piece], width: int, fill: str) -> list[Piece]:
    """Pieces at both ends of a line; where there is no room for both, the left ones give way."""
    taken = sum(width_of(text) for text, _ in right)
    if taken > width:
        return _cut(right, width)
    kept = _cut(left, width - taken)
    used = sum(width_of(text) for text, _ in kept)
    return [*kept, (" " * (width - used - taken), fill), *right]


def _cut(pieces: Sequence[Piece], width: int) -> list[Piece]:
    kept: list[Piece] = []
    for text, role in pieces:
        cells = width_of(text)
        if cells > width:
            kept.append((fit(text, max(width, 0)), role))
            break
        kept.append((text, role))
        width -= cells
    return kept


def title_bar(
    name: str, query: str, done: int, total: int, rate: float | None, width: int, sign: Glyphs
) -> list[Piece]:
    """`rate`: clips decided a minute; None until that can be said."""
    left: list[Piece] = [(" captioner ", "bar_accent"), (f" {clean(name)} ", "bar")]
    if query:
        left += [(f" / {clean(query)} ", "bar_accent")]
    told = f"{number(done)}/{number(total)} done"
    if rate:
        told += f" {sign.dot} {rate:.1f}/min"
        if total > done:
            told += f" {sign.dot} {sign.about}{lasting((total - done) / rate)}"
    return between(left, [(told + " ", "bar_soft")], width, "bar")


def lasting(minutes: float) -> str:
    """A stretch of time as a person says it: `4 min`, `3 h`, `2 d`."""
    if minutes < 90:
        return f"{max(round(minutes), 1)} min"
    return f"{round(minutes / 60)} h" if minutes < 60 * 48 else f"{round(minutes / 1440)} d"


def status_lines(state: str, message: str, kind: str, sound: str, width: int) -> tuple[list[Piece], list[Piece]]:
    """The state's name, what was just done or went wrong, and where the sound comes from.

    The second line has what of a long message has no room in the first; empty where it has.
    """
    badge = {"Edit": "state_edit", "Trim": "state_trim", "Select": "state_trim", "Prompt": "state_edit"}
    left: list[Piece] = [(f" {state} ", badge.get(state, "bar_accent")), (" ", "bar")]
    role = {"error": "error", "warn": "warn"}.get(kind, "bar")
    room = width - sum(width_of(text) for text, _ in left) - (width_of(sound) + 2 if sound else 0)
    text = clean(message)
    first = text
    if width_of(text) > room:
        first = fit(text, max(room, 0)).rsplit(" ", 1)[0] if " " in fit(text, max(room, 0)).strip() else text[:room]
    rest = text[len(first) :].strip()
    right: list[Piece] = [(f" {sound} ", "bar_soft")] if sound else []
    below: list[Piece] = [(f" {rest}", role)] if rest and kind else []
    return between([*left, (first if below else text, role)], right, width, "bar"), below


def key_bar(hints: Sequence[tuple[str, str]], width: int) -> list[Piece]:
    """As many keys as there is room for, the last of them (help) always among them."""
    if not hints:
        return []
    *others, last = hints
    ending = _hint(*last)
    room = width - sum(width_of(text) for text, _ in ending)
    pieces: list[Piece] = []
    for key, title in others:
        hint = _hint(key, title)
        cells = sum(width_of(text) for text, _ in hint)
        if cells > room:
            break
        pieces += hint
        room -= cells
    return pieces + ending


def _hint(key: str, title: str) -> list[Piece]:
    return [(f" {key}", "key"), (f" {title} ", "soft")]
