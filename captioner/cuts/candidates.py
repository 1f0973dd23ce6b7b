"""Which stretches of words could be cuts, and the best frames for each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from captioner.cuts.edges import Grid, make_grid, milliseconds, word_costs
from captioner.cuts.values import Footage, PlanOptions
from captioner.speech.trust import UNTRUSTED
from captioner.types import Line, Turn, Word

DEAD_AIR = 0.02
"""Cost of a millisecond of a cut in which no word is said."""
UNHEARD_COST = 2000.0
"""Cost of a second of speech without a word: more than any edge."""
NEVER = 10**12


@dataclass(frozen=True, slots=True)
class Atom:
    """Consecutive words of one line that no cut will separate. Times in milliseconds."""

    line: int
    """Index of its line."""
    first: int
    last: int
    """Indices of its words in all words of the recording, both inside."""
    start: int
    end: int
    said: int
    """Milliseconds of its words."""
    speaker: str
    doubted: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """The best frames for a stretch of words."""

    start: int
    frames: int
    cost: float


@dataclass(slots=True)
class Scene:
    """One recording as the planner sees it: all words in order, whose they are, who else speaks when."""

    grid: Grid
    counts: tuple[int, ...]
    options: PlanOptions
    words: list[Word]
    starts: list[int]
    ends: list[int]
    """Milliseconds."""
    latest: list[int]
    """Latest end of a word up to and including each."""
    places: list[list[int]]
    """For each line, the indices of its words, ascending."""
    others: dict[str, Others] = field(default_factory=dict)
    turns: tuple[Turn, ...] = ()

    def of(self, speaker: str) -> Others:
        """When anyone but this speaker has a turn."""
        if speaker not in self.others:
            self.others[speaker] = Others([turn for turn in self.turns if turn.speaker != speaker])
        return self.others[speaker]

    @property
    def edge(self) -> int:
        return milliseconds(self.options.edge)


class Others:
    """The union of turns, in milliseconds, with running sums."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        for turn in sorted(turns):
            start, end = milliseconds(turn.span.start), milliseconds(turn.span.end)
            if self.ends and start <= self.ends[-1]:
                self.ends[-1] = max(self.ends[-1], end)
            elif end > start:
                self.starts.append(start)
                self.ends.append(end)
        lengths = [end - start for start, end in zip(self.starts, self.ends, strict=True)]
        self._sums = [0, *np.cumsum(lengths, dtype=np.int64).tolist()]

    def within(self, start: int, end: int) -> int:
        """Milliseconds of [start, end]."""
        return max(0, self._until(end) - self._until(start)) if end > start else 0

    def _until(self, time: int) -> int:
        index = bisect_right(self.starts, time)
        if not index:
            return 0
        return int(self._sums[index]) - max(0, self.ends[index - 1] - time)

    def reach_back(self, time: int, budget: int) -> int:
        """The earliest time from which to `time` there are at most `budget` ms."""
        index = bisect_left(self.starts, time) - 1
        while index >= 0:
            length = min(self.ends[index], time) - self.starts[index]
            if length > budget:
                return min(self.ends[index], time) - budget
            budget -= max(0, length)
            index -= 1
        return -NEVER

    def reach_on(self, time: int, budget: int) -> int:
        """The latest time until which from `time` there are at most `budget` ms."""
        index = bisect_right(self.ends, time)
        while index < len(self.starts):
            begin = max(self.starts[index], time)
            if self.ends[index] - begin > budget:
                return begin + budget
            budget -= self.ends[index] - begin
            index += 1
        return NEVER


def make_scene(footage: Footage, options: PlanOptions, *, within: bool = False) -> Scene:
    """Finds each line's words among all; those that `footage.words` lacks are added. With `within`, only counts that
    the recording has room for."""
    words, lines = footage.words, footage.lines
    grid = make_grid(footage.activity, words, footage.shots, footage.start, footage.end, footage.rate)
    counts = footage.rule.counts(most=max(1, grid.last - grid.first)) if within else footage.rule.counts()
    known: defaultdict[Word, int] = defaultdict(int)
    for word in words:
        known[word] += 1
    for line in lines:
        for word in line.words:
            known[word] -= 1
    missing = [word for word, count in known.items() for _ in range(-count)]
    ordered = sorted([*words, *missing], key=lambda word: (word.span.start, word.span.end))
    at: defaultdict[Word, deque[int]] = defaultdict(deque)
    for index, word in enumerate(ordered):
        at[word].append(index)
    places = [sorted(at[word].popleft() for word in line.words) for line in lines]
    starts = [milliseconds(word.span.start) for word in ordered]
    ends = [milliseconds(word.span.end) for word in ordered]
    latest = np.maximum.accumulate(ends).tolist() if ends else []
    return Scene(grid, counts, options, ordered, starts, ends, latest, places, turns=tuple(footage.turns))


def make_atom(scene: Scene, line: Line, number: int, first: int, last: int) -> Atom:
    inside = range(first, last + 1)
    start, end = scene.starts[first], max(scene.ends[index] for index in inside)
    doubted = (line.trust is not None and line.trust < UNTRUSTED) or any(
        doubt.span is None or (milliseconds(doubt.span.end) >= start and milliseconds(doubt.span.start) <= end)
        for doubt in line.doubts
    )
    said = sum(scene.ends[index] - scene.starts[index] for index in inside)
    return Atom(number, first, last, start, end, said, line.speaker or "", doubted)


