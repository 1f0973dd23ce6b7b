"""Where to cut: the choice for a whole recording at once.

Two cuts may share silence but never a word, so what one cut does with its edges never hinders another: the best frames
for each stretch of lines are found first, each alone (`candidates`), then dynamic programming over the lines picks the
stretches that keep most speech.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace

from captioner.cuts.candidates import Atom, Placed, Scene, gap_is_usable, make_atom, make_scene, place
from captioner.cuts.frames import FrameRule
from captioner.cuts.keep import keep_whole
from captioner.cuts.reasons import cut_doubts, left_out
from captioner.cuts.values import REASONS, Footage, Plan, PlanOptions
from captioner.times import Span
from captioner.types import Cut, LeftOut, Line

__all__ = ["REASONS", "Plan", "PlanOptions", "keep_whole", "plan"]

BROKEN_COST = 60.0
"""Cost of an end of a cut inside a line."""

_Chosen = tuple[int, int, Placed]
"""First and last atom of a cut, both inside, and its frames."""
_Worth = tuple[int, int, float]
"""Milliseconds of words kept, minus those of undoubted words that share a cut with a doubted line, minus the cost."""


def plan(footage: Footage, options: PlanOptions | None = None) -> Plan:
    """The cuts of one recording that keep most seconds of words.

    Ties are settled by: fewest undoubted words beside a doubted line, best edges, least dead air, fewest broken lines.
    The same input gives the same plan.
    """
    rule, rate = footage.rule, footage.rate
    lines = sorted((line for line in footage.lines if line.words), key=lambda line: (line.span.start, line.span.end))
    scene = make_scene(replace(footage, lines=lines), options or PlanOptions(), within=True)
    if not scene.counts:
        return Plan((), tuple(left_out(scene, lines, atom, rule) for atom in _whole(scene, lines)))
    whole = _whole(scene, lines)
    longest = 1000 * scene.counts[-1] * rate.denominator // rate.numerator - 2 * scene.edge
    split = {atom.line for atom in whole if atom.end - atom.start > longest}
    atoms, chosen = _choose(scene, lines, split)
    kept = {atoms[index].line for first, last, _ in chosen for index in range(first, last + 1)}
    lost = {atom.line for atom in atoms if atom.line not in kept} - split
    if lost:
        atoms, chosen = _choose(scene, lines, split | lost)
    return _written(footage.slug, scene, lines, rule, atoms, chosen)


def _whole(scene: Scene, lines: Sequence[Line]) -> list[Atom]:
    """One atom a line."""
    spots = zip(lines, scene.places, strict=True)
    return [make_atom(scene, line, number, spot[0], spot[-1]) for number, (line, spot) in enumerate(spots)]


def _atoms(scene: Scene, lines: Sequence[Line], split: set[int]) -> list[Atom]:
    """In order of their words; lines in `split` are taken apart at every gap in which a cut may end."""
    atoms: list[Atom] = []
    for number, (line, spots) in enumerate(zip(lines, scene.places, strict=True)):
        begin = 0
        for index in range(1, len(spots) + 1):
            if index < len(spots) and not (number in split and _apart(scene, spots, index)):
                continue
            atoms.append(make_atom(scene, line, number, spots[begin], spots[index - 1]))
            begin = index
    return sorted(atoms, key=lambda atom: (atom.first, atom.last))


def _apart(scene: Scene, spots: Sequence[int], index: int) -> bool:
    return gap_is_usable(scene, spots[index]) or spots[index] != spots[index - 1] + 1


def _is_whole(scene: Scene, atom: Atom) -> bool:
    """Whether no other line's word is among its own."""
    spots = scene.places[atom.line]
    low, high = bisect_left(spots, atom.first), bisect_right(spots, atom.last)
    return high - low == atom.last - atom.first + 1


