"""A GPU's decoder in place of a core: the same frames in clips and shots, and software wherever it is not so sure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from captioner.engine.local import Local
from captioner.errors import Broken, WorkerDied
from captioner.making import Part, ToWrite, clip_spec
from captioner.media import cutting, decoding
from captioner.media.container import opened
from captioner.media.cutting import ClipSpec, write_clips
from captioner.media.decoding import CODECS, KEPT, Decoding, Misfit, Nvdec, Opener, Session, Window, opener
from captioner.media.picture import Converter
from captioner.media.probe import probe
from captioner.media.share import WORKER, gpu_of_this_process
from captioner.media.watching import joined, parts, watch, watch_part
from captioner.models import cuda
from captioner.run import Quiet
from captioner.settings import Settings
from captioner.stages import once
from captioner.store import Store
from captioner.types import Picture
from captioner.writing import write_dataset
from tests import errands
from tests.clips import Clip, cut, film, read, record
from tests.factory import Audio, Draw, Video, make, noise, numbered
from tests.likecuvid import Anew, Like, like
from tests.test_shots import film as drawn
from tests.test_shots import scene

DATA = Path(os.environ.get("CAPTIONER_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
SPEC = ClipSpec(size=(64, 64), preset="ultrafast", crf=10)
OPEN_GOP = {"g": "30", "bf": "3", "x264-params": "open-gop=1:b-pyramid=normal"}
CUTS = ((3, 25), (40, 33))
GPU = cuda.count() > 0


@pytest.fixture(autouse=True)
def _small_pictures_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "WORTH", 0.0)
    if not GPU:
        monkeypatch.setattr(decoding, "_LEAST_SIDE", 32)


def seen(path: Path, start: Opener | None = None, said: list[str] | None = None) -> Picture:
    video = probe(path)[1]
    assert video is not None
    return watch(path, video, start, None if said is None else said.append)


def written(
    source: Path,
    start: Opener | None,
    cuts: Sequence[tuple[int, int]] = CUTS,
    spec: ClipSpec = SPEC,
    rate: int = 25,
    picture: Picture | None = None,
) -> tuple[list[Clip], list[str]]:
    """The clips, and what was said."""
    recording, said = record(source), list[str]()
    asked = [cut(recording, first, frames, rate) for first, frames in cuts]
    folder = source.parent / ("helped" if start else "alone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cutting, "opener", lambda _gpus: start)
        made = write_clips(recording, picture, asked, spec, folder, say=said.append)
    return [read(each) for each in made], said


def planes(frame: Any) -> list[Any]:
    high = frame.height
    whole = frame.to_ndarray(format="yuv420p").astype(float)
    return [whole[:high], whole[high : high * 5 // 4], whole[high * 5 // 4 :]]


def assert_alike(helped: list[Clip], alone: list[Clip], within: float = 3.0) -> None:
    """The same frames in the same places, which look the same in luma and chroma."""
    for one, other in zip(helped, alone, strict=True):
        assert one.indices == other.indices
        assert (one.written.repeated, one.written.dropped) == (other.written.repeated, other.written.dropped)
        for frame, like_it in zip(one.pictures, other.pictures, strict=True):
            away = [np.abs(a - b).mean() for a, b in zip(planes(frame), planes(like_it), strict=True)]
            assert max(away) < within, away


def coloured(index: int, width: int, height: int) -> Any:
    """The index, in colours that any confusion of matrix, range or siting would change."""
    picture = numbered(index, width, height).astype(np.int16)
    ramp = np.linspace(-25, 25, width)[None, :]
    picture[..., 0] += ramp.astype(np.int16)
    picture[..., 2] -= np.linspace(-25, 25, height)[:, None].astype(np.int16)
    return np.clip(picture, 0, 255).astype(np.uint8)


VFR = tuple(np.cumsum(np.random.default_rng(3).uniform(0.025, 0.05, 90)).tolist())
SOURCES: dict[str, tuple[str, Video]] = {
    "B-frames": ("a.mp4", Video(frames=80, options={"bf": "3", "g": "24"})),
    "open GOP": ("a.mkv", Video(frames=80, options=OPEN_GOP)),
    "transport stream": ("a.ts", Video(frames=80, options={"bf": "2"})),
    "variable rate": ("a.mkv", Video(times=VFR, options={"bf": "2"})),
    "variable rate, MP4": ("a.mp4", Video(times=VFR)),
    "begins late": ("a.mp4", Video(frames=80, start=0.4)),
    "turned": ("a.mp4", Video(frames=80, rotation=90)),
    "upside down": ("a.mov", Video(frames=80, rotation=180)),
    "wide pixels": ("a.mp4", Video(frames=80, aspect=Fraction(4, 3))),
    "full range": ("a.mp4", Video(frames=80, pixels="yuvj420p")),
    "odd size": ("a.mp4", Video(frames=80, size=(201, 135), pixels="yuv444p")),
    "10 bits": ("a.mp4", Video(frames=80, pixels="yuv420p10le")),
    "HEVC": ("a.mkv", Video(frames=80, codec="libx265", options={"g": "20"})),
    "VP9": ("a.webm", Video(frames=80, codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"})),
    "MPEG-2": ("a.mpg", Video(frames=80)),
    "HDR": ("a.mp4", Video(frames=80, hdr="pq")),
    "interlaced": ("a.ts", Video(frames=80, interlaced=True)),
}
LEFT_TO_SOFTWARE = {"odd size", "10 bits", "MPEG-2", "HDR", "interlaced"}


@pytest.mark.parametrize("name", SOURCES)
def test_clips_are_the_same_whoever_decodes(tmp_path: Path, name: str) -> None:
    suffix, video = SOURCES[name]
    source = film(tmp_path, replace(video, draw=coloured), name=suffix)
    made: list[Like] = []
    picture = seen(source)
    helped, said = written(source, like(made=made), picture=picture)
    assert not said
    assert bool(made) == (name not in LEFT_TO_SOFTWARE)
    assert_alike(helped, written(source, None)[0])


@pytest.mark.parametrize("size", [None, (96, 64), (64, 96), (256, 192)])
@pytest.mark.parametrize("rotation", [0, 270])
def test_any_size(tmp_path: Path, size: tuple[int, int] | None, rotation: int) -> None:
    source = film(tmp_path, Video(frames=50, draw=coloured, rotation=rotation, aspect=Fraction(9, 8)))
    spec, made = replace(SPEC, size=size), list[Like]()
    helped, said = written(source, like("bicubic", made), ((5, 17),), spec)
    assert made
    assert not said
    assert_alike(helped, written(source, None, ((5, 17),), spec)[0])


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("options", [{"g": "40", "bf": "3"}, OPEN_GOP], ids=["closed", "open"])
def test_a_jump_changes_no_frame(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    source = film(tmp_path, Video(frames=1000, size=(64, 64), options=options), name=name)
    made: list[Like] = []
    spec = replace(SPEC, size=(32, 32))
    helped, said = written(source, like(made=made), ((3, 9), (700, 9), (980, 9)), spec, picture=seen(source))
    assert [clip.indices for clip in helped] == [[*range(s, s + 9)] for s in (3, 700, 980)]
    assert not said
    assert [each.restarts for each in made] == [1]


@pytest.mark.parametrize("gives", [[5, 7, 10, 12], [7, 10, 12], [10, 12]])
def test_what_refers_to_pictures_before_a_jump_is_left_out(gives: list[int]) -> None:
    """Software begins with the picture of 10; a GPU's decoder may give those before it, broken, or some of them."""
    order, first = decoding._Order(), SimpleNamespace(pts=10)
    for pts in (10, 5, 7, 12):
        order.expect(SimpleNamespace(pts=pts, is_corrupt=False, is_discard=False, duration=2))
    assert [pts for pts in gives if order.shown(SimpleNamespace(pts=pts), first)] == [10, 12]
    assert not order.left


