"""Words for voices: nature is the same in every caption of a speaker, manner is what one Cut does differently."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.captioning import draft_all
from captioner.captions.compose import CaptionSettings
from captioner.captions.fields import voice
from captioner.captions.voices import CONTRARY, FEW, Voices, profile, voice_words, voices
from captioner.decisions import Decisions
from captioner.drafting import Drafter
from captioner.measures import Scene, Voice
from captioner.planning import Planned, PlannedJob
from captioner.settings import Settings
from captioner.store import Store
from captioner.times import Span
from captioner.types import Cut, Line, Word

USUAL = Voice(
    level=-24.0, pitch=130.0, pitch_spread=9.0, rate=3.0, level_spread=11.0, syllables=4.2, brightness=-16.0,
    harmonicity=11.0, voiced=0.7,
)  # fmt: skip
ROOM = Scene(noise=-60.0, snr=35.0, music=False, clarity=26.0)


def cut(number: int = 0, speaker: str = "ema", slug: str = "talk", scene: Scene = ROOM, **measured: Any) -> Cut:
    line = Line((Word("Yes.", Span.at(number * 5 + 0.5, number * 5 + 1)),), speaker)
    return Cut(slug, number * 120, 121, Fraction(24), (line,), replace(USUAL, **measured), scene)


def many(count: int = 6, **measured: Any) -> list[Cut]:
    return [cut(number, **measured) for number in range(count)]


def words(odd: Cut, others: list[Cut], kind: str = "") -> tuple[str, ...]:
    return voice_words(odd, voices([*others, odd]), kind)


def test_an_ordinary_voice_has_no_word() -> None:
    assert words(cut(9), many()) == ()
    assert voice_words(cut(), Voices()) == ()


def test_nature_is_of_the_speaker_and_in_every_caption() -> None:
    own = many(pitch=92.0, brightness=-27.0)
    assert words(cut(9, pitch=92.0, brightness=-27.0), own) == ("low", "warm")
    # One line that is said higher and brighter does not change whose voice it is.
    assert words(cut(9, pitch=125.0, brightness=-15.0), own) == ("low", "warm")


def test_a_few_cuts_say_only_what_stands_out_among_all_voices() -> None:
    few = many(FEW - 2, brightness=-27.0)
    assert words(cut(9, pitch=92.0, brightness=-27.0), few) == ("low",)


@pytest.mark.parametrize(
    ("kind", "pitch", "word"),
    [("", 135.0, ()), ("female", 135.0, ("low",)), ("male", 135.0, ()), ("male", 200.0, ("high",)), ("", 200.0, ())],
)
def test_pitch_is_judged_among_women_or_men_only_where_a_person_said_so(
    kind: str, pitch: float, word: tuple[str, ...]
) -> None:
    assert words(cut(9, pitch=pitch), many(pitch=pitch), kind) == word


def test_the_subject_says_whose_voice_it_is() -> None:
    own = [*many(pitch=200.0), cut(9, pitch=200.0)]
    said = CaptionSettings("t", subject="a tall man", voices=voices(own))
    assert voice(own[-1], said) == "high"
    assert voice(own[-1], replace(said, subject=None)) is None


@pytest.mark.parametrize(
    ("measured", "word"),
    [
        ({"level": -17.0, "brightness": -13.0}, "louder-than-usual"),
        ({"level": -14.0, "brightness": -11.0, "pitch": 190.0}, "shouting"),
        ({"level": -32.0, "brightness": -19.0}, "softer-than-usual"),
        ({"rate": 4.7, "syllables": 5.8}, "fast"),
        ({"rate": 1.7, "syllables": 2.4}, "slow"),
        ({"pitch_spread": 17.0}, "lively"),
        ({"voiced": 0.04, "pitch": None}, "whispering"),
    ],
)
def test_manner_is_what_differs_from_the_speakers_own(measured: dict[str, Any], word: str) -> None:
    assert words(cut(9, **measured), many()) == (word,)


@pytest.mark.parametrize(
    "measured",
    [
        {"level": -17.0},  # nearer to the microphone: louder, and no brighter
        {"level": -21.0, "brightness": -13.0},
        {"rate": 3.6, "syllables": 5.6},
        {"rate": 1.7},  # few words, and long ones
        {"rate": 4.6},
        {"pitch_spread": 12.0},
        {"pitch_spread": 30.0},  # two octaves and a half: the tracker slipped
        {"level": None, "brightness": None},
    ],
)
def test_what_a_listener_would_not_notice_is_not_said(measured: dict[str, Any]) -> None:
    assert words(cut(9, **measured), many()) == ()


def test_noise_hides_a_pitch_and_is_no_whisper() -> None:
    assert words(cut(9, voiced=0.04, scene=replace(ROOM, snr=4.0)), many()) == ()


def test_levels_are_compared_within_one_recording() -> None:
    quiet = many()
    loud = [cut(number, slug="stage", level=-14.0, brightness=-13.0) for number in range(6)]
    assert voice_words(loud[0], voices([*quiet, *loud])) == ()


def test_a_voice_is_not_calm_while_it_shouts() -> None:
    own = many(pitch_spread=5.0)
    assert words(cut(9, pitch_spread=5.0), own) == ("calm",)
    assert words(cut(9, pitch_spread=5.0, level=-14.0, brightness=-11.0, pitch=190.0), own) == ("shouting",)


def test_a_voice_that_is_raised_on_a_stage_is_calm_nowhere() -> None:
    hall = [cut(n, slug="stage", pitch_spread=5.0, level=-12.0) for n in range(3)]
    later = [cut(n, slug="copy", pitch_spread=5.0, level=-30.0) for n in range(5)]
    assert voice_words(later[0], voices(later)) == ("calm",)
    assert voice_words(later[0], voices([*hall, *later])) == ()


def test_a_bright_voice_must_be_so_among_the_datasets() -> None:
    dataset = [
        cut(n, speaker=name, brightness=level) for name, level in (("a", -8.0), ("b", -8.5), ("c", -7.0))
        for n in range(6)
    ]  # fmt: skip
    assert voices(dataset).brightness == -8.0
    assert voice_words(dataset[-1], voices(dataset)) == ()  # the microphone is bright, not this voice
    assert voice_words(cut(0, brightness=-8.0), voices(many(brightness=-8.0))) == ("bright",)


def test_far_away_in_its_room_is_distant() -> None:
    assert words(cut(9, scene=replace(ROOM, clarity=-1.0)), many()) == ("distant",)


def test_medians_leave_out_what_could_not_be_measured() -> None:
    known = profile([cut(0, pitch=100.0), cut(1, pitch=None), cut(2, pitch=120.0)])
    assert (known.cuts, known.pitch) == (3, 110.0)
    assert profile([]).pitch is None


def test_a_draft_is_made_again_when_what_is_known_of_its_speaker_changes(tmp_path: Path) -> None:
    def planned(*recordings: list[Cut]) -> list[PlannedJob]:
        made = []
        for own in recordings:
            recording: Any = SimpleNamespace(name=f"{own[0].slug}.mp4", slug=own[0].slug)
            of: Any = SimpleNamespace(recording=recording, keys={})
            made.append(PlannedJob(of, Planned(tuple(own), (), 60.0, 1.0, 1.0, "en", 1), key=f"key of {own[0].slug}"))
        return made

    drafter = Drafter.of(Settings(trigger="ema_voice"))
    here = [cut(number, brightness=-27.0) for number in range(2)]
    there = [cut(number, slug="more", brightness=-27.0) for number in range(FEW)]
    with Store(tmp_path) as store:
        before = draft_all(planned(here), drafter, store, tmp_path, Decisions())
        after = draft_all(planned(here, there), drafter, store, tmp_path, Decisions())
        again = draft_all(planned(here, there), drafter, store, tmp_path, Decisions())
    assert "warm" not in before[here[0].id].text
    assert "in a warm voice" in after[here[0].id].text
    assert again == after


measures = st.builds(
    Voice,
    level=st.none() | st.floats(-60, 0),
    pitch=st.none() | st.floats(55, 600),
    pitch_spread=st.none() | st.floats(0, 40),
    rate=st.none() | st.floats(0.1, 12),
    level_spread=st.none() | st.floats(0, 40),
    syllables=st.none() | st.floats(0, 12),
    brightness=st.none() | st.floats(-40, 10),
    harmonicity=st.none() | st.floats(-10, 40),
    voiced=st.none() | st.floats(0, 1),
)


@settings(deadline=None)
@given(st.lists(measures, min_size=1, max_size=8), st.sampled_from(["", "female", "male"]))
def test_no_word_says_gender_or_age_comes_twice_or_contradicts_another(found: list[Voice], kind: str) -> None:
    cuts = [replace(cut(number), voice=one) for number, one in enumerate(found)]
    known = voices(cuts)
    for one in cuts:
        said = voice_words(one, known, kind)
        assert len(set(said)) == len(said)
        assert not re.search(r"male|\bm[ae]n\b|wom|girl|boy|young|old|child", " ".join(said))
        assert not {"low", "high"} <= set(said)
        for nature, manner in CONTRARY.items():
            assert nature not in said or not manner & set(said)


@settings(deadline=None)
@given(st.permutations(range(6)))
def test_the_order_of_the_cuts_does_not_matter(order: list[int]) -> None:
    own = [cut(number, pitch=90.0 + number, level=-24.0 + number) for number in range(6)]
    assert voices([own[place] for place in order]) == voices(own)
