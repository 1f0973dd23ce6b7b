"""Stages at the same time, by backends that answer at once: the same as in turn, whatever goes wrong on the way."""

from __future__ import annotations

import errno
import random
import shutil
import sqlite3
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import captioner
from captioner import ahead, flow, making, naming, pipeline, planning, writing
from captioner.engine import hands, local
from captioner.engine.local import Local
from captioner.errors import Broken, ModelDied, SettingsError, WeightsMissing, WorkerDied
from captioner.identities import label_all
from captioner.pipeline import HOME
from captioner.planning import PlannedJob
from captioner.run import Quiet
from captioner.settings import Settings
from captioner.stages import DIED, Stages
from captioner.store import Store
from captioner.summary import Summary
from captioner.types import Doubt
from tests import errands
from tests.factory import Audio, Video, make, tone
from tests.playing import Play


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    for number in range(5):
        make(folder / f"take{number}.wav", None, Audio(tone(110 + 50 * number, 4.0 + number, 16000), 16000))
    make(folder / "film.mp4", Video(frames=100, size=(64, 64)), Audio(tone(300, 4.0, 16000), 16000))
    make(folder / "mute.wav", None, Audio(tone(440, 3.0, 16000, peak=0.0), 16000))
    make(folder / "bad.wav", None, Audio(tone(220, 5.0, 16000), 16000))
    return folder


