"""A build with a describer: what it asks, pays for, keeps and writes. The server is real; so is all the rest."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import captioner
from captioner.errors import Broken, SettingsError
from captioner.media.stills import stills
from captioner.progress import Bars, Plain
from captioner.run import Quiet
from captioner.summary import Summary
from captioner.types import Recording
from tests.vision import MODEL, Reply, Request, Server, fails, says

pytestmark = pytest.mark.models

KEY = "sk-secret-0123456789"
SAMPLE = Path(__file__).parent.parent / "sample_dataset" / "raw"
SEEN = "A man at a telephone."
WORDS = {
    "phone": "0.48 0.18 Go|0.66 0.4 forward|1.06 0.42 ten|1.48 0.38 meters.|3.29 0.17 Go|3.46 0.5 somewhere|"
    "3.96 0.28 and|4.24 0.16 do|4.4 0.48 something.",
    "table": "0.0 0.28 He|0.28 0.24 turned|0.52 0.44 sharply|0.96 0.28 and|1.24 0.32 faced|1.56 0.4 Gregson|"
    "1.96 0.26 across|2.22 0.28 the|2.5 0.3 table.",
}
LENGTHS = {"phone": 5.0, "table": 3.0}
FREE = b"\0\0\0\x08free"
"""An empty box at the end of an MP4: the same film, other bytes."""


class Bench:
    """A folder of two videos of two lines each and one recording without a picture, and builds of it."""

    def __init__(self, folder: Path) -> None:
        self.raw, self.out = folder / "raw", folder / "out"
        self.raw.mkdir()
        heard = {"phone": "phone.mp4", "second": "phone.mp4", "table": "table.wav"}
        turns, words = folder / "turns.rttm", folder / "words.ctm"
        for name, source in heard.items():
            data = next(SAMPLE.rglob(source)).read_bytes() + (FREE if name == "second" else b"")
            (self.raw / f"{name}{Path(source).suffix}").write_bytes(data)
        with turns.open("w") as rttm, words.open("w") as ctm:
            for name, source in heard.items():
                rttm.write(f"SPEAKER {name} 1 0.0 {LENGTHS[Path(source).stem]} <NA> <NA> Greg <NA> <NA>\n")
                for word in WORDS[Path(source).stem].split("|"):
                    ctm.write(f"{name} 1 {word} 0.95\n")
        self.said = {
            "trigger": "ema", "include_doubted": True, "tagger": "none", "fps": "25", "max_frames": 73,
            "diarizer": "rttm", "diarizer_options": {"path": str(turns)},
            "asr": "ctm", "asr_options": {"path": str(words)},
        }  # fmt: skip

    def build(
        self, server: Server | str | None = None, *, dry: bool = False, reporter: Any = None, **options: Any
    ) -> Summary:
        own = {name: options.pop(name) for name in ("visual", "include_doubted", "describer") if name in options}
        if server is not None:
            url = server if isinstance(server, str) else server.url
            given = {"model": MODEL, "base_url": url, "backoff": 0, "fps": 2, "frames": 3, "side": 128, **options}
            own = {"describer": "openai", "describer_options": given, **own}
        return captioner.build(self.raw, self.out, yes=True, dry_run=dry, reporter=reporter, **{**self.said, **own})

    def texts(self) -> dict[str, str]:
        return {path.stem: path.read_text(encoding="utf-8") for path in sorted((self.out / "clips").glob("*.txt"))}

    def seen(self) -> dict[str, bool]:
        """Whether a clip's caption says what is seen."""
        return {name: SEEN in text for name, text in self.texts().items()}


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Built once without a describer."""
    bench = Bench(tmp_path_factory.mktemp("described"))
    assert not any(bench.build().failures)
    return bench


@pytest.fixture
def bench(heard: Bench, tmp_path: Path) -> Bench:
    """The same, in a dataset that a test may change."""
    own = copy.copy(heard)
    own.out = tmp_path / "out"
    shutil.copytree(heard.out, own.out, copy_function=shutil.copy2)
    return own


def sees(_request: Request, _number: int) -> Reply:
    return says(f'The video shows {SEEN[0].lower()}{SEEN[1:]} He says "hello".')


def test_what_is_seen_stands_in_the_caption_of_every_clip_with_a_picture(bench: Bench) -> None:
    before = bench.texts()
    with Server(sees) as server:
        summary = bench.build(server)
    assert summary.failures == ()
    assert len(before) == 5
    assert bench.seen() == {name: not name.startswith("table") for name in before}
    assert len(server.requests) == 4
    for name, text in bench.texts().items():
        assert text.replace(f" {SEEN}", "") == before[name], "nothing else changes"
        assert "hello" not in text
    assert summary.fresh == (), "no clip is encoded again"
    assert any("4 clips described, 4,000 tokens sent and 200 received" in note for note in summary.notes)
    for request in server.requests:
        assert [max(picture.shape) for picture in request.pictures] == [128] * len(request.pictures)
        assert 2 <= len(request.pictures) <= 3


def test_nothing_is_asked_twice_and_a_changed_question_is_asked_again(bench: Bench) -> None:
    with Server(sees) as server:
        bench.build(server)
        described = bench.texts()
        bench.build(server, retries=1, timeout=60, concurrency=2, price_in=1.0, key_variable="OTHER")
        assert len(server.requests) == 4, "how it is asked, and at what price, changes no answer"
        assert bench.texts() == described
        bench.build(server, prompt="Describe the light.")
        assert len(server.requests) == 8
        assert all("Describe the light." in request.question for request in server.requests[4:])
        bench.build(server, frames=1)
        assert len(server.requests) == 12
        assert all(len(request.pictures) == 1 for request in server.requests[8:])
        bench.build(server)
        assert len(server.requests) == 12, "earlier answers are still there"
    assert bench.build(server).failures == (), "no server is needed for what is stored"
    captioner.render(bench.out, trigger="other")
    assert all(SEEN in text for name, text in bench.texts().items() if not name.startswith("table"))


def test_without_a_describer_what_was_seen_is_left_out_again(bench: Bench) -> None:
    before = bench.texts()
    with Server(sees) as server:
        bench.build(server)
    assert bench.texts() != before
    bench.build()
    assert bench.texts() == before


def test_a_clip_that_fails_goes_on_without_and_is_asked_again(bench: Bench) -> None:
    with Server(lambda request, number: fails(400, "bad picture") if number == 1 else sees(request, number)) as server:
        summary = bench.build(server, concurrency=1)
        assert sorted(bench.seen().values()) == [False, False, True, True, True]
        (note,) = (note for note in summary.notes if "not described" in note)
        lacking = {name for name, seen in bench.seen().items() if not seen and not name.startswith("table")}
        assert {note.split(" ")[0]} == lacking
        assert "400: bad picture" in note
        assert len(summary.written) == 5
        bench.build(server, concurrency=1)
        assert len(server.requests) == 5, "only the one that failed"
    assert sum(bench.seen().values()) == 4


def test_a_server_that_is_down_costs_no_clip_and_is_told_once(bench: Bench) -> None:
    with Server(sees) as server:
        url = server.url
    summary = bench.build(url)
    assert len(summary.written) == 5
    (note,) = (note for note in summary.notes if "not described" in note)
    assert "and 3 more" in note
    assert "is the server running" in note


def test_what_nobody_will_look_at_is_not_decoded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []

    def watched(recording: Recording, *rest: Any) -> Any:
        decoded.append(recording.name)
        return stills(recording, *rest)

    monkeypatch.setattr("captioner.media.stills.stills", watched)
    with Server(lambda _request, _number: fails(401, "no")) as server:
        summary = bench.build(server, concurrency=1)
    assert len(server.requests) == 1
    assert decoded == ["phone.mp4"]
    (note,) = (note for note in summary.notes if "not described" in note)
    assert "and 3 more" in note


def test_a_recording_that_cannot_be_decoded_costs_no_other(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a disk fails between two stages: its clips go on without, and both are named."""

    def failing(recording: Recording, *rest: Any) -> Any:
        found = stills(recording, *rest)
        if recording.name == "phone.mp4":
            found.close()
            raise Broken("cannot be read")
        return found

    with Server(sees) as server:
        with monkeypatch.context() as patched:
            patched.setattr("captioner.media.stills.stills", failing)
            summary = bench.build(server)
        assert len(server.requests) == 2
        assert len(summary.written) == 5
        (note,) = (note for note in summary.notes if "not described" in note)
        assert "and 1 more" in note
        assert "phone.mp4: cannot be read" in note
        bench.build(server)
    assert sum(bench.seen().values()) == 4


