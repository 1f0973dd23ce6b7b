"""Everything that the GPU path promises, measured in one run on one machine.

    python bench/gpu.py [--only asr,equality,...] [--rows TEXT] [--device auto] [--beam 1] [--clips 1000]
                        [--scale 100,1000,10000] [--hours 1] [--tiny] [--limit 570] [--json FILE]

asr        5 s clips and 1 h files with word times: faster-whisper alone, captioner through CTranslate2, whisper-torch
scale      the same clips, from 100 to 10,000
build      whole builds from sound to captions with Whisper base; of 20 clips, everything loaded anew: a card that sees
           CTranslate2 for the first time compiles its kernels, and keeps them; against the slowest stage, run alone
video      5 s clips cut from 1080p, scaled to 512x512, written and checked
cards      the same builds on one card and on all of them: seconds, and words against words
diarization, parakeet  `gpu_diarization.py` and `gpu_parakeet.py`, with rows of their own
profile    milliseconds of each part of both engines, by context and batch
breakdown  an hour by part, on the host and on the device, with its kernels and the gaps between them
equality   real speech through real weights (Whisper base): words against the truth, and each way against the others

Weights of large-v3-turbo's size are made up (its architecture, normally distributed), 100 tokens forced for each 30 s
of context, the same beam everywhere. Sounds are the sample dataset's. Every row runs in a process of its own: one that
fails or takes too long costs only itself. `--tiny` is for trying the bench out on a machine without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "bench"))

from gpu_table import BACKENDS, WAYS, GpuMemory, Row, show, table  # noqa: E402

# -- rows: each runs in a process of its own ---------------------------------------------------------------------------


def _given(options: argparse.Namespace) -> Any:
    from gpu_asr import Given
    from speed import sample_waves

    return Given(options.model, options.device, options.beam, [wave for _, wave in sample_waves()])


def _asr(kind: str, way: str, options: argparse.Namespace) -> Row:
    import gpu_asr

    given = _given(options)
    if kind == "clips":
        count = options.clips if way != "plain" else min(options.clips, 100)
        items = gpu_asr.clips(count, given.waves)
        if way == "plain":
            return gpu_asr.run_plain_clips(given, items, 30)
    else:
        items = gpu_asr.hour(3600 * options.hours, given.waves)
        if way == "plain":
            return gpu_asr.run_plain_hour(given, items, 64)
    return gpu_asr.run_ours(BACKENDS[way], given, items, **ENCODERS.get(way, {}))


def _scale(way: str, count: int, options: argparse.Namespace) -> Row:
    import gpu_asr

    given = _given(options)
    return gpu_asr.run_ours(BACKENDS[way], given, gpu_asr.clips(count, given.waves), **ENCODERS.get(way, {}))


def _profile(way: str, options: argparse.Namespace) -> Row:
    import gpu_asr

    contexts, batches = ((900, 3000), (16, 64)) if not options.tiny else ((900,), (2,))
    return gpu_asr.profile(BACKENDS[way], _given(options), contexts, batches, **ENCODERS.get(way, {}))


def _breakdown(way: str, options: argparse.Namespace) -> Row:
    import gpu_asr
    import gpu_breakdown

    given = _given(options)
    items = gpu_asr.hour(3600 * options.hours, given.waves)
    return gpu_breakdown.breakdown(BACKENDS[way], given, items, **ENCODERS.get(way, {}))


def _equality(options: argparse.Namespace) -> Row:
    import gpu_asr

    return gpu_asr.equality(options.base, options.device, options.beam)


def _whole(
    count: int,
    seconds: float,
    backend: str,
    options: argparse.Namespace,
    *,
    pyannote: bool = False,
    video: bool = False,
) -> Row:
    import gpu_build

    waves, model = _models(backend, options)
    model["device"] = options.device
    with gpu_build.scratch_folder() as scratch:
        if pyannote:
            model |= _pyannote(Path(scratch), waves, options)
        return gpu_build.whole(Path(scratch), waves, count, seconds, video=video, **model)


def _models(backend: str, options: argparse.Namespace) -> tuple[list[Any], Row]:
    from speed import sample_waves

    model: Row = {"model": options.base, "asr": backend, "language": "en"}
    model["asr_options"] = {"beam_size": options.beam}
    return [wave for _, wave in sample_waves()], model


def _pyannote(scratch: Path, waves: list[Any], options: argparse.Namespace) -> Row:
    import pyannote_networks

    checkpoint = Path(options.segmentation) if options.segmentation else pyannote_networks.checkpoint()
    if checkpoint is None:
        raise SystemExit("no --segmentation: community-1's shape cannot be made")
    folder = scratch / "pipeline"
    folder.mkdir()
    pyannote_networks.written(checkpoint, pyannote_networks.wespeaker(waves[0]), folder)
    return {"diarizer": "pyannote", "diarizer_options": {"pipeline": str(folder)}}


def _cards(count: int, seconds: float, options: argparse.Namespace) -> Row:
    import gpu_build
    import gpu_cards

    from captioner.models import cuda

    devices = [f"cuda:{number}" for number in range(cuda.count())]
    if len(devices) < 2 and not options.tiny:
        raise SystemExit(f"there are {len(devices)} GPUs: nothing to compare")
    waves, model = _models("whisper_torch" if devices else "faster_whisper", options)
    with gpu_build.scratch_folder() as scratch:
        model |= _pyannote(Path(scratch), waves, options) if devices else {}
        found: Row = gpu_cards.cards(Path(scratch), waves, count, seconds, devices or ["cpu"], **model)
        return found


def _writing(options: argparse.Namespace) -> Row:
    import gpu_build

    with gpu_build.scratch_folder() as scratch:
        return gpu_build.writing(Path(scratch), 4 if options.tiny else 128, os.cpu_count() or 1)


def _diarization(options: argparse.Namespace) -> Row:
    """The bench of diarization by itself, which prints its own rows."""
    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch) / "rows.json"
        command = [sys.executable, str(ROOT / "bench" / "gpu_diarization.py"), "--device", options.device,
                   "--hours", f"{options.hours:g}", "--json", str(answer)]  # fmt: skip
        command += ["--segmentation", options.segmentation] if options.segmentation else []
        subprocess.run([*command, *(["--tiny"] if options.tiny else [])], check=True)
        found: Row = json.loads(answer.read_text())
        return found


def _parakeet(options: argparse.Namespace) -> Row:
    import gpu_parakeet

    clips, hours = (4, 0.02) if options.tiny else (10_000, 3.0)
    found: Row = gpu_parakeet.rows(options.device, clips, hours, tiny=options.tiny)
    return found


ENCODERS = {"ct2": {"encoder": "ct2"}}
ROWS: dict[str, dict[str, Callable[[argparse.Namespace], Row]]] = {
    "equality": {"Whisper base, real speech": _equality},
    "asr": {
        f"{kind}, {WAYS[way]}": (lambda options, kind=kind, way=way: _asr(kind, way, options))
        for kind in ("clips", "hour")
        for way in WAYS
    },
    "build": {
        "20 clips of 5 s, whisper-torch": lambda options: _whole(20, 5.0, "whisper_torch", options),
        "20 clips through CTranslate2": lambda options: _whole(20, 5.0, "faster_whisper", options),
        "20 clips through CTranslate2, again": lambda options: _whole(20, 5.0, "faster_whisper", options),
        "1 h in files of 5 min, whisper-torch": lambda options: _whole(
            *((2, 20.0) if options.tiny else (12, 300.0)), "whisper_torch", options
        ),
        "and pyannote, community-1's shape": lambda options: _whole(
            *((2, 20.0) if options.tiny else (12, 300.0)), "whisper_torch", options, pyannote=True
        ),
        "6 h of the same": lambda options: _whole(
            *((4, 20.0) if options.tiny else (72, 300.0)), "whisper_torch", options, pyannote=True
        ),
        "1080p films, 1 h, pyannote": lambda options: _whole(
            *((2, 20.0) if options.tiny else (12, 300.0)), "whisper_torch", options, pyannote=True, video=True
        ),
        "1080p films, 1 h, embedded diarizer": lambda options: _whole(
            *((2, 20.0) if options.tiny else (12, 300.0)), "whisper_torch", options, video=True
        ),
    },
    "video": {"1080p to 512x512": _writing},
    "cards": {
        "2 h in files of 5 min": lambda options: _cards(*((2, 20.0) if options.tiny else (24, 300.0)), options),
        "1 h of clips of 5 s": lambda options: _cards(*((4, 5.0) if options.tiny else (720, 5.0)), options),
    },
    "diarization": {"community-1's shape": _diarization},
    "parakeet": {"parakeet-tdt-0.6b's shape": _parakeet},
    "profile": {f"parts, {WAYS[way]}": (lambda options, way=way: _profile(way, options)) for way in BACKENDS},
    "breakdown": {
        f"hour, {WAYS[way]}": (lambda options, way=way: _breakdown(way, options))
        for way in ("whisper_torch", "faster_whisper")
    },
}

ALL = ("equality", "asr", "build", "video", "diarization", "scale", "parakeet", "profile")
"""What one command measures on one card."""


def rows_of(options: argparse.Namespace) -> dict[str, dict[str, Callable[[argparse.Namespace], Row]]]:
    rows = dict(ROWS)
    rows["scale"] = {
        f"{count} clips, {WAYS[way]}": (lambda options, way=way, count=count: _scale(way, count, options))
        for way in options.ways
        for count in options.scale
    }
    return {
        section: {name: row for name, row in rows[section].items() if options.rows in name} for section in options.only
    }


# -- running them ------------------------------------------------------------------------------------------------------


def child(options: argparse.Namespace) -> None:
    section, name = options.row.split("/", 1)
    call = rows_of(options)[section][name]
    with GpuMemory() as memory:
        answer = call(options)
    answer["gpu_mib"] = memory.peak
    unit = 1024 if sys.platform != "darwin" else 1024**2
    answer["host_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    Path(options.answer).write_text(json.dumps(answer))


def run_row(section: str, name: str, options: argparse.Namespace, scratch: Path, left: float) -> Row:
    answer = scratch / "answer.json"
    answer.unlink(missing_ok=True)
    command = [sys.executable, __file__, *options.given, "--row", f"{section}/{name}", "--answer", str(answer),
               "--model", options.model, "--base", options.base]  # fmt: skip
    if left < 10:
        return {"error": "no time was left"}
    done = subprocess.Popen(command, start_new_session=True)
    try:
        done.wait(min(left, options.row_limit))
    except subprocess.TimeoutExpired:
        os.killpg(done.pid, signal.SIGKILL)  # with its own children, or they would slow the next row
        done.wait()
        return {"error": f"took more than {min(left, options.row_limit):.0f} s"}
    if done.returncode or not answer.is_file():
        return {"error": f"failed with {done.returncode}"}
    found: Row = json.loads(answer.read_text())
    return found


def parsed(given: list[str]) -> argparse.Namespace:
    numbers: Callable[[str], list[int]] = lambda text: [int(part) for part in text.split(",")]  # noqa: E731
    names: Callable[[str], list[str]] = lambda text: text.split(",")  # noqa: E731
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=names, default=list(ALL))
    parser.add_argument("--rows", default="", help="only rows whose names have this in them")
    parser.add_argument("--ways", type=names, default=["faster_whisper", "whisper_torch"], help="for `scale`")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--beam", type=int, default=1)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--scale", type=numbers, default=[100, 1000, 10_000])
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--base", default="", help="a folder with Whisper base; default: the `offline` extra's")
    parser.add_argument("--segmentation", default="", help="segmentation-3.0's checkpoint, for `diarization`")
    parser.add_argument("--limit", type=float, default=570.0, help="seconds for everything")
    parser.add_argument("--row-limit", type=float, default=180.0, help="seconds for one row")
    parser.add_argument("--tiny", action="store_true", help="small sizes everywhere, to try it out")
    parser.add_argument("--json", type=Path)
    for hidden in ("--row", "--answer", "--model"):
        parser.add_argument(hidden, default="", help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    options.given = [part for part in given if part not in ("--row", "--answer")]
    if options.tiny:
        options.clips, options.hours, options.scale = min(options.clips, 6), min(options.hours, 0.02), [4, 8]
    if options.device == "auto":
        from captioner.models.asr.faster_whisper import device_of

        options.device = device_of("auto")[0]
    return options


def compile_once() -> None:
    """Where Python keeps no compiled modules, captioner does from its second run on: no row is the first."""
    from captioner.engine.compiled import kept

    if kept():
        os.environ.update(kept())
        heavy = "import ctranslate2, onnxruntime, scipy.signal, torch, transformers, pyannote.audio"
        done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, check=False)
        print(f"modules are compiled once, as in a second run ({'all' if done.returncode == 0 else 'some'} of them)")


def main() -> None:
    start = time.perf_counter()
    options = parsed(sys.argv[1:])
    if options.row:
        try:
            child(options)
        except BaseException:
            traceback.print_exc()
            raise
        return
    from gpu_made import TINY, TURBO, made_whisper

    compile_once()
    from captioner.models.asr.weights import find_weights

    options.base = str(find_weights(options.base or None))
    found: dict[str, dict[str, Row]] = {}
    with tempfile.TemporaryDirectory(prefix="captioner-gpu-", dir=os.environ.get("TMPDIR")) as scratch:
        made = made_whisper(Path(scratch) / "made", Path(options.base), TINY if options.tiny else TURBO)
        options.model = str(made)
        print(
            f"made weights in {time.perf_counter() - start:.0f} s; device {options.device}, beam {options.beam}",
            flush=True,
        )
        for section, rows in rows_of(options).items():
            for name in rows:
                left = options.limit - (time.perf_counter() - start)
                row = run_row(section, name, options, Path(scratch), left)
                found.setdefault(section, {})[name] = row
                show(section, name, row)
                if options.json:
                    options.json.write_text(json.dumps(found, indent=1) + "\n")
    table(found)


if __name__ == "__main__":
    main()
