"""Cuts that a person makes: the frames nearest to what is wished that are as legal as the machine's.

The frame rule holds, edges lie in silence and away from words, words are inside whole or not at all, one speaker and
one shot. Clips that were cut before (`keep_cuts`) may begin and end where it is not quiet, as they do anyway.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from captioner.cuts.candidates import Atom, Scene, make_scene, place
from captioner.cuts.edges import milliseconds
from captioner.cuts.reasons import cut_doubts
from captioner.cuts.values import Footage, PlanOptions
from captioner.scripts import spoken_text
from captioner.types import Cut, Line

REACH = 4000
"""Milliseconds about a wished edge in which a legal one is looked for."""
OTHER_EDGE = 0.2
"""What a millisecond of the edge that was not asked to move counts beside one of the edge that was."""
OTHER_WORDS = 10_000.0
"""Milliseconds that other words at that edge count for."""


@dataclass(frozen=True, slots=True)
class Table:
    """One recording laid out for cutting by hand."""

    footage: Footage
    scene: Scene
    lines: tuple[Line, ...]
    ready: bool
    """Whether the recording is a clip already."""
    usable: NDArray[np.bool_]
    """Whether a cut may begin or end at each boundary from `scene.grid.first` on. (last - first + 1,)"""


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why there is no such cut: one sentence."""

    why: str


def lay_out(footage: Footage, *, ready: bool = False) -> Table:
    """`ready`: the recording is a clip already and keeps what it has."""
    lines = tuple(
        sorted((line for line in footage.lines if line.words), key=lambda line: (line.span.start, line.span.end))
    )
    scene = make_scene(replace(footage, lines=lines), PlanOptions())
    return Table(footage, scene, lines, ready, _usable(scene, ready))


def _usable(scene: Scene, ready: bool) -> NDArray[np.bool_]:
    grid, edge = scene.grid, scene.edge
    times = grid.milliseconds(grid.first, grid.last)
    open_ = np.ones(len(times), np.bool_) if ready else np.isfinite(grid.cost)
    starts, latest = np.array(scene.starts, np.float64), np.array(scene.latest, np.float64)
    if len(starts):
        index = np.searchsorted(starts, times, side="left")
        before = np.where(index > 0, latest[np.maximum(index - 1, 0)], -np.inf)
        after = np.where(index < len(starts), starts[np.minimum(index, len(starts) - 1)], np.inf)
        clear = (times >= before + edge) & (times <= after - edge)
        open_ &= clear
        if before[0] <= times[0] <= after[0] and (ready or grid.begins_softly(int(times[0]))):
            open_[0] = True
        if before[-1] <= times[-1] <= after[-1] and (ready or grid.ends_softly(int(times[-1]))):
            open_[-1] = True
    return open_


def words_inside(table: Table, start: int, frames: int) -> range:
    """Indices of the words, of all in the recording, that lie whole between two boundaries."""
    scene = table.scene
    begin, end = _bounds(table, start, frames)
    first = bisect_left(scene.starts, begin)
    last = bisect_right(scene.latest, end, lo=first) if first < len(scene.latest) else first
    return range(first, max(first, last))


def _bounds(table: Table, start: int, frames: int) -> tuple[float, float]:
    step = 1000 * table.scene.grid.rate.denominator / table.scene.grid.rate.numerator
    return start * step, (start + frames) * step


def fault(table: Table, start: int, frames: int) -> str:
    """Why these frames are no legal cut; "" where they are."""
    scene, grid = table.scene, table.scene.grid
    rule = table.footage.rule
    if frames not in rule.allowed:
        return f"{frames} frames are not among those that the rule {rule.text} allows"
    if start < grid.first or start + frames > grid.last:
        return "it reaches beyond the recording's picture or sound"
    for at, side in ((start, "start"), (start + frames, "end")):
        if not table.usable[at - grid.first]:
            return f"no silence at its {side}"
    inside = words_inside(table, start, frames)
    if not inside:
        return "no word is in it"
    if table.ready:
        return ""
    speakers = {scene.words[index].speaker for index in inside}
    if len(speakers) > 1 or None in speakers:
        return "more than one person speaks in it" if len(speakers) > 1 else "nobody is known to speak in it"
    if grid.crosses_shot(start, start + frames):
        return "the picture changes to another shot in it"
    begin, end = _bounds(table, start, frames)
    foreign = scene.of(str(speakers.pop())).within(round(begin), round(end))
    if foreign > milliseconds(scene.options.foreign):
        return f"somebody else's turn covers {foreign / 1000:.2f} s of it"
    return ""


def nearest(
    table: Table, start: int, frames: int, moves: tuple[int, int], *, beyond: bool = False
) -> tuple[int, int] | Unfit:
    """First frame and number of frames of the legal cut nearest to present frames whose edges are moved by so many
    milliseconds. The edge that is not moved keeps its words where it can. With `beyond` a moved edge must
    really lie where it was moved to or, where nothing can end there, farther."""
    begin, end = _bounds(table, start, frames)
    wished = (begin + moves[0], end + moves[1])
    weights = [1.0 if move else OTHER_EDGE for move in moves]
    if wished[0] >= wished[1]:
        return Unfit("nothing would be left of it")
    inside = words_inside(table, start, frames)
    ranked = []
    for first, count in _candidates(table, wished):
        if beyond and not _moved(start, first, moves[0]) | _moved(start + frames, first + count, moves[1]):
            continue
        low, high = _bounds(table, first, count)
        far = weights[0] * abs(low - wished[0]) + weights[1] * abs(high - wished[1])
        own = words_inside(table, first, count)
        if inside and own:
            far += OTHER_WORDS * (not moves[0] and own[0] != inside[0])
            far += OTHER_WORDS * (not moves[1] and own[-1] != inside[-1])
        ranked.append((far, abs(first - start), first, count))
    why = ""
    for _, _, first, count in sorted(ranked):
        found = fault(table, first, count)
        if not found:
            return first, count
        why = why or found
    return Unfit(why or "no silence near there in which a clip of an allowed length can begin and end")


