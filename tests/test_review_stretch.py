"""Slower and faster at the same pitch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from captioner.review.audio.stretch import stretched

RATE = 48_000
SPEEDS = st.floats(0.5, 2.0).map(lambda speed: round(speed, 2))


def tone(frequency: float, seconds: float = 1.5, level: float = 0.3) -> NDArray[np.int16]:
    wave = level * 32767 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)
    return np.stack([wave, wave], axis=1).astype(np.int16)


def inside(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """Mono without the ends."""
    edge = RATE // 10
    return samples[edge:-edge].astype(np.float64).mean(axis=1)


def pitch(samples: NDArray[np.int16]) -> float:
    """Hz of the strongest partial, by a padded spectrum and a parabola through its top."""
    mono = inside(samples)
    size = 8 * len(mono)
    level = np.log(np.abs(np.fft.rfft(mono * np.hanning(len(mono)), size)) + 1e-9)
    top = int(level.argmax())
    left, middle, right = level[top - 1 : top + 2]
    return float((top + 0.5 * (left - right) / (left - 2 * middle + right)) * RATE / size)


@settings(max_examples=40, deadline=None)
@given(st.floats(80, 1000), SPEEDS)
def test_pitch_is_kept(frequency: float, speed: float) -> None:
    assert pitch(stretched(tone(frequency), speed)) == pytest.approx(frequency, rel=0.005)


@settings(max_examples=40, deadline=None)
@given(st.floats(80, 1000), SPEEDS)
def test_loudness_is_kept(frequency: float, speed: float) -> None:
    before, after = (
        np.sqrt(np.square(inside(one)).mean()) for one in (tone(frequency), stretched(tone(frequency), speed))
    )
    assert 20 * abs(np.log10(after / before)) < 1.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 6000), SPEEDS, st.integers(1, 2), st.integers(0, 2**32 - 1))
def test_length_and_channels_are_what_they_should_be(count: int, speed: float, channels: int, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(-32768, 32767, (count, channels), dtype=np.int16)
    made = stretched(noise, speed)
    assert made.dtype == np.int16
    assert made.shape == (round(count / speed), channels)


@settings(max_examples=20, deadline=None)
@given(SPEEDS, st.integers(0, 2**32 - 1))
def test_both_channels_move_alike(speed: float, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(-9000, 9000, 30_000, dtype=np.int16)
    made = stretched(np.stack([noise, -noise], axis=1), speed)
    assert np.abs(made[:, 0].astype(int) + made[:, 1]).max() <= 1


def test_at_its_own_speed_nothing_changes() -> None:
    assert np.array_equal(stretched(tone(200), 1.0), tone(200))


@pytest.mark.parametrize("speed", [0.5, 0.75, 1.5, 2.0])
def test_what_is_heard_when_stays_in_its_place(speed: float) -> None:
    clicks = np.zeros((2 * RATE, 2), dtype=np.int16)
    clicks[RATE // 2 : RATE // 2 + 2000] = tone(1000, 2000 / RATE)
    clicks[3 * RATE // 2 : 3 * RATE // 2 + 2000] = tone(1000, 2000 / RATE)
    loud = np.flatnonzero(np.abs(stretched(clicks, speed)[:, 0]) > 3000) / RATE * speed
    for time in (0.5, 1.5):
        near = loud[np.abs(loud - time - 0.02) < 0.4]
        assert near.size
        assert abs(near.min() - time) < 0.03 * max(1, speed)
        assert abs(near.max() - time - 2000 / RATE) < 0.03 * max(1, speed) + 0.02


def test_silence_stays_silent() -> None:
    assert not stretched(np.zeros((RATE, 2), dtype=np.int16), 0.7).any()
