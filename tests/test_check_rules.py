"""The table of rules: all of them are there, each says what it costs and what to do, and the page shows the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioner.checks.findings import Severity
from captioner.checks.ruledocs import as_markdown
from captioner.checks.rules import TRAINERS, Rule, all_rules
from captioner.trainers import trainers

PAGE = Path(__file__).parent.parent / "docs" / "rules.md"
TABLE = {"F": 20, "T": 18, "A": 13, "C": 13, "K": 9, "L": 4}
"""Rules of each letter, of those that are numbered for good: 77."""
WARNINGS = {"F03", "F10", "F13", "F17", "F18", "F20", "T11", "T12", "T15", "T16", "T17", "A05", "C03", "C04",
            "C06", "C10", "C11", "K09", "L03"}  # fmt: skip
NOTES = {"T18", "A13", "C13", "L04"}


def test_every_rule_is_there() -> None:
    assert sum(TABLE.values()) == 77
    wanted = {f"{letter}{number:02}" for letter, count in TABLE.items() for number in range(1, count + 1)}
    assert wanted <= set(all_rules())


@pytest.mark.parametrize("one", all_rules().values(), ids=list(all_rules()))
def test_a_rule_says_what_it_is(one: Rule) -> None:
    assert one.title
    assert not one.title.endswith(".")
    assert one.title[0].islower() or not one.title.split()[0].isalpha() or one.title.split()[0].isupper()
    assert one.trainers <= set(TRAINERS) <= set(trainers())
    if one.id[0] in TABLE:
        severity = Severity.WARNING if one.id in WARNINGS else Severity.INFO if one.id in NOTES else Severity.ERROR
        assert one.severity is severity
    assert (one.cost and one.advice) or one.severity is Severity.INFO


def test_the_page_shows_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == as_markdown(all_rules()), "run `make docs`"


def test_the_page_names_every_rule_once() -> None:
    text = as_markdown(all_rules())
    assert all(text.count(f"### {id_}: ") == 1 for id_ in all_rules())
