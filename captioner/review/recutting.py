"""Clips cut anew at the desk: edges moved, one parted in two, two joined; planned at once as legally as the machine's.

What a clip was measured to be stays with it until the next build measures the new cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from captioner.captions.edited import SPEECH, all_words, carried
from captioner.cuts.recut import Table, Unfit, held, joined, lay_out, moved_words, nearest, parted, words_inside
from captioner.decisions import Change, Edit, Shape, place_of
from captioner.errors import UsageError
from captioner.planning import Ground, ground_of
from captioner.review import deciding
from captioner.review.items import state_of, value_of
from captioner.review.outcome import Outcome
from captioner.review.reshaping import made_row
from captioner.scripts import spoken_text
from captioner.shaping import SOURCES, Source, Stored
from captioner.stages import Job
from captioner.store import ClipRow, unpack
from captioner.types import Caption, Cut

if TYPE_CHECKING:
    from captioner.review.desk import Desk
    from captioner.rowmaking import Now

KEPT = 2
"""Recordings that stay laid out."""


@dataclass(frozen=True, slots=True)
class TrimPlan:
    """What moving the edges comes to."""

    start: float
    end: float
    """Seconds from the clip's present first sample to where it would begin and end."""
    first: int
    frames: int
    leaving: tuple[str, ...]
    entering: tuple[str, ...]
    told: str
    """A sentence: how far the edges go, which words leave or enter, which other clip gives way."""
    takes: tuple[str, ...]
    """Ids of clips with whose words it would be made: they go."""


@dataclass(frozen=True, slots=True)
class Laid:
    """A recording that is laid out for cutting."""

    source: Source
    ground: Ground
    table: Table


class Bench:
    """The recordings of a desk, laid out when they are first cut."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sources: dict[str, Source] | None = None
        self._laid: dict[str, Laid] = {}

    def of(self, recording: str) -> Laid:
        """Raises UsageError where the last build did not keep what is needed, StoreError where it was thrown away."""
        known = self._laid.pop(recording, None)
        if known is None:
            if self._sources is None:
                found = self._desk.store.get(SOURCES, tuple[Source, ...]) or ()
                self._sources = {source.recording.name: source for source in found}
            source = self._sources.get(recording)
            if source is None:
                raise UsageError(f"{recording}: was built by an older captioner; build again, then it can be cut")
            settings = self._desk.settings
            job = Job(source.recording, dict(source.keys))
            ground = ground_of(job, Stored(self._desk.store), settings, source.rate, source.adopted)
            known = Laid(source, ground, lay_out(ground.footage, ready=settings.keep_cuts))
        self._laid[recording] = known
        while len(self._laid) > KEPT:
            del self._laid[next(iter(self._laid))]
        return known


def _planned(desk: Desk, clip: str | None) -> tuple[Now, Laid]:
    id_ = clip or desk.session.clip
    if id_ is None:
        raise UsageError("there is no clip here")
    now = desk.now(id_)
    return now, desk.bench.of(now.row.recording)


# -- edges ------------------------------------------------------------------------------------------------------------


def plan_trim(desk: Desk, clip: str | None, start: int, end: int) -> TrimPlan:
    """What moving the edges by so many milliseconds (later is more) comes to. Raises UsageError where there is no
    legal cut."""
    now, laid = _planned(desk, clip)
    old = now.drafted
    found = (old.start, old.frames) if not start and not end else nearest(
        laid.table, old.start, old.frames, (start, end)
    )  # fmt: skip
    if isinstance(found, Unfit):
        raise UsageError(f"it cannot be cut there: {found.why}")
    first, frames = found
    new = held(laid.table, first, frames)
    leaving, entering = moved_words(old, new)
    takes = _sharing(desk, laid.table, now.row.recording, found, {old.id})
    told = _told(old, new, leaving, entering, takes)
    if (start or end) and found == (old.start, old.frames):
        told += f"; {_farther(laid.table, old, (start, end))}"
    begin = new.span.start - old.span.start
    over = new.span.end - old.span.start
    return TrimPlan(begin, over, first, frames, leaving, entering, told, takes)


def _told(old: Cut, new: Cut, leaving: Sequence[str], entering: Sequence[str], takes: Sequence[str]) -> str:
    if (old.start, old.frames) == (new.start, new.frames):
        return f"as it is: {old.frames} frames"
    moves = []
    for side, before, after in (("start", old.span.start, new.span.start), ("end", old.span.end, new.span.end)):
        if before != after:
            moves.append(f"{side} {abs(after - before):.2f} s {'later' if after > before else 'earlier'}")
    told = [f"{', '.join(moves)}; {new.frames} frames, {new.span.duration:.2f} s"]
    told += [f"leaves: {spoken_text(leaving)}"] if leaving else []
    told += [f"enters: {spoken_text(entering)}"] if entering else []
    told += ["no word leaves or enters"] if not leaving and not entering else []
    told += [f"takes the place of {', '.join(takes)}"] if takes else []
    return "; ".join(told)


def _farther(table: Table, old: Cut, moves: tuple[int, int]) -> str:
    """Where the next legal edge is in the direction that was asked for."""
    found = nearest(table, old.start, old.frames, moves, beyond=True)
    if isinstance(found, Unfit):
        return f"nothing farther can be cut: {found.why}"
    new = held(table, *found)
    sides = ((old.span.start, new.span.start), (old.span.end, new.span.end))
    steps = [round(1000 * (after - before)) for (before, after), move in zip(sides, moves, strict=True) if move]
    return f"the next legal edge is at {', '.join(f'{step:+d} ms' for step in steps)}"


def _sharing(desk: Desk, table: Table, recording: str, found: tuple[int, int], but: set[str]) -> tuple[str, ...]:
    """Other clips of the recording that have a word of these frames."""
    own = words_inside(table, *found)
    ids = [row.id for row in desk.store.clips_of(recording) if row.id not in but]
    taken = []
    for id_ in ids:
        other = words_inside(table, *place_of(id_)[1:])
        if own and other and own[0] <= other[-1] and other[0] <= own[-1]:
            taken.append(id_)
    return tuple(taken)


def keep_trim(
    desk: Desk, action: str, *, start: int = 0, end: int = 0, clip: str | None = None, confirmed: bool = False, **_: Any
) -> Outcome:
    plan = plan_trim(desk, clip, int(start), int(end))
    now, laid = _planned(desk, clip)
    old = now.drafted
    if (plan.first, plan.frames) == (old.start, old.frames):
        return Outcome(plan.told, "warn")
    if plan.takes and not confirmed:
        return Outcome(kind="warn", confirm=f"{plan.told}: cut it so?")
    gone = [now, *(desk.now(id_) for id_ in plan.takes)]
    return _cut_anew(desk, action, laid, gone, [(plan.first, plan.frames)], plan.told)


# -- one in two, two in one -------------------------------------------------------------------------------------------


def split(desk: Desk, action: str, *, at: float = 0.0, clip: str | None = None, **_: Any) -> Outcome:
    """`at`: seconds from the clip's first sample."""
    now, laid = _planned(desk, clip)
    old = now.drafted
    found = parted(laid.table, old.start, old.frames, old.span.start + float(at))
    if isinstance(found, Unfit):
        raise UsageError(f"it cannot be split: {found.why}")
    parts = [held(laid.table, *one).text for one in found]
    return _cut_anew(desk, action, laid, [now], found, f"split: {' | '.join(parts)}")


