"""What tests of written clips share: a Recording of a made file, cuts of it, and what is read back from a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from factory import Audio, Floats, Video, make, shown_index

from captioner.media.check import check_clip
from captioner.media.cutting import ClipSpec, Written, write_clips
from captioner.media.probe import probe
from captioner.types import Cut, Recording


def record(path: Path) -> Recording:
    audio, video = probe(path)
    return Recording(str(path), path.name, path.stem, "0" * 64, audio, video)


def cut(recording: Recording, start: int, frames: int, rate: Fraction | int = 25) -> Cut:
    return Cut(recording.slug, start, frames, Fraction(rate), ())


@dataclass(frozen=True)
class Clip:
    """A clip as a stranger reads it."""

    written: Written
    pictures: list[Any]
    samples: Floats
    """(n, 2)."""

    @property
    def indices(self) -> list[int | None]:
        return [shown_index(frame) for frame in self.pictures]

    def luma(self, number: int) -> Any:
        return self.pictures[number].to_ndarray()[: self.pictures[number].height]


def read(written: Written) -> Clip:
    with av.open(str(written.path)) as container:
        pictures = list(container.decode(video=0)) if container.streams.video else []
    return Clip(written, pictures, read_sound(written.path))


def read_sound(path: Path) -> Floats:
    """float32 (n, channels)."""
    with av.open(str(path)) as container:
        blocks = []
        for frame in container.decode(audio=0):
            data = frame.to_ndarray()
            data = data.T if frame.format.is_planar else data.reshape(-1, len(frame.layout.channels))
            blocks.append(data if data.dtype == np.float32 else (data / 32768).astype(np.float32))
    return np.concatenate(blocks)


def write(source: Path, *cuts: tuple[int, int], rate: Fraction | int = 25, spec: ClipSpec | None = None) -> list[Clip]:
    """Writes (start, frames) cuts of a file beside it, checks each and reads each back."""
    recording, spec = record(source), spec or ClipSpec(preset="ultrafast")
    asked = [cut(recording, start, frames, rate) for start, frames in cuts]
    made = write_clips(recording, None, asked, spec, source.parent / "clips")
    for one, written in zip(asked, made, strict=True):
        check_clip(written.path, one, spec, has_picture=recording.has_picture, proof=written.proof)
    return [read(written) for written in made]


def film(folder: Path, video: Video | None = None, audio: Audio | None = None, name: str = "film.mp4") -> Path:
    """A made file; without `audio`, two seconds more of noise than of picture."""
    from factory import noise

    video = video or Video()
    length = video.times[-1] if video.times else float(video.frames / video.rate)
    return make(folder / name, video, audio or Audio(noise(length + 2, 48_000, 0.3), 48_000))


def onset(values: Sequence[float], threshold: float) -> int:
    """The first place above the threshold."""
    return int(np.flatnonzero(np.asarray(values) > threshold)[0])
