"""What a caption says, for the rules: its dialect, its speech, its trigger. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from captioner.captions.adopt import bare_words, spoken_in
from captioner.checks.findings import printable

_WORDS = (
    "a an the this that in on at of with from by for to and or but as it its he she they his her their there here one "
    "two three some someone somebody no close closeup close-up medium wide shot scene video clip camera view inside "
    "outside indoors outdoors man woman person people girl boy speaker voice speech sounds visual text style young old "
    "male female during while when after before under over near against sitting standing speaking talking"
)
ORDINARY = frozenset(_WORDS.split())
"""Words that captions begin with and that call up nothing."""

_BRACKET = re.compile(r"\[\s*([A-Z][A-Z ]*)\s*\]\s*:?")
_LABEL = re.compile(r"(?:^|(?<=[.!?\"\u201d])\s+)(Speech|Sounds?|Visual|Text|Music)\s*:", re.MULTILINE)
_SECTION = re.compile(r"\[\s*(VISUAL|SPEECH|SOUNDS?|TEXT)\s*\]\s*:?\s*(.*?)(?=\[\s*[A-Z][A-Z ]*\]|\Z)", re.DOTALL)
_DIALOGUE = re.compile(r"<d>.*?</d>", re.DOTALL)

TAGS, LABELS, DIALOGUE, PROSE = "[TAG]:", "label:", "<d>", "prose"


def beginning(text: str) -> str:
    """A text as a sentence shows it: quoted, and not too long."""
    return repr(text if len(text) <= 60 else f"{text[:60]}...")


def both_ends(text: str) -> str:
    """The same where its end matters, too: what differs may stand there. One line, safe for a terminal."""
    return printable(repr(text if len(text) <= 60 else f"{text[:28]}...{text[-28:]}"))


def dialect(text: str) -> str:
    """ "[TAG]:", "label:", "<d>" or "prose"."""
    if _BRACKET.search(text):
        return TAGS
    if _DIALOGUE.search(text):
        return DIALOGUE
    return LABELS if _LABEL.search(text) else PROSE


def sections(text: str) -> dict[str, str]:
    """Of a caption with tags: what stands behind each, SOUND and SOUNDS as one."""
    return {name if name != "SOUND" else "SOUNDS": said.strip() for name, said in _SECTION.findall(text)}


def speech(text: str) -> str | None:
    """The words that it says are spoken; None where it quotes none, empty where it says that there are none."""
    words = spoken_in(text)
    return "" if words is not None and words.strip(" .").lower() == "none" else words


def times_named(text: str, trigger: str) -> int:
    """How often a trigger stands in a caption as a word of its own, outside what is spoken."""
    found = re.compile(rf"(?<!\w){re.escape(trigger)}(?!\w)")
    return max(0, len(found.findall(text)) - len(found.findall(spoken_in(text) or "")))


def openings(texts: Iterable[str]) -> tuple[str, ...]:
    """The words that nearly all captions begin with, where they are ones that nobody would say otherwise: triggers, one
    for each speaker. Empty where they begin like any sentence."""
    bare = (_BRACKET.sub("", text, count=1) if text.lstrip().startswith("[") else text for text in texts)
    firsts = [words[0].strip(",.:;") for text in bare if (words := text.split(None, 1))]
    least = max(2.0, 0.05 * len(firsts))
    often = {word: times for word, times in Counter(firsts).items() if times >= least and _calls(word)}
    return tuple(sorted(often)) if often and sum(often.values()) >= 0.9 * len(firsts) else ()


def common_opening(texts: Iterable[str]) -> str | None:
    """The one such word; None where there is none, or where speakers have their own."""
    found = openings(texts)
    return found[0] if len(found) == 1 else None


def _calls(word: str) -> bool:
    return bool(word) and word.lower() not in ORDINARY and any(letter.isalnum() for letter in word)


def errors_in(said: Sequence[str], heard: Sequence[str]) -> float:
    """Word error rate of what is said against what is heard: both bare words. 0 to 1 and above; 1 where all is heard
    in place of nothing."""
    if not said:
        return 1.0 if heard else 0.0
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        before, row[0] = row[0], number
        for place, other in enumerate(heard, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (word != other))
    return row[-1] / len(said)


def word_errors(said: str, heard: str) -> float:
    """The same of two texts, without case and punctuation."""
    return errors_in(bare_words(said), bare_words(heard))


def letter_errors(said: str, heard: str) -> float:
    """The same of their letters: "increase" and "and crease" sound alike, and differ in two of two words."""
    return errors_in("".join(bare_words(said)), "".join(bare_words(heard)))


RESIDUE = (
    (re.compile(r"</?think>", re.IGNORECASE), "a model's thoughts: {}"),
    (re.compile(r"^\s*(?:\{\s*\"|\[\s*\{|```)"), "JSON or code around it: {}"),
    (re.compile(r"^\s*(?:the|this) (?:video|clip|image|audio|scene) (?:shows|features|depicts|captures|begins|opens)",
                re.IGNORECASE), "a phrase of captioning models: {}"),
    (re.compile(r"^\s*(?:sure|certainly|of course|here(?:'s| is))\b[^.]{0,60}(?:caption|description)\b",
                re.IGNORECASE), "an answer around it: {}"),
    (re.compile(r"<\|[a-z_]+\|>|</s>|<eos>|<(?:start|end)_of_turn>"), "a control token: {}"),
    (re.compile(r"\bas an ai\b|\bi (?:cannot|can't|am unable to) (?:see|hear|describe|determine)\b",
                re.IGNORECASE), "a refusal: {}"),
)  # fmt: skip
"""What language models leave in the captions they write."""


def residue(text: str) -> str | None:
    """What a model left in a caption, as a phrase; None where nothing."""
    for pattern, told in RESIDUE:
        if found := pattern.search(text):
            return told.format(repr(found.group().strip()[:40]))
    return unfinished(text)


def unfinished(text: str) -> str | None:
    """What shows that a caption was cut off: quotes that stay open, a last sentence without its end."""
    if text.count('"') % 2:
        return "a quotation mark that nothing closes"
    if text.count("\u201c") != text.count("\u201d") and "\u201e" not in text:
        return "a quotation mark that nothing closes"
    words = text.split()
    long = len(words) >= 12 and any(mark in text[:-1] for mark in ".!?")
    if long and text[-1:].isalnum() and words[-1].lower() in ORDINARY:
        return f"its last sentence breaks off at {words[-1]!r}"
    return f"its last sentence breaks off at {words[-1]!r}" if long and text[-1:] in ",;:-(" else None
