"""The table of all rules, gathered from the `rules_*.py` files beside this one.

@rule("F02", ERROR, "a caption is empty", cost="...", advice="...")
def empty(view: View) -> Iterator[Finding]:
    for clip in view.clips:
        ...
        yield empty.finding(clip.name, "its caption is empty")

RULES = rules_in(globals())
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.checks.findings import Finding, Severity
from captioner.trainers import trainers

if TYPE_CHECKING:
    from captioner.checks.view import View

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

TRAINERS = tuple(name for name in trainers() if name != "plain")
"""Names that `trainers` of a rule may hold."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a fix does, for `captioner.checks.fixing` to do it; paths relative to the dataset, with slashes.

    Media is only ever renamed or moved, never written. What is written over or taken away is kept beside the dataset.
    """

    told: str
    """One sentence in the past tense: "its caption was put on one line"."""
    writes: Mapping[str, bytes] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    aside: tuple[str, ...] = ()
    """Files that are moved out of the dataset, into the folder of backups."""


Check = Callable[["View"], Iterable[Finding]]
Fix = Callable[["View", Finding], Change | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be wrong with a dataset."""

    id: str
    severity: Severity
    title: str
    """What is wrong, as a sentence without its stop: "a clip has no caption"."""
    check: Check
    trainers: frozenset[str] = frozenset()
    """Whom it is for; empty: all, and where no trainer is named."""
    cost: str = ""
    """What it costs, where a finding does not say it better."""
    advice: str = ""
    """What to do, where a finding does not say it better."""
    fix: Fix | None = None
    """What `--fix` does about one finding; None: nothing that is safe."""
    needs: str = ""
    """What must be given for it to run: "listen", "caches", "decoded", "config", "lora", "words"; empty: nothing."""
    hears: bool = False
    """Whether it is about sound: it says nothing of a model that hears nothing."""

    def __call__(self, view: View) -> Iterable[Finding]:
        return self.check(view)

    def finding(
        self, file: str, found: str, *, cost: str | None = None, fix: str | None = None, line: int | None = None,
        severity: Severity | None = None,
    ) -> Finding:  # fmt: skip
        """A finding of this rule; `cost`, `fix` and `severity` are the rule's own where they are not given."""
        return Finding(
            self.id, severity or self.severity, file, found, self.cost if cost is None else cost,
            self.advice if fix is None else fix, line,
        )  # fmt: skip

    def holds_for(self, trainer: str | None) -> bool:
        """Whether it says anything to who trains with `trainer` (None: nobody said with what)."""
        return not self.trainers or trainer in self.trainers

    def missing(self, view: View) -> str | None:
        """What it needs and has not got, as a phrase for the report; None where it can run."""
        has = {
            "listen": (view.listened, "--listen was not given"),
            "caches": (bool(view.caches), "no caches were found, and --caches names none"),
            "decoded": (bool(view.decoded), "--decoded was not given"),
            "config": (view.config is not None, "--config was not given"),
            "words": (any(clip.words is not None for clip in view.clips), "no transcript with times is known"),
            "lora": (bool(view.loras), "--lora was not given"),
            "python": (view.python is not None, "--python was not given"),
        }
        there, why = has.get(self.needs, (True, ""))
        return None if there else why


def rule(
    id_: str, severity: Severity, title: str, *, trainers: Iterable[str] = (), cost: str = "", advice: str = "",
    fix: Fix | None = None, needs: str = "", hears: bool | None = None,
) -> Callable[[Check], Rule]:  # fmt: skip
    """Makes a Rule of a function that looks at a View; `hears`: those of sound and of decoded sound do."""
    sound = id_[0] in "AD" if hears is None else hears

    def made(check: Check) -> Rule:
        return Rule(id_, severity, title, check, frozenset(trainers), cost, advice, fix, needs, sound)

    return made


def rules_in(namespace: Mapping[str, Any]) -> tuple[Rule, ...]:
    """The rules that a module defines, by id."""
    return tuple(sorted((one for one in namespace.values() if isinstance(one, Rule)), key=lambda one: one.id))


@cache
def all_rules() -> Mapping[str, Rule]:
    """Every rule by its id, in the order of the table: F, T, A, P, C, K, D, L."""
    found: dict[str, Rule] = {}
    for module in sorted(pkgutil.iter_modules([str(Path(__file__).parent)]), key=lambda one: one.name):
        if module.name.startswith("rules_"):
            for one in import_module(f"captioner.checks.{module.name}").RULES:
                if one.id in found:
                    raise ValueError(f"two rules are called {one.id}")
                found[one.id] = one
    return dict(sorted(found.items(), key=lambda item: ("FTAPCKDL".index(item[0][0]), item[0])))
