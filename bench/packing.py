"""How to lay clips out for Whisper: each alone, packed into windows, or in contexts of their own; piece by piece.

    python bench/packing.py DATA [DATA ...] [--only alone,windows,contexts] [--shortest 0.5] [--longest 28] [--all]
                            [--model NAME] [--threads 2] [--detect]

DATA has a `manifest.json`. Every line of its truth that has times is a clip of its own (0.2 s wider on each side), and
every file with a text and no lines. The ways:

alone     one faster-whisper call a clip, with its temperature fallback: beam 5, int8, word times
windows   as many clips as fit into 30 s with 0.75 s of silence between, one decoding a window, a word to the clip that
          its middle lies in: plain packing, without guards
contexts  captioner's transcriber over all clips at once, guards and second hearings included, on what its own VAD calls
          speech; the VAD's time is counted

Prints errors against the truth, seconds, words that a way has and the first one has not, and the clips on which the
ways differ (`--all`: every clip). `--detect` lets the model find the language and says how often it is right.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent))

from quality_run import sound_of
from quality_score import Errors, align
from quality_text import normalise
from quality_truth import load

from captioner.media.pcm import Samples16k
from captioner.models.asr import faster_whisper as backend
from captioner.models.asr.engine import APPENDED, PREPENDED
from captioner.models.asr.weights import find_weights
from captioner.models.protocols import Listening
from captioner.models.vad import embedded as vad
from captioner.speech.regions import speech_regions

RATE = 16_000
WIDER = 0.2
SILENCE = 75
"""Frames of 10 ms between two clips of a window."""


@dataclass(frozen=True)
class Piece:
    name: str
    samples: NDArray[np.float32]
    text: str
    language: str


@dataclass(frozen=True)
class Said:
    texts: list[str]
    languages: list[str | None]
    seconds: float


def clips(folders: Sequence[Path], shortest: float, longest: float) -> list[Piece]:
    found = []
    for folder in folders:
        for truth in load(folder):
            if not truth.text or not truth.language:
                continue
            sound = sound_of(truth.path)
            whole = [(0.0, len(sound) / RATE, truth.text)]
            for start, end, text in truth.lines or whole:
                first, last = round((start - WIDER) * RATE), round((end + WIDER) * RATE)
                samples = sound[max(0, first) : last]
                if text.strip() and shortest <= len(samples) / RATE <= longest:
                    found.append(Piece(f"{truth.file}@{start:.1f}", samples, text, truth.language))
    return found


class Ways:
    def __init__(self, model: str | None, threads: int, detect: bool) -> None:
        from faster_whisper import WhisperModel

        self.detect = detect
        self.threads = threads
        self.name = model
        self.whisper = WhisperModel(str(find_weights(model)), device="cpu", compute_type="int8", cpu_threads=threads)

    def alone(self, pieces: Sequence[Piece]) -> Said:
        texts: list[str] = []
        languages: list[str | None] = []
        for piece in pieces:
            segments, info = self.whisper.transcribe(
                piece.samples, language=None if self.detect else piece.language, beam_size=5, word_timestamps=True
            )
            texts.append(" ".join(segment.text for segment in segments))
            languages.append(info.language)
        return Said(texts, languages, 0.0)

    def windows(self, pieces: Sequence[Piece]) -> Said:
        texts = [""] * len(pieces)
        for language in sorted({piece.language for piece in pieces}):
            own = [index for index, piece in enumerate(pieces) if piece.language == language]
            for window in self._packed(own, pieces):
                self._hear(window, language, texts)
        return Said(texts, [piece.language for piece in pieces], 0.0)

    def _packed(self, own: Sequence[int], pieces: Sequence[Piece]) -> list[list[tuple[int, int, Any]]]:
        """(clip, first frame, features) of each window; longest clips first, each into the first window with room."""
        features = {index: self.whisper.feature_extractor(pieces[index].samples)[..., :-1][:, :3000] for index in own}
        windows: list[list[tuple[int, int, Any]]] = []
        for index in sorted(own, key=lambda index: -features[index].shape[1]):
            for window in windows:
                _, first, before = window[-1]
                at = first + before.shape[1] + SILENCE
                if at + features[index].shape[1] <= 3000:
                    window.append((index, at, features[index]))
                    break
            else:
                windows.append([(index, 0, features[index])])
        return windows

    def _hear(self, window: Sequence[tuple[int, int, Any]], language: str, texts: list[str]) -> None:
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_suppressed_tokens, merge_punctuations

        sheet = np.zeros((self.whisper.model.n_mels, 3000), np.float32)
        for _, at, features in window:
            sheet[:, at : at + features.shape[1]] = features
        tokenizer = Tokenizer(self.whisper.hf_tokenizer, True, task="transcribe", language=language)
        states = self.whisper.encode(sheet)
        (result,) = self.whisper.model.generate(
            states,
            [self.whisper.get_prompt(tokenizer, [], without_timestamps=True)],
            beam_size=5,
            suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
        )
        tokens = [token for token in result.sequences_ids[0] if token < tokenizer.eot]
        (words,) = self.whisper.find_alignment(tokenizer, [tokens], states, 3000)
        merge_punctuations(words, PREPENDED, APPENDED)
        for word in words:
            middle = (word["start"] + word["end"]) * 50
            near = [max(at - middle, middle - at - features.shape[1], 0.0) for _, at, features in window]
            texts[window[int(np.argmin(near))][0]] += word["word"]

    def contexts(self, pieces: Sequence[Piece]) -> Said:
        model = backend.load(backend.Options(model=self.name, threads=self.threads, device="cpu"))
        waves = [Samples16k(piece.samples) for piece in pieces]
        started = time.perf_counter()
        speech = [speech_regions(activity) for activity in vad.load(vad.Options()).listen(waves)]
        asked = [
            Listening(wave, spans, None if self.detect else piece.language)
            for wave, spans, piece in zip(waves, speech, pieces, strict=True)
        ]
        done = model.transcribe(asked)
        seconds = time.perf_counter() - started
        texts = [" ".join(word.text for word in transcript.words) for transcript in done]
        return Said(texts, [transcript.language for transcript in done], seconds)


def gained(reference: str, text: str) -> tuple[int, int]:
    """Words that `text` has more, and less, than the reference hearing."""
    found = align(normalise(reference), normalise(text))
    return found.insertions, found.deletions


def report(pieces: Sequence[Piece], heard: dict[str, Said], every: bool) -> None:
    total = sum(len(piece.samples) for piece in pieces) / RATE
    print(f"{len(pieces)} clips, {total:.0f} s")
    first = next(iter(heard))
    for language in [*sorted({piece.language for piece in pieces}), "all"]:
        chosen = [i for i, piece in enumerate(pieces) if language in (piece.language, "all")]
        for way, said in heard.items():
            errors = sum((align(normalise(pieces[i].text), normalise(said.texts[i])) for i in chosen), Errors())
            pairs = [gained(heard[first].texts[i], said.texts[i]) for i in chosen]
            right = sum(said.languages[i] == pieces[i].language for i in chosen)
            print(
                f"{language:4}{way:10} WER {100 * (errors.rate or 0):5.1f} %  (S {errors.substitutions}, "
                f"D {errors.deletions}, I {errors.insertions} of {errors.reference})  against {first}: "
                f"+{sum(a for a, _ in pairs)} -{sum(b for _, b in pairs)} words"
                + (f"  language right {right}/{len(chosen)}" if right < len(chosen) else "")
                + (f"  {said.seconds:.1f} s, {total / said.seconds:.1f}x" if language == "all" else "")
            )
    for index, piece in enumerate(pieces):
        texts = {way: said.texts[index] for way, said in heard.items()}
        if every or len({tuple(normalise(text)) for text in texts.values()}) > 1:
            print(f"\n{piece.name} ({len(piece.samples) / RATE:.1f} s)\n  {'truth':10} {piece.text.strip()}")
            for way, text in texts.items():
                print(f"  {way:10} {text.strip()}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--only", default="alone,windows,contexts")
    parser.add_argument("--shortest", type=float, default=0.5)
    parser.add_argument("--longest", type=float, default=28.0)
    parser.add_argument("--model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--detect", action="store_true")
    given = parser.parse_args(arguments)
    pieces = clips(given.data, given.shortest, given.longest)
    if not pieces:
        raise SystemExit("no clip with a text in that data")
    ways = Ways(given.model, given.threads, given.detect)
    known: dict[str, Callable[[Sequence[Piece]], Said]] = {
        "alone": ways.alone,
        "windows": ways.windows,
        "contexts": ways.contexts,
    }
    heard = {}
    for way in given.only.split(","):
        known[way](pieces[:1])  # the first call of a process pays for threads and caches
        started = time.perf_counter()
        said = known[way](pieces)
        heard[way] = Said(said.texts, said.languages, said.seconds or time.perf_counter() - started)
    report(pieces, heard, given.all)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