def hidden(folder: Path) -> Path:
    """A film whose edit list hides frames at its beginning and its end: they are decoded and not shown."""
    whole = film(folder, Video(frames=60, size=(320, 192), options={"g": "60", "bf": "2"}), name="whole.mp4")
    path = folder / "hidden.mp4"
    with av.open(str(whole)) as source, av.open(str(path), "w", options={"use_editlist": "1"}) as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is None or packet.pts is None:
                continue
            shift = round(Fraction(10, 25) / packet.time_base)
            packet.stream, packet.pts, packet.dts = (
                streams[packet.stream_index], packet.pts - shift, packet.dts - shift,
            )  # fmt: skip
            target.mux(packet)
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12  # after the version, the flags and the number of entries: how long the first lasts
    lasts = int.from_bytes(data[at : at + 4], "big")
    data[at : at + 4] = (lasts * 4 // 5).to_bytes(4, "big")
    path.write_bytes(data)
    return path


def test_what_an_edit_list_hides_is_not_shown(tmp_path: Path) -> None:
    path = hidden(tmp_path)
    with av.open(str(path)) as source:
        marked = [packet.is_discard for packet in source.demux(video=0) if packet.size]
    assert marked[0]
    assert any(marked[30:]), "the file must hide some at both ends"
    made: list[Like] = []
    quarrels: list[str] = []
    helped, alone = seen(path, like(made=made), quarrels), seen(path)
    assert not quarrels
    assert helped.times == alone.times
    assert 30 < alone.frames < 50
    clips, said = written(path, like(made=made), ((0, 25),), picture=alone)
    assert len(made) == 2
    assert not said
    assert_alike(clips, written(path, None, ((0, 25),))[0])


def two_scenes() -> Draw:
    scenes = [scene(seed) for seed in (1, 2)]
    return drawn(lambda index: scenes[index >= 40])


# --- watching -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOURCES)
def test_every_frame_is_seen_at_its_time(tmp_path: Path, name: str) -> None:
    suffix, video = SOURCES[name]
    size = (320, 192) if name != "odd size" else video.size
    source = film(tmp_path, replace(video, size=size, draw=two_scenes()), name=suffix)
    said: list[str] = []
    made: list[Like] = []
    helped = seen(source, like(made=made), said)
    alone = seen(source)
    assert (helped.frames, helped.times, helped.end, helped.shots) == (
        alone.frames, alone.times, alone.end, alone.shots,
    )  # fmt: skip
    assert bool(made) == (name not in LEFT_TO_SOFTWARE)
    assert not said


@pytest.mark.parametrize("scaler", ["area", "bilinear", "fast_bilinear", "bicubic", "neighbor"])
def test_shots_do_not_hang_on_the_scaler(tmp_path: Path, scaler: str) -> None:
    """Cuts between scenes with grain, and a pan inside each of them."""
    scenes = [scene(seed) for seed in (1, 2, 3)]
    draw = drawn(lambda index: np.roll(scenes[index // 20], (index % 20) * 2, axis=1))
    source = make(tmp_path / "a.mp4", Video(frames=60, size=(640, 384), draw=draw), Audio(noise(2, 48_000)))
    assert seen(source, like(scaler)).shots == seen(source).shots == (0.8, 1.6)


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "manifest.json").exists(), reason="no test data")
@pytest.mark.parametrize("scaler", ["area", "bilinear"])
def test_shots_of_real_films_do_not_hang_on_the_scaler(scaler: str) -> None:
    names = ("grid/grid_turns.mp4", "video/friday.mp4", "video/auto_editor_example.mp4", "sound/stream_of_water.mp4")
    helped = 0
    for path in (DATA / name for name in names):
        made: list[Like] = []
        one, other = seen(path, like(scaler, made)), seen(path)
        assert (one.times, one.shots) == (other.times, other.shots), path
        helped += len(made)
    assert helped


# --- what does not fit --------------------------------------------------------------------------------------------


class Faulty(Like):
    """Does something wrong with its `at`-th frame."""

    def __init__(self, stream: Any, window: Window, wrong: str, at: int) -> None:
        super().__init__(stream, window)
        self._wrong, self._at, self._count = wrong, at, 0

    def decode(self, packet: Any | None) -> Sequence[Any]:
        out: list[Any] = []
        for frame in super().decode(packet):
            out += self._spoiled(frame) if self._count == self._at else [frame]
            self._count += 1
        return out if not (packet is None and self._wrong == "ends early") else out[:-2]

    def _spoiled(self, frame: Any) -> list[Any]:
        match self._wrong:
            case "an error":
                raise av.error.ExternalError(542398533, "Generic error in an external library")
            case "one missing":
                return []
            case "one twice":
                return [frame, frame]
            case "another time":
                frame.pts += 1
            case "no time":
                frame.pts = None
            case "another size":
                frame = frame.reformat(frame.width + 2, frame.height)
            case "another picture":
                frame = frame.reformat(format="nv12")
                for plane in frame.planes:
                    plane.update(bytes(plane.buffer_size))
            case "ends early":
                pass
        return [frame]


WRONG = {
    "an error": 30, "one missing": 30, "one twice": 30, "another time": 30, "no time": 30, "another size": 30,
    "another picture": 0, "ends early": 30,
}  # fmt: skip


def faulty(wrong: str, at: int) -> Opener:
    return Anew(lambda stream, window: Faulty(stream, window, wrong, at))


@pytest.mark.parametrize("wrong", WRONG)
def test_software_takes_over_and_the_clips_are_right(tmp_path: Path, wrong: str) -> None:
    source = film(tmp_path, Video(frames=80, options={"bf": "2"}, draw=coloured))
    cuts = ((3, 25), (20, 33), (60, 20))
    helped, said = written(source, faulty(wrong, WRONG[wrong]), cuts, picture=seen(source))
    assert_alike(helped, written(source, None, cuts)[0])
    assert len(said) == 1, "once"
    assert said[0].startswith("film.mp4: the GPU's video decoder")
    assert "cores" in said[0]


@pytest.mark.parametrize("wrong", WRONG)
def test_software_takes_over_and_sees_every_frame(tmp_path: Path, wrong: str) -> None:
    source = film(tmp_path, Video(frames=80, size=(320, 192), options={"bf": "2"}))
    said: list[str] = []
    assert seen(source, faulty(wrong, WRONG[wrong]), said) == seen(source)
    assert len(said) == 1


def test_times_that_the_whole_decoding_never_saw_are_not_believed(tmp_path: Path) -> None:
    """The packets alone cannot tell: all frames are there, of a film that software saw otherwise."""
    source = film(tmp_path, Video(frames=80))
    whole = seen(source)
    times = np.frombuffer(whole.times, "<i4")
    helped, said = written(source, like(), picture=replace(whole, times=np.delete(times, 30).tobytes()))
    assert len(said) == 1
    assert_alike(helped, written(source, None)[0])


def test_a_decoder_that_cannot_be_had_is_done_without(tmp_path: Path) -> None:
    def none(_stream: Any, _window: Window) -> Session:
        raise av.error.PermissionError(1, "Operation not permitted")

    source = film(tmp_path, Video(frames=80, size=(320, 192)))
    helped, said = written(source, Anew(none))
    assert_alike(helped, written(source, None)[0], 0.01)
    assert "cannot be started" in said[0]
    assert seen(source, Anew(none)) == seen(source)


@pytest.mark.skipif(GPU, reason="there is a GPU")
def test_a_machine_without_a_gpu_decodes_in_software(tmp_path: Path) -> None:
    source = film(tmp_path, Video(frames=40, size=(320, 192)))
    helped, said = written(source, _nvdec, ((3, 9),))
    assert_alike(helped, written(source, None, ((3, 9),))[0], 0.01)
    assert "cannot be started" in said[0]


def test_a_film_that_breaks_off_is_told_as_software_tells_it(tmp_path: Path) -> None:
    class Short(Like):
        def decode(self, packet: Any | None) -> Sequence[Any]:
            raise Broken("as the whole watching would")

    source = film(tmp_path, Video(frames=40, size=(320, 192)))
    said: list[str] = []
    assert seen(source, Anew(Short), said) == seen(source)
    assert not said


def test_damaged_packets_are_softwares(tmp_path: Path) -> None:
    source = film(tmp_path, Video(frames=80, size=(320, 192), options={"g": "10"}), name="a.ts")
    data = bytearray(source.read_bytes())
    for at in range(188 * 60, 188 * 64):
        data[at] = 0xFF
    source.write_bytes(data)
    assert seen(source, like()) == seen(source)


# --- who is helped ------------------------------------------------------------------------------------------------


def test_what_is_soon_done_is_not_worth_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "WORTH", 80 * 192 * 128.0)
    source, made = film(tmp_path, Video(frames=80)), list[Like]()
    written(source, like(made=made), ((3, 25),))
    assert not made
    written(source, like(made=made), ((0, 80),))
    assert made


def test_workers_share_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WORKER, raising=False)
    assert gpu_of_this_process(()) is None
    assert gpu_of_this_process((1, 3)) == 1

    def of(worker: int, gpus: tuple[int, ...]) -> int | None:
        monkeypatch.setenv(WORKER, str(worker))
        return gpu_of_this_process(gpus)

    assert [of(worker, (1, 3, 1)) for worker in range(5)] == [1, 3, 1, None, None]


