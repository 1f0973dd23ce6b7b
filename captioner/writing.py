"""What stands in `OUT/clips/`: pairs of a clip and its caption, verified, and nothing else of ours.

A clip is made in a folder aside, decoded and checked there, and only then moved to its name; a `.txt` that a person
changed is theirs and stays. `ahead` makes clips before it is known what belongs in the dataset.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from pathlib import Path
from typing import TypeVar

from captioner.captionfiles import edited, refresh_captions
from captioner.errors import CaptionerError, ClipMismatch, MediaError, OutOfMemory, WorkerDied
from captioner.media.check import check_clip
from captioner.media.cutting import VERSION as CUTTING_VERSION
from captioner.media.cutting import ClipSpec, Written, write_clips
from captioner.models import cuda
from captioner.naming import A_CLIP, TOGETHER, Errand, Whole, name, name_all, row_of
from captioner.ports import Engine, Reporter
from captioner.settings import Settings
from captioner.stages import DIED, once
from captioner.store import Store, WrittenRow, key_of
from captioner.summary import Failure
from captioner.types import Cut, Picture, Recording

T = TypeVar("T")

LEAST_SHARED = 8
"""Cuts below which one recording is not shared: every worker decodes from its beginning or seeks."""
PARTS = 3
"""Parts of all the work for each worker: enough that none waits long for the last."""

_SOUND_COST, _PICTURE_COST = 0.015, 0.3
"""Seconds that a second of a clip takes one core, roughly."""


@dataclass(frozen=True, slots=True)
class ToWrite:
    """One recording's clips that belong in the dataset."""

    recording: Recording
    picture: Picture | None
    cuts: tuple[Cut, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """A clip that was made ahead: whole and checked, and not in the dataset yet."""

    path: Path
    repeated: int


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    fresh: tuple[str, ...]
    edited: tuple[str, ...]
    removed: tuple[str, ...]
    failures: tuple[Failure, ...]
    strangers: tuple[str, ...]
    """Names in `clips/` that are nobody's pair."""


def clip_spec(settings: Settings, workers: int, recordings: int) -> ClipSpec:
    """How clips are encoded. Few recordings on many cores: the encoder gets the cores that would idle."""
    threads = max(1, workers // max(1, recordings))
    return ClipSpec(
        size=settings.frame_size,
        audio_codec=settings.audio_codec,
        crf=settings.crf,
        preset=settings.preset,
        threads=threads,
        gpus=cuda.decoders(settings.device),
    )


def clip_key(cut: Cut, recording: Recording, spec: ClipSpec) -> str:
    """What a clip's picture and sound are made from; its words are not among it."""
    look = (spec.size, spec.audio_codec, spec.crf, spec.preset)
    return key_of("clip", CUTTING_VERSION, recording.content, recording.audio, cut.start, cut.frames, cut.rate, look)


def write_dataset(
    wanted: Sequence[ToWrite],
    captions: Mapping[str, str],
    out: Path,
    settings: Settings,
    store: Store,
    engine: Engine,
    reporter: Reporter,
    ahead: Mapping[str, Made] | None = None,
    recordings: int = 0,
) -> WriteOutcome:
    """Make `OUT/clips/` hold exactly `wanted` with `captions` (clip id -> text). `ahead`: clips by their keys.

    `recordings`: how many there were before some failed: clips made ahead are encoded by as many threads as these."""
    clips, aside = out / "clips", store.folder / "aside"
    clips.mkdir(parents=True, exist_ok=True)
    aside.mkdir(exist_ok=True)
    for left in aside.iterdir():  # what a killed run left behind
        left.unlink()
    spec = clip_spec(settings, engine.threads, recordings or len(wanted))
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


def stale(entry: ToWrite, written: Mapping[str, WrittenRow], spec: ClipSpec, clips: Path) -> ToWrite:
    """The same without the clips that stand as they should."""

    def stands(cut: Cut) -> bool:
        row = written.get(cut.id)
        if row is None or row.key != clip_key(cut, entry.recording, spec):
            return False
        try:
            stat = (clips / row.media).stat()
        except OSError:
            return False
        return (stat.st_size, stat.st_mtime_ns) == (row.size, row.mtime_ns)

    return ToWrite(entry.recording, entry.picture, tuple(cut for cut in entry.cuts if not stands(cut)))


@dataclass(frozen=True, slots=True)
class Part:
    """Some clips of one recording to be made, checked and put in their place: all that a worker must know."""

    entry: ToWrite
    captions: Mapping[str, str]
    """Of each clip; a clip without one is made ahead: it gets its key for a name, and no text."""
    before: Mapping[str, WrittenRow]
    """What stood of these clips."""
    clips: Path
    aside: Path
    spec: ClipSpec

    def of(self, cuts: Sequence[Cut]) -> Part:
        """The part with some of its cuts only."""
        ids = {cut.id for cut in cuts}
        return replace(
            self,
            entry=replace(self.entry, cuts=tuple(cuts)),
            captions={id_: text for id_, text in self.captions.items() if id_ in ids},
            before={id_: row for id_, row in self.before.items() if id_ in ids},
        )

    def halves(self, done: Container[str]) -> list[Part]:
        """The cuts that are not done, in two parts."""
        left = [cut for cut in self.entry.cuts if cut.id not in done]
        middle = len(left) // 2
        return [self.of(half) for half in (left[:middle], left[middle:]) if half]


Tell = Callable[[WrittenRow | Failure | str], None]


def make(part: Part, tell: Tell) -> None:
    """Write, check and publish; a cut that fails is found by halving and costs nobody else. Each clip's row, or why
    there is none, is told as soon as it is known, as text why a GPU's decoder did not help: only the caller's process
    writes the store."""
    done: set[str] = set()
    entry = part.entry
    by_id = {cut.id: cut for cut in entry.cuts}

    def publish(clip: Written) -> None:
        done.add(clip.id)
        tell(_publish(clip, by_id[clip.id], part))

    try:
        write_clips(entry.recording, entry.picture, entry.cuts, part.spec, part.aside, on_clip=publish, say=tell)
    except MediaError as error:
        halves = part.halves(done)
        if len(halves) == 1:
            tell(_failure(halves[0].entry.cuts[0], error))
            return
        for half in halves:
            make(half, tell)


def _publish(clip: Written, cut: Cut, part: Part) -> WrittenRow | Failure:
    recording = part.entry.recording
    try:
        check_clip(clip.path, cut, part.spec, has_picture=recording.has_picture, proof=clip.proof)
    except ClipMismatch as error:
        clip.path.unlink(missing_ok=True)
        return _failure(cut, error)
    key = clip_key(cut, recording, part.spec)
    if clip.id not in part.captions:  # made ahead
        media = part.clips / f"{key}{clip.path.suffix}"
        clip.path.replace(media)
        return row_of(media, Whole(cut.id, key, media, clip.repeated, "", None), "")
    return name(_whole(cut.id, key, Made(clip.path, clip.repeated), part), part.clips, part.aside)


def _whole(clip: str, key: str, made: Made, part: Part) -> Whole:
    known = part.before.get(clip)
    return Whole(clip, key, made.path, made.repeated, part.captions[clip], None if known is None else known.caption)


def _not_made(wholes: Sequence[Part], ahead: Mapping[str, Made], engine: Engine, ledger: _Ledger) -> list[Part]:
    """The cuts that are still to be made; the others get their names."""
    ready: dict[Path, Whole] = {}  # the same cut of a copy is made for itself
    for part in wholes if ahead else ():
        for cut in part.entry.cuts:
            key = clip_key(cut, part.entry.recording, part.spec)
            made = ahead.get(key)
            if made is not None and made.path not in ready and made.path.is_file():
                ready[made.path] = _whole(cut.id, key, made, part)
    named = list(ready.values())
    errands = [
        Errand(tuple(named[at : at + TOGETHER]), wholes[0].clips, wholes[0].aside)
        for at in range(0, len(named), TOGETHER)
    ]
    takes = A_CLIP * len(named)

    try:
        # What an error, or a death, left without a name is made once more.
        engine.apart(name_all, errands, lambda *_: None, ledger.told_all, ledger.collect, takes)
    finally:
        ledger.collect()
    return [part.of([cut for cut in part.entry.cuts if cut.id not in ledger.known]) for part in wholes]


def _failure(cut: Cut, error: CaptionerError) -> Failure:
    return Failure(cut.id, type(error).__name__, str(error))


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
            ledger.failures.extend(_failure(cut, answer) for half in left for cut in half.entry.cuts)

    try:
        while parts:
            takes = inf if store.meta(DIED) else sum(map(seconds_of, parts))
            engine.apart(make, parts, done, ledger.told, ledger.collect, takes)
            parts, again = again, []
    finally:
        ledger.collect()
    return ledger.fresh, ledger.failures


def seconds_of(part: Part) -> float:
    """What a part takes one core, roughly."""
    share = _PICTURE_COST if part.entry.recording.has_picture else _SOUND_COST
    return share * float(sum(cut.frames / cut.rate for cut in part.entry.cuts))


def shared(wholes: Sequence[Part], workers: int) -> list[Part]:
    """The same work in parts, so that no worker waits long for another."""
    total = sum(len(whole.entry.cuts) for whole in wholes)
    return [whole.of(cuts) for whole in wholes for cuts in _parts(whole.entry, workers, total)]


def _parts(entry: ToWrite, workers: int, total: int) -> list[tuple[Cut, ...]]:
    """A recording with many cuts, of `total` in all recordings, is shared by the workers, each of which decodes its own
    stretch of it."""
    size = max(LEAST_SHARED, ceil(len(entry.cuts) / workers), ceil(total / (workers * PARTS)))
    return [entry.cuts[at : at + size] for at in range(0, len(entry.cuts), size)]


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
