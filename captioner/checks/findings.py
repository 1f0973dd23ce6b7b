"""What a check found: one value for all rules, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a finding costs. Only an error makes a check fail."""

    ERROR = "error"
    """Corrupts the result, or loses what should have been learnt or heard."""
    WARNING = "warning"
    """Likely harm, or harm in some use of it."""
    INFO = "info"


_RANKS = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule found in one file."""

    rule: str
    """The rule's id: `L01`."""
    severity: Severity
    file: str
    """As the user gave it, or relative to the dataset."""
    found: str
    """What is there, with its numbers: "the up-matrices of block 47 are zero"."""
    cost: str = ""
    """What it costs in the user's terms: "the voice is the base model's". Empty where nothing is lost."""
    fix: str = ""
    """What to do next. Empty where there is nothing to do."""
    line: int | None = None
    """1-based, in files that have lines."""
    silenced: str | None = None
    """The reason that the user gave for not counting it."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, always with the same keys."""
        return {
            "rule": self.rule,
            "severity": self.severity.value,
            "file": self.file,
            "line": self.line,
            "found": self.found,
            "cost": self.cost,
            "fix": self.fix,
            "silenced": self.silenced,
        }

    def as_text(self, *, with_file: bool = True) -> str:
        """Up to three lines, not ending in one: what was found, what it costs, what to do."""
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        head = f"{self.severity.value} {self.rule}" + (" (silenced)" if self.silenced is not None else "")
        lines = [f"{place if with_file else ''}{head}: {self.found}"]
        if self.silenced is not None:
            return printable(f"{lines[0]} [{self.silenced or 'no reason given'}]")
        if self.cost:
            lines.append(f"    costs: {self.cost}")
        if self.fix:
            lines.append(f"    fix:   {self.fix}")
        return "\n".join(printable(line) for line in lines)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """By file, then the worst first, then by rule and line."""
    return sorted(findings, key=lambda one: (one.file, _RANKS[one.severity], one.rule, one.line or 0))


def failing(findings: Iterable[Finding]) -> bool:
    """Whether any error counts."""
    return any(one.severity is Severity.ERROR and one.silenced is None for one in findings)


def counted(findings: Iterable[Finding]) -> dict[str, int]:
    """How many of each severity, silenced ones apart."""
    counts = {severity.value: 0 for severity in Severity} | {"silenced": 0}
    for one in findings:
        counts["silenced" if one.silenced is not None else one.severity.value] += 1
    return counts


def silence(findings: Iterable[Finding], reasons: Mapping[str, str]) -> list[Finding]:
    """The findings, those of a named rule with the reason why they do not count. They are kept, never hidden."""
    return [replace(one, silenced=reasons[one.rule]) if one.rule in reasons else one for one in findings]


def printable(text: str) -> str:
    """One line that a terminal cannot be steered by: names in foreign files may hold escape codes."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
