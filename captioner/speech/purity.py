"""Does one person speak in a cut, and is it the person that it is said to be? Pure.

Two measures: the halves of the speech against each other, and the half that is less like its speaker against the rest
of that speaker's speech in the whole dataset. Embeddings of a second of speech scatter, so how far apart they may be
depends on how long the halves are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from captioner.measures import Voiceprint
from captioner.speech.identity import Curve, unpacked
from captioner.types import Cut, Doubt

VERSION = "2"

Vector = NDArray[np.float32]

HALVES: Curve = ((0.9, 0.34), (1.75, 0.35), (2.3, 0.40))
"""(seconds of a half, cosine): one person's halves are more alike than this but for 1 cut in 100 or less."""
OWN: Curve = ((0.8, 0.40), (1.3, 0.42), (1.75, 0.43), (2.3, 0.47))
"""The same for the less like half and the rest of its speaker's speech."""
OTHER: Curve = ((0.9, 0.12), (1.4, 0.07), (2.0, 0.05), (2.4, 0.02))
"""By how much somebody else of the recording must be nearer than the speaker."""
SOFT = 0.12
"""Cosine above and below those from which purity is 1 and 0."""
UNSURE = 0.8
"""Trust in the words below which any nearness to another voice counts: whoever cuts in spoils the words, too."""
LEAST_REST = 3.0
"""Seconds of other speech that a speaker needs for a cut to be compared with it."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A speaker's whole speech, by the embeddings of its voices."""

    total: Vector
    """Sum of unit-length embeddings, each times its seconds."""
    seconds: float

    def rest(self, without: Vector, seconds: float) -> Vector | None:
        """Direction of the speech but for some of it; None where little is left."""
        if self.seconds - seconds < LEAST_REST:
            return None
        left = self.total - without * seconds
        length = float(np.linalg.norm(left))
        return np.asarray(left / length, dtype=np.float32) if length > 0 else None


def compared(cut: Cut, own: Speaker | None, others: Sequence[Speaker]) -> Cut:
    """The cut, its voiceprint compared with its speaker and with the other speakers of its recording."""
    print_ = cut.voiceprint
    if not print_.vector or own is None:
        return cut
    halves = [unpacked(half) for half in (print_.first, print_.second) if half] or [unpacked(print_.vector)]
    rest = own.rest(unpacked(print_.vector), spoken(cut))
    if rest is None:
        return cut
    near = [float(half @ rest) for half in halves]
    worst = halves[int(np.argmin(near))]
    away = [float(worst @ (one.total / max(float(np.linalg.norm(one.total)), 1e-9))) for one in others]
    other = round(max(away), 2) if away else None
    return replace(cut, voiceprint=replace(print_, own=round(min(near), 2), other=other))


def spoken(cut: Cut) -> float:
    """Seconds of words."""
    return sum(word.span.duration for line in cut.lines for word in line.words)


def limit(curve: Curve, seconds: float) -> float:
    """The curve's cosine at so many seconds: linear between its points, level outside."""
    return float(np.interp(seconds, [point[0] for point in curve], [point[1] for point in curve]))


def purity(voiceprint: Voiceprint, seconds: float) -> float | None:
    """0 (surely not one voice, or another's) to 1 (nothing speaks against it); 0.5 where a doubt begins.

    `seconds` of speech in the cut; None where it could not be measured.
    """
    marks = []
    if voiceprint.halves is not None:
        marks.append(voiceprint.halves - limit(HALVES, seconds / 2))
    if voiceprint.own is not None:
        marks.append(voiceprint.own - limit(OWN, seconds / 2))
    if voiceprint.own is not None and voiceprint.other is not None:
        marks.append(limit(OTHER, seconds / 2) - (voiceprint.other - voiceprint.own))
    if not marks:
        return None
    return round(min(max(0.5 + 0.5 * min(marks) / SOFT, 0.0), 1.0), 2)


def purity_doubts(cut: Cut) -> tuple[Doubt, ...]:
    """`two-voices` and `other-voice`, with the numbers."""
    found, seconds = [], spoken(cut)
    print_ = cut.voiceprint
    if print_.halves is not None and print_.halves < (least := limit(HALVES, seconds / 2)):
        detail = f"the first and the second half are alike by {print_.halves:.2f}, one voice is by {least:.2f} or more"
        found.append(Doubt("two-voices", detail, cut.span))
    if print_.own is not None and print_.own < (least := limit(OWN, seconds / 2)):
        detail = f"it is like the rest of its speaker's speech by {print_.own:.2f}, expected {least:.2f} or more"
        found.append(Doubt("other-voice", detail, cut.span))
    elif print_.own is not None and print_.other is not None and print_.other - print_.own > limit(OTHER, seconds / 2):
        detail = f"part of it is more like another speaker ({print_.other:.2f}) than like its own"
        found.append(Doubt("other-voice", f"{detail} ({print_.own:.2f})", cut.span))
    return tuple(found)


def unsure_voice(cut: Cut, trust: float | None) -> tuple[Doubt, ...]:
    """`other-voice` where somebody else is nearer than the speaker, by however little, and the words are unsure."""
    own, other = cut.voiceprint.own, cut.voiceprint.other
    if own is None or other is None or trust is None or other <= own or trust >= UNSURE:
        return ()
    if any(doubt.reason == "other-voice" for doubt in cut.doubts):
        return ()
    detail = (
        f"part of it is more like another speaker ({other:.2f}) than like its own ({own:.2f}), the words are unsure"
    )
    return (Doubt("other-voice", detail, cut.span),)


def speakers_of(voices: Sequence[tuple[str, Vector, float]]) -> Mapping[str, Speaker]:
    """Each speaker's whole speech, from (speaker, unit-length embedding, seconds) of its voices."""
    found: dict[str, Speaker] = {}
    for id_, vector, seconds in voices:
        if not np.any(vector):
            continue
        before = found.get(id_)
        total = vector * np.float32(seconds)
        found[id_] = (
            Speaker(total, seconds) if before is None else Speaker(before.total + total, before.seconds + seconds)
        )
    return found
