"""Command lines of trainers, as scripts hold them: which program is called, with which flags. Touches no file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from captioner.errors import BadFormat

MOST_COMMANDS = 1000

_CONTINUED = re.compile(r"[ \t]*[\\^`]\r?\n")
_CALLED = re.compile(r"(?:.*[/\\])?([\w.\-]+\.py|simpletuner)\Z")
_FLAG = re.compile(r"--?([A-Za-z][\w\-]*)(?:=(.*))?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Command:
    """One call of a program."""

    program: str
    """The script's name without folders: `process_dataset.py`."""
    file: str
    line: int
    arguments: tuple[str, ...] = ()
    """What is no flag and belongs to none."""
    flags: Mapping[str, str | None] = field(default_factory=dict)
    """By name without dashes, `-` as `_`; None where a flag has no value. The last of two wins, as in argparse."""


def commands_in(text: str, name: str) -> tuple[Command, ...]:
    """The calls of Python scripts (and of `simpletuner`) in a shell script. Raises BadFormat."""
    return tuple(_commands(text, name))


def _commands(text: str, name: str) -> Iterator[Command]:
    found = 0
    for number, line in _lines(text):
        if line.lstrip().startswith(("#", "::", "REM ", "rem ")):
            continue
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            # Not every line of a script is one that shlex can part: only one that calls a trainer must be.
            if ".py" in line:
                raise BadFormat(f"{name}:{number}: a quote is opened and never closed") from None
            continue
        found += 1
        if found > MOST_COMMANDS:
            raise BadFormat(f"{name}: more than {MOST_COMMANDS} lines of commands")
        command = _command(words, name, number)
        if command is not None:
            yield command


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their continuations, and the number of the first."""
    number, held, start = 0, "", 1
    for raw in text.splitlines(keepends=True):
        number += 1
        start = start if held else number
        if _CONTINUED.search(raw):
            held += _CONTINUED.sub(" ", raw)
            continue
        yield start, held + raw.rstrip("\r\n")
        held = ""
    if held:
        yield start, held


def _command(words: Sequence[str], name: str, number: int) -> Command | None:
    called = next(((n, match[1]) for n, word in enumerate(words) if (match := _CALLED.match(word))), None)
    if called is None:
        return None
    arguments, flags = parted(words[called[0] + 1 :])
    return Command(called[1], name, number, arguments, flags)


def parted(words: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str | None]]:
    """(arguments, flags) of a command line behind its program; `words` are parted as a shell does."""
    arguments: list[str] = []
    flags: dict[str, str | None] = {}
    open_flag: str | None = None
    for word in words:
        if word in ("&&", "||", ";", "|", ">", ">>"):
            break
        match = _FLAG.match(word)
        if match:
            key = match[1].replace("-", "_")
            flags[key] = match[2]
            open_flag = key if match[2] is None else None
        elif open_flag is not None:
            before = flags[open_flag]
            flags[open_flag] = word if before is None else f"{before} {word}"
        else:
            arguments.append(word)
    return tuple(arguments), flags
