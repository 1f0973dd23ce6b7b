"""How speech is laid out for Whisper. Pure.

Whisper's encoder takes 30 s and most lines last 5, so a clip heard on its own pays for six times its length. Putting
several clips into one 30 s window costs less, but words of one clip land in another and a decoder that loses its place
skips the rest. CTranslate2's encoder also takes fewer frames than 30 s of them. So each piece gets a context of its
own: the piece, at least `TAIL` of silence after it, up to the next whole `BUCKET`. Pieces of one length go through
together, whoever's they are; none can hear another, so a piece's words depend on nothing but its own samples.

Measured with Whisper base int8, beam 5, on two cores, over 60 English and 84 other clips of 0.6 to 17 s
(`bench/packing.py`), WER: one faster-whisper call a clip 5.4 and 20.2 %; several in a 30 s window 7.9 % and four times
as fast; contexts of their own with 2, 3, 4 or 6 s of silence 7.8, 4.8, 4.8 and 4.9 %, other languages 20.5, 19.1,
19.2 and 19.5 %, six to eight times as fast. With less silence or less than `LEAST` in all the decoder hears no end and
says things twice; prompted for timestamps it does so now and then with any. On far-field talk the full 30 s are still
better, so what the decoder is unsure of is heard a second time with more room (see `guards.AGREED`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from captioner.times import Span, seconds

FRAME = 0.01
"""Seconds of a frame of Whisper's log-mel spectrogram."""
WINDOW = 3000
"""Frames of the longest context: Whisper's own 30 s."""
TAIL = 400
"""Fewest frames of silence after a piece, where the window has room for them."""
LEAST = 800
"""Frames of the shortest context: in less, clips of 2 s came out said twice."""
ROOMY = 2000
"""Frames of the shortest context of a second hearing..."""
ROOMY_TAIL = 1200
"""... and of the silence in it. Over 168 pieces, a third of them far from the microphone and a third in noise, contexts
of 8, 12, 15, 20 and 30 s made 0.22, 0.27, 0.29, 0.36 and 0.85 s of work each; loops, which add words by the hundred,
are gone from 15 s on, and 20 s hears as well as 30."""
BUCKET = 100
"""Contexts are multiples of this many frames, so that pieces of nearly one length go through together."""
LONGEST = 27.0
"""Seconds of speech and pauses that a piece spans at most, before padding."""
PAUSE = 5.0
"""Seconds: a longer pause begins a new piece; over a shorter one the words before it are context worth having. Of
0.5, 1.5, 3 and 5 s it gave the fewest errors, most of all on a meeting."""
PAD = 1.3
"""Seconds heard before and after a piece's speech where there is room: a VAD clips first and last sounds, and Whisper
hears a line better with the room around it. On 643 words 0.4, 0.6, 0.9, 1.0 and 1.3 s left 77, 84, 79, 75 and 73
errors."""

Quietest = Callable[[float, float], float]
"""The quietest time in [start, end] seconds."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Piece:
    """What is heard in one go: consecutive speech of one recording and the room around it."""

    recording: int
    """Index in the batch."""
    heard: Span
    """What the model gets: the speech, padded where there is room. Pieces of a recording never share a moment."""
    speech: tuple[Span, ...]

    @property
    def spoken(self) -> float:
        """Seconds of speech."""
        return seconds(sum(span.duration for span in self.speech))


def pieces(recording: int, speech: Sequence[Span], duration: float, quietest: Quietest) -> list[Piece]:
    """The pieces of one recording, in order; every moment of `speech` is in exactly one.

    `speech` is in order and does not overlap; `duration` is the recording's, seconds. A single span longer than
    `LONGEST` is cut where it is quietest.
    """
    inside = [Span.at(max(0.0, s.start), min(s.end, duration)) for s in speech if s.start < duration and s.end > 0.0]
    short = [part for span in inside if span.duration > 0.0 for part in _shorten(span, quietest)]
    groups = [part for group in _groups(short) for part in _halve(group)]
    return [
        Piece(recording, _padded(groups, index, duration), tuple(group)) for index, group in enumerate(groups)
    ]  # fmt: skip


def _shorten(span: Span, quietest: Quietest) -> list[Span]:
    """The span in parts of at most LONGEST, cut at quiet places near its even division."""
    parts = math.ceil(span.duration / LONGEST)
    if parts < 2:
        return [span]
    step = span.duration / parts
    # Half the slack on either side of the even place: two cuts can then never be further apart than LONGEST,
    # nor so close that they cross.
    reach = min((LONGEST - step) / 2, step / 4) if parts > 1 else 0.0
    reach = max(reach, 0.0)
    cuts = [span.start]
    for part in range(1, parts):
        even = span.start + part * step
        chosen = quietest(even - reach, even + reach)
        cuts.append(seconds(min(max(chosen, even - reach), even + reach)))
    cuts.append(span.end)
    return [Span.at(start, end) for start, end in pairwise(cuts)]


def _groups(spans: Sequence[Span]) -> list[list[Span]]:
    """Consecutive spans with no pause over PAUSE between them."""
    groups: list[list[Span]] = []
    for span in spans:
        if groups and span.start - groups[-1][-1].end <= PAUSE:
            groups[-1].append(span)
        else:
            groups.append([span])
    return groups


def _halve(group: list[Span]) -> list[list[Span]]:
    """The group cut at its longest pauses until no part spans more than LONGEST."""
    done: list[list[Span]] = []
    todo = [group]
    while todo:
        part = todo.pop()
        if len(part) == 1 or part[-1].end - part[0].start <= LONGEST:
            done.append(part)
            continue
        middle = (part[0].start + part[-1].end) / 2
        # Among equal pauses the one nearest the middle, so that a tie does not shave off one span at a time.
        best = max(
            range(1, len(part)),
            key=lambda i: (seconds(part[i].start - part[i - 1].end), -abs(part[i].start - middle)),
        )
        todo += [part[best:], part[:best]]
    return done


def _padded(groups: Sequence[Sequence[Span]], index: int, duration: float) -> Span:
    """The group's reach and up to PAD on each side, half of what lies between it and its neighbour at most."""
    start, end = groups[index][0].start, groups[index][-1].end
    before = start if index == 0 else (start - groups[index - 1][-1].end) / 2
    after = duration - end if index == len(groups) - 1 else (groups[index + 1][0].start - end) / 2
    # Rounded inwards, so that two neighbours that halve an odd millisecond do not both get it.
    return Span.at(
        max(0.0, start - _floor(min(before, PAD))),
        min(duration, end + _floor(min(after, PAD))),
    )


