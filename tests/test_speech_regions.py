"""Where somebody speaks and where a cut may be made."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.speech.regions import distance, listen, quiet, runs, speech_regions, talking, webrtc_is_useless
from captioner.times import Span
from captioner.types import STEP, Activity


def activity(*parts: tuple[int, float, int, int]) -> Activity:
    """(frames, Silero probability, webrtcvad, dBFS) one after another."""
    speech = b"".join(bytes([round(p * 255)]) * n for n, p, _, _ in parts)
    voiced = b"".join(bytes([v]) * n for n, _, v, _ in parts)
    level = np.concatenate([np.full(n, db, np.int8) for n, _, _, db in parts] or [np.zeros(0, np.int8)])
    return Activity(speech, voiced, level.tobytes())


SILENCE = (100, 0.0, 0, -70)
TALK = (100, 0.98, 1, -20)


def test_a_region_reaches_as_far_as_silero_stays_above_the_release() -> None:
    heard = activity(SILENCE, (10, 0.4, 0, -30), TALK, (10, 0.4, 0, -30), SILENCE)
    assert speech_regions(heard) == (Span(1.0, 2.2),)


def test_what_never_reaches_the_threshold_is_no_region() -> None:
    assert speech_regions(activity(SILENCE, (50, 0.45, 0, -30), SILENCE)) == ()


def test_short_gaps_are_closed_and_short_regions_dropped() -> None:
    heard = activity((5, 0.9, 1, -20), (9, 0.0, 0, -70), (5, 0.9, 1, -20), SILENCE, (9, 0.9, 1, -20))
    assert speech_regions(heard) == (Span(0.0, 0.19),)
    assert speech_regions(heard, least=0.05, join=0.05) == (Span(0.0, 0.05), Span(0.14, 0.19), Span(1.19, 1.28))


def test_pads_stay_inside_and_padded_regions_that_meet_are_one() -> None:
    heard = activity((20, 0.9, 1, -20), (30, 0.0, 0, -70), (20, 0.9, 1, -20))
    assert speech_regions(heard, pad=0.1) == (Span(0.0, 0.3), Span(0.4, 0.7))
    assert speech_regions(heard, pad=0.15) == (Span(0.0, 0.7),)


@given(st.binary(max_size=400))
def test_regions_are_ordered_apart_and_inside(speech: bytes) -> None:
    heard = Activity(speech, bytes(len(speech)), bytes(len(speech)))
    regions = speech_regions(heard)
    assert all(0 <= span.start < span.end <= len(speech) * STEP + 1e-9 for span in regions)
    assert all(b.start - a.end >= 0.1 - 1e-9 for a, b in pairwise(regions))
    sure = sum(max(speech[round(s.start / STEP) : round(s.end / STEP)]) >= 127 for s in regions)
    assert sure == len(regions)


def test_nothing_is_quiet_inside_speech_and_all_of_silence_is() -> None:
    mask = quiet(activity(SILENCE, TALK, SILENCE))
    assert not mask[100:200].any()
    assert mask[:99].all()
    assert mask[203:].all()


def test_a_loud_onset_before_silero_wakes_up_is_speech() -> None:
    heard = activity(SILENCE, (5, 0.08, 0, -25), TALK, SILENCE)
    assert talking(listen(heard))[100:105].all()
    assert not quiet(heard)[100:105].any()


def test_the_dying_end_of_silero_in_silence_is_not_speech() -> None:
    heard = activity(SILENCE, TALK, (6, 0.5, 1, -70), SILENCE)
    assert not talking(listen(heard))[203:206].any()


def test_the_dip_of_a_stop_inside_a_word_is_not_quiet() -> None:
    heard = activity(SILENCE, TALK, (6, 0.4, 1, -60), TALK, SILENCE)
    assert not quiet(heard)[200:206].any()


def test_a_short_pause_is_quiet_though_webrtcvad_hangs_on() -> None:
    heard = activity(SILENCE, TALK, (15, 0.05, 1, -68), TALK, SILENCE)
    assert quiet(heard)[203:212].all()


def test_a_pause_that_webrtcvad_calls_voiced_throughout_is_left_to_silero() -> None:
    heard = activity(SILENCE, TALK, (60, 0.05, 1, -68), TALK, SILENCE)
    assert not webrtc_is_useless(listen(heard))
    assert quiet(heard)[203:257].all()


def test_webrtcvad_chooses_inside_a_long_pause() -> None:
    pause = [(40, 0.0, 0, -70), (20, 0.02, 1, -62), (40, 0.0, 0, -70)]
    mask = quiet(activity(SILENCE, TALK, *pause, TALK, SILENCE))
    assert not mask[241:259].any()
    assert mask[210:240].all()
    assert mask[262:290].all()


def test_webrtcvad_is_ignored_where_noise_keeps_it_on() -> None:
    noise = (100, 0.0, 1, -40)
    heard = activity(noise, TALK, (40, 0.0, 0, -40), (60, 0.0, 1, -40), TALK, noise)
    assert webrtc_is_useless(listen(heard))
    assert quiet(heard)[250:295].all()
    assert not webrtc_is_useless(listen(activity(SILENCE, TALK, SILENCE)))


def test_sound_far_above_the_background_is_not_quiet() -> None:
    mask = quiet(activity((200, 0.0, 0, -70), (30, 0.0, 0, -30), (200, 0.0, 0, -70)))
    assert not mask[203:227].any()
    assert mask[:195].all()


def test_a_frame_of_digital_silence_does_not_lower_the_floor() -> None:
    noisy = [(149, 0.0, 0, -40), (2, 0.0, 0, -120)] * 4
    assert quiet(activity(*noisy)).mean() > 0.95


@settings(max_examples=100)
@given(st.lists(st.booleans(), max_size=60))
def test_runs_and_distances(values: list[bool]) -> None:
    mask = np.array(values, np.bool_)
    assert [i for a, b in runs(mask) for i in range(a, b)] == [i for i, v in enumerate(values) if v]
    true = [i for i, v in enumerate(values) if v]
    expected = [min((abs(i - j) for j in true), default=np.inf) * STEP for i in range(len(values))]
    assert np.allclose(distance(mask), expected)


def test_an_empty_activity_is_all_right() -> None:
    empty = activity()
    assert speech_regions(empty) == ()
    assert len(quiet(empty)) == 0


def test_a_second_ear_adds_what_silero_missed_and_nothing_short() -> None:
    second = (Span.at(0.2, 2.5), Span.at(6, 6.5))
    heard = Activity(bytes([250] * 100 + [0] * 900), bytes(1000), bytes([200] * 1000), second)
    assert speech_regions(heard) == (Span.at(0.0, 2.5),), "0.5 s of a coarse ear alone are no proof"


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=5))
def test_a_second_ear_takes_nothing_away_and_keeps_order(parts: list[tuple[int, int]]) -> None:
    second = tuple(sorted(Span.at(start / 4, (start + length) / 4) for start, length in parts))
    heard = Activity(bytes(([255] * 60 + [0] * 60) * 10), bytes(1200), bytes([200] * 1200), second)
    found = speech_regions(heard)
    assert all(any(region.contains(span) for region in found) for span in speech_regions(replace(heard, second=())))
    assert all(a.end < b.start for a, b in pairwise(found))