def trouble(role: str, names: Sequence[str]) -> None:
    """One recording with which nobody can do anything."""
    if "bad.wav" in names:
        time.sleep({"vad": 0.0, "diarizer": 0.05, "tagger": 0.02}.get(role, 0.0))
        raise Broken(f"bad.wav: broken, says the {role}")


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a GPU, and a pack for nearly every recording."""
    monkeypatch.setattr(Local, "overlaps", True)
    monkeypatch.setattr(flow, "LEAST_PACK", 1.0)


def build(play: Play, raw: Path, out: Path, **options: Any) -> Summary:
    given = {"yes": True, "trigger": "x", "include_doubted": True, "threads": 2, "contain": False, **options}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "choose_backends", lambda _: play.backends())
        return captioner.build(raw, out, **given)


def stands(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "clips").iterdir())}


def stored(out: Path) -> dict[str, tuple[str, bytes]]:
    """All results, but for failures: more stages may meet one when they run at the same time."""
    with closing(sqlite3.connect(out / HOME / "store.sqlite")) as db:
        rows = db.execute("SELECT key, stage, value FROM results WHERE stage != 'failure'")
        return {key: (stage, value) for key, stage, value in rows}


def told(summary: Summary) -> Any:
    return summary.clips, summary.written, summary.failures, summary.held, summary.lost, summary.recordings


@pytest.fixture(scope="module")
def alone(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    """One stage after the other."""
    out = tmp_path_factory.mktemp("alone") / "out"
    summary = build(Play(trouble), raw, out)
    assert len(summary.written) > 8
    assert [failure.name for failure in summary.failures] == ["bad.wav", "mute.wav"]
    return out, summary


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.usefixtures("several")
def test_in_whatever_order_stages_come_to_their_end_the_dataset_is_the_same(
    alone: tuple[Path, Summary], raw: Path, tmp_path: Path, seed: int
) -> None:
    out, summary = alone
    play = Play(trouble, random.Random(seed))
    again = build(play, raw, tmp_path / "out")
    assert stands(tmp_path / "out") == stands(out)
    assert told(again) == told(summary)
    assert stored(tmp_path / "out") == stored(out)
    assert sorted(play.loaded) == ["asr", "diarizer", "tagger", "vad", "voice"], "each is loaded once"
    assert told(build(play, raw, tmp_path / "out")) == told(again)


@pytest.mark.usefixtures("several")
def test_which_fault_is_told_does_not_depend_on_who_was_asked_before_a_build_was_stopped(
    alone: tuple[Path, Summary], raw: Path, tmp_path: Path
) -> None:
    def failures() -> int:
        with closing(sqlite3.connect(tmp_path / "out" / HOME / "store.sqlite")) as db:
            return int(db.execute("SELECT count(*) FROM results WHERE stage = 'failure'").fetchone()[0])

    def before(role: str, names: Sequence[str]) -> None:
        if role == "vad" and "bad.wav" in names:
            until = time.monotonic() + 20
            while failures() < 2 and time.monotonic() < until:  # the mute one's, and the tagger's
                time.sleep(0.01)
            raise KeyboardInterrupt
        if role != "diarizer":
            trouble(role, names)

    with pytest.raises(KeyboardInterrupt):
        build(Play(before), raw, tmp_path / "out")
    assert failures() == 2
    assert told(build(Play(trouble), raw, tmp_path / "out")) == told(alone[1])


@pytest.mark.usefixtures("several")
def test_what_is_stopped_while_it_is_measured_is_measured_by_the_next_build(
    alone: tuple[Path, Summary], raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring, stopped = threading.Event(), threading.Event()
    stop = Local.stop

    def watched(engine: Local) -> None:
        stop(engine)
        stopped.set()

    def before(role: str, names: Sequence[str]) -> None:
        if role == "voice":
            measuring.set()
            assert stopped.wait(10)
            raise ModelDied("voice: its process was ended")
        if role == "asr" and "take4.wav" in names:
            assert measuring.wait(10)
            raise KeyboardInterrupt
        trouble(role, names)

    monkeypatch.setattr(Local, "stop", watched)
    with pytest.raises(KeyboardInterrupt):
        build(Play(before), raw, tmp_path / "out")
    assert "voice" not in {stage for stage, _ in stored(tmp_path / "out").values()}
    assert told(build(Play(trouble), raw, tmp_path / "out")) == told(alone[1])


@pytest.mark.usefixtures("several")
def test_a_clip_that_killed_a_worker_is_never_made_in_the_builds_own_process(
    alone: tuple[Path, Summary], raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, float]] = []
    apart = Local.apart

    def watched(self: Local, work: Any, items: Any, done: Any, told: Any = None, tick: Any = None,
                seconds: float = float("inf"), *, long: bool = False) -> None:  # fmt: skip
        asked.append((work.__module__, seconds))
        apart(self, work, items, done, told, tick, 0.0, long=long)

    def dies(part: making.Part, tell: Any) -> None:
        raise WorkerDied("worker 1: its process died (SIGSEGV)")

    monkeypatch.setattr(Local, "apart", watched)
    monkeypatch.setattr(ahead, "make", dies)
    build(Play(trouble), raw, tmp_path / "out")
    assert [seconds for module, seconds in asked if module == "captioner.making"] == [float("inf")]
    assert stands(tmp_path / "out") == stands(alone[0])
    with Store(tmp_path / "out" / HOME) as store:
        assert store.meta(DIED) == "write"


@pytest.mark.usefixtures("several")
def test_a_disk_that_is_full_for_what_is_made_ahead_ends_no_hearing(
    alone: tuple[Path, Summary], raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(part: making.Part, tell: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ahead, "make", full)
    assert told(build(Play(trouble), raw, tmp_path / "out")) == told(alone[1])
    assert stands(tmp_path / "out") == stands(alone[0])


def test_who_shares_workers_ends_with_the_error_that_ended_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent))
    note = tmp_path / "note"
    with Local(2, overlaps=True, processes=True) as engine, ThreadPoolExecutor(1) as pool:
        other = pool.submit(engine.apart, errands.wait_long, [str(note)], lambda *_: None)
        until = time.monotonic() + 20
        while not note.exists() and time.monotonic() < until:
            time.sleep(0.01)
        with pytest.raises(OSError, match="No space"):
            engine.apart(errands.shout, ["full"], lambda *_: None)
        assert isinstance(other.exception(10), OSError)
        with pytest.raises(OSError, match="No space"):
            engine.batch(list, [1, 2])


@pytest.mark.usefixtures("several")
def test_nothing_goes_on_where_not_even_the_packs_can_be_made(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(flow, "packs", interrupted)
    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        build(Play(), raw, tmp_path / "out")
    assert not [thread for thread in set(threading.enumerate()) - before if "captioner" in thread.name]


@pytest.mark.usefixtures("several")
def test_the_next_forecast_knows_how_quick_all_packs_were(raw: Path, tmp_path: Path) -> None:
    summary = build(Play(pauses=random.Random(1)), raw, tmp_path / "out")
    with Store(tmp_path / "out" / HOME) as store:
        speed = float(store.meta("speed asr") or "0")
    heard = sum(recording.duration for recording in summary.recordings)
    assert speed == pytest.approx(heard / summary.seconds["asr"], rel=0.05)


@pytest.mark.usefixtures("several")
def test_nothing_made_ahead_outlives_a_build_that_fails(raw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out" / HOME / "ahead"
    seen: list[Path] = []

    def before(role: str, names: Sequence[str]) -> None:
        if role == "asr" and "take4.wav" in names:
            until = time.monotonic() + 10
            while time.monotonic() < until and not seen:
                seen.extend(folder.glob("*.wav"))
                time.sleep(0.01)
            raise ZeroDivisionError("no recording's fault")

    with pytest.raises(ZeroDivisionError):
        build(Play(before), raw, tmp_path / "out")
    assert seen
    assert not folder.exists()


def test_what_a_killed_build_made_ahead_goes_with_the_next_one_whatever_it_runs_on(raw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out" / HOME / "ahead"
    folder.mkdir(parents=True)
    (folder / "0123.mp4").write_bytes(b"half")
    build(Play(), raw, tmp_path / "out", yes=False)
    assert not folder.exists()


@pytest.mark.usefixtures("several")
def test_clips_that_got_their_names_before_a_build_was_stopped_stand(
    alone: tuple[Path, Summary], raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = naming.name
    names: list[str] = []

    def stopped(whole: naming.Whole, clips: Path, aside: Path) -> Any:
        if len(names) == 5:
            raise KeyboardInterrupt
        names.append(whole.id)
        return given(whole, clips, aside)

    with monkeypatch.context() as patch:
        patch.setattr(naming, "name", stopped)
        with pytest.raises(KeyboardInterrupt):
            build(Play(trouble), raw, tmp_path / "out", threads=1)
    assert len(names) == 5
    again = build(Play(trouble), raw, tmp_path / "out")
    assert set(again.fresh) == set(again.written) - set(names)
    assert stands(tmp_path / "out") == stands(alone[0])


@pytest.mark.usefixtures("several")
def test_workers_that_plan_make_and_name_change_nothing_and_cost_nobody_when_they_die(
    alone: tuple[Path, Summary], raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent))
    monkeypatch.setattr(local, "workers", lambda threads, items, *_, **__: min(threads, items))
    done: list[str] = []
    do = hands.Hands.do

    def counted(self: hands.Hands, work: Any, item: Any, tell: Any, *, long: int | None = None) -> Any:
        done.append(work.__name__)
        if work is naming.name_all:
            work = errands.name_and_die
        return do(self, work, item, tell, long=long)

    monkeypatch.setattr(hands.Hands, "do", counted)
    summary = build(Play(trouble), raw, tmp_path / "out")
    assert {"_plan", "attempt", "name_all", "make"} <= set(done)
    assert told(summary) == told(alone[1])
    assert stands(tmp_path / "out") == stands(alone[0])


@pytest.mark.usefixtures("several")
def test_the_voices_model_is_loaded_once_the_first_pack_is_gone_through_by_the_vad(raw: Path, tmp_path: Path) -> None:
    play = Play(pauses=random.Random(3))
    loaded: dict[str, list[str]] = {}

    def before(role: str, names: Sequence[str]) -> None:
        loaded.setdefault(role, list(play.loaded))

    play.before = before
    (tmp_path / "raw").mkdir()
    for name in ("take3.wav", "take4.wav"):
        shutil.copyfile(raw / name, tmp_path / "raw" / name)
    build(play, tmp_path / "raw", tmp_path / "out")
    assert "voice" not in loaded["vad"]
    assert sorted(play.loaded) == ["asr", "diarizer", "tagger", "vad", "voice"]


@pytest.mark.usefixtures("several")
def test_a_recording_that_cannot_be_planned_fails_alone(
    alone: tuple[Path, Summary], raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = planning.plan_recording

    def broken(job: Any, *rest: Any) -> Any:
        if job.recording.name == "take2.wav":
            raise Broken("take2.wav: no plan")
        return given(job, *rest)

    monkeypatch.setattr(planning, "plan_recording", broken)
    summary = build(Play(trouble), raw, tmp_path / "out")
    assert [(failure.name, failure.text) for failure in summary.failures if failure.name == "take2.wav"] == [
        ("take2.wav", "take2.wav: no plan")
    ]
    assert set(summary.written) == {clip for clip in alone[1].written if not clip.startswith("take2_")}


@pytest.mark.usefixtures("several")
def test_clips_are_made_ahead_as_they_would_be_made_later(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of eight recordings fail: six share eight cores otherwise."""
    specs = set()
    for module in (ahead, writing):
        given = module.clip_spec

        def watched(settings: Settings, workers: int, recordings: Any, given: Any = given) -> Any:
            specs.add(given(settings, 24, recordings))
            return given(settings, workers, recordings)

        monkeypatch.setattr(module, "clip_spec", watched)
    build(Play(trouble), raw, tmp_path / "out")
    assert len(specs) == 1


