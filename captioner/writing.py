"""What stands in `OUT/clips/`: pairs of a clip and its caption, verified, and nothing else of ours.

A clip is made in a folder aside, decoded and checked there, and only then moved to its name; a `.txt` that a person
changed is theirs and stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.errors import CaptionerError, ClipMismatch
from captioner.media.check import check_clip
from captioner.media.cutting import VERSION as CUTTING_VERSION
from captioner.media.cutting import ClipSpec, Written, write_clips
from captioner.settings import Settings
from captioner.stages import Engine, Reporter
from captioner.store import Store, WrittenRow, key_of
from captioner.summary import Failure
from captioner.types import Cut, Picture, Recording


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
    fresh, failures = _encode([entry for entry in todo if entry.cuts], captions, clips, aside, spec, store, engine, reporter)
    failed = {failure.name for failure in failures}
    ids = [cut.id for entry in wanted for cut in entry.cuts if cut.id not in failed]
    edited = refresh_captions({id_: captions[id_] for id_ in ids}, clips, store)
    removed = _remove(set(store.written()) - set(ids), clips, out / "replaced", store)
    names = {row.media for row in store.written().values()} | {f"{id_}.txt" for id_ in ids}
    strangers = sorted(path.name for path in clips.iterdir() if path.name not in names)
    return WriteOutcome(tuple(fresh), tuple(edited), tuple(removed), tuple(failures), tuple(strangers))


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


def _encode(
    todo: Sequence[ToWrite],
    captions: Mapping[str, str],
    clips: Path,
    aside: Path,
    spec: ClipSpec,
    store: Store,
    engine: Engine,
    reporter: Reporter,
) -> tuple[list[str], list[Failure]]:
    fresh: list[str] = []
    failures: list[Failure] = []
    if not todo:
        return fresh, failures
    reporter.stage("write", sum(len(entry.cuts) for entry in todo), "clips")

    def make(entry: ToWrite) -> list[Written | CaptionerError]:
        made = []
        by_id = {cut.id: cut for cut in entry.cuts}
        for clip in write_clips(entry.recording, entry.picture, entry.cuts, spec, aside):
            made.append(_checked(clip, by_id[clip.id], spec, entry.recording.has_picture))
        return made

    def done(entry: ToWrite, answer: list[Written | CaptionerError] | CaptionerError) -> None:
        if isinstance(answer, CaptionerError):
            failures.extend(Failure(cut.id, type(answer).__name__, str(answer)) for cut in entry.cuts)
            reporter.advance(len(entry.cuts))
            return
        by_id = {cut.id: cut for cut in entry.cuts}
        for cut, clip in zip(entry.cuts, answer, strict=True):
            if isinstance(clip, CaptionerError):
                failures.append(Failure(cut.id, type(clip).__name__, str(clip)))
            else:
                key = clip_key(by_id[clip.id], entry.recording, spec)
                _publish(clip, key, captions[clip.id], clips, store)
                fresh.append(clip.id)
            reporter.advance(1)

    engine.each(make, todo, done)
    return fresh, failures


def _checked(clip: Written, cut: Cut, spec: ClipSpec, has_picture: bool) -> Written | CaptionerError:
    try:
        check_clip(clip.path, cut, spec, has_picture=has_picture, proof=clip.proof)
    except ClipMismatch as error:
        clip.path.unlink(missing_ok=True)
        return error
    return clip


def _publish(clip: Written, key: str, caption: str, clips: Path, store: Store) -> None:
    media, text = clips / clip.path.name, clips / f"{clip.id}.txt"
    before = store.written().get(clip.id) if text.exists() else None
    if not text.exists() or (before is not None and not _edited(text, before.caption)):
        write_text(text, caption, store.folder)
    os.replace(clip.path, media)
    stat = media.stat()
    store.set_written(WrittenRow(clip.id, key, media.name, stat.st_size, stat.st_mtime_ns, caption, clip.repeated))


def refresh_captions(captions: Mapping[str, str], clips: Path, store: Store) -> list[str]:
    """Bring every written clip's `.txt` to its caption. Returns the ids whose text a person changed; those stay."""
    edited = []
    with store.transaction():
        for id_, row in store.written().items():
            if id_ not in captions:
                continue
            path = clips / f"{id_}.txt"
            if _edited(path, row.caption):
                edited.append(id_)
                continue
            if not path.exists() or row.caption != captions[id_]:
                write_text(path, captions[id_], store.folder)
                store.set_written(
                    WrittenRow(id_, row.key, row.media, row.size, row.mtime_ns, captions[id_], row.repeated)
                )
    return edited


def _remove(ids: Iterable[str], clips: Path, replaced: Path, store: Store) -> list[str]:
    """Take pairs out of the dataset. A caption that a person changed is kept in `replaced`."""
    gone = sorted(ids)
    rows = store.written()
    for id_ in gone:
        text = clips / f"{id_}.txt"
        if _edited(text, rows[id_].caption):
            replaced.mkdir(exist_ok=True)
            os.replace(text, replaced / text.name)
        text.unlink(missing_ok=True)
        (clips / rows[id_].media).unlink(missing_ok=True)
    store.unset_written(gone)
    return gone


def _edited(path: Path, caption: str) -> bool:
    """Whether a caption file stands there and says something else than captioner wrote."""
    try:
        found = path.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return False
    return found.rstrip("\r\n") != caption


def write_text(path: Path, text: str, aside: Path) -> None:
    """UTF-8 without BOM, written in the folder `aside` and then renamed, so that `path` is never half a caption."""
    scratch = aside / path.name
    scratch.write_bytes(f"{text}\n".encode())
    os.replace(scratch, path)
