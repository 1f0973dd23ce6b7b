"""One contract for every way to hear a clip, and what each adds to it."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import Chromium, found, wait

from captioner.errors import BackendMissing, UsageError
from captioner.review.audio.base import Player, about, replay
from captioner.review.audio.browser import Browser
from captioner.review.audio.choose import Place, choose, forward
from captioner.review.audio.local import LATENCY, Local, NoDevice, miniaudio_device
from captioner.review.audio.silent import Silent
from captioner.review.source import FRAME, Card, ClipSound
from captioner.types import CLIP_RATE

NO_TAB = pytest.mark.skipif(found() is None, reason="no Chromium here")
AROUND = CLIP_RATE // 2


def sound(seconds: float = 0.5, around: int = AROUND) -> ClipSound:
    """Samples that all differ from their neighbours, so that a wrong one shows."""
    count = round(seconds * CLIP_RATE)
    line = (np.arange(count + 2 * around) * 7 % 20011 - 10000).astype("<i2")
    return ClipSound(np.stack([line, -line], axis=1).tobytes(), around, count, around)


class Told:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


# --- the contract -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium")) as program:
        yield program


@pytest.fixture(params=["silent", "local", pytest.param("browser", marks=NO_TAB)])
def player(request: pytest.FixtureRequest) -> Iterator[Player]:
    if request.param == "silent":
        made: Player = Silent()
        yield made
    elif request.param == "local":
        library = pytest.importorskip("miniaudio")
        made = Local(lambda feed: miniaudio_device(feed, [library.Backend.NULL]))
        yield made
    else:
        tab = made = Browser(ports=[0])
        page = request.getfixturevalue("browser").open(tab.url)
        wait(lambda: tab.watched)
        yield made
        page.close()
    made.close()
    made.close()  # twice is no error
    assert not made.now().playing


def at_rest(player: Player) -> float:
    wait(lambda: not player.now().playing)
    return player.now().position


def test_nothing_plays_without_a_clip(player: Player) -> None:
    player.play()
    player.seek(1.0)
    player.stop()
    assert not player.now().playing
    assert player.now().position == 0.0


def test_a_clip_plays_to_its_end_and_says_so(player: Player) -> None:
    told = Told()
    player.listen(told)
    player.load(sound(), Card("a"))
    assert (player.now().position, player.now().playing) == (0.0, False)
    player.play()
    assert player.now().playing
    wait(lambda: 0.0 < player.now().position < 0.5)
    assert at_rest(player) == pytest.approx(0.5, abs=0.001)
    wait(lambda: told.times)


def test_a_stretch_is_not_left(player: Player) -> None:
    player.load(sound(), Card("a"))
    player.play(0.1, 0.3)
    seen = []
    while (now := player.now()).playing:
        seen.append(now.position)
        time.sleep(0.01)
    assert min(seen) >= 0.1
    assert max(seen) <= 0.301
    assert player.now().position == pytest.approx(0.3, abs=0.001)


def test_stopping_leaves_the_playhead_where_it_is(player: Player) -> None:
    player.load(sound(2.0), Card("a"))
    player.play()
    wait(lambda: player.now().position > 0.1)
    player.stop()
    assert not player.now().playing
    time.sleep(0.15)  # the tab's last word
    here = player.now().position
    assert 0.0 < here < 2.0
    time.sleep(0.1)
    assert player.now().position == here


def test_seeking_at_rest_moves_the_playhead_inside_the_clip(player: Player) -> None:
    player.load(sound(), Card("a"))
    for asked, given in ((0.2, 0.2), (9.0, 0.5), (-9.0, 0.0)):
        player.seek(asked)
        assert player.now().position == pytest.approx(given)
        assert not player.now().playing


def test_seeking_while_it_plays_goes_on_from_there(player: Player) -> None:
    player.load(sound(8.0), Card("a"))
    player.play()
    wait(lambda: player.now().position > 0.02)
    player.seek(7.8)
    wait(lambda: player.now().position > 7.79)
    assert at_rest(player) == pytest.approx(8.0, abs=0.001)


def test_a_loop_goes_round_until_it_is_ended(player: Player) -> None:
    player.load(sound(), Card("a"))
    player.set_loop(True)
    player.play(0.1, 0.25)
    until, seen = time.monotonic() + 0.8, []
    while time.monotonic() < until:
        assert player.now().playing
        seen.append(player.now().position)
        time.sleep(0.01)
    assert min(seen) >= 0.099
    assert max(seen) <= 0.251
    assert any(later < earlier - 0.05 for earlier, later in pairwise(seen)), "it never began again"
    player.set_loop(False)
    assert at_rest(player) == pytest.approx(0.25, abs=0.001)


@pytest.mark.parametrize("speed", [0.01, 0.5, 1.3, 2.0, 40.0])
def test_any_speed_ends_at_the_end(player: Player, speed: float) -> None:
    player.load(sound(0.3), Card("a"))
    player.set_speed(speed)
    player.play()
    assert at_rest(player) == pytest.approx(0.3, abs=0.001)


def test_speed_changes_on_the_way(player: Player) -> None:
    player.load(sound(1.0), Card("a"))
    player.play()
    wait(lambda: player.now().position > 0.1)
    player.set_speed(2.0)
    wait(lambda: player.now().position > 0.4)
    player.set_speed(0.8)
    assert at_rest(player) == pytest.approx(1.0, abs=0.001)


def test_an_edge_is_heard_from_both_sides(player: Player) -> None:
    player.load(sound(), Card("a"))
    about(player, 0.0, 0.2)
    assert player.now().position < 0
    assert at_rest(player) == pytest.approx(0.2, abs=0.001)
    about(player, 0.5, 0.1)
    assert at_rest(player) == pytest.approx(0.6, abs=0.001)


def test_what_was_heard_last_is_heard_again(player: Player) -> None:
    player.load(sound(), Card("a"))
    player.seek(0.4)
    replay(player, 0.2)
    assert player.now().playing
    assert player.now().position < 0.4
    assert at_rest(player) == pytest.approx(0.4, abs=0.001)


def test_a_stretch_without_a_sample_does_nothing(player: Player) -> None:
    player.load(sound(), Card("a"))
    player.play(0.3, 0.3)
    player.play(0.4, 0.2)
    player.play(50.0)
    assert not player.now().playing


def test_another_clip_stops_the_one_before(player: Player) -> None:
    player.load(sound(5.0), Card("a"))
    player.play()
    wait(lambda: player.now().position > 0.05)
    player.load(sound(0.3), Card("b"))
    assert (player.now().position, player.now().playing) == (0.0, False)
    time.sleep(0.2)  # a late word of the first clip
    assert (player.now().position, player.now().playing) == (0.0, False)
    player.play()
    assert at_rest(player) == pytest.approx(0.3, abs=0.001)


# --- the silent one, by a clock of the test's own -----------------------------------------------------------------


def test_the_silent_playhead_keeps_the_clocks_time() -> None:
    clock = [100.0]
    player = Silent(lambda: clock[0])
    player.load(sound(4.0), Card())
    player.set_speed(0.5)
    player.play(1.0, 3.0)
    clock[0] += 2.0
    assert player.now().position == pytest.approx(2.0)
    player.set_speed(2.0)
    clock[0] += 0.25
    assert player.now().position == pytest.approx(2.5)
    player.set_loop(True)
    clock[0] += 0.75  # 1.5 s on: half a second past the beginning of the stretch
    assert player.now().position == pytest.approx(2.0)
    player.set_loop(False)
    clock[0] += 60.0
    assert (player.now().position, player.now().playing) == (3.0, False)


# --- the loudspeaker, with a device of the test's own ---------------------------------------------------------------


class Pump:
    """A device that is fed by hand."""

    def __init__(self, feed: Callable[[int], bytes]) -> None:
        self.feed, self.running, self.closed = feed, False, False

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def pumped() -> Iterator[tuple[Local, list[Pump], list[float]]]:
    pumps: list[Pump] = []
    clock = [0.0]

    def opens(feed: Callable[[int], bytes]) -> Pump:
        pumps.append(Pump(feed))
        return pumps[-1]

    player = Local(opens, clock=lambda: clock[0])
    yield player, pumps, clock
    player.close()
    assert all(pump.closed for pump in pumps)


def drained(pump: Pump, clock: list[float], wanted: int = 960) -> bytes:
    """All that the device is given, as it would be at the device's own pace."""
    out = b""
    for _ in range(10_000):
        if not pump.running:
            break
        out += pump.feed(wanted)
        clock[0] += wanted / CLIP_RATE
        if not pump.feed.__self__.now().playing:  # type: ignore[attr-defined]
            break
    return out