def windows(scene: Scene, head: Atom, tail: Atom) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Boundaries, both inside, from and to which a cut of the words from `head` to `tail` may begin and end.

    None where no cut can hold them: a shot change or too much of somebody else inside. A window may be empty. The
    look is not yet asked whether a boundary is quiet.
    """
    grid, edge = scene.grid, scene.edge
    limits = grid.shot_limits(head.start, tail.end)
    others = scene.of(head.speaker)
    budget = milliseconds(scene.options.foreign) - others.within(head.start, tail.end)
    if limits is None or budget < 0:
        return None
    low = max(limits[0], grid.at_or_after(others.reach_back(head.start, budget // 2)))
    high = min(limits[1], grid.at_or_before(others.reach_on(tail.end, budget // 2)))
    if head.first:
        low = max(low, grid.at_or_after(scene.latest[head.first - 1] + edge))
    if tail.last + 1 < len(scene.words):
        high = min(high, grid.at_or_before(scene.starts[tail.last + 1] - edge))
    left = (low, min(limits[1], grid.at_or_before(head.start - edge)))
    right = (max(limits[0], grid.at_or_after(tail.end + edge)), high)
    return _own_start(scene, head, left), _own_end(scene, tail, right)


def _own_start(scene: Scene, head: Atom, left: tuple[int, int]) -> tuple[int, int]:
    """The window at the start, or the recording's own start where that is closer to the first word than an edge."""
    grid = scene.grid
    at = int(grid.milliseconds(grid.first, grid.first)[0])
    near = left[1] < grid.first and at <= head.start and left[0] <= grid.first and not head.first
    if scene.options.file_edges and near and grid.begins_softly(at):
        return (grid.first, grid.first)
    return left


def _own_end(scene: Scene, tail: Atom, right: tuple[int, int]) -> tuple[int, int]:
    grid = scene.grid
    at = int(grid.milliseconds(grid.last, grid.last)[0])
    near = right[0] > grid.last and at >= tail.end and right[1] >= grid.last and tail.last + 1 == len(scene.words)
    if scene.options.file_edges and near and grid.ends_softly(at):
        return (grid.last, grid.last)
    return right


def place(scene: Scene, head: Atom, tail: Atom) -> Placed | None:
    """The cheapest frames for a cut of the words from `head` to `tail`; None where there are none."""
    found = windows(scene, head, tail)
    if found is None:
        return None
    (low, high), (least, most) = found
    low, least = max(low, least - scene.counts[-1]), max(least, low + scene.counts[0])
    most = min(most, high + scene.counts[-1])
    if low > high or least > most:
        return None
    left = _edge_costs(scene, low, high, head.first - 1, head.first)
    right = _edge_costs(scene, least, most, tail.last, tail.last + 1)
    lost, frame = scene.grid.unheard, scene.grid.first
    best: Placed | None = None
    for count in scene.counts[bisect_left(scene.counts, least - high) : bisect_right(scene.counts, most - low)]:
        first, last = max(low, least - count), min(high, most - count)
        if first > last:
            continue
        costs = left[first - low : last - low + 1] + right[first + count - least : last + count - least + 1]
        costs = costs + UNHEARD_COST * (
            lost[first + count - frame : last + count - frame + 1] - lost[first - frame : last - frame + 1]
        )
        index = int(np.argmin(costs))
        dead = 1000.0 * count * scene.grid.rate.denominator / scene.grid.rate.numerator - (tail.end - head.start)
        cost = float(costs[index]) + DEAD_AIR * dead
        if np.isfinite(cost) and (best is None or cost < best.cost - 1e-6):
            best = Placed(first + index, count, cost)
    return best


def _edge_costs(scene: Scene, low: int, high: int, before: int, after: int) -> NDArray[np.float64]:
    """Costs of the boundaries from `low` to `high`, which lie between two words given by index."""
    grid = scene.grid
    times = grid.milliseconds(low, high)
    near = word_costs(
        times,
        scene.latest[before] if before >= 0 else None,
        scene.starts[after] if after < len(scene.starts) else None,
    )
    heard = grid.costs(low, high).astype(np.float64)
    if low == high and _is_own_edge(scene, low, before, after):
        return near  # quiet is not asked: the recording begins or ends here, and softly
    return near + heard


def _is_own_edge(scene: Scene, at: int, before: int, after: int) -> bool:
    grid = scene.grid
    if before < 0 and at == grid.first:
        return grid.at_or_before(scene.starts[after] - scene.edge) < grid.first
    if after >= len(scene.starts) and at == grid.last:
        return grid.at_or_after(scene.latest[before] + scene.edge) > grid.last
    return False


def gap_is_usable(scene: Scene, index: int) -> bool:
    """Whether a cut may end between the words `index - 1` and `index`."""
    low = max(scene.grid.first, scene.grid.at_or_after(scene.latest[index - 1] + scene.edge))
    high = min(scene.grid.last, scene.grid.at_or_before(scene.starts[index] - scene.edge))
    return low <= high and bool(np.isfinite(scene.grid.costs(low, high)).any())
