"""`captioner speakers` on the command line. Imports nothing heavy."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from captioner.errors import UsageError

USAGE = """captioner speakers [OUT] [--json]
       captioner speakers name [OUT] SPEAKER NAME [--subject "a young woman"] [--trigger WORD]
       captioner speakers merge [OUT] SPEAKER OTHER...
       captioner speakers split [OUT] SPEAKER RECORDING_OR_CLIP...
       captioner speakers enrol [OUT] NAME REFERENCE [--subject "..."] [--trigger WORD]
       captioner speakers forget [OUT] SPEAKER
       captioner speakers undo [OUT]"""

ABOUT = """Lists who speaks in a dataset: minutes, clips, languages, quality and a clip to hear.

  name    what a speaker is called, in captions and for --only
  merge   several speakers are one person: the first keeps its name
  split   in these recordings (or clips) it is somebody else, who gets a new name
  enrol   whoever sounds like the voice in a reference file, now and in later builds
  forget  take back the name of a speaker
  undo    take back the last of all these

Captions are brought to it at once; those that you edited stay. OUT may be left out inside a dataset, or beside the
only one. What you said is kept in OUT/speakers.jsonl."""

LEAST_WORDS = {"name": 2, "merge": 2, "split": 2, "enrol": 2, "forget": 1, "undo": 0}
MOST_WORDS = {"name": 2, "enrol": 2, "forget": 1, "undo": 0}


def add_command(commands: Any) -> None:
    """The subcommand, on the parser's list of them."""
    parser = commands.add_parser(
        "speakers",
        help="list who speaks in a dataset; name, merge, split or enrol them",
        usage=USAGE,
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", metavar="...", help="see above")
    parser.add_argument("--subject", help='who it is, in your words: "a young woman"')
    parser.add_argument("--trigger", help="the word that calls this speaker up after training")
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Raises UsageError for words that do not fit."""
    from captioner import speakercommands as act

    words: list[str] = given.words
    verb = words.pop(0) if words and words[0] in LEAST_WORDS else ""
    more = {"subject": given.subject, "trigger": given.trigger}
    if verb not in ("name", "enrol") and any(more.values()):
        raise UsageError("--subject and --trigger go with `captioner speakers name` and `enrol`")
    if not verb:
        return _list(words, as_json=given.json)
    out, rest = _dataset(verb, words)
    acts: dict[str, Callable[[], str]] = {
        "name": lambda: act.name(out, rest[0], rest[1], **more),
        "merge": lambda: act.merge(out, rest[0], rest[1:]),
        "split": lambda: act.split(out, rest[0], rest[1:]),
        "enrol": lambda: act.enrol(out, rest[0], Path(rest[1]), **more),
        "forget": lambda: act.forget(out, rest[0]),
        "undo": lambda: act.undo(out),
    }
    print(acts[verb]())
    return 0


def _list(words: Sequence[str], *, as_json: bool) -> int:
    from captioner.speakercommands import find_dataset
    from captioner.speakerlist import as_text, speakers

    if len(words) > 1:
        raise UsageError(f"{' '.join(words)}: give one dataset folder, or one of {', '.join(LEAST_WORDS)} first")
    listed = speakers(find_dataset(Path(words[0]) if words else None))
    print(json.dumps([asdict(one) for one in listed], ensure_ascii=False, indent=1) if as_json else as_text(listed))
    return 0


def _dataset(verb: str, words: Sequence[str]) -> tuple[Path, Sequence[str]]:
    """The dataset and the words behind it: the first word is one where it is a folder or there is a word too many."""
    from captioner.speakercommands import find_dataset

    named = bool(words) and (len(words) > MOST_WORDS.get(verb, len(words)) or Path(words[0]).is_dir())
    out, rest = (find_dataset(Path(words[0])), words[1:]) if named else (None, words)
    if not LEAST_WORDS[verb] <= len(rest) <= MOST_WORDS.get(verb, len(rest)):
        form = next(line.strip() for line in USAGE.splitlines() if f" {verb} " in line)
        raise UsageError(f"usage: {form}")
    return out or find_dataset(None), rest
