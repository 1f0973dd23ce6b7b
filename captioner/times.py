"""Times: seconds on a recording's own clock, rounded once to 1 ms, and stretches of them."""

from __future__ import annotations

from dataclasses import dataclass


def seconds(value: float) -> float:
    """A time as it is kept inside: rounded to 1 ms, so that equal times compare equal."""
    return round(float(value), 3)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of time in seconds, `start <= end`. Made with `Span.at`, which rounds."""

    start: float
    end: float

    @classmethod
    def at(cls, start: float, end: float) -> Span:
        first, last = seconds(start), seconds(end)
        if last < first:
            raise ValueError(f"a span ends before it starts: {start} to {end}")
        return cls(first, last)

    @property
    def duration(self) -> float:
        return seconds(self.end - self.start)

    def overlap(self, other: Span) -> float:
        """Seconds that both cover; 0.0 where they only touch."""
        return max(0.0, seconds(min(self.end, other.end) - max(self.start, other.start)))

    def contains(self, other: Span) -> bool:
        return self.start <= other.start and other.end <= self.end
