"""A report as SARIF 2.1.0 (OASIS, 2020), which code hosts and editors show beside the files. Touches no file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from captioner.checks.findings import Finding, Severity, printable
from captioner.checks.rules import Rule

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def as_sarif(
    findings: Iterable[Finding], rules: Mapping[str, Rule], root: str, version: str, outside: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """One run. Silenced findings are there, suppressed with their reason. `outside`: files (a config's) whose names
    are no places in the dataset, but from where the command ran."""
    found = [replace(one, file=os.path.abspath(one.file)) if one.file in outside else one for one in findings]  # noqa: PTH100
    used = sorted({one.rule for one in found})
    places = {id_: number for number, id_ in enumerate(used)}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "captioner", "version": version, "rules": [_rule(id_, rules.get(id_)) for id_ in used],
            }},
            "originalUriBaseIds": {"DATASET": {"uri": _folder(root)}},
            "columnKind": "unicodeCodePoints",
            "results": [_result(one, places[one.rule]) for one in found],
        }],
    }  # fmt: skip


def _rule(id_: str, one: Rule | None) -> dict[str, Any]:
    if one is None:
        return {"id": id_}
    told: dict[str, Any] = {"id": id_, "shortDescription": {"text": one.title}}
    if one.cost:
        told["fullDescription"] = {"text": one.cost}
    if one.advice:
        told["help"] = {"text": one.advice}
    told["defaultConfiguration"] = {"level": LEVELS[one.severity]}
    return told


def _result(one: Finding, index: int) -> dict[str, Any]:
    parts = [one.found, *([f"Costs: {one.cost}"] if one.cost else []), *([f"Fix: {one.fix}"] if one.fix else [])]
    place: dict[str, Any] = {"artifactLocation": _artifact(one.file)}
    if one.line:
        place["region"] = {"startLine": one.line}
    result: dict[str, Any] = {
        "ruleId": one.rule, "ruleIndex": index, "level": LEVELS[one.severity],
        "message": {"text": printable(". ".join(parts))}, "locations": [{"physicalLocation": place}],
    }  # fmt: skip
    if one.silenced is not None:
        result["suppressions"] = [{"kind": "external", "justification": one.silenced}]
    return result


def _artifact(file: str) -> dict[str, str]:
    slashes = file.replace("\\", "/")
    if slashes.startswith("/"):
        return {"uri": f"file://{quote(slashes)}"}
    if slashes[1:2] == ":":
        return {"uri": f"file:///{quote(slashes, safe='/:')}"}
    return {"uri": quote("./" if slashes == "." else slashes), "uriBaseId": "DATASET"}


def _folder(root: str) -> str:
    path = root.replace("\\", "/").rstrip("/")
    return f"file://{'' if path.startswith('/') else '/'}{quote(path, safe='/:')}/"
