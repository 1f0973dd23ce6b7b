"""Stages that run at the same time come to what they come to one after the other."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import captioner
from captioner import flow, planning
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

    monkeypatch.setattr(planning, "plan_recording", counted)
    two = build(raw, tmp_path / "two")
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