def test_workers_know_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent))
    answers: list[Any] = []
    Local(2, processes=True).apart(errands.surroundings, [WORKER] * 4, lambda _, answer: answers.append(answer))
    assert len(answers) == 4
    assert "0" in answers
    assert set(answers) <= {"0", "1"}


@pytest.mark.parametrize(
    ("asked", "gpus"),
    [("auto", (0, 1)), ("cuda", (0, 1)), ("cpu", ()), ("cuda:1", (1,)), ("cuda:1, cuda:0", (1, 0)), ("cuda:7", ())],
)
def test_the_devices_that_a_setting_names(monkeypatch: pytest.MonkeyPatch, asked: str, gpus: tuple[int, ...]) -> None:
    monkeypatch.setattr(cuda, "memories", lambda: (24 << 30, 8 << 30))
    assert cuda.indices(asked) == gpus
    decoders = cuda.decoders(asked)
    assert decoders[: len(gpus)] == gpus
    assert [decoders.count(gpu) for gpu in gpus] == [{0: 6, 1: 2}[gpu] for gpu in gpus]
    assert clip_spec(Settings(trigger="x", device=asked), 4, ()).gpus == decoders


def test_a_large_gpu_is_not_filled_with_decoders_and_a_small_one_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "memories", lambda: (140 << 30, 2 << 30))
    assert cuda.decoders("auto") == (0,) * cuda.DECODERS


