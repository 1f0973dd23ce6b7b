"""Cuts measured: voice, room, quality and voiceprint, from the samples of each cut, in batches across recordings."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import ceil

from captioner.errors import CaptionerError
from captioner.measures import Measures, Tag
from captioner.models.protocols import Excerpt, Meter
from captioner.planning import Planned, PlannedJob
from captioner.ports import Engine
from captioner.speech.regions import speech_regions
from captioner.stages import BATCH_SECONDS, Stages
from captioner.store import key_of
from captioner.times import Span
from captioner.types import Activity, Cut, Sound

HELD, A_CORE = 240.0, 60.0
"""Seconds of cuts that are measured in one call, at least, and for each core: who is done first waits for the last."""
MOST_HELD = 1800.0
"""... at most, and where a GPU hears them: 115 MB."""
LEAST_HEARD = 0.2
"""Seconds of a tag inside a cut below which it is its neighbour's."""
LEAST_SHARE, SURELY = 0.5, 2.6
"""Share of a roughly placed tag that must lie inside a cut, and seconds that are enough of any: a window of the
coarsest tagger is placed to within as many."""


def measure_all(planned: Sequence[PlannedJob], stages: Stages) -> list[PlannedJob]:
    """The same, with every cut measured; what is stored under its key is not measured again."""
    keys = [_key(entry, stages) for entry in planned]
    todo = [(entry, key) for entry, key in zip(planned, keys, strict=True) if key not in stages.have]
    if todo:
        stages.reporter.stage("voice", sum(_seconds(entry) for entry, _ in todo), "seconds")
        meter: Meter = stages.load("voice")
        stages.time("voice", lambda: _measure(todo, meter, stages))
    return [_with_measures(entry, stages, key) for entry, key in zip(planned, keys, strict=True)]


def _key(entry: PlannedJob, stages: Stages) -> str:
    return key_of("voice", entry.key, entry.job.keys.get("tagger"), stages.backends["voice"].identity)


def _seconds(entry: PlannedJob) -> float:
    return sum(cut.span.duration for cut in entry.planned.cuts)


def _measure(todo: Sequence[tuple[PlannedJob, str]], meter: Meter, stages: Stages) -> None:
    """Measures all cuts, so many a call as `held` says, or fewer so that calls are alike, and stores a recording's when
    they are all done."""
    done: list[Measures] = []
    waiting = deque(todo)
    excerpts = (excerpt for entry, _ in todo for excerpt in excerpts_of(entry, stages))
    share = _share(sum(_seconds(entry) for entry, _ in todo), held(stages.engine))
    for batch in _batches(excerpts, share):
        answers = stages.engine.batch(lambda some: meter.measure(some, stages.reporter.advance), batch)
        for answer in answers:
            # A cut that cannot be measured stays, and nothing of it is guessed.
            if isinstance(answer, CaptionerError):
                stages.reporter.say(f"one cut is not measured: {answer}")
            done.append(Measures() if isinstance(answer, CaptionerError) else answer)
        done = _store(waiting, done, stages)
    _store(waiting, done, stages)


def _store(waiting: deque[tuple[PlannedJob, str]], done: list[Measures], stages: Stages) -> list[Measures]:
    """Stores the recordings that are whole; what is left of `done` belongs to the next one."""
    with stages.store.transaction():
        while waiting and len(waiting[0][0].planned.cuts) <= len(done):
            entry, key = waiting.popleft()
            count = len(entry.planned.cuts)
            stages.store.put(key, "voice", tuple(done[:count]))
            stages.have.add(key)
            done = done[count:]
    return done


def held(engine: Engine) -> float:
    """Seconds of cuts that one call gets."""
    if engine.batch_seconds > BATCH_SECONDS:
        return MOST_HELD
    return min(MOST_HELD, max(HELD, A_CORE * engine.threads))


def _share(total: float, most: float) -> float:
    """Seconds of cuts a call, so that none is left with a few."""
    return total / max(1, ceil(total / most))


