"""Frames of cuts as JPEGs: the right ones, as their clips will show them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import cut, film, record
from factory import Audio, Video, make, noise, read_index

from captioner.errors import Broken
from captioner.media.stills import Stills, Wanted, stills


def looked_at(path: Path, *wanted: tuple[int, int, tuple[int, ...]], rate: Fraction | int = 25, side: int = 512,
              size: tuple[int, int] | None = None) -> list[Stills]:  # fmt: skip
    """(start, frames, places) of each cut."""
    recording = record(path)
    asked = [Wanted(cut(recording, start, frames, rate), places) for start, frames, places in wanted]
    return list(stills(recording, None, asked, size, side, path.parent / "scratch"))


def pixels(data: bytes) -> Any:
    """uint8 (height, width, 3), RGB."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def test_each_still_is_the_frame_that_the_clip_will_show(tmp_path: Path) -> None:
    source = film(tmp_path, Video(frames=90))
    first, second = looked_at(source, (3, 25, (0, 12, 24)), (40, 49, (8, 24, 40)))
    assert [read_index(pixels(frame)) for frame in first.frames] == [3, 15, 27]
    assert [read_index(pixels(frame)) for frame in second.frames] == [48, 64, 80]
    assert first.times == (0.0, 0.48, 0.96)
    assert (first.cut.start, second.cut.start) == (3, 40)


def test_cuts_may_overlap_and_a_frame_may_be_shown_twice(tmp_path: Path) -> None:
    source = film(tmp_path, Video(frames=60, rate=Fraction(10)))
    found = looked_at(source, (10, 30, (0, 1, 2, 3)), (5, 30, (5, 29)), rate=25)
    indices = {entry.cut.start: [read_index(pixels(frame)) for frame in entry.frames] for entry in found}
    assert indices == {10: [4, 4, 4, 5], 5: [4, 13]}, "frame 12 shows what is seen at 0.5 s, where frame 5 only comes"


@pytest.mark.parametrize(
    ("video", "side", "size"),
    [(Video(frames=30, size=(192, 128)), 96, (96, 64)), (Video(frames=30, size=(192, 128)), 500, (192, 128)),
     (Video(frames=30, size=(128, 192)), 96, (64, 96)), (Video(frames=30, size=(192, 128), rotation=90), 96, (64, 96)),
     (Video(frames=30, size=(192, 128), aspect=Fraction(4, 3)), 128, (128, 64))],
    ids=["smaller", "never larger", "upright", "turned", "wide pixels"],
)  # fmt: skip
def test_stills_have_the_side_that_is_asked_for(tmp_path: Path, video: Video, side: int, size: tuple[int, int]) -> None:
    (entry,) = looked_at(film(tmp_path, video), (2, 9, (1, 5)), side=side)
    assert entry.size == size
    assert [pixels(frame).shape[:2] for frame in entry.frames] == [size[::-1]] * 2


COLOURS = [(200, 30, 30), (30, 180, 30), (30, 30, 200), (128, 128, 128)]


def stripes(_index: int, width: int, height: int) -> Any:
    picture = np.zeros((height, width, 3), np.uint8)
    for number, colour in enumerate(COLOURS):
        picture[:, number * width // 4 : (number + 1) * width // 4] = colour
    return picture


def test_colours_are_those_of_the_source(tmp_path: Path) -> None:
    (entry,) = looked_at(film(tmp_path, Video(frames=20, size=(256, 128), draw=stripes)), (2, 9, (4,)))
    picture = pixels(entry.frames[0])
    for number, colour in enumerate(COLOURS):
        assert np.allclose(picture[64, number * 64 + 32], colour, atol=14), (number, picture[64, number * 64 + 32])


def test_interlaced_and_hdr_sources_are_shown_as_their_clips(tmp_path: Path) -> None:
    (entry,) = looked_at(film(tmp_path, Video(frames=40, interlaced=True)), (3, 25, (2, 20)))
    assert [read_index(pixels(frame)) for frame in entry.frames] == [5, 23]
    hdr = tmp_path / "hdr"
    hdr.mkdir()
    (entry,) = looked_at(film(hdr, Video(frames=20, hdr="pq")), (3, 9, (4,)))
    assert read_index(pixels(entry.frames[0])) == 7


def test_a_cut_past_the_end_has_no_stills_and_costs_no_other(tmp_path: Path) -> None:
    source = film(tmp_path, Video(frames=40))
    (entry,) = looked_at(source, (5, 20, (10,)), (30, 40, (2, 30)))
    assert entry.cut.start == 5
    with pytest.raises(Broken, match="none of its pictures"):
        looked_at(source, (400, 20, (10,)))


def test_jumps_over_what_nobody_looks_at_change_no_frame(tmp_path: Path) -> None:
    long = make(
        tmp_path / "long.mp4",
        Video(frames=700, size=(64, 64), options={"g": "25", "preset": "ultrafast"}),
        Audio(noise(28.0, 48_000)),
    )
    found = looked_at(long, (10, 25, (12,)), (600, 25, (0, 12)))
    assert [read_index(pixels(frame)) for entry in found for frame in entry.frames] == [22, 600, 612]
