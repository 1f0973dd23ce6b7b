"""The measured voice, room and quality against sounds whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.composed import (
    clarity_of,
    clipped,
    image_room,
    in_room,
    mains,
    mixed,
    pink,
    recording,
    resampled,
    reverberation_of,
    tail_room,
    telephone,
    vowel,
    whisper,
    white,
)  # fmt: skip  # isort: skip
from captioner.measures import Quality, Scene, Tag, Voice
from captioner.media.pcm import Samples16k
from captioner.media.reach import power_sum, reach
from captioner.models.protocols import Excerpt
from captioner.models.voice import measured
from captioner.models.voice.distortion import bandwidth, clipped_share
from captioner.models.voice.masks import inside, speech_reach
from captioner.models.voice.mos import PIECE, STEP, pieces
from captioner.models.voice.pitch import Tracker
from captioner.models.voice.room import hear_room
from captioner.models.voice.scene import measure_scene
from captioner.models.voice.speaking import measure_voice, syllables
from captioner.times import Span
from tests.hearing import RATE, Floats, hiss

ALL = frozenset({"speech", "singing", "music"})


@cache
def tracker() -> Tracker:
    return Tracker(1)


def heard(sound: Floats, spans: list[Span], words: int = 4) -> Voice:
    return measure_voice(sound, spans, words, tracker()(sound))


def apart(*pieces: Floats, pause: float = 0.5) -> tuple[Floats, list[Span]]:
    """Pieces of speech with silence before, between and after; and where they are."""
    sound, spans, at = [np.zeros(round(pause * RATE), np.float32)], [], pause
    for piece in pieces:
        spans.append(Span.at(at, at + len(piece) / RATE))
        sound += [piece, np.zeros(round(pause * RATE), np.float32)]
        at = spans[-1].end + pause
    return np.concatenate(sound), spans


def talk(seconds: float = 4.0, seed: int = 0, pitch: float = 130.0) -> tuple[Floats, list[Span]]:
    """Syllables of changing vowels and loudness that begin and end sharply, in phrases: as dry as a voice can be."""
    rng = np.random.default_rng(seed)
    sound = np.zeros(round(seconds * RATE), np.float32)
    at, spans, first = 0.3, [], 0.3
    while at < seconds - 0.6:
        long = rng.uniform(0.09, 0.2)
        tone = vowel(pitch * 2 ** rng.uniform(-0.2, 0.2), long, -20 - rng.uniform(0, 8), _FORMANTS[rng.integers(3)])
        fade = np.minimum(1, np.minimum(np.arange(len(tone)), np.arange(len(tone))[::-1]) / (0.012 * RATE))
        place = round(at * RATE)
        sound[place : place + len(tone)] += tone * fade.astype(np.float32)
        at += long + rng.uniform(0.02, 0.07)
        if at - first > 1.2:
            spans.append(Span.at(first, at))
            at += 0.35
            first = at
    if at - first > 0.1:
        spans.append(Span.at(first, at))
    return sound, spans


@cache
def dry_voices() -> tuple[Floats, ...]:
    """Two readers close to their microphones."""
    raw = Path(__file__).parent.parent / "sample_dataset" / "raw"
    talk = recording(raw / "cc-by-sa-3.0" / "interview.mp4")
    table = recording(raw / "public-domain-and-bsd" / "table.wav")
    return talk[round(1.2 * RATE) : 5 * RATE], table


_FORMANTS = ((600, 1200, 2500), (280, 2300, 2900), (750, 1100, 2400))


# -- pitch -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pitch", [70, 85, 110, 140, 180, 220, 262, 300, 350, 420])
@pytest.mark.parametrize("formants", _FORMANTS)
def test_pitch_is_found_within_3_percent(pitch: int, formants: tuple[int, ...]) -> None:
    sound, spans = apart(vowel(pitch, 0.8, formants=formants), vowel(pitch, 0.6, formants=formants))
    sound = sound + hiss(len(sound) / RATE, -45)
    assert heard(sound, spans).pitch == pytest.approx(pitch, rel=0.03)


@pytest.mark.parametrize("pitch", [100, 210])
def test_pitch_is_found_on_a_telephone_and_in_noise(pitch: int) -> None:
    """No fundamental below 300 Hz; noise 10 dB under the voice."""
    from scipy.signal import butter, sosfilt

    whole = vowel(pitch, 1.5)
    narrow = np.asarray(sosfilt(butter(6, [300, 3400], "band", fs=RATE, output="sos"), whole), np.float32)
    for voice in (narrow, whole + hiss(1.5, -30)):
        assert heard(*apart(voice)).pitch == pytest.approx(pitch, rel=0.03)


def test_spread_of_a_glide_is_that_of_its_middle_80_percent() -> None:
    glide = (150 * 2 ** np.linspace(-0.5, 0.5, 2 * RATE)).astype(np.float32)
    voice = heard(*apart(vowel(glide, 2.0)))
    assert voice.pitch == pytest.approx(150, rel=0.03)
    assert voice.pitch_spread == pytest.approx(9.6, abs=0.7)
    assert heard(*apart(vowel(150, 2.0))).pitch_spread == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("gain", [0.003, 0.1, 1.0])
def test_pitch_does_not_depend_on_the_level(gain: float) -> None:
    sound, spans = apart(vowel(160, 1.0))
    assert heard(np.asarray(sound * gain, np.float32), spans).pitch == pytest.approx(160, rel=0.03)


# -- the rest of the voice ---------------------------------------------------------------------------------------------


def test_noise_and_a_whisper_have_a_level_but_no_pitch() -> None:
    for breath in (hiss(2.0, -25), whisper(2.0, -25)):
        voice = heard(*apart(breath))
        assert voice.level == pytest.approx(-25, abs=0.2)
        assert voice.pitch is None
        assert voice.pitch_spread is None
        assert voice.voiced is not None
        assert voice.voiced < 0.1
    assert (heard(*apart(vowel(120, 2.0))).voiced or 0) > 0.9


def test_level_and_rate_are_of_the_speech_alone() -> None:
    sound, spans = apart(vowel(120, 1.0, -18), vowel(120, 1.0, -18), pause=2.0)
    voice = heard(sound, spans, 6)
    assert voice.level == pytest.approx(-18, abs=0.2)
    assert voice.rate == pytest.approx(3.0, abs=0.02)
    assert heard(sound, spans, 0).rate is None
    assert heard(sound, spans[:1], 3).rate is None  # a second: too short to say


@pytest.mark.parametrize("many", [6, 10, 14])
def test_syllables_are_counted(many: int) -> None:
    beat = 2.8 / many
    pieces = []
    for number in range(many):
        tone = vowel(130, beat * 0.75, -20, _FORMANTS[number % 3])
        pieces += [tone * np.hanning(len(tone)).astype(np.float32), np.zeros(round(beat * 0.25 * RATE), np.float32)]
    sound, spans = apart(np.concatenate(pieces))
    sound = sound + hiss(len(sound) / RATE, -60)
    assert syllables(sound, inside(len(sound), spans), tracker()(sound)) == pytest.approx(many, abs=1)
    assert heard(sound, spans).syllables == pytest.approx(many / 2.8, rel=0.12)


def test_brightness_rises_and_harmonicity_falls_with_what_causes_them() -> None:
    dark, bright = (heard(*apart(vowel(130, 1.5, formants=which))) for which in ((300, 700, 1200), (700, 2200, 3300)))
    assert (bright.brightness or 0) > (dark.brightness or 0) + 10
    clear, breathy = (heard(*apart(vowel(130, 1.5, -20) + hiss(1.5, noise))) for noise in (-60, -28))
    assert (clear.harmonicity or 0) > (breathy.harmonicity or 0) + 5


def test_level_spread_is_that_of_the_voice() -> None:
    steady = heard(*apart(vowel(130, 2.0)))
    loud_soft = heard(*apart(vowel(130, 1.0, -18), vowel(130, 1.0, -30)))
    assert (steady.level_spread or 0) < 2
    assert loud_soft.level_spread == pytest.approx(12, abs=2)


@pytest.mark.parametrize("spans", [[], [Span.at(0.5, 0.7)]])
def test_too_little_speech_says_nothing(spans: list[Span]) -> None:
    assert heard(vowel(120, 2.0), spans) == Voice()


def test_digital_silence_and_no_samples_say_nothing() -> None:
    assert heard(np.zeros(RATE, np.float32), [Span.at(0, 1)]) == Voice()
    assert heard(np.zeros(0, np.float32), []) == Voice()
    assert measure_scene(np.zeros(0, np.float32), []) == Scene()


# -- around the voice --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("snr", [-5, 0, 5, 10, 20, 30, 45])
@pytest.mark.parametrize("noise", [white, pink])
def test_snr_is_found_within_a_decibel_and_a_half(snr: int, noise: object) -> None:
    sound, spans = apart(vowel(160, 0.9, -24), vowel(130, 0.7, -24))
    both = mixed(sound, inside(len(sound), spans), (white if noise is white else pink)(len(sound), 3), snr)
    scene = measure_scene(both, spans)
    assert scene.snr == pytest.approx(snr, abs=1.5)
    assert scene.noise == pytest.approx(-24 - snr, abs=1.2)


@pytest.mark.parametrize("snr", [5, 12, 20])
def test_steady_noise_is_found_under_speech_that_never_stops(snr: int) -> None:
    sound, _ = talk(5.0, seed=2)
    whole = sound[round(0.3 * RATE) : round(4.2 * RATE)]
    everywhere = [Span.at(0, len(whole) / RATE)]
    both = mixed(whole, inside(len(whole), everywhere), white(len(whole), 1), snr)
    assert measure_scene(both, everywhere).snr == pytest.approx(snr, abs=2.0)
    music = [Tag("music", Span.at(0, 3.9), 0.95)]
    assert measure_scene(both, everywhere, tags=music, hears=ALL).snr is None


def test_no_speech_has_a_noise_but_no_snr() -> None:
    scene = measure_scene(hiss(2.0, -40), [])
    assert scene.noise == pytest.approx(-40, abs=0.2)
    assert scene.snr is None


def test_louder_where_nobody_speaks_is_no_snr() -> None:
    sound, spans = apart(vowel(120, 1.0, -40))
    sound[: RATE // 4] = hiss(0.25, -20)
    assert measure_scene(sound, spans).snr is None


@pytest.mark.parametrize("mains_hertz", [50, 60])
def test_hum_is_told_from_noise_and_voices(mains_hertz: int) -> None:
    sound, spans = apart(vowel(120, 0.8, -22), vowel(100, 0.8, -22))
    tone = mains(len(sound), mains_hertz)
    humming = sound + np.float32(10 ** (-50 / 20)) * tone / np.float32(np.sqrt(np.mean(tone**2)))
    quiet = sound + hiss(len(sound) / RATE, -50)
    assert measure_scene(np.asarray(humming, np.float32), spans).hum == pytest.approx(-50, abs=2.5)
    assert measure_scene(quiet, spans).hum == -120.0


def test_hiss_is_the_level_above_4_kilohertz() -> None:
    sound, spans = apart(vowel(120, 0.8, -22))
    assert measure_scene(sound + hiss(len(sound) / RATE, -50), spans).hiss == pytest.approx(-53, abs=1)


def test_clicks_are_counted_and_consonants_are_not() -> None:
    sound, spans = talk(6.0)
    sound = sound + hiss(len(sound) / RATE, -60)
    assert measure_scene(sound, spans).clicks == pytest.approx(0, abs=0.2)
    for place in range(RATE // 2, len(sound) - RATE // 4, RATE // 2):
        sound[place : place + 2] += 0.4
    assert measure_scene(sound, spans).clicks == pytest.approx(11 / 6, rel=0.35)


# -- the room ----------------------------------------------------------------------------------------------------------


def test_reverberation_time_is_within_20_percent_on_average_and_clarity_within_3_decibels() -> None:
    rooms = [tail_room(t60, direct, seed) for seed, t60 in enumerate((0.35, 0.5, 0.7, 1.0, 1.4)) for direct in (-6, 0)]
    rooms += [image_room((6, 5, 3), 1.5, 0.3), image_room((4.5, 3.5, 2.5), 1.5, 0.25)]
    times, clarities = [], []
    voices = dry_voices()
    for number, answer in enumerate(rooms):
        sound = voices[number % len(voices)]
        found = hear_room(in_room(sound, answer), 40.0)
        assert found.reverberation is not None
        times.append(abs(found.reverberation / reverberation_of(answer) - 1))
        clarities.append(abs((found.clarity or 0) - clarity_of(answer)))
    assert np.mean(times) < 0.2
    assert np.mean(clarities) < 3


def test_a_dry_voice_a_noisy_one_and_a_short_one_have_no_reverberation() -> None:
    sound, _ = talk(4.0)
    assert hear_room(sound, 40.0).reverberation is None
    assert (hear_room(sound, 40.0).clarity or 0) > 20
    wet = in_room(sound, tail_room(0.8))
    assert hear_room(wet, 8.0).reverberation is None
    assert hear_room(wet, None).reverberation is None
    assert hear_room(wet[: RATE // 2], 40.0).reverberation is None


# -- damage ------------------------------------------------------------------------------------------------------------


def test_clipping_is_found_below_the_top_too() -> None:
    sound, _ = talk(5.0, seed=4)
    shares = [clipped_share(clipped(sound, gain)) for gain in (4.0, 8.0)]
    assert clipped_share(sound) == pytest.approx(0, abs=0.003)
    assert all(share is not None and share > 0.01 for share in shares)
    assert (shares[1] or 0) > (shares[0] or 0)


def test_a_telephone_is_narrow_at_any_rate() -> None:
    voice = np.concatenate([vowel(130, 1.0), hiss(1.0, -30)])  # vowels and hissing consonants
    assert bandwidth(voice, 8000.0) == 8000.0
    narrow = telephone(voice)
    assert bandwidth(narrow, 24_000.0) == pytest.approx(4000, abs=300)
    wide = resampled(narrow, RATE, 48_000)
    power, _ = power_sum(wide, 48_000)
    assert reach(power, 48_000) == pytest.approx(4000, abs=300)
    assert bandwidth(voice[:1000], 8000.0) is None


def test_the_network_hears_the_middle_of_every_five_seconds_in_whole_frames() -> None:
    assert [len(piece) for piece in pieces(np.ones(RATE, np.float32))] == [PIECE]
    ramp = np.arange(5 * RATE + 7, dtype=np.float32)
    (middle,) = pieces(ramp)
    assert middle.mean() == pytest.approx(ramp.mean(), abs=STEP)
    long = pieces(np.ones(20 * RATE, np.float32))
    assert [len(piece) for piece in long] == [PIECE] * 4
    assert all(len(piece) % STEP == 0 for seconds in (0.6, 2.6, 7.7) for piece in pieces(ramp[: int(seconds * RATE)]))


# -- tags --------------------------------------------------------------------------------------------------------------


def tagged(*tags: Tag, hears: frozenset[str] = ALL, duration: float = 4.0) -> Scene:
    return measure_scene(hiss(duration, -50), [], tags=tags, hears=hears)


def test_without_a_tagger_nothing_is_known() -> None:
    scene = measure_scene(hiss(1.0, -50), [], tags=None, hears=ALL)
    assert (scene.speech, scene.singing, scene.music) == (None, None, None)


def test_a_silent_tagger_says_that_there_is_none_of_what_it_hears() -> None:
    scene = tagged(hears=frozenset({"music"}))
    assert (scene.speech, scene.singing, scene.music) == (None, None, False)


@pytest.mark.parametrize(
    ("span", "score", "music"),
    [
        (Span.at(0, 4), 0.95, True),
        (Span.at(0, 1.1), 0.95, True),
        (Span.at(0, 0.8), 0.95, None),  # a fifth of the clip: neither with music nor without
        (Span.at(0, 4), 0.6, None),  # hum, perhaps
    ],
)
def test_music_is_claimed_when_sure_and_denied_when_absent(span: Span, score: float, music: bool | None) -> None:
    assert tagged(Tag("music", span, score)).music is music


def test_singing_needs_more_than_instruments_give() -> None:
    assert tagged(Tag("singing", Span.at(0, 4), 0.85)).singing is None
    assert tagged(Tag("singing", Span.at(0, 1.5), 0.95)).singing is None
    assert tagged(Tag("singing", Span.at(0, 2.5), 0.95)).singing is True


def test_other_sounds_are_kept_in_order_of_start() -> None:
    tags = [Tag("Water", Span.at(2, 3), 0.9), Tag("Dog", Span.at(0, 1), 0.5)]
    assert [tag.label for tag in tagged(*tags).events] == ["Dog", "Water"]


# -- all of it ---------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 3 * RATE),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 4000)), max_size=5),
    st.integers(0, 2**31),
    st.sampled_from([0.0, 1e-6, 0.1, 1.0]),
)
def test_any_sound_and_any_spans_give_finite_numbers(
    count: int, ends: list[tuple[int, int]], seed: int, peak: float
) -> None:
    sound = (peak * np.random.default_rng(seed).uniform(-1, 1, count)).astype(np.float32)
    spans = sorted(Span.at(min(pair) / 1000, max(pair) / 1000) for pair in ends)
    voice, scene = heard(sound, spans, 7), measure_scene(sound, spans, tags=[], hears=ALL)
    numbers = [getattr(voice, name) for name in Voice.__slots__]
    numbers += [getattr(scene, name) for name in ("noise", "snr", "hum", "hiss", "clicks", "reverberation", "clarity")]
    numbers += [clipped_share(sound), bandwidth(sound, 8000.0)]
    assert all(np.isfinite(number) for number in numbers if number is not None)
    assert voice.pitch is None or 50 < voice.pitch < 620


@pytest.mark.models
def test_quality_falls_with_noise_and_a_result_does_not_depend_on_its_neighbours() -> None:
    meter = measured.load(measured.Options(threads=1))
    sound, spans = talk(4.0, seed=7)
    noisy = mixed(sound, inside(len(sound), spans), white(len(sound), 2), 3)
    excerpts = [Excerpt(Samples16k(one), tuple(spans), 8, bandwidth=8000.0) for one in (sound + hiss(4.0, -65), noisy)]
    clean, poor = meter.measure(excerpts)
    assert meter.measure(excerpts[1:]) == [poor]
    assert clean.quality.background is not None
    assert poor.quality.background is not None
    assert clean.quality.background > poor.quality.background + 0.5
    nobody = meter.measure([Excerpt(Samples16k(hiss(2.0, -40)), (), 0)])[0]
    assert nobody.quality == Quality(clipped=0.0)


def test_silence_at_the_ends_changes_nothing_but_the_cost() -> None:
    """What is heard of speech is heard without the silence around it."""
    sound, spans = apart(talk(3.0)[0], pause=1.5)
    begin, stop = speech_reach(spans, len(sound))
    assert stop - begin == pytest.approx(3.2 * RATE, abs=RATE / 50)
    whole = heard(sound, spans)
    part = measure_voice(sound, spans, 4, replace(tracker()(sound[begin:stop]), first=begin))
    assert part.pitch == pytest.approx(whole.pitch, rel=0.01)
    assert part.level == whole.level
    assert part.syllables == pytest.approx(whole.syllables, abs=0.35), "one of eleven"
    assert part.voiced == pytest.approx(whole.voiced, abs=0.05)


@pytest.mark.parametrize(
    ("speech", "count", "expected"),
    [((), 16_000, (0, 0)), ((Span(0.05, 0.5),), 16_000, (0, 9_600)), ((Span(0.5, 0.99),), 16_000, (6_400, 16_000))],
)
def test_a_network_hears_a_tenth_of_a_second_beside_speech(
    speech: tuple[Span, ...], count: int, expected: tuple[int, int]
) -> None:
    assert speech_reach(speech, count) == expected
