"""Whisper on CTranslate2, piece by piece: encode, detect the language, decode, align. No policy lives here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.models.asr.alternatives import agreements
from captioner.models.asr.guards import Hearing
from captioner.models.asr.packing import FRAME, Piece
from captioner.models.asr.timing import UNSPACED, RawWord, glued, placed
from captioner.models.protocols import Samples
from captioner.types import SPEECH_RATE, Word

States = NDArray[np.float32]
"""float32 (frames / 2, width): what the encoder made of one piece."""

LOOP_TOKENS = 5
"""Tokens that may not come twice in a row of their own when a piece is heard alone."""
TOKENS_A_SECOND = 30
"""Most tokens a second of context: scripts that Whisper spells in bytes need 20, a loop takes what it is given."""
SHORTEST = SPEECH_RATE // 10
"""Samples: anything shorter is padded, the spectrogram needs some."""
FILLERS = "Um, uh, well, er, hmm, you know, I, I mean, like, mm-hm."
"""Text that goes before when every filler is to be written down."""
PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"


class Engine:
    """A loaded faster-whisper model. `hotwords` are names to expect."""

    def __init__(self, model: Any, beam_size: int, hotwords: Sequence[str], verbatim: bool) -> None:
        self._model = model
        self._beam_size = beam_size
        self._hotwords = ", ".join(hotwords) or None
        self._verbatim = verbatim
        self._tokenizers: dict[str, Any] = {}

    @property
    def multilingual(self) -> bool:
        return bool(self._model.model.is_multilingual)

    @property
    def languages(self) -> frozenset[str]:
        """Codes that the model knows."""
        return frozenset(self._model.supported_languages)

    def encode(self, sounds: Sequence[Samples], context: int) -> list[States]:
        """Each sound in its own context of `context` frames. Loudness is judged within the sound alone."""
        import ctranslate2

        features = np.zeros((len(sounds), self._model.model.n_mels, context), np.float32)
        for row, sound in zip(features, sounds, strict=True):
            padded = np.pad(sound, (0, max(0, SHORTEST - len(sound))))
            spectrogram = self._model.feature_extractor(padded)[..., :-1]
            length = min(context, spectrogram.shape[1])
            row[:, :length] = spectrogram[:, :length]
        states = self._model.model.encode(ctranslate2.StorageView.from_array(features), to_cpu=True)
        # Half precision from a GPU: numpy has no bfloat16, and the decoder takes floats as well.
        return list(np.array(states.to(ctranslate2.DataType.float32)))

    def detect(self, states: Sequence[States]) -> list[dict[str, float]]:
        """Probability of each language, a piece; all states of one length."""
        found = self._model.model.detect_language(_storage(states))
        return [{token[2:-2]: float(probability) for token, probability in piece} for piece in found]

    def decode(self, states: Sequence[States], own: Sequence[Piece], language: str) -> list[Hearing]:
        """What is said in each piece: temperature 0, no timestamp tokens; all states of one length."""
        tokenizer = self._tokenizer(language)
        prompt = self._model.get_prompt(
            tokenizer,
            tokenizer.encode(" " + FILLERS) if self._verbatim else [],
            without_timestamps=True,
            hotwords=self._hotwords,
        )
        length = len(states[0])
        room = math.ceil(length * 2 * FRAME) * TOKENS_A_SECOND
        most = min(self._model.max_length, len(prompt) + room)
        storage = _storage(states)
        results = self._model.model.generate(
            storage,
            [prompt] * len(states),
            beam_size=self._beam_size,
            num_hypotheses=self._beam_size,
            max_length=most,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=_suppressed(tokenizer),
        )
        tokens = [[token for token in result.sequences_ids[0] if token < tokenizer.eot] for result in results]
        frames = [min(2 * length, max(2, math.ceil(piece.heard.duration / FRAME))) for piece in own]
        aligned = self._model.find_alignment(tokenizer, tokens, storage, frames)
        return [
            _hearing(words, result, piece, language, tokenizer, len(result.sequences_ids[0]) < most - len(prompt))
            for words, result, piece in zip(aligned, results, own, strict=True)
        ]

    def alone(self, sound: Samples, piece: Piece, language: str) -> Hearing:
        """One piece through faster-whisper's own serial loop, with its guards and time marks.

        Without hot words: they are one of the reasons for which a piece is heard again. Not with rising temperatures
        either: their samples come from generators that no seed resets, so that two runs would hear two things; that
        no five tokens may come twice leads out of a loop as well.
        """
        segments, _ = self._model.transcribe(
            np.pad(sound, (0, max(0, SHORTEST - len(sound)))),
            language=language,
            beam_size=self._beam_size,
            condition_on_previous_text=False,
            initial_prompt=FILLERS if self._verbatim else None,
            temperature=0.0,
            no_repeat_ngram_size=LOOP_TOKENS,
            word_timestamps=True,
            vad_filter=False,
        )
        heard = list(segments)
        raw = [
            RawWord(word.word, float(word.start), float(word.end), float(word.probability))
            for segment in heard
            for word in segment.words or ()
        ]
        words = placed(glued(raw, language), piece.heard, piece.speech)
        weights = [max(1, len(segment.tokens)) for segment in heard]
        if not heard or not words:
            return Hearing(())
        return Hearing(
            words,
            float(np.average([segment.avg_logprob for segment in heard], weights=weights)),
            float(max(segment.no_speech_prob for segment in heard)),
        )

    def _tokenizer(self, language: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        if language not in self._tokenizers:
            self._tokenizers[language] = Tokenizer(
                self._model.hf_tokenizer, self.multilingual, task="transcribe", language=language
            )
        return self._tokenizers[language]


def _storage(states: Sequence[States]) -> Any:
    import ctranslate2

    return ctranslate2.StorageView.from_array(np.ascontiguousarray(np.stack(states)))


def _suppressed(tokenizer: Any) -> list[int]:
    """Tokens that are never said: notes on sounds, and Whisper's own marks."""
    marks = (tokenizer.transcribe, tokenizer.translate, tokenizer.sot, tokenizer.sot_prev, tokenizer.sot_lm)
    return sorted({*tokenizer.non_speech_tokens, *marks})


def _hearing(words: Sequence[Any], result: Any, piece: Piece, language: str, tokenizer: Any, finished: bool) -> Hearing:
    from faster_whisper.transcribe import merge_punctuations

    merge_punctuations(words, PREPENDED, APPENDED)
    raw = [RawWord(w["word"], float(w["start"]), float(w["end"]), float(w["probability"])) for w in words]
    count = len(result.sequences_ids[0])
    # CTranslate2's score is the mean over the tokens; Whisper's own mean counts the end mark too.
    sure = float(result.scores[0]) * count / (count + 1)
    said = _agreed(placed(glued(raw, language), piece.heard, piece.speech), result, language, tokenizer)
    return Hearing(said, sure if said else None, float(result.no_speech_prob), finished)


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
