"""Silero in torch hears what ONNX Runtime hears, of many recordings at once."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from captioner.backends import Backend
from captioner.engine import halves
from captioner.engine.halves import Halves
from captioner.errors import ModelError, OutOfMemory
from captioner.models import cuda, torch_silero
from captioner.models.events import ears
from captioner.models.torch_silero import Silero
from captioner.models.vad import embedded, silero
from captioner.models.vad.silero import FRAME, WINDOW, frame_count
from tests.hearing import RATE, Floats, Heard, hiss, recording
from tests.one_gpu import OneGpu

ALIKE = 1e-4
"""Of probabilities; measured: 3e-6 on a processor."""
models = pytest.mark.models
gpu = pytest.mark.gpu


@cache
def sounds() -> tuple[Floats, ...]:
    """Talk, a meeting, a speech, noise, silence, next to nothing, and all of them in one."""
    talk, jfk = recording("audio/falcon_3speakers.wav"), recording("audio/jfk.flac")
    meeting, silence = recording("ami/ami_ES2003a_0-30s.flac"), np.zeros(2 * RATE, np.float32)
    noise, blip, nothing = hiss(2.3, -30), talk[:150], np.zeros(0, np.float32)
    return (talk, meeting, nothing, jfk, noise, silence, blip, np.concatenate([meeting, silence, jfk, noise, talk]))


def audios() -> list[Heard]:
    return [Heard(sound) for sound in sounds()]


@cache
def native() -> list[Floats]:
    """Of each by itself, on ONNX Runtime."""
    found = []
    for sound in sounds():
        count = frame_count(len(sound) / RATE) * FRAME
        whole = np.pad(sound, (0, count - len(sound)))
        heard = silero.Silero(silero.session())
        parts = [heard(whole[first : first + 40 * WINDOW]) for first in range(0, count, 40 * WINDOW)]
        found.append(np.concatenate([np.zeros(0, np.float32), *parts]))
    return found


def assert_same(found: list[Floats]) -> None:
    for own, wanted in zip(found, native(), strict=True):
        assert own.shape == wanted.shape
        assert np.abs(own - wanted).max(initial=0.0) < ALIKE


@models
def test_many_recordings_at_once_are_heard_as_each_by_itself(torch: Any) -> None:
    assert_same(Silero(torch.device("cpu"))(audios()))
    assert max(float(one.max(initial=0)) for one in native()) > 0.9
    assert min(float(one.min(initial=1)) for one in native()) < 0.1


@gpu
@models
def test_a_gpu_hears_the_same(torch: Any) -> None:
    assert_same(Silero(torch.device("cuda:0"))(audios()))


@models
def test_hours_go_through_in_stretches(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_silero, "STRETCH", 97)
    monkeypatch.setattr(torch_silero, "TOGETHER", 300)
    monkeypatch.setattr(torch_silero, "STEPS", 40)
    asked = audios()
    assert_same(Silero(torch.device("cpu"))(asked))
    assert max(audio.largest for audio in asked) <= 97 * WINDOW, "no more in memory"


@models
def test_what_does_not_fit_goes_in_smaller_calls(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    own, sizes = Silero(torch.device("cpu")), []
    real = own._together

    def tight(some: Any) -> Any:
        sizes.append(len(some))
        if len(some) > 2:
            raise OutOfMemory("no room")
        return real(some)

    monkeypatch.setattr(own, "_together", tight)
    assert_same(own(audios()))
    assert max(sizes) > 2


@models
def test_another_network_is_refused(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from captioner.models import sessions

    other = sessions.weights("campplus-zh-en-192.onnx")
    monkeypatch.setattr(torch_silero, "weights", lambda: other)
    with pytest.raises(ModelError, match=r"silero_vad_v6\.onnx is another network"):
        Silero(torch.device("cpu"))


@models
def test_the_cores_do_the_rest_of_what_a_gpu_heard(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same activity as on the cores alone, in a process or in this one."""
    monkeypatch.setattr(cuda, "count", lambda: 1)
    monkeypatch.setattr(halves, "LEAST", 0.0)
    monkeypatch.setattr(embedded, "ALONE", 0.0)
    wanted = embedded.load(embedded.Options(device="cpu")).listen(audios())
    steps: list[float] = []
    with OneGpu("auto", True, threads=2) as loader:
        ear = loader.load(Backend("vad", "embedded", embedded, embedded.Options()), pytest.fail)
        assert isinstance(ear, Halves)
        found = ear.listen(audios(), steps.append)
    assert found == wanted
    assert sum(steps) == pytest.approx(sum(audio.duration for audio in audios()), abs=0.1)
    monkeypatch.setattr(ears, "load", lambda _: ears.Networks(torch.device("cpu")))
    assert embedded.load(embedded.Options(device="cuda:0")).listen(audios()) == wanted
