"""What every VAD backend does."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest

from captioner.models.protocols import Vad
from captioner.models.registry import backend_module, backends
from captioner.types import STEP, Activity
from tests.hearing import RATE, Heard, hiss, recording

pytestmark = pytest.mark.models


@pytest.fixture(scope="module", params=sorted(backends("vad")))
def vad(request: pytest.FixtureRequest) -> Vad:
    module = backend_module("vad", request.param)
    assert isinstance(module.VERSION, str)
    loaded: Vad = module.load(module.Options())
    return loaded


def arrays(activity: Activity) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.frombuffer(activity.speech, np.uint8) / 255,
        np.frombuffer(activity.voiced, np.uint8),
        np.frombuffer(activity.level, np.int8),
    )


@pytest.mark.parametrize("samples", [1, 159, 160, 161, 640, 16_000, 16_001, 481_280, 481_281, 700_001])
def test_there_is_one_frame_for_every_10_ms_begun(vad: Vad, samples: int) -> None:
    activity = vad.listen([Heard(hiss(samples / RATE, -40))])[0]
    assert {len(activity.speech), len(activity.voiced), len(activity.level)} == {ceil(samples / (RATE * STEP))}


def test_no_recordings_give_no_results(vad: Vad) -> None:
    assert vad.listen([]) == []


@pytest.mark.parametrize("duration", [0.04, 3.0])
def test_digital_silence_is_neither_speech_nor_loud(vad: Vad, duration: float) -> None:
    speech, voiced, level = arrays(vad.listen([Heard(np.zeros(round(duration * RATE), np.float32))])[0])
    assert speech.max() < 0.3
    assert voiced.max() == 0
    assert (level == -120).all()


def test_noise_is_not_speech_and_has_its_level(vad: Vad) -> None:
    speech, _, level = arrays(vad.listen([Heard(hiss(3.0, -30))])[0])
    assert speech.max() < 0.3
    assert np.abs(level + 30).max() <= 1.5


def test_speech_between_silences_is_found_in_its_place(vad: Vad) -> None:
    said = recording("audio/librispeech_1089-134686-0001.flac")
    pause = hiss(2.0, -65)
    speech, voiced, _ = arrays(vad.listen([Heard(np.concatenate([pause, said, pause]))])[0])
    first, last = 200, 200 + len(said) // 160
    assert (speech[first + 30 : last - 30] > 0.5).mean() > 0.7
    assert (speech[: first - 5] > 0.5).sum() == 0
    assert (speech[last + 5 :] > 0.5).sum() == 0
    assert voiced[first:last].mean() > 0.7
    assert voiced[20 : first - 5].mean() < 0.1


def test_water_and_a_dog_are_not_speech(vad: Vad) -> None:
    for name in ("sound/stream_of_water.mp4", "sound/esc10_dog_1-100032-A-0.wav"):
        speech, _, _ = arrays(vad.listen([Heard(recording(name))])[0])
        assert (speech > 0.5).mean() < 0.02, name


def test_neighbours_in_the_batch_change_nothing(vad: Vad) -> None:
    said = recording("audio/jfk.flac")
    batch = [Heard(hiss(0.04, -20)), Heard(said), Heard(hiss(5.0, -20)), Heard(said)]
    together = vad.listen(batch)
    alone = [vad.listen([one])[0] for one in batch]
    assert together == alone


def test_a_long_recording_is_read_in_pieces_that_leave_no_seam(vad: Vad) -> None:
    """Nine times the same 11 s: the speech after a seam is found as it was before."""
    said = recording("audio/jfk.flac")
    said = said[: len(said) // 2560 * 2560]  # whole frames and whole Silero windows: every round is judged alike
    long = Heard(np.tile(said, 9))
    speech, _, level = arrays(vad.listen([long])[0])
    once = len(said) // 160
    rounds, loud = speech.reshape(9, once), level.reshape(9, once)
    assert long.largest <= 120 * RATE
    assert ((rounds > 0.5) == (rounds[1] > 0.5))[1:].mean() > 0.98
    assert (loud == loud[0]).all()


def test_progress_adds_up_to_the_duration(vad: Vad) -> None:
    told: list[float] = []
    vad.listen([Heard(hiss(45.0, -40)), Heard(hiss(1.0, -40))], told.append)
    assert sum(told) == pytest.approx(46.0, abs=0.05)
    assert min(told) > 0
