"""What a window leaves out of a clip, in the listener's words. Pure."""

from __future__ import annotations

from captioner.checks.view import ClipView
from captioner.trainers._window import EDGE, LATENT_STEP, Window, many

MOST_SHOWN = 12
"""Words that a sentence shows."""


def words_lost(clip: ClipView, window: Window) -> tuple[str, ...] | None:
    """The words that are not, or not wholly, in the sound that is used; None where nobody knows the words."""
    if clip.words is None:
        return None
    return tuple(word.text for word in clip.words if not window.holds(word.span.start, word.span.end))


def words_heard(clip: ClipView, window: Window | None) -> tuple[str, ...] | None:
    """The words that are wholly in it; all of them without a window, None where nobody knows the words."""
    if clip.words is None:
        return None
    return tuple(word.text for word in clip.words if window is None or window.holds(word.span.start, word.span.end))


def quoted(words: tuple[str, ...]) -> str:
    """`the words "from the beginning"`"""
    shown = " ".join(words[:MOST_SHOWN]) + (" ..." if len(words) > MOST_SHOWN else "")
    return f'the word{"s" if len(words) > 1 else ""} "{shown}"'


def tail_lost(clip: ClipView, window: Window) -> str:
    """What is lost at its end: "the last 0.84 s, with the words "from the beginning", are not heard"."""
    facts = clip.facts
    gone = facts.offset + float(facts.sound) - window.end
    if not window.samples or gone < EDGE:
        behind = max(0, facts.frames - window.first - window.frames)
        return f"the last {float(behind / facts.rate) if facts.rate else 0.0:.2f} s are not seen"
    words = words_lost(clip, window)
    if words:
        return f"the last {gone:.2f} s, with {quoted(words)}, are not heard, and the caption still says them"
    if words is None:
        return f"the last {gone:.2f} s are not heard: whatever is said there stays in the caption and out of the sound"
    return f"the last {gone:.2f} s are not heard; nothing is said there"


def harmless(clip: ClipView, window: Window) -> bool:
    """Whether it is known that no word is lost."""
    return words_lost(clip, window) == ()


def hears(window: Window) -> bool:
    """Whether any sound of the clip is used."""
    return window.samples > 0


__all__ = ["EDGE", "LATENT_STEP", "harmless", "hears", "many", "quoted", "tail_lost", "words_heard", "words_lost"]
