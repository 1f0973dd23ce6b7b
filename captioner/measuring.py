"""Cuts measured: the voice in each and the sounds around it, from the samples of the cut itself."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from captioner.models.protocols import Waveform
from captioner.models.voice.measured import measure_scene, measure_voice
from captioner.types import Cut, Span, Tag

LEAST_HEARD = 0.2
"""Seconds of a tag inside a cut below which it is its neighbour's."""


def measure_cuts(
    cuts: Sequence[Cut],
    wave: Waveform,
    regions: Sequence[Span],
    tags: Sequence[Tag] | None,
    hears: frozenset[str],
) -> tuple[Cut, ...]:
    """The cuts with their voice and scene. `regions` (where somebody speaks) and `tags` are in order of start; `tags`
    is None where no tagger listened."""
    longest = max((tag.span.duration for tag in tags or ()), default=0.0)

    def measured(cut: Cut) -> Cut:
        span = cut.span
        samples = wave.read(span.start, span.end)
        speech = [_shifted(region, span) for region in spans_within(regions, span)]
        heard = None if tags is None else tags_within(tags, longest, span)
        voice = measure_voice(samples, speech, sum(len(line.words) for line in cut.lines))
        return replace(cut, voice=voice, scene=measure_scene(samples, speech, tags=heard, hears=hears))

    return tuple(map(measured, cuts))


def spans_within(spans: Sequence[Span], within: Span) -> list[Span]:
    """The parts of ordered, disjoint spans that lie within one."""
    low = bisect_left(spans, within.start, key=lambda span: span.end)
    high = bisect_left(spans, within.end, key=lambda span: span.start)
    parts = [Span.at(max(span.start, within.start), min(span.end, within.end)) for span in spans[low:high]]
    return [part for part in parts if part.duration > 0]


def tags_within(tags: Sequence[Tag], longest: float, within: Span) -> list[Tag]:
    """Tags of a cut, not of its file: those heard for `LEAST_HEARD` seconds inside it, cut to it. `tags` are in order
    of start, none longer than `longest` seconds."""
    low = bisect_left(tags, within.start - longest, key=lambda tag: tag.span.start)
    high = bisect_left(tags, within.end, key=lambda tag: tag.span.start)
    return [
        replace(tag, span=Span.at(max(tag.span.start, within.start), min(tag.span.end, within.end)))
        for tag in tags[low:high]
        if tag.span.overlap(within) >= LEAST_HEARD
    ]


def _shifted(span: Span, origin: Span) -> Span:
    return Span.at(span.start - origin.start, span.end - origin.start)
