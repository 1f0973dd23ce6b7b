"""Some frames of each Cut as JPEGs, as its clip will show them: each source is decoded once, forwards."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from captioner.errors import Broken
from captioner.media.picture import Converter
from captioner.media.showing import Shown, Stretch, clock_zero, grid_range, shown_frames
from captioner.media.taking import taken
from captioner.types import Cut, Picture, Recording

__all__ = ["QUALITY", "Stills", "Wanted", "stills"]

QUALITY = 90
"""Of the JPEGs, 0 to 100."""

_NEIGHBOURS = 4
"""Source frames around a wanted one that deinterlacing is shown."""


@dataclass(frozen=True, slots=True)
class Wanted:
    cut: Cut
    places: tuple[int, ...]
    """Which of its frames, counted from its first; in order, none twice."""


@dataclass(frozen=True, slots=True)
class Stills:
    cut: Cut
    frames: tuple[bytes, ...]
    """JPEG, one a place."""
    times: tuple[float, ...]
    """When each is shown, seconds from the cut's start."""
    size: tuple[int, int]
    """Width and height, pixels."""


def stills(
    recording: Recording,
    picture: Picture | None,
    wanted: Sequence[Wanted],
    size: tuple[int, int] | None,
    side: int,
    scratch: Path,
    threads: int = 1,
) -> Generator[Stills, None, None]:
    """The frames of every cut as soon as it has all of them; a cut that the picture ends before has none.

    `size`: what clips are scaled and cropped to; their own if None. `side`: pixels of the longer side of a JPEG, which
    is never larger than the clip. `scratch`: a folder for the colour cube of HDR sources.
    Raises MediaError where the source cannot be used.
    """
    assert recording.video is not None
    scratch.mkdir(parents=True, exist_ok=True)
    converter = Converter(recording.video, size, scratch, threads)
    margin = _NEIGHBOURS / recording.video.rate if recording.video.interlaced else Fraction(0)
    albums = [_Album(entry, margin) for entry in wanted if entry.places]
    zero = clock_zero(recording)
    with closing(shown_frames(recording, picture, [album.stretch for album in albums], zero, threads)) as source:
        for album, frame, places in taken(source, albums, converter):
            data, shape = encoded(frame, side)
            for place in places:
                album.found[place] = data
            if len(album.found) == len(album.entry.places):
                yield album.whole(shape)
    if albums and not any(album.found for album in albums):
        raise Broken(f"{recording.name}: none of its pictures could be decoded where its clips are")


def encoded(frame: Any, side: int) -> tuple[bytes, tuple[int, int]]:
    """A finished picture (yuv420p, BT.709) as a JPEG of at most `side` pixels a side, and its width and height."""
    import cv2

    longer = max(frame.width, frame.height)
    width, height = frame.width, frame.height
    if longer > side:
        width, height = max(1, round(width * side / longer)), max(1, round(height * side / longer))
    small = frame.reformat(width, height, "bgr24", src_colorspace="ITU709", interpolation="AREA")
    done, data = cv2.imencode(".jpg", small.to_ndarray(), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done, "JPEG takes every size up to 65,500"
    return data.tobytes(), (width, height)


@dataclass(slots=True)
class _Album:
    """One cut while its pictures arrive."""

    entry: Wanted
    margin: Fraction
    """Seconds around it that deinterlacing is shown."""
    found: dict[int, bytes] = field(default_factory=dict)

    @property
    def stretch(self) -> Stretch:
        """The pictures that must be decoded for it."""
        cut, places = self.entry.cut, self.entry.places
        first, last = cut.start + places[0], cut.start + places[-1] + 1
        return Stretch(first / cut.rate - self.margin, last / cut.rate + self.margin)

    def wants(self, shown: Shown) -> tuple[int, ...]:
        """Its places that show the picture."""
        cut = self.entry.cut
        grid = grid_range(shown.time, shown.until, cut.rate)
        return tuple(place for place in self.entry.places if cut.start + place in grid)

    def whole(self, size: tuple[int, int]) -> Stills:
        cut, places = self.entry.cut, self.entry.places
        times = tuple(round(float(place / cut.rate), 3) for place in places)
        return Stills(cut, tuple(self.found[place] for place in places), times, size)
