"""The frame rate that a list of times keeps to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

_COMMON = tuple(
    Fraction(rate)
    for rate in ("24", "25", "30", "24000/1001", "30000/1001", "50", "60", "60000/1001", "48", "120", "15", "12", "10")
)
_SAME = Fraction(1, 2000)
"""How near a claim must be to a usual rate to mean it: half of what parts 30 from 30000/1001."""
_ROUNDING = 0.0025
"""Seconds that a constant stream's times may deviate: containers round to 1 ms, and phones shake a little more."""


def constant_rate(runs: Sequence[Sequence[float]], declared: Iterable[Fraction | None]) -> Fraction | None:
    """The exact rate of frames shown at these times, or None where it varies.

    `runs`: stretches of the stream, each the times in seconds of consecutive frames, in the order shown. `declared`:
    rates that the container claims. The first that fits all times wins: usual rates next to a claim (a claim may be the
    average of rounded times), claims as they are, other usual rates, and at last what the times themselves say.
    """
    runs = [run for run in runs if len(run) > 1]
    claims = [rate for rate in declared if rate is not None and 1 <= rate <= 1000]
    if not runs:
        return claims[0] if claims else None
    near = [usual for claim in claims for usual in _COMMON if abs(usual / claim - 1) < _SAME]
    for rate in [*near, *claims, *_COMMON]:
        if all(_fits(run, rate) for run in runs):
            return rate
    measured = average_rate(max(runs, key=len))
    return measured if measured is not None and all(_fits(run, measured) for run in runs) else None


def average_rate(run: Sequence[float]) -> Fraction | None:
    """Frames a second over the whole of a run; None for fewer than two frames or no time between them."""
    if len(run) < 2 or run[-1] - run[0] < 1e-6 * len(run):
        return None
    return Fraction((len(run) - 1) / (run[-1] - run[0])).limit_denominator(1001)


def _fits(run: Sequence[float], rate: Fraction) -> bool:
    """Whether every time lies within the rounding of one grid at `rate`, wherever that grid begins."""
    step, first = float(1 / rate), run[0]
    low = high = 0.0
    limit = 2 * min(_ROUNDING, step / 4)
    for index, time in enumerate(run):
        off = time - first - index * step
        low, high = min(low, off), max(high, off)
        if high - low > limit:
            return False
    return True
