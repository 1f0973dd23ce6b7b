"""The tab: what it gives to whom, and the page in a real browser."""

from __future__ import annotations

import hashlib
import http.client
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from chromium import Chromium, Page, found, wait
from factory import Audio, Video, make, tone
from test_review_players import at_rest, sound

from captioner.review.audio.browser import Browser
from captioner.review.audio.tabserver import wave_file
from captioner.review.source import Card

NO_TAB = pytest.mark.skipif(found() is None, reason="no Chromium here")
CARD = Card(
    "ep_f0n97",
    "ep.mp4 0:00.00 to 0:03.88",
    (("Transcript", "<b>Where</b> & “why”?"), ("Voice", "hushed")),
    ("1 word unsure",),
)


@pytest.fixture
def tab() -> Iterator[Browser]:
    made = Browser(ports=[0])
    yield made
    made.close()


class Answer:
    def __init__(self, tab: Browser, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> None:
        """`path` behind the token, or from the root where it begins with a slash."""
        port = int(tab.url.split(":")[2].split("/")[0])
        whole = path if path.startswith("/") else f"/{tab.url.split('/')[3]}/{path}"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request(method, whole, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        self.status, self.headers = answer.status, answer.headers
        self.body = b"" if path.startswith("events") and answer.status == 200 else answer.read()
        connection.close()


PLACES = ["", "tab.js", "tab.css", "nothing.wav", "sound/1.wav?from=0&to=0.5", "film/1.mp4", "events?tab=x"]


@pytest.mark.parametrize("path", PLACES)
def test_without_the_token_there_is_nothing(tab: Browser, tmp_path: Path, path: str) -> None:
    tab.load(sound(), CARD)
    (tmp_path / "film.mp4").write_bytes(b"film")
    tab.film(str(tmp_path / "film.mp4"))
    assert Answer(tab, path).status == 200
    token = tab.url.split("/")[3]
    for wrong in ("0" * 32, token[:-1], token + "0", token.upper() + "x", ""):
        answer = Answer(tab, f"/{wrong}/{path}")
        assert (answer.status, answer.body) == (404, b"")
    assert Answer(tab, f"/{path}").status == 404
    assert Answer(tab, f"/{token}").status == 404


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8765"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "audio"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors", "Sec_Fetch_Dest": "empty"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"},
    ],
)
def test_other_hosts_and_other_pages_are_refused(tab: Browser, path: str, headers: dict[str, str]) -> None:
    tab.load(sound(), CARD)
    answer = Answer(tab, path, **headers)
    assert (answer.status, answer.body) == (403, b"")


def test_a_tunnel_with_another_port_is_let_in(tab: Browser) -> None:
    assert Answer(tab, "", Host="localhost:9000", Origin="http://localhost:9000").status == 200
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert Answer(tab, "", **link).status == 200


def test_it_listens_on_the_loopback_alone_and_its_token_cannot_be_guessed(tab: Browser) -> None:
    assert tab._server._http.server_address[0] == "127.0.0.1"
    tokens = {tab.url.split("/")[3]}
    for _ in range(3):
        other = Browser(ports=[0])
        tokens.add(other.url.split("/")[3])
        other.close()
    assert len(tokens) == 4
    assert all(len(bytes.fromhex(token)) == 16 for token in tokens)


@pytest.mark.parametrize("path", PLACES)
def test_nothing_may_be_read_framed_or_kept_by_others(tab: Browser, path: str, tmp_path: Path) -> None:
    tab.load(sound(), CARD)
    headers = Answer(tab, path).headers
    assert "Access-Control-Allow-Origin" not in headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    ["../tabserver.py", "..%2f..%2fetc/passwd", "tab.html", "film/2.mp4", "film/../../x", "sound/2.wav?from=0&to=1",
     "sound/1.wav", "sound/1.wav?from=a&to=b", "sound/1.wav?from=nan&to=1", "film/1.mp4", "x"],
)  # fmt: skip
def test_media_have_numbers_and_nothing_else_is_found(tab: Browser, path: str) -> None:
    tab.load(sound(), CARD)
    assert Answer(tab, path).status == 404


def test_the_sound_of_a_clip_that_is_gone_is_gone(tab: Browser) -> None:
    tab.load(sound(), CARD)
    tab.load(sound(), CARD)
    assert Answer(tab, "sound/1.wav?from=0&to=0.5").status == 404
    assert Answer(tab, "sound/2.wav?from=0&to=0.5").status == 200