def test_the_loudspeaker_is_given_exactly_the_clips_samples(pumped: Any) -> None:
    player, pumps, clock = pumped
    clip = sound()
    player.load(clip, Card())
    assert not pumps, "no device before anything is played"
    player.play()
    wait(lambda: pumps and pumps[0].running)
    assert drained(pumps[0], clock) == clip.pcm[AROUND * FRAME : -AROUND * FRAME]
    wait(lambda: not pumps[0].running)  # nothing wakes up while nothing plays
    player.play(-0.1, 0.2)
    wait(lambda: pumps[0].running)
    assert drained(pumps[0], clock) == clip.part(-0.1, 0.2)
    assert len(pumps) == 1, "the device stays open"


def test_a_loop_has_no_gap(pumped: Any) -> None:
    player, pumps, _ = pumped
    clip = sound(0.1)
    player.load(clip, Card())
    player.set_loop(True)
    player.play()
    wait(lambda: pumps and pumps[0].running)
    given = b"".join(pumps[0].feed(700) for _ in range(20))
    own = clip.part(0, 0.1)
    assert given == (own * 4)[: len(given)]


def test_the_playhead_is_at_the_ear_not_at_the_buffer(pumped: Any) -> None:
    player, pumps, clock = pumped
    player.load(sound(), Card())
    player.play()
    wait(lambda: pumps and pumps[0].running)
    for _ in range(10):
        pumps[0].feed(960)
    assert player.now().position == pytest.approx((9 * 960 - LATENCY) / CLIP_RATE)
    clock[0] += 0.01
    assert player.now().position == pytest.approx((9 * 960 - LATENCY) / CLIP_RATE + 0.01)
    clock[0] += 10  # a device that has stalled
    assert player.now().position == pytest.approx(10 * 960 / CLIP_RATE)


