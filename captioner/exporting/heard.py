"""The heard-text guarantee: a caption says exactly the words whose sound lies in the trainer's window. Touches no file.

A word is in the window or outside it; where the window's edge cuts through one, the clip is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from captioner.captions.adopt import spoken_in
from captioner.drafting import Drafter
from captioner.exporting.dataset import Clip
from captioner.measures import Scene, Voice
from captioner.trainers import Trainer
from captioner.trainers._window import EDGE, SAME_TEMPO, Window
from captioner.types import Cut, Line, Word


@dataclass(frozen=True, slots=True)
class Told:
    """The caption that goes with a window."""

    caption: str
    cut: Cut
    """With the words that are heard."""
    rendered: bool = False
    """Whether it is another than stands in the dataset."""
    lost: tuple[str, ...] = ()
    """Words of the clip that are not heard."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    why: str


SEEN = ("trigger", "subject", "place", "visual", "text")
"""Fields that say nothing of what is heard."""


def sorted_words(cut: Cut, window: Window) -> tuple[list[Word], list[Word], list[Word]]:
    """The words inside the window, those outside, and those that an edge of it cuts."""
    begin = float(cut.start / cut.rate)
    inside, outside, split = [], [], []
    for word in (word for line in cut.lines for word in line.words):
        start, end = word.span.start - begin, word.span.end - begin
        if not window.samples or end <= window.start + EDGE or start >= window.end - EDGE:
            outside.append(word)
        elif window.holds(start, end):
            inside.append(word)
        else:
            split.append(word)
    return inside, outside, split


def holding(cut: Cut, words: list[Word]) -> Cut:
    """The cut with these of its words alone; its speaker stays known where none is left."""
    kept = {id(word) for word in words}
    lines = tuple(replace(line, words=tuple(word for word in line.words if id(word) in kept)) for line in cut.lines)
    some: tuple[Line, ...] = tuple(line for line in lines if line.words)
    return replace(cut, lines=some or lines[:1])


def told(clip: Clip, window: Window, asked: Trainer, drafter: Drafter, *, again: bool) -> Told | Refused:
    """The caption for what a trainer hears of a clip; `again`: in another dialect than the dataset's, so that
    captions that no person wrote are drafted in it."""
    if not window.listed:
        return Refused("; ".join(window.losses))
    if not asked.TAKES_SOUND:
        return _unheard(clip, drafter)
    if not window.certain and clip.cut.text:
        return Refused("another stretch of it is drawn each time: no caption can hold its words")
    if abs(window.tempo - 1) > SAME_TEMPO:
        return Refused(next((line for line in window.losses if "plays" in line), "its sound is stretched"))
    inside, outside, split = sorted_words(clip.cut, window)
    if split:
        word, begin = split[0], float(clip.cut.start / clip.cut.rate)
        return Refused(
            f'it is heard from {window.start:.2f} to {window.end:.2f} s, and that cuts "{word.text}" '
            f"({word.span.start - begin:.2f} to {word.span.end - begin:.2f} s)"
        )
    lost = tuple(word.text for word in outside)
    if clip.by_hand:
        if lost:
            return Refused(
                f"its caption was written by hand and {' '.join(lost)!r} is not heard: shorten it, or build for this "
                "trainer (--for)"
            )
        return Told(clip.caption, clip.cut, notes=("its caption was written by hand and stays",) if again else ())
    if not lost and not again:
        return Told(clip.caption, clip.cut)
    cut = _within(holding(clip.cut, inside), window) if lost else clip.cut
    return Told(drafter.draft(cut, clip.adopted, clip.texts).text, cut, True, lost)


def _within(cut: Cut, window: Window) -> Cut:
    """The cut without the sounds that are tagged outside the window."""
    events = tuple(
        tag for tag in cut.scene.events if window.start - EDGE < tag.span.end and tag.span.start < window.end
    )
    return replace(cut, scene=replace(cut.scene, events=events))


def _unheard(clip: Clip, drafter: Drafter) -> Told:
    """For a trainer that hears nothing: who and what is seen, no word and no sound."""
    if clip.by_hand:
        return Told(clip.caption, clip.cut, notes=("its caption was written by hand and stays, speech and all",))
    cut = replace(holding(clip.cut, []), scene=Scene(), voice=Voice())
    seen = {name: text for name, text in clip.texts.items() if name in SEEN}
    return Told(drafter.draft(cut, None, seen).text, cut, True)


def trigger_of(clip: Clip, drafter: Drafter) -> str:
    """The trigger of a clip's speaker."""
    return drafter.draft(clip.cut, None, clip.texts).fields.get("trigger") or drafter.captions.trigger


def times_said(caption: str, trigger: str) -> int:
    """How often a trigger stands in a caption, besides the words that are spoken."""
    found = _found(trigger)
    return len(found.findall(caption)) - len(found.findall(spoken_in(caption) or ""))


def without_trigger(caption: str, trigger: str) -> str:
    """The caption for a trainer that puts the trigger there itself."""
    left = re.compile(rf"{_found(trigger).pattern}\s*[,:]?\s*").sub("", caption, count=1)
    return left.strip()


def _found(trigger: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(trigger)}(?!\w)")
