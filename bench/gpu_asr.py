"""Transcription rows of the GPU bench: the same sounds, beam and number of tokens through each way."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "bench"))

from gpu_made import RATE, pauses, talk  # noqa: E402

FORCED = 100 / 30
"""Tokens a second of context."""
CLIP = 5.0


@dataclass(frozen=True, slots=True)
class Given:
    """What a row is run with."""

    model: str
    device: str
    beam: int
    waves: list[np.ndarray]
    forced: bool = True


def ours(backend: str, given: Given, **options: Any) -> Any:
    """captioner's transcriber, its guards at work; with made weights no second hearings, and every token forced."""
    import importlib

    module = importlib.import_module(f"captioner.models.asr.{backend}")
    whisper = module.load(module.Options(model=given.model, device=given.device, beam_size=given.beam, **options))
    if given.forced:
        engine = whisper._engine
        engine._manner = replace(engine._manner, forced=FORCED)
        whisper._second = False
    return whisper


def listenings(sounds: list[np.ndarray], speech: list[list[tuple[float, float]]]) -> list[Any]:
    from captioner.media.pcm import Samples16k
    from captioner.models.protocols import Listening
    from captioner.times import Span

    return [
        Listening(Samples16k(sound), tuple(Span.at(*span) for span in spans), "en")
        for sound, spans in zip(sounds, speech, strict=True)
    ]


def clips(count: int, waves: list[np.ndarray]) -> list[Any]:
    sounds = [talk(CLIP, seed, waves) for seed in range(min(count, 500))]
    sounds = [sounds[number % len(sounds)] for number in range(count)]
    return listenings(sounds, [[(0.2, 4.8)]] * count)


def hour(seconds: float, waves: list[np.ndarray]) -> list[Any]:
    return listenings([talk(seconds, 1, waves)], [pauses(seconds, 1)])


def run_ours(backend: str, given: Given, items: list[Any], **options: Any) -> dict[str, Any]:
    """Seconds and times real time after a first small batch; `items` go through in one call."""
    start = time.perf_counter()
    whisper = ours(backend, given, **options)
    loaded = time.perf_counter() - start
    start = time.perf_counter()
    whisper.transcribe(items[: max(1, min(len(items), 400))] if len(items) > 1 else items)
    first = time.perf_counter() - start
    sound = sum(item.audio.duration for item in items)
    start = time.perf_counter()
    done = whisper.transcribe(items)
    took = time.perf_counter() - start
    words = sum(len(transcript.words) for transcript in done)
    return {"load": loaded, "warm": first, "took": took, "speed": sound / took, "sound": sound, "words": words}


def plain_model(given: Given) -> Any:
    from captioner.models import cuda

    cuda.ready()
    from faster_whisper import WhisperModel

    kind = "float16" if given.device.startswith("cuda") else "int8"
    return WhisperModel(given.model, device=given.device.split(":")[0], compute_type=kind, local_files_only=True)


def _plain_options(model: Any, given: Given, tokens: int, *, serial: bool = False) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "language": "en", "beam_size": given.beam, "word_timestamps": True, "temperature": 0.0,
        "condition_on_previous_text": False, "without_timestamps": True,
    }  # fmt: skip
    if given.forced:
        end = model.hf_tokenizer.token_to_id("<|endoftext|>")
        # A made model says time marks, which send the serial loop back over its window.
        first = model.hf_tokenizer.token_to_id("<|notimestamps|>") + 1
        marks = range(first, model.hf_tokenizer.get_vocab_size()) if serial else ()
        # CTranslate2 gives half of the prompt and the new tokens together.
        wanted |= {
            "suppress_tokens": [-1, end, *marks], "max_new_tokens": 2 * tokens - 4,
            "compression_ratio_threshold": None, "log_prob_threshold": None, "no_speech_threshold": None,
        }  # fmt: skip
    return wanted


def run_plain_clips(given: Given, items: list[Any], tokens: int) -> dict[str, Any]:
    """faster-whisper alone, one call a clip."""
    model = plain_model(given)
    options = _plain_options(model, given, tokens, serial=True)

    def hear(item: Any) -> int:
        sound = item.audio.read(0.0, item.audio.duration)
        segments = list(model.transcribe(sound, vad_filter=False, **options)[0])
        return sum(len(segment.words or ()) for segment in segments)

    for item in items[:3]:
        hear(item)
    start = time.perf_counter()
    words = sum(map(hear, items))
    took = time.perf_counter() - start
    sound = sum(item.audio.duration for item in items)
    return {"took": took, "speed": sound / took, "sound": sound, "words": words}


