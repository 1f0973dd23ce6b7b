"""`captioner export` on the command line. Imports nothing heavy."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

ABOUT = """Writes beside OUT/clips what a trainer takes, each in a folder of its own: OUT/ltx, OUT/musubi ...

Every caption is held against what that trainer will really hear of its clip: words outside are taken out, and a clip
whose words are cut is left out and named. OUT/clips is never changed. Run it again after each build or edit: it says
which caches have become old, and how to have them made again."""


def add_command(commands: Any) -> None:
    """The subcommand, on the parser's list of them."""
    parser = commands.add_parser(
        "export",
        help="write what a trainer takes: ltx, ai-toolkit, musubi ..., hf, srt, rttm, ctm, textgrid",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", type=Path, nargs="?", help="dataset folder of a build (default: as for `speakers`)")
    parser.add_argument("--to", required=True, action="append", metavar="NAME[,NAME...]", help="for whom, or all")
    parser.add_argument("--root", metavar="PATH", help="where OUT will stand on the machine that trains")
    parser.add_argument("--template", help="captions in another form than the dataset's; yours stay")
    parser.add_argument(
        "--trigger", choices=("baked", "trainer"), default="baked",
        help="baked: it is in the captions (default); trainer: the trainer puts it there, and they are without",
    )  # fmt: skip
    parser.add_argument("--split", type=float, metavar="SHARE", help="hold back this share, by whole recordings: 0.1")
    parser.add_argument(
        "--smoke", action="store_true", help="a first experiment: the 5 to 10 best clips, few steps, prompts, controls"
    )
    parser.add_argument("--still", metavar="FILE|COLOUR", help="show this while clips of sound alone are heard")
    parser.add_argument("--copy", action="store_true", help="copy the clips instead of linking them")
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """0, or 4 where no clip came out for one of them. Raises UsageError."""
    from captioner.exporting.export import as_dict, as_text, export
    from captioner.exporting.work import Wish
    from captioner.speakercommands import find_dataset

    wish = Wish(
        root=given.root, template=given.template, left_to_trainer=given.trigger == "trainer", split=given.split,
        smoke=given.smoke, still=given.still, copy=given.copy,
    )  # fmt: skip
    done = export(find_dataset(given.out), given.to, wish)
    print(json.dumps([as_dict(one) for one in done], ensure_ascii=False, indent=1) if given.json else as_text(done))
    return 0 if all(one.clips for one in done) else 4
