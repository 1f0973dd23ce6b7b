"""Which files are worked on: the inputs walked deeply, and everything that was passed by, each with its reason."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from captioner.errors import Broken, UsageError
from captioner.media.slugs import slugs

__all__ = ["Found", "Passed", "Source", "discover", "fingerprint", "slugs"]

EXTENSIONS = frozenset(
    {"mp4", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "m2ts", "m4v"}
    | {"wav", "flac", "mp3", "m4a", "aac", "ogg", "opus"}
)
"""Lower case, without the dot. Whether a file is what its name says is for `probe` to find out."""

_SIDECARS = frozenset({"txt", "srt", "vtt", "rttm", "ctm", "json"})
_CHUNK = 1 << 20

HIDDEN = "hidden"
SIDECAR = "sidecar"
NOT_MEDIA = "not a media file"
OUTPUT = "in the output folder"
WALKED = "folder already walked"
SAME = "same file as another"
DANGLING = "link to nothing"
SPECIAL = "not a regular file"
UNREADABLE = "cannot be read"
UNSPELLABLE = "name is not Unicode; rename it"


@dataclass(frozen=True, slots=True)
class Source:
    path: Path
    """Absolute, as it was reached: links are not resolved."""
    name: str
    """Relative to the input that it was found under, with slashes; of an input that is a file, its file name."""


@dataclass(frozen=True, slots=True)
class Passed:
    path: Path
    reason: str
    """One of this module's constants."""


@dataclass(frozen=True, slots=True)
class Found:
    sources: tuple[Source, ...]
    """In the order of the inputs, then of the names, each real file once; no two names are alike."""
    passed: tuple[Passed, ...]


def discover(inputs: Sequence[Path], *, leave: Sequence[Path] = ()) -> Found:
    """The media files that the inputs are or hold, by their extension.

    A folder is walked once, however often it is linked. `leave`: folders (the output) that are not walked. Hidden files
    and folders are passed by unless named as an input.
    Raises UsageError for an input that does not exist.
    """
    walk = _Walk(frozenset(path.resolve() for path in leave))
    sources: list[tuple[Path, Source]] = []
    for given in inputs:
        root = given.expanduser().absolute()
        if not root.exists():
            raise UsageError(f"{given}: no such file or folder; check the spelling, or quote a name with spaces")
        if root.is_dir():
            found = [(root, Source(path, path.relative_to(root).as_posix())) for path in walk.folder(root)]
        else:
            found = [(root.parent, Source(path, path.name)) for path in walk.files([root], {root.stem})]
        sources.extend(found)
    return Found(_told_apart(sources), tuple(walk.passed))


def fingerprint(path: Path) -> str:
    """SHA-256 of the file's bytes, hex. Raises Broken where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        reason = error.strerror or str(error)
        raise Broken(f"{path}: cannot be read ({reason}); make it readable or leave it out") from error
    return digest.hexdigest()


class _Walk:
    """One walk over all inputs: what was seen under one of them is not taken again under another."""

    def __init__(self, leave: frozenset[Path]) -> None:
        self._leave = leave
        self._folders: set[Path] = set()
        self._files: set[tuple[int, int]] = set()
        self.passed: list[Passed] = []

    def folder(self, root: Path) -> Iterator[Path]:
        """Media files in `root` and below, depth first, by name. Not recursive: folders may nest deeper than Python."""
        waiting = [root]
        while waiting:
            folder = waiting.pop()
            real = folder.resolve()
            if real in self._leave or real in self._folders:
                self._pass(folder, OUTPUT if real in self._leave else WALKED)
                continue
            self._folders.add(real)
            try:
                inside = sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name))
            except OSError:
                self._pass(folder, UNREADABLE)
                continue
            shown = [path for path in inside if not self._hidden(path)]
            folders = [path for path in shown if path.is_dir()]
            yield from self.files([path for path in shown if not path.is_dir()], _stems(shown))
            waiting.extend(reversed(folders))

    def files(self, paths: Sequence[Path], stems: set[str]) -> Iterator[Path]:
        """Those of the files that are media; `stems` of the media beside them tell sidecars."""
        for path in paths:
            reason = self._reason(path, stems)
            if reason is None:
                yield path
            else:
                self._pass(path, reason)

    def _hidden(self, path: Path) -> bool:
        if not path.name.startswith("."):
            return False
        self._pass(path, HIDDEN)
        return True

    def _reason(self, path: Path, stems: set[str]) -> str | None:
        try:
            path.name.encode("utf-8")
            if not path.exists():
                return DANGLING if path.is_symlink() else UNREADABLE
            if not path.is_file():
                return SPECIAL
            extension = path.suffix[1:].lower()
            if extension not in EXTENSIONS:
                beside = extension in _SIDECARS and any(_belongs(path.stem, stem) for stem in stems)
                return SIDECAR if beside else NOT_MEDIA
            status = path.stat()
            if self._leave.intersection(path.resolve().parents):
                return OUTPUT
        except UnicodeEncodeError:
            return UNSPELLABLE
        except OSError:
            return UNREADABLE
        key = (status.st_dev, status.st_ino)
        if key in self._files:
            return SAME
        self._files.add(key)
        return None

    def _pass(self, path: Path, reason: str) -> None:
        self.passed.append(Passed(path, reason))


def _stems(paths: Sequence[Path]) -> set[str]:
    return {path.stem for path in paths if path.suffix[1:].lower() in EXTENSIONS}


def _belongs(stem: str, media: str) -> bool:
    """`take.srt` and `take.en.srt` belong to `take.mp4`."""
    return stem == media or stem.startswith(f"{media}.")


def _told_apart(sources: Sequence[tuple[Path, Source]]) -> tuple[Source, ...]:
    """Names that two inputs share get their input's folder name before them, and where that is not enough its path."""
    named = list(sources)
    for whole in (False, True):
        often = Counter(source.name for _, source in named)
        named = [
            (root, replace(source, name=_longer(root, source.path, whole)) if often[source.name] > 1 else source)
            for root, source in named
        ]
    return tuple(source for _, source in named)


def _longer(root: Path, path: Path, whole: bool) -> str:
    return path.as_posix().strip("/") if whole else f"{root.name}/{path.relative_to(root).as_posix()}"
