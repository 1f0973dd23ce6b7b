"""What the review does when the disk is full, the database is locked, the media is gone or a file changed outside."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from captioner.errors import CaptionerError, StoreError, UsageError
from captioner.rendering import render
from captioner.review.desk import Desk
from captioner.rowtable import Rows
from captioner.run import settings_of, write_reviewed
from captioner.store import Store, WrittenRow
from tests.heard_dataset import SETTINGS, make_heard


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return make_heard(tmp_path / "out")


def lines(out: Path) -> int:
    path = out / "review.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_a_full_disk_changes_nothing_and_says_so(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Desk(out) as desk:
        desk.do("reject", reason="noise", clip=desk.session.ids[0])
        kept = (out / "review.jsonl").read_bytes()

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(StoreError, match="No space left"):
                desk.do("approve", clip=desk.session.ids[1])
        assert (out / "review.jsonl").read_bytes() == kept
        assert desk.stats.counts.get("approved", 0) == 0
        desk.do("approve", clip=desk.session.ids[1])
        assert desk.stats.counts["approved"] == 1
    with Desk(out) as desk:
        assert desk.stats.counts == {"approved": 1, "rejected": 1, "todo": desk.session.total - 2}


def test_a_locked_database_changes_nothing(out: Path) -> None:
    with Desk(out) as desk:
        desk.store._db.execute("PRAGMA busy_timeout = 50")
        other = sqlite3.connect(out / ".captioner" / "store.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"locked.*nothing was changed"):
            desk.do("approve")
        assert lines(out) == 0
        other.execute("ROLLBACK")
        other.close()
        assert desk.do("approve").message == "approved"


def test_a_store_that_cannot_follow_is_told_later(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Desk(out) as desk:
        first, second = desk.session.ids[:2]

        def full(*_: Any) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(Rows, "fill", full)
            with pytest.raises(StoreError, match=r"kept in review\.jsonl"):
                desk.do("approve", clip=first)
        assert lines(out) == 1
        desk.do("reject", clip=second)
        assert desk.stats.counts == {"approved": 1, "rejected": 1, "todo": desk.session.total - 2}
        desk.do("undo")
        desk.do("undo")
        assert desk.stats.counts == {"todo": desk.session.total}


def test_without_media_clips_can_be_decided_on_and_cut_but_not_written(out: Path) -> None:
    with Desk(out) as desk:
        desk.do("approve")
        assert desk.plan_trim(desk.session.ids[0], 200, 0).told
        with pytest.raises(CaptionerError):
            desk.piece()
    with pytest.raises(UsageError, match="is gone"):
        write_reviewed(out)


def test_a_caption_changed_outside_is_shown_and_never_overwritten(out: Path) -> None:
    clips = out / "clips"
    clips.mkdir()
    with Desk(out) as desk:
        first = desk.session.ids[0]
        desk.store.set_written(WrittenRow(first, "key", f"{first}.wav", 0, 0, "tok", 0))
        (clips / f"{first}.txt").write_text("mine\n")
        desk.do("set-field", field="speech", text="so it is", clip=first)
        item = desk.item(first)
        assert item is not None
        assert item.conflict is not None
        assert (item.conflict.found, item.conflict.ours) == ("mine", "tok")
        assert any("changed outside" in notice for notice in item.notices)
    _, edited, _ = render(out, settings_of({}, base=SETTINGS))
    assert edited == [first]
    assert (clips / f"{first}.txt").read_text() == "mine\n"


def test_a_draft_that_changed_under_an_edit_shows_both(out: Path) -> None:
    with Desk(out) as desk:
        first = desk.session.ids[0]
        desk.do("set-field", field="trigger", text="ema", clip=first)
    render(out, settings_of({"trigger": "new"}, base=SETTINGS))
    with Desk(out) as desk:
        item = desk.item(first)
        assert item is not None
        field = next(field for field in item.fields if field.name == "trigger")
        assert (field.value, field.draft, field.against) == ("ema", "new", "tok")
        assert item.caption.startswith("ema")
        assert any("changed under your edit" in notice for notice in item.notices)


def test_other_words_than_were_approved_are_not_approved(out: Path) -> None:
    with Desk(out) as desk:
        first = desk.session.ids[0]
        desk.do("approve", clip=first)
        desk.store.rows.set_statuses({first: ("approved", "", "what was said before")})
        desk.ledger.refresh([first])
        item = desk.item(first)
        assert item is not None
        assert item.line.status == "edited"
        assert any("other words than you approved" in notice for notice in item.notices)


def test_an_error_is_asked_about_once_more_and_a_warning_is_not(out: Path) -> None:
    with Desk(out) as desk:
        first, second = desk.session.ids[:2]
        desk.do("set-field", field="speech", text="", clip=first)
        outcome = desk.do("approve", clip=first)
        assert outcome.confirm
        assert lines(out) == 1
        assert desk.do("approve", clip=first, confirmed=True).message == "approved"
        desk.do("set-field", field="speech", text="42 it it", clip=second)
        assert {finding.code for finding in desk.lint(second)} >= {"digits", "doubled"}
        assert not desk.do("approve", clip=second).confirm


def test_an_edit_that_another_session_made_is_not_overwritten(out: Path) -> None:
    with Desk(out) as desk:
        first = desk.session.ids[0]
        rev = desk.page(0, 1)[0].rev
        desk.do("set-field", field="speech", text="so it is", clip=first, rev=rev)
        with pytest.raises(UsageError, match="changed since"):
            desk.do("set-field", field="speech", text="other", clip=first, rev=rev)


def test_a_store_without_its_logs_can_be_read(out: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / ".captioner"
    copy.mkdir(parents=True)
    shutil.copy(out / ".captioner" / "store.sqlite", copy)
    store = Store.reading(copy)
    assert store.rows.counts()["todo"] > 0
    with pytest.raises(sqlite3.OperationalError):
        store.set_meta("a", "b")
    store.close()


def test_a_store_of_an_older_captioner_gets_its_list_anew(out: Path) -> None:
    with Desk(out) as desk:
        first = desk.session.ids[0]
        desk.do("set-field", field="speech", text="so it is", clip=first)
        before = desk.page(0, 3)
    with sqlite3.connect(out / ".captioner" / "store.sqlite") as db:
        db.executescript(
            "DROP TABLE rows; DROP TABLE tally; CREATE TABLE rows (id TEXT PRIMARY KEY, words TEXT);"
            "INSERT INTO rows VALUES ('a', 'b'); UPDATE meta SET value = '1' WHERE name = 'format';"
        )
    db.close()
    with pytest.raises(StoreError, match="another version"):
        Desk(out, read_only=True)
    with Desk(out) as desk:
        assert [line._replace(rev=0) for line in desk.page(0, 3)] == [line._replace(rev=0) for line in before]
        assert sum(desk.stats.counts.values()) == desk.session.total
        assert desk.do("undo").rows == (first,)
    with Desk(out, read_only=True) as desk:
        assert desk.page(0, 1)[0].id == first


def test_what_thousands_changed_is_there_after_a_kill(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("captioner.review.ledger.MANY", 0)
    code = (
        "import os, sys; from pathlib import Path; from captioner.review import ledger; ledger.MANY = 0\n"
        "from captioner.review.desk import Desk\n"
        "desk = Desk(Path(sys.argv[1])); desk.do('mark-all'); desk.do('reject', reason='noise'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(out)], check=False).returncode == 9
    with Desk(out) as desk:
        assert desk.stats.counts == {"rejected": desk.session.total}
        assert {line.reason for line in desk.page(0, 100)} == {"noise"}
        desk.do("undo")
        assert desk.stats.counts == {"todo": desk.session.total}
