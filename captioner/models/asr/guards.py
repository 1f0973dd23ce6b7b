"""What may be wrong with a hearing, and which of two is better. Pure.

Decoding in batches leaves out every check that Whisper's own serial loop makes. Here they are made on each piece: one
with a fault is heard again alone, with that loop and its rising temperatures; the better hearing stays, and what is
still wrong with it becomes a doubt.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from captioner.models.asr.alternatives import confirmed
from captioner.models.asr.packing import Piece
from captioner.models.asr.timing import unheard
from captioner.times import Span, seconds
from captioner.types import Doubt, Word

REASONS: Mapping[str, str] = {
    "low-probability": "the transcriber itself was not sure",
    "repetition": "the same words come again and again",
    "no-speech": "the transcriber took it for something other than speech, or the words stand where nobody speaks",
    "too-fast": "there are more letters than anyone can say in that time",
    "unheard-speech": "somebody speaks and no word is written",
    "wrong-language": "it sounds like another language, or is written in another script",
    "prompt-echo": "the glossary came back instead of what was said",
}

LOWEST = -1.0
"""Mean log-probability of a token below which Whisper's own loop tries again."""
COMPRESSION = 2.4
"""Length of the text over its zlib length; more is repetition. Whisper's own limit."""
NO_SPEECH = 0.6
"""Whisper's probability of no speech at which it gives a piece up when it is unsure of the words too."""
UNSURE = -0.5
"""Mean log-probability below which a piece is doubted where Whisper also thinks that nobody speaks, and heard again
where the beam has but one guess. Clean speech has -0.4 to -0.1."""
AGREED = 0.5
"""Share of the beam's guesses that must have each word, or else its piece is heard again with more room. Of 168 pieces,
a third clean, a third in noise and a third far away, that is 3, 4 and 19, and leaves 182 errors; a mean log-probability
below -0.35 is 11, 11 and 28, and leaves 185; hearing all of them again leaves 179."""
FASTEST = 32.0
"""Letters a second of speech; fast English talk reaches 25. Signs that write a syllable or a word count three."""
FAST_FROM = 12.0
"""Letters that it takes to be judged by speed."""
UNHEARD = 0.25
"""Seconds of speech without a word that count."""
MOSTLY = 0.5
"""Share of a piece's speech without a word above which the words that there are are doubted too."""
BEFORE = 0.25
"""Seconds before a word that count as covered: VAD edges are padded."""
AFTER = 0.45
"""Seconds after a word that count as covered: aligned ends are early by 0.1 to 0.3 s, and VAD edges are padded."""
ASIDE = 0.4
"""Seconds that a word may be from any speech: the room that a piece is given because a VAD clips first sounds."""
LOOP = 4
"""Times in a row that one to six words must come to be a loop."""
TWICE = 4
"""Words in a row that come twice in a row: a decoder that hears no end says a short sentence again."""
TOUCH = 0.0005
"""Seconds, half of what times are rounded to: what shares less with a stretch only touches it."""
SCRIPT_FROM = 4
"""Letters that it takes to be judged by script."""
LANGUAGE_SURE = 0.85
"""Probability of another language that a piece must reach to be doubted."""
LANGUAGE_FROM = 2.0
"""Seconds of speech that a piece needs to be judged by language; shorter ones are guesses."""

_SCRIPTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("ru", "uk", "be", "bg", "mk", "kk", "ky", "mn", "tg", "tt", "ba"), ("CYRILLIC",)),
    **dict.fromkeys(("sr", "bs", "az", "uz"), ("CYRILLIC", "LATIN")),
    **dict.fromkeys(("ar", "fa", "ur", "ps", "sd"), ("ARABIC",)),
    **dict.fromkeys(("he", "yi"), ("HEBREW",)),
    **dict.fromkeys(("hi", "mr", "ne", "sa"), ("DEVANAGARI",)),
    **dict.fromkeys(("zh", "yue"), ("CJK",)),
    "ja": ("CJK", "HIRAGANA", "KATAKANA"), "ko": ("HANGUL", "CJK"), "el": ("GREEK",), "hy": ("ARMENIAN",),
    "ka": ("GEORGIAN",), "th": ("THAI",), "lo": ("LAO",), "km": ("KHMER",), "my": ("MYANMAR",), "bo": ("TIBETAN",),
    "am": ("ETHIOPIC",), "bn": ("BENGALI",), "as": ("BENGALI",), "pa": ("GURMUKHI",), "gu": ("GUJARATI",),
    "ta": ("TAMIL",), "te": ("TELUGU",), "kn": ("KANNADA",), "ml": ("MALAYALAM",), "si": ("SINHALA",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was made of a piece."""

    words: tuple[Word, ...]
    log_probability: float | None = None
    """Mean over the tokens; None where nothing came."""
    no_speech: float = 0.0
    """Whisper's probability that there is no speech."""
    finished: bool = True
    """False where the decoder was stopped before it came to an end."""
    spoken: Mapping[str, float] = field(default_factory=dict)
    """Probability of each language, where the decoder tells it."""

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


def faults(
    hearing: Hearing, piece: Piece, language: str, hotwords: Sequence[str] = (), *, least: float = UNHEARD
) -> tuple[Doubt, ...]:
    """Every fault found, with its number and place; () for a hearing to be trusted."""
    found: list[Doubt] = []
    whole = Span(piece.speech[0].start, piece.speech[-1].end)
    text = hearing.text
    if text:
        found += _of_text(hearing, text, whole, piece, language)
        if _echoes(text, hotwords):
            found.append(Doubt("prompt-echo", "the words are those of the glossary in its own order", whole))
        found += _beside_speech(hearing.words, piece.speech)
    lost = unheard(hearing.words, piece.speech, least, BEFORE, AFTER)
    missing = seconds(sum(span.duration for span in lost))
    if missing > MOSTLY * piece.spoken:
        # Then the few words are as doubtful as the rest: a bark is heard as "Blah!".
        detail = f"{missing:.2f} of {piece.spoken:.2f} s of speech without a word"
        return (*found, Doubt("unheard-speech", detail, whole))
    found += [Doubt("unheard-speech", f"{span.duration:.2f} s of speech without a word", span) for span in lost]
    return tuple(found)


def _of_text(hearing: Hearing, text: str, whole: Span, piece: Piece, language: str) -> Iterator[Doubt]:
    sure = hearing.log_probability
    if sure is not None and sure < LOWEST:
        yield Doubt("low-probability", f"mean log-probability {sure:.2f} (below {LOWEST:g})", whole)
    ratio = compression(text)
    turns = loops(text.casefold().split())
    if ratio > COMPRESSION:
        yield Doubt("repetition", f"compression ratio {ratio:.1f} (above {COMPRESSION:g})", whole)
    elif turns >= LOOP:
        yield Doubt("repetition", f"the same words {turns} times in a row", whole)
    elif (size := said_twice([_plain(word) for word in text.split()])) >= TWICE:
        yield Doubt("repetition", f"{size} words said twice", whole)
    elif not hearing.finished:
        yield Doubt("repetition", f"the words did not come to an end ({len(hearing.words)} words)", whole)
    if hearing.no_speech > NO_SPEECH and (sure is None or sure < UNSURE):
        yield Doubt("no-speech", f"probability of no speech {hearing.no_speech:.2f}", whole)
    count = letters(text)
    rate = count / max(piece.spoken, 0.1)
    if count >= FAST_FROM and rate > FASTEST:
        yield Doubt("too-fast", f"{rate:.0f} letters a second of speech", whole)
    share = in_script(text, language)
    if share is not None and share < 0.5:
        yield Doubt("wrong-language", f"{share:.0%} of the letters are in a script of {language!r}", whole)


def _beside_speech(words: Sequence[Word], speech: Sequence[Span]) -> Iterator[Doubt]:
    """Words that touch no speech at all, not even within ASIDE."""
    for word in words:
        start, end = word.span.start - ASIDE + TOUCH, word.span.end + ASIDE - TOUCH
        if not any(span.start < end and span.end > start for span in speech):
            yield Doubt(
                "no-speech", f"{word.text!r} stands {_away(word.span, speech):.2f} s from any speech", word.span
            )


def _away(span: Span, speech: Sequence[Span]) -> float:
    return min((max(s.start - span.end, span.start - s.end, 0.0) for s in speech), default=0.0)


def compression(text: str) -> float:
    """Bytes of the text over its bytes when zlib is done with it."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def loops(words: Sequence[str]) -> int:
    """Most times that a run of one to six words comes in a row."""
    most = 1 if words else 0
    for size in range(1, 7):
        streak = size
        for index in range(size, len(words)):
            streak = streak + 1 if words[index] == words[index - size] else size
            most = max(most, streak // size)
    return most


def said_twice(words: Sequence[str]) -> int:
    """Length of the longest run of words that is followed by itself; 0 where there is none."""
    for size in range(len(words) // 2, 0, -1):
        streak = 0
        for index in range(size, len(words)):
            streak = streak + 1 if words[index] == words[index - size] else 0
            if streak >= size:
                return size
    return 0


def letters(text: str) -> float:
    """Letters and digits; a sign that writes a syllable or a word counts three."""
    if text.isascii():
        return float(sum(map(str.isalnum, text)))
    return float(sum(3 if "\u2e80" <= sign <= "\ud7ff" else 1 for sign in text if sign.isalnum()))


def in_script(text: str, language: str) -> float | None:
    """Share of the letters that are in a script of the language (Latin where none is listed); None for few letters."""
    signs = [sign for sign in text if sign.isalpha()]
    if len(signs) < SCRIPT_FROM:
        return None
    scripts = _SCRIPTS.get(language, ("LATIN",))
    other = [sign for sign in signs if not sign.isascii()]
    within = sum(unicodedata.name(sign, "").startswith(scripts) for sign in other)
    return (within + (len(signs) - len(other) if "LATIN" in scripts else 0)) / len(signs)


def _echoes(text: str, hotwords: Sequence[str]) -> bool:
    """Whether two or more names of the glossary stand in the text one after the other in the glossary's order."""
    if len(hotwords) < 2:
        return False
    said = f" {_plain(text)} "
    pairs = [f" {_plain(a)} {_plain(b)} " for a, b in pairwise(hotwords)]
    return sum(pair in said for pair in pairs) >= min(2, len(pairs))


def _plain(text: str) -> str:
    return " ".join("".join(sign if sign.isalnum() else " " for sign in text.casefold()).split())


def better(first: Hearing, second: Hearing, piece: Piece, language: str, hotwords: Sequence[str] = ()) -> Hearing:
    """The one to keep: fewer kinds of fault in the words; then 0.1 s or more speech with a word; then more probable.

    A hearing without words is better than none only where neither covers speech: silence is a claim like any other.
    """
    pair = (first, second)
    kept = min(pair, key=lambda hearing: _badness(hearing, piece, language, hotwords))
    return _compared(kept, pair)


def _badness(hearing: Hearing, piece: Piece, language: str, hotwords: Sequence[str]) -> tuple[int, float, float]:
    found = faults(hearing, piece, language, hotwords)
    kinds = {doubt.reason for doubt in found} - {"unheard-speech"}
    # Nothing written over speech is worth as many faults as a bad text can have short of being a loop.
    empty = 2 if not hearing.words else 0
    lost = seconds(sum(s.duration for s in unheard(hearing.words, piece.speech, UNHEARD, BEFORE, AFTER)))
    sure = hearing.log_probability if hearing.log_probability is not None else -9.0
    return len(kinds) + empty, round(lost, 1), -sure


def is_unsure(hearing: Hearing) -> bool:
    """Whether a second hearing with more room is worth its time."""
    if hearing.log_probability is None:
        return True
    agreed = [word.agreement for word in hearing.words if word.agreement is not None]
    return min(agreed) < AGREED if agreed else hearing.log_probability < UNSURE


def roomier(first: Hearing, second: Hearing, piece: Piece, language: str, hotwords: Sequence[str] = ()) -> Hearing:
    """Of an unsure hearing and one with more room, the second unless it is the worse by `better`'s first two measures.

    Its probability does not count: a decoder short of room is sure of what it says twice. Over 168 pieces this made 173
    to 181 errors, the more probable of the two 186, one faster-whisper call a piece 187.
    """
    worse = _badness(second, piece, language, hotwords)[:2] > _badness(first, piece, language, hotwords)[:2]
    return _compared(first if worse else second, (first, second))


def _compared(kept: Hearing, pair: tuple[Hearing, Hearing]) -> Hearing:
    """The hearing kept of two, its words with whether the other has them."""
    other = pair[1] if kept is pair[0] else pair[0]
    return replace(kept, words=confirmed(kept.words, other.words))


def other_language(piece: Piece, probabilities: Mapping[str, float], language: str) -> Doubt | None:
    """A doubt where the piece surely sounds like another language than its recording's."""
    if piece.spoken < LANGUAGE_FROM or not probabilities:
        return None
    best = max(probabilities, key=lambda name: probabilities[name])
    if best == language or probabilities[best] < LANGUAGE_SURE:
        return None
    whole = Span(piece.speech[0].start, piece.speech[-1].end)
    return Doubt("wrong-language", f"sounds like {best!r} ({probabilities[best]:.2f}), not {language!r}", whole)
