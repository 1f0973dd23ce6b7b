"""What a model answered, made fit for a caption: plain sentences of what is seen, on one line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from captioner.captions.text import QUOTES, one_line

_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?(</\1>|\Z)", re.DOTALL | re.IGNORECASE)
"""Models that reason aloud say so before they answer."""

_HEARD_LINE = re.compile(r"^\W*(speech|sounds?|audio|dialogue|transcript|music|spoken)\W*:", re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:[-*+\u2022\u2023]|#{1,6}|>|\d{1,2}[.)])\s+")
_LABEL = re.compile(r"^\W{0,4}(?:\w+ )?(?:description|caption|visuals?|answer|summary)\b\W{0,4}:\W{0,4}", re.IGNORECASE)
_CHATTER = re.compile(r"^(?:sure|certainly|of course|okay|here is|here's|here are)\b[^.:!\n]*[.:!]\s*", re.IGNORECASE)

_SHOWN = r"(?:image|picture|photo|photograph|frame|video|clip|footage|shot|scene|still|sequence|series)s?"
_SEVERAL = rf"(?:the|this|these|all|each of the)\s+(?:\w+\s+){{0,2}}?{_SHOWN}(?:\s+of\s+(?:\w+\s+)?{_SHOWN})?"
_OPENINGS = (
    re.compile(
        rf"^{_SEVERAL}\s+(?:all\s+)?(?:show|depict|feature|capture|display|present|portray)s?\s+(?:us\s+)?(?=\w)",
        re.IGNORECASE,
    ),
    re.compile(rf"^(?:in|throughout|across)\s+{_SEVERAL}\s*,\s*(?:we\s+(?:can\s+)?see\s+)?(?=\w)", re.IGNORECASE),
    re.compile(r"^we\s+(?:can\s+)?see\s+(?=\w)", re.IGNORECASE),
)

_SAID = r"(?:say|speak|ask|repl|answer|shout|whisper|sing|exclaim|utter|announce|tell|told|said|spoke|sang|call)\w*"
_AUDIBLE = re.compile(
    r"\b(?:can|could|is|are|be|being) (?:\w+ )?heard\b|\b(?:we|you|one) (?:can )?hears?\b|\bsounds? of\b"
    r"|\b(?:the|any|no|background|ambient) (?:audio|sounds?|soundtrack|speech|dialogue|music|noises?)\b"
    r"|\bin an? (?:[\w-]+,? ){0,3}(?:voice|tone)\b|\bvoice-?over\b|\bnarrat(?:or|ion|ing|es)\b"
    r"|\b(?:is|are|remains?|stays?) silent\b|\bmusic (?:plays|is playing)\b",
    re.IGNORECASE,
)
"""A picture says nothing of these; a model that does guesses."""
_QUOTED = re.compile(
    rf"\b{_SAID}\b[^{QUOTES}.!?]*(?:[{QUOTES}\u2018]|\s')|[{QUOTES}\u2019][,.]?\s*\b(?:\w+\s+){{0,3}}{_SAID}\b",
    re.IGNORECASE,
)
"""Words put into a mouth."""

_REFUSAL = re.compile(
    r"^\W*(?:(?:i'm|i am) (?:\w+ )?(?:sorry|unable|not able)|sorry|i (?:can ?not|can't|won't)|unable to)\b",
    re.IGNORECASE,
)
_ENDS = ".!?\u2026:;,\u3002\uff01\uff1f"
_SENTENCE = re.compile(
    r"(?<=[.!?\u2026])\s+|(?<=[.!?\u2026][\"')\u201d\u2019])\s+(?=[^a-z])|(?<=[\u3002\uff01\uff1f])\s*"
)


def plain(answer: str) -> str | None:
    """What is seen, in whole sentences: None where nothing of the answer is that.

    Reasoning, introductions, labels, markdown, repetitions and every sentence that claims to have heard something go.
    """
    text = _unquoted(" ".join(_blocks(_THOUGHT.sub("\n\n", answer))))
    for introduction in (_LABEL, _CHATTER, _CHATTER, _LABEL):
        text = introduction.sub("", text)
    kept = [sentence for sentence in _sentences(text) if not (_AUDIBLE.search(sentence) or _QUOTED.search(sentence))]
    return _together(list(dict.fromkeys(_opened(sentence) for sentence in kept))) or None  # small models go in circles


def refused(answer: str) -> bool:
    """Whether a model says that it will not, instead of what it sees."""
    return _REFUSAL.match(_THOUGHT.sub("", answer).strip().replace("\u2019", "'")) is not None


def whole_sentences(text: str) -> str | None:
    """Without what was cut off at its end; None where no sentence was ended."""
    sentences = _sentences(text)
    if sentences and sentences[-1][-1] not in ".!?\u2026\u3002\uff01\uff1f":
        sentences = sentences[:-1]
    return _together(sentences) or None


def _together(sentences: Sequence[str]) -> str:
    """As their script is written: Chinese and Japanese have no blank after a stop."""
    return one_line(re.sub(r"(?<=[\u3002\uff01\uff1f]) ", "", " ".join(sentences)))


def _line(line: str) -> str:
    """A line without its marks of markdown."""
    line = _BULLET.sub("", line)
    line = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", line)  # links and pictures
    line = re.sub(r"(\*{1,3}|_{2,3}|`+|~~)(?=\S)(.*?)(?<=\S)\1", r"\2", line)
    line = re.sub(r"[*`#|]|^\W*-{3,}\W*$", " ", line)
    return one_line(line.translate({ord(mark): None for mark in "[]{}<>"}))


def _blocks(answer: str) -> list[str]:
    """Paragraphs and entries of lists, ended as sentences are; the last may have been cut off and stays as it is."""
    blocks: list[list[str]] = [[]]
    for raw in answer.splitlines():
        heard, line = _HEARD_LINE.match(raw), _line(raw)
        if heard or not line or _BULLET.match(raw):
            blocks.append([])
        if line and not heard:
            blocks[-1].append(line)
    texts = [" ".join(block) for block in blocks if block]
    return [text if text[-1] in _ENDS else f"{text}." for text in texts[:-1]] + texts[-1:]


def _unquoted(text: str) -> str:
    """Without the marks around the whole."""
    bare = text.rstrip(" .")
    if len(bare) > 1 and bare[0] in f"{QUOTES}'\u2018" and bare[-1] in f"{QUOTES}'\u2019":
        return bare[1:-1].strip()
    return text


def _sentences(text: str) -> list[str]:
    return [sentence.strip() for sentence in _SENTENCE.split(text) if sentence and sentence.strip()]


def _opened(sentence: str) -> str:
    """A sentence that says what is seen, not that it is."""
    for opening in _OPENINGS:
        sentence = opening.sub("", sentence)
    return sentence[:1].upper() + sentence[1:]
