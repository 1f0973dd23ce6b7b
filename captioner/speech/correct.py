"""Word times against what is heard.

Attention-based word times have three habits (measured on read and on commanded speech): words touch although there is a
pause between them, the first word after a pause begins seconds early, and all times are about 0.1 s early. So a pause
that is really heard belongs *between* two words: between those whose own boundary is nearest. Every word is then held
inside its stretch of speech, and the first and the last word of a stretch reach to its ends, so that a cut placed
beside them clips no burst and no breathy tail. Inside a stretch, where speech goes on past a word that nothing follows
at once, the word gets the 0.1 s it was early; what is left may be a word that nobody wrote.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from captioner.speech.regions import SURE_SILENCE, Ear, Mask, listen, runs, talking
from captioner.times import Span, seconds
from captioner.types import STEP, Activity, Word

EARLY = 0.1
"""Seconds by which a transcriber's word boundaries come too early, on average."""
PAUSE = 0.08
"""Seconds of silence that can be a pause: room for two edges of 40 ms. Most closures of stop consonants are shorter or
not silent enough; `ASTRAY` turns down most others."""
DEEP = 2 * SURE_SILENCE
"""Silero must fall below this inside a pause; inside a word it was not seen below 0.25 for as long."""
ASTRAY = 0.06
"""Seconds that a word boundary may be off from a pause, beside `ASTRAY_SHARE` times the length of the pause: a short
one far from any boundary is the closure of a stop consonant inside a word."""
ASTRAY_SHARE = 1.0
ASTRAY_MOST = 0.6
LINGER, LINGER_LETTER = 0.6, 0.1
"""Seconds that the last word before a pause may last, and more for each letter. Attention lets such a word end early:
"monkeys." of 0.77 s was given 0.42 s, "meters." of 0.95 s 0.38 s."""
ACROSS, ACROSS_REACH = 0.2, 0.05
"""Seconds of a pause across which no word is said, and seconds that a word timed across one must reach behind it to be
the first word after it. Attention lets that word begin up to a second early; shorter pauses may be inside a word."""
OUTWARD = 0.25
"""Seconds by which a word may grow over speech that no other word claims."""


def correct(words: Sequence[Word], activity: Activity) -> list[Word]:
    """The words with corrected spans: in order, not overlapping, each at least `STEP` long and inside the activity.

    A word without any speech under it keeps its time: it is for `doubt` to say so. As many words come out as
    went in, in the order of their start.
    """
    words = sorted(words, key=lambda word: (word.span.start, word.span.end))
    if not words or not len(activity):
        return list(words)
    ear = listen(activity)
    talk = talking(ear)
    heard = [word for word in words if _touches(talk, word.span)]
    lost = [word for word in words if not _touches(talk, word.span)]
    spans = _place(heard, ear, talk) if heard else []
    moved = [replace(word, span=span) for word, span in zip(heard, spans, strict=True)]
    return _in_order([*moved, *lost], len(activity) * STEP)


def _touches(talk: Mask, span: Span) -> bool:
    first, last = _frames(span, len(talk))
    return bool(talk[first:last].any())


def _frames(span: Span, total: int) -> tuple[int, int]:
    first = min(max(0, int(np.floor(span.start / STEP + 1e-6))), total)
    return first, max(min(total, int(np.ceil(span.end / STEP - 1e-6))), min(first + 1, total))


def pauses(ear: Ear, talk: Mask) -> list[Span]:
    """The stretches without speech that are long and silent enough to be a pause, in order."""
    return [
        Span.at(first * STEP, last * STEP)
        for first, last in runs(~talk)
        if (last - first) * STEP >= PAUSE - 1e-9 and float(ear.speech[first:last].min()) < DEEP
    ]


def _place(words: Sequence[Word], ear: Ear, talk: Mask) -> list[Span]:
    """New spans of words that all have speech under them."""
    total = len(talk) * STEP
    groups = _grouped(words, pauses(ear, talk), total)
    spans: list[Span] = []
    for first, last, island in groups:
        spans += _fit(words[first:last], island, talk)
    return spans


def _grouped(words: Sequence[Word], breaks: Sequence[Span], total: float) -> list[tuple[int, int, Span]]:
    """Words [first, last) between two neighbouring pauses, and the time between these pauses.

    Each pause goes to the nearest boundary between two words (0 is before the first, n after the last one).
    """
    at: dict[int, Span] = {}
    ends = [word.span.end for word in words]
    for pause in breaks:
        boundary = _nearest(pause, words, ends)
        if boundary is not None:
            known = at.get(boundary)
            at[boundary] = Span(known.start, pause.end) if known else pause
    marks = sorted(at)
    groups: list[tuple[int, int, Span]] = []
    begin, left = 0, 0.0
    for mark in [*marks, len(words)]:
        if mark == 0:
            left = at[0].end
            continue
        right = at[mark].start if mark in at else total
        room = seconds(right - left)
        if begin < mark and room >= 2 * STEP * (mark - begin):
            groups.append((begin, mark, Span(left, right)))
            begin = mark
            left = at[mark].end if mark in at else total
    if begin < len(words):  # the last pause left too little room behind it
        first, _, island = groups.pop() if groups else (0, 0, Span(left, total))
        groups.append((first, len(words), Span(island.start, total)))
    return groups


