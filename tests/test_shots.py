"""Watching a film: the time of every frame, and the shot changes: all of them, and not flashes or movement."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.errors import Broken
from captioner.media.container import opened
from captioner.media.probe import probe
from captioner.media.shots import grey, shown_at
from captioner.media.watching import watch
from captioner.types import Picture
from tests.factory import Audio, Draw, Pixels, Video, make, tone

DATA = Path(os.environ.get("CAPTIONER_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
SIZE = (320, 192)
GRAIN = np.random.default_rng(0).normal(0, 2, (384, 640, 1)).round().astype(np.int16)
TONE = Audio(tone(440, 0.5, 48_000))


def seen(path: Path) -> Picture:
    video = probe(path)[1]
    assert video is not None
    return watch(path, video)


def millis(picture: Picture) -> list[int]:
    return [int(time) for time in np.frombuffer(picture.times, "<i4")]


def scene(seed: int) -> Pixels:
    """A room-like still, uint8 (384, 640, 3): soft shapes of many sizes."""
    random = np.random.default_rng(seed)
    image = np.zeros((384, 640, 3), np.float64)
    for cells in (4, 8, 16, 48):
        coarse = random.uniform(0, 255, (cells, cells * 5 // 3 + 1, 3))
        rows = np.arange(384) * cells // 384
        columns = np.arange(640) * (cells * 5 // 3) // 640
        image += coarse[rows][:, columns] / 4
    return np.asarray(np.clip(image * 0.8, 0, 255), dtype=np.uint8)


def film(frame: Callable[[int], Pixels]) -> Draw:
    """Draws the upper left of `frame(index)`, with grain."""

    def draw(index: int, width: int, height: int) -> Pixels:
        grain = np.roll(GRAIN[:height, :width], (index * 37, index * 53), axis=(0, 1))
        return np.asarray(np.clip(frame(index)[:height, :width] + grain, 0, 255), dtype=np.uint8)

    return draw


def shots(folder: Path, count: int, frame: Callable[[int], Pixels], suffix: str = ".mp4") -> list[float]:
    path = make(folder / f"a{suffix}", Video(frames=count, size=SIZE, draw=film(frame)), TONE)
    return list(seen(path).shots)


def near(found: list[float], frames: list[int]) -> bool:
    """Every expected cut exactly, and nothing else."""
    return found == [round(frame / 25, 3) for frame in frames]


# --- times ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".ts"])
@pytest.mark.parametrize("start", [0.0, 0.4])
def test_times_begin_at_the_first_picture(tmp_path: Path, suffix: str, start: float) -> None:
    if suffix == ".avi" and start:
        pytest.skip("AVI cannot say that a picture starts late")
    picture = seen(make(tmp_path / f"a{suffix}", Video(frames=40, start=start), TONE))
    assert picture.frames == 40
    assert millis(picture) == [40 * index for index in range(40)]
    assert picture.end == pytest.approx(1.6, abs=0.002)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_variable_rate_keeps_its_times(tmp_path: Path, suffix: str) -> None:
    times = [0.0, 0.04, 0.06, 0.2, 0.5, 0.51, 1.3]
    picture = seen(make(tmp_path / f"a{suffix}", Video(times=times), TONE))
    assert millis(picture) == [round(time * 1000) for time in times]
    assert picture.end > 1.3


def test_a_rate_that_is_no_whole_number_of_milliseconds(tmp_path: Path) -> None:
    rate = Fraction(30_000, 1001)
    picture = seen(make(tmp_path / "a.mp4", Video(frames=100, rate=rate, size=(64, 64)), TONE))
    assert millis(picture) == [round(1000 * index / rate) for index in range(100)]
    assert picture.end == round(float(100 / rate), 3)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.floats(-5, 120))
def test_shown_at(times: list[float], time: float) -> None:
    times = sorted(times)
    index = shown_at(times, time)
    assert index == 0 or times[index] <= time
    assert index == len(times) - 1 or times[index + 1] > time


# --- shots ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".mpg"])
def test_hard_cuts_are_found_to_the_frame(tmp_path: Path, suffix: str) -> None:
    stills = [scene(seed) for seed in range(4)]
    starts = [20, 50, 71]
    found = shots(tmp_path, 90, lambda index: stills[sum(index >= start for start in starts)], suffix)
    assert near(found, starts)


@pytest.mark.parametrize("starts", [[1], [89], [88], [30, 32], [30, 33, 36, 39], [2, 87]])
def test_cuts_near_the_ends_and_near_each_other_are_not_lost(tmp_path: Path, starts: list[int]) -> None:
    stills = [scene(seed) for seed in range(5)]
    assert near(shots(tmp_path, 90, lambda index: stills[sum(index >= start for start in starts)]), starts)


def test_a_cut_between_like_shots_of_a_dark_room(tmp_path: Path) -> None:
    stills = [(scene(seed) * 0.3).astype(np.uint8) for seed in range(2)]
    assert near(shots(tmp_path, 60, lambda index: stills[index >= 30]), [30])


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_flash_is_no_shot(tmp_path: Path, length: int) -> None:
    still = scene(1)
    bright = np.clip(still.astype(int) + 130, 0, 255).astype(np.uint8)
    assert shots(tmp_path, 60, lambda index: bright if 30 <= index < 30 + length else still) == []


def test_a_short_look_at_something_else_is_two_cuts(tmp_path: Path) -> None:
    here, there = scene(1), scene(2)
    assert near(shots(tmp_path, 60, lambda index: there if 30 <= index < 36 else here), [30, 36])


@pytest.mark.parametrize("speed", [2, 6, 12])
def test_a_pan_is_no_shot_change(tmp_path: Path, speed: int) -> None:
    still = np.concatenate([scene(seed) for seed in range(3)], axis=1)
    smooth = still.astype(np.float64)
    for _ in range(2):
        smooth = (smooth + np.roll(smooth, 3, axis=1) + np.roll(smooth, 3, axis=0)) / 3

    def frame(index: int) -> Pixels:
        left = speed * max(0, min(index - 10, 60))
        return smooth[:, left : left + SIZE[0]].astype(np.uint8)

    assert shots(tmp_path, 90, frame) == []


def test_a_shaky_hand_is_no_shot_change(tmp_path: Path) -> None:
    still = scene(3)
    steps = np.random.default_rng(5).integers(0, 7, (80, 2))
    assert shots(tmp_path, 80, lambda index: np.roll(still, tuple(steps[index]), axis=(0, 1))) == []


@pytest.mark.parametrize("length", [8, 15, 25])
def test_a_dissolve_is_found(tmp_path: Path, length: int) -> None:
    one, other = scene(1).astype(np.float32), scene(2).astype(np.float32)

    def frame(index: int) -> Pixels:
        part = min(1.0, max(0.0, (index - 40) / length))
        return ((1 - part) * one + part * other).astype(np.uint8)

    found = shots(tmp_path, 110, frame)
    assert found
    assert found[0] <= (40 + length / 2) / 25 + 0.001
    assert found[-1] >= (40 + length / 2) / 25 - 0.041
    assert all(40 <= time * 25 <= 40 + length for time in found)


def test_a_fade_through_black_is_found(tmp_path: Path) -> None:
    one, other = scene(1).astype(np.float32), scene(2).astype(np.float32)

    def frame(index: int) -> Pixels:
        light = min(1.0, abs(index - 55) / 15)
        return (light * (one if index < 55 else other)).astype(np.uint8)

    found = shots(tmp_path, 110, frame)
    assert found
    assert 40 <= found[0] * 25 <= 56
    assert 54 <= found[-1] * 25 <= 71


def test_a_still_picture_has_one_shot(tmp_path: Path) -> None:
    still = scene(9)
    assert shots(tmp_path, 60, lambda index: still) == []


def test_shots_of_a_film_that_begins_late_are_on_its_clock(tmp_path: Path) -> None:
    one, other = scene(1), scene(2)
    video = Video(frames=60, size=SIZE, start=0.4, draw=film(lambda index: one if index < 25 else other))
    assert seen(make(tmp_path / "a.mkv", video, Audio(tone(440, 3.0, 48_000)))).shots == (1.0,)


# --- damage -----------------------------------------------------------------------------------------------------


def test_a_film_that_breaks_off_says_where(tmp_path: Path) -> None:
    sound = Audio(tone(440, 6.0, 48_000))
    path = make(tmp_path / "a.mp4", Video(frames=150), sound, options={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(Broken, match=r"a\.mp4: its picture breaks off at \d\.\d s of 6\.0 s"):
        seen(path)


def test_a_few_broken_frames_are_passed_by(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", Video(frames=100, codec="ffv1", options={"slicecrc": "1"}), TONE)
    with opened(path) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size][50:52]
    data = bytearray(path.read_bytes())
    for place in places:
        data[place + 20 : place + 60] = bytes(40)
    path.write_bytes(data)
    picture = seen(path)
    assert 98 <= picture.frames <= 100
    assert millis(picture)[-1] == 3960


# --- real films -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not (DATA / "manifest.json").exists(), reason="no test data")
def test_real_films() -> None:
    turns = json.loads((DATA / "grid" / "grid_turns.turns.json").read_text())
    assert seen(DATA / "grid" / "grid_turns.mp4").shots == (3.0, 6.0, 9.0, 12.0, 15.0), turns
    for name in ("video/friday.mp4", "video/auto_editor_example.mp4", "sound/stream_of_water.mp4", "grid/bbaf2n.mpg"):
        assert seen(DATA / name).shots == (), name


@given(st.integers(8, 40), st.integers(8, 70), st.integers(0, 2**16))
def test_a_cells_grey_is_the_mean_of_its_green(height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = grey(picture)
    assert found.shape == (height // 8, width // 8)
    for row, column in np.ndindex(found.shape):
        cell = picture[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8, 1]
        assert found[row, column] == np.float32(cell.mean())
