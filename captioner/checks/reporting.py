"""A report as text for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.checks.findings import Finding, counted, printable
from captioner.checks.running import Report

if TYPE_CHECKING:
    from captioner.checks.fixing import Fixed

MOST = 8
"""Findings of one rule that are shown where there are many more."""


def as_text(report: Report, *, every: bool = False) -> str:
    """The findings by rule, the worst first, each rule's cost and fix told once; then the counts."""
    lines = []
    order = {"error": 0, "warning": 1, "info": 2}
    findings = sorted(report.findings, key=lambda one: (one.silenced is not None, order[one.severity.value], one.rule))
    for _, group in groupby(findings, key=lambda one: (one.silenced is not None, one.severity, one.rule)):
        lines += _of_rule(list(group), every)
    lines += [f"note: {printable(note)}" for note in report.notes]
    for one in report.skipped:
        lines.append(f"not run: {', '.join(one.rules)}: {one.why}")
    return "\n".join([*lines, summary(report)])


def _of_rule(found: Sequence[Finding], every: bool) -> list[str]:
    lines = []
    shown = found if every or len(found) <= MOST + 2 else found[:MOST]
    told: tuple[str, str] | None = None
    for one in shown:
        same = told == (one.cost, one.fix) and one.silenced is None
        text = one.as_text()
        lines += text.splitlines()[:1] if same else text.splitlines()
        told = (one.cost, one.fix)
    if len(shown) < len(found):
        lines.append(f"    ... and {len(found) - len(shown)} more of {found[0].rule} (--all shows them)")
    return lines


def summary(report: Report) -> str:
    counts = counted(report.findings)
    told = ", ".join(
        f"{number} {name if name == 'silenced' or number == 1 else f'{name}s' if name != 'info' else 'notes'}"
        for name, number in counts.items() if number
    )  # fmt: skip
    told = told.replace("1 info", "1 note")
    who = f" for {report.trainer}" if report.trainer else ""
    clips = "1 clip" if report.clips == 1 else f"{report.clips} clips"
    again = "; nothing changed since the last check" if report.remembered else ""
    return f"{clips}{who}, {len(report.ran)} rules: {told or 'nothing wrong'}{again}"


def fixed_text(done: Sequence[Fixed], kept: Path | None) -> str:
    """What `--fix` did, a line each, and where what was there before is kept."""
    if not done:
        return "nothing that --fix can mend safely"
    lines = [
        f"fixed {one.rule}: {printable(one.file)}: {one.told}" + ("" if one.gone else " (and it is still found)")
        for one in done
    ]
    return "\n".join([*lines, f"what was there before is kept in {kept}"])
