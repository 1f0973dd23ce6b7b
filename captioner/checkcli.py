"""`captioner check`, `captioner check-lora` and `captioner check-log` on the command line. Imports nothing heavy."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from captioner.errors import BadFormat, UsageError
from captioner.trainers import trainers

CODES = """exit codes:
  0  nothing wrong (warnings do not count)
  1  an error was found, or a file is not what it says
  2  wrong usage: a flag, or a path that cannot be opened
"""

LOADERS = ("comfyui", "ltx-pipelines", "diffusers")


ABOUT = """Says what a trainer will really see, hear and read of a folder of clips and captions, before a GPU is rented.

DATASET is a captioner dataset, anybody's folder of clips with a .txt beside each, or a .json, .jsonl or .csv that lists
clips. It may be a trainer's config, too (train.yaml, dataset.toml, multidatabackend.json, config.env): then the clips
that it names are checked with it. Nothing is decoded unless --listen is given; what was found out is kept, so that a
second check of the same files takes no time. docs/rules.md says what each rule means."""


def add_commands(commands: Any) -> None:
    """All three, on the parser's list of commands."""
    _check_command(commands)
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


def _check_command(commands: Any) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "check",
        help="say what a trainer will lose of a folder of clips and captions, and how to mend it",
        description=ABOUT,
        epilog=CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--trainer", metavar="NAME", help=", ".join(trainers()))
    parser.add_argument("--config", type=Path, metavar="FILE", help="the trainer's YAML, TOML, JSON, .env or script")
    parser.add_argument("--trigger", metavar="WORD[,WORD]", help="what must be in every caption: one of them")
    parser.add_argument("--caches", type=Path, action="append", default=[], metavar="DIR", help="the trainer's caches")
    parser.add_argument("--decoded", type=Path, action="append", default=[], metavar="DIR", help="decoded latents")
    parser.add_argument("--lora", type=Path, action="append", default=[], metavar="FILE", help="a LoRA made of it")
    parser.add_argument("--python", type=Path, metavar="FILE", help="the trainer's own Python: can it open the sound?")
    parser.add_argument("--listen", action="store_true", help="decode the sound: levels, speech, and a second hearing")
    parser.add_argument("--tokenizer", metavar="FILE", help="the text encoder's tokenizer.json, to count exactly")
    parser.add_argument("--fix", action="store_true", help="mend what is safe to mend; media is never written")
    parser.add_argument("--strict", action="store_true", help="warnings count as errors")
    parser.add_argument("--all", action="store_true", help="show every finding of a rule")
    parser.add_argument("--json", action="store_true", help="print all that was found as JSON")
    parser.add_argument("--sarif", type=Path, metavar="FILE", help="write it as SARIF 2.1.0, for CI and editors")
    parser.add_argument(
        "--silence", action="append", default=[], metavar="RULE=REASON", help="do not count a rule: T17='as filmed'"
    )
    parser.set_defaults(run=_check_dataset)


def _check_dataset(given: argparse.Namespace) -> int:
    from captioner.checks.findings import failing, printable
    from captioner.checks.fixing import fix
    from captioner.checks.reporting import as_text, fixed_text
    from captioner.checks.running import check

    reports, told = [], []
    findings: dict[Any, None] = {}
    requests = _requests(given)
    for request, notes in requests:
        report = check(request)
        if not report.clips and not failing(report.findings) and not (given.caches or given.decoded or given.lora):
            raise UsageError(_no_clip(request.dataset, report.root))
        report, done, kept = fix(request, report) if given.fix else (report, (), None)
        # What is wrong with the config itself is said once, however many folders it names.
        fresh = tuple(one for one in report.findings if one not in findings or one.file not in _files(request))
        report = replace(report, findings=fresh, notes=(*notes, *report.notes))
        findings |= dict.fromkeys(fresh)
        reports.append((request, report))
        extra = {"fixed": [one.as_dict() for one in done], "kept_in": str(kept) if kept else None} if given.fix else {}
        told.append(report.as_dict() | extra)
        if not given.json:
            if len(requests) > 1:
                print(f"{printable(str(request.dataset))}:")
            if given.fix:
                print(fixed_text(done, kept))
            print(as_text(report, every=given.all))
    if given.sarif is not None:
        _write_sarif(given.sarif, reports)
    if given.json:
        print(json.dumps(told[0] if len(told) == 1 else {"datasets": told}, ensure_ascii=False, indent=1))
    return 1 if failing(findings) or (given.strict and _warned(list(findings))) else 0


