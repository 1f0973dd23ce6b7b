"""Words from subtitles: the text a person wrote, with the times at which it was heard."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from captioner.formats.cues import Cue
from captioner.times import Span
from captioner.types import Word

REACH = 0.5
"""Seconds that a word may lie outside its cue: subtitles are set by eye."""


def bare(text: str) -> str:
    """A word as it is compared: case and punctuation gone."""
    return "".join(mark for mark in text.casefold() if unicodedata.category(mark)[0] in "LN")


def words_of_cues(cues: Sequence[Cue], heard: Sequence[Word]) -> list[Word]:
    """The words of the cues. Each takes the time of the heard word that it is or stands in for; one that nobody
    heard gets its share of the cue's time. Heard words outside every cue stay, so that nothing heard is lost."""
    taken: set[int] = set()
    words: list[Word] = []
    for cue in sorted(cues, key=lambda cue: cue.span):
        inside = [
            place
            for place, word in enumerate(heard)
            if place not in taken and _middle(word) >= cue.span.start - REACH and _middle(word) <= cue.span.end + REACH
        ]
        tokens = cue.text.split()
        pairs = _pairs(tokens, [heard[place].text for place in inside])
        # A word beyond the cue's own bounds belongs to it only when it matched.
        matched = {inside[theirs] for theirs in pairs.values()}
        taken |= matched | {p for p in inside if cue.span.start <= _middle(heard[p]) <= cue.span.end}
        words += _timed(tokens, {ours: heard[inside[theirs]] for ours, theirs in pairs.items()}, cue)
    words += [word for place, word in enumerate(heard) if place not in taken]
    return sorted(words, key=lambda word: word.span)


def _middle(word: Word) -> float:
    return (word.span.start + word.span.end) / 2


def _pairs(written: Sequence[str], heard: Sequence[str]) -> dict[int, int]:
    """Place of each written word -> place of the heard one."""
    matcher = difflib.SequenceMatcher(None, [bare(t) for t in written], [bare(t) for t in heard], autojunk=False)
    pairs: dict[int, int] = {}
    for kind, start, end, other, last in matcher.get_opcodes():
        if kind == "equal" or (kind == "replace" and end - start == last - other):
            pairs |= dict(zip(range(start, end), range(other, last), strict=True))
    return pairs


def _timed(tokens: Sequence[str], known: dict[int, Word], cue: Cue) -> list[Word]:
    words = []
    place = 0
    while place < len(tokens):
        if place in known:
            words.append(replace(known[place], text=tokens[place], speaker=cue.speaker))
            place += 1
            continue
        run = place
        while run < len(tokens) and run not in known:
            run += 1
        start = known[place - 1].span.end if place else cue.span.start
        end = known[run].span.start if run < len(tokens) else cue.span.end
        step = max(0.0, end - start) / (run - place)
        for number in range(place, run):
            offset = start + (number - place) * step
            words.append(Word(tokens[number], Span.at(offset, offset + step), None, cue.speaker))
        place = run
    return words
