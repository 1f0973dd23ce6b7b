"""From what an attention-aligned decoder says of its words' times to words that can be trusted to be in order. Pure.

Whisper's words touch: a pause belongs to the word before or after it, the first word of a piece begins with the
piece, and what is invented at the end has no length at all. Here every word is held inside its piece, pulled in where
it hangs clearly over the speech, and given some width. The fine correction against the sound is `captioner.speech`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from captioner.times import Span, seconds
from captioner.types import Word

NARROWEST = 0.02
"""Seconds: the least width of a word, one step of Whisper's alignment."""
OVERHANG = 0.2
"""Seconds by which a word must reach past its speech before it is pulled in."""
MARGIN = 0.1
"""Seconds that it then still reaches past: VAD edges are about that sure."""
REACHED = 0.05
"""Seconds of the speech after a pause that a word must cover to belong there. Of 19 words that lay across a pause of
0.1 s and more in read speech and in meetings, all 17 with this much behind it were said there, up to 0.9 s early."""
CLOSURE = 0.3
"""Seconds: a shorter gap in the speech may be inside a word (a stop, a held breath)."""

UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})
"""Languages written without blanks between words: each of Whisper's words stands for itself."""


@dataclass(frozen=True, slots=True)
class RawWord:
    """As aligned: text with its leading blank where it has one, seconds from the start of what was heard."""

    text: str
    start: float
    end: float
    probability: float


def glued(words: Sequence[RawWord], language: str) -> list[RawWord]:
    """Parts of one written word made one: `forty` `-two`, `l` `'eau`, `3` `.5`. A part has no blank before it.

    Its probability is that of its least sure part. Words without any text go.
    """
    whole: list[RawWord] = []
    for word in words:
        if not word.text.strip():
            continue
        if whole and language not in UNSPACED and not word.text[0].isspace():
            last = whole[-1]
            least = min(last.probability, word.probability)
            whole[-1] = RawWord(last.text + word.text, last.start, max(last.end, word.end), least)
        else:
            whole.append(word)
    return whole


def placed(words: Sequence[RawWord], heard: Span, speech: Sequence[Span]) -> tuple[Word, ...]:
    """The words on the recording's clock: in order, apart, at least NARROWEST wide where there is room, inside `heard`.

    `speech` is where somebody speaks inside `heard`, in order.
    """
    blocks = _blocks(speech)
    spans = []
    for word in words:
        start = min(max(heard.start, heard.start + word.start), heard.end)
        spans.append(_pulled_in(Span.at(start, min(max(start, heard.start + word.end), heard.end)), blocks))
    spans = _apart(spans, heard)
    return tuple(
        Word(word.text.strip(), span, round(min(max(word.probability, 0.0), 1.0), 4))
        for word, span in zip(words, spans, strict=True)
    )


def _blocks(speech: Sequence[Span]) -> list[Span]:
    """The speech with gaps that may be inside a word closed."""
    blocks: list[Span] = []
    for span in speech:
        if blocks and span.start - blocks[-1].end < CLOSURE:
            blocks[-1] = Span(blocks[-1].start, span.end)
        else:
            blocks.append(span)
    return blocks


def _pulled_in(word: Span, blocks: Sequence[Span]) -> Span:
    """The word without what hangs clearly over its block of speech.

    That is the last one that it reaches `REACHED` into: a word across a pause is the first one after it, begun early.
    """
    near = [block for block in blocks if block.start < word.end and block.end > word.start]
    best = next((block for block in reversed(near) if word.overlap(block) >= REACHED), None)
    best = best or max(near, key=word.overlap, default=None)
    if best is None or word.overlap(best) < NARROWEST:
        return word
    start = best.start - MARGIN if best.start - word.start > OVERHANG else word.start
    end = best.end + MARGIN if word.end - best.end > OVERHANG else word.end
    return Span.at(start, end)


def _apart(spans: Sequence[Span], heard: Span) -> list[Span]:
    """The spans in order and apart, moved as little as that and their least width need."""
    width = min(NARROWEST, heard.duration / len(spans)) if spans else NARROWEST
    # Floored to a millisecond, so that rounding never pushes the last word out of what was heard.
    width = int(width * 1000 + 1e-6) / 1000
    result: list[Span] = []
    reached = heard.start
    for index, span in enumerate(spans):
        after = len(spans) - index - 1
        latest = heard.end - width * (after + 1)
        start = min(max(span.start, reached), latest)
        end = min(max(span.end, start + width), heard.end - width * after)
        result.append(Span.at(start, max(start, end)))
        reached = result[-1].end
    return result


def covered(word: Word) -> Span:
    """Where the word can have been said: its span, cut after the time that its letters can take at most.

    An attention-aligned word swallows what follows when the decoder left words out; its length then hides the loss.
    """
    text = word.text
    letters = float(len(text)) if text.isascii() and text.isalpha() else sum(map(_weight, text))
    return Span.at(word.span.start, min(word.span.end, word.span.start + 0.7 + 0.15 * letters))


def _weight(sign: str) -> float:
    if sign.isdigit():
        return 4.0
    if not sign.isalpha():
        return 1.0 if not sign.isascii() or sign in "%$&+=@" else 0.0
    return 3.0 if "\u2e80" <= sign <= "\ud7ff" else 1.0


def unheard(words: Sequence[Word], speech: Sequence[Span], least: float, before: float, after: float) -> list[Span]:
    """Stretches of speech of `least` seconds or more with no word on them, in order.

    A word takes `before` seconds more than its span in front, and `after` seconds behind.
    """
    taken = sorted(Span.at(max(0.0, c.start - before), c.end + after) for c in map(covered, words))
    rest: list[Span] = []
    for span in speech:
        at = span.start
        for word in taken:
            if word.end <= at:
                continue
            if word.start >= span.end:
                break
            if word.start > at:
                rest.append(Span.at(at, word.start))
            at = max(at, word.end)
        if at < span.end:
            rest.append(Span.at(at, span.end))
    return [span for span in rest if seconds(span.duration) >= least]
