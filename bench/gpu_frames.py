"""What one frame of 1080p costs a core, step by step, on NVDEC where there is a GPU, in one process and in many.

    python bench/gpu_frames.py [--processes 1,16] [--frames 605] [--seconds 40] [--device auto]

decode    NVDEC (or the core) gives the frame as watching wants it, small
watch     the same, compared with those before it
convert   decoded as clips want it, and made a picture of 512x512
x264      a picture encoded: CRF 18, preset fast
clips     whole clips of 121 frames written, their sound too
check     the same clips decoded again and compared

Milliseconds a frame: of the process in user code and in the system, and by the clock.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "bench"))

from gpu_video import FRAMES, SIZE  # noqa: E402

STEPS = ("decode", "watch", "convert", "x264", "clips", "check")
Took = tuple[float, float, float]


def _now() -> np.ndarray:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return np.array([used.ru_utime, used.ru_stime, time.perf_counter()])


class Film:
    """A source, and how its frames come."""

    def __init__(self, path: Path, gpus: tuple[int, ...]) -> None:
        from captioner.media.decoding import opener
        from captioner.media.picture import Converter
        from captioner.media.probe import probe

        self.path, self.gpus, self.start = path, gpus, opener(gpus)
        self.audio, video = probe(path)
        assert video is not None
        self.video = video
        self.converter = Converter(video, SIZE, path.parent)

    def frames(self, window: Any) -> Iterator[Any]:
        import av

        from captioner.media.decoding import Decoding

        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            stream.thread_count, stream.thread_type = 1, "NONE"
            if self.start is None:
                yield from container.decode(stream)
            else:
                for _, frame in Decoding(self.start, stream, window).timed(container):
                    yield frame

    def pictures(self) -> Iterator[Any]:
        for number, frame in enumerate(self.frames(self.converter.window)):
            for _, picture in self.converter.convert(frame, number, self.start is not None):
                yield picture


def step(asked: tuple[str, str, int, tuple[int, ...]]) -> Took:
    name, path, count, gpus = asked
    film = Film(Path(path), gpus)
    with tempfile.TemporaryDirectory() as scratch:
        rounds = globals()[f"_{name}"](film, count, Path(scratch))
        next(rounds)  # what is not measured: opening, and the first frame
        before = _now()
        done = sum(rounds)
        return tuple((_now() - before) / done * 1000)  # type: ignore[return-value]


def _some(source: Iterator[Any], count: int) -> Iterator[tuple[int, Any]]:
    with closing(source):  # type: ignore[type-var]
        yield from zip(range(count), source, strict=False)


def _decode(film: Film, count: int, _: Path) -> Iterator[int]:
    for _number, _frame in _some(film.frames(_small(film)), count):
        yield 1


def _watch(film: Film, count: int, _: Path) -> Iterator[int]:
    from captioner.media.shots import ShotFinder
    from captioner.media.watching import _Shrink

    small, finder = _Shrink(), ShotFinder(film.video.rate)
    for number, frame in _some(film.frames(_small(film)), count):
        finder.add(number / 25, small(frame))
        yield 1


def _small(film: Film) -> Any:
    from captioner.media.decoding import Window
    from captioner.media.watching import small_size

    whole = (film.video.width, film.video.height)
    return Window((0, 0, *whole), small_size(*whole))


def _convert(film: Film, count: int, _: Path) -> Iterator[int]:
    for _number, _picture in _some(film.pictures(), count):
        yield 1


def _x264(film: Film, count: int, scratch: Path) -> Iterator[int]:
    import av

    pictures = [picture for _, picture in _some(film.pictures(), FRAMES)]
    yield 0
    for number in range(-(-count // FRAMES)):
        with av.open(str(scratch / f"{number}.mp4"), "w") as target:
            options = {"crf": "18", "preset": "fast", "bf": "0", "threads": "1"}
            stream = target.add_stream("libx264", rate=25, options=options)
            stream.width, stream.height = SIZE
            stream.pix_fmt = "yuv420p"
            for at, picture in enumerate(pictures):
                picture.pts, picture.time_base, picture.pict_type = at, Fraction(1, 25), 0
                target.mux(stream.encode(picture))
                yield 1
            target.mux(stream.encode(None))


def _written(film: Film, count: int, scratch: Path) -> tuple[Any, Any, list[Any]]:
    from captioner.media.cutting import ClipSpec, write_clips
    from captioner.types import Cut, Recording

    source = Recording(str(film.path), film.path.name, "film", "content", film.audio, film.video)
    cuts = [Cut("film", number * FRAMES, FRAMES, Fraction(25), ()) for number in range(-(-count // FRAMES))]
    spec = ClipSpec(SIZE, crf=18, preset="fast", gpus=film.gpus)
    return cuts, spec, write_clips(source, None, cuts, spec, scratch)


def _clips(film: Film, count: int, scratch: Path) -> Iterator[int]:
    yield 0
    yield len(_written(film, count, scratch)[2]) * FRAMES


def _check(film: Film, count: int, scratch: Path) -> Iterator[int]:
    from captioner.media.check import check_clip

    cuts, spec, written = _written(film, min(count, 2 * FRAMES), scratch)
    yield 0
    for clip, cut in zip(written, cuts, strict=True):
        check_clip(clip.path, cut, spec, has_picture=True, proof=clip.proof)
        yield FRAMES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", default=f"1,{os.cpu_count() or 1}")
    parser.add_argument("--frames", type=int, default=605)
    parser.add_argument("--seconds", type=float, default=40.0, help="of the film; long enough for the frames")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    from gpu_build import scratch_folder
    from gpu_made import film

    from captioner.models import cuda

    gpus = cuda.decoders(options.device)[:1]
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    with scratch_folder() as scratch:
        path = Path(scratch) / "film.mp4"
        noise = np.random.default_rng(0).standard_normal(round(16_000 * options.seconds)) * 0.1
        film(path, noise.astype(np.float32), again=256)
        print(f"{'NVDEC' if gpus else 'no GPU'}; ms a frame: user, system, by the clock", flush=True)
        for processes in map(int, options.processes.split(",")):
            with context.Pool(processes) as pool:
                for name in STEPS:
                    took = pool.map(step, [(name, str(path), options.frames, gpus)] * processes, chunksize=1)
                    user, system, clock = np.mean(took, axis=0)
                    print(f"{processes:3} at once  {name:8} {user:6.2f} {system:6.2f} {clock:6.2f}", flush=True)


if __name__ == "__main__":
    main()
