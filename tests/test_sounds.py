"""What captions say of sounds: the table of classes, and phrases from tags and measures."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.captions import sounds
from captioner.captions.audioset import CLASSES, KINDS, ancestors
from captioner.captions.sounds import hear
from captioner.measures import Scene, Tag
from captioner.measuring import tags_within
from captioner.times import Span
from tests.hearing import test_data

ROOM = Scene(noise=-62.0, snr=30.0, speech=True, singing=False, music=False, swing=1.0)


def tag(label: str, start: float = 1.0, end: float = 1.5, score: float = 0.9) -> Tag:
    return Tag(label, Span.at(start, end), score)


def heard(*tags: Tag, scene: Scene = ROOM, spoken: bool = True, placed: bool = False) -> tuple[str, ...]:
    return hear(replace(scene, events=tags), 5.0, spoken=spoken, placed=placed).phrases


# -- the table ---------------------------------------------------------------------------------------------------------


def test_the_table_has_every_class_of_audioset_and_no_other() -> None:
    with (test_data() / "models" / "yamnet_class_map.csv").open(encoding="utf-8") as file:
        names = {row["display_name"] for row in csv.DictReader(file)}
    # The six that YAMNet's authors left out.
    left_out = {
        "Male speech, man speaking", "Female speech, woman speaking", "Battle cry", "Male singing", "Female singing",
        "Funny music",
    }  # fmt: skip
    assert set(CLASSES) == names | left_out
    assert len(CLASSES) == 527


def test_parents_are_classes_and_nothing_is_its_own_ancestor() -> None:
    for name, known in CLASSES.items():
        assert known.name == name
        assert known.kind in KINDS
        assert set(known.parents) <= set(CLASSES)
        assert name not in ancestors(name)


@pytest.mark.parametrize(
    ("name", "above"),
    [
        ("Bark", {"Dog", "Domestic animals, pets", "Animal"}),
        ("Rain on surface", {"Rain", "Water"}),
        ("Gunshot, gunfire", {"Explosion"}),
        ("Techno", {"Electronic music", "Music"}),
        ("Car alarm", {"Car", "Motor vehicle (road)", "Vehicle", "Alarm"}),
        ("Speech", set()),
    ],
)
def test_what_a_class_is_a_kind_of(name: str, above: set[str]) -> None:
    assert above <= ancestors(name)


def test_speech_is_never_named_and_phrases_fit_a_sentence() -> None:
    for known in CLASSES.values():
        if known.kind == "speech":
            assert known.phrase is None
        elif known.phrase is not None:
            assert known.phrase == known.phrase.strip()
            assert not set(known.phrase) & set('",.;:!?()|=')


# -- tags --------------------------------------------------------------------------------------------------------------


def test_a_child_is_named_and_its_parents_are_not() -> None:
    dog = [tag("Animal", score=0.95), tag("Domestic animals, pets", score=0.93), tag("Dog", score=0.92), tag("Bark")]
    assert heard(*dog) == ("clear speech", "quiet room tone", "a dog barking", "no music")
    assert "a dog" in heard(*dog[:3], tag("Bark", score=0.4))


def test_a_sound_that_is_not_sure_is_not_named() -> None:
    assert heard(tag("Bark", score=0.49)) == ("clear speech", "quiet room tone", "no music")


def test_speech_and_how_it_was_recorded_are_not_sounds_of_the_scene() -> None:
    tags = [tag(name, 0, 5, 0.99) for name in ("Speech", "Female speech, woman speaking", "Silence", "Field recording")]
    assert heard(*tags) == ("clear speech", "quiet room tone", "no music")


def test_what_goes_on_all_through_is_behind_the_voice_and_a_moment_is_not() -> None:
    rain, bark = tag("Rain", 0.0, 5.0, 0.8), tag("Bark", 1.0, 1.3, 0.7)
    assert heard(rain, bark) == ("clear speech", "rain in the background", "a dog barking", "no music")
    assert heard(rain, spoken=False)[0] == "rain"
    assert "rain" in heard(tag("Rain", 0.0, 1.5))


def test_a_named_ambience_takes_the_place_of_the_measured_noise() -> None:
    loud = replace(ROOM, noise=-30.0, snr=6.0)
    assert heard(scene=loud) == ("speech over noise", "loud background noise", "no music")
    assert heard(tag("Rain", 0, 5), scene=loud) == ("speech", "rain in the background", "no music")


def test_of_two_kinds_of_one_thing_at_one_time_the_surer_is_named() -> None:
    stream, fall = tag("Stream", 0, 4, 0.8), tag("Waterfall", 0, 4, 0.7)
    assert [one for one in heard(stream, fall) if "stream" in one or "waterfall" in one] == [
        "a stream in the background"
    ]
    later = tag("Waterfall", 4.2, 5, 0.7)
    assert "a waterfall" in heard(stream, later)


def test_at_most_a_few_sounds_the_surest_first() -> None:
    tags = [tag(name, score=score) for name, score in
            [("Cough", 0.6), ("Bark", 0.9), ("Doorbell", 0.8), ("Applause", 0.7), ("Car alarm", 0.65)]]  # fmt: skip
    assert hear(replace(ROOM, events=tuple(tags)), 5.0, spoken=True).events == (
        "a dog barking",
        "a doorbell",
        "applause",
    )


def test_no_music_is_said_only_while_nothing_speaks_for_music() -> None:
    assert heard()[-1] == "no music"
    assert heard(tag("Guitar", score=0.25)) == ("clear speech", "quiet room tone")
    assert heard(scene=replace(ROOM, music=None)) == ("clear speech", "quiet room tone")


def test_under_a_voice_without_a_pause_nothing_is_absent() -> None:
    covered = replace(ROOM, noise=None, snr=None, swing=None)
    assert heard(scene=covered) == ()
    assert "no music" not in heard(scene=replace(ROOM, swing=None))
    assert heard(scene=covered, spoken=False)[-1] == "no music"


def test_where_noise_is_heard_a_waterfall_must_be_very_sure() -> None:
    noise = [tag("White noise", 0, 5, 0.3), tag("Waterfall", 0, 5, 0.6)]
    assert not any("waterfall" in one for one in heard(*noise))
    assert any("waterfall" in one for one in heard(noise[1]))
    assert any("waterfall" in one for one in heard(noise[0], replace(noise[1], score=0.8)))


def test_the_kind_of_music_is_named_where_music_is_heard() -> None:
    music = replace(ROOM, music=True)
    piano = [tag("Music", 0, 5, 0.95), tag("Musical instrument", 0, 5, 0.8), tag("Piano", 0, 5, 0.7)]
    assert heard(*piano, scene=music) == ("clear speech", "piano music in the background")
    assert heard(*piano, scene=music, spoken=False)[-1] == "piano music"
    assert heard(*piano[:1], scene=music)[-1] == "music in the background"
    assert heard(*piano, scene=replace(ROOM, music=False)) == ("clear speech", "quiet room tone")


def test_a_room_is_named_only_where_it_is_heard_throughout_and_nobody_said_where_it_is() -> None:
    hall = tag("Inside, large room or hall", 0, 4.5, 0.8)
    assert "large room acoustics" in heard(hall)
    assert "large room acoustics" not in heard(hall, placed=True)
    assert "large room acoustics" not in heard(replace(hall, span=Span.at(0, 2)))
    assert "large room acoustics" not in heard(replace(hall, score=0.6))


def test_no_speech_is_said_only_while_no_tagger_speaks_for_it() -> None:
    empty = Scene(noise=-60.0, speech=False, music=False)
    assert heard(scene=empty, spoken=False) == ("no speech", "quiet room tone", "no music")
    assert heard(tag("Speech", score=0.3), scene=empty, spoken=False) == ("quiet room tone", "no music")


# -- the measured background -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        (replace(ROOM, noise=-50, hum=-51, snr=25), ("low electrical hum",)),
        (replace(ROOM, noise=-50, hum=-58, snr=25), ("quiet room tone",)),
        (replace(ROOM, noise=-70, hum=-71, snr=45), ("quiet room tone",)),
        (replace(ROOM, noise=-50, hiss=-51, snr=20), ("soft hiss",)),
        (replace(ROOM, noise=-50, hiss=-70, snr=20), ("soft background noise",)),
        (replace(ROOM, noise=-80, snr=60), ("no background noise",)),
        (replace(ROOM, noise=-30, snr=6, swing=2.0), ("loud background noise",)),
        (replace(ROOM, noise=-30, snr=6, swing=25.0), ()),
        (replace(ROOM, noise=-45, snr=18, swing=None), ()),
        (replace(ROOM, noise=-38, snr=12, swing=None), ("soft background noise",)),
        (replace(ROOM, noise=-55, snr=30, hiss=-56, clicks=1.6), ("quiet room tone", "clicks")),
        (replace(ROOM, clicks=2.0), ("quiet room tone", "clicks")),
        (replace(ROOM, clicks=0.0, reverberation=0.4), ("quiet room tone",)),
        (replace(ROOM, reverberation=1.5), ("quiet room tone", "room reverberation")),
        (replace(ROOM, music=True, hum=-40, noise=-40), ()),
        (Scene(), ()),
    ],
)
def test_the_background_is_named_by_what_was_measured(scene: Scene, said: tuple[str, ...]) -> None:
    assert hear(scene, 5.0, spoken=True).background == said


numbers = st.none() | st.floats(-120, 60)
verdicts = st.none() | st.booleans()
tags = st.builds(
    lambda label, start, score: tag(label, start, start + 0.5, score),
    st.sampled_from(sorted(CLASSES)), st.floats(0, 4).map(lambda at: round(at, 3)), st.floats(0, 1),
)  # fmt: skip
scenes = st.builds(
    Scene, numbers, numbers, verdicts, verdicts, verdicts, st.lists(tags, max_size=6).map(tuple),
    numbers, numbers, st.none() | st.floats(0, 5), st.none() | st.floats(0, 3),
)  # fmt: skip


@given(scenes, st.booleans(), st.none() | st.sampled_from(["a woman", "an old man"]))
def test_absence_is_said_only_where_it_was_measured(scene: Scene, spoken: bool, who: str | None) -> None:
    said = hear(scene, 5.0, spoken=spoken, who=who)
    assert len(set(said.phrases)) == len(said.phrases)
    assert len(said.events) <= sounds.MOST
    if "no music" in said.phrases:
        assert scene.music is False
        assert all(sounds.kind_of(one) not in ("music", "singing") or one.score < 0.2 for one in scene.events)
    if "no speech" in said.phrases:
        assert scene.speech is False
        assert not spoken
    if "no background noise" in said.phrases:
        assert scene.noise is not None
        assert scene.noise < -75
    for name in said.events:
        named = name.removesuffix(" in the background")
        assert named == "singing" or any(
            one.score >= 0.5 and one.label in CLASSES and CLASSES[one.label].phrase == named for one in scene.events
        )


# -- tags of a cut -----------------------------------------------------------------------------------------------------


def test_a_roughly_placed_sound_belongs_to_the_cut_that_has_most_of_it() -> None:
    bark = tag("Bark", 4.0, 5.0)
    assert tags_within([bark], 1.0, Span.at(0, 4.4)) == []
    assert tags_within([bark], 1.0, Span.at(4.4, 9)) == [tag("Bark", 4.4, 5.0)]
    assert tags_within([bark], 1.0, Span.at(0, 4.4), frozenset({"Bark"})) == [tag("Bark", 4.0, 4.4)]
    rain = tag("Rain", 0, 60)
    assert tags_within([rain], 60.0, Span.at(57, 63)) == [tag("Rain", 57, 60)]
