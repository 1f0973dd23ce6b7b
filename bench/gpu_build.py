"""Whole builds and video writing, for the GPU bench."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "bench"))

from gpu_made import film, talk  # noqa: E402
from gpu_video import FRAMES, SIZE, alone, misses  # noqa: E402

STAGES = ("vad", "diarizer", "asr", "tagger", "voice", "write")
"""Stages that can be run alone."""


def sounds(folder: Path, count: int, seconds: float, waves: list[np.ndarray]) -> float:
    """`count` wave files of made-up talk; seconds of sound in all."""
    from speed import write_wav

    folder.mkdir()
    return sum(write_wav(folder / f"take{number:05}.wav", [talk(seconds, number, waves)]) for number in range(count))


def films(folder: Path, count: int, seconds: float, waves: list[np.ndarray]) -> float:
    """`count` films in 1080p, 25 frames a second, of made-up talk; seconds in all."""
    folder.mkdir()
    asked = [(str(folder / f"take{number:05}.mp4"), talk(seconds, number, waves)) for number in range(count)]
    with ProcessPoolExecutor(min(count, os.cpu_count() or 1)) as pool:
        list(pool.map(_talkie, asked))
    return count * seconds


def _talkie(asked: tuple[str, np.ndarray]) -> None:
    path, sound = asked
    film(Path(path), sound, again=256)


def whole(
    scratch: Path, waves: list[np.ndarray], count: int, seconds: float, *, video: bool = False, **options: Any
) -> dict[str, Any]:
    """A build from sound files, or films, to captioned clips, by the clock from the process's start to its end; seconds
    of each stage, which overlap; and all of it against its slowest stage, which is then run alone."""
    from speed import build

    duration = (films if video else sounds)(scratch / "raw", count, seconds, waves)
    options |= {"size": "512x512", "crf": 18, "preset": "fast"} if video else {}
    run = build(scratch / "raw", scratch / "out", **options)
    slow = sorted(STAGES, key=lambda name: -run["seconds"].get(name, 0.0) - run["seconds"].get(f"{name} load", 0.0))
    by_itself = {name: alone_again(name, scratch, options) for name in slow[:2]}
    slowest = max(by_itself, key=lambda name: by_itself[name])
    took = run["wall"]
    for text in run["said"]:  # what fell back on the cores, above all
        print(f"  {text}", flush=True)
    return {
        "sound": duration, "took": took, "speed": duration / took, "words": run["clips"],
        "clips": run["clips"], "failures": run["failures"], "slowest": slowest,
        "whole to slowest": round(took / by_itself[slowest], 2),
        "alone": {name: round(value, 2) for name, value in by_itself.items()},
        "seconds": {name: round(value, 2) for name, value in run["seconds"].items()}, "peak_mib": run["peak_mib"],
        "core seconds": round(run["cpu"]), "said": run["said"],
    }  # fmt: skip


def alone_again(stage: str, scratch: Path, options: dict[str, Any]) -> float:
    """Seconds by the clock of the same build once more, where all is known but this stage's answers: its model is
    loaded anew and everything else is idle."""
    from speed import build

    if stage == "write":
        shutil.rmtree(scratch / "out" / "clips")
    else:
        with closing(sqlite3.connect(scratch / "out" / ".captioner" / "store.sqlite")) as store:
            store.execute("DELETE FROM results WHERE stage = ?", (stage,))
            store.commit()
    took: float = build(scratch / "raw", scratch / "out", **options)["wall"]
    return took


def _film(place: tuple[str, int, float]) -> None:
    path, seed, seconds = place
    chance = np.random.default_rng(seed)
    film(Path(path), (chance.standard_normal(round(16_000 * seconds)) * 0.1).astype(np.float32))


def writing(scratch: Path, clips: int, threads: int) -> dict[str, Any]:
    """Clips of 5 s cut from 1080p H.264, scaled to 512x512, written and checked: a second, and how like the source;
    with NVDEC where there is a GPU, and without. And what decoding and encoding alone reach."""
    from captioner.media.probe import probe
    from captioner.types import Cut, Recording

    each = 4
    made = min(8, -(-clips // each))
    seconds = each * FRAMES / 25 + 1
    with ProcessPoolExecutor(min(made, threads)) as pool:
        list(pool.map(_film, [(str(scratch / f"made{number}.mp4"), number, seconds) for number in range(made)]))
    recordings = []
    for number in range(-(-clips // each)):
        path = scratch / f"take{number:04}.mp4"
        os.link(scratch / f"made{number % made}.mp4", path)
        audio, video = probe(path)
        recordings.append(Recording(str(path), path.name, path.stem, f"content {number}", audio, video))
    watched = {device: _watched(recordings[: 2 * threads], device, threads) for device in ("cpu", "auto")}
    pictures = watched["auto"][1]
    entries = []
    for number, recording in enumerate(recordings):
        cuts = tuple(Cut(recording.slug, start * FRAMES, FRAMES, Fraction(25), ()) for start in range(each))
        entries.append((recording, pictures[recordings[number % made].name], cuts))
    few = entries[: max(1, len(entries) // 2)]
    took = {device: _written(some, scratch / device, device, threads) for device, some in
            (("cpu", few), ("auto", entries))}  # fmt: skip
    fresh, failures, lasted = took["auto"]
    reached = fresh / lasted
    alike = [similarity(Path(r.path), scratch / "auto" / "clips" / f"{c[0].id}.mp4") for r, _, c in entries[:3]]
    sample = Path(recordings[0].path)
    limits = alone(sample, threads)
    return {
        "clips": fresh, "failures": failures, "took": lasted,
        "clips a second": round(reached, 2), "threads": threads, "SSIM, least": round(min(alike), 4),
        "clips a second without NVDEC": round(took["cpu"][0] / took["cpu"][2], 2),
        "MiB a minute of source": round(sample.stat().st_size / 2**20 / seconds * 60),
        "watching, times real time": round(watched["auto"][0]),
        "watching without NVDEC, times real time": round(watched["cpu"][0]),
        "the same frames and shots": watched["cpu"][1] == watched["auto"][1],
        **limits, "misses": misses(reached, next(iter(limits.values()))),
    }  # fmt: skip


def _watched(recordings: list[Any], device: str, threads: int) -> tuple[float, dict[str, Any]]:
    """The picture stage, as builds run it: times real time, and what it found of each."""
    from captioner.engine.local import Local
    from captioner.models import cuda
    from captioner.reading import watch_all

    found: dict[str, Any] = {}
    start, engine = time.perf_counter(), Local(threads)
    apart = partial(engine.apart, told=lambda _, text: print(f"  {text}", file=sys.stderr, flush=True), long=True)
    watch_all(
        recordings, cuda.decoders(device), threads, apart,
        lambda recording, answer: found.__setitem__(recording.name, answer),
    )  # fmt: skip
    took = time.perf_counter() - start
    return sum(picture.end for picture in found.values()) / took, found


def _written(wanted: list[Any], out: Path, device: str, threads: int) -> tuple[int, int, float]:
    """Clips that were written, that failed, and seconds."""
    from captioner.engine.local import Local
    from captioner.making import ToWrite
    from captioner.run import Quiet
    from captioner.settings import Settings
    from captioner.store import Store
    from captioner.writing import write_dataset

    class Aloud(Quiet):
        def say(self, text: str) -> None:
            print(f"  {text}", file=sys.stderr, flush=True)

    entries = [ToWrite(recording, picture, cuts) for recording, picture, cuts in wanted]
    captions = {cut.id: "a caption" for entry in entries for cut in entry.cuts}
    settings = Settings(trigger="x", size="512x512", crf=18, preset="fast", threads=threads, device=device)
    with Store(out / ".captioner") as store:
        start = time.perf_counter()
        outcome = write_dataset(entries, captions, out, settings, store, Local(threads), Aloud())
        return len(outcome.fresh), len(outcome.failures), time.perf_counter() - start


def similarity(source: Path, clip: Path) -> float:
    """Mean SSIM of a clip's luma against its source, cropped to the middle and scaled, over a few frames."""
    import av

    def frames(path: Path) -> list[Any]:
        with av.open(str(path)) as container:
            found = []
            for number, frame in enumerate(container.decode(video=0)):
                if number >= FRAMES:
                    break
                if number % 30 == 0:
                    found.append(frame)
            return found

    def scaled(frame: Any) -> np.ndarray:
        side = min(frame.width, frame.height)
        left, top = (frame.width - side) // 2, (frame.height - side) // 2
        luma = frame.to_ndarray(format="gray")[top : top + side, left : left + side]
        square = av.VideoFrame.from_ndarray(np.ascontiguousarray(luma), format="gray")
        return square.reformat(*SIZE, interpolation="BICUBIC").to_ndarray().astype(np.float64)

    pairs = zip(frames(source), frames(clip), strict=True)
    return float(np.mean([_ssim(scaled(a), b.to_ndarray(format="gray").astype(np.float64)) for a, b in pairs]))


def _ssim(one: np.ndarray, two: np.ndarray) -> float:
    """Over windows of 8 x 8, as in Wang et al. 2004 with a flat window."""

    def mean(image: np.ndarray) -> np.ndarray:
        total = np.cumsum(np.cumsum(np.pad(image, ((1, 0), (1, 0))), 0), 1)
        return (total[8:, 8:] - total[:-8, 8:] - total[8:, :-8] + total[:-8, :-8]) / 64

    a, b = mean(one), mean(two)
    var_a, var_b, both = mean(one * one) - a * a, mean(two * two) - b * b, mean(one * two) - a * b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float((((2 * a * b + c1) * (2 * both + c2)) / ((a * a + b * b + c1) * (var_a + var_b + c2))).mean())


def scratch_folder() -> Any:
    """Where there is room for video: memory where the system has it, so that no disk is measured."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() and shutil.disk_usage("/dev/shm").free > 8 << 30 else None
    return tempfile.TemporaryDirectory(prefix="captioner-gpu-", dir=place)
