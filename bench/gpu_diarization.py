"""Diarization on a GPU: stock pyannote.audio against captioner's batches of the same pipeline, in one run.

    python bench/gpu_diarization.py --segmentation FILE [--device auto] [--hours H] [--data FOLDER ...]
                                    [--only same,long,speed] [--tiny] [--json FILE]

--tiny is for trying it out without a GPU. FILE is segmentation-3.0's real checkpoint (see `pyannote_networks`). The
pipeline is built as community-1 is: windows
of 10 s every second, WeSpeaker ResNet34, VBx. The weights of its ResNet34 are random and its PLDA is made up, for the
true ones are gated: time and arithmetic are those of community-1, its speakers are not. Whether precision moves the
diarization error is asked with CAM++'s real weights too.

Printed of each row: seconds of work an hour of audio, peak GPU and host memory, and how far our turns are from stock's
(the error rate of ours with stock's as truth, 0 where they are the same). Of each recording with a true RTTM: both
error rates, without a collar and with overlap counted.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyannote_networks as networks
from diarization import decoded, scored
from numpy.typing import NDArray

from captioner.formats import rttm
from captioner.media.pcm import PcmFile, Samples16k
from captioner.models.diarizer import pyannote as backend
from captioner.models.protocols import SpeakerHint, Waveform
from captioner.types import Diarization, Turn

RATE = 16_000
SAMPLES = Path(__file__).parent.parent / "sample_dataset"
ANY = SpeakerHint()
THRESHOLD = 0.40
"""Of the agglomerative clustering with CAM++: fitted on two of these recordings, see the README."""
CLIP, SHORT = 5.0, 300.0
"""Seconds of a clip and of a shorter recording."""


@dataclass(frozen=True, slots=True)
class Item:
    name: str
    samples: NDArray[np.float32]
    truth: list[Turn]


def items(folders: Sequence[Path]) -> list[Item]:
    """The recordings with a true RTTM."""
    found = []
    for folder in folders:
        for item in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["items"]:
            if item.get("rttm") and not item["rttm"].endswith(".clips.rttm"):
                said = rttm.parse((folder / item["rttm"]).read_text(encoding="utf-8"), item["rttm"])
                turns = [turn for own in said.values() for turn in own]
                if turns:
                    found.append(Item(item["file"], decoded(folder / item["file"]), turns))
    return found


class Bench:
    """Runs and measures on one device."""

    def __init__(self, segmentation: Path, device: str) -> None:
        self.segmentation, self.device = segmentation, device

    def diarizer(self, pipeline: Any, **options: Any) -> Any:
        return backend.of_pipeline(pipeline, backend.Options(device=self.device, **options))

    def timed(self, diarizer: Any, audios: Sequence[Waveform]) -> tuple[list[Diarization], dict[str, float]]:
        import torch

        gc.collect()
        on_gpu = self.device.startswith("cuda")
        if on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        began = time.perf_counter()
        found = diarizer.diarize(audios, ANY)
        took = time.perf_counter() - began
        hours = sum(audio.duration for audio in audios) / 3600
        return found, {
            "seconds_per_hour": took / hours,
            "times_real_time": 3600 * hours / took,
            "gpu_mib": torch.cuda.max_memory_allocated(self.device) / 2**20 if on_gpu else 0.0,
            "host_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def apart(one: Sequence[Diarization], two: Sequence[Diarization], audios: Sequence[Waveform]) -> float:
    """% of the second's speech in which the first differs: 0 where every turn is the same."""
    if all(a.turns == b.turns and a.exclusive == b.exclusive for a, b in zip(one, two, strict=True)):
        return 0.0
    errors = [scored(list(b.turns), a, audio.duration) for a, b, audio in zip(one, two, audios, strict=True)]
    wrong = sum(e["missed detection"] + e["false alarm"] + e["confusion"] for e in errors)
    return 100 * wrong / max(sum(e["total"] for e in errors), 1e-9)


def rate(truth: Sequence[Turn], found: Diarization, seconds: float) -> float:
    errors = scored(list(truth), found, seconds)
    return 100 * (errors["missed detection"] + errors["false alarm"] + errors["confusion"]) / errors["total"]


