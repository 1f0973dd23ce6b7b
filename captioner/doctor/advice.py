"""What the doctor says: one value for every finding, as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How bad it is. Only BAD makes the command fail."""

    FINE = "fine"
    NOTE = "note"
    """Worth knowing."""
    WARNING = "warning"
    """Something is slower, or will fail later."""
    BAD = "bad"
    """The work that the settings ask for cannot be done."""


RANKS = (Level.BAD, Level.WARNING, Level.NOTE, Level.FINE)
_MARKS = {Level.BAD: "FAIL", Level.WARNING: "warn", Level.NOTE: "note", Level.FINE: "ok  "}


@dataclass(frozen=True, slots=True)
class Advice:
    """One finding."""

    topic: str
    """`gpu`, `versions`, `disk`, `hub`, `codecs`, `audio`, `terminal`, `packages`."""
    level: Level
    what: str
    """What was found, with its numbers."""
    why: str = ""
    """Why it matters. Empty where all is fine."""
    command: str = ""
    """The one thing to type. Empty where there is nothing to do."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"level": self.level.value}

    def as_text(self) -> str:
        lines = [f"{_MARKS[self.level]} {self.topic}: {self.what}"]
        if self.why:
            lines.append(f"       why: {self.why}")
        if self.command:
            lines.append(f"       do:  {self.command}")
        return "\n".join(lines)


def fine(topic: str, what: str) -> Advice:
    return Advice(topic, Level.FINE, what)


def note(topic: str, what: str, why: str = "", command: str = "") -> Advice:
    return Advice(topic, Level.NOTE, what, why, command)


def warning(topic: str, what: str, why: str, command: str) -> Advice:
    return Advice(topic, Level.WARNING, what, why, command)


def bad(topic: str, what: str, why: str, command: str) -> Advice:
    return Advice(topic, Level.BAD, what, why, command)
