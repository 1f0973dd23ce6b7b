"""What an action came to, and how far a review is: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an action came to."""

    message: str = ""
    """For the status line."""
    kind: str = ""
    """`""`, `warn` or `error`: how to show it."""
    confirm: str = ""
    """A question: the same call with `confirmed=True` does it. Nothing was done."""
    rows: tuple[str, ...] = ()
    """Ids of clips whose rows are others now."""
    everything: bool = False
    """Whether the whole list is another: other clips, or any row may have changed."""
    moved: bool = False
    """Whether the cursor is elsewhere."""


@dataclass(frozen=True, slots=True)
class Stats:
    total: int
    counts: Mapping[str, int]
    """Clips by status."""
    done: int
    """Approved and rejected."""
    rate: float | None
    """Clips decided a minute in this session; None before the second."""
    left: float | None
    """Seconds that the rest takes at that rate."""
