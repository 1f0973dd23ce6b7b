"""The user's own turns, replayed from RTTM files: nothing is heard."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from captioner.errors import BadFormat, SettingsError
from captioner.formats import rttm
from captioner.models.protocols import Diarizer, Progress, SpeakerHint, Waveform
from captioner.times import Span
from captioner.types import Diarization, Turn

VERSION = "rttm 2"

SLACK = 0.5
"""Seconds by which a turn may end after its recording, as lengths of files and their sound differ; it is shortened."""


@dataclass(frozen=True, slots=True)
class Options:
    path: str = ""
    """An RTTM file that names each recording, or a folder with one `<recording>.rttm` each."""


def fingerprint(options: Options) -> tuple[str, ...]:
    """The content of the files: a turn corrected in one is a new result."""
    place = _place(options)
    found = sorted(place.rglob("*.rttm")) if place.is_dir() else [place]
    digest = hashlib.sha256()
    for file in found:
        digest.update(f"{file.relative_to(place).as_posix()}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return (digest.hexdigest(),)


def load(options: Options) -> Diarizer:
    """Raises SettingsError where there is no such file or folder, BadFormat for a file that cannot be read."""
    place = _place(options)
    return _Replay(place, None if place.is_dir() else _read(place))


def _place(options: Options) -> Path:
    place = Path(options.path).expanduser()
    if not options.path or not place.exists():
        raise SettingsError(
            f"diarizer_options: path = {options.path!r}: there is no such file or folder; "
            "give an RTTM file, or a folder with one <recording>.rttm each"
        )
    return place


def _read(file: Path) -> dict[str, list[Turn]]:
    try:
        return rttm.parse(file.read_bytes().decode("utf-8-sig"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise BadFormat(f"{file}: cannot be read ({error}); RTTM is UTF-8 text") from error


class _Replay:
    """Knows a recording by the `name` of its waveform: as it is, without its suffix, or its stem alone. In a folder the
    file's name says whose turns it holds, whatever its rows say."""

    def __init__(self, place: Path, turns: dict[str, list[Turn]] | None) -> None:
        self._place = place
        self._turns = None if turns is None else {_plain(uri): own for uri, own in turns.items()}

    def diarize(
        self, audios: Sequence[Waveform], hint: SpeakerHint, progress: Progress | None = None
    ) -> list[Diarization]:
        """Speakers keep the user's names; the hint is not needed and passed by.

        Raises BadFormat for a recording that no RTTM speaks of: without turns it would count as silent.
        """
        del hint
        done = []
        for audio in audios:
            name = str(getattr(audio, "name", ""))
            done.append(Diarization(_within(self._own(name), audio.duration, name)))
            if progress is not None:
                progress(audio.duration)
        return done

    def _own(self, name: str) -> list[Turn]:
        if not name:
            raise BadFormat(f"{self._place}: turns can be replayed only for recordings that have a name")
        for known in _names(name):
            if self._turns is not None:
                if _plain(known) in self._turns:
                    return self._turns[_plain(known)]
            elif (file := self._place / f"{known}.rttm").is_file():
                return sorted(turn for own in _read(file).values() for turn in own)
        raise BadFormat(f"{name}: no turns for it in {self._place}; add them, or take this recording out of the input")


def _names(name: str) -> list[str]:
    """What an RTTM may call a recording, most exact first. RTTM cannot hold blanks: `_` may stand for them."""
    path = PurePath(name)
    bare = path.with_suffix("").as_posix()
    exact = [path.as_posix().lstrip("/"), bare.lstrip("/"), path.name, path.stem]
    return list(dict.fromkeys([*exact, *("_".join(known.split()) for known in exact)]))


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _within(turns: Sequence[Turn], duration: float, name: str) -> tuple[Turn, ...]:
    kept = []
    for turn in sorted(turns):
        if turn.span.start >= duration or turn.span.end > duration + SLACK:
            raise BadFormat(
                f"{name}: the turn of {turn.speaker} at {turn.span.start:g} s ends after the recording "
                f"({duration:g} s); are these the turns of another file?"
            )
        kept.append(Turn(Span.at(turn.span.start, min(duration, turn.span.end)), turn.speaker))
    return tuple(kept)