def test_a_worker_that_died_with_a_gpu_is_followed_by_one_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = film(tmp_path, Video(frames=60))
    recording = record(source)
    entry = ToWrite(recording, seen(source), (cut(recording, 3, 9),))
    tried: list[tuple[int, ...]] = []

    class Dying(Local):
        def apart(self, work: Any, items: Any, done: Any, *others: Any, **more: Any) -> None:
            part: Part = items[0]
            tried.append(part.spec.gpus)
            if part.spec.gpus:
                done(part, WorkerDied("killed by signal 11"))
            else:
                super().apart(work, items, done, *others, **more)

    monkeypatch.setattr(cuda, "memories", lambda: (4 << 30,))
    settings = Settings(trigger="x", threads=1, preset="ultrafast")
    with Store(tmp_path / ".captioner") as store:
        captions = {entry.cuts[0].id: "words"}
        outcome = write_dataset([entry], captions, tmp_path / "out", settings, store, Dying(1), Quiet())
    assert tried == [(0,), ()]
    assert outcome.fresh == (entry.cuts[0].id,)
    assert not outcome.failures


def test_the_same_trouble_is_told_once() -> None:
    said: list[str] = []
    tell = once(said.append)
    for text in ("a.mp4: it failed (at 3)", "b.mp4: it failed (at 5)", "b.mp4: it is slow"):
        tell(text)
    assert said == ["a.mp4: it failed (at 3)", "b.mp4: it is slow"]