def test_what_was_paid_for_is_kept_when_the_build_is_stopped(bench: Bench) -> None:
    class Stopped(Quiet):
        def stage(self, name: str, total: float, unit: str) -> None:
            self.name, self.done = name, 0.0

        def advance(self, amount: float) -> None:
            self.done += amount
            if self.name == "describer" and self.done >= 2:
                raise KeyboardInterrupt

    with Server(sees) as server:
        with pytest.raises(KeyboardInterrupt):
            bench.build(server, reporter=Stopped(), concurrency=1)
        asked = len(server.requests)
        assert 2 <= asked <= 4
        bench.build(server, concurrency=1)
        assert len(server.requests) <= 4 + (asked - 2), "those that were answered are not asked about again"
    assert sum(bench.seen().values()) == 4


def test_a_persons_own_words_leave_nothing_to_ask(bench: Bench) -> None:
    with Server(sees) as server:
        summary = bench.build(server, visual="A red telephone box.")
    assert server.requests == []
    assert all("A red telephone box." in text for text in bench.texts().values())
    assert any("visual" in note for note in summary.notes)


def test_clips_that_are_not_written_are_not_paid_for(bench: Bench) -> None:
    (words,) = {bench.said["asr_options"]["path"]}
    doubtful = bench.out.parent / "words.ctm"
    doubtful.write_text(re.sub(r"(?m)^(phone 1 [3-9]\..*) 0\.\d+$", r"\1 0.05", Path(words).read_text()))
    bench.said = {**bench.said, "asr_options": {"path": str(doubtful)}}
    with Server(sees) as server:
        summary = bench.build(server, include_doubted=False)
        assert len(server.requests) == len([id_ for id_ in summary.written if not id_.startswith("table")])
        assert summary.held
        asked = len(server.requests)
        bench.build(server, include_doubted=True)
    assert asked < len(server.requests) == 4


