"""What `--fix` does: text files written anew, captions renamed, strays moved aside. Media is never written.

Whatever a change takes away is first kept in a new folder beside the dataset, and every file that was changed is
checked again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from captioner.checks.findings import Finding
from captioner.checks.rules import Change, all_rules
from captioner.checks.running import Report, Request, check, view_of
from captioner.checks.view import AUDIO, VIDEO, View
from captioner.errors import UsageError

ROUNDS = 4
"""A fix may bring out what it hid: a caption without its mark may still have several lines."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """One thing that was done."""

    rule: str
    file: str
    told: str
    gone: bool
    """Whether the rule finds nothing in it any more."""

    def as_dict(self) -> dict[str, str | bool]:
        return {"rule": self.rule, "file": self.file, "told": self.told, "gone": self.gone}


def fix(request: Request, report: Report) -> tuple[Report, tuple[Fixed, ...], Path | None]:
    """(the report after it, what was done, where everything that was taken away is kept: None where nothing was).

    Raises UsageError where a file cannot be kept or written; what was done until then is done.
    """
    done: list[Fixed] = []
    backup: Backup | None = None
    for _ in range(ROUNDS):
        view = view_of(request)
        planned = _planned(view, [one for one in report.findings if one.silenced is None], done)
        if not planned:
            break
        backup = backup or Backup(view.root)
        for finding, change in planned:
            backup.apply(change)
            done.append(Fixed(finding.rule, finding.file, change.told, gone=False))
        report = check(request)
    left = {(one.rule, one.file) for one in report.findings}
    settled = tuple(replace(one, gone=(one.rule, one.file) not in left) for one in done)
    return report, settled, backup.folder if backup is not None and backup.used else None


def _planned(view: View, findings: Sequence[Finding], done: Sequence[Fixed]) -> list[tuple[Finding, Change]]:
    """One change a file in a round, none twice."""
    before = {(one.rule, one.file) for one in done}
    touched: set[str] = set()
    planned = []
    for finding in findings:
        one = all_rules().get(finding.rule)
        if one is None or one.fix is None or (finding.rule, finding.file) in before:
            continue
        change = one.fix(view, finding)
        if change is None or touched & set(_names(change)):
            continue
        touched.update(_names(change))
        planned.append((finding, change))
    return planned


def _names(change: Change) -> Iterator[str]:
    yield from change.writes
    yield from change.renames
    yield from change.renames.values()
    yield from change.aside


class Backup:
    """A new folder beside the dataset, made when the first thing goes into it: no loader walks there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = next(
            path for number in range(1, 10_000)
            if not (path := root.parent / f"{root.name}.before-fix-{number}").exists()
        )  # fmt: skip
        self.used = False

    def apply(self, change: Change) -> None:
        """Raises UsageError where it cannot be done."""
        try:
            for name, data in change.writes.items():
                self._write(name, data)
            for name, target in change.renames.items():
                self._rename(name, target)
            for name in change.aside:
                self._aside(name)
        except OSError as error:
            raise UsageError(
                f"{error.filename or self.root}: cannot be fixed ({error.strerror}); {self._kept()}"
            ) from error

    def _kept(self) -> str:
        return f"what was changed before is kept in {self.folder}" if self.used else "nothing was changed"

    def _write(self, name: str, data: bytes) -> None:
        path = self._inside(name)
        if path.suffix[1:].lower() in VIDEO | AUDIO:
            raise UsageError(f"{name}: media is never written by --fix")
        self._keep(path, name)
        scratch = path.with_name(f".{path.name}.captioner")
        scratch.write_bytes(data)
        scratch.replace(path)

    def _rename(self, name: str, target: str) -> None:
        path, aim = self._inside(name), self._inside(target)
        if aim.exists() and not os.path.samefile(path, aim):  # noqa: PTH121
            raise UsageError(f"{target}: stands already; {name} was left as it is")
        self._keep(path, name)
        path.rename(aim)

    def _aside(self, name: str) -> None:
        path = self._inside(name)
        place = self.folder / PurePosixPath(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        self.used = True
        shutil.move(path, place)

    def _keep(self, path: Path, name: str) -> None:
        place = self.folder / PurePosixPath(name)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            self.used = True
            shutil.copy2(path, place)

    def _inside(self, name: str) -> Path:
        """Raises UsageError for a file outside the dataset."""
        path = self.root / name
        if not Path(os.path.normpath(path)).is_relative_to(self.root):
            raise UsageError(f"{name}: lies outside {self.root} and is left as it is")
        return path
