"""What stands in `OUT/clips/`: pairs of a clip and its caption, verified, and nothing else of ours.

Clips are made, or were made ahead, by workers; a `.txt` that a person changed is theirs and stays.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import TypeVar

from captioner.captionfiles import edited, refresh_captions
from captioner.errors import CaptionerError, OutOfMemory, WorkerDied
from captioner.making import (
    Made,
    Part,
    ToWrite,
    clip_key,
    clip_spec,
    failure_of,
    make,
    seconds_of,
    shared,
    stale,
    whole_of,
)
from captioner.naming import A_CLIP, TOGETHER, Errand, Whole, name_all
from captioner.ports import Engine, Reporter
from captioner.settings import Settings
from captioner.stages import DIED, once
from captioner.store import Store, WrittenRow
from captioner.summary import Failure
from captioner.types import Cut, Recording

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    fresh: tuple[str, ...]
    edited: tuple[str, ...]
    removed: tuple[str, ...]
    failures: tuple[Failure, ...]
    strangers: tuple[str, ...]
    """Names in `clips/` that are nobody's pair."""


def write_dataset(
    wanted: Sequence[ToWrite],
    captions: Mapping[str, str],
    out: Path,
    settings: Settings,
    store: Store,
    engine: Engine,
    reporter: Reporter,
    ahead: Mapping[str, Made] | None = None,
    every: Sequence[Recording] = (),
) -> WriteOutcome:
    """Make `OUT/clips/` hold exactly `wanted` with `captions` (clip id -> text). `ahead`: clips by their keys.

    `every`: the recordings before some failed: clips made ahead are encoded by as many threads as these."""
    clips, aside = out / "clips", store.folder / "aside"
    clips.mkdir(parents=True, exist_ok=True)
    aside.mkdir(exist_ok=True)
    for left in aside.iterdir():  # what a killed run left behind
        left.unlink()
    spec = clip_spec(settings, engine.threads, every or [entry.recording for entry in wanted])
    written = store.written()
    todo = [stale(entry, written, spec, clips) for entry in wanted]
    total = sum(len(entry.cuts) for entry in todo)
    ledger = _Ledger(store, reporter)
    if total:
        reporter.stage("write", total, "clips")
    # Each knows of its own clips alone: what there is of all would be gone through for every recording.
    whole = [Part(entry, _of(captions, entry.cuts), _of(written, entry.cuts), clips, aside, spec) for entry in todo]
    left_over = _not_made(whole, ahead or {}, engine, ledger)
    fresh, failures = _encode(shared(left_over, engine.threads), store, engine, ledger)
    failed = {failure.name for failure in failures}
    ids = [cut.id for entry in wanted for cut in entry.cuts if cut.id not in failed]
    rows, new = store.written(), set(fresh)
    # What just got its own caption need not be read back; a text that a person had changed is told of.
    older = {id_: captions[id_] for id_ in ids if id_ not in new or rows[id_].caption != captions[id_]}
    by_hand = refresh_captions(older, clips, store)
    removed = _remove(set(rows) - set(ids), clips, out / "replaced", store)
    names = {row.media for row in store.written().values()} | {f"{id_}.txt" for id_ in ids}
    strangers = sorted(path.name for path in clips.iterdir() if path.name not in names)
    return WriteOutcome(tuple(fresh), tuple(by_hand), tuple(removed), tuple(failures), tuple(strangers))


def _of(known: Mapping[str, T], cuts: Sequence[Cut]) -> dict[str, T]:
    return {cut.id: known[cut.id] for cut in cuts if cut.id in known}


def _not_made(wholes: Sequence[Part], ahead: Mapping[str, Made], engine: Engine, ledger: _Ledger) -> list[Part]:
    """The cuts that are still to be made; the others get their names."""
    ready: dict[Path, Whole] = {}  # the same cut of a copy is made for itself
    for part in wholes if ahead else ():
        for cut in part.entry.cuts:
            key = clip_key(cut, part.entry.recording, part.spec)
            made = ahead.get(key)
            if made is not None and made.path not in ready and made.path.is_file():
                ready[made.path] = whole_of(cut.id, key, made, part)
    named = list(ready.values())
    errands = [
        Errand(tuple(named[at : at + TOGETHER]), wholes[0].clips, wholes[0].aside)
        for at in range(0, len(named), TOGETHER)
    ]
    takes = A_CLIP * len(named)

    try:
        # What an error, or a death, left without a name is made once more.
        if errands:
            engine.apart(name_all, errands, lambda *_: None, ledger.told_all, ledger.collect, takes)
    finally:
        ledger.collect()
    return [part.of([cut for cut in part.entry.cuts if cut.id not in ledger.known]) for part in wholes]


class _Ledger:
    """What the workers told, kept in the store by the caller's thread."""

    def __init__(self, store: Store, reporter: Reporter) -> None:
        self._store, self._reporter = store, reporter
        self._rows: deque[WrittenRow] = deque()
        self.fresh: list[str] = []
        self.failures: list[Failure] = []
        self.known: set[str] = set()
        """Clips of which something was told."""
        self._say = once(reporter.say)

    def told(self, _part: Part, news: WrittenRow | Failure | str) -> None:
        if isinstance(news, str):
            self._say(news)
        elif isinstance(news, Failure):
            self.failures.append(news)
            self.known.add(news.name)
        else:
            self._rows.append(news)
            self.known.add(news.id)

    def told_all(self, _of: Errand, rows: Iterable[WrittenRow]) -> None:
        for row in rows:
            self._rows.append(row)
            self.known.add(row.id)

    def collect(self) -> None:
        with self._store.transaction():
            while self._rows:
                row = self._rows.popleft()
                self._store.set_written(row)
                self.fresh.append(row.id)
                self._reporter.advance(1)


def _encode(parts: Sequence[Part], store: Store, engine: Engine, ledger: _Ledger) -> tuple[list[str], list[Failure]]:
    again: list[Part] = []

    def done(part: Part, answer: CaptionerError | None) -> None:
        left = part.halves(ledger.known)
        if isinstance(answer, WorkerDied):
            store.set_meta(DIED, "write")
        divisible = sum(len(half.entry.cuts) for half in left) > 1 or bool(part.spec.gpus)
        if isinstance(answer, WorkerDied | OutOfMemory) and divisible:
            again.extend(replace(half, spec=replace(half.spec, gpus=())) for half in left)
        elif isinstance(answer, CaptionerError):
            ledger.failures.extend(failure_of(cut, answer) for half in left for cut in half.entry.cuts)

    try:
        while parts:
            takes = inf if store.meta(DIED) else sum(map(seconds_of, parts))
            engine.apart(make, parts, done, ledger.told, ledger.collect, takes)
            parts, again = again, []
    finally:
        ledger.collect()
    return ledger.fresh, ledger.failures


def _remove(ids: Iterable[str], clips: Path, replaced: Path, store: Store) -> list[str]:
    """Take pairs out of the dataset. A caption that a person changed is kept in `replaced`."""
    gone = sorted(ids)
    rows = store.written()
    for id_ in gone:
        text = clips / f"{id_}.txt"
        if edited(text, rows[id_].caption):
            replaced.mkdir(exist_ok=True)
            text.replace(replaced / text.name)
        text.unlink(missing_ok=True)
        (clips / rows[id_].media).unlink(missing_ok=True)
    store.unset_written(gone)
    return gone
