"""What every Whisper runtime shares: prompts, suppressed tokens, and words from tokens. No policy lives here.

A runtime (`ct2`, `torched`) encodes, generates and aligns; `Engine` asks it and makes hearings of its answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from captioner.models.asr.alternatives import agreements
from captioner.models.asr.guards import Hearing
from captioner.models.asr.packing import FRAME, Piece
from captioner.models.asr.timing import UNSPACED, RawWord, glued, placed
from captioner.types import SPEECH_RATE, Word

LOOP_TOKENS = 5
"""Tokens that may not come twice in a row of their own when a piece is heard alone."""
TOKENS_A_SECOND = 30
"""Most tokens a second of context: scripts that Whisper spells in bytes need 20, a loop takes what it is given."""
SHORTEST = SPEECH_RATE // 10
"""Samples: anything shorter is padded, the spectrogram needs some."""
MAX_LENGTH = 448
"""Tokens, the prompt among them, that Whisper's decoder has places for."""
FILLERS = "Um, uh, well, er, hmm, you know, I, I mean, like, mm-hm."
"""Text that goes before when every filler is to be written down."""
PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a model is asked."""

    beam_size: int = 5
    hotwords: tuple[str, ...] = ()
    """Names to expect."""
    verbatim: bool = False
    forced: float | None = None
    """Tokens a second of context that are always said, for benches with made weights; None to stop where it ends."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a runtime is to generate for the pieces of a batch."""

    prompt: tuple[int, ...]
    rooms: tuple[int, ...]
    """Most tokens of each piece, the prompt not among them: half of what the decoder has places for, as in Whisper
    itself, and one place is left for the end mark of aligning."""
    beam_size: int
    suppressed: tuple[int, ...]
    end: int
    """The end mark."""
    start: int
    """Whisper's start mark, where the probability of no speech is read."""
    silence: int
    """The mark of no speech."""
    blank: int
    """The blank, which never comes first; neither does the end mark."""
    no_repeat: int = 0
    """Tokens that may not come twice in a row of their own; 0 for any."""
    languages: tuple[int, ...] = ()
    """Marks of languages whose probabilities are wanted; nothing goes before the start mark then."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What came out for one piece. Named as CTranslate2 names them."""

    sequences_ids: list[list[int]]
    """Each guess's tokens without the prompt and the end mark, the best first."""
    scores: list[float]
    """Each guess's log-probability, a token."""
    no_speech_prob: float
    languages: Sequence[float] = ()
    """Probabilities of the marks that were asked about."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """Where one piece's tokens are."""

    reached: Sequence[float]
    """Seconds from the piece's start at which each token, the end mark among them, begins."""
    probabilities: Sequence[float]
    """Of each token, the end mark not among them."""