def _choose(scene: Scene, lines: Sequence[Line], split: set[int]) -> tuple[list[Atom], list[_Chosen]]:
    """The stretches of atoms that keep most: `best[n]` is the best that the first n atoms allow."""
    atoms = _atoms(scene, lines, split)
    best: list[_Worth] = [(0, 0, 0.0)] * (len(atoms) + 1)
    via: list[_Chosen | None] = [None] * (len(atoms) + 1)
    ending: list[list[tuple[int, Placed]]] = [[] for _ in atoms]
    for first in range(len(atoms)):
        for last, placed in _from(scene, atoms, first):
            ending[last].append((first, placed))
    for last in range(len(atoms)):
        best[last + 1] = best[last]
        for first, placed in ending[last]:
            worth = _add(best[first], _worth(atoms, first, last, placed))
            if worth > best[last + 1]:
                best[last + 1], via[last + 1] = worth, (first, last, placed)
    chosen: list[_Chosen] = []
    at = len(atoms)
    while at:
        step = via[at]
        if step is None:
            at -= 1
        else:
            chosen.append(step)
            at = step[0]
    return atoms, chosen[::-1]


def _from(scene: Scene, atoms: Sequence[Atom], first: int) -> Iterator[tuple[int, Placed]]:
    """The cuts that begin with an atom: their last atom and their frames."""
    head = atoms[first]
    longest = 1000 * scene.counts[-1] * scene.grid.rate.denominator // scene.grid.rate.numerator
    if not head.speaker:
        return
    for last in range(first, len(atoms)):
        tail = atoms[last]
        if tail.end - head.start > longest or tail.speaker != head.speaker or not _is_whole(scene, tail):
            return
        if last > first and tail.first != atoms[last - 1].last + 1:
            return
        placed = place(scene, head, tail)
        if placed is not None:
            yield last, placed


def _worth(atoms: Sequence[Atom], first: int, last: int, placed: Placed) -> _Worth:
    inside = atoms[first : last + 1]
    sure = sum(atom.said for atom in inside if not atom.doubted)
    mixed = sure if any(atom.doubted for atom in inside) else 0
    broken = (first > 0 and atoms[first - 1].line == atoms[first].line) + (
        last + 1 < len(atoms) and atoms[last + 1].line == atoms[last].line
    )
    return sum(atom.said for atom in inside), -mixed, -(placed.cost + BROKEN_COST * broken)


def _add(one: _Worth, other: _Worth) -> _Worth:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _written(
    slug: str,
    scene: Scene,
    lines: Sequence[Line],
    rule: FrameRule,
    atoms: Sequence[Atom],
    chosen: Sequence[_Chosen],
) -> Plan:
    cuts: list[Cut] = []
    held: set[int] = set()
    for first, last, placed in chosen:
        held.update(range(first, last + 1))
        parts = tuple(_part(scene, lines, joined) for joined in _joined(atoms[first : last + 1]))
        cut = Cut(slug, placed.start, placed.frames, scene.grid.rate, parts)
        cuts.append(replace(cut, doubts=cut_doubts(scene.grid, cut, scene.words)))
    rest = [atom for index, atom in enumerate(atoms) if index not in held]
    missing: list[LeftOut] = [left_out(scene, lines, atom, rule) for atom in _joined(rest)]
    cuts.sort(key=lambda cut: (cut.start, cut.frames))
    missing.sort(key=lambda item: (item.span.start, item.span.end, item.text))
    return Plan(tuple(cuts), tuple(missing))


def _joined(atoms: Sequence[Atom]) -> list[Atom]:
    """Neighbouring atoms of one line made one again."""
    result: list[Atom] = []
    for atom in atoms:
        before = result[-1] if result else None
        if before is not None and before.line == atom.line and before.last + 1 == atom.first:
            end, said = max(before.end, atom.end), before.said + atom.said
            doubted = before.doubted or atom.doubted
            result[-1] = replace(before, last=atom.last, end=end, said=said, doubted=doubted)
        else:
            result.append(atom)
    return result


def _part(scene: Scene, lines: Sequence[Line], atom: Atom) -> Line:
    """The line itself, or the part of it that an atom holds with the doubts that concern that part."""
    line = lines[atom.line]
    words = tuple(scene.words[index] for index in range(atom.first, atom.last + 1))
    if len(words) == len(line.words):
        return line
    part = replace(line, words=words, doubts=())
    return replace(part, doubts=tuple(d for d in line.doubts if d.span is None or _concerns(d.span, part)))


def _concerns(span: Span, part: Line) -> bool:
    return span.end >= part.span.start and span.start <= part.span.end
