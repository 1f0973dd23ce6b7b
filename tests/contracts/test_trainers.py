"""What holds for every trainer, whatever the clip: no window reaches beyond it, nothing is made up unsaid."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.errors import SettingsError
from captioner.trainers import ai_toolkit, id_lora, ltx, musubi, simpletuner, trainer, trainers, wan
from captioner.trainers._buckets import parse_buckets
from captioner.trainers._files import Bundle, Change, Entry
from captioner.trainers._window import ClipFacts

RATES = [Fraction(24), Fraction(25), Fraction(30), Fraction(24000, 1001)]

OPTIONS: dict[str, list[Any]] = {
    "ltx": [
        ltx.Options(parse_buckets("768x512x49;768x512x97;512x512x121")),
        ltx.Options(parse_buckets("768x512x49"), skip_audio=True),
        ltx.Options(parse_buckets("768x512x121"), audio_column=True, audio_durations=(1.0, 2.5)),
    ],
    "ai-toolkit": [
        ai_toolkit.Options(),
        ai_toolkit.Options(auto_frame_count=True, do_audio=True, fps=24),
        ai_toolkit.Options(auto_frame_count=True, do_audio=True, fps=25, trim_auto_frame_count_tail=False),
        ai_toolkit.Options(num_frames=121, do_audio=True),
        ai_toolkit.Options(num_frames=81, do_audio=True, audio_preserve_pitch=True),
        ai_toolkit.Options(num_frames=49, do_audio=True, shrink_video_to_frames=False),
    ],
    "musubi": [
        musubi.Options(),
        musubi.Options(target_frames=(49, 121), mode_av=True),
        musubi.Options(target_frames=(33,), frame_extraction="chunk", mode_av=True),
        musubi.Options(target_frames=(33,), frame_extraction="slide", frame_stride=10, mode_av=True),
        musubi.Options(target_frames=(33,), frame_extraction="uniform", frame_sample=3, mode_av=True),
        musubi.Options(frame_extraction="full", mode_av=True, target_fps=None),
        musubi.Options(frame_extraction="full", mode_av=True, target_fps=16.0),
    ],
    "simpletuner": [
        simpletuner.Options(),
        simpletuner.Options(audio=True, num_frames=97, min_frames=9),
        simpletuner.Options(framerate=24, audio=True, num_frames=121, min_frames=25),
    ],
    "id-lora": [id_lora.Options(), id_lora.Options(with_audio=True)],
    "wan": [
        wan.Options(),
        wan.Options(through="ai-toolkit"),
        musubi.Options(target_frames=(33,), target_fps=16.0, group=4, upstream=True),
        musubi.Options(frame_extraction="full", target_fps=16.0, source_fps=30.0, group=4, upstream=True),
        ai_toolkit.Options(auto_frame_count=True, fps=16, group=4, arch="wan22_14b"),
    ],
    "plain": [trainer("plain").Options()],
}
ALL = [(name, options) for name in OPTIONS for options in OPTIONS[name]]
STRETCHES = {"ai-toolkit", "musubi"}
GROUP = {"wan": 4}


def clip(frames: int, rate: Fraction, sound: float = 1.0, offset: float = 0.0, variable: bool = False) -> ClipFacts:
    """A clip whose sound lasts `sound` times as long as its picture."""
    return ClipFacts(
        frames, rate, 768, 512, 48_000, round(Fraction(frames) / rate * 48_000 * Fraction(str(sound))), offset, variable
    )


clips = st.builds(
    clip,
    st.integers(1, 400),
    st.sampled_from([*RATES, Fraction(2537, 101)]),
    st.sampled_from([1.0, 0.5, 0.99, 1.3, 0.0]),
    st.sampled_from([0.0, 0.476, -0.2]),
    st.booleans(),
)
exact = st.builds(clip, st.sampled_from([49, 65, 73, 81, 89, 97, 105, 121]), st.sampled_from(RATES))


def test_every_trainer_is_tested() -> None:
    assert set(OPTIONS) == set(trainers())


@pytest.mark.parametrize(("name", "options"), ALL)
@given(facts=clips)
def test_a_window_lies_in_its_clip_and_says_what_it_loses(name: str, options: Any, facts: ClipFacts) -> None:
    made = trainer(name).window(facts, options)
    if not made.listed:
        assert made.losses
        assert (made.frames, made.samples) == (0, 0)
        return
    assert made.first >= 0
    assert made.first + made.frames <= facts.frames
    assert made.sample >= 0
    assert made.sample + made.samples <= facts.samples
    end = facts.offset + float(facts.sound)
    assert min(0.0, facts.offset) - 0.001 <= made.start <= made.end <= max(0.0, end) + 0.001
    assert made.silence >= 0
    if name not in STRETCHES:
        assert made.tempo == 1.0
    if made.tempo == 1.0:
        assert made.semitones == 0.0
    if name != "plain" and not (name == "ai-toolkit" and not options.auto_frame_count):
        assert made.shown % GROUP.get(name, 8) == 1
    if facts.frames - made.first - made.frames > 0:
        assert any("are not used" in told for told in made.losses)
    if facts.samples - made.sample - made.samples > 0.02 * 48_000:
        assert any("sound" in told for told in made.losses) or not trainer(name).TAKES_SOUND
    if abs(made.tempo - 1) > 0.01:
        assert any("plays" in told for told in made.losses)


@pytest.mark.parametrize("name", trainers())
@given(facts=exact, others=st.lists(exact, max_size=4))
def test_what_an_export_says_loses_nothing_of_clips_of_its_rate(
    name: str, facts: ClipFacts, others: list[ClipFacts]
) -> None:
    asked = trainer(name)
    same = [facts, *(one for one in others if one.rate == facts.rate)]
    if name == "wan":  # the model has a rate of its own: clips of another lose the frames between
        same = [replace(one, rate=Fraction(16)) for one in same]
    options = asked.options_for(same)
    for one in same:
        made = asked.window(one, options)
        # Its floating point loses a group of these; a build for it makes none of them.
        lossy = name == "ai-toolkit" and ai_toolkit.counted(one.frames, float(one.rate or 1), options.fps) < one.frames
        if not lossy:
            assert made.listed
            assert made.losses == ()
            assert made.frames == made.shown == one.frames
            assert made.samples == (one.samples if asked.TAKES_SOUND else 0)


@pytest.mark.parametrize("name", trainers())
@given(caption=st.sampled_from(['a woman says, "I go."', 'a man: "Yes, 1000."']), trigger=st.just("ema_voice"))
def test_a_trigger_is_trained_once_however_it_gets_there(name: str, caption: str, trigger: str) -> None:
    asked = trainer(name)
    options = asked.options_for([clip(121, Fraction(25))])
    assert asked.joined(f"{trigger}, {caption}", trigger, options) == f"{trigger}, {caption}"
    if not asked.ADDS_TRIGGER:
        with pytest.raises(SettingsError, match="trigger"):
            asked.with_trigger(options, trigger)
        return
    assert asked.joined(caption, trigger, asked.with_trigger(options, trigger)) == f"{trigger} {caption}"


@pytest.mark.parametrize("name", trainers())
def test_files_of_an_export_stay_in_its_folder_and_name_its_clips(name: str) -> None:
    asked = trainer(name)
    entries = tuple(
        Entry(f"take_f{n}n121", f"clips/take_f{n}n121.mp4", f"ema, caption {n}.", clip(121, Fraction(25)), "ema")
        for n in range(3)
    )
    made = asked.files(
        Bundle("ema", "/data/out", entries, trigger="ema"), asked.options_for([e.facts for e in entries])
    )
    assert made
    assert not any(path.startswith("/") or ".." in path.split("/") for path in made)
    text = "".join(f"{path}\n{content}" for path, content in made.items())
    for entry in entries:
        assert entry.id in text
        assert entry.caption in text


@pytest.mark.parametrize("name", [name for name in trainers() if name != "plain"])
def test_other_sound_under_an_old_name_is_named_with_the_way_out(name: str) -> None:
    told = " ".join(trainer(name).stale(Change(media=("take_f0n121",))))
    assert "take_f0n121" in told
    assert any(way in told for way in ("--overwrite", "delete", "--skip_existing"))
    assert trainer(name).stale(Change()) == []
