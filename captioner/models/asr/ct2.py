"""Whisper on CTranslate2: encode, detect the language, generate, align, on a CPU or a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.models.asr.engine import FILLERS, LOOP_TOKENS, SHORTEST, Aligned, Engine, Manner, Request
from captioner.models.asr.guards import Hearing
from captioner.models.asr.packing import FRAME, Piece
from captioner.models.asr.timing import RawWord, glued, placed
from captioner.models.fitting import memory_watched
from captioner.models.protocols import Samples

MEDIAN = 7
"""Alignment frames over which attention is smoothed; Whisper's own."""


class Batch:
    """What the encoder made of several pieces, where it made it: copied off a GPU only if the batch is taken apart."""

    def __init__(self, storage: Any, owner: Any = None) -> None:
        self.storage = storage
        self.owner = owner
        """Whoever's memory the storage only looks at."""
        self.shape = tuple(storage.shape)
        self._rows: NDArray[np.float32] | None = None

    def rows(self) -> NDArray[np.float32]:
        import ctranslate2

        if self._rows is None:
            # Half precision from a GPU: numpy has no bfloat16, and the decoder takes floats as well.
            here = self.storage.to_device(ctranslate2.Device.cpu).to(ctranslate2.DataType.float32)
            self._rows = np.array(here)
        return self._rows


@dataclass(frozen=True, slots=True)
class State:
    """float32 or float16 (frames / 2, width): one piece's row of a batch."""

    batch: Batch
    row: int


class CT2(Engine):
    """A loaded faster-whisper model."""

    def __init__(self, model: Any, manner: Manner, *, on_gpu: bool = False) -> None:
        super().__init__(model.hf_tokenizer, bool(model.model.is_multilingual), manner)
        from faster_whisper.feature_extractor import FeatureExtractor

        self._model = model
        self._on_gpu = on_gpu
        # By the network itself: a folder without preprocessor_config.json would get features of 80 bands.
        model.feature_extractor = FeatureExtractor(feature_size=int(model.model.n_mels))

    def length(self, state: State) -> int:
        return int(state.batch.shape[1]) * 2

    def encode(self, sounds: Sequence[Samples], context: int) -> list[State]:
        """Each sound in its own context of `context` frames. Loudness is judged within the sound alone."""
        import ctranslate2

        features = np.zeros((len(sounds), self._model.model.n_mels, context), np.float32)
        for row, sound in zip(features, sounds, strict=True):
            padded = np.pad(sound, (0, max(0, SHORTEST - len(sound))))
            spectrogram = self._model.feature_extractor(padded)[..., :-1]
            length = min(context, spectrogram.shape[1])
            row[:, :length] = spectrogram[:, :length]
        with memory_watched(f"encoding {len(sounds)} pieces"):
            states = self._model.model.encode(ctranslate2.StorageView.from_array(features), to_cpu=not self._on_gpu)
        batch = Batch(states)
        return [State(batch, row) for row in range(len(sounds))]

    def detect(self, states: Sequence[State]) -> list[dict[str, float]]:
        """Probability of each language, a piece; all states of one length."""
        with memory_watched(f"detecting the language of {len(states)} pieces"):
            found = self._model.model.detect_language(_storage(states))
        return [{token[2:-2]: float(probability) for token, probability in piece} for piece in found]

    def generate(self, states: Sequence[State], request: Request) -> list[Any]:
        most = max(request.rooms)
        with memory_watched(f"decoding {len(states)} pieces"):
            return list(
                self._model.model.generate(
                    _storage(states),
                    [list(request.prompt)] * len(states),
                    beam_size=request.beam_size,
                    num_hypotheses=request.beam_size,
                    # CTranslate2 takes the least of half of this and what the prompt leaves of it.
                    max_length=max(2 * most, most + len(request.prompt)),
                    return_scores=True,
                    return_no_speech_prob=True,
                    suppress_blank=True,
                    suppress_tokens=list(request.suppressed),
                    no_repeat_ngram_size=request.no_repeat,
                )
            )

    def align(self, states: Sequence[State], start: Sequence[int], tokens: Sequence[list[int]], frames: Sequence[int],
              _: Request) -> list[Aligned]:  # fmt: skip
        with memory_watched(f"aligning {len(states)} pieces"):
            found = self._model.model.align(
                _storage(states), list(start), list(tokens), list(frames), median_filter_width=MEDIAN
            )
        return [_aligned(each.alignments, each.text_token_probs) for each in found]

    def alone(self, sounds: Sequence[Samples], own: Sequence[Piece], language: str) -> list[Hearing]:
        return [self._alone(sound, piece, language) for sound, piece in zip(sounds, own, strict=True)]

    def _alone(self, sound: Samples, piece: Piece, language: str) -> Hearing:
        """One piece through faster-whisper's own serial loop, with its guards and time marks.

        Without hot words: they are one of the reasons for which a piece is heard again. Not with rising temperatures
        either: their samples come from generators that no seed resets, so that two runs would hear two things; that
        no five tokens may come twice leads out of a loop as well.
        """
        segments, _ = self._model.transcribe(
            sound,
            language=language,
            beam_size=self._manner.beam_size,
            condition_on_previous_text=False,
            initial_prompt=FILLERS if self._manner.verbatim else None,
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


def _aligned(pairs: Sequence[tuple[int, int]], probabilities: Sequence[float]) -> Aligned:
    """From the path of (token, alignment frame) to the time at which each token is first reached."""
    reached: list[float] = []
    for token, frame in pairs:
        if token == len(reached):
            reached.append(frame * 2 * FRAME)
    return Aligned(reached, probabilities)


def _storage(states: Sequence[State]) -> Any:
    """The batch itself where the states are all of it, in order; else its rows put together anew."""
    import ctranslate2

    first = states[0].batch
    whole = len(states) == first.shape[0]
    if whole and all(state.batch is first and state.row == row for row, state in enumerate(states)):
        return first.storage
    rows = np.stack([state.batch.rows()[state.row] for state in states])
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(rows))
