"""Which clips go where: training or validation by their source, and the few of a first experiment. Touches no file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from captioner.drafting import Drafter
from captioner.errors import UsageError
from captioner.exporting.dataset import Clip
from captioner.exporting.heard import trigger_of, without_trigger
from captioner.times import Span
from captioner.trainers._files import Prompts
from captioner.types import Cut, Word

FEWEST, MOST = 5, 10
"""Clips of a first experiment."""
STEPS_EACH = 80
LEAST_STEPS, MOST_STEPS = 300, 800
SENTENCE = "I left the keys on the kitchen table."
"""What is said in a prompt where the dataset has no other words: nobody says it in a dataset by chance."""


def held_back(clips: Sequence[Clip], share: float) -> frozenset[str]:
    """Names of the recordings that are for validation: whole files, about `share` of all clips, at least one of each
    side. The same for the same recordings, whatever their order. Raises UsageError."""
    if not 0 < share < 1:
        raise UsageError(f"--split {share:g}: give the share of clips to hold back, above 0 and below 1")
    counts = Counter(clip.recording for clip in clips)
    if len(counts) < 2:
        raise UsageError(
            "--split: all clips come from one recording, which would be on both sides; validate by ear, or add a file"
        )
    order = sorted(counts, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    wanted = share * len(clips)
    held: list[str] = []
    for name in order:
        have = sum(counts[one] for one in held)
        closer = abs(have + counts[name] - wanted) < abs(have - wanted)
        if closer and len(held) < len(counts) - 1:
            held.append(name)
    return frozenset(held or [min(order, key=lambda name: (counts[name], order.index(name)))])


def best(clips: Sequence[Clip], drafter: Drafter) -> list[Clip]:
    """The clips of a first experiment: of the trigger that most clips have, those most surely right and cleanest."""
    spoken = [clip for clip in clips if clip.cut.text] or list(clips)
    triggers = {clip.id: trigger_of(clip, drafter) for clip in spoken}
    common = Counter(triggers.values()).most_common(1)[0][0]
    own = [clip for clip in spoken if triggers[clip.id] == common]
    return sorted(own, key=_merit, reverse=True)[:MOST]


def _merit(clip: Clip) -> tuple[bool, float, float, str]:
    cut = clip.cut
    clean = (cut.quality.overall or 0.0) + min(cut.scene.snr or 0.0, 40.0) / 20
    return not cut.all_doubts, round(cut.trust or 0.0, 1), round(clean, 2), clip.id


def steps_for(clips: int) -> int:
    """Steps of a first experiment."""
    return max(LEAST_STEPS, min(MOST_STEPS, STEPS_EACH * clips))


def prompts(chosen: Sequence[Clip], rest: Sequence[Clip], drafter: Drafter) -> Prompts:
    """Words that were trained on, words that were not, and the first without the trigger."""
    first = chosen[0]
    trigger = trigger_of(first, drafter)
    known = drafter.draft(first.cut, None).text
    there = {clip.id for clip in chosen}
    others = [clip.cut.text for clip in rest if clip.id not in there and clip.cut.speaker == first.cut.speaker]
    new = next((text for text in others if len(text.split()) >= 4), SENTENCE)
    unheard = drafter.draft(saying(first.cut, new), None).text
    return Prompts((known, unheard), without_trigger(known, trigger))


def saying(cut: Cut, text: str) -> Cut:
    """The cut with other words, spread evenly over its lines' time."""
    if not cut.lines or not cut.lines[0].words:
        return cut
    span = Span(cut.lines[0].span.start, cut.lines[-1].span.end)
    parts = text.split()
    step = span.duration / max(1, len(parts))
    words = tuple(
        Word(part, Span.at(span.start + place * step, span.start + (place + 1) * step), speaker=cut.speaker)
        for place, part in enumerate(parts)
    )
    return replace(cut, lines=(replace(cut.lines[0], words=words),))
