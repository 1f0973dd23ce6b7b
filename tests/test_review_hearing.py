"""The keys of hearing, over media that answer when the test says so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from chromium import Chromium, found, wait
from test_review_players import FAR, place, sound

from captioner.errors import UsageError
from captioner.review.audio.browser import Browser
from captioner.review.audio.silent import Silent
from captioner.review.hearing import Hearing, make_hearing
from captioner.review.media import Media
from captioner.review.source import Card, Film, Piece, Trouble
from captioner.types import AudioStream, Cut, Recording, VideoStream

NO_TAB = pytest.mark.skipif(found() is None, reason="no Chromium here")


def piece(start: int = 0, frames: int = 50, picture: bool = False) -> Piece:
    audio = AudioStream(0, "aac", 48_000, 2, 0.0, 60.0)
    video = VideoStream(1, "h264", 64, 64, Fraction(25), False, 99, 9.0, 0, Fraction(1), False, "sdr")
    recording = Recording("/a.mp4", "a.mp4", "a", "0" * 64, audio, video if picture else None)
    return Piece(recording, None, Cut("a", start, frames, Fraction(25), ()))


class Slow(Media):
    """Answers when told to."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))
        self.asked: list[tuple[str, Piece, Callable[[Any], None]]] = []

    def sound(self, piece: Piece, done: Callable[[Any], None]) -> None:
        self.asked.append(("sound", piece, done))

    def film(self, piece: Piece, done: Callable[[Any], None]) -> None:
        self.asked.append(("film", piece, done))

    def answer(self, number: int = -1, value: Any = None) -> None:
        _, one, done = self.asked[number]
        done(sound(one.duration) if value is None else value)


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def media() -> Slow:
    return Slow()


@pytest.fixture
def hearing(media: Slow, clock: list[float]) -> Hearing:
    return Hearing(media, Silent(lambda: clock[0]))


def test_moving_the_cursor_decodes_nothing(hearing: Hearing, media: Slow) -> None:
    for start in range(100):
        hearing.show(piece(start), Card(str(start)))
    assert media.asked == []
    assert hearing.state.duration == 2.0
    assert not hearing.state.playing


def test_play_waits_for_the_sound_and_then_plays(hearing: Hearing, media: Slow, clock: list[float]) -> None:
    told = []
    hearing.changed = lambda: told.append(1)
    hearing.show(piece(), Card("a"))
    hearing.toggle()
    assert (hearing.state.playing, hearing.state.waiting) == (True, True)
    media.answer()
    assert told
    assert (hearing.state.playing, hearing.state.waiting) == (True, False)
    clock[0] += 0.5
    assert hearing.state.position == pytest.approx(0.5)
    hearing.toggle()
    assert not hearing.state.playing
    hearing.toggle()  # on from where it stood
    clock[0] += 0.25
    assert hearing.state.position == pytest.approx(0.75)
    clock[0] += 9.0
    assert not hearing.state.playing
    hearing.toggle()  # from the beginning again
    clock[0] += 0.1
    assert hearing.state.position == pytest.approx(0.1)
    assert len(media.asked) == 1


def test_a_late_sound_never_plays_over_another_clip(hearing: Hearing, media: Slow) -> None:
    hearing.show(piece(0), Card("a"))
    hearing.play()
    hearing.show(piece(10), Card("b"))
    assert not hearing.state.playing
    media.answer(0)
    assert not hearing.state.playing
    hearing.play()
    assert media.asked[-1][1].cut.start == 10
    media.answer()
    assert hearing.state.playing


def test_stopping_while_it_waits_stays_stopped(hearing: Hearing, media: Slow) -> None:
    hearing.show(piece(), Card("a"))
    hearing.play()
    hearing.stop()
    media.answer()
    assert not hearing.state.playing
    hearing.play()
    assert hearing.state.playing


def test_trouble_is_told_and_may_be_tried_again(hearing: Hearing, media: Slow) -> None:
    hearing.show(piece(), Card("a"))
    hearing.play()
    media.answer(value=Trouble("/a.mp4: gone"))
    assert hearing.state.trouble == "/a.mp4: gone"
    assert not hearing.state.playing
    hearing.play()
    assert hearing.state.trouble == ""
    media.answer()
    assert hearing.state.playing


def test_the_same_clip_with_other_words_plays_on_and_with_other_edges_does_not(hearing: Hearing, media: Slow) -> None:
    hearing.show(piece(), Card("a"))
    hearing.play()
    media.answer()
    hearing.show(piece(), Card("a", "corrected"))
    assert hearing.state.playing
    hearing.show(piece(1), Card("a"))
    assert not hearing.state.playing


