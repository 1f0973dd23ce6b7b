"""The review in a real terminal: first page, typed-ahead keys, sizes, signals, a second session, suspending."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

pytest.importorskip("pyte")

from captioner.reviewlog import read_decisions
from tests.made_dataset import make_dataset
from tests.terminal import Terminal

RUN = "import sys; from pathlib import Path; from captioner.review.tui.start import review; "
START = RUN + "print('LEFT', review(Path(sys.argv[1]), sound='none', read_only='ro' in sys.argv))"
KEYS = "? help"
"""Stands in the last line once the whole screen is there."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("terminal") / "out", 80)


@pytest.fixture
def out(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "out"))


def review(out: Path, *more: str, columns: int = 120, lines: int = 36, env: dict[str, str] | None = None) -> Terminal:
    return Terminal([sys.executable, "-c", START, str(out), *more], columns, lines, env)


def cursor_row(text: str) -> int:
    """Number of the clip under the cursor."""
    found = re.search(r"▌\S?\s+(\d+)", text)
    assert found, text
    return int(found[1])


def first_words(out: Path) -> str:
    return " ".join(edit.text for edits in read_decisions(out).fields.values() for edit in edits.values())


def test_the_first_page_is_what_the_whole_screen_shows_of_the_list(out: Path) -> None:
    with review(out) as terminal:
        page = terminal.wait(lambda text: "80 clips" in text and "Browse" in text)
        assert KEYS not in page
        whole = terminal.wait(KEYS)
        assert [line[:50] for line in page.splitlines()[1:34]] == [line[:50] for line in whole.splitlines()[1:34]]


def test_no_key_typed_ahead_is_lost(out: Path) -> None:
    with review(out) as terminal:
        terminal.send("jj")  # before anything is painted
        page = terminal.wait("Browse")
        assert KEYS not in page
        terminal.send("jj")
        terminal.send("\x1b[B")
        terminal.wait(lambda text: KEYS in text and cursor_row(text) == 6)


def test_the_alternate_screen_is_entered_once_and_the_terminal_is_given_back(out: Path) -> None:
    with review(out) as terminal:
        before = termios.tcgetattr(terminal.fd)
        terminal.wait(KEYS)
        assert termios.tcgetattr(terminal.fd) != before
        terminal.send("Q")
        terminal.wait("LEFT leave")
        assert termios.tcgetattr(terminal.fd)[3] & (termios.ECHO | termios.ICANON)
        assert terminal.raw.count(b"\x1b[?1049h") == 1
        assert terminal.raw.rindex(b"\x1b[?1049l") > terminal.raw.rindex(b"\x1b[?1049h")
        assert terminal.over() == 0


