"""A picture watched in parts is the picture watched whole, to the last frame and shot; or it is watched whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from captioner.engine.local import Local
from captioner.errors import Broken, CaptionerError, WorkerDied
from captioner.media import watching
from captioner.media.decoding import Window
from captioner.media.probe import probe
from captioner.media.watching import Seen, joined, parts, watch, watch_part
from captioner.reading import LEAST_PART, PARTS, ToPart, ToWatch, cut_up, look, watch_all
from captioner.types import AudioStream, Picture, Recording, VideoStream
from tests import errands
from tests.factory import Audio, Pixels, Video, make, tone
from tests.likecuvid import Anew, Like
from tests.test_shots import SIZE, film, scene

LENGTH = 5.0
"""Seconds of a part: its two seconds of the next one are no small share."""
SCENES = [scene(seed) for seed in range(6)]


def probed(path: Path) -> tuple[AudioStream, VideoStream]:
    audio, video = probe(path)
    assert video is not None
    return audio, video


def made(path: Path, frame: Callable[[int], Pixels], count: int = 420, **video: Any) -> Path:
    options = {"g": "50", "keyint_min": "50", "sc_threshold": "0"} | video.pop("options", {})
    picture = Video(frames=count, size=SIZE, draw=film(frame), options=options, **video)
    return make(path, picture, Audio(tone(440, count / 25, 48_000)))


def in_parts(path: Path, length: float = LENGTH, helper: Any = None) -> list[Seen | None]:
    video = probed(path)[1]
    return [watch_part(path, video, part, helper) for part in parts(path, video, length)]


def whole_and_joined(path: Path, helper: Any = None) -> tuple[Picture, Picture | None]:
    video = probed(path)[1]
    seen = in_parts(path, helper=helper)
    assert len(seen) > 1
    kept = [one for one in seen if one is not None]
    assert len(kept) == len(seen)
    return watch(path, video, helper), joined(path, video, kept)


def cut_at(*frames: int) -> Callable[[int], Pixels]:
    return lambda index: SCENES[sum(index >= frame for frame in frames) % len(SCENES)]


# -- the same as whole -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("start", [0.0, 0.4])
def test_parts_see_what_one_sees(tmp_path: Path, suffix: str, start: float) -> None:
    path = made(tmp_path / f"a{suffix}", cut_at(60, 99, 101, 124, 126, 290), start=start)
    whole, found = whole_and_joined(path)
    assert len(whole.shots) > 3
    assert found == whole


@pytest.mark.parametrize("cut", range(96, 160, 6))
def test_a_cut_anywhere_near_a_border_is_found_once(tmp_path: Path, cut: int) -> None:
    path = made(tmp_path / "a.mp4", cut_at(cut), count=300)
    assert any(Fraction(100, 25) == part.first for part in parts(path, probed(path)[1], LENGTH))
    whole, found = whole_and_joined(path)
    assert whole.shots == (cut / 25,)
    assert found == whole


@pytest.mark.parametrize("first", [85, 98, 112, 120, 135])
@pytest.mark.parametrize("length", [10, 25])
def test_a_dissolve_across_a_border_is_the_same(tmp_path: Path, first: int, length: int) -> None:
    one, other = (one.astype(np.float32) for one in SCENES[:2])

    def frame(index: int) -> Pixels:
        share = min(1.0, max(0.0, (index - first) / length))
        return ((1 - share) * one + share * other).astype(np.uint8)

    whole, found = whole_and_joined(made(tmp_path / "a.mp4", frame, count=300))
    assert whole.shots
    assert found == whole


def test_pictures_out_of_order_and_groups_that_lean_on_the_one_before(tmp_path: Path) -> None:
    options = {"bf": "3", "x264-params": "open-gop=1:b-pyramid=normal"}
    whole, found = whole_and_joined(made(tmp_path / "a.mp4", cut_at(101, 260), options=options))
    assert found == whole


def test_a_part_that_begins_behind_its_key_frame_leaves_out_what_the_one_before_has(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mp4", cut_at(60, 126), count=300)
    video = probed(path)[1]
    (one, two), later = parts(path, video, LENGTH), Fraction(3, 25)
    moved = [replace(one, last=two.first + later), replace(two, first=two.first + later)]
    seen = [each for part in moved if (each := watch_part(path, video, part)) is not None]
    assert joined(path, video, seen) == watch(path, video)


def test_a_variable_rate_keeps_its_times(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    times = np.cumsum(random.uniform(0.02, 0.06, 420)).round(3)
    times -= times[0]
    whole, found = whole_and_joined(made(tmp_path / "a.mkv", cut_at(100), times=[float(time) for time in times]))
    assert found == whole


def test_a_gpus_decoder_sees_the_same_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "suits", lambda *_: True)
    begun = []

    def start(stream: Any, window: Window) -> Like:
        begun.append(window)
        return Like(stream, window)

    whole, found = whole_and_joined(made(tmp_path / "a.mp4", cut_at(60, 101, 260)), Anew(start))
    assert len(begun) > 2
    assert found == whole


# -- what does not fit -------------------------------------------------------------------------------------------------


def test_what_is_short_or_has_no_index_has_no_parts(tmp_path: Path) -> None:
    for path in (made(tmp_path / "a.mp4", cut_at(), count=200), made(tmp_path / "a.ts", cut_at())):
        assert parts(path, probed(path)[1], LENGTH) == ()


def test_a_film_of_one_key_frame_has_no_parts(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mp4", cut_at(), options={"g": "1000", "keyint_min": "1000"})
    assert parts(path, probed(path)[1], LENGTH) == ()


def test_parts_that_saw_different_things_of_the_same_stretch_are_not_joined(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mp4", cut_at(60))
    video = probed(path)[1]
    one, *others = [seen for seen in in_parts(path) if seen is not None]
    assert joined(path, video, [one, *others]) is not None
    assert joined(path, video, [replace(one, tail=one.tail[1:]), *others]) is None
    time, look_ = one.tail[3]
    other = tuple((time, look_ + 3) if at == 3 else pair for at, pair in enumerate(one.tail))
    assert joined(path, video, [replace(one, tail=other), *others]) is None
    later = tuple((time + Fraction(1, 1000), look_) for time, look_ in one.tail)
    assert joined(path, video, [replace(one, tail=later), *others]) is None


def test_a_clock_that_is_set_anew_is_left_to_who_sees_all(tmp_path: Path) -> None:
    times = [index / 25 + (100.0 if index >= 300 else 0.0) for index in range(420)]
    path = made(tmp_path / "a.mkv", cut_at(60), times=times)
    found = in_parts(path)
    assert len(found) > 1
    assert None in found


def test_a_film_that_breaks_off_says_so_in_parts_too(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mp4", cut_at())
    video = probed(path)[1]
    seen = [one for one in in_parts(path) if one is not None]
    with pytest.raises(Broken, match=r"its picture breaks off at 16\.8 s of 30\.0 s"):
        joined(path, replace(video, duration=30.0), seen)


# -- all recordings ----------------------------------------------------------------------------------------------------


def recording(path: Path) -> Recording:
    audio, video = probed(path)
    return Recording(str(path), path.name, path.stem, path.name, audio, video)


class Hall:
    """What answers of errands are kept, and which errands there were. `spoil` may put another answer in place."""

    def __init__(
        self,
        spoil: Callable[[ToWatch, Any], Any] = lambda _, answer: answer,
        cut_up: Callable[[ToPart, Any], Any] = lambda _, answer: answer,
    ) -> None:
        self.asked: list[ToWatch] = []
        self.kept: dict[str, Any] = {}
        self._spoil, self._cut_up = spoil, cut_up

    def apart(self, work: Any, items: Sequence[ToWatch], done: Callable[[Any, Any], None], /) -> None:
        assert work in (look, cut_up)
        self.asked += items if work is look else []
        for item in reversed(items):  # in any order
            try:
                answer = work(item, print)
            except CaptionerError as error:
                answer = error
            done(item, self._spoil(item, answer) if work is look else self._cut_up(item, answer))

    def watch(self, paths: Sequence[Path], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("captioner.reading.LEAST_PART", LENGTH)
        recordings = [recording(path) for path in paths]
        watch_all(recordings, (), 8, self.apart, lambda one, answer: self.kept.__setitem__(one.name, answer))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("films")
    return [made(folder / "long.mp4", cut_at(60, 101, 260)), made(folder / "short.mp4", cut_at(20), count=60)]


def test_long_pictures_are_watched_in_parts_and_short_ones_whole(
    films: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    hall = Hall()
    hall.watch(films, monkeypatch)
    assert hall.kept == {path.name: watch(path, probed(path)[1]) for path in films}
    assert [(one.recording.name, one.part is not None) for one in hall.asked] == [
        *[("long.mp4", True)] * 3,
        ("short.mp4", False),
    ]


SPOILT: dict[str, Callable[[Any], Any]] = {
    "cannot": lambda _: None,
    "unlike": lambda seen: replace(seen, head=seen.head[1:], tail=seen.tail[1:]),
    "broken": lambda _: Broken("no"),
    "died": lambda _: WorkerDied("no"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_where_parts_fail_somebody_watches_the_whole(
    films: list[Path], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hall = Hall(lambda item, answer: SPOILT[how](answer) if item.part and item.part.first > item.part.zero else answer)
    hall.watch(films, monkeypatch)
    assert hall.kept == {path.name: watch(path, probed(path)[1]) for path in films}
    assert [one.recording.name for one in hall.asked if one.part is None] == ["short.mp4", "long.mp4"]


@pytest.mark.parametrize("answer", [Broken("no"), WorkerDied("no"), ()])
def test_where_no_parts_are_found_somebody_watches_the_whole(
    films: list[Path], answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hall = Hall(cut_up=lambda *_: answer)
    hall.watch(films, monkeypatch)
    assert hall.kept == {path.name: watch(path, probed(path)[1]) for path in films}
    assert [one.part for one in hall.asked] == [None, None]


def test_a_part_that_kills_its_process_costs_no_picture(films: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent))
    monkeypatch.setattr("captioner.reading.LEAST_PART", LENGTH)
    monkeypatch.setattr("captioner.reading.look", errands.look_and_die)
    kept: dict[str, Any] = {}
    apart = Local(2, processes=True).apart
    watch_all([recording(path) for path in films], (), 8, apart, lambda one, seen: kept.__setitem__(one.name, seen))
    assert kept == {path.name: watch(path, probed(path)[1]) for path in films}


def test_a_film_that_cannot_be_watched_is_told_once(films: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    hall = Hall(lambda item, answer: Broken("it is") if item.recording.name == "long.mp4" else answer)
    hall.watch(films, monkeypatch)
    assert str(hall.kept["long.mp4"]) == "it is"
    assert isinstance(hall.kept["short.mp4"], Picture)


def test_one_core_and_many_films_get_no_parts(films: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, copies in ((1, 1), (2, 2 * 2 * PARTS)):
        asked: list[ToWatch] = []
        monkeypatch.setattr("captioner.reading.LEAST_PART", LENGTH)
        recordings = [replace(recording(films[0]), path=f"{number}.mp4") for number in range(copies)]
        watch_all(recordings, (), cores, lambda _, items, done, asked=asked: asked.extend(items), print)  # type: ignore[misc]
        assert [one.part for one in asked] == [None] * copies
    assert LEAST_PART > LENGTH
