"""Work in processes of its own: the same answers as from threads, and a death costs one item."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner import stages
from captioner.engine.child import NICE
from captioner.engine.hands import CORES, SHARE, WORTH, workers
from captioner.engine.local import Local
from captioner.errors import Broken, CaptionerError, OutOfMemory, SettingsError, WorkerDied
from captioner.making import LEAST_SHARED, LEAST_SOUNDS, Part, ToWrite, clip_spec, shared
from captioner.media.cutting import ClipSpec
from captioner.run import Quiet
from captioner.settings import Settings
from captioner.stages import Job, Stages
from captioner.store import Store
from captioner.types import Recording, Sound
from captioner.writing import WriteOutcome, write_dataset
from tests import errands
from tests.clips import cut, record
from tests.factory import Audio, Video, make, noise, tone

BOTH = pytest.mark.parametrize("processes", [False, True], ids=["threads", "processes"])
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="no such signals")


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent))


def shouted(words: list[str], processes: bool) -> tuple[dict[str, Any], list[str]]:
    """What each word was answered with, and what was told until then."""
    answers: dict[str, Any] = {}
    heard: list[str] = []

    def told(word: str, news: str) -> None:
        assert word not in answers, "told before it is done"
        heard.append(news)

    Local(2, processes=processes).apart(errands.shout, words, answers.__setitem__, told)
    return answers, heard


def said_by(engine: Local, words: list[str]) -> set[int]:
    """The processes that answered."""
    answers: dict[str, Any] = {}
    engine.apart(errands.shout, words, answers.__setitem__)
    return {answer[1] for answer in answers.values() if not isinstance(answer, CaptionerError)}


def test_of_what_takes_long_no_more_is_in_hand_than_there_are_cores_whoever_asks(tmp_path: Path) -> None:
    found: list[int] = []
    with Local(3, overlaps=True, processes=True) as engine, ThreadPoolExecutor(2) as pool:
        calls = [
            pool.submit(engine.apart, errands.company, [str(tmp_path)] * 6, lambda _, n: found.append(n), long=True)
            for _ in range(2)
        ]
        assert [call.result(60) for call in calls] == [None, None]
    assert len(found) == 12
    assert max(found) <= 3


def test_what_is_short_does_not_wait_for_what_takes_long(tmp_path: Path) -> None:
    note, answers = tmp_path / "note", []
    with Local(2, overlaps=True, processes=True) as engine, ThreadPoolExecutor(1) as pool:
        long = pool.submit(
            engine.apart, errands.wait_for, [str(note)] * 2, lambda _, answer: answers.append(answer), long=True
        )
        until = time.monotonic() + 20
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        said_by(engine, ["a", "b"])
        note.touch()
        long.result(30)
    assert answers == ["let go"] * 2


def test_what_was_asked_first_is_done_first(tmp_path: Path) -> None:
    order: list[str] = []
    with Local(1, overlaps=True, processes=True) as engine, ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(engine.apart, errands.wait_for, [str(tmp_path / "go")], lambda *_: None, long=True)]
        for name in ("a", "b"):
            until = time.monotonic() + 20
            while not list(tmp_path.iterdir()) and time.monotonic() < until:
                time.sleep(0.01)
            words = [f"{name}{number}" for number in range(3)]
            calls.append(pool.submit(engine.apart, errands.shout, words, lambda word, _: order.append(word), long=True))
            time.sleep(0.2)
        (tmp_path / "go").touch()
        assert [call.result(60) for call in calls] == [None] * 3
    assert order == ["a0", "a1", "a2", "b0", "b1", "b2"]


def test_who_waits_for_a_core_is_let_go_when_the_run_ends(tmp_path: Path) -> None:
    with Local(1, overlaps=True, processes=True) as engine, ThreadPoolExecutor(2) as pool:
        calls = [
            pool.submit(engine.apart, errands.wait_for, [str(tmp_path / "never")], lambda *_: None, long=True)
            for _ in range(2)
        ]
        until = time.monotonic() + 20
        while not list(tmp_path.iterdir()) and time.monotonic() < until:
            time.sleep(0.01)
        with pytest.raises(OSError, match="No space"):
            engine.apart(errands.shout, ["full"], lambda *_: None)
        assert all(isinstance(call.exception(10), OSError) for call in calls)


@pytest.mark.parametrize(
    ("lengths", "threads"),
    [([], 16), ([30.0], 16), ([None], 16), ([5.0] * 4, 4), ([30.0] * 20, 1), ([100.0], 3), ([3600.0], 1)],
)
def test_an_encoder_gets_the_cores_that_no_other_clip_is_there_for(lengths: list[float | None], threads: int) -> None:
    recordings: list[Any] = [SimpleNamespace(audio=SimpleNamespace(duration=length)) for length in lengths]
    assert clip_spec(Settings(trigger="x"), 16, recordings).threads == threads


SHARES = st.lists(st.tuples(st.integers(0, 90), st.booleans()), max_size=12)


@given(SHARES, st.integers(1, 16))
def test_clips_are_shared_in_order_in_parts_that_get_smaller(wanted: list[tuple[int, bool]], count: int) -> None:
    wholes = []
    for number, (many, picture) in enumerate(wanted):
        recording = SimpleNamespace(has_picture=picture)
        cuts = tuple(SimpleNamespace(id=f"{number} {place}") for place in range(many))
        entry: Any = SimpleNamespace(recording=recording, cuts=cuts)
        wholes.append(Part(ToWrite(entry.recording, None, entry.cuts), {}, {}, Path(), Path(), ClipSpec()))
    parts = shared(wholes, count)
    assert [cut for part in parts for cut in part.entry.cuts] == [cut for whole in wholes for cut in whole.entry.cuts]
    left = sum(len(whole.entry.cuts) for whole in wholes)
    for whole in wholes:
        own = [part.entry.cuts for part in parts if part.entry.recording is whole.entry.recording]
        assert all(len(one) >= len(two) for one, two in pairwise(own[:-1]))
        for cuts in own:
            if not whole.entry.recording.has_picture:
                assert len(cuts) >= LEAST_SOUNDS or len(own) == 1
            elif left <= count:
                assert len(cuts) == 1, "the last of all go to a worker each"
            else:
                assert len(cuts) >= LEAST_SHARED or len(own) == 1
            left -= len(cuts)


def test_workers_stay_where_stages_overlap_and_only_within_the_run() -> None:
    with Local(2, overlaps=True, processes=True) as engine:
        first = said_by(engine, ["a", "b"])
        assert said_by(engine, ["c"]) <= first
        said_by(engine, ["abort", "d"])
        assert said_by(engine, ["e", "f"]) - first, "one that died is started anew"
    assert all(gone(process) for process in first)
    with Local(2, overlaps=False, processes=True) as engine:
        assert said_by(engine, ["a"]) != said_by(engine, ["a"])


def test_threads_and_processes_answer_alike() -> None:
    words = ["a", "b", "print", "broken", "c"]
    (here, news), (there, others) = shouted(words, processes=False), shouted(words, processes=True)
    assert str(here.pop("broken")) == str(there["broken"]) == "broken.wav: cannot be read; replace it"
    assert isinstance(there.pop("broken"), Broken)
    assert {pid for _, pid in here.values()} == {os.getpid()}
    assert os.getpid() not in {pid for _, pid in there.values()}
    assert {word: said for word, (said, _) in here.items()} == {word: said for word, (said, _) in there.items()}
    assert sorted(news) == sorted(others)
    assert "broken begun" in news
    assert "broken done" not in news


@pytest.mark.parametrize(
    ("order", "error", "text"),
    [
        pytest.param("abort", WorkerDied, r"SIGABRT.*export the file anew from its source, or leave", marks=POSIX),
        pytest.param("kill", WorkerDied, r"SIGKILL.*memory left, most likely; give fewer `threads`", marks=POSIX),
        ("bug", WorkerDied, r"ZeroDivisionError: a bug in somebody's library; run again"),
        ("memory", OutOfMemory, r"memory ran out"),
    ],
)
def test_a_death_costs_one_item(order: str, error: type[CaptionerError], text: str) -> None:
    answers, heard = shouted(["a", order, "b", "c"], processes=True)
    died = answers.pop(order)
    assert type(died) is error
    assert re.search(text, str(died))
    assert {said for said, _ in answers.values()} == {"A", "B", "C"}
    assert f"{order} begun" in heard, "what was told before counts"


@BOTH
def test_a_full_disk_and_a_wrong_setting_end_the_run_with_their_own_sentence(processes: bool) -> None:
    with pytest.raises(OSError, match=r"No space left on device: '/there/it\.wav'") as caught:
        shouted(["full", "a"], processes)
    assert caught.value.errno == 28
    with pytest.raises(SettingsError, match="no such thing"):
        shouted(["a", "setting"], processes)


def test_a_worker_takes_one_core() -> None:
    answers: dict[str, Any] = {}
    Local(2, processes=True).apart(errands.surroundings, ["OMP_NUM_THREADS", "PATH"], answers.__setitem__)
    assert answers == {"OMP_NUM_THREADS": "1", "PATH": os.environ["PATH"]}


def test_there_are_no_more_workers_than_are_worth_it() -> None:
    assert workers(CORES - 1, 100, 1000.0) == 0, "few cores"
    assert workers(16, 100, WORTH / 2) == 0, "little work"
    assert workers(16, 1, 1000.0) == 0, "nothing to share"
    assert workers(16, 100, 1000.0) == 16
    assert workers(16, 5, 1000.0) == 5
    assert workers(16, 100, 4 * SHARE) == 4
    assert workers(1, 1, inf) == 1, "what must not be done here"
    assert workers(16, 1, 0.2, started=True) == 1, "those that there are cost no start"
    assert workers(16, 100, 3 * SHARE, started=True) == 3
    assert workers(CORES - 1, 100, 1000.0, started=True) == 0


@POSIX
def test_workers_beside_a_gpu_let_others_go_first() -> None:
    def niceness(gpus: int) -> int:
        answers: dict[str, Any] = {}
        engine = Local(2, processes=True)
        engine._models = SimpleNamespace(gpus=gpus)  # type: ignore[assignment]
        engine.apart(errands.niceness, ["a"], answers.__setitem__)
        return int(answers["a"])

    assert niceness(0) == os.nice(0)
    assert niceness(1) == min(19, os.nice(0) + NICE)


@POSIX
def test_ctrl_c_is_the_parents_matter() -> None:
    answers, _ = shouted(["interrupt", "a"], processes=True)
    assert answers["interrupt"][0] == "INTERRUPT"


# --- how they end ------------------------------------------------------------------------------------------------


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] == "Z"


def left_in(note: Path) -> int:
    until = time.monotonic() + 30
    while not note.exists():
        assert time.monotonic() < until, "no worker began"
        time.sleep(0.02)
    return int(note.read_text(encoding="ascii"))


@POSIX
def test_workers_end_at_once_when_the_run_is_stopped(tmp_path: Path) -> None:
    note = tmp_path / "pid"

    def done(_item: str, _answer: object) -> None:
        left_in(note)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Local(2, processes=True).apart(errands.wait_long, [str(note), ""], done)
    assert gone(left_in(note))


@POSIX
def test_another_thread_may_stop_the_engine(tmp_path: Path) -> None:
    note, engine = tmp_path / "pid", Local(2, processes=True)

    def stop() -> None:
        left_in(note)
        engine.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(CancelledError):
        engine.apart(errands.wait_long, [str(note)], lambda *_: None)
    stopper.join()
    assert gone(left_in(note))


@POSIX
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = (
        "from captioner.engine.local import Local\nfrom tests import errands\n"
        f"Local(2, processes=True).apart(errands.wait_long, [{str(note)!r}], print)"
    )
    folders = os.pathsep.join(part for part in sys.path if part)
    with subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": folders}) as parent:
        pid = left_in(note)
        os.kill(parent.pid, signal.SIGKILL)
    until = time.monotonic() + 30
    while not gone(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert gone(pid)


# --- sound -------------------------------------------------------------------------------------------------------


def jobs_of(folder: Path) -> list[Job]:
    """One job a file; what cannot be probed is not among them."""
    return [Job(record(path), {"sound": f"sound-{path.stem}"}, 5.0) for path in sorted(folder.iterdir())]


def decoded(raw: Path, home: Path, processes: bool | None) -> tuple[dict[str, bytes], dict[str, Any], dict[str, str]]:
    with Store(home) as store:
        run = Stages(
            Settings(trigger="ema_voice"), store, Local(2, processes=processes), Quiet(), {},
            lambda _, call: call(), {},
        )  # fmt: skip
        jobs = jobs_of(raw)
        run.sound(jobs)
        files = {path.name: path.read_bytes() for path in (home / "sound").iterdir()}
        found = {job.recording.name: store.get(job.keys["sound"], Sound) for job in jobs if not job.failure}
        return files, found, {job.recording.name: f"{job.failure}" for job in jobs if job.failure}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    make(folder / "noise.wav", None, Audio(noise(5.0, 44100), 44100))
    make(folder / "tone.flac", None, Audio(tone(440, 3.0, 16000), 16000))
    make(folder / "mute.wav", None, Audio(tone(440, 2.0, 16000, peak=0.0), 16000))
    make(folder / "film.mp4", Video(frames=40), Audio(noise(2.0, 48000), 48000))
    return folder


def test_sound_is_the_same_from_threads_and_from_processes(raw: Path, tmp_path: Path) -> None:
    here = decoded(raw, tmp_path / "here", processes=False)
    assert here == decoded(raw, tmp_path / "there", processes=True)
    files, found, failed = here
    assert sorted(found) == ["film.mp4", "noise.wav", "tone.flac"]
    assert len(files) == 3
    assert "silent" in failed["mute.wav"]


@POSIX
def test_a_file_that_kills_its_decoder_is_named_and_tried_again(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(raw / "deadly.wav", None, Audio(noise(1.0, 16000), 16000))
    with monkeypatch.context() as patch:
        patch.setattr(stages, "decode", errands.decode_and_die)
        _, found, failed = decoded(raw, tmp_path / "home", processes=True)
        again = decoded(raw, tmp_path / "home", processes=None)[2]
    assert "SIGABRT" in again["deadly.wav"], "what killed a worker is not let into this process"
    assert sorted(found) == ["film.mp4", "noise.wav", "tone.flac"]
    assert "WorkerDied" in failed["deadly.wav"]
    assert "SIGABRT" in failed["deadly.wav"]
    _, found, failed = decoded(raw, tmp_path / "home", processes=True)
    assert "deadly.wav" in found
    assert list(failed) == ["mute.wav"]


# --- clips -------------------------------------------------------------------------------------------------------


def written(
    recordings: Sequence[Recording], home: Path, processes: bool | None, work: Any = None
) -> tuple[dict[str, bytes], list[str], WriteOutcome]:
    """The files in `clips/` by name, the stored rows without their clock, and the outcome."""
    settings = Settings(trigger="ema_voice", preset="ultrafast")
    home.mkdir(exist_ok=True)
    engine = Local(2, processes=processes)
    if work is not None:
        apart = engine.apart
        engine.apart = lambda _work, *rest: apart(work, *rest)  # type: ignore[method-assign]
    wanted = [
        ToWrite(each, None, tuple(cut(each, start, 25, Fraction(25)) for start in range(0, each_end(each), 50)))
        for each in recordings
    ]
    captions = {one.id: f"says {one.id}" for entry in wanted for one in entry.cuts}
    with Store(home / "store") as store:
        outcome = write_dataset(wanted, captions, home, settings, store, engine, Quiet())
        rows = sorted(f"{row.id} {row.key} {row.media} {row.size} {row.caption}" for row in store.written().values())
    return {path.name: path.read_bytes() for path in (home / "clips").iterdir()}, rows, outcome


def each_end(recording: Recording) -> int:
    return 75 if recording.has_picture else 1000


@pytest.fixture
def takes(tmp_path: Path) -> list[Recording]:
    """A minute of sound of which 38 s are there, and a film that is shorter than its cuts."""
    make(tmp_path / "take.wav", None, Audio(noise(40.0, 44100), 44100))
    make(tmp_path / "film.mp4", Video(frames=60), Audio(noise(2.4, 48000), 48000))
    return [record(tmp_path / "take.wav"), record(tmp_path / "film.mp4")]


def test_clips_are_the_same_from_threads_and_from_processes(takes: list[Recording], tmp_path: Path) -> None:
    files, rows, here = written(takes, tmp_path / "here", processes=False)
    others, same, there = written(takes, tmp_path / "there", processes=True)
    assert files == others
    assert rows == same
    assert len(files) == 2 * len(here.fresh) == 2 * 21
    assert sorted(here.fresh) == sorted(there.fresh)
    assert sorted(map(str, here.failures)) == sorted(map(str, there.failures))
    assert [failure.name for failure in here.failures] == ["film_f50n25"]
    again = written(takes, tmp_path / "there", processes=True)[2]
    assert again.fresh == ()


@POSIX
def test_the_clips_that_kill_their_worker_are_named_and_no_others(takes: list[Recording], tmp_path: Path) -> None:
    files, rows, outcome = written(takes[:1], tmp_path / "out", processes=True, work=errands.make_and_die)
    reasons = {failure.name: failure for failure in outcome.failures}
    assert sorted(reasons) == ["take_f200n25", "take_f550n25"]
    assert "SIGABRT" in reasons["take_f200n25"].text
    assert "fewer `threads`" in reasons["take_f550n25"].text
    assert {failure.error for failure in outcome.failures} == {"WorkerDied"}
    assert len(rows) == len(outcome.fresh) == 18
    assert len(files) == 36
    alone = written(takes[:1], tmp_path / "out", processes=None, work=errands.make_and_die)[2]
    assert {failure.name for failure in alone.failures} == set(reasons), "not let into this process"
    mended = written(takes[:1], tmp_path / "out", processes=True)[2]
    assert sorted(mended.fresh) == sorted(reasons)
    assert not list((tmp_path / "out" / "store" / "aside").iterdir())
