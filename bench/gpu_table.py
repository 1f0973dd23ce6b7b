"""What the GPU bench prints of its rows, and the most that they take of the card."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

Row = dict[str, Any]

WAYS = {
    "plain": "faster-whisper alone", "ct2": "CTranslate2 alone", "faster_whisper": "through CTranslate2",
    "whisper_torch": "whisper-torch",
}  # fmt: skip
BACKENDS = {"ct2": "faster_whisper", "faster_whisper": "faster_whisper", "whisper_torch": "whisper_torch"}
TODAY = {"clips": "90x", "hour": "771x"}
WANTED = {
    ("clips", "faster_whisper"): 600, ("clips", "whisper_torch"): 1500,
    ("hour", "faster_whisper"): 800, ("hour", "whisper_torch"): 2000,
}  # fmt: skip


class GpuMemory:
    """Peak MiB in use on the card while in the block, by everyone; None without NVIDIA's management library."""

    def __init__(self, index: int = 0) -> None:
        self.peak: float | None = None
        self._index = index
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        try:
            import pynvml

            pynvml.nvmlInit()
            card = pynvml.nvmlDeviceGetHandleByIndex(self._index)
        except (ImportError, OSError, RuntimeError) as error:
            print(f"no GPU memory figures: {error}", file=sys.stderr)
            return
        except Exception as error:  # noqa: BLE001  pynvml's own errors have no base that can be imported without it
            print(f"no GPU memory figures: {error}", file=sys.stderr)
            return
        while not self._stop.wait(0.02):
            used = pynvml.nvmlDeviceGetMemoryInfo(card).used / 2**20
            self.peak = max(self.peak or 0.0, used)

    def __enter__(self) -> GpuMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def show(section: str, name: str, row: Row) -> None:
    if "error" in row:
        text = f"FAILED: {row['error']}"
    elif "slowest" in row:
        text = f"{row['speed']:.0f}x real time ({row['took']:.1f} s for {row['sound']:.0f} s, "
        text += f"{row['core seconds']} of cores, {row['clips']} clips, {row['failures']} failures); "
        text += f"{row['whole to slowest']} of its slowest stage, {row['slowest']}; alone: {row['alone']}; "
        text += ", ".join(f"{stage} {took}" for stage, took in row["seconds"].items())
    elif "speed" in row and isinstance(row["speed"], float):
        text = f"{row['speed']:.0f}x real time ({row['took']:.2f} s for {row['sound']:.0f} s, {row['words']} words"
        text += f", loaded in {row['load']:.1f} s, first {row['warm']:.1f} s)" if "load" in row else ")"
    else:
        text = json.dumps({key: value for key, value in row.items() if not key.endswith("_mib")})
    peaks = ", ".join(
        f"{where} {row[key] / 1024:.1f} GiB"
        for where, key in (("GPU", "gpu_mib"), ("host", "host_mib"))
        if row.get(key)
    )
    print(f"{section:9} {name:34} {text}  [{peaks}]", flush=True)


def table(found: dict[str, dict[str, Row]]) -> None:
    """The promises, one a line."""
    print(f"\n{'what':44} {'elsewhere':>14} {'wanted':>9} {'measured':>10} {'to plain':>9}")

    def line(what: str, elsewhere: str, wanted: str, measured: str, ratio: str = "") -> None:
        print(f"{what:44} {elsewhere:>14} {wanted:>9} {measured:>10} {ratio:>9}")

    for kind in ("clips", "hour"):
        plain = found.get("asr", {}).get(f"{kind}, {WAYS['plain']}", {}).get("speed")
        for way in BACKENDS:
            speed = found.get("asr", {}).get(f"{kind}, {WAYS[way]}", {}).get("speed")
            wanted = f"{WANTED[kind, way]}x" if (kind, way) in WANTED else ""
            ratio = f"{speed / plain:.1f}" if speed and plain else "-"
            line(f"{kind}, {WAYS[way]}", TODAY[kind], wanted, f"{speed:.0f}x" if speed else "-", ratio)
    for name, row in found.get("build", {}).items():
        if "speed" in row:
            few = name.startswith("20 clips")
            measured = f"{row['took']:.1f} s" if few else f"{row['speed']:.0f}x"
            line(f"build, {name}", "" if few else "150x on 8", "15 s" if few else "300x", measured)
            line("    against its slowest stage", "", "1.25", str(row["whole to slowest"]))
    for name, row in found.get("video", {}).items():
        if "clips a second" in row:
            line(f"{name}, {row['threads']} cores", "1.2 clips/s", "50", str(row["clips a second"]))
            for part in ("clips a second without NVDEC", "x264 alone on all cores, clips a second",
                         "watching, times real time", "watching without NVDEC, times real time"):  # fmt: skip
                line(f"    {part}", "", "", str(row[part]))
            print(f"    {row['misses']}")
    for row in found.get("diarization", {}).values():
        for kind in ("one recording", "of 5 min", "clips of 5 s"):
            own = row.get("speed", {}).get(f"auto, {kind}")
            if own is not None:
                told = f"{own['seconds_per_hour']:.1f} s"
                line(f"diarization, an hour, {kind}", "31 s", "5 s", told, f"{own['ratio']:.1f}")
    for row in found.get("parakeet", {}).values():
        for name, own in row.items():
            if isinstance(own, dict):
                line(f"parakeet, {name}", "3386x (A100)", "", f"{own['speed']:.0f}x")
