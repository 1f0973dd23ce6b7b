"""`captioner check-lora` and `captioner check-log` on the command line. Imports nothing heavy."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from captioner.errors import BadFormat, UsageError

CODES = """exit codes:
  0  nothing wrong (warnings do not count)
  1  an error was found, or a file is not what it says
  2  wrong usage: a flag, or a path that cannot be opened
"""

LOADERS = ("comfyui", "ltx-pipelines", "diffusers")


def add_commands(commands: Any) -> None:
    """Both, on the parser's list of commands."""
    lora = _command(
        commands, "check-lora", "say what a LoRA file holds, whether its sound was trained, and where it loads"
    )
    lora.add_argument(
        "--loader", action="append", choices=LOADERS, default=[], help="it must work there; may be given several times"
    )
    lora.set_defaults(run=_check_lora)
    log = _command(
        commands, "check-log", "say which LoRA keys did not load, by the log of ComfyUI, Diffusers or ltx-pipelines"
    )
    log.set_defaults(run=_check_log)


def _command(commands: Any, name: str, about: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=about, epilog=CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", nargs="+", type=Path)
    parser.add_argument("--json", action="store_true", help="print all that was found as JSON")
    parser.add_argument(
        "--silence", action="append", default=[], metavar="RULE=REASON", help="do not count a rule: L01='picture only'"
    )
    return parser


def _check_lora(given: argparse.Namespace) -> int:
    from captioner.checks.lora import as_text, check_lora
    from captioner.checks.lora_loaders import LOADERS as NAMES

    must = [name for name in NAMES if name.lower() in given.loader]
    return _check(given, lambda path: check_lora(path, must), as_text)


def _check_log(given: argparse.Namespace) -> int:
    from captioner.checks.logs import as_text, check_log

    return _check(given, check_log, as_text)


def _check(given: argparse.Namespace, check: Callable[[Path], Any], as_text: Callable[[Any], str]) -> int:
    """Every file is checked, whatever is wrong with the others."""
    from captioner.checks.findings import counted, failing, printable, silence

    reasons = _reasons(given.silence)
    reports: list[dict[str, Any]] = []
    findings = []
    broken = 0
    for path in given.file:
        try:
            report = check(path)
        except BadFormat as error:
            broken += 1
            reports.append({"file": str(path), "error": printable(str(error))})
            if not given.json:
                print(printable(str(error)), file=sys.stderr)
            continue
        report = replace(report, findings=tuple(silence(report.findings, reasons)))
        reports.append(report.as_dict())
        findings += report.findings
        if not given.json:
            print(as_text(report))
    if given.json:
        counts = counted(findings) | {"unreadable": broken}
        print(json.dumps({"files": reports, "counts": counts}, ensure_ascii=False, indent=1))
    return 1 if broken or failing(findings) else 0


def _reasons(given: Sequence[str]) -> dict[str, str]:
    reasons = {}
    for one in given:
        rule, equals, reason = one.partition("=")
        if not equals or not reason.strip():
            raise UsageError(f"--silence {one}: give a rule and why it does not count: --silence L01='picture only'")
        reasons[rule.strip().upper()] = reason.strip()
    return reasons
