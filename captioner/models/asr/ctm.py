"""The user's own words, replayed from CTM files: nothing is heard, nothing is doubted here."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from captioner.errors import BadFormat, SettingsError
from captioner.formats import ctm
from captioner.models.protocols import Listening, Progress, Transcriber
from captioner.times import Span
from captioner.types import Transcript, Word

VERSION = "ctm 1"

SLACK = 0.5
"""Seconds by which a word may end after its recording and is then shortened: lengths of files and of sound differ."""
NARROWEST = 0.02
"""Seconds that a word without length is given."""


@dataclass(frozen=True, slots=True)
class Options:
    path: str = ""
    """A CTM file that names each recording, or a folder with one `<recording>.ctm` each."""
    language: str | None = None
    """ISO 639-1 of the words."""


def fingerprint(options: Options) -> tuple[str, ...]:
    """The content of the files: a word corrected in one is a new result."""
    place = _place(options)
    found = sorted(place.rglob("*.ctm")) if place.is_dir() else [place]
    digest = hashlib.sha256()
    for file in found:
        digest.update(f"{file.relative_to(place).as_posix()}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return (digest.hexdigest(),)


def load(options: Options) -> Transcriber:
    """Raises SettingsError where there is no such file or folder, BadFormat for a file that cannot be read."""
    place = _place(options)
    return Replay(place, None if place.is_dir() else _read(place), options.language)


def _place(options: Options) -> Path:
    place = Path(options.path).expanduser()
    if not options.path or not place.exists():
        raise SettingsError(
            f"asr_options: path = {options.path!r}: there is no such file or folder; "
            "give a CTM file, or a folder with one <recording>.ctm each"
        )
    return place


def _read(file: Path) -> dict[str, list[Word]]:
    try:
        return ctm.parse(file.read_bytes().decode("utf-8-sig"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise BadFormat(f"{file}: cannot be read ({error}); CTM is UTF-8 text") from error


class Replay:
    """Knows a recording by the `name` of its waveform: as it is, without its suffix, or its stem alone."""

    def __init__(self, place: Path, words: dict[str, list[Word]] | None, language: str | None) -> None:
        self._place = place
        self._words = None if words is None else {_plain(uri): own for uri, own in words.items()}
        self._language = language

    def transcribe(self, batch: Sequence[Listening], progress: Progress | None = None) -> list[Transcript]:
        """Raises BadFormat for a recording that no CTM speaks of: without words it would count as silent."""
        done = []
        for item in batch:
            name = str(getattr(item.audio, "name", ""))
            words = self._own(name)
            kept = tuple(_inside(word, item.audio.duration, name) for word in words)
            done.append(Transcript(kept, item.language or self._language))
            if progress is not None:
                progress(item.audio.duration)
        return done

    def _own(self, name: str) -> list[Word]:
        if not name:
            raise BadFormat(f"{self._place}: words can be replayed only for recordings that have a name")
        for known in names(name):
            if self._words is not None:
                if _plain(known) in self._words:
                    return self._words[_plain(known)]
            elif (file := self._place / f"{known}.ctm").is_file():
                return sorted((word for own in _read(file).values() for word in own), key=lambda word: word.span)
        raise BadFormat(f"{name}: no words for it in {self._place}; add them, or take this recording out of the input")


def names(name: str) -> list[str]:
    """What a CTM may call a recording, most exact first."""
    path = PurePath(name)
    bare = path.with_suffix("").as_posix()
    return list(dict.fromkeys((path.as_posix().lstrip("/"), bare.lstrip("/"), path.name, path.stem)))


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _inside(word: Word, duration: float, name: str) -> Word:
    if word.span.start >= duration or word.span.end > duration + SLACK:
        raise BadFormat(
            f"{name}: {word.text!r} at {word.span.start:g} s ends after the recording ({duration:g} s); "
            "are these the words of another file?"
        )
    start = max(0.0, min(word.span.start, duration - NARROWEST))
    return replace(word, span=Span.at(start, min(duration, max(word.span.end, start + NARROWEST))))
