"""Where somebody speaks, and where nobody does: two different questions put to the same `Activity`.

*What the transcriber hears* (`speech_regions`) must miss nothing, so Silero alone decides, with hysteresis and pads.
*Where a cut may be made* (`quiet`) must never be wrong, so every ear is asked.

Measured on read speech: Silero crosses 0.5 some 40 to 80 ms after a word really begins (its first frames have
energy, and a probability that is low but no longer nothing) and up to 70 ms after it ends. `talking` puts that right
with the level.
webrtcvad hangs on for about 0.2 s, longer than a pause between two phrases lasts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captioner.times import Span
from captioner.types import STEP, Activity

Mask = NDArray[np.bool_]
"""bool (n,), one value every `STEP` seconds."""
Track = NDArray[np.float32]
"""float32 (n,), one value every `STEP` seconds."""

SURE_SPEECH = 0.5
"""Silero probability from which it is speech; its authors' own threshold."""
STILL_SPEECH = 0.35
"""Speech goes on until Silero falls below this: the closure of a stop consonant dips to 0.3 to 0.5 inside a word."""
MAYBE_SPEECH = 0.04
"""Below this Silero hears nothing at all, whatever the level."""
SURE_SILENCE = 0.1
"""Below this Silero is certain that nobody speaks."""
DYING = 0.75
"""Below this, at the end of a stretch, Silero may be late: frames at the floor there are silence already."""
ABOVE_FLOOR = 8.0
"""dB above the floor from which sound beside speech is a part of it (a burst, a breathy end)."""
QUIET_ROOM = 6.0
"""dB above the floor that a place to cut may have."""
SURE_QUIET_ROOM = 20.0
"""The same where Silero is certain: background noise alone swings that far."""
LEAST_LEVEL = -75.0
"""dBFS; what is softer is silence, digital or not."""
FLOOR_SHARE = 10
"""The floor is this percentile of the level: the minimum would be one frame of digital silence at a splice."""
FLOOR_REACH = 0.75
"""Seconds to either side in which the floor is sought."""
FLOOR_STEP = 10
"""Frames between two measurements of the floor."""
GROWTH = 0.25
"""Seconds by which speech may reach past what Silero calls speech."""
HANG_OVER = 0.2
"""Seconds that webrtcvad stays on after speech has ended."""
USELESS_DUTY = 0.5
"""Share of certain silence that webrtcvad calls voiced from which it hears noise or music, not speech."""
MISSED = 0.8
"""Seconds that the second ear must hear speech in which Silero hears none: it is sure of where within half a second."""
JUDGE_FROM = 50
"""Frames of certain silence needed to judge webrtcvad."""


@dataclass(frozen=True, slots=True)
class Ear:
    """An Activity as arrays, all of the same length."""

    speech: Track
    """Silero's probability, 0 to 1, smoothed over 30 ms: it judges windows of 32 ms, and each holds for its middle."""
    voiced: Mask
    """webrtcvad's decision."""
    level: Track
    """dBFS, the median of 30 ms: no single click, and edges stay where they are."""
    floor: Track
    """The level of the background around: a low percentile of `level` within `FLOOR_REACH`."""


def listen(activity: Activity) -> Ear:
    speech = _smooth(np.frombuffer(activity.speech, np.uint8).astype(np.float32) / np.float32(255))
    voiced = np.frombuffer(activity.voiced, np.uint8) > 0
    level = _median(np.maximum(np.frombuffer(activity.level, np.int8).astype(np.float32), np.float32(LEAST_LEVEL)))
    return Ear(speech, voiced, level, _floor(level, round(FLOOR_REACH / STEP)))


def speech_regions(
    activity: Activity,
    *,
    threshold: float = SURE_SPEECH,
    release: float = STILL_SPEECH,
    least: float = 0.1,
    join: float = 0.1,
    pad: float = 0.0,
) -> tuple[Span, ...]:
    """Where somebody speaks, in order, not overlapping: what a transcriber should hear.

    A region begins where Silero reaches `threshold` and reaches, to both sides, as far as it stays above `release`.
    Gaps of less than `join` seconds are closed first, then what is shorter than `least` seconds is dropped; what is
    left grows by `pad` seconds.
    """
    speech = np.frombuffer(activity.speech, np.uint8).astype(np.float32) / np.float32(255)
    total = len(speech) * STEP
    found = [
        (first, last)
        for first, last in runs(speech >= min(release, threshold))
        if speech[first:last].max() >= threshold
    ]
    joined: list[tuple[int, int]] = []
    for first, last in found:
        if joined and (first - joined[-1][1]) * STEP < join - 1e-9:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    spans: list[Span] = []
    for first, last in joined:
        if (last - first) * STEP < least - 1e-9:
            continue
        span = Span.at(max(0.0, first * STEP - pad), min(total, last * STEP + pad))
        if spans and span.start <= spans[-1].end:
            span = Span(spans.pop().start, span.end)
        spans.append(span)
    return with_second(spans, activity.second)


def with_second(spans: Sequence[Span], second: Sequence[Span]) -> tuple[Span, ...]:
    """The spans and what a second ear adds: stretches of `MISSED` seconds and more that no span covers."""
    added = [gap for one in second for gap in _uncovered(one, spans) if gap.duration >= MISSED]
    joined: list[Span] = []
    for span in sorted([*spans, *added]):
        if joined and span.start <= joined[-1].end:
            last = joined.pop()
            span = Span(last.start, max(last.end, span.end))
        joined.append(span)
    return tuple(joined)


