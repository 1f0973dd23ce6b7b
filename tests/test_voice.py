"""The measured voice and scene against sounds whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from captioner.measures import Scene, Tag, Voice
from captioner.models.voice.measured import measure_scene, measure_voice
from captioner.times import Span
from tests.hearing import RATE, Floats, hiss

ALL = frozenset({"speech", "singing", "music"})


def vowel(
    pitch: float | Floats, duration: float, level: float = -20, formants: tuple[int, ...] = (600, 1200, 2500)
) -> Floats:
    """A pulse train through resonances, `level` dBFS RMS; `pitch` in Hz, or one for each sample."""
    phase = np.cumsum(np.broadcast_to(pitch, round(duration * RATE)) / RATE)
    sound = np.diff(np.floor(phase), prepend=0.0)
    for formant in formants:
        radius = np.exp(-np.pi * 90 / RATE)
        sound = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * formant / RATE), radius**2], sound)
    return np.asarray(sound / np.sqrt(np.mean(sound**2)) * 10 ** (level / 20), np.float32)


def apart(*pieces: Floats, pause: float = 0.5) -> tuple[Floats, list[Span]]:
    """Pieces of speech with silence before, between and after; and where they are."""
    sound, spans, at = [np.zeros(round(pause * RATE), np.float32)], [], pause
    for piece in pieces:
        spans.append(Span.at(at, at + len(piece) / RATE))
        sound += [piece, np.zeros(round(pause * RATE), np.float32)]
        at = spans[-1].end + pause
    return np.concatenate(sound), spans


@pytest.mark.parametrize("pitch", [70, 85, 110, 140, 180, 220, 262, 300, 350, 420])
@pytest.mark.parametrize("formants", [(600, 1200, 2500), (280, 2300, 2900), (750, 1100, 2400)])
def test_pitch_is_found_within_3_percent(pitch: int, formants: tuple[int, ...]) -> None:
    sound, spans = apart(vowel(pitch, 0.8, formants=formants), vowel(pitch, 0.6, formants=formants))
    sound = sound + hiss(len(sound) / RATE, -45)
    assert measure_voice(sound, spans, 4).pitch == pytest.approx(pitch, rel=0.03)


@pytest.mark.parametrize("pitch", [100, 210])
def test_pitch_is_found_on_a_telephone_and_in_noise(pitch: int) -> None:
    """No fundamental below 300 Hz; noise 10 dB under the voice."""
    from scipy.signal import butter, sosfilt

    whole = vowel(pitch, 1.5)
    narrow = np.asarray(sosfilt(butter(6, [300, 3400], "band", fs=RATE, output="sos"), whole), np.float32)
    for voice in (narrow, whole + hiss(1.5, -30)):
        sound, spans = apart(voice)
        assert measure_voice(sound, spans, 3).pitch == pytest.approx(pitch, rel=0.03)


def test_spread_of_a_glide_is_that_of_its_middle_80_percent() -> None:
    glide = (150 * 2 ** np.linspace(-0.5, 0.5, 2 * RATE)).astype(np.float32)
    sound, spans = apart(vowel(glide, 2.0))
    voice = measure_voice(sound, spans, 4)
    assert voice.pitch == pytest.approx(150, rel=0.03)
    assert voice.pitch_spread == pytest.approx(9.6, abs=0.7)
    assert measure_voice(*apart(vowel(150, 2.0)), 4).pitch_spread == pytest.approx(0, abs=0.3)


def test_noise_has_a_level_but_no_pitch() -> None:
    sound, spans = apart(hiss(2.0, -25))
    voice = measure_voice(sound, spans, 5)
    assert voice.level == pytest.approx(-25, abs=0.2)
    assert voice.pitch is None
    assert voice.pitch_spread is None


def test_level_and_rate_are_of_the_speech_alone() -> None:
    sound, spans = apart(vowel(120, 1.0, -18), vowel(120, 1.0, -18), pause=2.0)
    voice = measure_voice(sound, spans, 6)
    assert voice.level == pytest.approx(-18, abs=0.2)
    assert voice.rate == pytest.approx(3.0, abs=0.02)
    assert measure_voice(sound, spans, 0).rate is None
    assert measure_voice(sound, spans[:1], 3).rate is None  # a second: too short to say


@pytest.mark.parametrize("spans", [[], [Span.at(0.5, 0.7)]])
def test_too_little_speech_says_nothing(spans: list[Span]) -> None:
    assert measure_voice(vowel(120, 2.0), spans, 3) == Voice()


def test_digital_silence_and_no_samples_say_nothing() -> None:
    assert measure_voice(np.zeros(RATE, np.float32), [Span.at(0, 1)], 3) == Voice()
    assert measure_voice(np.zeros(0, np.float32), [], 0) == Voice()
    assert measure_scene(np.zeros(0, np.float32), []) == Scene()


@pytest.mark.parametrize("snr", [-5, 0, 5, 10, 20, 30, 45])
def test_snr_is_found_within_a_decibel_and_a_half(snr: int) -> None:
    sound, spans = apart(vowel(160, 0.9, -24), vowel(130, 0.7, -24))
    scene = measure_scene(sound + hiss(len(sound) / RATE, -24 - snr), spans)
    assert scene.snr == pytest.approx(snr, abs=1.5)
    assert scene.noise == pytest.approx(-24 - snr, abs=0.5)


def test_too_little_between_the_speech_says_nothing_of_the_noise() -> None:
    sound = vowel(120, 2.0)
    assert measure_scene(sound, [Span.at(0.12, 1.88)]).noise is None
    assert measure_scene(sound, [Span.at(0.2, 1.8)]).noise is not None


def test_no_speech_has_a_noise_but_no_snr() -> None:
    scene = measure_scene(hiss(2.0, -40), [])
    assert scene.noise == pytest.approx(-40, abs=0.1)
    assert scene.snr is None


def test_louder_where_nobody_speaks_is_no_snr() -> None:
    sound, spans = apart(vowel(120, 1.0, -40))
    sound[: RATE // 4] = hiss(0.25, -20)
    assert measure_scene(sound, spans).snr is None


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
        (Span.at(10, 14), 0.95, True),
        (Span.at(10, 11.1), 0.95, True),
        (Span.at(10, 10.8), 0.95, None),  # a fifth of the clip: neither with music nor without
        (Span.at(10, 14), 0.6, None),  # hum, perhaps
    ],
)
def test_music_is_claimed_when_sure_and_denied_when_absent(span: Span, score: float, music: bool | None) -> None:
    assert tagged(Tag("music", span, score)).music is music


def test_singing_needs_more_than_instruments_give() -> None:
    assert tagged(Tag("singing", Span.at(0, 4), 0.85)).singing is None
    assert tagged(Tag("singing", Span.at(0, 1.5), 0.95)).singing is None
    assert tagged(Tag("singing", Span.at(0, 2.5), 0.95)).singing is True


def test_other_sounds_are_named_most_certain_first_and_once() -> None:
    tags = [Tag("Dog", Span.at(0, 1), 0.5), Tag("Water", Span.at(0, 1), 0.9), Tag("Dog", Span.at(2, 3), 0.6)]
    assert tagged(*tags).events == ("Water", "Dog")


@settings(max_examples=60, deadline=None)
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
    voice, scene = measure_voice(sound, spans, 7), measure_scene(sound, spans, tags=[], hears=ALL)
    numbers = [voice.level, voice.pitch, voice.pitch_spread, voice.rate, scene.noise, scene.snr]
    assert all(np.isfinite(number) for number in numbers if number is not None)
    assert voice.pitch is None or 55 < voice.pitch < 520
