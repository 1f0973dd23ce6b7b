"""Reasons to look before a line is trusted. Nothing here changes or drops a word: it says what is odd, and how much."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from captioner.measures import Evidence
from captioner.speech.ghosts import is_ghost, plain
from captioner.speech.regions import Mask, listen, runs, talking
from captioner.times import Span, seconds
from captioner.types import STEP, Activity, Doubt, Heard, Line, Transcript, Turn, Word

REASONS: dict[str, str] = {
    "no-speech": "the words stand where nobody speaks",
    "too-fast": "there are more words than anyone can say in that time",
    "invented": "a phrase that transcribers invent where there is little to hear",
    "low-probability": "the transcriber itself was not sure",
    "low-trust": "all that is known of it together makes it unlikely that the words are right",
    "repetition": "the same words come again and again",
    "unheard-speech": "somebody speaks and no word is written",
    "unexplained-sound": "a sound that might be somebody's stands beside the words",
    "no-speaker": "nobody is known to have spoken",
    "overlap": "somebody else speaks at the same time",
    "two-voices": "its two halves sound like two people",
    "other-voice": "it does not sound like the rest of its speaker's speech",
    "several-speakers": "more than one person speaks in a clip that was kept whole",
    "shot-change": "the picture changes to another shot in a clip that was kept whole",
    "wrong-language": "it sounds like another language, or is written in another script",
    "prompt-echo": "the glossary came back instead of what was said",
    "caption-differs": "the caption beside a ready clip quotes other words than are heard",
    "too-long-caption": "the trainer's text encoder would cut off the caption's end",
    "poor-quality": "it sounds bad: its DNSMOS is low",
    "noisy": "the voice is little louder than the noise",
    "clipped": "the loudest samples are cut off",
    "narrow-band": "the sound ends low, as on a telephone",
    "reverberant": "the room rings long",
    "music-under-speech": "the voice is little louder than the music under it",
    "at-edge-of-file": "a word touches the edge of a clip that was kept whole",
}

LEAST_SPEECH = 0.25
"""Share of a word's time that must be speech; word times are off by up to half a short word."""
LEAST_LINE_SPEECH = 0.5
"""The same for a whole line, where the errors of the inner words cancel."""
SHORT_ON_SPEECH = 0.06
"""Seconds without speech that one word may have whatever its share: six frames."""
FASTEST_LETTERS = 32.0
"""Letters a second. Fast English talk reaches 25; CJK signs count as `WIDE` letters each."""
FASTEST_WORDS = 9.0
"""Words a second, of three words or more; auctioneers stay below 8."""
WIDE = 3.0
"""Letters that a sign of a script which writes syllables or words stands for."""
FAST_FROM = 8.0
"""Letters that a line needs to be judged by its speed: `I` can take 60 ms."""
GHOST_PROBABILITY = 0.8
"""A phrase that is often invented is believed from this mean probability."""
GHOST_SPEECH = 0.7
"""... on this share of speech."""
UNHEARD = 0.25
"""Seconds of speech in a row without a word: the shortest words are about that long."""
UNHEARD_REACH = 0.25
"""Seconds beside a line in which speech without a word is the line's own: a missed first or last word."""
OVERLAP = 0.15
"""Seconds of somebody else's turn during a line; turn ends are off by less than that."""
MOST_REPEATS = 3
"""Times that the same few words may come in a row: `no, no, no` is speech, four is a loop."""
LONG_REPEAT = 4
"""Words from which even the second time in a row is a loop: nobody says a whole sentence twice without a pause."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the checks of one recording share."""

    talk: Mask
    before: np.ndarray[tuple[int], np.dtype[np.int64]]
    """Frames of speech before each frame, (n + 1,)."""
    gaps: tuple[Span, ...]
    """Stretches of speech of `UNHEARD` or more that no word covers, in order."""
    turns: tuple[Turn, ...]
    starts: tuple[float, ...]
    latest: tuple[float, ...]
    transcript: Transcript

    def speech(self, span: Span) -> float:
        """Seconds of speech in the span."""
        last = len(self.talk)
        first, stop = min(round(span.start / STEP), last), min(round(span.end / STEP), last)
        return seconds(float(self.before[stop] - self.before[first]) * STEP)


