"""Backends that answer by rule after a pause, so that whole builds take moments: for tests of what runs when."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from captioner.backends import Backend
from captioner.measures import Measures, Quality, Tag
from captioner.times import Span
from captioner.types import Activity, Diarization, Transcript, Turn, Word

STEP = 0.01
WORDS = ("then", "we", "went", "down", "to", "the", "river", "again")
Whatever = Callable[[str, Sequence[str]], None]
"""Is told which role is asked about which recordings before it answers; may raise what models raise."""


@dataclass(frozen=True, slots=True)
class Options:
    pass


@dataclass
class Play:
    """All roles. `before` is called before every answer."""

    before: Whatever = lambda role, names: None
    pauses: random.Random | None = None
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    fails: Mapping[str, Exception] = field(default_factory=dict)
    """Role -> what its model raises when it is loaded."""

    def backends(self) -> dict[str, Backend]:
        return {role: self._backend(role) for role in ("vad", "diarizer", "asr", "tagger", "voice")}

    def _backend(self, role: str) -> Backend:
        def load(_: Options) -> Any:
            self.loaded.append(role)
            self.pause()
            if role in self.fails:
                raise self.fails[role]
            return _Model(self, role)

        module: Any = SimpleNamespace(
            __name__=f"playing {role}", VERSION="1", Options=Options, load=load, HEARS=frozenset({"music"})
        )
        return Backend(role, "playing", module, Options())

    def pause(self) -> None:
        if self.pauses is not None:
            time.sleep(self.pauses.random() * 0.01)

    def ask(self, role: str, names: Sequence[str]) -> None:
        self.asked.append((role, tuple(names)))
        self.pause()
        self.before(role, names)


class _Model:
    hears = frozenset({"music"})

    def __init__(self, play: Play, role: str) -> None:
        self._play, self._role = play, role

    def _told(self, waves: Sequence[Any], progress: Any) -> None:
        self._play.ask(self._role, [wave.name for wave in waves])
        if progress is not None:
            progress(sum(wave.duration for wave in waves))

    def listen(self, audios: Sequence[Any], progress: Any = None) -> list[Activity]:
        self._told(audios, progress)
        return [_activity(audio.duration) for audio in audios]

    def diarize(self, audios: Sequence[Any], hint: Any, progress: Any = None) -> list[Diarization]:
        self._told(audios, progress)
        return [Diarization((Turn(Span.at(0.3, audio.duration - 0.3), "SPEAKER_00"),)) for audio in audios]

    def transcribe(self, batch: Sequence[Any], progress: Any = None) -> list[Transcript]:
        self._told([item.audio for item in batch], progress)
        return [_transcript(item.audio.duration) for item in batch]

    def tag(self, audios: Sequence[Any], progress: Any = None) -> list[tuple[Tag, ...]]:
        self._told(audios, progress)
        return [(Tag("music", Span.at(0.0, audio.duration), 0.2),) for audio in audios]

    def measure(self, batch: Sequence[Any], progress: Any = None) -> list[Measures]:
        self._play.ask(self._role, [str(len(item.samples)) for item in batch])
        if progress is not None:
            progress(sum(len(item.samples) / 16_000 for item in batch))
        return [Measures(quality=Quality(overall=3.0 + len(item.samples) % 7 / 10)) for item in batch]


def _words(duration: float) -> list[Word]:
    """Sentences of eight words, with a pause after each."""
    words: list[Word] = []
    at = 0.6
    while at + 0.3 < duration - 0.6:
        word = WORDS[len(words) % len(WORDS)] + ("." if len(words) % 8 == 7 else "")
        words.append(Word(word, Span.at(at, at + 0.3), 0.95))
        at += 0.35 if len(words) % 8 else 1.6
    return words


def _activity(duration: float) -> Activity:
    loud = [False] * -(-round(duration * 1000) // 10)
    for word in _words(duration):
        for frame in range(round((word.span.start - 0.05) / STEP), round((word.span.end + 0.05) / STEP)):
            loud[frame] = True
    return Activity(
        bytes(250 if on else 1 for on in loud),
        bytes(int(on) for on in loud),
        bytes((-20 if on else -90) & 255 for on in loud),
    )


def _transcript(duration: float) -> Transcript:
    return Transcript(tuple(_words(duration)), "en", 0.99)
