"""The review as a conversation: through a list, a pipe and a terminal that can nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from chromium import wait
from made_dataset import make_dataset

from captioner.review.actions import ACTIONS
from captioner.review.audio.silent import Silent
from captioner.review.desk import Desk
from captioner.review.hearing import Hearing
from captioner.review.plain import ELSEWHERE, Plain
from captioner.review.plaintext import help_text
from tests.review_seat import StillMedia, made_piece


class Talk:
    """A conversation whose lines are given beforehand."""

    def __init__(self, desk: Desk, *lines: str, heard: bool = True) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self._lines = iter(lines)
        self.hearing = Hearing(StillMedia(), Silent(text="no sound in tests")) if heard else None  # type: ignore[arg-type]
        self.end = Plain(desk, self._read, self.said.append, self.hearing, made_piece(desk) if heard else None).run()

    def _read(self, question: str) -> str | None:
        self.asked.append(question)
        return next(self._lines, None)

    @property
    def text(self) -> str:
        return "\n".join(self.said)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(make_dataset(tmp_path / "out", 8)) as made:
        yield made


def status(desk: Desk, place: int = 0) -> tuple[str, str]:
    line = desk.item(desk.store.rows.ids()[place]).line
    return line.status, line.reason


def test_a_clip_is_told_in_lines_that_stand_by_themselves(desk: Desk) -> None:
    item = desk.item()
    text = Talk(desk).said
    assert text[0] == "8 clips, 0 decided on. Type ? and Enter for help."
    assert f"Clip 1 of 8, to do: {item.id}." in text
    assert f"Said: {item.line.words}" in text
    assert f"Caption: {item.caption}" in text
    assert all("\n" not in line and line.isprintable() for line in text)


def test_deciding(desk: Desk) -> None:
    talk = Talk(desk, "a", "y", "x wind in the mic", "x", "3", "f", "ask Ann", "q")
    assert talk.end == "write"
    assert [status(desk, place) for place in range(4)] == [
        ("approved", ""), ("rejected", "wind in the mic"), ("rejected", "noise or music"), ("flagged", "ask Ann"),
    ]  # fmt: skip
    assert any("1 wrong words" in question for question in talk.asked)


def test_undo_and_redo(desk: Desk) -> None:
    Talk(desk, "x bad", "u")
    assert status(desk) == ("todo", "")
    Talk(desk, "U")
    assert status(desk) == ("rejected", "bad")


def test_names_do_what_letters_do(desk: Desk) -> None:
    Talk(desk, "reject bad", "go 4", "flag look")
    assert [status(desk, 0), status(desk, 3)] == [("rejected", "bad"), ("flagged", "look")]


def test_moving(desk: Desk) -> None:
    ids = desk.store.rows.ids()
    talk = Talk(desk, "j", "G", "k", "#3", "g")
    told = [line for line in talk.said if line.startswith("Clip ")]
    assert [line.split()[1] for line in told] == ["1", "2", "8", "7", "3", "1"]
    assert ids[6] in told[3]


def test_fields(desk: Desk) -> None:
    name = desk.item().fields[0].name
    talk = Talk(desk, "1 So it is.", "d")
    assert desk.item().fields[0].value == "So it is."
    assert f"{name}: " in talk.said[-1]
    assert "So it is." in talk.said[-1]
    Talk(desk, "1", "")
    assert desk.item().fields[0].value == "So it is.", "Enter keeps it"
    Talk(desk, "1", "<draft>")
    assert not desk.item().fields[0].edited
    Talk(desk, "1", "-")
    assert desk.item().fields[0].value == ""
    Talk(desk, "D 1")
    assert not desk.item().fields[0].edited
    Talk(desk, "set-field voice soft and low")
    assert {one.name: one.value for one in desk.item().fields}["voice"] == "soft and low"


def test_every_field_is_asked_for_in_turn(desk: Desk) -> None:
    count = len(desk.item().fields)
    talk = Talk(desk, "e", *[""] * (count - 1), "wind", "y")
    assert len([one for one in talk.asked if one.startswith("new text")]) == count
    assert desk.item().fields[-1].value == "wind"
    assert talk.said[-1] == desk.item().caption


def test_what_cannot_be_done_is_said_and_the_talk_goes_on(desk: Desk) -> None:
    talk = Talk(desk, "zz", "12", "99 x", "go 99", "waveform", "2", "", "q")
    refused = [line for line in talk.said if line.startswith("Not done:")]
    assert len(refused) == 5
    assert "zz: no such command" in refused[0]
    assert talk.end == "write"


def test_a_question_before_a_clip_with_an_error_is_approved(desk: Desk) -> None:
    Talk(desk, "set-field visual " + "A lantern swings. " * 1000)  # longer than the text encoder takes
    talk = Talk(desk, "a", "n")
    assert any(question.endswith("y or n: ") for question in talk.asked)
    assert status(desk)[0] != "approved"
    Talk(desk, "a", "y")
    assert status(desk)[0] == "approved"


def test_the_end_of_all_lines_leaves_without_writing(desk: Desk) -> None:
    assert Talk(desk, "x").end == "leave"
    assert status(desk) == ("todo", "")
    assert Talk(desk, "Q", "a").end == "leave"
    assert status(desk) == ("todo", "")


def test_hearing(desk: Desk) -> None:
    talk = Talk(desk, "", "l", "-", "-", "+", "0", "p")
    assert "No sound in tests." in talk.said
    assert talk.said[-6:] == [
        "Loop on.", "Speed 0.9.", "Speed 0.8.", "Speed 0.9.", "Speed 1.", "Each clip is played as you come to it.",
    ]  # fmt: skip
    assert talk.hearing is not None
    assert talk.hearing.state.playing
    assert "Not done: nothing can be heard in this session" in Talk(desk, "", heard=False).said


def test_a_source_that_is_gone_is_said_when_somebody_listens(desk: Desk) -> None:
    said: list[str] = []
    lines = iter(["", "x bad"])
    hearing = Hearing(StillMedia(), Silent())  # type: ignore[arg-type]
    Plain(desk, lambda _: next(lines, None), said.append, hearing, desk.piece).run()
    assert any("ep000.mkv" in line and line.startswith("Not done") for line in said)
    assert status(desk) == ("rejected", "bad")


def test_help_has_every_action_that_can_be_asked_for(desk: Desk) -> None:
    text = Talk(desk, "?").text
    for action in ACTIONS:
        if "browse" in action.states and action.id not in ELSEWHERE:
            assert action.title in text, action.id
    assert "an empty line" in "\n".join(help_text(ACTIONS))


def test_every_action_is_known_here(desk: Desk) -> None:
    """None ends the talk with an exception, whatever it makes of no answer."""
    for action in ACTIONS:
        if "browse" in action.states and action.id not in (*ELSEWHERE, "open-tab", "editor"):
            talk = Talk(desk, action.id)
            assert "no such command" not in talk.text, action.id
            assert "only on the screen" not in talk.text, action.id


def test_the_editor(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "editor.py"
    script.write_text(
        "import pathlib, re, sys\npath = pathlib.Path(sys.argv[1])\n"
        "path.write_text(re.sub('^speech: .*$', 'speech: Typed there.', path.read_text(), flags=re.M))\n"
    )
    monkeypatch.setenv("VISUAL", f"{sys.executable} {script}")
    Talk(desk, "E")
    assert desk.item().line.words == "Typed there."


def test_a_second_session_reads_only(desk: Desk) -> None:
    with Desk(desk.out) as second:
        talk = Talk(second, "x bad", "j")
    assert any(line.startswith("Nothing can be changed in this session") for line in talk.said)
    assert any(line.startswith("Not done") for line in talk.said)
    assert status(desk) == ("todo", "")


PROGRAM = """
import sys
from pathlib import Path
from captioner.review.desk import Desk
from captioner.review.plain import run
with Desk(Path(sys.argv[1])) as desk:
    print("left to", run(desk))
