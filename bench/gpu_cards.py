"""Whole builds on one card and on two: seconds, and the words of the one against those of the other."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

from gpu_build import sounds  # noqa: E402
from quality_score import Errors, align  # noqa: E402

SPEECH = re.compile(r'Speech: "(.*?)"')


def cards(
    scratch: Path, waves: list[np.ndarray], count: int, seconds: float, devices: list[str], **options: Any
) -> Any:
    """A build on the first of `devices`, then on all; the words of their captions, in order of the clips."""
    from speed import build

    duration = sounds(scratch / "raw", count, seconds, waves)
    runs, words = [], []
    for device in (devices[0], ",".join(devices)):
        out = scratch / f"out {len(runs)}"
        runs.append(build(scratch / "raw", out, device=device, **options))
        words.append(spoken(out))
    errors = differing(*words)
    return {
        "devices": len(devices), "sound": duration, "words": errors.reference,
        "words apart, %": round(100 * (errors.rate or 0.0), 3), "clips": [run["clips"] for run in runs],
        "failures": [run["failures"] for run in runs],
        "one card, s": round(runs[0]["wall"], 1), f"{len(devices)} cards, s": round(runs[1]["wall"], 1),
    }  # fmt: skip


def spoken(out: Path) -> dict[str, list[str]]:
    """The words of a dataset's captions, by recording."""
    found: dict[str, list[str]] = {}
    for path in sorted((out / "clips").glob("*.txt")):
        speech = SPEECH.search(path.read_text(encoding="utf-8"))
        found.setdefault(path.stem.rpartition("_")[0], []).extend(speech[1].split() if speech else [])
    return found


def differing(one: dict[str, list[str]], other: dict[str, list[str]]) -> Errors:
    """The fewest errors that turn the words of the one into those of the other."""
    names = sorted(one.keys() | other.keys())
    return sum((align(one.get(name, []), other.get(name, [])) for name in names), Errors())
