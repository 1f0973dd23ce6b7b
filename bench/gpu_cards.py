"""Whole builds on one card and on two: seconds, and the words of the one against those of the other."""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

from gpu_build import sounds  # noqa: E402

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
    apart, total = differing(*words)
    return {
        "devices": len(devices), "sound": duration, "words": total, "apart": apart,
        "words apart, %": round(100 * apart / max(1, total), 3), "clips": [run["clips"] for run in runs],
        "failures": [run["failures"] for run in runs],
        "one card, s": round(runs[0]["wall"], 1), f"{len(devices)} cards, s": round(runs[1]["wall"], 1),
    }  # fmt: skip


def spoken(out: Path) -> list[str]:
    """The words of a dataset's captions."""
    found = (SPEECH.search(path.read_text(encoding="utf-8")) for path in sorted((out / "clips").glob("*.txt")))
    return [word for speech in found if speech for word in speech[1].split()]


def differing(one: list[str], other: list[str]) -> tuple[int, int]:
    """Words put in, left out or put in another's place, and how many there are."""
    blocks = difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    return sum(max(b - a, d - c) for kind, a, b, c, d in blocks if kind != "equal"), len(one)
