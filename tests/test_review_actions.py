"""Every action of the table, done at the screen by its own key. An action without a test here fails."""

from __future__ import annotations

import re
import shutil
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import pytest

from captioner.review.actions import ACTIONS, BY_ID
from captioner.reviewlog import read_decisions
from tests.heard_dataset import make_heard
from tests.made_dataset import make_dataset
from tests.review_seat import Seat, sit

Check = Callable[[Seat], Awaitable[None]]
CHECKS: dict[str, Check] = {}


def checks(*ids: str) -> Callable[[Check], Check]:
    def keep(check: Check) -> Check:
        CHECKS.update(dict.fromkeys(ids, check))
        return check

    return keep


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("review") / "out", 60)


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With what a build stores of the sound, so that clips can be cut anew and speakers named."""
    return make_heard(tmp_path_factory.mktemp("heard") / "out")


@pytest.mark.parametrize("action", [action.id for action in ACTIONS])
def test_action(action: str, built: Path, heard: Path, tmp_path: Path) -> None:
    assert action in CHECKS, f"{action} has no test: add one to CHECKS"
    cuts = BY_ID[action].group == "cut" or action == "name-speaker"
    out = Path(shutil.copytree(heard if cuts else built, tmp_path / "out"))

    async def script(seat: Seat) -> None:
        seat.action = action  # type: ignore[attr-defined]
        await CHECKS[action](seat)

    sit(out, script)


def test_no_check_is_left_of_an_action_that_is_gone() -> None:
    assert set(CHECKS) == set(BY_ID)


# -- going -------------------------------------------------------------------------------------------------------------


@checks("down")
async def _(seat: Seat) -> None:
    await seat.act("down")
    assert seat.cursor == 1
    assert seat.desk.session.clip in seat.text.splitlines()[1]


@checks("up")
async def _(seat: Seat) -> None:
    await seat.press("j", "j")
    await seat.act("up")
    assert seat.cursor == 1


@checks("page-down", "page-up", "first", "last")
async def _(seat: Seat) -> None:
    await seat.act("page-down")
    page = seat.cursor
    assert page >= 20
    await seat.act("page-up")
    assert seat.cursor == 0
    await seat.act("last")
    assert seat.cursor == 59
    await seat.act("first")
    assert seat.cursor == 0


@checks("next-todo", "previous-todo")
async def _(seat: Seat) -> None:
    await seat.act("next-todo")
    assert seat.cursor == 1
    await seat.act("previous-todo")
    assert seat.cursor == 0


@checks("next-low", "previous-low")
async def _(seat: Seat) -> None:
    low = [place for place, line in enumerate(seat.desk.page(0, 60)) if line.trust is not None and line.trust < 0.7]
    await seat.press("g")
    await seat.act("next-low")
    assert seat.cursor == next(place for place in low if place > 0)
    await seat.act("previous-low")
    assert seat.cursor == max([place for place in low if place < seat.cursor] or low) or seat.cursor in low


@checks("search", "next-hit", "previous-hit")
async def _(seat: Seat) -> None:
    saying = [n for n, line in enumerate(seat.desk.page(0, 60)) if "lantern" in line.words.casefold()]
    await seat.act("search")
    await seat.type("lantern")
    await seat.press("enter")
    first = next(place for place in saying if place > 0)
    assert seat.cursor == first
    await seat.act("next-hit")
    assert seat.cursor == next(place for place in saying if place > first)
    await seat.act("previous-hit")
    assert seat.cursor == first


@checks("go")
async def _(seat: Seat) -> None:
    await seat.act("go")
    await seat.type("17")
    await seat.press("enter")
    assert seat.cursor == 16


# -- deciding ----------------------------------------------------------------------------------------------------------


@checks("approve")
async def _(seat: Seat) -> None:
    clip = seat.desk.session.clip
    await seat.act("approve")
    assert seat.desk.item(clip).status.state == "approved"
    assert seat.cursor == 1
    assert "✓" in seat.text.splitlines()[2]


@checks("reject")
async def _(seat: Seat) -> None:
    clip = seat.desk.session.clip
    await seat.act("reject")
    assert "noise or music" in seat.text
    await seat.press("3")
    status = seat.desk.item(clip).status
    assert (status.state, status.reason) == ("rejected", "noise or music")


@checks("flag")
async def _(seat: Seat) -> None:
    clip = seat.desk.session.clip
    await seat.act("flag")
    await seat.type("who is it")
    await seat.press("enter")
    status = seat.desk.item(clip).status
    assert (status.state, status.reason) == ("flagged", "who is it")
    assert "who is it" in seat.text.splitlines()[1]


@checks("reopen")
async def _(seat: Seat) -> None:
    clip = seat.desk.session.clip
    await seat.press("a", "k")
    await seat.act("reopen")
    assert seat.desk.item(clip).status.state == "todo"


@checks("undo", "redo")
async def _(seat: Seat) -> None:
    clip = seat.desk.session.clip
    await seat.press("a")
    await seat.act("undo")
    assert seat.desk.item(clip).status.state == "todo"
    await seat.act("redo")
    assert seat.desk.item(clip).status.state == "approved"
    assert read_decisions(seat.desk.out).of(clip).state == "approved"


# -- fields ------------------------------------------------------------------------------------------------------------


@checks("edit", "leave-field")
async def _(seat: Seat) -> None:
    words = seat.desk.item().fields[0].value
    await seat.act("edit")
    assert "Edit" in seat.status
    await seat.type(" indeed")
    await seat.act("leave-field")
    assert seat.desk.item().fields[0].value == f"{words} indeed"
    assert "Browse" in seat.status
    assert f'{words} indeed"' in seat.desk.item().caption


@checks(*(f"field-{number}" for number in range(1, 10)))
async def _(seat: Seat) -> None:
    number = int(seat.action[-1]) - 1
    fields = seat.desk.item().fields
    await seat.act(seat.action)
    if number >= len(fields):
        assert "no such field" in seat.status
        return
    assert "Edit" in seat.status
    await seat.press("ctrl+u")
    await seat.type("mw_anna two")
    await seat.press("escape")
    assert seat.desk.item().fields[number].value == "mw_anna two"
    assert seat.desk.item().fields[number].name == fields[number].name


@checks("keep-field")
async def _(seat: Seat) -> None:
    await seat.press("e")
    await seat.type("x")
    await seat.act("keep-field")
    assert seat.desk.item().fields[0].value.endswith("x")
    assert "Edit" in seat.status
    await seat.type("y")
    await seat.act("keep-field")
    assert seat.desk.item().fields[0].value.endswith("xy")


@checks("next-field", "previous-field")
async def _(seat: Seat) -> None:
    await seat.press("e")
    await seat.type("x")
    await seat.act("next-field")
    assert seat.desk.item().fields[0].value.endswith("x")
    assert seat.screen.edit.number == 1
    await seat.act("previous-field")
    assert seat.screen.edit.number == 0


@checks("set-field")
async def _(seat: Seat) -> None:
    await seat.act("set-field")
    assert "Edit" in seat.status


@checks("restore")
async def _(seat: Seat) -> None:
    draft = seat.desk.item().fields[0].value
    await seat.press("e", "x", "escape")
    assert seat.desk.item().fields[0].edited
    await seat.act("restore")
    assert seat.desk.item().fields[0].value == draft


@checks("restore-all")
async def _(seat: Seat) -> None:
    drafts = [field.value for field in seat.desk.item().fields]
    await seat.press("e", "x", "enter", "y", "escape")
    assert [field.value for field in seat.desk.item().fields] != drafts
    await seat.act("restore-all")
    assert [field.value for field in seat.desk.item().fields] == drafts


@checks("editor")
async def _(seat: Seat) -> None:
    seat.app.environ = {"EDITOR": "sed -i s/^speech:.*/speech:_other_words/"}
    await seat.act("editor")
    assert seat.desk.item().fields[0].value == "_other_words"
    assert "1 field changed" in seat.status


@checks("name-speaker")
async def _(seat: Seat) -> None:
    before = seat.desk.page(0, 60)
    old = before[0].speaker
    await seat.act("name-speaker")
    assert f"{sum(line.speaker == old for line in before)} clips" in seat.text
    await seat.press("ctrl+u")
    await seat.type("ema")
    await seat.press("enter")
    assert "once more" in seat.status
    await seat.press("enter")
    assert [line.speaker for line in seat.desk.page(0, 60)] == [
        "ema" if line.speaker == old else line.speaker for line in before
    ]


@checks("replace")
async def _(seat: Seat) -> None:
    before = [line.words for line in seat.desk.page(0, 60)]
    hit = sum("lantern" in words.casefold() for words in before)
    await seat.act("replace")
    await seat.type("lantern")
    await seat.press("tab")
    await seat.type("candle")
    assert f"in {hit} clips" in seat.text
    assert "{+candle" in seat.text
    await seat.press("enter")
    assert [line.words for line in seat.desk.page(0, 60)] == [
        re.sub("(?i)lantern", "candle", words) for words in before
    ]
    await seat.press("u")
    assert [line.words for line in seat.desk.page(0, 60)] == before


# -- hearing -----------------------------------------------------------------------------------------------------------


@checks("play")
async def _(seat: Seat) -> None:
    await seat.act("play")
    assert seat.app.hearing.state.playing
    assert "▶" in seat.text
    seat.now[0] += 0.5
    await seat.rest(0.2)
    assert "0.50/" in seat.text
    await seat.act("play")
    assert not seat.app.hearing.state.playing


@checks("replay")
async def _(seat: Seat) -> None:
    await seat.press("space")
    seat.now[0] += 1.5
    await seat.act("replay")
    assert seat.app.hearing.state.position == pytest.approx(0.5)


@checks("loop", "autoplay")
async def _(seat: Seat) -> None:
    await seat.act(seat.action)
    assert getattr(seat.app.hearing, seat.action)
    assert f"{seat.action} on" in seat.status
    await seat.act(seat.action)
    assert not getattr(seat.app.hearing, seat.action)


@checks("slower", "faster", "normal-speed")
async def _(seat: Seat) -> None:
    await seat.act("slower")
    assert "0.9×" in seat.text
    await seat.act("faster")
    await seat.act("faster")
    assert "1.1×" in seat.text
    await seat.act("normal-speed")
    assert seat.app.hearing.state.speed == 1.0


@checks("seek-back", "seek-on", "seek-back-far", "seek-on-far")
async def _(seat: Seat) -> None:
    await seat.press("space")
    seat.now[0] += 0.8
    await seat.press("space")
    far = {"seek-back": -0.1, "seek-on": 0.1, "seek-back-far": -0.5, "seek-on-far": 0.5}[seat.action]
    await seat.act(seat.action)
    assert seat.app.hearing.state.position == pytest.approx(0.8 + far)


@checks("open-tab")
async def _(seat: Seat) -> None:
    await seat.act("open-tab")
    assert "127.0.0.1" in seat.status
    seat.app.hearing.close()


# -- seeing ------------------------------------------------------------------------------------------------------------


@checks("waveform")
async def _(seat: Seat) -> None:
    await seat.rest()
    assert "⣿" in seat.text
    await seat.act("waveform")
    assert "⣿" not in seat.text


@checks("spectrogram")
async def _(seat: Seat) -> None:
    await seat.rest()
    before = seat.text
    assert "⣿" in before
    await seat.act("spectrogram")
    assert "⣿" not in seat.text
    await seat.act("spectrogram")
    assert seat.text == before


@checks("diff")
async def _(seat: Seat) -> None:
    await seat.press("e", "x", "escape")
    await seat.act("diff")
    assert "[-" in seat.text
    assert "{+" in seat.text


@checks("copy-text", "copy-path")
async def _(seat: Seat) -> None:
    sent: list[str] = []
    seat.app.send_raw = sent.append
    await seat.act(seat.action)
    item = seat.desk.item()
    import base64

    assert base64.b64decode(sent[0][7:-1]).decode() == (item.caption if seat.action == "copy-text" else item.file)
    assert sent[0].startswith("\x1b]52;c;")


@checks("theme")
async def _(seat: Seat) -> None:
    await seat.act("theme")
    assert seat.screen.look.name == "light"
    assert "theme light" in seat.status


# -- cutting -----------------------------------------------------------------------------------------------------------


@checks("trim", "leave-trim")
async def _(seat: Seat) -> None:
    clip = seat.desk.session.clip
    await seat.act("trim")
    assert "Trim" in seat.status
    await seat.press("right")
    await seat.act("leave-trim")
    assert "Browse" in seat.status
    assert seat.desk.session.clip == clip


@checks(*(f"{edge}-{way}{far}" for edge in ("start", "end") for way in ("earlier", "later") for far in ("", "-far")))
async def _(seat: Seat) -> None:
    edge, way, *far = seat.action.split("-")
    await seat.press("t")
    await seat.act(seat.action)
    assert seat.screen.trim.moved[edge] == (-1 if way == "earlier" else 1) * (50 if far else 10)
    assert seat.app.hearing.state.playing


@checks("keep-trim")
async def _(seat: Seat) -> None:
    clip = seat.desk.session.clip
    await seat.press("t")
    for _ in range(8):
        await seat.press("<")
    await seat.act("keep-trim")
    assert seat.desk.session.clip != clip
    await seat.press("u")
    assert seat.desk.session.clip == clip


@checks("split", "merge")
async def _(seat: Seat) -> None:
    total = seat.desk.session.total
    seat.desk.do("go", place=max(range(total), key=lambda place: seat.desk.page(place, 1)[0].seconds))
    seat.screen.sound.moved()
    words = seat.desk.item().words
    gap, at = max((after.start - before.end, (after.start + before.end) / 2) for before, after in pairwise(words))
    await seat.press("space")
    seat.now[0] += at
    await seat.press("space")
    await seat.act("split")
    assert seat.desk.session.total == total + 1, (gap, seat.status)
    await seat.act("merge")
    assert seat.desk.session.total == total, seat.status


# -- finding -----------------------------------------------------------------------------------------------------------


@checks("filter", "clear-filter")
async def _(seat: Seat) -> None:
    wanted = sum("lantern" in line.words.casefold() for line in seat.desk.page(0, 60))
    await seat.act("filter")
    await seat.type('"lantern"')
    assert f"{wanted} clips" in seat.text
    await seat.press("enter")
    assert seat.desk.shown == wanted
    assert f"{wanted} of 60 clips" in seat.text
    await seat.act("clear-filter")
    assert seat.desk.shown == 60


@checks("mark", "mark-all")
async def _(seat: Seat) -> None:
    await seat.act("mark")
    assert "Select" in seat.status
    assert len(seat.desk.session.marked) == 1
    await seat.act("mark-all")
    assert len(seat.desk.session.marked) == 60
    await seat.act("mark-all")
    assert not seat.desk.session.marked


# -- the rest ----------------------------------------------------------------------------------------------------------


@checks("open")
async def _(seat: Seat) -> None:
    await seat.pilot.resize_terminal(80, 24)
    await seat.pilot.pause()
    assert "60 clips" in seat.text
    await seat.act("open")
    assert seat.desk.session.clip in seat.text
    assert "60 clips" not in seat.text
    await seat.act("open")
    assert "60 clips" in seat.text


@checks("palette")
async def _(seat: Seat) -> None:
    await seat.act("palette")
    await seat.type("waveform")
    await seat.press("enter")
    assert not seat.screen.waves


@checks("help", "close-help")
async def _(seat: Seat) -> None:
    await seat.act("help")
    assert "approve, go to the next" in seat.text
    await seat.act("close-help")
    assert "approve, go to the next" not in seat.text


@checks("quit", "leave")
async def _(seat: Seat) -> None:
    await seat.act(seat.action)
    assert seat.app.return_value == {"quit": "write", "leave": "leave"}[seat.action]


@checks("answer", "cancel")
async def _(seat: Seat) -> None:
    clip = seat.desk.session.clip
    await seat.press("f", "x")
    await seat.act("cancel")
    assert seat.desk.item(clip).status.state == "todo"
    await seat.press("f", "x")
    await seat.act("answer")
    assert seat.desk.item(clip).status.state == "flagged"


@checks("next-answer")
async def _(seat: Seat) -> None:
    await seat.press("R", "a")
    await seat.act("next-answer")
    await seat.press("b")
    assert seat.screen.prompt.answers == ("a", "b")