def test_half_speed_is_twice_as_many_samples(pumped: Any) -> None:
    player, pumps, clock = pumped
    clip = sound()
    player.load(clip, Card())
    player.set_speed(0.5)
    player.play()
    wait(lambda: pumps and pumps[0].running)
    assert len(drained(pumps[0], clock)) == 2 * clip.count * FRAME
    assert player.now().position == 0.5


def test_a_loudspeaker_that_does_not_open_is_told(pumped: Any) -> None:
    def opens(feed: Callable[[int], bytes]) -> Pump:
        raise NoDevice("no loudspeaker can be opened (busy)")

    player, told = Local(opens), Told()
    player.listen(told)
    player.load(sound(), Card())
    player.play()
    wait(lambda: told.times)
    assert not player.now().playing
    assert "busy" in player.status().text
    player.close()


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "miniaudio", None)
    with pytest.raises(BackendMissing, match=r"pip install 'captioner\[audio\]'"):
        miniaudio_device(lambda wanted: b"")


def test_players_may_be_called_from_any_thread(pumped: Any) -> None:
    player, pumps, clock = pumped
    player.load(sound(), Card())

    def work() -> None:
        for _ in range(50):
            player.play(0.1)
            player.set_speed(1.0)
            player.seek(0.2)
            player.now()
            player.stop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    player.play()
    wait(lambda: pumps and pumps[0].running)
    drained(pumps[0], clock)
    assert player.now().position == 0.5


