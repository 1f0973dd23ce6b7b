"""A clip is made in a folder aside, decoded and checked there, and only then gets its name: what a worker does.

How clips are shared by workers stands here too, and which of them stand already.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from captioner.errors import CaptionerError, ClipMismatch, MediaError
from captioner.media.check import check_clip
from captioner.media.cutting import VERSION as CUTTING_VERSION
from captioner.media.cutting import ClipSpec, Written, write_clips
from captioner.models import cuda
from captioner.naming import Whole, name, row_of
from captioner.settings import Settings
from captioner.store import WrittenRow, key_of
from captioner.summary import Failure
from captioner.types import Cut, Picture, Recording

LEAST_SHARED, LEAST_SOUNDS = 3, 8
"""Cuts below which one recording is not shared, with and without picture: every worker opens it and seeks, which costs
as much as half a clip. Of the last pictures of all each worker takes one, so that nobody waits for three."""
A_PLACE = 20.0
"""Seconds of a recording that one worker makes clips of, at least: others make those of the rest meanwhile."""
PARTS = 3
"""Parts of all the work for each worker at least. Each is a share of what is left then, so that the last are small and
nobody waits long for them."""

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


def clip_spec(settings: Settings, workers: int, recordings: Iterable[Recording]) -> ClipSpec:
    """How clips are encoded. Few short recordings on many cores: the encoder gets cores that would idle. A thread more
    makes a clip of 512x512 a thousandth larger and takes a hundredth more of the cores."""
    together = sum(max(1, int((one.audio.duration or 0.0) // A_PLACE)) for one in recordings)
    threads = max(1, workers // max(1, together))
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
            tell(failure_of(halves[0].entry.cuts[0], error))
            return
        for half in halves:
            make(half, tell)


def _publish(clip: Written, cut: Cut, part: Part) -> WrittenRow | Failure:
    recording = part.entry.recording
    try:
        check_clip(clip.path, cut, part.spec, has_picture=recording.has_picture, proof=clip.proof)
    except ClipMismatch as error:
        clip.path.unlink(missing_ok=True)
        return failure_of(cut, error)
    key = clip_key(cut, recording, part.spec)
    if clip.id not in part.captions:  # made ahead
        media = part.clips / f"{key}{clip.path.suffix}"
        clip.path.replace(media)
        return row_of(media, Whole(cut.id, key, media, clip.repeated, "", None), "")
    return name(whole_of(cut.id, key, Made(clip.path, clip.repeated), part), part.clips, part.aside)


def whole_of(clip: str, key: str, made: Made, part: Part) -> Whole:
    known = part.before.get(clip)
    return Whole(clip, key, made.path, made.repeated, part.captions[clip], None if known is None else known.caption)


def failure_of(cut: Cut, error: CaptionerError) -> Failure:
    return Failure(cut.id, type(error).__name__, str(error))


def seconds_of(part: Part) -> float:
    """What a part takes one core, roughly."""
    share = _PICTURE_COST if part.entry.recording.has_picture else _SOUND_COST
    return share * float(sum(cut.frames / cut.rate for cut in part.entry.cuts))


def shared(wholes: Sequence[Part], workers: int) -> list[Part]:
    """The same work in parts, so that no worker waits long for another."""
    left = sum(len(whole.entry.cuts) for whole in wholes)
    parts = []
    for whole in wholes:
        for cuts in _parts(whole.entry, workers, left):
            parts.append(whole.of(cuts))
            left -= len(cuts)
    return parts


def _parts(entry: ToWrite, workers: int, left: int) -> Iterator[Sequence[Cut]]:
    """A recording with many cuts, of those `left` from it on, is shared by the workers, each of which decodes its own
    stretch of it."""
    cuts, at = entry.cuts, 0
    while at < len(cuts):
        least = (1 if left - at <= workers else LEAST_SHARED) if entry.recording.has_picture else LEAST_SOUNDS
        size = max(least, min(ceil(len(cuts) / workers), ceil((left - at) / (workers * PARTS))))
        rest = len(cuts) - at - size
        size += rest if rest < least else 0
        yield cuts[at : at + size]
        at += size
