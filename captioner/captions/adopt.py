"""Captions that stood beside clips already cut: their description is kept, their quoted speech checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from captioner.captions.nonverbal import without_sounds
from captioner.captions.text import one_line
from captioner.speech.cues import bare
from captioner.types import Caption

_BRACKETED = r"\[\s*[A-Z][A-Z ]*\]\s*:?"
_TAG = re.compile(rf"{_BRACKETED}|\b(?:Speech|Sounds?|Visual|Text|Music)\s*:")
_LABELS = (re.compile(r"\[\s*SPEECH\s*\]\s*:?"), re.compile(r"\b(?:Speech|SPEECH)\s*:"))
_DIALOGUE = re.compile(r"<d>\s*(?:\[[^\]<>]*\]\s*)?([^<>]*)</d>")
_QUOTED = re.compile(
    r'"([^"]*)"|\u201c([^\u201c\u201d]*)\u201d|\u201e([^\u201c\u201d\u201e]*)[\u201c\u201d]|\u00ab([^\u00bb]*)\u00bb'
)
_OPENING = re.compile(r"\s*[\"\u201c\u201e\u00ab]")
# Where speech ends: after its own stop, or before a stop, a label or the end; never at a mark that opens a quotation.
_CLOSING = re.compile(rf"(?:(?<=[.!?\u2026])|(?<!\s)(?=.(?:[.,;!?]|\s*$|\s*(?:{_TAG.pattern}))))[\"\u201d\u201c\u00bb]")


def spoken_in(text: str) -> str | None:
    """The words that a caption says are spoken, without the sounds written between them; None where it quotes none.

    Between `<d>` and `</d>` where there are any. After `[SPEECH]:` or `Speech:` they reach to the next label, quoted or
    not, and `None` is none; elsewhere all that stands in double quotation marks, straight, curly or French, is speech.
    """
    places = _places(text)
    if not places:
        return None
    words = without_sounds(one_line(" ".join(text[start:end] for start, end in places)))
    return "" if words == "None" and text[places[0][0] - 1] == " " else words


def adopt_caption(adopted: str, drafted: Caption) -> Caption:
    """The adopted description with the draft's trigger and speech.

    Where the same words are quoted the adopted text stands as it is; where others are, those that are heard take
    their place (the clip is doubted elsewhere); where none are, the speech is added.
    """
    text = one_line(adopted)
    speech = drafted.fields.get("speech")
    places = _places(text)
    if speech and not places:
        text = f"{text.rstrip(' ,;:')}{'' if text.rstrip().endswith(('.', '!', '?')) else '.'} Speech: {speech}"
    elif places and bare_words(spoken_in(text) or "") != bare_words(without_sounds(speech or "")):
        words = (speech or '""')[1:-1]
        for start, end in reversed(_marked(text, places[1:])):
            text = text[:start].rstrip() + text[end:]
        start, end = places[0]
        text = text[:start] + words + text[end:]
    trigger = drafted.fields.get("trigger") or ""
    if not re.search(rf"(?<!\w){re.escape(trigger)}(?!\w)", _described(text)):
        text = f"{trigger}, {text}"
    return replace(drafted, text=text)


def _places(text: str) -> list[tuple[int, int]]:
    """Where the words stand: from, to."""
    if spoken := [found.span(1) for found in _DIALOGUE.finditer(text)]:
        return spoken
    label = next((found for label in _LABELS if (found := label.search(text))), None)
    if label is None:
        return [found.span(found.lastindex or 0) for found in _QUOTED.finditer(text)]
    opened = _OPENING.match(text, label.end())
    if opened:
        closed = _CLOSING.search(text, opened.end())
        return [(opened.end(), closed.start() if closed else len(text))]
    # A form with tags in brackets has no others: "Sounds: good!" is said in it.
    following = re.compile(_BRACKETED if label.group().startswith("[") else _TAG).search(text, label.end())
    words = text[label.end() : following.start() if following else len(text)]
    start = label.end() + len(words) - len(words.lstrip())
    return [(start, start + len(words.strip()))]


def _marked(text: str, places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The places with the marks around their words."""
    if _DIALOGUE.search(text):
        around = [one.span() for one in _DIALOGUE.finditer(text)]
        return [next(outer for outer in around if outer[0] <= start < outer[1]) for start, _ in places]
    return [(start - 1, end + 1) for start, end in places]


def _described(text: str) -> str:
    """The caption without the words spoken."""
    for start, end in reversed(_places(text)):
        text = text[:start] + text[end:]
    return text


def bare_words(text: str) -> list[str]:
    """Words as they are compared: without case and punctuation."""
    return [word for word in map(bare, text.split()) if word]
