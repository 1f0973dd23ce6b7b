"""What stands in `OUT/clips/`: pairs of a clip and its caption, verified, and nothing else of ours.

A clip is made in a folder aside, decoded and checked there, and only then moved to its name; a `.txt` that a person
changed is theirs and stays.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from captioner.captionfiles import edited, refresh_captions, write_text
from captioner.errors import CaptionerError, ClipMismatch, MediaError
from captioner.media.check import check_clip
from captioner.media.cutting import VERSION as CUTTING_VERSION
from captioner.media.cutting import ClipSpec, Written, write_clips
from captioner.settings import Settings
from captioner.stages import Engine, Reporter
from captioner.store import Store, WrittenRow, key_of
from captioner.summary import Failure
from captioner.types import Cut, Picture, Recording

LEAST_SHARED = 8
"""Cuts below which one recording is not shared: every worker decodes from its beginning or seeks."""


@dataclass(frozen=True, slots=True)
class ToWrite:
    """One recording's clips that belong in the dataset."""

    recording: Recording
    picture: Picture | None
    cuts: tuple[Cut, ...]


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
) -> WriteOutcome:
    """Make `OUT/clips/` hold exactly `wanted` with `captions` (clip id -> text)."""
    clips, aside = out / "clips", store.folder / "aside"
    clips.mkdir(parents=True, exist_ok=True)
    aside.mkdir(exist_ok=True)
    for left in aside.iterdir():  # what a killed run left behind
        left.unlink()
    spec = clip_spec(settings, engine.threads, len(wanted))
    written = store.written()
    todo = [_stale(entry, written, spec, clips) for entry in wanted]
    desk = _Desk(captions, clips, aside, spec, written)
    fresh, failures = _encode([entry for entry in todo if entry.cuts], desk, store, engine, reporter)
    failed = {failure.name for failure in failures}
    ids = [cut.id for entry in wanted for cut in entry.cuts if cut.id not in failed]
    by_hand = refresh_captions({id_: captions[id_] for id_ in ids}, clips, store)
    removed = _remove(set(store.written()) - set(ids), clips, out / "replaced", store)
    names = {row.media for row in store.written().values()} | {f"{id_}.txt" for id_ in ids}
    strangers = sorted(path.name for path in clips.iterdir() if path.name not in names)
    return WriteOutcome(tuple(fresh), tuple(by_hand), tuple(removed), tuple(failures), tuple(strangers))


def _stale(entry: ToWrite, written: Mapping[str, WrittenRow], spec: ClipSpec, clips: Path) -> ToWrite:
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
class _Desk:
    """Where the clips of one run are made, checked and put; shared by the workers."""

    captions: Mapping[str, str]
    clips: Path
    aside: Path
    spec: ClipSpec
    before: Mapping[str, WrittenRow]
    finished: deque[WrittenRow] = field(default_factory=deque)
    """Rows for the store, which only the caller's thread writes."""
    failures: deque[Failure] = field(default_factory=deque)

    def make(self, entry: ToWrite) -> None:
        """Write, check and publish; a cut that fails is found by halving and costs nobody else."""
        done: set[str] = set()
        by_id = {cut.id: cut for cut in entry.cuts}

        def publish(clip: Written) -> None:
            done.add(clip.id)
            self._publish(clip, by_id[clip.id], entry.recording)

        try:
            write_clips(entry.recording, entry.picture, entry.cuts, self.spec, self.aside, on_clip=publish)
        except MediaError as error:
            left = tuple(cut for cut in entry.cuts if cut.id not in done)
            if len(left) == 1:
                self.failures.append(Failure(left[0].id, type(error).__name__, str(error)))
                return
            for part in (left[: len(left) // 2], left[len(left) // 2 :]):
                self.make(replace(entry, cuts=part))

    def _publish(self, clip: Written, cut: Cut, recording: Recording) -> None:
        try:
            check_clip(clip.path, cut, self.spec, has_picture=recording.has_picture, proof=clip.proof)
        except ClipMismatch as error:
            clip.path.unlink(missing_ok=True)
            self.failures.append(Failure(clip.id, type(error).__name__, str(error)))
            return
        caption, media = self.captions[clip.id], self.clips / clip.path.name
        text = self.clips / f"{clip.id}.txt"
        known = self.before.get(clip.id)
        if known is None or not edited(text, known.caption):
            write_text(text, caption, self.aside)
        else:
            caption = known.caption  # so that the text on disk still counts as a person's
        clip.path.replace(media)
        stat = media.stat()
        key = clip_key(cut, recording, self.spec)
        self.finished.append(
            WrittenRow(clip.id, key, media.name, stat.st_size, stat.st_mtime_ns, caption, clip.repeated)
        )


def _encode(
    todo: Sequence[ToWrite], desk: _Desk, store: Store, engine: Engine, reporter: Reporter
) -> tuple[list[str], list[Failure]]:
    fresh: list[str] = []
    if todo:
        reporter.stage("write", sum(len(entry.cuts) for entry in todo), "clips")

    def collect() -> None:
        with store.transaction():
            while desk.finished:
                row = desk.finished.popleft()
                store.set_written(row)
                fresh.append(row.id)
                reporter.advance(1)

    def done(entry: ToWrite, answer: CaptionerError | None) -> None:
        if isinstance(answer, CaptionerError):
            desk.failures.extend(Failure(cut.id, type(answer).__name__, str(answer)) for cut in entry.cuts)

    parts = [part for entry in todo for part in _parts(entry, engine.threads)]
    try:
        engine.each(desk.make, parts, done, collect)
    finally:
        collect()
    return fresh, list(desk.failures)


def _parts(entry: ToWrite, workers: int) -> list[ToWrite]:
    """A recording with many cuts is shared by all workers, each of which decodes its own stretch of it."""
    size = max(LEAST_SHARED, -(-len(entry.cuts) // workers))
    return [replace(entry, cuts=entry.cuts[at : at + size]) for at in range(0, len(entry.cuts), size)]


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
