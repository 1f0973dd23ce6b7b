"""What is said about a plan: why speech was left out, and what is odd about a cut."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from captioner.cuts.candidates import Atom, Scene, windows
from captioner.cuts.edges import Grid, milliseconds
from captioner.cuts.frames import FrameRule
from captioner.scripts import spoken_text
from captioner.speech.doubt import UNHEARD
from captioner.speech.regions import runs
from captioner.times import Span
from captioner.types import STEP, Cut, Doubt, LeftOut, Line, Word


def left_out(scene: Scene, lines: Sequence[Line], atom: Atom, rule: FrameRule) -> LeftOut:
    """An atom that no cut holds, with the first reason that applies."""
    line = lines[atom.line]
    spots = scene.places[atom.line]
    own = spots[bisect_left(spots, atom.first) : bisect_right(spots, atom.last)]
    words = [scene.words[index] for index in own]
    span = Span.at(words[0].span.start, max(word.span.end for word in words))
    reason, detail = _reason(scene, atom, own, rule)
    return LeftOut(span, line.speaker, reason, spoken_text(word.text for word in words), detail)


def _reason(scene: Scene, atom: Atom, own: Sequence[int], rule: FrameRule) -> tuple[str, str]:
    said = f"{(atom.end - atom.start) / 1000:.2f} s"
    grid = scene.grid
    if not atom.speaker:
        return "no-speaker", f"{said} without a turn"
    other = [scene.words[i] for i in range(atom.first, atom.last + 1) if i not in set(own)]
    if other or _spoken_over(scene, atom):
        by = " ".join(word.text for word in other[:5])
        return "overlap", f"another's words inside: {by}" if by else "another's words inside"
    foreign = scene.of(atom.speaker).within(atom.start, atom.end)
    if foreign > milliseconds(scene.options.foreign):
        return "overlap", f"somebody else's turn covers {foreign / 1000:.2f} of {said}"
    if grid.at_or_after(atom.start) < grid.first or grid.at_or_before(atom.end) > grid.last:
        return "at-edge-of-file", f"said where picture or sound is missing, {said}"
    if grid.shot_limits(atom.start, atom.end) is None:
        return "shot-change", f"a shot change inside its {said}"
    return _no_room(scene, atom, rule, said)


def _spoken_over(scene: Scene, atom: Atom) -> bool:
    before = atom.first > 0 and scene.latest[atom.first - 1] > atom.start
    after = atom.last + 1 < len(scene.words) and scene.starts[atom.last + 1] < atom.end
    return before or after


def _no_room(scene: Scene, atom: Atom, rule: FrameRule, said: str) -> tuple[str, str]:
    """Why a line that could be held has no cut: its sides first, then its length."""
    grid = scene.grid
    longest = rule.allowed[-1]
    length = (atom.end - atom.start + 2 * scene.edge) * grid.rate / 1000
    if length > longest:
        return "no-gap", f"{said} without a pause to cut in, and the longest clip has {longest} frames"
    found = windows(scene, atom, atom)
    if found is not None:
        for (low, high), side in ((found[0], "before"), (found[1], "after")):
            if low > high or not _any_quiet(grid, low, high):
                return _side(scene, atom, side, low > high)
    room = "" if found is None else f", {found[1][1] - found[0][0]} frames of room"
    return "too-short-room", f"{said}{room}; allowed are {rule.allowed[0]} to {longest} frames"


def _any_quiet(grid: Grid, low: int, high: int) -> bool:
    if low == high and low in (grid.first, grid.last):
        return True
    low, high = max(low, grid.first), min(high, grid.last)
    return low <= high and bool((grid.costs(low, high) < float("inf")).any())


def _side(scene: Scene, atom: Atom, side: str, empty: bool) -> tuple[str, str]:
    """The reason when there is no boundary before or after an atom."""
    index = atom.first - 1 if side == "before" else atom.last + 1
    if not 0 <= index < len(scene.words):
        return (
            "at-edge-of-file",
            f"no silence between it and the {'start' if side == 'before' else 'end'} of the recording",
        )
    word = scene.words[index]
    gap = scene.starts[atom.first] - scene.latest[index] if side == "before" else scene.starts[index] - atom.end
    how = f"{gap / 1000:.2f} s {side} it" + ("" if empty else ", none of it silent")
    if word.speaker != atom.speaker:
        return "near-other-speaker", f"only {how}: {word.text}"
    if gap >= 2 * scene.edge and empty:
        return "near-other-speaker", f"somebody else's turn or a shot change {side} it"
    return "no-gap", f"only {how}: {word.text}"


def cut_doubts(grid: Grid, cut: Cut, words: Sequence[Word]) -> tuple[Doubt, ...]:
    """Speech of `UNHEARD` seconds or more in a cut that no word covers and no doubt of its lines tells of."""
    first, last = int(cut.span.start / STEP), min(len(grid.talk), int(cut.span.end / STEP) + 1)
    rest = grid.talk[first:last].copy()
    for word in _near(words, cut):
        rest[
            max(0, int(word.span.start / STEP + 1e-6) - first) : max(0, int(-(-word.span.end // STEP)) + 1 - first)
        ] = False
    known = [doubt.span for line in cut.lines for doubt in line.doubts if doubt.reason == "unheard-speech"]
    found: list[Doubt] = []
    for begin, end in runs(rest):
        span = Span.at((first + begin) * STEP, (first + end) * STEP)
        told = any(other is not None and other.overlap(span) > 0 for other in known)
        if span.duration >= UNHEARD and not told:
            found.append(Doubt("unheard-speech", f"{span.duration:.2f} s of speech without a word", span))
    return tuple(found)


def _near(words: Sequence[Word], cut: Cut) -> list[Word]:
    low = bisect_left(words, cut.span.start - 60.0, key=lambda word: word.span.start)
    high = bisect_right(words, cut.span.end, key=lambda word: word.span.start)
    return list(words[low:high])