def _moved(before: int, after: int, move: int) -> bool:
    return (after > before) if move > 0 else (after < before) if move < 0 else False


def _candidates(table: Table, wished: tuple[float, float]) -> Iterator[tuple[int, int]]:
    grid = table.scene.grid
    low = max(grid.first, grid.at_or_after(round(wished[0]) - REACH))
    high = min(grid.last, grid.at_or_before(round(wished[0]) + REACH))
    for first in range(low, high + 1):
        if not table.usable[first - grid.first]:
            continue
        for count in table.footage.rule.counts():
            last = first + count
            if last > grid.last:
                break
            if table.usable[last - grid.first] and abs(_bounds(table, last, 0)[0] - wished[1]) <= REACH:
                yield first, count


def around(table: Table, first: int, last: int) -> tuple[int, int] | Unfit:
    """First frame and number of frames of the best cut of the words `first` to `last`, by index, both inside."""
    scene = table.scene
    words = [scene.words[index] for index in range(first, last + 1)]
    speakers = {word.speaker for word in words}
    told = spoken_text(word.text for word in words)
    if len(speakers) > 1 or None in speakers:
        return Unfit(f"more than one person speaks in: {told}")
    start, end = scene.starts[first], max(scene.ends[first : last + 1])
    atom = Atom(0, first, last, start, end, 0, str(words[0].speaker), False)
    placed = place(scene, atom, atom)
    if placed is None:
        rule = table.footage.rule
        return Unfit(
            f"no clip of {rule.allowed[0]} to {rule.allowed[-1]} frames ({rule.text}) with silence at both ends holds "
            f"these {(end - start) / 1000:.2f} s alone: {told}"
        )
    return placed.start, placed.frames


def parted(table: Table, start: int, frames: int, at: float) -> list[tuple[int, int]] | Unfit:
    """Two cuts in place of one, parted in the pause nearest to `at` seconds of the recording that allows it."""
    inside = words_inside(table, start, frames)
    scene = table.scene
    gaps = sorted(inside[1:], key=lambda index: abs((scene.latest[index - 1] + scene.starts[index]) / 2 - 1000 * at))
    why: Unfit | None = None
    for index in gaps:
        one, two = around(table, inside[0], index - 1), around(table, index, inside[-1])
        if not isinstance(one, Unfit) and not isinstance(two, Unfit):
            return [one, two]
        why = why or (one if isinstance(one, Unfit) else two if isinstance(two, Unfit) else None)
    return why or Unfit("there is one word in it")


def joined(table: Table, one: tuple[int, int], two: tuple[int, int]) -> tuple[int, int] | Unfit:
    """One cut in place of two, with the words that lie between them."""
    first, last = words_inside(table, *one), words_inside(table, *two)
    if not first or not last:
        return Unfit("one of them has no words")
    return around(table, min(first[0], last[0]), max(first[-1], last[-1]))


def held(table: Table, start: int, frames: int) -> Cut:
    """The cut of these frames with the words that are whole inside, and what is odd about it."""
    scene = table.scene
    inside = set(words_inside(table, start, frames))
    lines = []
    for line, places in zip(table.lines, scene.places, strict=True):
        own = tuple(scene.words[index] for index in places if index in inside)
        if len(own) == len(places):
            lines.append(line)
        elif own:
            lines.append(_part(replace(line, words=own)))
    cut = Cut(table.footage.slug, start, frames, scene.grid.rate, tuple(lines))
    return replace(cut, doubts=cut_doubts(scene.grid, cut, scene.words))


def _part(line: Line) -> Line:
    """With the doubts that concern what is left of it."""
    span = line.span
    return replace(
        line,
        doubts=tuple(
            d for d in line.doubts if d.span is None or (d.span.end >= span.start and d.span.start <= span.end)
        ),
    )


def moved_words(before: Cut, after: Cut) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words that leave and words that enter when one cut takes the place of another."""

    def of(cut: Cut) -> dict[tuple[float, float], str]:
        return {(word.span.start, word.span.end): word.text for line in cut.lines for word in line.words}

    old, new = of(before), of(after)
    return tuple(text for at, text in old.items() if at not in new), tuple(t for at, t in new.items() if at not in old)


def left(cuts: Sequence[Cut], dropped: Sequence[Cut]) -> list[Line]:
    """The parts of dropped cuts' lines whose words no other cut has."""
    kept = {(word.span, word.text) for cut in cuts for line in cut.lines for word in line.words}
    found = []
    for line in (line for cut in dropped for line in cut.lines):
        own = tuple(word for word in line.words if (word.span, word.text) not in kept)
        if own:
            found.append(replace(line, words=own))
    return found