# --- one decoder for many -----------------------------------------------------------------------------------------


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Window]]:
    """The decoders that were begun, in place of a GPU's."""
    found: list[tuple[int, Window]] = []

    def start(gpu: int, stream: Any, window: Window) -> Like:
        found.append((gpu, window))
        return Like(stream, window)

    monkeypatch.setattr(decoding, "Nvdec", start)
    monkeypatch.setattr(decoding, "_KEPT", decoding._Kept())
    return found


def test_a_decoder_goes_on_with_the_next_film_of_its_kind(tmp_path: Path, begun: list[tuple[int, Window]]) -> None:
    films = [film(tmp_path, Video(frames=80, size=(320, 192), start=start), name=f"{start}.mp4") for start in (0, 1)]
    other = film(tmp_path, Video(frames=80, size=(352, 192)), name="other.mp4")
    start = decoding.opener((3,))
    for source in (*films, films[0]):
        helped, said = written(source, start)
        assert not said
        assert_alike(helped, written(source, None)[0])
        assert seen(source, start) == seen(source)
    assert len(begun) == KEPT == 2
    assert {gpu for gpu, _ in begun} == {3}
    assert seen(other, start) == seen(other)
    assert len(begun) == 3
    written(films[0], start)
    assert len(begun) == 4, "the one that was used last stays, the one before is let go"