"""


def test_a_pipe_is_enough(tmp_path: Path) -> None:
    out = make_dataset(tmp_path / "out", 3)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(out)], input="x d\u00e9j\u00e0 vu\nq\n", capture_output=True, text=True,
        encoding="utf-8", env={**os.environ, "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    assert "left to write" in done.stdout
    assert "\x1b" not in done.stdout
    with Desk(out) as desk:
        assert status(desk) == ("rejected", "déjà vu")


@pytest.mark.skipif(sys.platform == "win32", reason="pty")
def test_a_terminal_that_can_nothing_is_enough(tmp_path: Path) -> None:
    import pty

    out = make_dataset(tmp_path / "out", 3)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(out)], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**os.environ, "TERM": "dumb", "LANG": "C", "PYTHONUTF8": "0"},
        # Whoever runs the tests in the background has taken ctrl+C off them, and what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    os.close(theirs)
    os.set_blocking(ours, False)
    seen = b""

    def sees(text: bytes) -> bool:
        nonlocal seen
        with suppress(BlockingIOError, OSError):  # nothing yet; or the other end is closed
            seen += os.read(ours, 65536)
        return text in seen

    wait(lambda: sees(b"> "))
    os.write(ours, b"f look\n")
    wait(lambda: sees(b"Flagged."))
    process.send_signal(signal.SIGINT)  # ctrl+C ends nothing by accident
    wait(lambda: sees(b"q and Enter to leave"))
    os.write(ours, b"q\n")
    wait(lambda: sees(b"left to write"))
    assert process.wait(10) == 0
    os.close(ours)
    assert b"\x1b[2J" not in seen
    with Desk(out) as desk:
        assert status(desk) == ("flagged", "look")
