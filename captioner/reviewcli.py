"""`captioner review` on the command line. Imports nothing heavy: its first page must stand in a blink."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.errors import UsageError
from captioner.review.tui.palette import THEMES

if TYPE_CHECKING:
    from captioner.summary import Summary

WRITE, LEAVE, HANGUP = "write", "leave", "hangup"
HUNG_UP = 129

ABOUT = """Hear, see, fix and decide on every clip of a dataset. What you do is kept at once, in OUT/review.jsonl.

  q  leaves and writes what is approved; clips that stand in OUT/clips and are not decided on stay
  Q  leaves and writes nothing
  ?  all keys; your own go into review.keys.toml beside captioner.yaml

Where another captioner works on the dataset, this session can only read."""


def add_command(commands: Any) -> None:
    """The subcommand, on the parser's list of them."""
    parser = commands.add_parser(
        "review",
        help="hear, see, fix and decide on the clips of a dataset, then write what is approved",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", type=Path, nargs="?", help="dataset folder of a build (default: the one here)")
    parser.add_argument("--read-only", action="store_true", help="look, and change nothing")
    parser.add_argument("--plain", action="store_true", help="line by line: for screen readers and simple terminals")
    parser.add_argument("--theme", choices=THEMES, help="colours; colour-safe is told apart by all eyes, mono has none")
    parser.add_argument("--ascii", action="store_true", help="draw with ASCII signs alone")
    parser.add_argument(
        "--sound", default="auto", choices=("auto", "local", "browser", "none"), help="where clips are heard"
    )
    parser.add_argument(
        "--export-sheet", type=Path, metavar="FILE",
        help="do not open the review: write the clips to be heard, corrected and decided on elsewhere, as one .html "
        "page or a .csv or .jsonl table; `captioner decide FILE` brings them back",
    )  # fmt: skip
    parser.add_argument("--filter", default="", metavar="QUERY", help="with --export-sheet: these clips alone: st:todo")
    parser.set_defaults(run=run)
    _add_decide(commands)


def _add_decide(commands: Any) -> None:
    decide = commands.add_parser("decide", help="bring decisions back that were made in an exported page or table")
    decide.add_argument("file", type=Path, help="CSV, JSONL, or what an exported page saved")
    decide.add_argument("--out", type=Path, help="dataset folder of a build (default: the one here)")
    decide.add_argument("--force", action="store_true", help="the file is right where a clip was changed here, too")
    decide.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    decide.set_defaults(run=_decide)


def _decide(given: argparse.Namespace) -> int:
    """0, or 1 where a row could not be used or was changed on both sides. Raises UsageError, BadFormat, StoreError."""
    from captioner.errors import StoreError
    from captioner.review.decide import as_text, decide
    from captioner.review.desk import Desk

    with Desk(given.out or _here()) as desk:
        if desk.read_only:
            raise StoreError(desk.why)
        report = decide(desk, given.file, force=given.force, dry=given.dry_run)
    print(as_text(report))
    return 0 if report.clean else 1


def _export(out: Path, given: argparse.Namespace) -> int:
    from captioner.review.desk import Desk
    from captioner.review.sheet import export

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    with Desk(out, read_only=given.read_only) as desk:
        print(export(desk, given.export_sheet, query=given.filter, say=say))
    return 0


def run(given: argparse.Namespace) -> int:
    """Raises UsageError, StoreError."""
    out = given.out or _here()
    if not _is_dataset(out):
        raise UsageError(f"{out}: not a dataset of captioner; give the OUT of a build")
    if given.export_sheet is not None:
        return _export(out, given)
    if given.filter:
        raise UsageError("--filter goes with --export-sheet; in the review / filters")
    end = opened(out, given)
    if end == HANGUP:
        return HUNG_UP
    if end == WRITE and not given.read_only:
        _say_written(write(out))
    return 0


def opened(out: Path, given: argparse.Namespace | None = None) -> str:
    """Review until the person leaves: on the screen, or line by line where there is none. Returns how it was left."""
    plain = bool(given and given.plain) or not is_terminal() or os.environ.get("TERM", "") in ("dumb", "")
    read_only, sound = bool(given and given.read_only), given.sound if given else "auto"
    if not plain:
        from captioner.review.tui.start import review

        ascii_only = bool(given and given.ascii)
        return review(out, theme=given.theme if given else None, ascii_only=ascii_only, read_only=read_only,
                      sound=sound)  # fmt: skip
    from captioner.review.desk import Desk
    from captioner.review.hearing import make_hearing
    from captioner.review.keymap import read_keymap
    from captioner.review.plain import run as by_lines

    keys = read_keymap()
    with Desk(out, read_only=read_only) as desk:
        hearing = make_hearing(out / ".captioner", sound)
        try:
            return str(by_lines(desk, hearing, keys.actions))
        finally:
            hearing.close()


def is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def write(out: Path) -> Summary:
    """Write what is approved. Where another captioner has the dataset nothing is written: StoreError."""
    from captioner.progress import Bars, Plain
    from captioner.run import write_reviewed

    with Bars() if sys.stderr.isatty() else Plain(sys.stderr) as reporter:
        return write_reviewed(out, reporter)


def _say_written(summary: Summary) -> None:
    from captioner.summary import as_text

    print(as_text(summary))


def _here() -> Path:
    from captioner.speakercommands import find_dataset

    return find_dataset(None)


def _is_dataset(path: Path) -> bool:
    return (path / ".captioner" / "store.sqlite").is_file()
