"""A whole check: what is looked at, which rules run, what they found. Remembered as a whole where nothing changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.checks.findings import Finding, counted, in_order, silence
from captioner.checks.gather import Place, files_of, gathered, place_of
from captioner.checks.keeping import Memory, default_place
from captioner.checks.rules import Rule, all_rules
from captioner.checks.view import View
from captioner.checks.walking import CACHES, File

if TYPE_CHECKING:
    from captioner.checks.configs import TrainerConfig


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks to be checked."""

    dataset: Path
    trainer: str | None = None
    config: TrainerConfig | None = None
    trigger: str | None = None
    caches: tuple[Path, ...] = ()
    decoded: tuple[Path, ...] = ()
    lora: tuple[Path, ...] = ()
    python: Path | None = None
    """The trainer's own interpreter."""
    listen: bool = False
    tokenizer: str | None = None
    silenced: Mapping[str, str] = field(default_factory=dict)
    """Rule -> why it does not count."""
    memory: Path | None = field(default_factory=lambda: default_place())
    """Where facts are kept; None: nowhere."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Rules that did not run."""

    rules: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found."""

    root: str
    trainer: str | None
    clips: int
    findings: tuple[Finding, ...]
    ran: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    remembered: bool = False
    """Whether nothing had changed since an earlier check, which this is."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "dataset": self.root,
            "trainer": self.trainer,
            "clips": self.clips,
            "ran": list(self.ran),
            "skipped": [{"rules": list(one.rules), "why": one.why} for one in self.skipped],
            "notes": list(self.notes),
            "findings": [one.as_dict() for one in self.findings],
            "counts": counted(self.findings),
        }


def check(request: Request) -> Report:
    """Runs every rule that holds. Raises UsageError where the dataset is not there."""
    place = place_of(request.dataset)
    files = files_of(place, request.trainer)
    with Memory(request.memory) as memory:
        key = _key(request, place, files)
        report = memory.report(key, Report)
        if report is None:
            view, notes = _view(request, place, files, memory)
            report = run(view, notes)
            memory.keep_report(key, report)
        else:
            report = replace(report, remembered=True)
    findings = in_order(silence(report.findings, request.silenced))
    return replace(report, findings=tuple(findings))


def view_of(request: Request) -> View:
    """What the rules would look at."""
    place = place_of(request.dataset)
    with Memory(request.memory) as memory:
        return _view(request, place, files_of(place, request.trainer), memory)[0]


def run(view: View, notes: Sequence[str] = ()) -> Report:
    """Every rule of the table over a View."""
    findings: list[Finding] = []
    ran: list[str] = []
    skipped: dict[str, list[str]] = {}
    for one in all_rules().values():
        why = _not_for(one, view) or one.missing(view)
        if why is not None:
            skipped.setdefault(why, []).append(one.id)
            continue
        ran.append(one.id)
        findings += (_clean(found) for found in one(view))
    return Report(
        root=_encodable(str(view.root)), trainer=view.trainer, clips=len(view.clips),
        findings=tuple(in_order(findings)),
        ran=tuple(ran), skipped=tuple(Skipped(tuple(ids), why) for why, ids in skipped.items()), notes=tuple(notes),
    )  # fmt: skip


def _not_for(one: Rule, view: View) -> str | None:
    if any(one.holds_for(name) for name in view.readers or (None,)):
        return "the model hears nothing" if one.hears and view.deaf else None
    return "about another trainer" if view.trainer else "no trainer was named (--trainer NAME)"


def _clean(finding: Finding) -> Finding:
    """Names and texts of foreign files may hold what no text can: it is shown escaped."""
    return replace(
        finding, file=_encodable(finding.file), found=_encodable(finding.found), cost=_encodable(finding.cost),
        fix=_encodable(finding.fix),
    )  # fmt: skip


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _view(request: Request, place: Place, files: Sequence[File], memory: Memory) -> tuple[View, list[str]]:
    notes = []
    found = gathered(place, files, memory, request.trainer, _named(request))
    clips = found.clips
    if place.store is not None:
        from captioner.checks.stored import with_words

        clips, why = with_words(clips, place.store)
        notes += [f"the words of its clips are not known: {why}"] if why else []
    if request.trainer is not None and request.config is None and request.trainer != "plain":
        notes.append(
            f"no --config: its settings are taken to be those that captioner export --to {request.trainer} writes"
        )
    view = View(
        root=place.root, clips=clips, strays=found.strays, listings=found.listings, trainer=request.trainer,
        config=request.config, trigger=request.trigger or None,
        caches=request.caches or _own(tuple(caches_of(place, request.trainer)), request.config),
        decoded=request.decoded, loras=request.lora, python=request.python, tokens=_counter(request.tokenizer),
    )  # fmt: skip
    if request.listen:
        from captioner.checks.listening import listened

        view = listened(view, memory)
    return view, notes


