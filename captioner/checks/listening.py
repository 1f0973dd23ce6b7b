"""`--listen`: decodes every clip's sound once, measures it, finds its speech, and hears again what the trainer hears.

Each result is kept by path, size and time of change, so that only changed clips are heard again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf, log10
from pathlib import Path
from typing import Any

from captioner.checks.captiontext import speech
from captioner.checks.keeping import Known, Memory
from captioner.checks.view import ClipView, View
from captioner.errors import MediaError, Silent

BATCH = 64
"""Clips that a model gets at once."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What listening to a clip found out."""

    peak: float | None
    level: float | None
    """dBFS; None where its sound cannot be decoded."""
    speech: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """A hearing of one stretch of a clip."""

    by: str
    start: float
    end: float
    text: str


def listened(view: View, memory: Memory) -> View:
    """The view with levels, speech and second hearings. Raises ModelError where a model cannot be had."""
    from captioner.backends import choose_backends
    from captioner.settings import Settings

    backends = choose_backends(Settings())
    ear = _Ear(backends["vad"], backends["asr"], view.root, memory)
    clips = tuple(ear.measured(view.clips))
    view = replace(view, clips=clips, listened=True)
    return replace(view, heard=ear.heard(view))


class _Ear:
    def __init__(self, vad: Any, asr: Any, root: Path, memory: Memory) -> None:
        self._vad, self._asr, self._root, self._memory = vad, asr, root, memory
        self._models: dict[str, Any] = {}
        self._scratch = tempfile.TemporaryDirectory(prefix="captioner-check-")

    def _model(self, backend: Any) -> Any:
        if backend.role not in self._models:
            self._models[backend.role] = backend.load()
        return self._models[backend.role]

    def measured(self, clips: Sequence[ClipView]) -> Iterator[ClipView]:
        """The clips with level, peak and speech."""
        kind = f"listened {self._vad.identity!r}"
        known = self._memory.facts(self._root, kind, Measured)
        for batch in _batches(clips):
            found = {clip.name: known[key] for clip in batch if (key := _key(clip)) in known}
            fresh = [clip for clip in batch if clip.name not in found and clip.media.audio]
            made = self._listen(fresh)
            self._memory.keep(self._root, kind, ((_key(clip), made[clip.name]) for clip in fresh))
            found |= made
            for clip in batch:
                one = found.get(clip.name)
                yield clip if one is None else replace(
                    clip, media=replace(clip.media, peak=one.peak, level=one.level), speech=one.speech
                )  # fmt: skip

    def _listen(self, clips: Sequence[ClipView]) -> dict[str, Measured]:
        from captioner.speech.regions import speech_regions

        decoded = {clip.name: self._decoded(clip) for clip in clips}
        waves = [(name, wave) for name, (_, _, wave) in decoded.items() if wave is not None]
        spans: dict[str, tuple[tuple[float, float], ...]] = {}
        if waves:
            activities = self._model(self._vad).listen([wave for _, wave in waves])
            for (name, _), activity in zip(waves, activities, strict=True):
                spans[name] = tuple((span.start, span.end) for span in speech_regions(activity))
        return {name: Measured(peak, level, spans.get(name, ())) for name, (peak, level, _) in decoded.items()}

    def _decoded(self, clip: ClipView) -> tuple[float | None, float | None, Any]:
        """(peak, level, waveform in memory); silence has the level -inf and no waveform."""
        from captioner.media.pcm import PcmFile, Samples16k
        from captioner.media.probe import probe
        from captioner.media.sound import decode_speech

        target = Path(self._scratch.name) / "sound.s16"
        try:
            sound = decode_speech(clip.path, *probe(clip.path), target)
            wave = PcmFile(target)
            samples = wave.read(0.0, wave.duration)
        except Silent:
            return -inf, -inf, None
        except MediaError:
            return None, None, None
        peak = 20 * log10(sound.peak) if sound.peak > 0 else -inf
        return round(peak, 2), round(sound.level, 2), Samples16k(samples, clip.name)

    def heard(self, view: View) -> dict[str, str]:
        """Clip name -> the words of what the trainer hears, for clips that quote speech or hold some."""
        by = repr(self._asr.identity)
        known = self._memory.facts(self._root, "heard", Heard)
        wanted = [clip for clip in view.clips if clip.usable and clip.speech is not None and clip.text is not None
                  and (clip.speech or speech(clip.text))]  # fmt: skip
        texts: dict[str, str] = {}
        for batch in _batches(wanted):
            fresh = []
            for clip in batch:
                start, end = _stretch(view, clip)
                one = known.get(_key(clip))
                if one is not None and (one.by, one.start, one.end) == (by, start, end):
                    texts[clip.name] = one.text
                else:
                    fresh.append((clip, start, end))
            made = self._transcribed(fresh)
            texts |= made
            rows = ((_key(clip), Heard(by, start, end, made[clip.name])) for clip, start, end in fresh)
            self._memory.keep(self._root, "heard", rows)
        return texts

    def _transcribed(self, asked: Sequence[tuple[ClipView, float, float]]) -> dict[str, str]:
        from captioner.media.pcm import Samples16k
        from captioner.models.protocols import Listening
        from captioner.scripts import spoken_text
        from captioner.times import Span

        texts = {clip.name: "" for clip, _, _ in asked}
        batch = []
        for clip, start, end in asked:
            spans = [Span.at(max(a, start) - start, min(b, end) - start) for a, b in clip.speech or ()
                     if min(b, end) - max(a, start) > 0.05]  # fmt: skip
            wave = self._decoded(clip)[2] if spans else None
            if wave is not None:
                part = Samples16k(wave.read(start, end), clip.name)
                batch.append((clip.name, Listening(part, tuple(spans))))
        if batch:
            answers = self._model(self._asr).transcribe([one for _, one in batch])
            for (name, _), transcript in zip(batch, answers, strict=True):
                texts[name] = spoken_text(word.text for word in transcript.words)
        return texts


def _stretch(view: View, clip: ClipView) -> tuple[float, float]:
    """Seconds in the clip that the trainer hears; all of it without a trainer."""
    window = view.window(clip)
    if window is not None and window.samples:
        return round(max(0.0, window.start), 3), round(window.end, 3)
    return 0.0, round(float(clip.facts.sound) + max(0.0, clip.facts.offset), 3)


def _key(clip: ClipView) -> Known:
    return clip.name, clip.size, clip.mtime_ns


def _batches(clips: Sequence[ClipView]) -> Iterator[Sequence[ClipView]]:
    for first in range(0, len(clips), BATCH):
        yield clips[first : first + BATCH]
