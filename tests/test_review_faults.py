"""What goes wrong at the screen is said in the status line, and nothing that was typed is lost."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from captioner.errors import UsageError
from captioner.review.desk import Desk
from captioner.review.tui.screens.outside import as_page, from_page, in_editor
from captioner.reviewlog import read_decisions
from tests.made_dataset import make_dataset
from tests.review_seat import Seat, sit


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("faults") / "out", 20)


@pytest.fixture
def out(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "out"))


def test_a_full_disk_loses_nothing_that_was_typed(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = [True]
    really = os.fsync

    def fsync(number: int) -> None:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        really(number)

    async def script(seat: Seat) -> None:
        words = seat.desk.item().fields[0].value
        await seat.press("e")
        await seat.type(" once more")
        monkeypatch.setattr(os, "fsync", fsync)
        await seat.press("escape")
        assert "No space left" in seat.status
        assert "Edit" in seat.status
        assert "once more" in seat.text
        full[0] = False
        await seat.press("escape")
        assert seat.desk.item().fields[0].value == f"{words} once more"
        assert "Browse" in seat.status

    sit(out, script)
    edits = [edit.text for fields in read_decisions(out).fields.values() for edit in fields.values()]
    assert len(edits) == 1


def test_a_caption_file_that_was_changed_outside_is_shown(out: Path) -> None:
    from captioner.store import Store, WrittenRow

    with Desk(out) as desk:
        id_, caption = desk.session.ids[0], desk.item().caption
    (out / "clips").mkdir()
    (out / "clips" / f"{id_}.txt").write_text("somebody else's words")
    with Store(out / ".captioner") as store:
        store.set_written(WrittenRow(id_, "k", f"{id_}.mp4", 1, 1, caption, 0))

    async def script(seat: Seat) -> None:
        told = " ".join(seat.text.replace("│", " ").split())
        assert "changed outside" in told
        assert "somebody else's words" in told

    sit(out, script, (200, 60))


def test_a_draft_that_changed_under_an_edit_is_shown_with_both(out: Path) -> None:
    with Desk(out) as desk:
        desk.do("set-field", field="speech", text="mine")
        desk.store.rows.set_edits({(desk.session.clip, "speech"): ("mine", "what was drafted before")})

    async def script(seat: Seat) -> None:
        assert "the draft of speech changed under your edit" in " ".join(seat.text.split())
        assert "what was drafted before" in " ".join(seat.text.replace("│", " ").split())

    sit(out, script, (200, 60))


def test_a_session_that_reads_says_so_and_refuses(out: Path) -> None:
    async def script(seat: Seat) -> None:
        assert "read only" in seat.status
        await seat.press("a")
        assert "nothing can be changed" in seat.status
        await seat.press("j")
        assert seat.cursor == 1

    sit(out, script, read_only=True)


def test_vanished_media_are_said_and_the_words_are_still_edited(out: Path) -> None:
    async def script(seat: Seat) -> None:
        await seat.rest(0.3)
        assert "bring it back" in seat.text
        await seat.press("e", "x", "escape")
        assert seat.desk.item().fields[0].value.endswith("x")

    sit(out, script, (200, 60), heard=False)


def test_a_filter_that_cannot_be_read_says_where_and_keeps_the_list(out: Path) -> None:
    async def script(seat: Seat) -> None:
        await seat.press("/")
        await seat.type("st:nothing")
        await seat.press("enter")
        assert "Prompt" in seat.status
        assert "nothing" in seat.text
        await seat.press("escape")
        assert seat.desk.shown == 20

    sit(out, script)


def test_an_error_in_a_clip_is_asked_about_once_more_before_it_is_approved(out: Path) -> None:
    with Desk(out) as desk:
        desk.do("set-field", field="speech", text="")

    async def script(seat: Seat) -> None:
        clip = seat.desk.session.clip
        await seat.press("a")
        assert "a once more does it" in " ".join(seat.text.split())
        assert seat.desk.item(clip).status.state == "edited"
        await seat.press("j", "k", "a")
        assert seat.desk.item(clip).status.state == "edited", "another key in between takes the question back"
        await seat.press("a")
        assert seat.desk.item(clip).status.state == "approved"

    sit(out, script)


def test_late_pictures_are_never_shown_on_another_clip(out: Path) -> None:
    waiting = []

    async def script(seat: Seat) -> None:
        await seat.rest(0.15)
        look = seat.media.look
        seat.media.look = lambda piece, box, done: waiting.append((piece, box, done))
        await seat.press("j")
        await seat.rest(0.15)
        assert "⣿" not in seat.text
        await seat.press("j")
        await seat.rest(0.15)
        look(*waiting[0])
        await seat.rest(0.1)
        assert "⣿" not in seat.text
        look(*waiting[1])
        await seat.rest(0.1)
        assert "⣿" in seat.text

    sit(out, script)


def test_a_held_key_decodes_nothing(out: Path) -> None:
    async def script(seat: Seat) -> None:
        await seat.rest(0.15)
        asked = len(seat.media.asked)
        for _ in range(6):
            seat.screen.dispatch.run("down")
        assert len(seat.media.asked) == asked
        await seat.rest(0.2)
        assert len(seat.media.asked) == asked + 1

    sit(out, script)


def test_pasting_with_line_ends_into_a_field_gives_one_line(out: Path) -> None:
    async def script(seat: Seat) -> None:
        await seat.press("e", "ctrl+u")
        seat.screen.dispatch.paste("so\nit is\ttrue")
        await seat.press("escape")
        assert seat.desk.item().fields[0].value == "so it is true"

    sit(out, script)


def test_a_mouse_picks_a_clip_and_a_field(out: Path) -> None:
    async def script(seat: Seat) -> None:
        await seat.pilot.click("#list", offset=(20, 4))
        assert seat.cursor == 3
        first = seat.screen.drawn.places[1][0]
        await seat.pilot.click("#detail", offset=(30, first))
        assert seat.screen.edit.number == 1

    sit(out, script)


# -- fields in another editor ----------------------------------------------------------------------------------------

FIELDS = [("speech", "where did you go"), ("voice", "hushed"), ("visual", "")]


def test_a_page_that_is_saved_as_it_was_changes_nothing() -> None:
    assert from_page(as_page("clip", FIELDS), FIELDS) == {}


def test_what_was_changed_in_the_page_is_found_also_over_several_lines() -> None:
    page = (
        as_page("clip", FIELDS)
        .replace("voice: hushed", "voice: loud,\n  and quick")
        .replace("visual:", "visual: a dog")
    )
    assert from_page(page, FIELDS) == {"voice": "loud, and quick", "visual": "a dog"}


def test_a_page_whose_text_belongs_to_no_field_is_refused_and_kept(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"line 1.*belongs to no field"):
        from_page("what is this\n", FIELDS)
    script = tmp_path / "editor"
    script.write_text('#!/bin/sh\necho "no field at all" > "$1"\n')
    script.chmod(0o755)
    with pytest.raises(UsageError, match="the file is kept") as told:
        in_editor("clip", FIELDS, {"EDITOR": str(script)})
    kept = Path(str(told.value).split(": ")[0])
    assert kept.read_text() == "no field at all\n"
    kept.unlink()


def test_an_editor_that_is_not_there_is_said() -> None:
    with pytest.raises(UsageError, match="set EDITOR"):
        in_editor("clip", FIELDS, {"EDITOR": "/nowhere/ed"})


def test_what_thousands_left_to_do_is_done_while_nobody_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("captioner.review.ledger.MANY", 0)
    out = make_dataset(tmp_path / "out", 120)

    async def script(seat: Seat) -> None:
        rows = seat.desk.store.rows
        before = {id_: line.doubts for id_, line in rows.get(rows.ids()).items()}
        await seat.press("e")
        seat.screen.dispatch.do("replace", find="e", instead="42 42", scope="all", clip=None)
        left = rows.stale(most=1 << 30)
        assert len(left) > 30
        await seat.rest(0.3)
        assert rows.stale(most=1 << 30) == left
        await seat.press("escape")
        for _ in range(200):
            if not rows.stale():
                break
            await seat.rest(0.05)
        assert not rows.stale()
        assert all(" digits " in rows.get([id_])[id_].doubts and " digits " not in before[id_] for id_ in left)
        await seat.rest(0.1)
        assert not seat.screen.settling.busy

    sit(out, script)