class Engine:
    """`generate` and `align` are the runtime's; all states of a call have one context unless the runtime `mixes`."""

    mixes = False
    """Whether states of several contexts may be decoded together."""

    def __init__(self, tokenizer: Any, multilingual: bool, manner: Manner) -> None:
        self._source = tokenizer
        self.multilingual = multilingual
        self._manner = manner
        self._tokenizers: dict[str, Any] = {}

    def generate(self, states: Sequence[Any], request: Request) -> list[Any]:
        """A `Guess`, or CTranslate2's like, for each."""
        raise NotImplementedError

    def align(self, states: Sequence[Any], start: Sequence[int], tokens: Sequence[list[int]], frames: Sequence[int],
              request: Request) -> list[Aligned]:  # fmt: skip
        """Times of each piece's tokens; `frames` of its context are sound."""
        raise NotImplementedError

    def length(self, state: Any) -> int:
        """Frames of context that a state was made of."""
        raise NotImplementedError

    def spoken(self, _guess: Any) -> Mapping[str, float]:
        """Probability of each language, as far as a guess says; see `Ear.tells`."""
        return {}

    @property
    def languages(self) -> frozenset[str]:
        """Codes that the model knows."""
        from faster_whisper.tokenizer import _LANGUAGE_CODES

        return frozenset(_LANGUAGE_CODES) if self.multilingual else frozenset({"en"})

    def decode(
        self, states: Sequence[Any], own: Sequence[Piece], language: str, *, no_repeat: int = 0
    ) -> list[Hearing]:
        """What is said in each piece: temperature 0, no timestamp tokens."""
        tokenizer = self.tokenizer(language)
        lengths = [self.length(state) for state in states]
        request = self._request(tokenizer, lengths, no_repeat)
        guesses = self.generate(states, request)
        tokens = [[token for token in guess.sequences_ids[0] if token < tokenizer.eot] for guess in guesses]
        frames = [
            min(length, max(2, math.ceil(piece.heard.duration / FRAME)))
            for piece, length in zip(own, lengths, strict=True)
        ]
        aligned = self.align(states, tokenizer.sot_sequence, tokens, frames, request)
        return [
            _hearing(raw_words(tokenizer, ids, where), guess, piece, language, tokenizer, room, self.spoken(guess))
            for ids, where, guess, piece, room in zip(tokens, aligned, guesses, own, request.rooms, strict=True)
        ]

    def _request(self, tokenizer: Any, lengths: Sequence[int], no_repeat: int = 0) -> Request:
        forced = self._manner.forced
        prompt = self._prompt(tokenizer)
        suppressed = _suppressed(tokenizer) + ([] if forced is None else [tokenizer.eot])
        rooms = [
            math.ceil(length * FRAME) * TOKENS_A_SECOND if forced is None else max(1, round(length * FRAME * forced))
            for length in lengths
        ]
        most = min(MAX_LENGTH // 2, MAX_LENGTH - 1 - len(prompt))
        return Request(
            tuple(prompt), tuple(min(most, room) for room in rooms), self._manner.beam_size,
            tuple(suppressed), tokenizer.eot, tokenizer.sot, tokenizer.no_speech or tokenizer.no_timestamps - 1,
            tokenizer.encode(" ")[0], no_repeat,
        )  # fmt: skip

    def _prompt(self, tokenizer: Any) -> list[int]:
        """Hot words and fillers as if they had been said before, Whisper's marks, and no time marks."""
        half = MAX_LENGTH // 2
        before: list[int] = []
        if self._manner.hotwords:
            before += tokenizer.encode(" " + ", ".join(self._manner.hotwords).strip())[: half - 1]
        if self._manner.verbatim:
            before += tokenizer.encode(" " + FILLERS)[-(half - 1) :]
        return [*([tokenizer.sot_prev, *before] if before else []), *tokenizer.sot_sequence, tokenizer.no_timestamps]

    def tokenizer(self, language: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        if language not in self._tokenizers:
            self._tokenizers[language] = Tokenizer(
                self._source, self.multilingual, task="transcribe", language=language
            )
        return self._tokenizers[language]


def raw_words(tokenizer: Any, tokens: list[int], where: Aligned) -> list[RawWord]:
    """The words of one piece with their times: marks of punctuation joined to the word that they belong to."""
    from faster_whisper.transcribe import merge_punctuations

    if not tokens:
        return []
    texts, parts = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
    words, at = [], 0
    for text, part in zip(texts[:-1], parts[:-1], strict=True):
        after = at + len(part)
        probability = sum(where.probabilities[at:after]) / len(part)
        words.append(
            {"word": text, "tokens": part, "start": where.reached[at], "end": where.reached[after],
             "probability": probability}
        )  # fmt: skip
        at = after
    merge_punctuations(words, PREPENDED, APPENDED)
    return [RawWord(w["word"], float(w["start"]), float(w["end"]), float(w["probability"])) for w in words]


def _suppressed(tokenizer: Any) -> list[int]:
    """Tokens that are never said: notes on sounds, and Whisper's own marks."""
    marks = (tokenizer.transcribe, tokenizer.translate, tokenizer.sot, tokenizer.sot_prev, tokenizer.sot_lm)
    return sorted({*tokenizer.non_speech_tokens, *marks})


def _hearing(
    raw: Sequence[RawWord], result: Any, piece: Piece, language: str, tokenizer: Any, room: int,
    spoken: Mapping[str, float],
) -> Hearing:  # fmt: skip
    count = len(result.sequences_ids[0])
    # The score is the mean over the tokens; Whisper's own mean counts the end mark too.
    sure = float(result.scores[0]) * count / (count + 1)
    said = _agreed(placed(glued(raw, language), piece.heard, piece.speech), result, language, tokenizer)
    return Hearing(said, sure if said else None, float(result.no_speech_prob), count < room, spoken)


def _agreed(words: Sequence[Word], result: Any, language: str, tokenizer: Any) -> tuple[Word, ...]:
    """The words with the share of the beam's guesses that have each; with a beam of one there is nothing to share."""
    if len(result.sequences_ids) < 2:
        return tuple(words)
    guesses = [
        (tokenizer.decode([token for token in ids if token < tokenizer.eot]), float(score) * len(ids))
        for ids, score in zip(result.sequences_ids, result.scores, strict=True)
    ]
    shares = agreements([word.text for word in words], guesses, spaced=language not in UNSPACED)
    return tuple(replace(word, agreement=share) for word, share in zip(words, shares, strict=True))
