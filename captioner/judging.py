"""What is measured of a Cut, judged: quality gates, trust and purity become doubts. Nothing here runs a model."""

from __future__ import annotations

from collections.abc import Sequence

from captioner.planning import PlannedJob
from captioner.settings import Settings


def judge_all(planned: Sequence[PlannedJob], settings: Settings) -> list[PlannedJob]:
    """The same, every cut with the doubts that its measures give."""
    del settings
    return list(planned)
