"""The exported page in a real browser: heard, filled in, saved, and read back."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from chromium import Chromium, Page, found, wait
from test_review_players import sound

from captioner.review import mediamaking
from captioner.review.sheetfile import ClipRecord, read_table
from captioner.review.sheetpage import SheetClip, page

NO_BROWSER = pytest.mark.skipif(found() is None, reason="no Chromium here")
NASTY = 'She said: <script>alert(1)</script> & "why"?'


def clips(folder: Path) -> list[SheetClip]:
    (folder / "sounds").mkdir()
    m4a = mediamaking.m4a(sound(0.4))
    (folder / "sounds" / "a_f9n9.m4a").write_bytes(m4a)
    peaks = np.tile(np.array([-60, 60], dtype=np.int8), 480).tobytes()
    jpeg = mediamaking._jpeg(np.zeros((54, 288, 3), dtype=np.uint8))
    told = {"recording": "ep <1>.mp4", "begins": "0:01.00", "speaker": "ANNA", "caption": f"ema, {NASTY}"}
    embedded = "data:audio/mp4;base64," + base64.b64encode(m4a).decode()
    fields = {"speech": f"\n{NASTY}", "voice": ""}
    return [
        SheetClip(ClipRecord("a_f0n9", "todo", "", fields, told), 1, embedded, peaks, jpeg, ("1 word unsure <b>",)),
        SheetClip(ClipRecord("a_f9n9", "rejected", 'no"ise', {"speech": "two"}, told), 2, "sounds/a_f9n9.m4a", peaks),
        SheetClip(ClipRecord("a_f18n9", "edited", "", {"speech": "three"}, told), 3, trouble="ep.mp4: gone <now>"),
    ]


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    path = tmp_path / "sheet.html"
    path.write_text("".join(page(clips(tmp_path), "films & more", 3)), encoding="utf-8")
    return path


class Reader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_nothing_that_was_heard_becomes_part_of_the_page(sheet: Path) -> None:
    tags = Reader(sheet.read_text(encoding="utf-8")).tags
    assert [tag for tag, _ in tags].count("script") == 1
    assert "b" not in {tag for tag, _ in tags}
    addresses = [value for _, given in tags for name, value in given.items() if name in ("src", "href") and value]
    assert all(one.startswith("data:") or one == "sounds/a_f9n9.m4a" for one in addresses)
    assert [given["id"] for tag, given in tags if tag == "article"] == ["a_f0n9", "a_f9n9", "a_f18n9"]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium")) as program:
        yield program


@pytest.fixture
def opened(chromium: Chromium, sheet: Path) -> Iterator[Page]:
    one = chromium.open(sheet.as_uri())
    yield one
    assert one.complaints() == []
    one.close()


PLAY = """(async () => {{
  const one = document.getElementById('{id}').querySelector('audio');
  await one.play();
  await new Promise(done => one.onended = done);
  return one.duration;
}})()"""


@NO_BROWSER
@pytest.mark.parametrize("id_", ["a_f0n9", "a_f9n9"])
def test_clips_are_heard_from_inside_and_from_beside_the_page(opened: Page, id_: str) -> None:
    assert opened.js(PLAY.format(id=id_)) == pytest.approx(0.4, abs=0.05)


@NO_BROWSER
def test_everything_has_a_name(opened: Page) -> None:
    tree = opened.tree()
    for expected in (
        ("image", "Waveform of a_f0n9"), ("image", "Three pictures of a_f0n9"), ("Audio", "Sound of a_f0n9"),
        ("textbox", "speech"), ("radio", "Approve"), ("textbox", "Reason or note"), ("button", "Save decisions"),
    ):  # fmt: skip
        assert expected in tree, expected
    assert not [role for role, name in tree if role in ("textbox", "radio", "button", "image", "Audio") and not name]


SAVE = """(async () => {
  const blobs = [];
  const made = URL.createObjectURL;
  URL.createObjectURL = (blob) => { blobs.push(blob); return made(blob); };
  HTMLAnchorElement.prototype.click = function () { window.saved = this.download; };
  document.getElementById('save').click();
  return await blobs[0].text();
})()"""


@NO_BROWSER
def test_an_untouched_page_saves_nothing(opened: Page) -> None:
    assert opened.js("document.getElementById('status').textContent") == "0 of 3 clips changed"
    assert '"rows": []' in opened.js(SAVE)


@NO_BROWSER
def test_what_is_filled_in_is_saved_and_nothing_else(opened: Page, tmp_path: Path) -> None:
    opened.js("document.querySelector('#a_f0n9 textarea').focus()")
    opened.js("document.querySelector('#a_f0n9 textarea').setRangeText('Well: ', 0, 1, 'end')")
    opened.js("document.querySelector('#a_f0n9 textarea').dispatchEvent(new Event('input', { bubbles: true }))")
    opened.click("#a_f9n9 input[value=approved]")
    wait(lambda: opened.js("document.getElementById('status').textContent").startswith("2 of 3"))
    table = read_table(opened.js(SAVE).encode(), "saved.json")
    assert opened.js("window.saved") == "films & more-decisions.json"
    assert not table.faults
    first, second = table.rows
    assert (first.clip, first.decision, first.fields) == ("a_f0n9", None, {"speech": f"Well: {NASTY}"})
    assert (second.clip, second.decision, second.reason, second.fields) == ("a_f9n9", "approved", 'no"ise', {})
    made = clips(tmp_path / "again") if (tmp_path / "again").mkdir() is None else []
    assert first.was == made[0].record.was()
    assert second.was == made[1].record.was()
