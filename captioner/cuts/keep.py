"""Clips that are already cut: each file is one clip, trimmed only as far as the frame rule asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from captioner.cuts.candidates import Scene, make_scene
from captioner.cuts.edges import Grid, word_costs
from captioner.cuts.reasons import cut_doubts
from captioner.cuts.values import Footage, Plan, PlanOptions
from captioner.scripts import spoken_text
from captioner.times import Span
from captioner.types import Cut, Doubt, LeftOut, Line, Word

UNQUIET_COST = 500.0
"""Cost of an end that is not in silence, which a clip that somebody else has cut may have."""


def keep_whole(footage: Footage, options: PlanOptions | None = None) -> Plan:
    """One cut for a whole file: the largest allowed count with which no word is split, trimmed at either side.

    Several speakers or shots in it are doubted, not refused. Words that the trim leaves outside, or all where no count
    fits, are in `left_out`.
    """
    rule, rate = footage.rule, footage.rate
    scene = make_scene(footage, options or PlanOptions())
    grid = scene.grid
    room = grid.last - grid.first
    costs = _costs(scene)
    for count in reversed(rule.counts(most=room)):
        both = costs[: room - count + 1] + costs[count:] - 1000.0 * _said(scene, count)
        index = int(np.argmin(both))
        if np.isfinite(both[index]):
            cut = Cut(footage.slug, grid.first + index, count, rate, ())
            return _held(cut, footage.lines, footage.words, grid)
    least = rule.allowed[0]
    if room < least:
        detail = f"the file has {room} frames at {float(rate):g} a second, the shortest clip {least}"
    else:
        detail = "every allowed length would split a word"
    return Plan(
        (), tuple(LeftOut(line.span, line.speaker, "too-short-room", line.text, detail) for line in footage.lines)
    )


def _costs(scene: Scene) -> NDArray[np.float64]:
    """Of each boundary of the grid; infinity in a word or closer to one than an edge, but at the file's own ends."""
    grid, edge = scene.grid, scene.edge
    times = grid.milliseconds(grid.first, grid.last)
    heard = grid.cost.astype(np.float64)
    heard[~np.isfinite(heard)] = UNQUIET_COST
    starts, latest = np.array(scene.starts, np.float64), np.array(scene.latest, np.float64)
    if not len(starts):
        return heard
    index = np.searchsorted(starts, times, side="left")
    before = np.where(index > 0, latest[np.maximum(index - 1, 0)], -np.inf)
    after = np.where(index < len(starts), starts[np.minimum(index, len(starts) - 1)], np.inf)
    cost = heard + _near(times, before, after)
    split = (times < before + edge) | (times > after - edge)
    for at in (0, len(times) - 1):
        if before[at] <= times[at] <= after[at]:
            split[at] = False
    cost[split] = np.inf
    return cost


def _near(times: NDArray[np.float64], before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """`word_costs` of distances instead of one pair of words."""
    return word_costs(times - before, 0, None) + word_costs(times - after, None, 0)


def _said(scene: Scene, count: int) -> NDArray[np.float64]:
    """Seconds of words between each boundary and the one `count` later: more words kept is better."""
    grid = scene.grid
    times = grid.milliseconds(grid.first, grid.last)
    ends = np.sort(np.array(scene.ends, np.float64))
    sums = np.concatenate(([0.0], np.cumsum(np.array(scene.ends) - np.array(scene.starts), dtype=np.float64)))
    until = sums[np.searchsorted(ends, times, side="right")]
    return (until[count:] - until[: len(until) - count]) / 1000


def _held(cut: Cut, lines: Sequence[Line], words: Sequence[Word], grid: Grid) -> Plan:
    inside: list[Line] = []
    outside: list[LeftOut] = []
    for line in lines:
        kept = tuple(word for word in line.words if cut.span.contains(word.span))
        if kept:
            inside.append(line if len(kept) == len(line.words) else replace(line, words=kept))
        rest = [word for word in line.words if not cut.span.contains(word.span)]
        if rest:
            text = spoken_text(word.text for word in rest)
            span = Span(rest[0].span.start, rest[-1].span.end)
            detail = f"outside the {cut.frames} frames that the rule allows"
            outside.append(LeftOut(span, line.speaker, "too-short-room", text, detail))
    cut = replace(cut, lines=tuple(inside))
    doubts = [*cut_doubts(grid, cut, words), *_mixed(cut, grid)]
    return Plan((replace(cut, doubts=tuple(doubts)),), tuple(outside))


def _mixed(cut: Cut, grid: Grid) -> list[Doubt]:
    doubts = []
    speakers = sorted({line.speaker for line in cut.lines if line.speaker is not None})
    if len(speakers) > 1:
        doubts.append(Doubt("several-speakers", f"{len(speakers)} people speak: {', '.join(speakers)}", cut.span))
    if grid.crosses_shot(cut.start, cut.start + cut.frames):
        doubts.append(Doubt("shot-change", "the picture changes to another shot inside it", cut.span))
    span = cut.span
    near = [word for word in _words(cut) if word.span.start < span.start + 0.04 or word.span.end > span.end - 0.04]
    if near:
        said = " ".join(word.text for word in near)
        doubts.append(Doubt("at-edge-of-file", f"begins or ends within 40 ms of the file's own edge: {said}", span))
    return doubts


def _words(cut: Cut) -> list[Word]:
    return [word for line in cut.lines for word in line.words]
