"""Word times of English by PocketSphinx: forced alignment by phones, on the CPU, with the model that its wheel brings.

Its dictionary has 134,000 words. One that it lacks keeps the transcriber's time, and so does what it cannot place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from captioner.errors import BackendMissing, ModelError
from captioner.models.aligner.letters import APOSTROPHES
from captioner.models.aligner.pieces import REACH, Piece, pieces
from captioner.models.protocols import Aligner, Progress, Samples, Saying
from captioner.times import Span
from captioner.types import SPEECH_RATE, Word

VERSION = "pocketsphinx 1"

PAUSE, LONGEST = 0.5, 20.0
"""Seconds without a word that end a piece, and seconds of one at most: what goes wrong in a piece is lost for all of
it. Of 119 words of meetings, commands and read speech with known times the starts were off by 20 ms in the median and
60 ms at the 90th percentile, by Whisper's attention by 50 and 130; other pauses from 0.25 s change that by 10 ms."""
LEAST = 0.1
"""Seconds of sound below which nothing is looked for."""
FRAME = 0.01
DIGITS = dict(enumerate("zero one two three four five six seven eight nine".split()))  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Options:
    pass


def load(_: Options) -> Aligner:
    """Raises BackendMissing without PocketSphinx, ModelError where its model cannot be read."""
    try:
        import pocketsphinx
    except ImportError as error:
        raise BackendMissing(
            f"aligner pocketsphinx: {error}; pip install 'captioner[align]', or leave the transcriber's times: "
            "--aligner none"
        ) from error

    def decoder() -> Any:
        try:
            return pocketsphinx.Decoder(lm=None, loglevel="FATAL", samprate=float(SPEECH_RATE))
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"aligner pocketsphinx: {error}; install it again, or --aligner none") from error

    return PocketSphinx(decoder)


class PocketSphinx:
    """An aligner of recordings in English; others keep their times."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._decoder = make, make()

    def align(self, batch: Sequence[Saying], progress: Progress | None = None) -> list[tuple[Span | None, ...]]:
        found = []
        for saying in batch:
            found.append(tuple(self._recording(saying)))
            if progress is not None:
                progress(saying.audio.duration)
        return found

    def _recording(self, saying: Saying) -> list[Span | None]:
        spans: list[Span | None] = [None] * len(saying.words)
        if saying.language != "en":
            return spans
        spoken = [self._spoken(word.text) for word in saying.words]
        for piece in pieces(saying.words, saying.audio.duration, LONGEST, PAUSE, [bool(own) for own in spoken]):
            own = spoken[piece.first : piece.last]
            segments = self._aligned(saying.audio.read(piece.span.start, piece.span.end), own)
            if segments is not None:
                spans[piece.first : piece.last] = _placed(saying.words, piece, own, segments)
        return spans

    def _spoken(self, text: str) -> list[str]:
        """The dictionary's words for a written one; [] where it lacks one of them."""
        for mark in APOSTROPHES:
            text = text.replace(mark, "'")
        plain = re.sub(r"[^a-z0-9'-]", "", text.lower()).strip("-'") if text.isascii() else ""
        if plain and self._decoder.lookup_word(plain):
            return [plain]
        parts = [DIGITS[int(part)] if part.isdigit() else part for part in re.findall(r"[a-z']+|\d", plain)]
        # 21 is not said as `two one`.
        known = not re.search(r"\d\d", plain) and all(self._decoder.lookup_word(part) for part in parts)
        return parts if known else []

    def _aligned(self, samples: Samples, words: Sequence[Sequence[str]]) -> list[tuple[float, float]] | None:
        """Seconds from the start at which each of the dictionary's words is said; None where they are not found."""
        said = [part for own in words for part in own]
        decoder = self._decoder
        if len(samples) < LEAST * SPEECH_RATE:
            return None
        try:
            decoder.reinit_feat()  # what was heard before must not change it
            decoder.set_align_text(" ".join(said))
            decoder.start_utt()
            decoder.process_raw((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes(), full_utt=True)
            decoder.end_utt()
        except RuntimeError:  # no path at all; it then takes no other text either
            self._decoder = self._make()
            return None
        # `the(2)` is another way to say `the`; <sil> and [NOISE] are no words.
        segments = [segment for segment in decoder.seg() or () if segment.word[0] not in "<[+"]
        if [re.sub(r"\(\d+\)$", "", segment.word) for segment in segments] != said:
            return None
        return [(segment.start_frame * FRAME, (segment.end_frame + 1) * FRAME) for segment in segments]


def _placed(
    words: Sequence[Word], piece: Piece, spoken: Sequence[Sequence[str]], segments: Sequence[tuple[float, float]]
) -> list[Span | None]:
    """The spans of a piece's words; none of them where one went further than any word is astray: then it heard
    something else."""
    spans: list[Span | None] = []
    at = 0
    for word, own in zip(words[piece.first : piece.last], spoken, strict=True):
        start, end = piece.span.start + segments[at][0], piece.span.start + segments[at + len(own) - 1][1]
        at += len(own)
        if abs(start + end - word.span.start - word.span.end) > 2 * REACH:
            return [None] * len(spoken)
        spans.append(Span.at(start, max(start, min(end, piece.span.end))))
    return spans
