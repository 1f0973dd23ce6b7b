"""Stages that run at the same time come to what they come to one after the other."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import captioner
from captioner import ahead, flow, making, planning, writing
from captioner.engine.local import Local
from captioner.errors import CaptionerError
from captioner.run import Quiet
from captioner.stages import Job
from captioner.summary import Summary
from tests.factory import Audio, make, tone
from tests.test_pipeline import media, sample, texts


@given(st.lists(st.floats(0.1, 9000.0), min_size=1, max_size=40), st.floats(1800.0, 20_000.0))
def test_packs_hold_everything_once_and_not_too_much(lengths: list[float], most: float) -> None:
    jobs: list[Any] = [
        SimpleNamespace(seconds=seconds, recording=SimpleNamespace(name=str(number)))
        for number, seconds in enumerate(lengths)
    ]
    packs = flow.packs(jobs, most)
    assert sorted(id(job) for pack in packs for job in pack) == sorted(map(id, jobs))
    for pack in packs:
        assert len(pack) == 1 or sum(job.seconds for job in pack) <= most
    if sum(lengths) <= flow.LEAST_PACK:
        assert len(packs) == 1


def test_the_first_packs_and_the_last_are_small() -> None:
    jobs: list[Any] = [
        SimpleNamespace(seconds=300.0, recording=SimpleNamespace(name=f"{number:02}")) for number in range(72)
    ]
    packs = flow.packs(jobs, 10_800.0)
    sizes = [len(pack) for pack in packs]
    assert sizes == [3, 6, 9, 9, 9, 9, 9, 9, 6, 3]
    assert [job for pack in packs for job in pack] == jobs
    assert [len(pack) for pack in flow.packs(jobs[:4], 10_800.0)] == [2, 2]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    shutil.copy(sample("phone.mp4"), folder / "phone.mp4")
    shutil.copy(sample("table.wav"), folder / "table.wav")
    make(folder / "hum.wav", None, Audio(tone(110, 4.0, 16000, peak=0.1), 16000))
    make(folder / "mute.wav", None, Audio(tone(440, 3.0, 16000, peak=0.0), 16000))
    return folder


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a GPU, and a pack for nearly every recording."""
    monkeypatch.setattr(Local, "overlaps", True)
    monkeypatch.setattr(flow, "LEAST_PACK", 1.0)


def build(raw: Path, out: Path, **options: Any) -> Summary:
    given = {"yes": True, "trigger": "ema_voice", "include_doubted": True, "threads": 4, **options}
    return captioner.build(raw, out, **given)


@pytest.mark.models
def test_the_same_clips_captions_and_failures(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = build(raw, tmp_path / "one")
    monkeypatch.setattr(Local, "overlaps", True)
    monkeypatch.setattr(flow, "LEAST_PACK", 1.0)
    made: list[str] = []
    plan = planning.plan_recording

    def counted(job: Job, *rest: Any) -> planning.Planned:
        made.append(job.recording.name)
        return plan(job, *rest)

    left: list[int] = []
    encode = writing._encode

    def watched(parts: Sequence[making.Part], *rest: Any) -> Any:
        left.append(sum(len(part.entry.cuts) for part in parts))
        return encode(parts, *rest)

    monkeypatch.setattr(planning, "plan_recording", counted)
    monkeypatch.setattr(writing, "_encode", watched)
    two = build(raw, tmp_path / "two")
    assert left == [0], "all clips were made while others were heard"
    assert two.fresh == two.written != ()
    assert not (tmp_path / "two" / ".captioner" / "ahead").exists()
    assert sorted(made) == ["hum.wav", "phone.mp4", "table.wav"], "each is planned once"
    assert {"vad load", "asr load", "voice load"} <= set(two.seconds)
    assert texts(tmp_path / "one") == texts(tmp_path / "two")
    assert media(tmp_path / "one") == media(tmp_path / "two")
    assert [(fail.name, fail.error) for fail in one.failures] == [(fail.name, fail.error) for fail in two.failures]
    assert one.failures, "the mute file must fail in both"
    again = build(raw, tmp_path / "two")
    assert not {"vad load", "asr load", "diarizer load", "voice load"} & set(again.seconds), "nothing was stale"


@pytest.mark.models
@pytest.mark.usefixtures("several")
def test_what_cannot_be_made_ahead_is_made_when_the_dataset_is_written(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = build(raw, tmp_path / "whole")
    make = ahead.make

    def broken(part: making.Part, tell: Any) -> None:
        if part.entry.recording.name == "phone.mp4":
            raise CaptionerError("no room for it")
        make(part, tell)

    monkeypatch.setattr(ahead, "make", broken)
    again = build(raw, tmp_path / "again")
    assert texts(tmp_path / "again") == texts(tmp_path / "whole")
    assert media(tmp_path / "again") == media(tmp_path / "whole")
    assert [failure.name for failure in again.failures] == [failure.name for failure in whole.failures]


@pytest.mark.models
@pytest.mark.usefixtures("several")
def test_nothing_is_made_ahead_of_a_review_or_of_what_stands(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = ahead.make

    def watched(part: making.Part, tell: Any) -> None:
        made.extend(cut.id for cut in part.entry.cuts)
        make(part, tell)

    monkeypatch.setattr(ahead, "make", watched)
    build(raw, tmp_path / "out", yes=False)
    assert made == []
    written = build(raw, tmp_path / "out").written
    assert made == [], "nothing was heard anew"
    shutil.rmtree(tmp_path / "out" / ".captioner" / "sound")
    (tmp_path / "out" / "clips" / f"{written[0]}.mp4").unlink(missing_ok=True)
    assert build(raw, tmp_path / "out").written == written
    assert set(made) <= {written[0]}


@pytest.mark.models
@pytest.mark.usefixtures("several")
def test_packs_are_planned_one_after_the_other_and_never_wait_for_a_measure(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, most, planned, held = 0, 0, 0, 0
    first = threading.Event()
    plan_all, measure_all = flow.plan_all, flow.measure_all

    def plan(*rest: Any) -> Any:
        nonlocal busy, most, planned
        busy += 1
        most = max(most, busy)
        try:
            time.sleep(0.05)
            return plan_all(*rest)
        finally:
            busy -= 1
            planned += 1
            if planned == 3:
                first.set()

    def measure(*rest: Any) -> Any:
        nonlocal held
        held += not first.wait(60)  # a third pack is planned while two are with the cores
        return measure_all(*rest)

    monkeypatch.setattr(flow, "plan_all", plan)
    monkeypatch.setattr(flow, "measure_all", measure)
    build(raw, tmp_path / "out")
    assert (most, held) == (1, 0)
    assert planned >= 3


@pytest.mark.models
@pytest.mark.usefixtures("several")
def test_an_error_ends_all_of_them(raw: Path, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with pytest.raises(CaptionerError, match="no-such-model"):
        build(raw, tmp_path / "out", model=str(tmp_path / "no-such-model"))
    assert not [thread for thread in set(threading.enumerate()) - before if "captioner" in thread.name]


class Impatient(Quiet):
    """Stops the build in the middle, as ctrl+C does."""

    def advance(self, amount: float) -> None:
        raise KeyboardInterrupt


@pytest.mark.models
@pytest.mark.usefixtures("several")
def test_a_build_that_is_stopped_goes_on_where_it_was(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(raw, tmp_path / "out", reporter=Impatient())
    assert build(raw, tmp_path / "out").written
