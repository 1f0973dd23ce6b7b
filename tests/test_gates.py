"""Quality gates: which measure holds a clip, which leaves it out, and that nothing is dropped in silence."""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.errors import SettingsError
from captioner.judging import gates_summary, judge_all, limits_of
from captioner.measures import Quality, Scene
from captioner.planning import Planned, PlannedJob
from captioner.settings import GATE_NAMES, Settings, resolve
from captioner.speech.doubt import REASONS
from captioner.speech.gates import GATES, Limits, judge
from captioner.summary import Summary, as_text
from captioner.times import Span
from captioner.types import Cut, Line, Word

GOOD = (
    Scene(noise=-60, snr=30, music=False, reverberation=0.4),
    Quality(speech=3.5, background=4.0, overall=3.1, clipped=0.0, bandwidth=8000),
)


def cut(scene: Scene = GOOD[0], quality: Quality = GOOD[1], text: str = "Yes.", start: int = 0) -> Cut:
    lines = (Line((Word(text, Span.at(start / 24 + 0.5, start / 24 + 1)),), "SPEAKER_00"),) if text else ()
    return Cut("talk", start, 49, Fraction(24), lines, scene=scene, quality=quality)


BAD = {
    "mos": cut(quality=replace(GOOD[1], overall=1.4)),
    "snr": cut(scene=replace(GOOD[0], snr=3.0), quality=replace(GOOD[1], background=2.0)),
    "clipping": cut(quality=replace(GOOD[1], clipped=0.05)),
    "bandwidth": cut(quality=replace(GOOD[1], bandwidth=3800)),
    "reverberation": cut(scene=replace(GOOD[0], reverberation=1.7)),
    "music": cut(scene=replace(GOOD[0], snr=4.0, music=True)),
}


def job(*cuts: Cut) -> PlannedJob:
    plan = Planned(cuts, (), 60.0, 0.5 * len(cuts), 0.5 * len(cuts), "en", 1)
    recording: Any = SimpleNamespace(name="talk.mp4", slug="talk")
    own: Any = SimpleNamespace(recording=recording, keys={})
    return PlannedJob(own, plan, "key")


def test_every_gate_has_a_limit_a_setting_and_a_reason() -> None:
    names = tuple(gate.name for gate in GATES)
    assert names == GATE_NAMES == tuple(field.name for field in fields(Limits))
    assert set(names) == set(BAD)
    assert all(gate.reason in REASONS for gate in GATES)
    assert limits_of(Settings()) == Limits()


def test_a_good_clip_and_one_of_which_nothing_is_known_pass() -> None:
    assert judge(cut(), Limits()).doubts == ()
    assert judge(cut(scene=Scene(), quality=Quality()), Limits()).doubts == ()


@pytest.mark.parametrize("name", GATE_NAMES)
def test_a_poor_measure_is_one_doubt_with_number_and_threshold(name: str) -> None:
    (doubt,) = judge(BAD[name], Limits()).doubts
    gate = next(gate for gate in GATES if gate.name == name)
    assert doubt.reason == gate.reason
    value, limit = gate.value(BAD[name]), getattr(Limits(), name)
    assert f"{value:.0f}" in doubt.detail or f"{value:.1f}" in doubt.detail
    assert f"{limit:g}" in doubt.detail
    assert judge(BAD[name], replace(Limits(), **{name: None})).doubts == ()


@pytest.mark.parametrize("name", GATE_NAMES)
def test_a_gate_that_leaves_out_says_so(name: str) -> None:
    judged = judge(BAD[name], Limits(), [name])
    assert judged.doubts == ()
    assert len(judged.out) == 1


def test_music_is_judged_by_its_own_gate() -> None:
    assert [doubt.reason for doubt in judge(BAD["music"], Limits()).doubts] == ["music-under-speech"]
    loud = cut(scene=replace(GOOD[0], snr=18.0, music=True))
    assert judge(loud, Limits()).doubts == ()