def _nearest(pause: Span, words: Sequence[Word], ends: Sequence[float]) -> int | None:
    """The boundary that a pause falls on: index of the word after it. None where none is near enough."""
    astray = min(ASTRAY_MOST, ASTRAY + ASTRAY_SHARE * pause.duration)
    across = _across(pause, words, ends)
    if across is not None:
        return across
    guess = bisect_left(ends, pause.start - EARLY)
    best: tuple[float, float, int] | None = None
    for index in range(max(0, guess - 2), min(len(words), guess + 3) + 1):
        early = words[index - 1].span.end + EARLY if index else -1e9
        late = words[index].span.start + EARLY if index < len(words) else 1e9
        gap = max(0.0, pause.start - late, early - pause.end)
        middle = abs((pause.start + pause.end) / 2 - (max(early, pause.start - 1) + min(late, pause.end + 1)) / 2)
        choice = (seconds(gap), middle, index)
        best = choice if best is None or choice < best else best
    return best[2] if best is not None and best[0] < astray else None


def _across(pause: Span, words: Sequence[Word], ends: Sequence[float]) -> int | None:
    """The word that covers a whole pause and some of the speech behind it: it begins there, and was timed early."""
    if pause.duration < ACROSS:
        return None
    index = bisect_left(ends, pause.end + ACROSS_REACH)
    if index < len(words) and words[index].span.start < pause.start:
        return index
    return None


def _fit(words: Sequence[Word], island: Span, talk: Mask) -> list[Span]:
    """The spans of one group inside the time between its pauses."""
    first, last = _frames(island, len(talk))
    heard = np.flatnonzero(talk[first:last])
    begin = seconds((first + int(heard[0])) * STEP) if len(heard) else island.start
    end = seconds((first + int(heard[-1]) + 1) * STEP) if len(heard) else island.end
    if end - begin < STEP * len(words):
        begin, end = island.start, island.end
    starts = [word.span.start for word in words]
    ends = [word.span.end for word in words]
    if starts[0] < begin or begin > starts[0] - OUTWARD - EARLY:
        starts[0] = begin
    if end < ends[-1] + OUTWARD + EARLY or end - starts[-1] <= drawn_out(words[-1].text):
        ends[-1] = end
    for index, late in enumerate(starts[1:]):
        ends[index] = max(ends[index], min(_speech_until(talk, ends[index]), ends[index] + EARLY, late))
    return _spread(starts, ends, begin, end)


def drawn_out(text: str) -> float:
    """Seconds that a word may last before a pause, where voices linger: longer, and another word must be in there."""
    return LINGER + LINGER_LETTER * sum(mark.isalnum() for mark in text)


def _speech_until(talk: Mask, time: float) -> float:
    """Where the speech that goes on at a time ends, at most `EARLY` seconds and a frame later."""
    first = int(time / STEP + 1e-6)
    ahead = talk[first : first + round(EARLY / STEP) + 1]
    silent = np.flatnonzero(~ahead)
    return seconds((first + (int(silent[0]) if len(silent) else len(ahead))) * STEP)


def _spread(starts: list[float], ends: list[float], begin: float, end: float) -> list[Span]:
    """Spans in order inside [begin, end], each `STEP` or longer, moved as little as that needs."""
    count = len(starts)
    result: list[Span] = []
    reached = begin
    for index in range(count):
        after = count - index - 1
        latest = seconds(end - STEP * (after + 1))
        start = min(max(starts[index], reached), latest)
        stop = min(max(ends[index], seconds(start + STEP)), seconds(end - STEP * after))
        result.append(Span.at(start, stop))
        reached = result[-1].end
    return result


def _in_order(words: Sequence[Word], total: float) -> list[Word]:
    """Words by start, none overlapping the next, each `STEP` or longer, none outside [0, total] where there is room."""
    ordered = sorted(words, key=lambda word: (word.span.start, word.span.end))
    spans = _spread(
        [word.span.start for word in ordered],
        _not_past([word.span for word in ordered]),
        0.0,
        max(total, seconds(STEP * len(ordered))),
    )
    return [replace(word, span=span) for word, span in zip(ordered, spans, strict=True)]


def _not_past(spans: Sequence[Span]) -> list[float]:
    """Ends, none later than the next start unless the word would be shorter than `STEP`."""
    nexts = [span.start for span in spans[1:]] + [float("inf")]
    return [max(seconds(span.start + STEP), min(span.end, late)) for span, late in zip(spans, nexts, strict=True)]
