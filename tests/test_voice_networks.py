"""The networks of the voice measures in torch: of many clips at once they say what ONNX Runtime says of each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from captioner.backends import Backend
from captioner.engine import halves
from captioner.engine.halves import Halves
from captioner.engine.loading import CPU, Models
from captioner.errors import BackendMissing, ModelError, OutOfMemory
from captioner.measures import Measures
from captioner.media.pcm import Samples16k
from captioner.models import cuda
from captioner.models.embedding import Embedder, banks
from captioner.models.onnxfile import Graph, read
from captioner.models.protocols import Excerpt
from captioner.models.voice import measured, networks
from captioner.models.voice.hearing import Hearing, Listened
from captioner.models.voice.pitch import Tracker
from captioner.models.voice.voiceprint import print_of, spoken_frames, stretches, voiceprint
from captioner.times import Span
from tests.hearing import RATE, Floats, hiss, recording
from tests.one_gpu import OneGpu

models = pytest.mark.models
gpu = pytest.mark.gpu


@cache
def speech() -> Floats:
    """Several speakers, one after the other."""
    return np.concatenate([recording("audio/falcon_3speakers.wav"), recording("audio/jfk.flac")])


def clip(sound: Floats, *spans: tuple[float, float]) -> Excerpt:
    own = spans or ((0.2, len(sound) / RATE - 0.1),)
    return Excerpt(Samples16k(sound), tuple(Span.at(*span) for span in own), 9)


def clips() -> list[Excerpt]:
    """Of many lengths, long pauses, none or little speech, silence and next to nothing."""
    sound = speech()
    chance = np.random.default_rng(5)
    made = []
    for seconds in (1.1, 1.9, 2.6, 3.3, 4.2, 4.9, 5.0, 6.1, 9.7):
        at = int(chance.integers(0, len(sound) - int(seconds * RATE)))
        made.append(clip(sound[at : at + int(seconds * RATE)]))
    at = 20 * RATE
    return [
        *made,
        clip(sound[at : at + 5 * RATE], (0.4, 1.2), (2.6, 4.4)),
        clip(sound[at : at + 5 * RATE], (0.0, 5.0)),
        replace(clip(hiss(2.0, -30)), speech=()),
        clip(np.zeros(2 * RATE, np.float32)),
        clip(sound[at : at + RATE // 4], (0.0, 0.25)),
        clip(sound[at : at + 100], (0.0, 0.006)),
        clip(sound[at : at + 3 * RATE] * np.float32(0.01)),
    ]


def cosine(one: bytes, other: bytes) -> float:
    a, b = (np.frombuffer(packed, np.int8).astype(float) for packed in (one, other))
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def assert_alike(found: Sequence[Measures], wanted: Sequence[Measures]) -> None:
    """But for rounding: a step of the last digit that is kept."""
    steps = {"voice": {"pitch": 0.11}, "quality": dict.fromkeys(("speech", "background", "overall"), 0.011)}
    for one, other in zip(found, wanted, strict=True):
        assert one.scene == other.scene
        for part in ("voice", "quality"):
            for name in type(getattr(one, part)).__dataclass_fields__:
                mine, theirs = getattr(getattr(one, part), name), getattr(getattr(other, part), name)
                assert (mine is None) == (theirs is None), (part, name)
                assert mine == pytest.approx(theirs, abs=steps[part].get(name, 0.051)), (part, name)
        for name in ("vector", "first", "second"):
            mine, theirs = getattr(one.voiceprint, name), getattr(other.voiceprint, name)
            assert len(mine) == len(theirs)
            assert not mine or cosine(mine, theirs) > 0.9995, "kept in bytes"
        assert one.voiceprint.halves == pytest.approx(other.voiceprint.halves, abs=0.0011)


@cache
def on_cpu() -> list[Measures]:
    return measured.load(measured.Options(threads=2, device="cpu")).measure(clips())


# --- each network, on the CPU and on a GPU where there is one --------------------------------------------------------


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=gpu)])
def device(request: pytest.FixtureRequest, torch: Any) -> Any:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    return torch.device(request.param)


@models
def test_filter_banks_are_kaldis(torch: Any, device: Any) -> None:
    from captioner.models.torch_campplus import Banks

    sound = np.concatenate([speech()[: 10 * RATE], hiss(1.0, -60), np.zeros(RATE, np.float32)])
    wanted = banks(sound)
    starts = torch.arange(len(wanted), device=device) * 160
    found = Banks(device)(torch.from_numpy(sound).to(device), starts).cpu().numpy()
    # A GPU's Fourier transform rounds otherwise, which shows in the quietest bands.
    assert np.abs(found - wanted).max() < (1e-3 if device.type == "cpu" else 3e-3)


@models
def test_voices_of_any_length_are_embedded_together_as_each_alone(torch: Any, device: Any) -> None:
    from captioner.models.torch_campplus import CamPlus

    rows = banks(speech()[: 40 * RATE])
    lengths = [60, 61, 99, 124, 125, 126, 199, 200, 201, 202, 249, 250, 250, 413]
    parts = [rows[(at := 150 * place) : at + length] for place, length in enumerate(lengths)]
    embedder = Embedder(1)
    wanted = np.stack([embedder.embed(part) for part in parts])
    found = CamPlus(device).embed(torch.from_numpy(np.concatenate(parts)).to(device), lengths)
    assert (found * wanted).sum(axis=1).min() > 0.99999
    assert np.abs(found - wanted).max() < 1e-4
    assert (wanted[0] @ wanted[5]) < 0.999, "they differ from each other"


@models
def test_dnsmos_scores_many_pieces_as_each_alone(torch: Any, device: Any) -> None:
    from captioner.models.voice.mos import Opinion, pieces, quality
    from captioner.models.voice.torch_mos import Scores

    sounds = [one.samples for one in clips()]
    opinion, scores = Opinion(1), Scores(device)
    own = [pieces(sound) for sound in sounds]
    answers = iter(scores([piece for mine in own for piece in mine]))
    for sound, mine in zip(sounds, own, strict=True):
        found, wanted = quality([next(answers) for _ in mine]), opinion(sound)
        for name in ("speech", "background", "overall"):
            assert getattr(found, name) == pytest.approx(getattr(wanted, name), abs=0.011)
    assert next(answers, None) is None
    assert scores([]) == []


@models
def test_pitch_of_any_length_is_tracked_together_as_each_alone(torch: Any, device: Any) -> None:
    from captioner.models.voice.torch_pitch import Tracks

    sounds = [one.samples for one in clips()] + [speech()[: 32 * RATE], np.zeros(0, np.float32)]
    tracker = Tracker(1)
    differ = 0
    for sound, found in zip(sounds, Tracks(device)(sounds), strict=True):
        wanted = tracker(sound)
        assert found.pitch.shape == wanted.pitch.shape == found.voiced.shape
        differ += int((found.voiced != wanted.voiced).sum())
        # A frame without a voice has no best pitch: on a GPU rounding may choose another.
        both = found.voiced & wanted.voiced if device.type == "cuda" else wanted.pitch > 0
        assert np.abs(found.pitch[both] / wanted.pitch[both] - 1).max(initial=0) < 1e-3
    assert differ <= 2, "of thousands: those at the very limit"


@models
def test_clips_are_measured_as_on_the_cpu(device: Any) -> None:
    told: list[float] = []
    meter = measured.load(measured.Options(threads=2, device="cpu"))
    heard = networks.Networks(device).measure(clips(), told.append)
    assert told == [len(one.samples) / RATE for one in clips()]
    found = meter.measure([measured.both(one, own) for one, own in zip(clips(), heard, strict=True)])
    assert_alike(found, on_cpu())
    assert found[11].quality.overall is None, "nobody speaks in it"
    assert networks.Networks(device).measure([]) == []


@models
def test_in_one_process_a_gpu_hears_a_batch_first(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def on(options: measured.Options) -> networks.Networks:
        asked.append(options.device)
        return networks.Networks(torch.device("cpu"))

    monkeypatch.setattr(networks, "load", on)
    monkeypatch.setattr(measured, "Hearing", None)  # nothing is heard twice
    meter = measured.load(measured.Options(threads=2, device="cuda:1"))
    told: list[float] = []
    assert_alike(meter.measure(clips()[:6], told.append), on_cpu()[:6])
    assert (asked, len(told)) == (["cuda:1"], 6)


@gpu
@models
def test_a_gpu_is_warm_before_its_first_clip(torch: Any) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    networks.load(measured.Options(device="cuda:0"))
    assert torch.cuda.max_memory_allocated("cuda:0") > 100 << 20


# --- batches, and where they run -------------------------------------------------------------------------------------


@models
def test_calls_are_halved_where_memory_runs_out(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from captioner.models import torch_campplus
    from captioner.models.voice import torch_mos, torch_pitch

    whole = networks.Networks(torch.device("cpu"))
    wanted = whole.measure(clips())
    sizes: list[int] = []

    def tight(kind: Any, name: str, count: Any) -> None:
        real = getattr(kind, name)

        def call(self: Any, *given: Any) -> Any:
            sizes.append(count(*given))
            if sizes[-1] > 3:
                raise OutOfMemory("no room")
            return real(self, *given)

        monkeypatch.setattr(kind, name, call)

    tight(torch_campplus.CamPlus, "embed", lambda _, lengths: len(lengths))
    tight(torch_mos.Scores, "_run", len)
    tight(torch_pitch.Tracks, "_run", len)
    found = networks.Networks(torch.device("cpu")).measure(clips())
    assert max(sizes) > 3
    for one, other in zip(found, wanted, strict=True):
        assert one.opinion == other.opinion
        assert one.track.voiced.tolist() == other.track.voiced.tolist()
        assert one.voiceprint.halves == pytest.approx(other.voiceprint.halves, abs=0.0011)


@models
def test_a_build_has_the_networks_in_one_process_and_the_rest_in_others(
    torch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert measured.on_gpu() == (torch is not None)
    monkeypatch.setattr(cuda, "count", lambda: 1)
    monkeypatch.setattr(halves, "LEAST", 0.0)
    said: list[str] = []
    with OneGpu("auto", True, threads=4) as loader:
        model = loader.load(Backend("voice", "measured", measured, measured.Options(threads=4)), said.append)
        assert isinstance(model, Halves)
        assert_alike(model.measure(clips()), on_cpu())
        assert sorted(loader._houses) == [*(f"models on cpu {one}" for one in range(4)), "networks on cuda:0"]
    assert said == []


@models
def test_where_the_gpu_cannot_be_had_all_goes_on_on_the_cpu_and_it_is_told(
    torch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if torch.cuda.is_available():
        pytest.skip("it can")
    monkeypatch.setattr(cuda, "count", lambda: 1)
    for contain in (True, False):
        said: list[str] = []
        monkeypatch.setattr(halves, "LEAST", 0.0)
        with Models("auto", contain, threads=2) as loader:
            model = loader.load(Backend("voice", "measured", measured, measured.Options(threads=2)), said.append)
            assert_alike(model.measure(clips()[:3]), on_cpu()[:3])
        assert len(said) == 1
        assert said[0].startswith("voice measured: not on cuda:0 (torch ")
        assert "finds no GPU" in said[0]
        assert said[0].endswith("goes on on cpu")


def test_without_torch_the_cpu_is_taken_and_one_who_asks_for_a_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "count", lambda: 1)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendMissing, match=r"captioner\[gpu\]"):
        measured.load(measured.Options(device="cuda:0"))
    for installed, devices in ((False, [CPU]), (True, ["cuda:0"])):
        monkeypatch.setattr(measured, "on_gpu", lambda installed=installed: installed)
        with Models("auto", contain=True) as loader:
            assert loader._devices(Backend("voice", "measured", measured, measured.Options())) == devices
            assert loader._devices(Backend("voice", "measured", measured, measured.Options(device="cpu"))) == [CPU]


def test_nothing_of_torch_is_imported_before_it_is_asked_for() -> None:
    code = "import sys, captioner.models.voice.networks, captioner.models.voice.rest; assert 'torch' not in sys.modules"
    import subprocess

    root = Path(__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@models
def test_another_network_is_refused(torch: Any) -> None:
    from captioner.models.torch_layers import Layers

    weights = files("captioner.models.weights")
    mos = read((weights / "dnsmos-p835.onnx").read_bytes())
    layers = Layers(mos, "a file", torch.device("cpu"))
    with pytest.raises(ModelError, match=r"a file is another network .* not \(32, 1, 3, 3\)"):
        layers.conv(32, 1, 3, 3)
    with pytest.raises(ModelError, match="too few of BatchNormalization"):
        layers.norm(8)
    with pytest.raises(ModelError, match="more of Conv"):
        layers.end()
    none = Layers(Graph((), {}), "a file", torch.device("cpu"))
    none.end()


# --- the parts that both share ---------------------------------------------------------------------------------------


@models
def test_a_print_is_that_of_its_halves() -> None:
    embedder = Embedder(1)
    sound = speech()[20 * RATE : 26 * RATE]
    whole = voiceprint(embedder, sound, [Span.at(0.0, 6.0)])
    rows = banks(sound)
    frames = spoken_frames(len(rows), [Span.at(0.0, 6.0)])
    first, second = stretches(frames)
    assert (first[0], second[-1]) == (frames[0], frames[-1]), "from their outer ends"
    assert whole == print_of(frames, [embedder.embed(rows[first]), embedder.embed(rows[second])])
    short = frames[:100]
    (only,) = stretches(short)
    assert only.tolist() == short.tolist()
    lone = print_of(short, [embedder.embed(rows[only])])
    assert len(lone.vector) == 192
    assert (lone.halves, lone.first) == (None, b"")
    assert stretches(frames[:59]) == []
    assert print_of(frames[:59], []).vector == b""


@models
def test_a_clip_is_heard_the_same_with_answers_and_without() -> None:
    hearing, meter = Hearing(), measured.load(measured.Options(threads=1, device="cpu"))
    batch = clips()[3:6]
    mixed: list[Excerpt | Listened] = [batch[0], measured.both(batch[1], hearing(batch[1])), batch[2]]
    assert meter.measure(mixed) == meter.measure(batch)
