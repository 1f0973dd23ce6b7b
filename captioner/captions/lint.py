"""What a person should see of a caption before approving it: rules over a Cut and its Caption. Pure.

An error asks once more before the clip is approved; a warning does not. What the machine doubts is a warning, too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from captioner.captions.edited import plain_speech
from captioner.captions.text import QUOTES
from captioner.types import Caption, Cut

RULES: dict[str, str] = {
    "no-trigger": "the trigger is not in the caption",
    "no-words": "somebody speaks and the caption has no words",
    "odd-quotes": "quotation marks do not pair, or are of several kinds",
    "unseen-sign": "a control or zero-width sign",
    "unknown-speaker": "nobody is known to have spoken",
    "too-long-caption": "longer than the text encoder takes",
    "too-dense": "more letters a second than can be said",
    "too-sparse": "fewer letters a second than are said",
    "low-word": "words that the transcriber was not sure of",
    "no-voice": "words, and nobody is heard to speak",
    "doubled": "a word or blank stands twice",
    "odd-brackets": "brackets do not pair",
    "digits": "a number in digits: was it said so?",
    "banned": "a phrase that says nothing",
    "recut": "cut by hand: it is measured again when it is written",
}
"""The codes that `lint:` finds, besides those of doubts (`captioner.speech.doubt.REASONS`)."""

ERRORS = frozenset(("no-trigger", "no-words", "odd-quotes", "unseen-sign", "unknown-speaker", "too-long-caption"))

DENSEST, SPARSEST = 25.0, 4.0
"""Letters a second of speech."""
LEAST_SPEECH = 0.5
"""Seconds of speech from which a rate says anything."""
UNSURE = 0.5
"""Probability below which a word is named."""
BANNED = ("high quality", "best quality", "masterpiece", "as an ai", "in this video", "the video shows", "subscribe")
_TWICE = re.compile(r"(?<![\w'])(\w{2,})\s+\1(?![\w'])", re.IGNORECASE)
_OFTEN_TWICE = frozenset("that had is no very so bye really yes yeah ha hey now there well more again".split())  # noqa: SIM905
_PAIRS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class Finding:
    code: str
    text: str
    """One sentence."""
    error: bool = False
    field: str = ""
    """The field that it is about; empty for the clip."""


def lint(cut: Cut, caption: Caption, checked: Collection[str] = (), heard: str = "") -> tuple[Finding, ...]:
    """All that is to be seen, errors first. `checked`: fields that a person wrote; `heard`: the words that the machine
    heard, whatever a person made of them."""
    found = [finding for rule in _ALL for finding in rule(cut, caption)]
    if heard and not cut.text and not plain_speech(caption.fields):
        found.append(_error("no-words", f"the caption has no words, and this was heard: {heard}", "speech"))
    doubts = [
        Finding(doubt.reason, doubt.detail, doubt.reason in ERRORS)
        for doubt in (*cut.all_doubts, *caption.doubts)
        if not ("speech" in checked and doubt.reason in ("low-probability", "low-trust"))
    ]
    unique = {(one.code, one.text): one for one in (*found, *doubts)}
    return tuple(sorted(unique.values(), key=lambda one: not one.error))


def _error(code: str, text: str, field: str = "") -> Finding:
    return Finding(code, text, code in ERRORS, field)


def _trigger(_cut: Cut, caption: Caption) -> Iterator[Finding]:
    word = caption.fields.get("trigger") or ""
    if not word or not re.search(rf"(?<!\w){re.escape(word)}(?!\w)", caption.text):
        yield _error("no-trigger", f"the trigger {word or '(none)'} is not in the caption", "trigger")


def _words(cut: Cut, caption: Caption) -> Iterator[Finding]:
    said = plain_speech(caption.fields)
    if not said and (cut.text or (cut.voice.rate and cut.scene.speech is not False)):
        yield _error("no-words", "somebody is heard to speak and the caption has no words", "speech")
    if said and cut.scene.speech is False:
        yield Finding("no-voice", "the caption has words and nobody is heard to speak", field="speech")
    if cut.lines and cut.speaker is None:
        yield _error("unknown-speaker", "nobody is known to have spoken: name the speaker")
    speech = _seconds(cut)
    letters = sum(mark.isalnum() for mark in said)
    if said and speech >= LEAST_SPEECH and not letters / speech <= DENSEST:
        yield Finding(
            "too-dense", f"{letters / speech:.0f} letters a second of speech: is it all said?", field="speech"
        )
    if said and speech >= LEAST_SPEECH and letters / speech < SPARSEST:
        yield Finding("too-sparse", f"{letters / speech:.0f} letters a second of speech: is all there?", field="speech")
    unsure = [
        word.text
        for line in cut.lines
        for word in line.words
        if word.probability is not None and word.probability < UNSURE
    ]
    if unsure:
        yield Finding("low-word", f"not sure of: {', '.join(unsure[:6])}", field="speech")


def _seconds(cut: Cut) -> float:
    """Of speech: as measured, else of the words."""
    words = [word for line in cut.lines for word in line.words]
    if cut.voice.rate:
        return len(words) / cut.voice.rate
    return sum(word.span.duration for word in words)


def _signs(_cut: Cut, caption: Caption) -> Iterator[Finding]:
    text = caption.text
    kinds = {mark for mark in text if mark in QUOTES}
    if text.count('"') % 2 or len(kinds) > 1:
        yield _error("odd-quotes", "quotation marks do not pair, or are of several kinds")
    bad = [mark for mark in text if unicodedata.category(mark) in ("Cc", "Cf") and mark not in "\u200c\u200d"]
    if bad:
        yield _error("unseen-sign", f"a sign that nobody sees: {', '.join(sorted({f'U+{ord(m):04X}' for m in bad}))}")
    opened: list[str] = []
    for mark in text:
        if mark in _PAIRS.values():
            opened.append(mark)
        elif mark in _PAIRS and (not opened or opened.pop() != _PAIRS[mark]):
            opened.append(mark)
            break
    if opened:
        yield Finding("odd-brackets", f"a bracket without its other half: {opened[-1]}")


def _style(_cut: Cut, caption: Caption) -> Iterator[Finding]:
    said = plain_speech(caption.fields)
    twice = [found[1] for found in _TWICE.finditer(said) if found[1].casefold() not in _OFTEN_TWICE]
    if twice:
        yield Finding("doubled", f"twice in a row: {', '.join(twice[:3])}", field="speech")
    if "  " in caption.text:
        yield Finding("doubled", "two blanks in a row")
    if any(mark.isdigit() for mark in said):
        yield Finding("digits", "a number in digits: was it said so?", field="speech")
    low = caption.text.casefold()
    for phrase in BANNED:
        if phrase in low and phrase not in said.casefold():
            yield Finding("banned", f"says nothing that can be learned: {phrase}")


_ALL: tuple[Callable[[Cut, Caption], Iterator[Finding]], ...] = (_trigger, _words, _signs, _style)
