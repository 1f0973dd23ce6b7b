"""The frame boundaries of one recording, and how good a place each is to begin or to end a cut.

Everything is an array over the frame grid, made once, so that judging a boundary later is a look-up.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from captioner.speech.doubt import unheard
from captioner.speech.regions import Ear, Mask, distance, listen, quiet_of, talking
from captioner.types import STEP, Activity, Word

Costs = NDArray[np.float32]
"""float32 (n,), one value a frame boundary; infinity where no cut may end."""

FAR_FROM_SPEECH = 0.15
"""Seconds from heard speech after which more room makes a boundary no better."""
FAR_AFTER = 0.15
FAR_BEFORE = 0.2
"""Seconds from a word's end, and to the next word's start: the start is the less certain, for a word may begin with the
closure of a stop or a soft fricative that nothing hears."""
SPEECH_COST, NEAR_COST, WORD_COST = 60.0, 100.0, 100.0
LEVEL_COST = 2.0
"""For each dB above the floor."""
VOICED_COST = 10.0
ONSET = 12.0
"""dB by which the sound at a recording's own edge must be below the word there: the recording did not clip it."""
ONSET_WITHIN = 0.2
SHOT_SLACK = Fraction(1, 1000)
"""Seconds: shot times are rounded to 1 ms, so a change may be shown that much beside its time."""
ROUNDING = Fraction(1, 2000)


