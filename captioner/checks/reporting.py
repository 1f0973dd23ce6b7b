"""A report as text for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.checks.findings import Finding, counted, printable
from captioner.checks.lost import many
from captioner.checks.running import Report

if TYPE_CHECKING:
    from captioner.checks.fixing import Fixed

MOST = 8
"""Findings of one rule that are shown where there are many more."""


MOST_NAMED = 9
"""Rules that did not run and are named; of more only the number is said (--json names all)."""
FIRST = ("P02", "T06", "T10", "P07", "A11", "P08", "A08", "A09", "A12")
"""Rules by which a whole run stops, trains nothing or hears nothing: what is wrong with single clips comes after."""


def as_text(report: Report, *, every: bool = False) -> str:
    """The findings by rule, the worst first, what costs and mends the same told once; then the counts."""
    lines = []
    for _, group in groupby(sorted(report.findings, key=_weight), key=_weight):
        lines += _of_rule(list(group), every)
    lines += [f"note: {printable(note)}" for note in report.notes]
    for one in report.skipped:
        rules = many(len(one.rules), "rule") if len(one.rules) > MOST_NAMED else ", ".join(one.rules)
        lines.append(f"not run: {rules}: {one.why}")
    return "\n".join([*lines, summary(report)])


def _weight(one: Finding) -> tuple[bool, int, int, str]:
    order = {"error": 0, "warning": 1, "info": 2}
    early = FIRST.index(one.rule) if one.rule in FIRST else len(FIRST)
    return one.silenced is not None, order[one.severity.value], early, one.rule


def _of_rule(found: Sequence[Finding], every: bool) -> list[str]:
    lines = []
    shown = found if every or len(found) <= MOST + 2 else found[:MOST]
    cost = fix = ""
    for one in shown:
        again = replace(one, cost="" if one.cost == cost else one.cost, fix="" if one.fix == fix else one.fix)
        lines += again.as_text().splitlines()
        cost, fix = one.cost, one.fix
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