@pytest.mark.parametrize(
    ("wanted", "status", "first", "last"),
    [
        ("bytes=0-9", 206, 0, 9), ("bytes=10-", 206, 10, None), ("bytes=-7", 206, -7, None),
        ("bytes=0-99999999", 206, 0, None), ("bytes=99999999-", 416, None, None), ("bytes=9-3", 416, None, None),
        ("lines=1-2", 200, 0, None), ("bytes=-", 200, 0, None),
    ],
)  # fmt: skip
def test_ranges(tab: Browser, wanted: str, status: int, first: int | None, last: int | None) -> None:
    clip = sound()
    tab.load(clip, CARD)
    whole = wave_file(clip.part(0.0, 0.5))
    answer = Answer(tab, "sound/1.wav?from=0&to=0.5", Range=wanted)
    assert answer.status == status
    if first is None:
        assert answer.headers["Content-Range"] == f"bytes */{len(whole)}"
        return
    assert answer.body == whole[first : None if last is None else last + 1]
    if status == 206:
        low = first % len(whole)
        assert answer.headers["Content-Range"] == f"bytes {low}-{low + len(answer.body) - 1}/{len(whole)}"


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff"])
def test_what_is_no_message_is_refused(tab: Browser, body: bytes) -> None:
    assert Answer(tab, "told", "POST", body).status == 400


def test_nobody_says_much(tab: Browser) -> None:
    assert Answer(tab, "told", "POST", b"{" + b" " * 5000 + b"}").status == 413
    assert Answer(tab, "elsewhere", "POST", b"{}").status == 404


def test_only_the_tab_that_listens_is_believed(tab: Browser) -> None:
    tab.load(sound(), CARD)
    for message in ({"why": "playing", "position": 0.3, "turn": 1, "said": 1}, {"tab": "other", "why": "play"}):
        assert Answer(tab, "told", "POST", json.dumps(message).encode()).status == 204
    assert not tab.now().playing
    assert tab.now().position == 0.0


# --- in a real browser --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium")) as program:
        yield program


@pytest.fixture
def page(chromium: Chromium, tab: Browser) -> Iterator[Page]:
    opened = chromium.open(tab.url)
    wait(lambda: tab.watched)
    yield opened
    assert opened.complaints() == []
    outside = [url for url in opened.requests() if not url.startswith((tab.url, "data:"))]
    assert outside == [], "the page needs nothing from elsewhere"
    opened.close()


@NO_TAB
def test_the_page_reads_as_text_with_names_for_everything(tab: Browser, page: Page) -> None:
    tab.load(sound(), CARD)
    wait(lambda: page.js("document.querySelectorAll('dd').length") == 2)
    tree = page.tree()
    for expected in (
        ("heading", CARD.title), ("heading", "The clip in words"), ("button", "Play the clip"), ("button", "Stop"),
        ("progressbar", "Place in the clip"), ("StaticText", "<b>Where</b> & “why”?"), ("StaticText", "1 word unsure"),
        ("group", "Playing"),
    ):  # fmt: skip
        assert expected in tree, expected
    assert not [role for role, name in tree if role in ("button", "Video", "Audio", "progressbar") and not name]
    assert page.js("document.documentElement.lang") == "en"
    tab.describe(Card(CARD.id, CARD.title, (("Transcript", "Here."),)))
    wait(lambda: page.js("document.querySelector('dd').textContent") == "Here.")


@NO_TAB
def test_the_page_hears_exactly_the_samples(tab: Browser, page: Page) -> None:
    clip = sound()
    tab.load(clip, CARD)
    told = page.js(
        "fetch('sound/1.wav?from=-0.1&to=0.3').then(one => one.arrayBuffer())"
        ".then(one => crypto.subtle.digest('SHA-256', one.slice(44)))"
        ".then(one => [...new Uint8Array(one)].map(byte => byte.toString(16).padStart(2, '0')).join(''))"
    )
    assert told == hashlib.sha256(clip.part(-0.1, 0.3)).hexdigest()


