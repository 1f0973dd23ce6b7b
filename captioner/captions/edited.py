"""A person's words for what a Cut says, with the times at which they were heard. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from captioner.captions.text import name, phrase, said, spoken
from captioner.speech.cues import bare
from captioner.times import Span
from captioner.types import Cut, Line, Word

SPEECH = "speech"
WORDS = "words"
TRIGGER = "trigger"


def with_words(cut: Cut, text: str) -> Cut:
    """The cut saying `text`: a word that was heard keeps its time, one in another's place takes that, one that nobody
    heard stands in the pause where it was put. Words stay in the line of the word before. An empty text leaves no
    line."""
    given = text.split()
    heard = [(word, number) for number, line in enumerate(cut.lines) for word in line.words]
    if not heard or given == [word.text for word, _ in heard]:
        return cut if heard and given else replace(cut, lines=() if not given else cut.lines)
    placed: list[tuple[Word, int]] = []
    for kind, first, last, start, end in _steps([word.text for word, _ in heard], given):
        old = heard[first:last]
        if kind == "equal" or (kind == "replace" and last - first == end - start):
            pairs = zip(old, given[start:end], strict=True)
            placed += [(word if word.text == new else _said(word, new), number) for (word, number), new in pairs]
        elif kind != "delete":
            placed += _spread(heard, first, last, given[start:end])
    lines = []
    for number, line in enumerate(cut.lines):
        own = tuple(word for word, place in placed if place == number)
        if own:
            lines.append(line if own == line.words else replace(line, words=own))
    return replace(cut, lines=tuple(lines))


def _steps(old: Sequence[str], new: Sequence[str]) -> Sequence[tuple[str, int, int, int, int]]:
    """What turns some words into others; case and punctuation make no other word."""
    before, after = [bare(word) or word for word in old], [bare(word) or word for word in new]
    return difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()


def _said(word: Word, text: str) -> Word:
    """The same moment with another text, of whose probability nothing is known unless it is the same word."""
    if bare(word.text) == bare(text):
        return replace(word, text=text)
    return replace(word, text=text, probability=None, agreement=None, confirmed=None)


def _spread(heard: Sequence[tuple[Word, int]], first: int, last: int, texts: Sequence[str]) -> list[tuple[Word, int]]:
    if last > first:
        start, end, number = heard[first][0].span.start, heard[last - 1][0].span.end, heard[first][1]
    else:
        before = heard[first - 1] if first else None
        after = heard[first] if first < len(heard) else None
        number = before[1] if before else heard[0][1]
        near = before[0].span.end if before else heard[0][0].span.start
        start, end = near, max(near, after[0].span.start) if after and before else near
    step = (end - start) / len(texts)
    whose = heard[min(first, len(heard) - 1)][0].speaker
    return [
        (Word(text, Span.at(start + place * step, start + (place + 1) * step), speaker=whose), number)
        for place, text in enumerate(texts)
    ]


def carried(text: str, before: Sequence[str], after: Sequence[str]) -> str | None:
    """A person's correction of the words `before`, for a clip that has the words `after` of them, some gone or come
    at its ends. None where it cannot be told which of the correction goes."""
    given = text.split()
    if list(before) == list(after):
        return text
    shared = difflib.SequenceMatcher(None, list(before), list(after), autojunk=False).find_longest_match()
    if not shared.size:
        return None
    inner = (shared.b == 0 or shared.a == 0) and (
        shared.b + shared.size == len(after) or shared.a + shared.size == len(before)
    )
    first = _place(before, given, shared.a)
    last = _place(before, given, shared.a + shared.size)
    if not inner or first is None or last is None:
        return None
    return " ".join([*after[: shared.b], *given[first:last], *after[shared.b + shared.size :]])


def _place(before: Sequence[str], given: Sequence[str], at: int) -> int | None:
    """The place between two words of a correction that is the place `at` between the words it corrects."""
    if at == 0:
        return 0
    if at == len(before):
        return len(given)
    for kind, first, last, start, end in _steps(before, given):
        if first <= at <= last and (kind == "equal" or (kind == "replace" and last - first == end - start)):
            return start + at - first
        if first < at < last:
            return None
    return None


def fitted(field: str, text: str, language: str | None) -> str | None:
    """A person's text of a field as it stands in a caption; None where nothing is left of it."""
    if field == SPEECH:
        return spoken(text, language)
    if field == WORDS:
        return said(text, language)
    return name(text) if field == TRIGGER else phrase(text)


def plain_speech(fields: Mapping[str, str | None]) -> str:
    """The words of a caption's fields, without quotation marks; "" where there are none."""
    quoted = fields.get(SPEECH)
    return quoted[1:-1] if quoted else ""


def all_words(lines: Sequence[Line]) -> tuple[str, ...]:
    return tuple(word.text for line in lines for word in line.words)