def test_the_keys(hearing: Hearing, media: Slow, clock: list[float]) -> None:
    hearing.show(piece(), Card("a"))
    hearing.play()
    media.answer()
    clock[0] += 1.5
    hearing.stop()
    hearing.replay()
    assert hearing.state.position == pytest.approx(0.5)
    clock[0] += 5
    assert hearing.state.position == pytest.approx(1.5)
    assert not hearing.state.playing
    hearing.about(2.0)
    assert hearing.state.position == pytest.approx(1.85)
    clock[0] += 5
    assert hearing.state.position == pytest.approx(2.15)
    hearing.seek(-0.65)
    assert hearing.state.position == pytest.approx(1.5)
    for _ in range(30):
        hearing.faster()
    assert hearing.state.speed == 2.0
    for _ in range(30):
        hearing.slower()
    assert hearing.state.speed == 0.5
    hearing.at_speed()
    assert hearing.state.speed == 1.0
    hearing.loop = True
    hearing.play(0.0, 0.5)
    clock[0] += 100.25
    assert hearing.state.playing
    assert hearing.state.position == pytest.approx(0.25)


def test_about_an_edge_of_a_clip_that_is_not_there_yet(hearing: Hearing, media: Slow) -> None:
    hearing.show(piece(), Card("a"))
    hearing.about(0.0)
    media.answer()
    assert hearing.state.position == pytest.approx(-0.15)


def test_autoplay_begins_by_itself_and_ends_with_the_next_move(hearing: Hearing, media: Slow) -> None:
    hearing.autoplay = True
    hearing.show(piece(0), Card("a"))
    hearing.show(piece(9), Card("b"))
    media.answer(0)
    assert not (hearing.state.playing and not hearing.state.waiting)
    media.answer(1)
    assert hearing.state.playing
    hearing.clear()
    assert not hearing.state.playing


def test_speed_and_loop_go_with_the_listener_to_another_player(hearing: Hearing, media: Slow) -> None:
    hearing.show(piece(), Card("a"))
    hearing.play()
    media.answer()
    hearing.at_speed(0.7)
    hearing.loop = True
    now = [0.0]
    hearing.use(Silent(lambda: now[0]))
    hearing.play(0.0, 1.0)
    now[0] += 2.0
    assert hearing.state.position == pytest.approx(0.4)


@NO_TAB
def test_a_tab_is_opened_shows_the_clip_and_hands_back(
    hearing: Hearing, media: Slow, tmp_path: Path, clock: list[float]
) -> None:
    before = hearing._player
    hearing.show(piece(picture=True), Card("a", "the clip"))
    status = hearing.open_tab(environ=FAR)
    assert "ann@192.0.2.7" in status.hint
    assert hearing.open_tab().url == status.url, "one tab is enough"
    with Chromium(tmp_path) as browser:
        page = browser.open(status.url)
        wait(lambda: media.asked)  # a tab that opens shows the clip under the cursor
        media.answer()
        wait(lambda: page.js("document.getElementById('title').textContent") == "the clip")
        wait(lambda: media.asked[-1][0] == "film")
        media.answer(value=Film("/nowhere.mp4"))
        hearing.play(0.0, 0.4)
        wait(lambda: hearing.state.position > 0.1)
        hearing.show(piece(5), Card("b", "the next"))  # a tab follows the cursor
        wait(lambda: media.asked[-1][1].cut.start == 5)
        media.answer()
        wait(lambda: page.js("document.getElementById('title').textContent") == "the next")
        page.close()
        wait(lambda: hearing._player is before)
    hearing.play()
    assert hearing.state.playing
    hearing.close()


def test_a_way_to_hear_is_found_without_waiting(tmp_path: Path) -> None:
    hearing = make_hearing(tmp_path, place=place(**FAR))
    try:
        wait(lambda: hearing.status.kind == "browser")
        assert isinstance(hearing._player, Browser)
        assert "ssh -N -L" in hearing.status.hint
    finally:
        hearing.close()
    assert make_hearing(tmp_path, "none").status.kind == "silent"
    with pytest.raises(UsageError):
        make_hearing(tmp_path, "loud")


def test_hearing_and_pieces_load_nothing_heavy_into_the_screens_process() -> None:
    modules = "hearing media drawing pieces sheetfile decide plain audio.local audio.choose".split()  # noqa: SIM905
    names = ", ".join(f"captioner.review.{module}" for module in modules)
    heavy = "numpy av textual miniaudio http.server onnxruntime".split()  # noqa: SIM905
    program = f"import sys, {names}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