def test_it_is_drawn_on_the_terminal_where_errors_go_into_a_file(out: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    start = f"import os; os.dup2(os.open({str(log)!r}, os.O_CREAT | os.O_WRONLY), 2); {START}"
    with Terminal([sys.executable, "-c", start, str(out)], 120, 36) as terminal:
        terminal.wait(KEYS)
        terminal.send("Q")
        terminal.wait("LEFT leave")
    assert log.read_bytes() == b""


def test_an_error_at_the_start_leaves_the_terminal_as_it_was(out: Path) -> None:
    (out / "review.jsonl").write_text("this is no decision\n")
    with review(out) as terminal:
        terminal.over()
        assert "not JSON" in terminal.text.replace("\n", "")  # wherever the line is broken
        assert terminal.raw.count(b"\x1b[?1049h") == terminal.raw.count(b"\x1b[?1049l")


@pytest.mark.parametrize("size", [(80, 24), (60, 16), (200, 60), (99, 30)])
def test_it_follows_the_size_of_the_terminal(size: tuple[int, int], out: Path) -> None:
    with review(out) as terminal:
        terminal.wait(KEYS)
        terminal.resize(*size)
        text = terminal.wait(lambda text: text.splitlines()[-1].rstrip().endswith(KEYS))
        assert "80 clips" in text
        assert ("│" in text) == (size[0] >= 100)
        terminal.resize(120, 36)
        terminal.wait(lambda text: text.splitlines()[-1].rstrip().endswith(KEYS) and "│" in text)


def test_what_was_typed_survives_a_dropped_connection(out: Path) -> None:
    with review(out) as terminal:
        terminal.wait(KEYS)
        terminal.send("e")
        terminal.wait("Edit")
        terminal.send(" dropped line")
        terminal.wait("dropped line")
        terminal.end(signal.SIGHUP)
    assert first_words(out).endswith("dropped line")


def test_what_was_shown_as_saved_survives_kill_9(out: Path) -> None:
    with review(out) as terminal:
        terminal.wait(KEYS)
        terminal.send("e kept\x13")
        terminal.wait("saved")
        terminal.send(" and this is not")
        terminal.wait("this is not")
        terminal.end(signal.SIGKILL)
    assert first_words(out).endswith("kept")
    with review(out) as terminal:
        terminal.wait(KEYS)
        assert "kept" in terminal.text
        assert "read only" not in terminal.text


def test_a_second_session_reads_only_and_says_why(out: Path) -> None:
    with review(out) as first:
        first.wait(KEYS)
        with review(out) as second:
            second.wait("read only")
            second.send("jx3")
            second.wait("nothing can be changed")
            assert cursor_row(second.text) == 2
        first.send("x3")
        first.wait("rejected")
    assert [status.state for status in read_decisions(out).status.values()] == ["rejected"]


def test_no_colour_is_sent_where_none_is_wanted(out: Path) -> None:
    with review(out, env={"NO_COLOR": "1"}) as terminal:
        terminal.wait(KEYS)
        terminal.send("jjje")
        terminal.wait("Edit")
        assert not re.search(rb"\x1b\[[0-9;]*[34]8;[25]", terminal.raw)


def test_it_sleeps_while_nothing_happens(out: Path) -> None:
    with review(out) as terminal:
        terminal.wait(KEYS)
        terminal.read(quiet=0.6)
        tasks = Path(f"/proc/{terminal.pid}/task")
        if not tasks.is_dir():
            pytest.skip("no /proc here")
        before = woken(tasks)
        time.sleep(1.0)
        assert woken(tasks) - before <= 2


def woken(tasks: Path) -> int:
    texts = [(task / "status").read_text() for task in tasks.iterdir()]
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("voluntary"))


def test_a_cursor_key_costs_a_few_hundred_bytes(out: Path) -> None:
    with review(out) as terminal:
        terminal.wait(KEYS)
        terminal.read(quiet=0.4)
        sent = []
        for _ in range(20):
            terminal.send("j")
            sent.append(len(terminal.read(quiet=0.03)))
        assert sorted(sent)[10] <= 900


def test_pasted_text_is_never_taken_for_keys(out: Path) -> None:
    with review(out) as terminal:
        terminal.wait(KEYS)
        terminal.send("\x1b[200~aaaa\nxQ\x1b[201~")
        terminal.wait("pasted into a field")
    assert not read_decisions(out).status


@pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here")
def test_in_tmux_with_suspending_and_coming_back(out: Path, tmp_path: Path) -> None:
    socket = str(tmp_path / "tmux")

    def tmux(*arguments: str) -> str:
        return subprocess.run(["tmux", "-S", socket, *arguments], capture_output=True, text=True, check=True).stdout

    def wait(wanted: str) -> str:
        for _ in range(100):
            text = tmux("capture-pane", "-p", "-t", "r")
            if wanted in text:
                return text
            time.sleep(0.1)
        raise AssertionError(f"{wanted!r} never came:\n{text}")

    tmux("-f", "/dev/null", "new-session", "-d", "-s", "r", "-x", "100", "-y", "30", "sh")
    try:
        line = f'{sys.executable} -c "{START}" {out}'
        tmux("send-keys", "-t", "r", "-l", line)
        tmux("send-keys", "-t", "r", "Enter")
        wait(KEYS)
        tmux("send-keys", "-t", "r", "C-z")
        wait("topped")
        tmux("send-keys", "-t", "r", "fg", "Enter")
        wait(KEYS)
        tmux("send-keys", "-t", "r", "x", "4")
        wait("rejected: words cut off")
        tmux("send-keys", "-t", "r", "q")
        wait("LEFT write")
    finally:
        tmux("kill-server")
    assert [status.reason for status in read_decisions(out).status.values()] == ["words cut off"]