def doubt_lines(
    lines: Sequence[Line],
    *,
    activity: Activity,
    regions: Sequence[Span],
    turns: Sequence[Turn],
    transcript: Transcript,
) -> list[Line]:
    """The lines with their doubts added (those they came with stay), same order. `lines` must be all of the
    recording's: speech is without a word only if none of them has one there. `regions` bound that search: speech
    outside them was never given to the transcriber."""
    heard = _hear(lines, activity, regions, turns, transcript)
    checks: tuple[Callable[[Line, _Heard], Iterator[Doubt]], ...] = (
        _no_speech, _too_fast, _invented, _repetition, _unheard, _no_speaker, _overlap, _transcriber,
    )  # fmt: skip
    return [
        replace(
            line,
            doubts=line.doubts + tuple(d for check in checks for d in check(line, heard)),
            evidence=_evidence(line, heard),
        )
        for line in lines
    ]


def unheard(words: Sequence[Word], activity: Activity, least: float = UNHEARD) -> tuple[Span, ...]:
    """Stretches of speech of `least` seconds or more that no word covers, in order."""
    return _without_words(words, talking(listen(activity)), least)


def _without_words(words: Sequence[Word], talk: Mask, least: float) -> tuple[Span, ...]:
    rest = talk.copy()
    for word in words:
        rest[max(0, int(word.span.start / STEP + 1e-6)) : int(np.ceil(word.span.end / STEP - 1e-6))] = False
    return tuple(Span.at(a * STEP, b * STEP) for a, b in runs(rest) if (b - a) * STEP >= least - 1e-9)


def _hear(
    lines: Sequence[Line], activity: Activity, regions: Sequence[Span], turns: Sequence[Turn], transcript: Transcript
) -> _Heard:
    talk = talking(listen(activity))
    words = [word for line in lines for word in line.words]
    near = [Span.at(max(0.0, region.start - UNHEARD_REACH), region.end + UNHEARD_REACH) for region in regions]
    ends = [span.end for span in near]
    gaps = []
    for gap in _without_words(words, talk, UNHEARD):
        first = bisect_right(ends, gap.start)
        if first < len(near) and near[first].overlap(gap) > 0:
            gaps.append(gap)
    ordered = tuple(sorted(turns))
    latest = np.maximum.accumulate([turn.span.end for turn in ordered]).tolist() if ordered else []
    before = np.concatenate(([0], np.cumsum(talk, dtype=np.int64)))
    starts = tuple(turn.span.start for turn in ordered)
    return _Heard(talk, before, tuple(gaps), ordered, starts, tuple(latest), transcript)


def _no_speech(line: Line, heard: _Heard) -> Iterator[Doubt]:
    bare = [
        word
        for word in line.words
        if (speech := heard.speech(word.span)) < LEAST_SPEECH * word.span.duration
        and word.span.duration - speech > SHORT_ON_SPEECH
    ]
    if bare:
        span = Span(bare[0].span.start, bare[-1].span.end)
        said = " ".join(word.text for word in bare)
        yield Doubt("no-speech", f"nobody is heard to speak under {len(bare)} of {len(line.words)} words: {said}", span)
    said_for = sum(word.span.duration for word in line.words)
    speech = sum(heard.speech(word.span) for word in line.words)
    if not bare and speech < LEAST_LINE_SPEECH * said_for:
        yield Doubt("no-speech", f"only {speech:.2f} of {said_for:.2f} s of the words are speech", line.span)


def _letters(text: str) -> float:
    return sum(WIDE if _is_wide(sign) else 1.0 for sign in text if sign.isalnum())


def _is_wide(sign: str) -> bool:
    return "\u3040" <= sign <= "\u30ff" or "\u3400" <= sign <= "\u9fff" or "\uac00" <= sign <= "\ud7af"


def _too_fast(line: Line, heard: _Heard) -> Iterator[Doubt]:
    del heard
    said_for = max(STEP, sum(word.span.duration for word in line.words))
    letters = _letters(line.text)
    if letters >= FAST_FROM and letters / said_for > FASTEST_LETTERS:
        yield Doubt(
            "too-fast", f"{letters / said_for:.0f} letters a second, where {FASTEST_LETTERS:.0f} can be said", line.span
        )
    elif len(line.words) >= 3 and len(line.words) / said_for > FASTEST_WORDS:
        rate = len(line.words) / said_for
        yield Doubt("too-fast", f"{rate:.0f} words a second, where {FASTEST_WORDS:.0f} can be said", line.span)


def _mean(line: Line) -> float | None:
    known = [word.probability for word in line.words if word.probability is not None]
    return sum(known) / len(known) if known else None


