"""The default diarizer's networks in torch: of many recordings at once they say what ONNX Runtime says of each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.backends import Backend
from captioner.engine.fleet import Fleet
from captioner.engine.loading import CORES_A_HOUSE, Models
from captioner.errors import BackendMissing, ModelError, OutOfMemory
from captioner.media.probe import probe
from captioner.media.sound import PcmFile, decode_speech
from captioner.models import cuda, sessions, torch_layers
from captioner.models.diarizer import embedded, networks, torch_networks, windows
from captioner.models.diarizer.stretches import Stretch, Window, bank_frames
from captioner.models.diarizer.torch_networks import gathered
from captioner.models.diarizer.turnlets import Unit
from captioner.models.embedding import banks
from captioner.models.protocols import SpeakerHint
from captioner.models.sessions import session
from captioner.types import Diarization
from tests.hearing import RATE, Floats, Heard, hiss, recording
from tests.one_gpu import OneGpu

models = pytest.mark.models
gpu = pytest.mark.gpu
ANY = SpeakerHint()
SAMPLES = Path(__file__).parent.parent / "sample_dataset" / "raw"


@cache
def sounds() -> dict[str, Floats]:
    """Meetings, lone voices, quick changes of voice, noise, silence and next to nothing."""
    one, two = recording("audio/jfk.flac"), recording("audio/librispeech_1089-134686-0001.flac")
    return {
        "meeting": recording("audio/falcon_3speakers.wav"),
        "turns": recording("grid/grid_turns.mp4"),
        "one": one,
        "no pause": np.concatenate([one[: 4 * RATE] * np.float32(0.4), two[RATE // 2 :], one[5 * RATE :]]),
        "hiss": hiss(12.0, -30),
        "silence": np.zeros(3 * RATE, np.float32),
        "blip": hiss(0.01, -20),
        "nothing": np.zeros(0, np.float32),
    }


def audios() -> list[Heard]:
    return [Heard(sound) for sound in sounds().values()]


@cache
def on_cpu() -> list[Diarization]:
    return embedded.load(embedded.Options(threads=2, device="cpu")).diarize(audios(), ANY)


def frames_of(found: Diarization, seconds: float) -> set[tuple[str, int]]:
    """Who speaks in which network frame."""
    step = windows.HOP / windows.RATE
    middles = (np.arange(int(seconds / step)) + 0.5) * step
    return {
        (turn.speaker, int(frame))
        for turn in found.turns
        for frame in np.flatnonzero((middles >= turn.span.start) & (middles < turn.span.end))
    }


def assert_alike(found: Sequence[Diarization], wanted: Sequence[Diarization], heard: Sequence[Any]) -> None:
    """The same people in the same frames, but for one in a thousand; the same voices."""
    for one, other, audio in zip(found, wanted, heard, strict=True):
        mine, theirs = frames_of(one, audio.duration), frames_of(other, audio.duration)
        assert len(mine ^ theirs) <= max(len(theirs) / 1000, 1 if theirs else 0)
        assert set(one.embeddings) == set(other.embeddings)
        for name, voice in one.embeddings.items():
            assert float(np.dot(voice, other.embeddings[name])) > 0.999


def in_torch(device: Any, together: int = torch_networks.TOGETHER) -> embedded._Embedded:
    return embedded._Embedded(embedded.Options(), torch_networks.Networks(device, together))


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=gpu)])
def device(request: pytest.FixtureRequest, torch: Any) -> Any:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    return torch.device(request.param)


# --- the networks ----------------------------------------------------------------------------------------------------


@models
def test_windows_are_segmented_together_as_by_onnx_runtime(torch: Any, device: Any) -> None:
    from captioner.models.diarizer.torch_segmentation import Segmentation
    from captioner.models.torch_layers import computing

    asked = [Window(audio, first) for audio in audios()[:5] for first in windows.starts(len(audio.samples))[:6]]
    waves = np.zeros((len(asked), windows.WINDOW), np.float32)
    for row, window in zip(waves, asked, strict=True):
        samples = window.read()
        row[: len(samples)] = samples
    (wanted,) = session("segmentation-3.0.onnx", 2).run({"waveform": waves[:, None]})
    network = Segmentation(device)
    with computing("a test"):
        given_ = torch.from_numpy(waves).to(device)
        logits, classes = network.logits(given_).log_softmax(dim=2).cpu().numpy(), network(given_).cpu().numpy()
    assert logits.shape == (len(asked), windows.FRAMES, 7)
    # Where a class is as good as ruled out its logarithm says nothing; the others are close.
    assert np.abs(logits - wanted)[wanted > -10].max() < 0.02
    assert (classes != wanted.argmax(axis=2)).sum() <= classes.size / 2000
    assert len(np.unique(classes)) >= 4, "silence, and several people"


@models
def test_windows_are_heard_alone_whatever_is_beside_them(device: Any) -> None:
    ears = torch_networks.Networks(device, 5)
    asked = [Window(audio, first) for audio in audios()[:4] for first in windows.starts(len(audio.samples))[:4]]
    together = list(ears.segment(asked))
    for window, local in zip(asked, together, strict=True):
        (alone,) = ears.segment([window])
        assert (alone != local).sum() <= 2
    assert list(ears.segment([])) == list(ears.search([])) == list(ears.embed([])) == []


@models
def test_stretches_may_lie_anywhere_and_overlap(torch: Any, device: Any) -> None:
    from captioner.models.torch_campplus import CamPlus

    rows = banks(sounds()["meeting"][: 20 * RATE])
    on = torch.from_numpy(rows).to(device)
    network = CamPlus(device)
    spans = [(900, 120), (0, 600), (930, 80), (930, 81), (100, 15), (len(rows) - 130, 130)]
    found = network.embed_at(on, [start for start, _ in spans], [length for _, length in spans])
    for vector, (start, length) in zip(found, spans, strict=True):
        (alone,) = network.embed(on[start : start + length], [length])
        assert float(vector @ alone) > 0.99999


@models
def test_a_stretch_without_sound_has_no_voice_and_no_change(device: Any) -> None:
    nowhere = Stretch(Heard(np.zeros(RATE, np.float32)), Unit(0, 0, 100, 300, np.ones(200, np.bool_)))
    short = Stretch(Heard(hiss(1.0, -20)), Unit(0, 0, 10, 15, np.ones(5, np.bool_)))
    ears = torch_networks.Networks(device)
    for asked in ([nowhere], [short, nowhere]):
        assert list(ears.search(asked)) == [[]] * len(asked)
        assert not np.any(list(ears.embed(asked)))


@models
def test_another_file_is_refused(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from captioner.models.diarizer import torch_segmentation

    monkeypatch.setattr(torch_segmentation, "WEIGHTS", "dnsmos-p835.onnx")
    with pytest.raises(ModelError, match=r"dnsmos-p835\.onnx is another network"):
        torch_segmentation.Segmentation(torch.device("cpu"))


# --- the whole -------------------------------------------------------------------------------------------------------


@models
def test_many_recordings_are_diarized_as_by_onnx_runtime(device: Any) -> None:
    told: list[float] = []
    found = in_torch(device).diarize(audios(), ANY, told.append)
    assert_alike(found, on_cpu(), audios())
    assert [len({turn.speaker for turn in one.turns}) for one in found] == [3, 4, 1, 2, 0, 0, 0, 0]
    assert sum(told) == pytest.approx(sum(audio.duration for audio in audios()))
    assert min(told) >= 0


@models
def test_the_sample_recordings_are_diarized_as_by_onnx_runtime(device: Any, tmp_path: Path) -> None:
    heard = []
    for path in sorted(path for path in SAMPLES.rglob("*") if path.suffix in (".wav", ".mp4", ".mp3", ".flac")):
        decode_speech(path, *probe(path), tmp_path / f"{path.stem}.s16")
        heard.append(PcmFile(tmp_path / f"{path.stem}.s16"))
    wanted = embedded.load(embedded.Options(threads=2, device="cpu")).diarize(heard, ANY)
    assert sum(len(one.turns) for one in wanted) >= 20
    assert_alike(in_torch(device).diarize(heard, ANY), wanted, heard)


@models
def test_each_recording_is_diarized_as_if_it_were_alone(device: Any) -> None:
    diarizer = in_torch(device)
    together = diarizer.diarize(audios(), ANY)
    alone = [diarizer.diarize([audio], ANY)[0] for audio in audios()]
    assert_alike(together, alone, audios())


@models
@gpu
def test_a_gpu_hears_what_a_cpu_hears(torch: Any) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    diarizer = embedded.load(embedded.Options(device="cuda:0"))
    assert torch.cuda.max_memory_allocated("cuda:0") > 100 << 20, "it is warm"
    assert_alike(diarizer.diarize(audios(), ANY), on_cpu(), audios())


# --- batches ---------------------------------------------------------------------------------------------------------


@models
def test_calls_are_halved_where_memory_runs_out(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from captioner.models import torch_campplus
    from captioner.models.diarizer.torch_segmentation import Segmentation
    from captioner.models.torch_campplus import Banks, CamPlus

    tried: dict[str, list[int]] = {}
    short = [audio for name, audio in zip(sounds(), audios(), strict=True) if name in ("turns", "no pause", "blip")]
    wanted = in_torch(torch.device("cpu")).diarize(short, ANY)

    def tight(kind: Any, name: str, count: Callable[..., int]) -> None:
        real = getattr(kind, name)

        def call(self: Any, *given_: Any) -> Any:
            tried.setdefault(kind.__name__, []).append(count(*given_))
            if tried[kind.__name__][-1] > limits[kind.__name__]:
                raise OutOfMemory("no room")
            return real(self, *given_)

        monkeypatch.setattr(kind, name, call)

    monkeypatch.setattr(torch_campplus, "ROWS", 1)  # small calls are not filled up: this is a CPU
    limits = {"Segmentation": 3, "Banks": 1500, "CamPlus": 6}
    tight(Segmentation, "__call__", len)
    tight(Banks, "__call__", lambda _, starts: len(starts))
    tight(CamPlus, "embed_at", lambda _, starts, lengths: len(starts))
    diarizer = in_torch(torch.device("cpu"))
    in_vain = []
    for _ in range(2):
        tried.clear()
        assert_alike(diarizer.diarize(short, ANY), wanted, short)
        in_vain.append([sum(one > most for one in tried[name]) for name, most in limits.items()])
    assert all(first > again for first, again in zip(*in_vain, strict=True)), f"sizes are remembered: {in_vain}"


@models
def test_hours_are_read_in_groups(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from captioner.models import torch_campplus

    wanted = in_torch(torch.device("cpu")).diarize(audios()[1:3], ANY)
    monkeypatch.setattr(torch_campplus, "ROWS", 1)
    monkeypatch.setattr(torch_networks, "SOUND", 6 * RATE)
    monkeypatch.setattr(torch_networks, "EMBEDDED", 16 * 250)
    sizes: list[int] = []
    real = torch_networks.Networks._rows

    def rows(self: Any, sounds: Any, chosen: Any) -> Any:
        sizes.append(sum(map(len, sounds)))
        return real(self, sounds, chosen)

    monkeypatch.setattr(torch_networks.Networks, "_rows", rows)
    heard = audios()[1:3]
    assert_alike(in_torch(torch.device("cpu"), 3).diarize(heard, ANY), wanted, heard)
    assert len(sizes) > 4
    assert max(sizes) <= 15 * RATE, "a group, or one turnlet"
    assert max(audio.largest for audio in heard) <= windows.WINDOW + 2 * windows.STRIDE * windows.HOP


class Reads(Heard):
    reads = 0

    def read(self, start: float, end: float) -> Floats:
        self.reads += 1
        return super().read(start, end)


@given(st.lists(st.tuples(st.integers(1, 25 * RATE), st.integers(0, 5), st.integers(1, 9)), min_size=1, max_size=4))
def test_windows_share_the_sound_that_is_read_once(recordings: list[tuple[int, int, int]]) -> None:
    chance = np.random.default_rng(3)
    asked, heard = [], []
    for samples, skipped, count in recordings:
        heard.append(Reads(chance.standard_normal(samples).astype(np.float32)))
        asked += [Window(heard[-1], first) for first in windows.starts(samples)[skipped : skipped + count]]
    if not asked:
        return
    sound, starts = gathered(asked)
    assert [audio.reads for audio in heard] == [int(any(one.audio is audio for one in asked)) for audio in heard]
    assert len(starts) == len(asked)
    for window, start in zip(asked, starts, strict=True):
        alone = window.read()
        found = sound[start : start + windows.WINDOW]
        assert len(found) == windows.WINDOW
        np.testing.assert_array_equal(found[: len(alone)], alone)
        assert not found[len(alone) :].any()


@pytest.mark.parametrize("samples", [0, 399, 400, 559, 560, 16_000, 16_037])
def test_filter_bank_frames_are_counted_as_kaldi_counts_them(samples: int) -> None:
    assert bank_frames(samples) == len(banks(np.ones(samples, np.float32)))


def test_filter_banks_are_taken_where_nobody_else_speaks() -> None:
    alone = np.arange(100) < 60
    stretch = Stretch(Heard(np.zeros(10 * RATE, np.float32)), Unit(0, 0, 100, 200, alone))
    count = bank_frames(len(stretch.read()))
    rows, frames = stretch.alone(count)
    assert abs(stretch.samples - len(stretch.read())) <= windows.HOP
    assert rows.tolist() == list(range(len(rows)))
    assert (frames[0], frames[-1]) == (100, 159)
    middles = 200 + 160 * rows
    assert ((frames - 100) * windows.HOP <= middles).all()
    assert (middles < (frames - 99) * windows.HOP).all()


# --- where they run --------------------------------------------------------------------------------------------------


@pytest.fixture
def torch_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as the engine can tell."""
    monkeypatch.setattr(embedded, "on_gpu", lambda: True)
    monkeypatch.setattr(embedded, "one_a_gpu", lambda: True)


