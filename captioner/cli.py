"""Arguments in, pipeline called, errors printed. Imports nothing heavy: `--help` must answer at once."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.errors import CaptionerError, UsageError
from captioner.reviewcli import add_command as add_review

if TYPE_CHECKING:
    from captioner.summary import Summary

OK, FAILED, USAGE, REVIEW, EMPTY, PARTLY = 0, 1, 2, 3, 4, 5

EXIT_CODES = """exit codes:
  0  done
  1  it could not be done; the error says why
  2  wrong usage: a flag, a setting, a template or an input path
  3  review needed: everything is analysed and drafted, nothing was written
  4  done, and there is nothing to write: no clip came out
  5  done, and some recordings could not be used (only with --strict)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script. Returns the exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser(quick=words[:1] == ["review"])
    given = parser.parse_args(words)
    try:
        code: int = given.run(given)
    except UsageError as error:
        return _say(error, USAGE)
    except CaptionerError as error:
        return _say(error, FAILED)
    except KeyboardInterrupt:
        print("captioner: stopped; what is done is kept, run again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return FAILED
    return code


def _say(error: CaptionerError, code: int) -> int:
    print(f"captioner: {error}", file=sys.stderr)
    return code


def _parser(*, quick: bool = False) -> argparse.ArgumentParser:
    """`quick`: of the review alone, whose first page does not wait for the settings of all others."""
    from captioner import __version__

    parser = argparse.ArgumentParser(
        prog="captioner",
        description="Turn a folder of raw clips into single-speaker clips, each with a caption that holds exactly the "
        "words that are heard in it.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"captioner {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add_review(commands)
    if quick:
        return parser
    from captioner.checkcli import add_commands as add_checks
    from captioner.doctorcli import add_command as add_doctor
    from captioner.exportcli import add_command as add_export
    from captioner.fetchcli import add_command as add_fetch
    from captioner.speakercli import add_command as add_speakers

    _build_command(commands)
    _render_command(commands)
    add_speakers(commands)
    add_checks(commands)
    add_export(commands)
    add_fetch(commands)
    add_doctor(commands)
    init = commands.add_parser("init", help="write a commented captioner.yaml with every setting")
    init.add_argument("file", nargs="?", default="captioner.yaml", type=Path)
    init.set_defaults(run=_init)
    return parser


def _build_command(commands: Any) -> None:
    from captioner.trainers import trainers

    build = commands.add_parser(
        "build",
        help="make a dataset from clips",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    build.add_argument("input", nargs="+", type=Path, help="files or folders; folders are walked deeply")
    build.add_argument("--out", type=Path, help="dataset folder (default: <input>_dataset beside the first input)")
    build.add_argument(
        "--yes", action="store_true", help="write without a review: every clip that nothing speaks against"
    )
    build.add_argument("--dry-run", action="store_true", help="say what would be done and roughly how long it takes")
    build.add_argument(
        "--for", dest="trainer", metavar="TRAINER", help=f"settings for a trainer: {', '.join(trainers())}"
    )
    build.add_argument("--config", type=Path, help="settings file (default: captioner.yaml in this folder, if there)")
    build.add_argument("--json", action="store_true", help="print the summary as JSON")
    build.add_argument("--strict", action="store_true", help="exit with 5 where a recording could not be used")
    _setting_flags(build)
    build.set_defaults(run=_build)


def _render_command(commands: Any) -> None:
    render = commands.add_parser(
        "render", help="write all captions again after a template or trigger change; no model runs"
    )
    render.add_argument("out", type=Path, help="dataset folder of an earlier build")
    _setting_flags(render, groups={"captions"})
    render.set_defaults(run=_render)


def _setting_flags(parser: argparse.ArgumentParser, groups: set[str] | None = None) -> None:
    from captioner.settings import Settings

    sections: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        group = str(extra["group"])
        if extra["flag"] is None or (groups is not None and group not in groups):
            continue
        section = sections.setdefault(group, parser.add_argument_group(group))
        flag = "--" + (str(extra["flag"]) or name.replace("_", "-"))
        text = str(field.description).replace("%", "%%")
        if isinstance(field.default, bool):
            section.add_argument(flag, dest=name, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            section.add_argument(flag, dest=name, metavar=name.rsplit("_", 1)[-1].upper(), help=text)


def _flags(given: argparse.Namespace) -> dict[str, Any]:
    from captioner.settings import Settings

    return {name: getattr(given, name) for name in Settings.model_fields if getattr(given, name, None) is not None}


def _init(given: argparse.Namespace) -> int:
    from captioner.settings import commented_file

    if given.file.exists():
        raise UsageError(f"{given.file}: stands already and is left as it is; give another name or remove it")
    try:
        given.file.write_text(commented_file(), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{given.file}: cannot be written ({error.strerror}); give a path in a folder of yours"
        ) from error
    print(f"{given.file} written; set the trigger in it")
    return OK


def _build(given: argparse.Namespace) -> int:
    from captioner.run import build

    with _reporter(given.json) as reporter:
        summary = build(
            given.input,
            given.out,
            yes=given.yes,
            dry_run=given.dry_run,
            config=given.config,
            trainer=given.trainer,
            reporter=reporter,
            settings=_flags(given),
        )
    if summary.review_needed and not given.json and _is_terminal():
        return _review(summary)
    _print(summary, as_json=given.json, dry=given.dry_run)
    return _code(summary, dry=given.dry_run, strict=given.strict)


def _is_terminal() -> bool:
    from captioner.reviewcli import is_terminal

    return is_terminal()


def _review(summary: Summary) -> int:
    """What is drafted, on the screen; then what was approved is written."""
    from captioner import reviewcli

    end = reviewcli.opened(Path(summary.out))
    if end == reviewcli.WRITE:
        summary = reviewcli.write(Path(summary.out))
    _print(summary, as_json=False, dry=False)
    return reviewcli.HUNG_UP if end == reviewcli.HANGUP else _code(summary, dry=False, strict=False)


def _code(summary: Summary, *, dry: bool, strict: bool) -> int:
    if dry:
        return OK
    if summary.review_needed:
        return REVIEW
    if not summary.written:
        return EMPTY
    return PARTLY if strict and summary.failures else OK


def _print(summary: Summary, *, as_json: bool, dry: bool) -> None:
    from captioner.summary import as_text, forecast_text

    if as_json:
        print(json.dumps(summary.as_dict(), ensure_ascii=False, indent=1))
    else:
        print(forecast_text(summary) if dry else as_text(summary))


def _render(given: argparse.Namespace) -> int:
    from captioner.run import render

    changed, edited, doubted = render(given.out, _flags(given))
    print(f"{changed} captions changed in {given.out}/clips")
    for name in edited:
        print(f"  {name}: edited by hand, left as it is")
    for told in doubted:
        print(f"  {told}", file=sys.stderr)
    return OK


def _reporter(quiet: bool) -> Any:
    from captioner.progress import Bars, Plain

    return Bars() if sys.stderr.isatty() and not quiet else Plain(sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