def test_a_background_that_sounds_clean_is_no_noise() -> None:
    """Another voice between the words is as loud as they are."""
    assert judge(replace(BAD["snr"], quality=GOOD[1]), Limits()).doubts == ()


def test_a_clip_without_speech_has_no_voice_to_judge() -> None:
    assert judge(replace(BAD["snr"], lines=()), Limits()).doubts == ()


def test_a_held_clip_stays_and_its_draft_is_made_again() -> None:
    entry = job(cut(), replace(BAD["snr"], start=100))
    (judged,) = judge_all([entry], Settings())
    assert [len(one.doubts) for one in judged.planned.cuts] == [0, 1]
    assert judged.key != entry.key
    assert judged.planned.left_out == ()


def test_what_passes_is_neither_held_nor_left_out() -> None:
    (judged,) = judge_all([job(cut())], Settings())
    assert [one.all_doubts for one in judged.planned.cuts] == [()]
    assert judged.planned.left_out == ()
    (other,) = judge_all([job(BAD["snr"])], Settings(min_snr=None))
    assert [one.all_doubts for one in other.planned.cuts] == [()]


def test_a_clip_left_out_is_listed_with_its_reason_and_its_seconds() -> None:
    entry = job(cut(), replace(BAD["clipping"], start=100))
    (judged,) = judge_all([entry], Settings(leave_out="clipping"))
    assert len(judged.planned.cuts) == 1
    (left,) = judged.planned.left_out
    assert left.reason == "clipped"
    assert "5.0 %" in left.detail
    assert left.text == "Yes."
    assert judged.planned.kept == pytest.approx(0.5)
    told = {gate.name: gate for gate in gates_summary([judged], Settings(leave_out="clipping"))}
    assert told["clipping"].left_out == 1
    assert told["clipping"].held == 0


def test_the_summary_shows_every_threshold_and_how_many_clips_it_held() -> None:
    settings = Settings(min_snr=None)
    (judged,) = judge_all([job(BAD["mos"], replace(BAD["snr"], start=100))], settings)
    gates = gates_summary([judged], settings)
    assert [gate.held for gate in gates] == [1, 0, 0, 0, 0, 0]
    assert gates[1].threshold == "off"
    summary = Summary("out", "24", gates=gates, lost=())
    text = as_text(replace(summary, clips=(_clip(),)))
    assert "mos (DNSMOS below 1.5): 1 clip held" in text
    assert "ends below 4500 Hz" in text
    assert "over the noise" not in text


def _clip() -> Any:
    from captioner.summary import ClipSummary

    return ClipSummary("talk_f0n49", "talk.mp4", 0, 2, 49, "SPEAKER_00", "Yes.", "caption", False)


@pytest.mark.parametrize("off", ["off", "OFF", False])
def test_a_gate_is_switched_off_by_word(off: Any, tmp_path: Path) -> None:
    assert resolve(flags={"min_snr": off}, environment={}).min_snr is None
    (tmp_path / "captioner.yaml").write_text("min_mos: off\nmax_clipping: 3\n")
    settings = resolve(flags={}, file=tmp_path / "captioner.yaml", environment={})
    assert (settings.min_mos, settings.max_clipping) == (None, 3.0)
    assert resolve(flags={}, environment={"CAPTIONER_MIN_BANDWIDTH": "off"}).min_bandwidth is None


def test_an_unknown_gate_is_refused() -> None:
    with pytest.raises(SettingsError, match="there is no gate 'loudness'"):
        resolve(flags={"leave_out": "snr,loudness"}, environment={})
    assert resolve(flags={"leave_out": "all"}, environment={}).gates_left_out == frozenset(GATE_NAMES)


@given(st.sampled_from(GATE_NAMES), st.floats(-50, 9000), st.floats(-50, 9000))
def test_a_stricter_limit_never_holds_less(name: str, one: float, two: float) -> None:
    gate = next(gate for gate in GATES if gate.name == name)
    lax, strict = sorted((one, two), reverse=not gate.least)
    for known in (cut(), *BAD.values()):
        assert gate.fails(known, strict) or not gate.fails(known, lax)