@models
def test_a_gpu_has_one_process_and_the_cpu_many(torch_there: None, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Backend("diarizer", "embedded", embedded, embedded.Options(threads=2))
    said: list[str] = []
    monkeypatch.setattr(cuda, "count", lambda: 1)
    with OneGpu("auto", True, threads=2 * CORES_A_HOUSE) as loader:
        model = loader.load(backend, said.append)
        assert list(loader._houses) == ["diarizer on cuda:0"]
        assert_alike(model.diarize(audios()[:2], ANY), on_cpu()[:2], audios()[:2])
    monkeypatch.setattr(cuda, "count", lambda: 2)
    with OneGpu("auto", True, threads=2 * CORES_A_HOUSE) as loader:
        assert isinstance(loader.load(backend, said.append), Fleet)
        assert sorted(loader._houses) == ["diarizer on cuda:0", "diarizer on cuda:1"]
    for device, torch_does in (("cpu", True), ("auto", False)):
        # Without torch ONNX Runtime leaves the embeddings to the cores, which the processes share.
        monkeypatch.setattr(embedded, "one_a_gpu", lambda torch_does=torch_does: torch_does)
        with OneGpu(device, True, threads=2 * CORES_A_HOUSE) as loader:
            loader.load(backend, said.append)
            assert sorted(loader._houses) == ["models on cpu 0", "models on cpu 1"]
    assert said == []


@models
def test_where_the_gpu_cannot_be_had_it_goes_on_on_the_cpu_and_it_is_told(
    torch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if torch.cuda.is_available():
        pytest.skip("it can")
    assert embedded.on_gpu()
    monkeypatch.setattr(cuda, "count", lambda: 1)
    monkeypatch.setattr(sessions, "on_gpu", lambda: False)
    for contain in (True, False):
        said: list[str] = []
        with Models("auto", contain, threads=2 * CORES_A_HOUSE) as loader:
            model = loader.load(Backend("diarizer", "embedded", embedded, embedded.Options(threads=2)), said.append)
            assert_alike(model.diarize(audios()[1:2], ANY), on_cpu()[1:2], audios()[1:2])
        assert len(said) == 1
        assert said[0].startswith("diarizer embedded: not on cuda:0 (torch ")
        assert "finds no GPU" in said[0]
        assert said[0].endswith("goes on on cpu")


def test_without_torch_one_who_asks_for_a_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(torch_layers, "on_gpu", lambda: False)
    monkeypatch.setattr(sessions, "on_gpu", lambda: False)
    with pytest.raises(BackendMissing, match=r"captioner\[gpu\]"):
        embedded.load(embedded.Options(device="cuda:0"))


@models
def test_a_torch_that_cannot_be_imported_costs_nobody_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(torch_layers, "on_gpu", lambda: True)
    monkeypatch.setattr(sessions, "on_gpu", lambda: False)
    monkeypatch.setattr(cuda, "count", lambda: 1)
    said: list[str] = []
    with Models("auto", contain=False) as loader:
        model = loader.load(Backend("diarizer", "embedded", embedded, embedded.Options(threads=2)), said.append)
        assert model.diarize(audios()[4:5], ANY)[0].turns == ()
    assert len(said) == 1
    assert said[0].startswith("diarizer embedded: not on cuda:0 (")
    assert said[0].endswith("goes on on cpu")
    with pytest.raises(ModelError, match=r"captioner\[gpu\]"):
        embedded.load(embedded.Options(device="cuda:0"))


@models
def test_onnx_runtime_takes_the_gpu_that_torch_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    asked: list[str] = []
    monkeypatch.setattr(sessions, "on_gpu", lambda: True)
    monkeypatch.setattr(networks, "session", lambda name, threads, device: asked.append(device))
    for there in (True, False):
        monkeypatch.setattr(torch_layers, "on_gpu", lambda there=there: there)
        embedded.load(embedded.Options(device="cuda:1"))
    embedded.load(embedded.Options(device="cpu"))
    assert asked == ["cuda:1", "cuda:1", "cpu"]


def test_nothing_of_torch_is_imported_before_it_is_asked_for() -> None:
    code = (
        "import sys, captioner.models.diarizer.embedded, captioner.models.diarizer.torch_networks; "
        "assert 'torch' not in sys.modules"
    )
    import subprocess

    root = Path(__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