def _uncovered(one: Span, spans: Sequence[Span]) -> list[Span]:
    low = bisect_left(spans, one.start, key=lambda span: span.end)
    high = bisect_left(spans, one.end, key=lambda span: span.start)
    gaps, reached = [], one.start
    for span in spans[low:high]:
        if span.start > reached:
            gaps.append(Span.at(reached, span.start))
        reached = max(reached, span.end)
    return [*gaps, Span.at(reached, one.end)] if one.end > reached else gaps


def talking(ear: Ear) -> Mask:
    """Frames that belong to somebody's speech, edges included: bool (n,).

    Silero above `STILL_SPEECH` in a run that reaches `SURE_SPEECH`, less the ends of the run in which Silero is already
    dying and the level is at the floor; and beside it, for at most `GROWTH` seconds, frames that are louder than the
    floor by `ABOVE_FLOOR` and in which Silero hears at least something.
    """
    near_floor = (ear.level <= ear.floor + QUIET_ROOM) & (ear.speech < DYING)
    loud = (ear.level > ear.floor + ABOVE_FLOOR) & (ear.speech >= MAYBE_SPEECH)
    core = np.zeros(len(ear.speech), np.bool_)
    for first, last in runs(ear.speech >= STILL_SPEECH):
        alive = np.flatnonzero(~near_floor[first:last])
        if len(alive) and ear.speech[first:last].max() >= SURE_SPEECH:
            core[first + int(alive[0]) : first + int(alive[-1]) + 1] = True
    grown = core.copy()
    reach = round(GROWTH / STEP)
    for first, last in runs(core | loud):
        inside = np.flatnonzero(core[first:last])
        if len(inside):
            left, right = first + int(inside[0]), first + int(inside[-1]) + 1
            grown[max(first, left - reach) : left] = True
            grown[right : min(last, right + reach)] = True
    return grown


def quiet(activity: Activity) -> Mask:
    """Frames in which a cut may be made: bool (n,).

    A frame is quiet when it is no part of anybody's speech (`talking`), Silero is below `DYING`, and its level is
    within `QUIET_ROOM` dB of the floor (`SURE_QUIET_ROOM` where Silero is certain that nobody speaks). Inside each such
    stretch webrtcvad then chooses: where it is off for 30 ms or more, only those frames are quiet. It is not asked when
    it is on throughout (a pause shorter than its hang-over), nor within `HANG_OVER` seconds after speech, nor in a
    recording in which it stays on for half of what Silero calls certain silence: there it hears music or noise.
    """
    return quiet_of(listen(activity))


def quiet_of(ear: Ear) -> Mask:
    room = np.where(ear.speech < SURE_SILENCE, SURE_QUIET_ROOM, QUIET_ROOM)
    talk = talking(ear)
    still = (ear.speech < DYING) & ~talk & (ear.level <= ear.floor + room)
    if webrtc_is_useless(ear):
        return still
    off = still & ~ear.voiced
    chosen = off | (still & _just_after(talk, round(HANG_OVER / STEP)))
    for first, last in runs(still):
        if int(off[first:last].sum()) < 3:
            chosen[first:last] = True
    return chosen


def webrtc_is_useless(ear: Ear) -> bool:
    silent = ear.speech < SURE_SILENCE
    if int(silent.sum()) < JUDGE_FROM:
        return True
    return float(ear.voiced[silent].mean()) > USELESS_DUTY


def _just_after(mask: Mask, reach: int) -> Mask:
    """Frames at most `reach` after a True one."""
    index = np.arange(len(mask), dtype=np.float32)
    latest = np.maximum.accumulate(np.where(mask, index, np.float32(-np.inf)))
    return np.asarray(index - latest <= reach, np.bool_)


def runs(mask: Mask) -> list[tuple[int, int]]:
    """First and past-the-last index of each stretch of True, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def distance(mask: Mask) -> Track:
    """Seconds from each frame to the nearest True one; 0 inside, infinity where there is none."""
    index = np.arange(len(mask), dtype=np.float32)
    before = np.maximum.accumulate(np.where(mask, index, np.float32(-np.inf)))
    after = np.minimum.accumulate(np.where(mask, index, np.float32(np.inf))[::-1])[::-1]
    return np.asarray(np.minimum(index - before, after - index) * np.float32(STEP), np.float32)


def _median(level: Track) -> Track:
    if len(level) < 3:
        return level
    padded = np.pad(level, 1, mode="edge")
    low, high = np.minimum(padded[:-2], padded[1:-1]), np.maximum(padded[:-2], padded[1:-1])
    return np.asarray(np.maximum(low, np.minimum(high, padded[2:])), np.float32)


def _smooth(track: Track) -> Track:
    if len(track) < 3:
        return track
    padded = np.pad(track, 1, mode="edge")
    return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / np.float32(3), np.float32)


def _floor(level: Track, reach: int) -> Track:
    """`FLOOR_SHARE` percentile within `reach` frames to either side, measured every `FLOOR_STEP` frames."""
    if not len(level):
        return level
    padded = np.pad(level, reach, mode="reflect" if len(level) > reach else "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)[::FLOOR_STEP]
    at = np.arange(len(windows)) * FLOOR_STEP
    place = (2 * reach + 1) * FLOOR_SHARE // 100
    low = [np.partition(windows[i : i + 4096], place, axis=1)[:, place] for i in range(0, len(windows), 4096)]
    return np.interp(np.arange(len(level)), at, np.concatenate(low)).astype(np.float32)
