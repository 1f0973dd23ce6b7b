"""What the planner is asked and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from captioner.cuts.frames import FrameRule
from captioner.types import Activity, Cut, LeftOut, Line, Turn, Word

REASONS: dict[str, str] = {
    "no-speaker": "nobody is known to have spoken it",
    "overlap": "somebody else speaks at the same time",
    "near-other-speaker": "no silence between it and somebody else's words or turn",
    "no-gap": "no silence to cut in: longer than the longest clip, or joined to other words without a pause",
    "shot-change": "the picture changes to another shot while it is said",
    "too-short-room": "no allowed number of frames fits between its neighbours",
    "other-speaker": "only other speakers' clips were asked for",
    "recut": "a person cut it otherwise",
    "at-edge-of-file": "it begins or ends where the recording's picture or sound does",
}


@dataclass(frozen=True, slots=True)
class Footage:
    """One recording as the planner sees it."""

    slug: str
    lines: Sequence[Line]
    words: Sequence[Word]
    """All of the recording, in whatever line or none: only a cut's own are inside it."""
    turns: Sequence[Turn]
    activity: Activity
    shots: Sequence[float]
    """Seconds of each shot change."""
    start: float
    """Seconds from which there is both picture and sound..."""
    end: float
    """... and to which."""
    rate: Fraction
    """Frames a second of the clips."""
    rule: FrameRule


@dataclass(frozen=True, slots=True)
class PlanOptions:
    edge: float = 0.04
    """Seconds, the least between an end of a cut and any word."""
    foreign: float = 0.15
    """Seconds of other people's turns that a cut may hold: turn ends are no better than that."""
    file_edges: bool = True
    """Whether a cut may begin or end with the recording itself, closer than `edge` to a word, where the sound rises
    from or falls to silence there: nothing of that word is missing in the recording, so nothing is cut off."""


@dataclass(frozen=True, slots=True)
class Plan:
    cuts: tuple[Cut, ...]
    """In order of their first frame."""
    left_out: tuple[LeftOut, ...]
    """In order of time. Every line is in exactly one cut or here; of a line that was split, every word is."""
