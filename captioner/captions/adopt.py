"""Captions that stood beside clips already cut: their description is kept, their quoted speech checked."""

from __future__ import annotations

import re
from dataclasses import replace

from captioner.captions.text import one_line
from captioner.types import Caption

_TAG = re.compile(r"\[\s*[A-Z][A-Z ]*\]\s*:?|\b(?:Speech|Sounds?|Visual|Text|Music)\s*:")
_LABEL = re.compile(r"\[\s*SPEECH\s*\]\s*:?|\b(?:Speech|SPEECH)\s*:")
_QUOTED = re.compile(
    r'"([^"]*)"|\u201c([^\u201c\u201d]*)\u201d|\u201e([^\u201c\u201d\u201e]*)[\u201c\u201d]|\u00ab([^\u00bb]*)\u00bb'
)
_OPENING = re.compile(r"\s*[\"\u201c\u201e\u00ab]")
# Where speech ends: after its own stop, or before a stop, a label or the end; never at a mark that opens a quotation.
_CLOSING = re.compile(rf"(?:(?<=[.!?\u2026])|(?<!\s)(?=.(?:[.,;!?]|\s*$|\s*(?:{_TAG.pattern}))))[\"\u201d\u201c\u00bb]")


def spoken_in(text: str) -> str | None:
    """The words that a caption says are spoken; None where it quotes none.

    After `Speech:` or `[SPEECH]:` they reach to the next label, quoted or not; elsewhere all that stands in double
    quotation marks, straight, curly or French, is taken for speech.
    """
    places = _places(text)
    return one_line(" ".join(text[start:end] for start, end in places)) if places else None


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
    elif places and _bare(spoken_in(text) or "") != _bare(speech or ""):
        words = (speech or '""')[1:-1]
        for start, end in reversed(places[1:]):
            text = text[: start - 1].rstrip() + text[end + 1 :]
        start, end = places[0]
        text = text[:start] + words + text[end:]
    trigger = drafted.fields.get("trigger") or ""
    if not re.search(rf"(?<!\w){re.escape(trigger)}(?!\w)", _described(text)):
        text = f"{trigger}, {text}"
    return replace(drafted, text=text)


def _places(text: str) -> list[tuple[int, int]]:
    """Where the words stand: from, to."""
    label = _LABEL.search(text)
    if label is None:
        return [found.span(found.lastindex or 0) for found in _QUOTED.finditer(text)]
    opened = _OPENING.match(text, label.end())
    if opened:
        closed = _CLOSING.search(text, opened.end())
        return [(opened.end(), closed.start() if closed else len(text))]
    following = _TAG.search(text, label.end())
    words = text[label.end() : following.start() if following else len(text)]
    start = label.end() + len(words) - len(words.lstrip())
    return [(start, start + len(words.strip()))]


def _described(text: str) -> str:
    """The caption without the words spoken."""
    for start, end in reversed(_places(text)):
        text = text[:start] + text[end:]
    return text


def _bare(text: str) -> list[str]:
    """Words as they are compared: without case and punctuation."""
    return [word for word in (re.sub(r"[^\w']", "", part.casefold()).strip("'") for part in text.split()) if word]