class Told(Quiet):
    """What a reporter was told, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def stage(self, name: str, total: float, unit: str) -> None:
        self.lines.append(f"{name}: {total:.0f} {unit}")

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_the_cost_is_told_before_anything_is_asked(bench: Bench) -> None:
    prices = {"price_in": 2.0, "price_out": 8.0}
    with Server(sees) as server:
        forecast = "\n".join(bench.build(server, dry=True, **prices).notes)
        assert server.requests == []
        told = Told()
        bench.build(server, reporter=told, **prices)
        at = told.lines.index("describer: 4 clips")
        (line,) = (line for line in told.lines[:at] if line.startswith("describer"))
        assert "4 clips to describe, " in line
        assert f"{MODEL} at {server.url}" in line, "where pictures go is said before they do"
        assert "at the prices given" in line
        assert line.removeprefix("describer: ") in forecast, "the plan is known, so the forecast is exact"
        after = "\n".join(bench.build(server, dry=True, **prices).notes)
    assert "describer" not in after


def test_a_dry_run_of_what_was_never_heard_counts_clips_by_length(heard: Bench, tmp_path: Path) -> None:
    fresh = copy.copy(heard)
    fresh.out = tmp_path / "new"
    with Server(sees) as server:
        notes = "\n".join(fresh.build(server, dry=True, price_in=1.0).notes)
    assert "describer: at most about 6 clips to describe" in notes, "5.9 s each, in clips of 2.4 s"
    assert server.requests == []
    assert not fresh.out.exists()


def test_more_than_the_user_allows_is_not_spent(bench: Bench) -> None:
    with Server(sees) as server:
        with pytest.raises(SettingsError, match=r"max_cost 0\.001; raise it"):
            bench.build(server, price_in=1.0, max_cost=0.001)
        assert server.requests == []
        bench.build(server, price_in=1.0, max_cost=1.0)
        assert len(server.requests) == 4


def test_a_missing_key_is_told_before_hours_of_work(
    heard: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    fresh = copy.copy(heard)
    fresh.out = tmp_path / "new"
    told = Told()
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        fresh.build("https://api.openai.com/v1", reporter=told)
    assert not any(line.startswith(("sound", "asr", "vad")) for line in told.lines)


def test_no_key_is_ever_stored(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Server(lambda _request, _number: fails(400, f"what is {KEY}?")) as server:
        summary = bench.build(server)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in json.dumps(summary.as_dict())
    for path in bench.out.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_a_build_without_a_describer_loads_no_client(bench: Bench) -> None:
    code = (
        "import sys, json, captioner; captioner.build(sys.argv[1], sys.argv[2], yes=True, **json.loads(sys.argv[3]));"
        "assert not {'httpx2', 'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(bench.raw), str(bench.out), json.dumps(bench.said)], check=True)


def test_both_ways_to_show_progress_say_the_cost(capsys: pytest.CaptureFixture[str]) -> None:
    for shown in (Plain(sys.stderr), Bars()):
        with shown:
            shown.stage("judge", 1, "files")
            shown.say("describer: 4 clips [a/b], about 0.02")
            shown.stage("describer", 4, "clips")
            shown.advance(4)
        lines = capsys.readouterr().err.splitlines()
        assert any("describer: 4 clips [a/b], about 0.02" in line for line in lines), "as it is, brackets too"