def merge(desk: Desk, action: str, *, clip: str | None = None, confirmed: bool = False, **_: Any) -> Outcome:
    """With the clip after it in its recording; the words between them come in, too."""
    now, laid = _planned(desk, clip)
    others = sorted(
        (row.id for row in desk.store.clips_of(now.row.recording)), key=lambda id_: (*place_of(id_)[1:], id_)
    )
    after = others[others.index(now.row.id) + 1 :]
    if not after:
        raise UsageError(f"{now.row.id} is the last clip of {now.row.recording}")
    second = desk.now(after[0])
    old = now.drafted
    found = joined(laid.table, (old.start, old.frames), (second.drafted.start, second.drafted.frames))
    if isinstance(found, Unfit):
        raise UsageError(f"they cannot be merged: {found.why}")
    takes = _sharing(desk, laid.table, now.row.recording, found, {now.row.id, second.row.id})
    if takes and not confirmed:
        return Outcome(kind="warn", confirm=f"it takes the place of {', '.join(takes)}, too: merge?")
    gone = [now, second, *(desk.now(id_) for id_ in takes)]
    return _cut_anew(desk, action, laid, gone, [found], "merged")


# -- what they have in common -----------------------------------------------------------------------------------------


def _cut_anew(
    desk: Desk, action: str, laid: Laid, gone: Sequence[Now], places: Sequence[tuple[int, int]], told: str
) -> Outcome:
    made: dict[str, Mapping[str, Edit]] = {}
    lost = False
    for place in places:
        row = made_row(desk, laid, place, gone[0].row)
        if desk.store.clip(row.id) is not None and row.id not in {now.row.id for now in gone}:
            raise UsageError(f"{row.id} is there already")
        edits, whole = _carried(row, gone)
        made[row.id] = edits
        lost = lost or not whole
    shape = Shape(tuple(now.row.id for now in gone), tuple(made))
    states = [state_of(now, desk.drafter) for now in gone]
    changes = (Change("shape", new=shape), *deciding.recut(states, made))
    warned = "; your words could not all be taken over: look at them" if lost else ""
    return desk.commit(action, changes, told + warned)


def _carried(row: ClipRow, gone: Sequence[Now]) -> tuple[dict[str, Edit], bool]:
    """The edits of the old clips that hold for a new one, and whether that is all of them."""
    texts: dict[str, str] = {}
    for now in reversed(gone):
        texts |= {name: edit.text for name, edit in now.edits.items() if name != SPEECH}
    whole = True
    new, draft = unpack(row.cut, Cut), unpack(row.draft, Caption)
    if any(SPEECH in now.edits for now in gone):
        words = _words_for(new, gone)
        whole = words is not None
        if words is not None and words != new.text:
            texts[SPEECH] = words
    return {name: Edit(text, value_of(name, draft, row.adopted)) for name, text in texts.items()}, whole


def _words_for(new: Cut, gone: Sequence[Now]) -> str | None:
    after = all_words(new.lines)
    texts = [now.edits[SPEECH].text if SPEECH in now.edits else now.drafted.text for now in gone]
    if len(gone) == 1:
        return carried(texts[0], all_words(gone[0].drafted.lines), after)
    first, last = (all_words(now.drafted.lines) for now in gone[:2])
    if len(gone) > 2 or after[: len(first)] != first or after[len(after) - len(last) :] != last:
        return None
    between = after[len(first) : len(after) - len(last)]
    return " ".join(part for part in (texts[0], *between, texts[1]) if part)