def run_plain_hour(given: Given, items: list[Any], batch: int) -> dict[str, Any]:
    """faster-whisper's own batched pipeline over one file in windows of 30 s."""
    from faster_whisper import BatchedInferencePipeline

    model = plain_model(given)
    pipeline = BatchedInferencePipeline(model)
    options = _plain_options(model, given, 100)
    options.pop("condition_on_previous_text")
    (item,) = items
    sound = item.audio.read(0.0, item.audio.duration)
    length = len(sound) / RATE
    windows = [{"start": float(at), "end": float(min(at + 30, length))} for at in np.arange(0, length, 30.0)]

    def hear(until: int) -> int:
        wanted = windows[:until]
        end = round(wanted[-1]["end"] * RATE)
        segments, _ = pipeline.transcribe(
            sound[:end], batch_size=batch, vad_filter=False, clip_timestamps=wanted, **options
        )
        return sum(len(segment.words or ()) for segment in segments)

    hear(min(batch, len(windows)))
    start = time.perf_counter()
    words = hear(len(windows))
    took = time.perf_counter() - start
    return {"took": took, "speed": length / took, "sound": length, "words": words}


def profile(
    backend: str, given: Given, contexts: tuple[int, ...], batches: tuple[int, ...], **options: Any
) -> dict[str, Any]:
    """Milliseconds a piece of each part, by context and batch: says where the time goes."""
    from captioner.models.asr.packing import Piece
    from captioner.times import Span

    whisper = ours(backend, given, **options)
    engine = whisper._engine
    found: dict[str, Any] = {}
    for context in contexts:
        sound = talk(max(0.5, context / 100 - 4), context, given.waves)
        length = round(len(sound) / RATE, 3)
        for batch in batches:
            own = [Piece(i, Span(0.0, length), (Span(0.0, length),)) for i in range(batch)]
            row: dict[str, float] = {}
            for _ in range(2):
                row = _parts(engine, [sound] * batch, own, context)
            found[f"{context}x{batch}"] = row
    return found


def _parts(engine: Any, sounds: list[np.ndarray], own: list[Any], context: int) -> dict[str, float]:
    def wait() -> None:
        if "torch" in sys.modules:
            import torch

            if torch.cuda.is_available():
                torch.cuda.synchronize()

    def timed(name: str, call: Any) -> Any:
        wait()
        start = time.perf_counter()
        done = call()
        wait()
        row[name] = round(1000 * (time.perf_counter() - start) / len(own), 3)
        return done

    row: dict[str, float] = {}
    states = timed("encode", lambda: engine.encode(sounds, context))
    timed("detect", lambda: engine.detect(states))
    tokenizer = engine.tokenizer("en")
    request = engine._request(tokenizer, [context] * len(states))
    guesses = timed("generate", lambda: engine.generate(states, request))
    tokens = [[token for token in guess.sequences_ids[0] if token < tokenizer.eot] for guess in guesses]
    frames = [min(context, round(piece.heard.duration * 100)) for piece in own]
    timed("align", lambda: engine.align(states, tokenizer.sot_sequence, tokens, frames, request))
    timed("decode in all", lambda: engine.decode(states, own, "en"))
    return row


def equality(base: str, device: str, beam: int) -> dict[str, Any]:
    """Real speech through real weights (Whisper base): words of each way against the truth and against one another."""
    from quality_score import Errors, align
    from quality_text import normalise
    from speed import utterances

    found = utterances([ROOT / "sample_dataset"])
    given = Given(base, device, beam, [], forced=False)
    items = listenings([wave for wave, _ in found], [[(0.1, len(wave) / RATE - 0.1)] for wave, _ in found])
    said: dict[str, list[str]] = {}
    times: dict[str, list[Any]] = {}
    for backend in ("faster_whisper", "whisper_torch"):
        done = ours(backend, given).transcribe(items)
        said[backend] = [" ".join(word.text for word in transcript.words) for transcript in done]
        times[backend] = [transcript.words for transcript in done]
    model = plain_model(given)
    options = _plain_options(model, given, 100)
    said["plain"] = [
        " ".join(s.text for s in model.transcribe(i.audio.read(0, 99), vad_filter=False, **options)[0]) for i in items
    ]

    def wer(ours: list[str], truth: list[str]) -> float:
        pairs = zip(truth, ours, strict=True)
        errors = sum((align(normalise(right), normalise(text)) for right, text in pairs), Errors())
        return round(100 * (errors.rate or 0.0), 2)

    truth = [text for _, text in found]
    pairs = [
        (one, other)
        for left, right in zip(times["faster_whisper"], times["whisper_torch"], strict=True)
        if [w.text for w in left] == [w.text for w in right]
        for one, other in zip(left, right, strict=True)
    ]
    apart = [abs(one.span.start - other.span.start) for one, other in pairs] or [0.0]
    return {
        "clips": len(found),
        "wer": {name: wer(own, truth) for name, own in said.items()},
        "torch against ct2, WER %": wer(said["whisper_torch"], said["faster_whisper"]),
        "word starts apart, ms, mean and most": [round(1000 * float(np.mean(apart)), 1), round(1000 * max(apart), 1)],
    }  # fmt: skip