# --- which one ----------------------------------------------------------------------------------------------------

SPEAKERS = "Built-in Audio Analog Stereo"
NOBODY = "Discard all samples (playback) or generate zero samples (capture)"
FAR = {"SSH_CONNECTION": "10.0.0.2 51515 192.0.2.7 22", "USER": "ann"}


def place(devices: list[str] | None = None, library: bool = True, container: bool = False, **environ: str) -> Place:
    return Place(environ, "linux", container, library, lambda: [SPEAKERS] if devices is None else devices)


@pytest.mark.parametrize(
    ("where", "kind", "why"),
    [
        (place(), "local", "loudspeaker"),
        (place([]), "browser", "no loudspeaker"),
        (place([NOBODY]), "browser", "no loudspeaker"),
        (place(["Null Output", "Dummy Output"]), "browser", "no loudspeaker"),
        (place([NOBODY, SPEAKERS]), "local", "loudspeaker"),
        (place(**FAR), "browser", "SSH"),
        (place(SSH_TTY="/dev/pts/1"), "browser", "SSH"),
        (place(**FAR, PULSE_SERVER="tcp:localhost:4713"), "local", "loudspeaker"),
        (place(container=True), "browser", "container"),
        (place(container=True, PULSE_SERVER="unix:/tmp/pulse"), "local", "loudspeaker"),
        (place(library=False), "browser", r"captioner\[audio\]"),
    ],
)
def test_the_way_to_hear_is_found_by_itself(where: Place, kind: str, why: str) -> None:
    choice = choose(where)
    assert choice.kind == kind
    assert re.search(why, choice.why)


def test_the_first_real_loudspeaker_is_named() -> None:
    assert choose(place([NOBODY, SPEAKERS])).name == SPEAKERS


def test_no_device_is_looked_for_where_it_would_not_count() -> None:
    def asked() -> list[str]:
        raise AssertionError("listing devices takes time")

    assert choose(Place(FAR, "linux", False, True, asked)).kind == "browser"


def test_a_wish_goes_before_what_is_found() -> None:
    assert choose(place(**FAR), "local").kind == "local"
    assert choose(place(), "browser").kind == "browser"
    assert choose(place(), "none").kind == "silent"
    with pytest.raises(UsageError, match="auto, local, browser, none"):
        choose(place(), "loud")


def test_the_line_that_brings_the_tab_here() -> None:
    assert forward(FAR).format(port=8765) == "ssh -N -L 8765:127.0.0.1:8765 ann@192.0.2.7"
    other = {"SSH_CONNECTION": "10.0.0.2 51515 192.0.2.7 2222"}
    assert forward(other).format(port=8766) == "ssh -p 2222 -N -L 8766:127.0.0.1:8766 192.0.2.7"
    assert forward({}) == ""
    assert forward({**FAR, "TERM_PROGRAM": "vscode"}) == ""


def test_the_status_says_how_to_get_sound() -> None:
    tab = Browser(forward(FAR), ports=[0])
    try:
        status = tab.status()
        port = tab.url.split(":")[2].split("/")[0]
        assert f"ssh -N -L {port}:127.0.0.1:{port} ann@192.0.2.7" in status.hint
        assert status.url == tab.url
        assert tab.url in status.hint
        assert "not open yet" in status.text
    finally:
        tab.close()


@NO_TAB
def test_a_browser_that_wants_a_click_is_given_one(tmp_path: Path) -> None:
    tab = Browser(ports=[0])
    try:
        with Chromium(tmp_path, autoplay=False) as program:
            page = program.open(tab.url)
            wait(lambda: tab.watched)
            tab.load(sound(), Card("a"))
            tab.play()
            wait(lambda: not tab.now().playing)
            assert "Enable sound" in tab.status().text
            page.click("#enable")
            wait(lambda: tab.status().text == "sound: browser tab")
            tab.play()
            wait(lambda: tab.now().position > 0.1)
            assert at_rest(tab) == pytest.approx(0.5, abs=0.001)
    finally:
        tab.close()
