"""Writes the clips of one recording: each source is decoded once, forwards, for all its cuts.

A clip is written aside and gets its name when it is whole; `check.check_clip` reads it back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from uuid import uuid4

from captioner.errors import Broken
from captioner.media.clipfile import ClipFile, ClipSpec, Proof, write_wave
from captioner.media.decoding import opener
from captioner.media.picture import Converter
from captioner.media.showing import Helper, Shown, Stretch, clock_zero, grid_range, shown_frames
from captioner.media.soundtrack import Track, stereo_blocks
from captioner.media.taking import taken
from captioner.types import Cut, Picture, Recording, cut_samples

__all__ = ["VERSION", "ClipSpec", "Written", "write_clips"]

VERSION = "2"
"""Changes whenever the same cut of the same source would be written differently."""

_NEIGHBOURS = 4
"""Source frames around a cut that deinterlacing is shown."""


@dataclass(frozen=True, slots=True)
class Written:
    id: str
    """The cut's."""
    path: Path
    repeated: int
    """Frames shown once more because the source had none for their place on the clip's grid."""
    dropped: int
    """Source frames between the clip's first and last picture that its grid has no place for."""
    width: int | None
    """Pixels; None for sound alone."""
    height: int | None
    proof: Proof
    """What was fed to the encoders; let go of it when it is not needed."""


def write_clips(
    recording: Recording,
    picture: Picture | None,
    cuts: Sequence[Cut],
    spec: ClipSpec,
    folder: Path,
    *,
    on_clip: Callable[[Written], None] | None = None,
    aside: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> list[Written]:
    """Writes one file a cut into `folder`: `<cut id>.mp4`, or `.wav` without picture. In the order of `cuts`.

    `aside`: a folder on the same file system where clips are made until they are whole; `folder` itself, under hidden
    names, if not given. `on_clip` is called as each gets its name; `check_clip` then says whether it is what was asked
    for. `say` is told why a GPU that should have decoded did not. Raises MediaError where the source cannot be used or
    is shorter than a cut; nothing half-made is left then.
    """
    room = _Room(spec, folder, folder if aside is None else aside, on_clip, say)
    for place in (room.folder, room.aside):
        place.mkdir(parents=True, exist_ok=True)
    ordered = sorted(cuts, key=lambda cut: (cut_samples(cut.start, cut.frames, cut.rate)[0], cut.frames))
    zero = clock_zero(recording)
    first = ordered[0].start / ordered[0].rate if ordered else Fraction(0)
    with closing(stereo_blocks(recording, zero, first)) as blocks:
        track = Track(blocks, recording.audio.rate, recording.audio.channels)
        if recording.has_picture:
            written = _write_pictures(recording, picture, ordered, zero, track, room)
        else:
            written = [_write_sound(cut, track, room) for cut in ordered]
    by_id = {each.id: each for each in written}
    return [by_id[cut.id] for cut in cuts]


@dataclass(frozen=True, slots=True)
class _Room:
    """Where the clips of one call are made and put."""

    spec: ClipSpec
    folder: Path
    aside: Path
    on_clip: Callable[[Written], None] | None
    say: Callable[[str], None] | None

    def draft(self, cut: Cut, suffix: str) -> Path:
        return self.aside / f".{cut.id}.{uuid4().hex}{suffix}"

    def keep(self, draft: Path, cut: Cut, proof: Proof, size: tuple[int, int] | None, counts: _Counts) -> Written:
        """Gives a finished draft its name."""
        final = self.folder / f"{cut.id}{draft.suffix}"
        draft.replace(final)
        width, height = size or (None, None)
        written = Written(cut.id, final, counts.repeated, counts.dropped, width, height, proof)
        if self.on_clip is not None:
            self.on_clip(written)
        return written


@dataclass(slots=True)
class _Counts:
    repeated: int = 0
    dropped: int = 0


def _write_sound(cut: Cut, track: Track, room: _Room) -> Written:
    draft = room.draft(cut, ".wav")
    try:
        proof = write_wave(draft, track.read(*cut_samples(cut.start, cut.frames, cut.rate)))
        return room.keep(draft, cut, proof, None, _Counts())
    finally:
        draft.unlink(missing_ok=True)


class _Clip:
    """One cut while its pictures arrive."""

    def __init__(self, cut: Cut, margin: Fraction) -> None:
        self.cut = cut
        self.counts = _Counts()
        self.file: ClipFile | None = None
        self._grid = range(cut.start, cut.start + cut.frames)
        self._start, self._end = cut.start / cut.rate, (cut.start + cut.frames) / cut.rate
        self.stretch = Stretch(self._start - margin, self._end + margin)
        """The pictures that must be decoded for it."""

    def wants(self, shown: Shown) -> int:
        """How many frames of the clip show this picture; keeps count of what is repeated and left out."""
        places = grid_range(shown.time, shown.until, self.cut.rate)
        times = max(0, min(places.stop, self._grid.stop) - max(places.start, self._grid.start))
        self.counts.repeated += max(0, times - 1)
        self.counts.dropped += not places and self._start <= shown.time < self._end
        return times

    def begin(self, track: Track, size: tuple[int, int], room: _Room) -> ClipFile:
        self.file = ClipFile(room.draft(self.cut, ".mp4"), self.cut.rate, size, room.spec)
        self.file.sound(track.read(*cut_samples(self.cut.start, self.cut.frames, self.cut.rate)))
        return self.file


def _write_pictures(
    recording: Recording, picture: Picture | None, cuts: Sequence[Cut], zero: Fraction, track: Track, room: _Room
) -> list[Written]:
    assert recording.video is not None
    converter = Converter(recording.video, room.spec.size, room.aside, room.spec.threads)
    margin = _NEIGHBOURS / recording.video.rate if recording.video.interlaced else Fraction(0)
    clips = [_Clip(cut, margin) for cut in cuts]
    unbegun, written = deque(clips), []
    stretches = [clip.stretch for clip in clips]
    start = opener(room.spec.gpus)
    helper = None if start is None else Helper(start, converter.window, room.say)
    try:
        with closing(shown_frames(recording, picture, stretches, zero, room.spec.threads, helper)) as source:
            for clip, frame, times in taken(source, clips, converter):
                while clip.file is None:  # in the order of their starts, as the sound is read
                    unbegun.popleft().begin(track, converter.size, room)
                clip.file.picture(frame, times)
                if clip.file.frames == clip.cut.frames:
                    written.append(_finished(clip, converter.size, room))
        lacking = [clip.cut.id for clip in clips if clip.cut.id not in {each.id for each in written}]
        if lacking:
            raise Broken(f"{recording.name}: its picture ends before clip {lacking[0]} does; run again if it changed")
    finally:
        for clip in clips:
            if clip.file is not None:
                clip.file.abandon()
    return written


def _finished(clip: _Clip, size: tuple[int, int], room: _Room) -> Written:
    file, clip.file = clip.file, None  # with it go its encoders, which hold dozens of pictures
    assert file is not None
    try:
        proof = file.close()
        return room.keep(file.path, clip.cut, proof, size, clip.counts)
    finally:
        file.path.unlink(missing_ok=True)
