"""Is the trust number true, and does a voice keep one name over the recordings? Scored on the clips of one build."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import quality_score as score
from quality_report import Row, grid

BINS = 10
TRUSTED = 0.9
GENERIC = re.compile(r"(spk|speaker|talker)[_ ]?\w{1,2}|[a-z]?\d{1,2}", re.IGNORECASE)
"""Names that say nothing beyond their own file."""


def calibration(judged: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """Of (trust, wrong) pairs: expected calibration error over ten bins, the share above `TRUSTED`, how many of those
    are wrong, and how many of the more trusted half."""
    if not judged:
        return {"lines": 0}
    total = len(judged)
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for trust, wrong in judged:
        bins[min(BINS - 1, int(trust * BINS))].append((trust, wrong))
    gaps = (abs(sum(t for t, _ in own) - sum(not w for _, w in own)) for own in bins.values())
    sure = [wrong for trust, wrong in judged if trust > TRUSTED]
    half = sorted(judged, key=lambda pair: -pair[0])[: (total + 1) // 2]
    return {
        "lines": total,
        "wrong": sum(wrong for _, wrong in judged),
        "ece": sum(gaps) / total,
        "sure": len(sure),
        "sure_wrong": sum(sure),
        "half_wrong": sum(wrong for _, wrong in half),
        "half": len(half),
    }


def identity(heard: Sequence[tuple[str, float, str]]) -> dict[str, Any]:
    """Of (speaker found, seconds, true speaker): purity, coverage, speakers found and true."""
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    true: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for label, seconds, person in heard:
        found[label][person] += seconds
        true[person][label] += seconds
    total = sum(seconds for _, seconds, _ in heard)
    if not total:
        return {}
    return {
        "purity": sum(max(own.values()) for own in found.values()) / total,
        "coverage": sum(max(own.values()) for own in true.values()) / total,
        "found": len(found),
        "true": len(true),
    }


def person(file: str, name: str) -> str:
    """A truth speaker's name over the whole set: generic names hold in their own file only."""
    return f"{file}: {name}" if GENERIC.fullmatch(name) else name


def voices_of(file: str, turns: Sequence[tuple[float, float, str]], clips: Sequence[Any]) -> list[Any]:
    """(speaker found, seconds, true speaker) of every clip with a known main speaker."""
    rows = []
    for clip in clips:
        amounts: dict[str, float] = defaultdict(float)
        for start, end, name in turns:
            amounts[name] += score.overlap((start, end), clip.span)
        main = max(amounts, key=lambda name: amounts[name], default=None)
        if main is not None and amounts[main] > 0 and clip.speaker is not None:
            rows.append((clip.speaker, amounts[main], person(file, main)))
    return rows


def tables(items: Sequence[Row]) -> str:
    """What the two say of all items together."""
    found = calibration([(trust, wrong) for item in items for trust, wrong in item["trust"]])
    if not found["lines"]:
        return ""
    rows = [
        [
            "pooled", found["lines"], found["wrong"], f"{found['ece']:.3f}", 100 * found["sure"] / found["lines"],
            100 * found["sure_wrong"] / found["sure"] if found["sure"] else None,
            100 * found["half_wrong"] / found["half"],
        ]
    ]  # fmt: skip
    head = [
        "clips",
        "number",
        "wrong",
        "calibration error",
        "above 0.9 %",
        "of those wrong %",
        "wrong in the top half %",
    ]
    said = [grid("How true the trust number is (wrong: any word of the caption)", head, rows)]
    names = identity([row for item in items for row in item["voices"]])
    if names:
        rows = [["pooled", 100 * names["purity"], 100 * names["coverage"], names["found"], names["true"]]]
        said.append(grid("Voices over all recordings", ["clips", "purity %", "coverage %", "found", "true"], rows))
    return "\n\n".join(said)