def test_what_is_soon_done_is_worth_a_decoder_that_has_begun(
    tmp_path: Path, begun: list[tuple[int, Window]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "WORTH", 80 * 320 * 192.0)
    source, start, little = film(tmp_path, Video(frames=80, size=(320, 192))), decoding.opener((0,)), ((3, 9),)
    written(source, start, little)
    assert not begun
    written(source, start, ((0, 80),))
    (used,) = decoding._KEPT.sessions.values()
    before = used.restarts
    helped, said = written(source, start, little)
    assert_alike(helped, written(source, None, little)[0])
    assert not said
    assert (len(begun), used.restarts > before) == (1, True)


def test_who_has_lost_its_decoder_to_somebody_else_does_not_go_on_with_it(
    tmp_path: Path, begun: list[tuple[int, Window]]
) -> None:
    source, window = film(tmp_path, Video(frames=80, size=(320, 192))), Window((0, 0, 320, 192), (320, 192))
    start = decoding.opener((0,))
    assert start is not None
    with opened(source) as one, opened(source) as other:
        first = Decoding(start, one.streams.video[0], window).timed(one)
        next(first)
        second = Decoding(start, other.streams.video[0], window).timed(other)
        assert len(list(second)) == 80
        with pytest.raises(Misfit, match="gone on to something else"):
            list(first)
    assert len(begun) == 1


def test_one_that_failed_is_not_used_again(
    tmp_path: Path, begun: list[tuple[int, Window]], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, start = film(tmp_path, Video(frames=80, size=(320, 192))), decoding.opener((0,))
    real, fails = Like.decode, [True, False]

    def decode(self: Like, packet: Any | None) -> Sequence[Any]:
        if fails and fails.pop(0):
            raise av.error.InvalidDataError(1, "the card is gone")
        return real(self, packet)

    monkeypatch.setattr(Like, "decode", decode)
    said: list[str] = []
    assert [seen(source, start, said) for _ in range(3)] == [seen(source)] * 3
    assert (len(said), len(begun)) == (1, 2)


def test_threads_do_not_share_a_decoder(tmp_path: Path, begun: list[tuple[int, Window]]) -> None:
    source, start = film(tmp_path, Video(frames=80, size=(320, 192))), decoding.opener((0,))
    with ThreadPoolExecutor(1) as pool:
        found = [seen(source, start), pool.submit(seen, source, start).result()]
    assert found == [seen(source)] * 2
    assert len(begun) == 2


# --- NVDEC itself -------------------------------------------------------------------------------------------------


_nvdec = Anew(lambda stream, window: Nvdec(0, stream, window))


@pytest.mark.gpu
@pytest.mark.skipif(not GPU, reason="no GPU")
@pytest.mark.parametrize("name", [name for name in SOURCES if name not in LEFT_TO_SOFTWARE])
def test_nvdec_gives_the_same_clips_and_times(tmp_path: Path, name: str) -> None:
    suffix, video = SOURCES[name]
    source = film(tmp_path, replace(video, draw=coloured, size=(640, 360)), name=suffix)
    said: list[str] = []
    helped = seen(source, _nvdec, said)
    alone = seen(source)
    assert helped.times == alone.times
    clips, more = written(source, _nvdec, spec=replace(SPEC, size=(128, 128)), picture=alone)
    assert not said + more
    assert_alike(clips, written(source, None, spec=replace(SPEC, size=(128, 128)))[0])


def scenes(index: int, width: int, height: int) -> Any:
    """Textured scenes of 20 frames each that move a little, as films do."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    scene, moved = index // 20, index % 20
    waves = [np.sin((x + moved * 2 + 40 * scene) / (3 + scene)), np.sin(y / (4 + 2 * scene)), np.cos((x - y) / 9)]
    picture = np.stack([110 + 25 * scene + 45 * wave for wave in waves], axis=2)
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.mark.gpu
@pytest.mark.skipif(not GPU, reason="no GPU")
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_nvdec_finds_the_same_shots(tmp_path: Path, codec: str) -> None:
    source = film(tmp_path, Video(frames=80, codec=codec, draw=scenes, size=(640, 360)), name="a.mkv")
    alone = seen(source)
    assert len(alone.shots) == 3
    assert seen(source, _nvdec).shots == alone.shots


@pytest.mark.gpu
@pytest.mark.skipif(not GPU, reason="no GPU")
def test_nvdec_goes_on_with_the_next_film_of_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Window] = []

    def start(gpu: int, stream: Any, window: Window) -> Session:
        begun.append(window)
        return Nvdec(gpu, stream, window)

    monkeypatch.setattr(decoding, "Nvdec", start)
    monkeypatch.setattr(decoding, "_KEPT", decoding._Kept())
    options = {"bf": "2", "g": "25"}
    films = [
        film(tmp_path, Video(frames=420, draw=scenes, size=(640, 360), options=options, start=at), name=f"{at}.mp4")
        for at in (0, 1)
    ]
    for source in films:
        said: list[str] = []
        video = record(source).video
        assert video is not None
        cut_up = [watch_part(source, video, part, opener((0,)), said.append) for part in parts(source, video, 5.0)]
        whole = seen(source)
        found = joined(source, video, [part for part in cut_up if part is not None])
        assert not said
        assert found is not None
        assert (found.times, found.shots) == (whole.times, whole.shots)
        assert seen(source, opener((0,)), said).times == whole.times
        assert not said
    assert len(begun) == 1


def test_every_codec_has_a_software_decoder_to_be_checked_by() -> None:
    for codec, name in CODECS.items():
        assert av.codec.Codec(codec, "r").name
        assert name in av.codecs_available


def test_the_window_is_what_the_clip_shows(tmp_path: Path) -> None:
    video = record(film(tmp_path, Video(frames=5, size=(320, 180)))).video
    assert video is not None
    assert Converter(video, (64, 64), tmp_path).window == Window((70, 0, 180, 180), (64, 64))
    assert Converter(video, (640, 640), tmp_path).window == Window((0, 0, 320, 180), (320, 180)), "never larger"
    assert Converter(video, None, tmp_path).window == Window((0, 0, 320, 180), (320, 180))
