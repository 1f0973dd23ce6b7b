"""`captioner doctor` on the command line. Imports nothing heavy."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from captioner.errors import UsageError

ABOUT = """Looks whether this machine can do what the settings ask for, before a night is lost to it: GPU, driver and
CUDA libraries, packages that break each other (each is tried in a process of its own), room on every disk that is
written to, the model hub with tokens and pages to accept, codecs, sound and the terminal. Changes nothing."""

CODES = """exit codes:
  0  nothing is in the way (warnings do not count)
  1  something is
  2  wrong usage
"""


def add_command(commands: Any) -> None:
    """The subcommand, on the parser's list of them."""
    parser = commands.add_parser(
        "doctor", help="say what keeps this machine from doing the work, and what to type", description=ABOUT,
        epilog=CODES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("input", nargs="*", type=Path, help="what would be built, to count the room that it needs")
    parser.add_argument("--out", type=Path, help="where the dataset would go")
    parser.add_argument("--config", type=Path, help="settings file (default: captioner.yaml in this folder, if there)")
    parser.add_argument("--no-network", action="store_true", help="do not ask the hub; say what could not be asked")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Raises SettingsError for a settings file that is wrong, UsageError for an input that is not there."""
    from captioner.doctor.advice import Level
    from captioner.doctor.gathering import gather
    from captioner.doctor.judging import judge
    from captioner.settings import FILE, resolve

    for path in given.input:
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder; give what would be built, or nothing")
    file = given.config or (Path(FILE) if Path(FILE).is_file() else None)
    settings = resolve(flags={}, file=file)
    advice = judge(gather(settings, given.input, given.out, network=not given.no_network))
    counts = {level.value: sum(one.level is level for one in advice) for level in Level}
    if given.json:
        print(
            json.dumps({"findings": [one.as_dict() for one in advice], "counts": counts}, ensure_ascii=False, indent=1)
        )
    else:
        print("\n".join(one.as_text() for one in advice))
        worst = counts[Level.BAD.value]
        print(f"\n{worst} in the way, {counts[Level.WARNING.value]} warnings" if worst else "\nnothing is in the way")
    return 1 if counts[Level.BAD.value] else 0
