"""Reads the log of a program that played a LoRA, and says in groups which keys did not load.

ComfyUI writes "lora key not loaded: KEY" for each; Diffusers one line "led to unexpected keys found in the model: KEY,
..." ("missing keys in the model" for those that the model has and the file has not) or "No LoRA keys associated to
..."; torch "Missing key(s) in state_dict: ...". ltx-pipelines writes nothing: only the file tells what it leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from captioner.checks.findings import Finding, Severity, printable
from captioner.checks.lora_keys import CONNECTORS, HEARD, TEXT, read_key, spans
from captioner.checks.safetensors import opened

_PIECE = 2**16
_MOST_LINE = 8 * 2**20
"""Bytes. Diffusers puts all keys of a file on one line: about 500 KB."""

_MOST_REMEMBERED = 100_000
"""Keys by which repeats are known; past it they count again."""

_COMFY = re.compile(r"lora key not loaded:?\s+(\S+)")
_MISMATCH = re.compile(r"WARNING SHAPE MISMATCH (\S+) WEIGHT NOT MERGED")
_FAILED = re.compile(r"(?:ERROR (?:lora|lokr|loha) |Calculate Weight Failed: \S+ )(\S+)")
_LISTS = re.compile(r"(unexpected|missing)[ _]keys?(?:\(s\))?(?: (?:not )?(?:found )?in[^:]*|)\s*[:=]", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_]\w*(?:[.\-]\w+)+")
_NONE = re.compile(r"No LoRA keys associated to (\w+) found with the prefix='?(\w+)")
_REFUSED = re.compile(r"Invalid LoRA (?:checkpoint|state dict)[^\r\n]{0,200}")
_SILENT = re.compile(r"ltx[_-](?:pipelines|core)")


@dataclass(slots=True)
class Group:
    """Keys that one program left out in one way: of one family, with one prefix."""

    program: str
    how: str
    prefix: str
    family: str
    line: int
    keys: int = 0
    parts: set[str] = field(default_factory=set)
    blocks: set[int] = field(default_factory=set)
    example: str = ""


@dataclass(frozen=True, slots=True)
class LogReport:
    """What a log says."""

    file: str
    lines: int
    keys: int
    """Distinct keys that did not load."""
    silent: bool
    """Whether ltx-pipelines was at work, which never says what it leaves out."""
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "file": self.file,
            "lines": self.lines,
            "keys_not_loaded": self.keys,
            "silent_loader": self.silent,
            "findings": [finding.as_dict() for finding in self.findings],
        }


def check_log(path: Path) -> LogReport:
    """Raises UsageError where the log cannot be opened. Any bytes are a log; memory does not grow with it."""
    reader = _Reader(str(path))
    for number, line in enumerate(_lines(path), 1):
        reader.read(number, line)
    return reader.report()


def as_text(report: LogReport) -> str:
    """A line on the whole, then the findings."""
    head = f"{report.file}: {report.lines:,} lines, " + (
        f"{report.keys:,} keys did not load" if report.keys else "no line says that a key did not load"
    )
    lines = [printable(head)]
    if report.silent:
        lines.append("  ltx-pipelines never says which keys it leaves out: run captioner check-lora on the file too")
    return "\n".join([*lines, *("  " + one.as_text(with_file=False).replace("\n", "\n  ") for one in report.findings)])


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.lines = 0
        self.silent = False
        self.groups: dict[tuple[str, str, str, str], Group] = {}
        self.seen: set[int] = set()
        self.others: dict[str, Finding] = {}

    def read(self, number: int, line: str) -> None:
        self.lines = number
        self.silent = self.silent or bool(_SILENT.search(line))
        for pattern, how in ((_COMFY, "not loaded"), (_MISMATCH, "of another shape"), (_FAILED, "failed")):
            found = pattern.search(line)
            if found:
                self._key("ComfyUI", how, found[1], number)
                return
        self._lists(number, line)
        self._whole(number, line)

    def _lists(self, number: int, line: str) -> None:
        marks = list(_LISTS.finditer(line))
        program = "Diffusers" if "adapter weights" in line else "torch"
        for mark, after in zip(marks, [*(one.start() for one in marks[1:]), len(line)], strict=False):
            for name in _NAME.finditer(line, mark.end(), after):
                self._key(program, mark[1].lower(), name[0], number)

    def _whole(self, number: int, line: str) -> None:
        none, refused = _NONE.search(line), _REFUSED.search(line)
        if none and none[2] in {"transformer", "None"}:
            self._other("none", number, f"Diffusers found no key of the file for {none[1]}",
                        "the LoRA has no effect: picture and voice are the base model's")  # fmt: skip
        if refused:
            self._other(
                "refused", number, f"Diffusers refused the file: {refused[0]}", "the LoRA was not applied at all"
            )

    def _other(self, kind: str, number: int, found: str, cost: str) -> None:
        fix = "run captioner check-lora on the file: it says which loader takes it and what to rename"
        self.others.setdefault(kind, Finding("L02", Severity.ERROR, self.file, found, cost, fix, number))

    def _key(self, program: str, how: str, name: str, number: int) -> None:
        mark = hash((program, how, name))
        if mark in self.seen:
            return
        if len(self.seen) < _MOST_REMEMBERED:
            self.seen.add(mark)
        key = read_key(name)
        place = (program, how, key.prefix, key.family)
        group = self.groups.setdefault(place, Group(program, how, key.prefix, key.family, number, example=name[:200]))
        group.keys += 1
        if key.part and key.ltx and key.family != TEXT:
            group.parts.add(key.part)
        if key.block is not None:
            group.blocks.add(key.block)

    def report(self) -> LogReport:
        findings = [*self.others.values(), *(_finding(self.file, group) for group in self.groups.values())]
        findings.sort(key=lambda one: (one.severity != Severity.ERROR, one.line))
        keys = sum(group.keys for group in self.groups.values())
        return LogReport(self.file, self.lines, keys, self.silent, tuple(findings))


def _finding(file: str, group: Group) -> Finding:
    heard = group.family in HEARD
    where = f" in blocks {spans(group.blocks)}" if group.blocks else ""
    parts = f" ({', '.join(sorted(group.parts))}{where})" if group.parts else f" (such as {group.example})"
    how = {
        "not loaded": "did not load",
        "of another shape": "could not be applied, having another shape,",
        "failed": "failed to apply",
        "unexpected": "did not load",
        "missing": "had no value for",
    }[group.how]
    named = f", named {group.prefix}..." if group.prefix else ""
    found = f"{group.program} {how} {group.keys:,} {group.family} keys{parts}{named}"
    severity = Severity.ERROR if heard else Severity.INFO if group.family == TEXT else Severity.WARNING
    return Finding("L02", severity, file, found, _cost(group), _fix(group), group.line)


def _cost(group: Group) -> str:
    if group.family in HEARD:
        return "what the LoRA learnt of the sound is not applied: the voice is the base model's"
    if group.family == TEXT:
        return "little: the voice and the picture do not lie there"
    return f"what it learnt there is not applied: {group.family}"


def _fix(group: Group) -> str:
    if group.how in {"of another shape", "failed"}:
        return "use it with the model that it was trained for: LTX-2 and LTX-2.3 differ in shape"
    if group.how == "missing":
        return "the file holds less than the model asks for: run captioner check-lora on it"
    if group.prefix == "lora_unet_model_":
        return "these are musubi's own names: load the .comfy.safetensors beside the file"
    if group.prefix in {"transformer.", "base_model.model."} and group.program == "ComfyUI":
        return f"rename {group.prefix} to diffusion_model. (SimpleTuner: lora_format: comfyui)"
    if group.family == TEXT:
        return "none needed"
    if group.family == CONNECTORS or group.family in HEARD:
        return "run captioner check-lora on the file; load it into a model with sound, by a loader that takes it"
    return "run captioner check-lora on the file: it says which loader takes which keys"


def _lines(path: Path) -> Iterator[str]:
    """Lines without their ends, of UTF-8, or of UTF-16 as PowerShell writes it. Longer ones are cut into several."""
    with opened(path) as file:
        first = file.read(2)
        file.seek(0)
        coding = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(first, "utf-8")
        yield from _split(iter(lambda: file.read(_PIECE), b""), coding)


def _split(parts: Iterable[bytes], coding: str) -> Iterator[str]:
    import codecs

    decoder = codecs.getincrementaldecoder(coding)("replace")
    held: list[str] = []
    length = 0
    for part in parts:
        *whole, rest = decoder.decode(part).replace("\r", "\n").split("\n")
        for line in whole:
            yield "".join([*held, line])
            held, length = [], 0
        held.append(rest)
        length += len(rest)
        if length > _MOST_LINE:
            yield "".join(held)
            held, length = [], 0
    if length:
        yield "".join(held)