def _no_clip(dataset: Path, root: str) -> str:
    from captioner.checks.findings import printable

    if dataset.is_file():
        return f"{dataset}: not one clip that it lists is here; paths in it start at {printable(root)}, or are whole"
    return (
        f"{printable(root)}: no clip is in it (files are told by their endings: .mp4, .mov, .wav ...); give the folder "
        "that holds them"
    )


def _files(request: Any) -> tuple[str, ...]:
    files: tuple[str, ...] = request.config.files if request.config is not None else ()
    return files


def _warned(findings: Sequence[Any]) -> bool:
    from captioner.checks.findings import Severity

    return any(one.severity is Severity.WARNING and one.silenced is None for one in findings)


def _requests(given: argparse.Namespace) -> list[tuple[Any, tuple[str, ...]]]:
    """What is checked, and what is to be said of it: one, or for a config as many as the places that it names.

    Raises UsageError for a path that is not there, SettingsError for a trainer or config that is none.
    """
    from captioner.checks.configs import is_config, read_config
    from captioner.checks.running import Request
    from captioner.trainers import trainer

    for path in [*given.caches, *given.decoded]:
        if not path.is_dir():
            raise UsageError(f"{path}: no such folder; give the folder that holds the files")
    for path in given.lora:
        if not path.is_file():
            raise UsageError(f"{path}: no such file")
    if given.trainer is not None:
        trainer(given.trainer, "--trainer")
    if given.python is not None and shutil.which(given.python) is None:
        raise UsageError(f"--python {given.python}: no such program; give the trainer's own: .../.venv/bin/python")
    named = is_config(given.dataset)
    if named and given.config is not None:
        raise UsageError(f"{given.dataset}: is a config, and --config gives another; give the clips, or one of the two")
    file = given.dataset if named else given.config
    config = read_config(file, given.trainer) if file is not None else None
    request = Request(
        given.dataset, trainer=config.trainer if config is not None else given.trainer, config=config,
        trigger=given.trigger, caches=tuple(given.caches), decoded=tuple(given.decoded), lora=tuple(given.lora),
        python=given.python, listen=given.listen, tokenizer=given.tokenizer,
        silenced=_silenced() | _known(_reasons(given.silence)),
    )  # fmt: skip
    if not named or config is None:
        return [(request, ())]
    from captioner.checks.pointing import pointed

    return [(replace(request, dataset=one.place, config=one.config), one.notes) for one in pointed(config)]


def _silenced() -> dict[str, str]:
    """What `captioner.yaml` in this folder silences."""
    from captioner.settings import FILE, resolve

    settings = resolve(flags={}, file=Path(FILE) if Path(FILE).is_file() else None)
    return _known({rule.upper(): reason for rule, reason in settings.silence.items()})


def _known(reasons: dict[str, str]) -> dict[str, str]:
    """Raises UsageError for a rule that there is not."""
    if reasons:
        from captioner.checks.rules import all_rules

        unknown = sorted(set(reasons) - set(all_rules()))
        if unknown:
            raise UsageError(f"--silence {unknown[0]}: there is no such rule; docs/rules.md lists all")
    return reasons


def _write_sarif(path: Path, reports: Sequence[tuple[Any, Any]]) -> None:
    from captioner import __version__
    from captioner.checks.rules import all_rules
    from captioner.checks.sarif import as_sarif

    runs = [
        as_sarif(report.findings, all_rules(), report.root, __version__, outside=_files(request))
        for request, report in reports
    ]
    made = runs[0] | {"runs": [run for one in runs for run in one["runs"]]}
    try:
        path.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); give a path in a folder of yours") from error


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