@NO_TAB
def test_picture_and_sound_play_seek_and_report(tab: Browser, page: Page, tmp_path: Path) -> None:
    film = make(tmp_path / "film.mp4", Video(frames=50), Audio(tone(440, 2.0, 48_000), 48_000))
    tab.load(sound(2.0), CARD)
    tab.film(str(film))
    wait(lambda: page.js("document.getElementById('film').readyState") >= 2)
    assert page.js("document.getElementById('film').hidden") is False
    tab.play()
    wait(lambda: tab.now().position > 0.2)
    assert (
        page.js("[film.paused, film.muted].join()".replace("film", "document.getElementById('film')")) == "false,false"
    )
    tab.set_speed(1.5)
    wait(lambda: page.js("document.getElementById('film').playbackRate") == 1.5)
    assert page.js("document.getElementById('film').preservesPitch") is True
    tab.seek(1.7)
    wait(lambda: tab.now().position > 1.71)
    assert page.js("document.getElementById('film').currentTime") >= 1.7
    assert at_rest(tab) == pytest.approx(2.0, abs=0.001)


@NO_TAB
def test_a_person_may_press_play_and_stop_in_the_tab(tab: Browser, page: Page) -> None:
    tab.load(sound(4.0), CARD)
    page.click("#play")
    wait(lambda: tab.now().playing and tab.now().position > 0.05)
    page.click("#stop")
    wait(lambda: not tab.now().playing)


@NO_TAB
def test_a_tab_that_is_reloaded_has_the_clip_again_and_one_that_is_closed_is_missed(
    tab: Browser, chromium: Chromium
) -> None:
    tab.load(sound(), CARD)
    page = chromium.open(tab.url)
    wait(lambda: tab.watched)
    page.go(tab.url)
    wait(lambda: page.js("document.getElementById('title').textContent") == CARD.title)
    wait(lambda: tab.watched)
    tab.play()
    assert at_rest(tab) == pytest.approx(0.5, abs=0.001)
    page.close()
    wait(lambda: not tab.watched)
    tab.play()
    assert not tab.now().playing
    assert "not open" in tab.status().text


@NO_TAB
def test_of_two_tabs_the_later_one_plays(tab: Browser, chromium: Chromium) -> None:
    tab.load(sound(), CARD)
    first = chromium.open(tab.url)
    wait(lambda: tab.watched)
    second = chromium.open(tab.url)
    wait(lambda: "Another tab" in first.js("document.getElementById('state').textContent"))
    tab.play()
    assert at_rest(tab) == pytest.approx(0.5, abs=0.001)
    assert second.js("document.getElementById('sound').currentTime") > 0
    assert first.js("document.getElementById('sound').currentTime") == 0
    for one in (first, second):
        one.close()


@NO_TAB
def test_a_page_of_another_origin_gets_nothing(tab: Browser, chromium: Chromium, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html><title>other</title>")
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tab.load(sound(), CARD)
    heard: list[Any] = []
    tab.told = heard.append  # type: ignore[method-assign]
    page = chromium.open(f"http://127.0.0.1:{server.server_address[1]}/")
    try:
        for mode in ("cors", "no-cors"):
            for path, method in (("", "GET"), ("sound/1.wav?from=0&to=0.5", "GET"), ("told", "POST")):
                got = page.js(
                    f"fetch('{tab.url}{path}', {{ mode: '{mode}', method: '{method}' }})"
                    ".then(one => one.text()).then(text => text.length, () => 'refused')"
                )
                assert got in ("refused", 0), (mode, path)
        for tag, path in (("audio", "sound/1.wav?from=0&to=0.5"), ("script", "tab.js"), ("iframe", "")):
            page.js(
                f"new Promise(done => {{ const one = document.createElement('{tag}');"
                "one.onerror = one.onload = one.onloadeddata = (event) => { window.got = event.type; done(); };"
                f"one.src = '{tab.url}{path}'; document.body.append(one); }})"
            )
            if tag != "iframe":
                assert page.js("window.got") == "error", tag
        assert (
            page.js(
                f"new Promise(done => {{ const one = new EventSource('{tab.url}events?tab=x');"
                "one.onopen = () => done('open'); one.onerror = () => done('refused'); })"
            )
            == "refused"
        )
        assert not tab.watched
        assert heard == []
    finally:
        page.close()
        server.shutdown()
        server.server_close()


@NO_TAB
def test_a_foreign_name_for_this_machine_is_refused(tab: Browser, chromium: Chromium) -> None:
    page = chromium.open(tab.url.replace("127.0.0.1", "foreign.example"))
    assert page.js("document.title") != "captioner: listening"
    assert page.js("document.getElementById('title')") is None
    assert not tab.watched
    page.close()