def _invented(line: Line, heard: _Heard) -> Iterator[Doubt]:
    if not is_ghost(line.text, heard.transcript.language):
        return
    mean = _mean(line)
    share = heard.speech(line.span) / max(STEP, line.span.duration)
    if mean is None or mean < GHOST_PROBABILITY or share < GHOST_SPEECH:
        said = "unknown" if mean is None else f"{mean:.2f}"
        yield Doubt("invented", f"a phrase often invented, probability {said}, {share:.0%} of it speech", line.span)


def _repetition(line: Line, heard: _Heard) -> Iterator[Doubt]:
    del heard
    said = [plain(word.text) for word in line.words]
    for size in range(1, len(said) // 2 + 1):
        times = 1
        for index in range(size, len(said) - size + 1):
            if said[index : index + size] != said[index - size : index]:
                continue
            times, at = 2, index + size
            while said[at : at + size] == said[index : index + size]:
                times, at = times + 1, at + size
            if times > (MOST_REPEATS if size < LONG_REPEAT else 1):
                span = Span(line.words[index - size].span.start, line.words[at - 1].span.end)
                yield Doubt("repetition", f"{times} times: {' '.join(said[index : index + size])}", span)
                return


def _unheard(line: Line, heard: _Heard) -> Iterator[Doubt]:
    for gap in _gaps(line, heard):
        yield Doubt("unheard-speech", f"{gap.duration:.2f} s of speech without a word", gap)


def _gaps(line: Line, heard: _Heard) -> Iterator[Span]:
    """Speech without a word in the line or beside it."""
    reach = Span.at(max(0.0, line.span.start - UNHEARD_REACH), line.span.end + UNHEARD_REACH)
    for index in range(_first_after(heard.gaps, reach.start), len(heard.gaps)):
        if heard.gaps[index].start >= reach.end:
            return
        yield heard.gaps[index]


def _stretches_at(stretches: Sequence[Heard], span: Span) -> Sequence[Heard]:
    """Those of ordered stretches that share time with a span."""
    low = bisect_right(stretches, span.start, key=lambda one: one.span.end)
    return stretches[low : bisect_left(stretches, span.end, key=lambda one: one.span.start)]


def _first_after(spans: Sequence[Span], time: float) -> int:
    return bisect_right(spans, time, key=lambda span: span.end)


def _no_speaker(line: Line, heard: _Heard) -> Iterator[Doubt]:
    del heard
    if line.speaker is None:
        yield Doubt("no-speaker", f"no turn covers {line.span.duration:.2f} s of words", line.span)


def _overlap(line: Line, heard: _Heard) -> Iterator[Doubt]:
    total = _overlapping(line, heard)
    if line.speaker is not None and total > OVERLAP:
        yield Doubt("overlap", f"somebody else speaks for {total:.2f} s of it", line.span)


def _overlapping(line: Line, heard: _Heard) -> float:
    """Seconds of somebody else's turns during the line."""
    span = line.span
    total, reached = 0.0, span.start
    for index in range(bisect_right(heard.latest, span.start), bisect_left(heard.starts, span.end)):
        turn = heard.turns[index]
        if turn.speaker != line.speaker:
            start, end = max(turn.span.start, reached), min(turn.span.end, span.end)
            total, reached = total + max(0.0, end - start), max(reached, end)
    return seconds(total)


def _evidence(line: Line, heard: _Heard) -> Evidence:
    stretches = _stretches_at(heard.transcript.heard, line.span)
    said_for = sum(word.span.duration for word in line.words)
    speech = sum(heard.speech(word.span) for word in line.words)
    return Evidence(
        speech=round(min(1.0, speech / said_for), 3) if said_for > 0 else None,
        unheard=seconds(sum(gap.duration for gap in _gaps(line, heard))),
        overlap=_overlapping(line, heard) if line.speaker is not None else None,
        log_probability=min((s.log_probability for s in stretches if s.log_probability is not None), default=None),
        no_speech=max((s.no_speech for s in stretches if s.no_speech is not None), default=None),
        language=heard.transcript.language_probability,
        invented=is_ghost(line.text, heard.transcript.language),
    )


def _transcriber(line: Line, heard: _Heard) -> Iterator[Doubt]:
    for doubt in heard.transcript.doubts:
        if doubt.span is None or doubt.span.overlap(line.span) > 0:
            yield doubt
