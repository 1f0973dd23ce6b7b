"""The embedded VAD's own arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.errors import SettingsError
from captioner.models.vad import embedded
from captioner.models.vad.embedded import FRAME, Options, frame_count, levels
from tests.hearing import RATE, Heard, hiss, recording


@given(st.integers(min_value=0, max_value=5 * 3600 * RATE))
def test_frames_cover_every_sample_and_none_is_empty(samples: int) -> None:
    frames = frame_count(samples / RATE)
    assert (frames - 1) * FRAME < samples <= frames * FRAME or samples == frames == 0


@given(st.integers(min_value=0, max_value=5 * 360_000))
def test_whole_hundredths_need_no_extra_frame(hundredths: int) -> None:
    assert frame_count(hundredths * 0.01) == hundredths
    assert frame_count(round(hundredths * 0.01, 3)) == hundredths


def test_levels_are_rms_in_dbfs() -> None:
    square = np.tile([0.5, -0.5], FRAME // 2).astype(np.float32)
    full = np.ones(FRAME, np.float32) * 2
    silent = np.zeros(FRAME, np.float32)
    assert levels(np.concatenate([square, full, silent, square / 1000])).tolist() == [-6, 0, -120, -66]


@pytest.mark.parametrize("mode", [-1, 4])
def test_a_mode_that_webrtcvad_lacks_is_refused(mode: int) -> None:
    with pytest.raises(SettingsError, match=f"voiced_mode = {mode}"):
        embedded.load(Options(voiced_mode=mode))


@pytest.mark.models
def test_blocks_give_what_one_pass_over_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    said = recording("audio/jfk.flac")
    whole = embedded.load(Options()).listen([Heard(said)])[0]
    monkeypatch.setattr(embedded, "BLOCK", 2560)
    pieces = embedded.load(Options()).listen([Heard(said)])[0]
    assert pieces.voiced == whole.voiced
    assert pieces.level == whole.level
    apart = np.frombuffer(pieces.speech, np.uint8).astype(int) - np.frombuffer(whole.speech, np.uint8)
    assert np.abs(apart).max() <= 1


@pytest.mark.models
def test_speech_is_silero_as_faster_whisper_runs_it() -> None:
    from faster_whisper.vad import get_vad_model

    said = recording("audio/librispeech_1089-134686-0000.flac")
    model: Any = get_vad_model()
    theirs = model(np.pad(said, (0, -len(said) % 512)))
    ours = np.frombuffer(embedded.load(Options()).listen([Heard(said)])[0].speech, np.uint8) / 255
    middles = (np.arange(len(ours)) * 160 + 80) // 512
    assert np.abs(ours - theirs[middles]).max() < 0.004


@pytest.mark.models
def test_a_waveform_shorter_than_it_says_still_gives_every_frame() -> None:
    class Short(Heard):
        @property
        def duration(self) -> float:
            return 2.0

    activity = embedded.load(Options()).listen([Short(hiss(1.5, -30))])[0]
    level = np.frombuffer(activity.level, np.int8)
    assert len(activity) == 200
    assert (level[150:] == -120).all()
    assert (level[:150] > -35).all()
