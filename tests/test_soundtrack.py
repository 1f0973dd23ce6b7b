"""Sound at a multiple of its rate is what the field's own resampler makes of it, wherever a cut begins."""

from __future__ import annotations

import subprocess
import sys
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from captioner.media.probe import probe
from captioner.media.soundtrack import Track, multiplied, stereo_blocks
from captioner.types import Recording


@pytest.mark.parametrize("up", [2, 3, 4, 6])
@pytest.mark.parametrize("count", [1, 47, 16_384, 50_001])
def test_the_same_sound_as_the_fields_own_resampler(up: int, count: int) -> None:
    from scipy.signal import firwin, resample_poly

    samples = np.random.default_rng(count).uniform(-1, 1, (count, 2)).astype(np.float32)
    taps = firwin(2 * 48 * up + 1, 0.965 / up, window=("kaiser", 9.0)).astype(np.float32)
    wanted = resample_poly(samples, up, 1, axis=0, window=taps)
    made = multiplied(samples, up)
    assert made.shape == wanted.shape
    assert made.dtype == np.float32
    # Where a compiler joins multiplication and addition, the last bit may be another.
    assert np.abs(made - wanted).max() <= 2e-6


def test_a_sample_is_the_same_whatever_was_read_before() -> None:
    samples = np.random.default_rng(1).uniform(-1, 1, (60_000, 1)).astype(np.float32).repeat(2, axis=1)

    def track() -> Track:
        return Track([(0, samples)], 16_000, 1)

    whole = track().read(0, 180_000)
    for first, count in ((0, 5000), (1, 77), (49_151, 3), (100_001, 60_000)):
        assert np.array_equal(track().read(first, count), whole[first : first + count])


@pytest.mark.parametrize(("rate", "channels", "width"), [(16_000, 1, 2), (48_000, 2, 2), (44_100, 2, 1)])
def test_what_is_read_from_the_middle_is_what_the_whole_has_there(
    tmp_path: Path, rate: int, channels: int, width: int
) -> None:
    path = tmp_path / "take.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(np.random.default_rng(3).bytes(20 * rate * channels * width))
    audio, video = probe(path)
    recording = Recording(str(path), path.name, "take", "content", audio, video)
    whole = list(stereo_blocks(recording, Fraction(0)))
    sound = np.concatenate([samples for _, samples in whole])
    first, count = 12 * 48_000 + 7, 3 * 48_000
    wanted = Track(whole, rate, channels).read(first, count)
    for since in (Fraction(first, 48_000), Fraction(11), Fraction(0), Fraction(1, 2)):
        blocks = list(stereo_blocks(recording, Fraction(0), since))
        assert blocks[0][0] <= max(0, since * rate - 90)
        for start, samples in blocks:
            assert np.array_equal(samples, sound[start : start + len(samples)])
        assert np.array_equal(Track(blocks, rate, channels).read(first, count), wanted)
    late = next(stereo_blocks(recording, Fraction(0), Fraction(12)))[0]
    assert late >= 10 * rate


def test_speech_is_brought_to_48_khz_without_a_second_of_imports() -> None:
    code = (
        "import sys, numpy as np; from captioner.media.soundtrack import Track; "
        "Track([(0, np.zeros((9000, 2), np.float32))], 16000, 1).read(100, 9000); "
        "sys.exit('scipy.signal' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