@pytest.mark.usefixtures("several")
def test_what_is_doubted_after_its_clip_was_made_is_not_written(
    alone: tuple[Path, Summary], raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = set[str]()

    def doubted(planned: Sequence[PlannedJob], stages: Stages) -> list[PlannedJob]:
        found = []
        for entry in label_all(planned, stages):
            cuts = [replace(cut, doubts=(Doubt("other-voice", "not theirs"),)) for cut in entry.planned.cuts[:1]]
            cuts += entry.planned.cuts[1:]
            found.append(replace(entry, planned=replace(entry.planned, cuts=tuple(cuts)), key=f"{entry.key} doubted"))
        return found

    def watched(part: making.Part, tell: Any) -> None:
        made.update(cut.id for cut in part.entry.cuts)
        making.make(part, tell)

    monkeypatch.setattr(pipeline, "label_all", doubted)
    monkeypatch.setattr(ahead, "make", watched)
    out = tmp_path / "out"
    summary = build(Play(trouble), raw, out, include_doubted=False)
    held = {one.id for one in summary.held}
    assert held
    assert made >= held
    assert made == set(alone[1].written)
    names = {name.partition(".")[0] for name in stands(out)}
    assert names == set(summary.written) == made - held
    assert not (out / HOME / pipeline.AHEAD).exists()


@pytest.mark.parametrize("error", [SettingsError("no such language"), MemoryError("none left"), WeightsMissing("gone")])
@pytest.mark.usefixtures("several")
def test_an_error_that_is_no_recordings_fault_ends_the_build(raw: Path, tmp_path: Path, error: Exception) -> None:
    def before(role: str, names: Sequence[str]) -> None:
        if role == "asr" and "take2.wav" in names:
            raise error

    play = Play(fails={"asr": error}) if isinstance(error, WeightsMissing) else Play(before)
    threads = set(threading.enumerate())
    with pytest.raises(type(error), match=str(error)):
        build(play, raw, tmp_path / "out")
    assert not [thread for thread in set(threading.enumerate()) - threads if "captioner" in thread.name]


@pytest.mark.usefixtures("several")
def test_nothing_is_said_of_what_ends_because_the_build_does(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That a model "goes on on cpu", for one, whose process was only ended."""
    stopped = threading.Event()
    stop = Local.stop

    def watched(engine: Local) -> None:
        stopped.set()
        stop(engine)

    def ended(self: Stages, jobs: Any) -> None:
        assert stopped.wait(10)
        self.reporter.say("not on cuda:0 (its process died); goes on on cpu")

    def failing(self: Stages, jobs: Any) -> None:
        self.reporter.say("told")
        raise ZeroDivisionError

    monkeypatch.setattr(Local, "stop", watched)
    monkeypatch.setattr(Stages, "tagger", ended)
    monkeypatch.setattr(Stages, "picture", failing)
    shown = Bar()
    with pytest.raises(ZeroDivisionError):
        build(Play(), raw, tmp_path / "out", reporter=shown)
    assert set(shown.said) == {"told"}


@pytest.mark.usefixtures("several")
def test_why_a_gpu_did_not_help_is_told_of_what_is_made_ahead(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(part: making.Part, tell: Any) -> None:
        tell(f"{part.entry.recording.name}: decoded on the CPU (no such codec)")
        making.make(part, tell)

    monkeypatch.setattr(ahead, "make", told)
    shown = Bar()
    build(Play(), raw, tmp_path / "out", reporter=shown)
    assert ["decoded on the CPU" in text for text in shown.said] == [True]


class Bar(Quiet):
    """Remembers how far each bar came, and what was said."""

    def __init__(self) -> None:
        self.bars: list[list[Any]] = []
        self.said: list[str] = []

    def stage(self, name: str, total: float, unit: str) -> None:
        self.bars.append([name, total, 0.0])

    def advance(self, amount: float) -> None:
        self.bars[-1][2] += amount

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.usefixtures("several")
def test_the_one_bar_comes_to_its_end(raw: Path, tmp_path: Path) -> None:
    shown = Bar()
    build(Play(), raw, tmp_path / "out", reporter=shown, yes=False)
    ((_, total, reached),) = [bar for bar in shown.bars if bar[0] == "listen"]
    mute = 3.0  # fails at once
    assert total - mute - 0.1 <= reached <= total + 0.1
