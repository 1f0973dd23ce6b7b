"""Sound in a Cut that no word explains: a false start, a murmur of somebody else, a word that was missed. Pure.

Speech detectors pass by what is shorter than a syllable, or softer than the voice; a trainer hears it all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from captioner.measures import Tag
from captioner.speech.regions import runs
from captioner.times import Span
from captioner.types import STEP, Activity, Cut, Doubt

REASON = "unexplained-sound"

BESIDE = 0.1
"""Seconds beside a word that are still its own: word ends are off by as much, and rooms ring."""
LEAST = 0.05
"""Seconds that a sound lasts at least: a click is shorter."""
UNDER_VOICE = 15.0
"""dB under the voice down to which a sound counts: breaths and lips stay below. Of 75 cuts of clean speech none has
one; of far-field meetings those with a false start or an unwritten word do."""
OVER_FLOOR = 15.0
"""dB over the cut's quiet moments from which it stands out: noise and music that go on do not."""
QUIETEST = -75.0
"""dBFS: floors below it are digital silence, over which everything would stand out."""
VOICE_LIKE = 20
"""Speech probability x 255 that it reaches somewhere: steps and doors do not, an [s] does."""
NEAR = 3
"""Frames beside the sound in which that is looked for: the detector's windows are 32 ms."""


def unexplained(cut: Cut, activity: Activity) -> tuple[Doubt, ...]:
    """A doubt for the longest sound in the cut that might be somebody's and that no word explains, if there is one."""
    level = np.frombuffer(activity.level, dtype=np.int8).astype(np.float64)
    speech = np.frombuffer(activity.speech, dtype=np.uint8)
    inside, said = np.zeros(len(level), dtype=bool), np.zeros(len(level), dtype=bool)
    inside[round(cut.span.start / STEP) : round(cut.span.end / STEP)] = True
    free = inside.copy()
    for word in (word for line in cut.lines for word in line.words):
        said[round(word.span.start / STEP) : round(word.span.end / STEP)] = True
        free[max(0, round((word.span.start - BESIDE) / STEP)) : round((word.span.end + BESIDE) / STEP)] = False
    if not (said & inside).any():
        return ()
    voice = float(np.percentile(level[said], 75))
    floor = max(QUIETEST, float(np.percentile(level[inside], 10)))
    loud = free & (level > max(voice - UNDER_VOICE, floor + OVER_FLOOR))
    found = [
        (end - start, start)
        for start, end in runs(loud)
        if (end - start) * STEP >= LEAST - 1e-9 and speech[max(0, start - NEAR) : end + NEAR].max() >= VOICE_LIKE
    ]
    if not found:
        return ()
    length, start = max(found)
    under = voice - float(level[start : start + length].max())
    where = Span.at(start * STEP, (start + length) * STEP)
    beside = f"{under:.0f} dB under the voice" if under >= 0.5 else "as loud as the voice"
    return (
        Doubt(REASON, f"{where.duration:.2f} s of sound at {where.start:.2f} s, {beside}, and no word for it", where),
    )


def explained(cut: Cut, events: Sequence[Tag]) -> tuple[Doubt, ...]:
    """The cut's doubts without those about a sound that a tagger has a name for. `events` in seconds of the cut."""
    begin = cut.span.start

    def named(span: Span) -> bool:
        return any(event.span.start + begin < span.end and event.span.end + begin > span.start for event in events)

    return tuple(one for one in cut.doubts if one.reason != REASON or one.span is None or not named(one.span))