def _batches(excerpts: Iterable[Excerpt], most: float) -> Iterator[list[Excerpt]]:
    """In order, `most` seconds of sound a batch: an hour's cuts at once would take 230 MB where they are measured."""
    batch: list[Excerpt] = []
    size = 0.0
    for excerpt in excerpts:
        batch.append(excerpt)
        size += excerpt.duration
        if size >= most:
            yield batch
            batch, size = [], 0.0
    if batch:
        yield batch


def _with_measures(entry: PlannedJob, stages: Stages, key: str) -> PlannedJob:
    if key not in stages.made:
        stages.made[key] = _measured(entry, stages, key)
    return replace(entry, planned=stages.made[key], key=key)


def _measured(entry: PlannedJob, stages: Stages, key: str) -> Planned:
    measured = stages.store.get(key, tuple[Measures, ...]) or ()
    cuts = tuple(
        replace(cut, voice=own.voice, scene=own.scene, quality=own.quality, voiceprint=own.voiceprint)
        for cut, own in zip(entry.planned.cuts, measured, strict=True)
    )
    return replace(entry.planned, cuts=cuts)


def excerpts_of(entry: PlannedJob, stages: Stages) -> Iterator[Excerpt]:
    """The sound of each of a recording's cuts, with what is known of it."""
    job = entry.job
    if not entry.planned.cuts:
        return
    wave = stages.waveform(job)
    bandwidth = stages.result(job, "sound", Sound).bandwidth
    regions = speech_regions(stages.result(job, "vad", Activity))
    tags = stages.result(job, "tagger", tuple[Tag, ...]) if "tagger" in stages.backends else None
    hears: frozenset[str] = stages.backends["tagger"].module.HEARS if "tagger" in stages.backends else frozenset()
    longest = max((tag.span.duration for tag in tags or ()), default=0.0)

    def excerpt(cut: Cut) -> Excerpt:
        span = cut.span
        speech = tuple(_shifted(region, span) for region in spans_within(regions, span))
        heard = None
        if tags is not None:
            mine = tags_within(tags, longest, span, hears)
            heard = tuple(replace(tag, span=_shifted(tag.span, span)) for tag in mine)
        words = sum(len(line.words) for line in cut.lines)
        return Excerpt(wave.part(span.start, span.end), speech, words, heard, hears, bandwidth)

    yield from map(excerpt, entry.planned.cuts)


def spans_within(spans: Sequence[Span], within: Span) -> list[Span]:
    """The parts of ordered, disjoint spans that lie within one."""
    low = bisect_left(spans, within.start, key=lambda span: span.end)
    high = bisect_left(spans, within.end, key=lambda span: span.start)
    parts = [Span.at(max(span.start, within.start), min(span.end, within.end)) for span in spans[low:high]]
    return [part for part in parts if part.duration > 0]


def tags_within(tags: Sequence[Tag], longest: float, within: Span, hears: frozenset[str] = frozenset()) -> list[Tag]:
    """Tags of a cut, not of its file: those heard for `LEAST_HEARD` seconds inside it, cut to it. `tags` are in order
    of start, none longer than `longest` seconds.

    A label that the tagger does not place by the frame (`hears` has those that it does) lies anywhere in its tag: a
    bark of 0.3 s in a tag of 2 s. It is the cut's only where `LEAST_SHARE` of the tag is, or `SURELY` seconds.
    """
    low = bisect_left(tags, within.start - longest, key=lambda tag: tag.span.start)
    high = bisect_left(tags, within.end, key=lambda tag: tag.span.start)
    return [
        replace(tag, span=Span.at(max(tag.span.start, within.start), min(tag.span.end, within.end)))
        for tag in tags[low:high]
        if tag.span.overlap(within) >= _least(tag, hears)
    ]


def _least(tag: Tag, hears: frozenset[str]) -> float:
    return LEAST_HEARD if tag.label in hears else max(LEAST_HEARD, min(LEAST_SHARE * tag.span.duration, SURELY))


def _shifted(span: Span, origin: Span) -> Span:
    return Span.at(span.start - origin.start, span.end - origin.start)