def _floor(time: float) -> float:
    """Whole milliseconds; a rest below a nanosecond is float noise."""
    return math.floor(time * 1000 + 1e-6) / 1000


def context(frames: int) -> int:
    """Frames of the context that a piece of this many frames is heard in: a multiple of BUCKET, LEAST to WINDOW."""
    return min(WINDOW, max(LEAST, math.ceil((frames + TAIL) / BUCKET) * BUCKET))


def piece_context(piece: Piece) -> int:
    """Frames of the piece's context."""
    return context(math.ceil(piece.heard.duration / FRAME))


def roomy_context(piece: Piece) -> int:
    """Frames of the context that a piece is heard in for the second time."""
    frames = math.ceil(piece.heard.duration / FRAME)
    return min(WINDOW, max(ROOMY, math.ceil((frames + ROOMY_TAIL) / BUCKET) * BUCKET))


def batches(items: Iterable[tuple[int, T]], most: int, frames: int) -> Iterator[list[T]]:
    """Items (context, what) of one context each in batches of at most `most` items and `frames` frames in all.

    Shortest contexts first, and in the order given within one. A batch always has an item.
    """
    by_context: dict[int, list[T]] = {}
    for length, item in items:
        by_context.setdefault(length, []).append(item)
    for length in sorted(by_context):
        same = by_context[length]
        size = max(1, min(most, frames // length))
        for at in range(0, len(same), size):
            yield same[at : at + size]


def rounds(units: Iterable[Sequence[Piece]], frames: int) -> Iterator[list[Piece]]:
    """Units in order, gathered until their contexts make `frames` frames: what is held in memory at one time.

    A unit is never divided: it is what a recording's language is detected from, or one piece.
    """
    held: list[Piece] = []
    size = 0
    for unit in units:
        length = sum(piece_context(piece) for piece in unit)
        if held and size + length > frames:
            yield held
            held, size = [], 0
        held.extend(unit)
        size += length
    if held:
        yield held


def units(own: Sequence[Piece], detecting: float) -> list[Sequence[Piece]]:
    """A recording's pieces as units: together the first that make `detecting` seconds of speech, then one by one.

    `detecting` 0 (the language is known) makes each piece a unit.
    """
    heard, first = 0.0, 0
    while first < len(own) and heard < detecting:
        heard += own[first].spoken
        first += 1
    return ([own[:first]] if first else []) + [[piece] for piece in own[first:]]


def ordered(recordings: Sequence[Sequence[Sequence[Piece]]], detected: Sequence[bool]) -> list[Sequence[Piece]]:
    """All recordings' units: first those that a language is detected from, then the others, pieces of one context
    together whoever's they are, so that few batches are small."""
    first = [units[0] for units, detects in zip(recordings, detected, strict=True) if detects and units]
    rest = [
        unit for units, detects in zip(recordings, detected, strict=True) for unit in (units[1:] if detects else units)
    ]
    return first + sorted(rest, key=lambda unit: sum(map(piece_context, unit)))