@dataclass(frozen=True, slots=True)
class Grid:
    """Boundary k lies at k / rate seconds; `first` and `last` are those at the bounds of picture and sound."""

    rate: Fraction
    first: int
    last: int
    cost: Costs
    """Of boundary `first + i`, from what is heard there; infinity where it is not quiet. (last - first + 1,)"""
    unheard: NDArray[np.float64]
    """Seconds of speech without a word before each boundary, same shape."""
    ends_of_shots: tuple[int, ...]
    """For each shot change, the last boundary at which the old shot may end."""
    starts_of_shots: tuple[int, ...]
    """For each shot change, the first boundary at which the new shot may start."""
    shots: tuple[int, ...]
    """Milliseconds of each shot change, ascending."""
    ear: Ear
    talk: Mask

    def at_or_after(self, ms: int) -> int:
        """The first boundary that is not before a time in milliseconds."""
        return -((-ms * self.rate.numerator) // (1000 * self.rate.denominator))

    def at_or_before(self, ms: int) -> int:
        return (ms * self.rate.numerator) // (1000 * self.rate.denominator)

    def costs(self, low: int, high: int) -> Costs:
        """Costs of the boundaries from `low` to `high`, both inside the grid. A view: do not write."""
        return self.cost[low - self.first : high - self.first + 1]

    def milliseconds(self, low: int, high: int) -> NDArray[np.float64]:
        """Times of the boundaries from `low` to `high`."""
        return np.arange(low, high + 1, dtype=np.float64) * (1000.0 * self.rate.denominator / self.rate.numerator)

    def shot_limits(self, start: int, end: int) -> tuple[int, int] | None:
        """First and last boundary of the shot that holds [start, end] ms whole; None where a change is inside it."""
        index = bisect_right(self.shots, start)
        if index < len(self.shots) and self.shots[index] < end:
            return None
        low = self.starts_of_shots[index - 1] if index else self.first
        high = self.ends_of_shots[index] if index < len(self.shots) else self.last
        return max(low, self.first), min(high, self.last)

    def crosses_shot(self, first: int, last: int) -> bool:
        """Whether a cut between two boundaries would show frames of two shots."""
        index = bisect_left(self.starts_of_shots, first + 1)
        return index < len(self.ends_of_shots) and self.ends_of_shots[index] < last

    def begins_softly(self, ms: int) -> bool:
        """Whether the sound just after a time is far below what follows: nothing was clipped there."""
        at = min(int(ms / 1000 / STEP), max(0, len(self.ear.level) - 1))
        after = self.ear.level[at : at + round(ONSET_WITHIN / STEP) + 1]
        return len(after) > 0 and float(after[0]) <= float(after.max()) - ONSET

    def ends_softly(self, ms: int) -> bool:
        at = min(round(ms / 1000 / STEP), len(self.ear.level))
        before = self.ear.level[max(0, at - round(ONSET_WITHIN / STEP) - 1) : at]
        return len(before) > 0 and float(before[-1]) <= float(before.max()) - ONSET


def make_grid(
    activity: Activity, words: Sequence[Word], shots: Sequence[float], start: float, end: float, rate: Fraction
) -> Grid:
    """`start` and `end`: seconds between which there is picture and sound. `words`: all of the recording's."""
    first = max(0, math.ceil((Fraction(milliseconds(start), 1000) - ROUNDING) * rate))
    last = max(first, math.floor((Fraction(milliseconds(end), 1000) + ROUNDING) * rate))
    ear = listen(activity)
    talk = talking(ear)
    changes = [Fraction(milliseconds(shot), 1000) for shot in sorted(shots)]
    return Grid(
        rate=rate,
        first=first,
        last=last,
        cost=_costs(ear, talk, first, last, rate),
        unheard=_unheard(activity, words, first, last, rate),
        ends_of_shots=tuple(math.floor((shot + SHOT_SLACK) * rate) for shot in changes),
        starts_of_shots=tuple(math.ceil((shot - SHOT_SLACK) * rate) for shot in changes),
        shots=tuple(milliseconds(shot) for shot in sorted(shots)),
        ear=ear,
        talk=talk,
    )


def milliseconds(value: float) -> int:
    return round(value * 1000)


def _times(first: int, last: int, rate: Fraction) -> NDArray[np.float64]:
    return np.arange(first, last + 1, dtype=np.float64) * (rate.denominator / rate.numerator)


def _costs(ear: Ear, talk: Mask, first: int, last: int, rate: Fraction) -> Costs:
    """A boundary touches the 10 ms frames within 5 ms of it: both must be quiet, the worse one counts."""
    count = len(ear.speech)
    times = _times(first, last, rate)
    if not count:
        return np.full(len(times), np.inf, np.float32)
    far = np.minimum(distance(talk), np.float32(FAR_FROM_SPEECH)) / np.float32(FAR_FROM_SPEECH)
    frame = (
        SPEECH_COST * ear.speech
        + LEVEL_COST * np.maximum(ear.level - ear.floor, 0)
        + NEAR_COST * (1 - far) ** 2
        + (VOICED_COST * ear.voiced)
    ).astype(np.float32)
    frame[~quiet_of(ear)] = np.inf
    before = np.clip(np.floor((times - 0.005) / STEP + 1e-6).astype(np.int64), 0, count - 1)
    after = np.clip(np.floor((times + 0.005) / STEP + 1e-6).astype(np.int64), 0, count - 1)
    return np.asarray(np.maximum(frame[before], frame[after]), np.float32)


def _unheard(activity: Activity, words: Sequence[Word], first: int, last: int, rate: Fraction) -> NDArray[np.float64]:
    total = np.zeros(len(activity) + 1)
    for span in unheard(words, activity):
        total[round(span.start / STEP) + 1 : round(span.end / STEP) + 1] = STEP
    return np.interp(_times(first, last, rate), np.arange(len(total)) * STEP, np.cumsum(total))


def word_costs(ms: NDArray[np.float64], before: int | None, after: int | None) -> NDArray[np.float64]:
    """What it costs to be near the words on both sides, for boundaries at `ms`. Milliseconds; None: no word."""
    cost = np.zeros(len(ms))
    if before is not None:
        cost += WORD_COST * (1 - np.clip((ms - before) / (1000 * FAR_AFTER), 0, 1)) ** 2
    if after is not None:
        cost += WORD_COST * (1 - np.clip((after - ms) / (1000 * FAR_BEFORE), 0, 1)) ** 2
    return cost