def stages_of(diarizer: Any) -> dict[str, float]:
    """Adds up the seconds of a diarizer's parts from now on."""
    spent: dict[str, float] = {"segmentation": 0.0, "embeddings": 0.0, "clustering and turns": 0.0}

    def watched(call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            began = time.perf_counter()
            try:
                return call(*given)
            finally:
                spent[name] += time.perf_counter() - began

        return run

    diarizer._networks.segment = watched(diarizer._networks.segment, "segmentation")
    diarizer._networks.embed = watched(diarizer._networks.embed, "embeddings")
    diarizer._turns = watched(diarizer._turns, "clustering and turns")
    return spent


def speed(bench: Bench, heard: Sequence[Item], hours: float, report: Callable[[str], None]) -> dict[str, Any]:
    """The rows of time and memory: stock's and ours of the same sound."""
    sound = np.concatenate([item.samples for item in heard])
    rows: dict[str, Any] = {}

    with tempfile.TemporaryDirectory() as folder:

        def audio(seconds: float, at: float = 0.0) -> PcmFile:
            return _tiled(sound, seconds, Path(folder), at)

        part = min(SHORT, 3600 * hours)
        long, short = [audio(3600 * hours)], [audio(part, part * n) for n in range(round(3600 * hours / part))]
        clips = [audio(CLIP, CLIP * n) for n in range(max(1, round(3600 * hours / CLIP)))]
        pipeline = networks.community(bench.segmentation, networks.wespeaker(sound), Path(folder))
        stock = bench.diarizer(pipeline, stock=True)
        ours = {name: bench.diarizer(pipeline, precision=name) for name in ("auto", "tf32", "full")}
        for diarizer in (stock, *ours.values()):
            diarizer.diarize([audio(min(60.0, 3600 * hours))], ANY)  # the first call of every shape finds its kernels
        for name, audios, few in (("one recording", long, 1), ("of 5 min", short, 4), ("clips of 5 s", clips, 120)):
            told, base = bench.timed(stock, audios[: max(few, 1)])
            rows[f"stock, {name}"] = base
            report(_row(f"stock pyannote.audio, {name}", base))
            kinds = ours if audios is long else {"auto": ours["auto"]}
            for precision, diarizer in kinds.items():
                found, row = bench.timed(diarizer, audios)
                row["apart"] = apart(found[: len(told)], told, audios[: len(told)])
                row["ratio"] = base["seconds_per_hour"] / row["seconds_per_hour"]
                rows[f"{precision}, {name}"] = row
                report(_row(f"captioner, {precision}, {name}", row))
        watched = bench.diarizer(pipeline)
        spent = stages_of(watched)
        bench.timed(watched, long)
        rows["parts"] = {name: seconds / hours for name, seconds in spent.items()}
        report("  of these: " + ", ".join(f"{name} {value:.2f} s" for name, value in rows["parts"].items()))
    return rows


def long(bench: Bench, heard: Sequence[Item], hours: float, report: Callable[[str], None]) -> dict[str, Any]:
    """Ours of a recording three times as long: does memory grow with it?"""
    sound = np.concatenate([item.samples for item in heard])
    with tempfile.TemporaryDirectory() as folder:
        pipeline = networks.community(bench.segmentation, networks.wespeaker(sound), Path(folder))
        diarizer = bench.diarizer(pipeline)
        diarizer.diarize([_tiled(sound, min(60.0, 3600 * hours), Path(folder))], ANY)
        rows = {}
        for times in (1, 3):
            _, row = bench.timed(diarizer, [_tiled(sound, times * 3600 * hours, Path(folder))])
            rows[f"{times * hours:g} h"] = row
            report(_row(f"captioner, auto, {times * hours:g} h", row))
    return rows


def _tiled(sound: NDArray[np.float32], seconds: float, folder: Path, at: float = 0.0) -> PcmFile:
    """As a build has it: a file of samples. `sound` is played over and over, from `at` seconds."""
    path = folder / f"{at:g}_{seconds:g}.s16"
    places = np.arange(round(at * RATE), round((at + seconds) * RATE)) % len(sound)
    path.write_bytes((sound[places] * 32767).astype("<i2").tobytes())
    return PcmFile(path)


def _row(name: str, row: dict[str, float]) -> str:
    text = f"  {name:48} {row['seconds_per_hour']:8.2f} s/h {row['times_real_time']:8.0f}x"
    text += f"  GPU {row['gpu_mib']:7.0f} MiB, host peak {row['host_mib']:6.0f} MiB"
    if "ratio" in row:
        text += f"  {row['ratio']:5.1f}x stock, {row['apart']:.3f} % apart"
    return text


def same(bench: Bench, heard: Sequence[Item], report: Callable[[str], None]) -> dict[str, Any]:
    """Error rates of stock in full precision and of ours in each, with real and with random embeddings."""
    audios = [Samples16k(item.samples, item.name) for item in heard]
    rows: dict[str, Any] = {}
    random = networks.wespeaker(np.concatenate([item.samples for item in heard]))
    real = networks.campplus()
    with tempfile.TemporaryDirectory() as folder:
        made = {
            "CAM++": networks.agglomerative(bench.segmentation, real, THRESHOLD),
            "random ResNet34": networks.community(bench.segmentation, random, Path(folder)),
        }
        for kind, pipeline in made.items():
            told = bench.diarizer(pipeline, stock=True).diarize(audios, ANY)
            truths = [rate(i.truth, t, a.duration) for i, t, a in zip(heard, told, audios, strict=True)]
            for precision in ("full", "tf32", "half"):
                real.half = precision == "half" and bench.device.startswith("cuda")
                found = bench.diarizer(pipeline, precision=precision).diarize(audios, ANY)
                real.half = False
                ours = [rate(i.truth, f, a.duration) for i, f, a in zip(heard, found, audios, strict=True)]
                equal = sum(f == t for f, t in zip(found, told, strict=True))
                moved = max(abs(one - two) for one, two in zip(ours, truths, strict=True))
                away = apart(found, told, audios)
                rows[f"{kind}, {precision}"] = {
                    "recordings": len(heard), "same_turns": equal, "apart": away, "most_der_moved": moved,
                    "der": dict(zip((i.name for i in heard), ours, strict=True)),
                    "stock_der": dict(zip((i.name for i in heard), truths, strict=True)),
                }  # fmt: skip
                report(
                    f"  {kind}, {precision}: {equal} of {len(heard)} recordings with the same turns, "
                    f"{away:.3f} % apart; DER moved by {moved:.3f} at most; mean {np.mean(ours):.2f} %, "
                    f"stock {np.mean(truths):.2f} %"
                )
    return rows


def run(
    segmentation: Path,
    *,
    device: str = "auto",
    hours: float = 1.0,
    data: Sequence[Path] = (SAMPLES,),
    only: Sequence[str] = ("same", "long", "speed"),
    tiny: bool = False,
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Everything, or `only` a part; for `bench/gpu.py`."""
    heard = items(data)
    if tiny:
        heard, hours = [Item(i.name, i.samples[: 12 * RATE], i.truth) for i in heard[:2]], 0.004
    bench = Bench(segmentation, networks.device_of(device))
    report(f"diarization: {len(heard)} recordings with a true RTTM; random ResNet34 where not said otherwise")
    found: dict[str, Any] = {}
    if "same" in only:
        found["same"] = same(bench, heard, report)
    if "long" in only:
        found["long"] = long(bench, heard, hours, report)
    if "speed" in only:
        found["speed"] = speed(bench, heard, hours, report)
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segmentation", type=Path, default=networks.checkpoint())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="more folders with a manifest")
    parser.add_argument("--only", type=lambda text: text.split(","), default=["same", "long", "speed"])
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    if asked.segmentation is None:
        parser.error(f"give --segmentation FILE, or set {networks.CHECKPOINT}")
    found = run(
        asked.segmentation,
        device=asked.device,
        hours=asked.hours,
        data=[SAMPLES, *asked.data],
        only=asked.only,
        tiny=asked.tiny,
        report=lambda text: print(text, flush=True),
    )
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