def _own(caches: tuple[Path, ...], config: TrainerConfig | None) -> tuple[Path, ...]:
    """Without those that are prepared of other clips of the same config."""
    if config is None:
        return caches
    own, others = (
        {place.name for block in blocks if (place := block.latents) is not None}
        for blocks in (config.blocks, config.others)
    )
    return tuple(folder for folder in caches if folder.name not in others - own)


def _named(request: Request) -> frozenset[str]:
    """File names of the listings that the config names."""
    blocks = request.config.blocks if request.config is not None else ()
    return frozenset(listing.replace("\\", "/").rpartition("/")[2] for one in blocks for listing in one.listings)


def _counter(tokenizer: str | None) -> Any:
    if tokenizer is None:
        return None
    from captioner.tokenizing import load_counter

    return load_counter(tokenizer)[0]


def caches_of(place: Place, trainer: str | None) -> Iterator[Path]:
    """Folders of caches beside or in the dataset, by the names that the trainers give them."""
    from captioner.checks.caches import find_caches
    from captioner.trainers import trainer as module_of
    from captioner.trainers import trainers

    patterns = {
        Path(cache).parts[0] if not Path(cache).parts[0].startswith("clips") else Path(cache).parts[-1]
        for name in ([trainer] if trainer else trainers()) for cache in module_of(name).CACHES
    }  # fmt: skip
    seen = set()
    for pattern in sorted(patterns):
        for above in (place.root, place.root.parent):
            for folder in sorted(above.glob(pattern)):
                if folder.is_dir() and folder not in seen:
                    seen.add(folder)
                    yield folder
    yield from (folder for folder in find_caches(place.root) if folder not in seen)


def _key(request: Request, place: Place, files: Sequence[File]) -> str:
    """Of all that a report is made from: every file by name, size and time, the configuration, the rules' own code."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\x1f{file.size}\x1f{file.mtime_ns}\x1e".encode("utf-8", "surrogateescape"))
    told = (
        str(place.root), str(place.listing), request.trainer, request.trigger, request.listen, request.tokenizer,
        str(request.python), list(map(str, request.caches)), list(map(str, request.decoded)),
    )  # fmt: skip
    digest.update(repr(told).encode("utf-8", "backslashreplace"))
    outside = [*request.caches, *request.decoded, *request.lora, *caches_of(place, request.trainer)]
    if request.config is not None:
        digest.update(b"".join(_bytes(Path(file)) for file in request.config.files))
        trained = [(one.name, one.folders, one.listings) for one in request.config.blocks]
        digest.update(repr((request.config.trainer, trained)).encode("utf-8", "backslashreplace"))
        outside += [Path(path) for block in request.config.blocks for path in (*block.folders, *block.listings)]
    if place.store is not None:
        outside += [place.store / name for name in ("store.sqlite", "store.sqlite-wal")]
    if request.tokenizer:
        outside.append(Path(request.tokenizer))
    for path in outside:
        for stamp in _stamps(path, place):
            digest.update(stamp.encode("utf-8", "backslashreplace"))
    digest.update(_code().encode())
    return digest.hexdigest()


def _bytes(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return b"gone"


def _stamps(path: Path, place: Place) -> Iterator[str]:
    from captioner.checks.walking import stamps

    if path != place.root or path.name in CACHES:
        yield from stamps(path)


def _code() -> str:
    """Of the rules' own files: a newer captioner does not believe an older one's reports."""
    home = Path(__file__).parent
    files = [*sorted(home.rglob("*.py")), *sorted((home.parent / "trainers").glob("*.py"))]
    return "".join(f"{file.name}{file.stat().st_size}{file.stat().st_mtime_ns}" for file in files)
