"""From a clip of the store to the stretch of the source file that it is cut from."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path

from captioner.errors import Broken, UsageError
from captioner.identify import PROBE_VERSION, Probed
from captioner.review.source import Piece
from captioner.settings import Settings
from captioner.stages import PICTURE_VERSION
from captioner.store import Store, key_of, unpack
from captioner.types import Cut, Picture, Recording

KEPT = 8
"""Recordings whose facts stay at hand."""


class Pieces:
    """Reads the store of an open desk; decodes nothing."""

    def __init__(self, store: Store, settings: Settings, out: Path) -> None:
        self._store, self._settings, self._out = store, settings, out
        self._known: OrderedDict[str, tuple[Recording, Picture | None]] = OrderedDict()
        self._sources: dict[str, Path] | None = None

    def of(self, clip: str) -> Piece:
        """Raises UsageError where there is no such clip, Broken where its recording is gone."""
        row = self._store.clip(clip)
        if row is None:
            raise UsageError(f"{clip}: no such clip in {self._out}; it may have been cut anew")
        return self.cut(row.recording, unpack(row.cut, Cut))

    def cut(self, recording: str, cut: Cut) -> Piece:
        """Any cut of a recording, by the recording's name: also one that is only tried."""
        known = self._known.pop(recording, None) or self._read(recording, cut.slug)
        self._known[recording] = known
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return Piece(known[0], known[1], cut)

    def _read(self, name: str, slug: str) -> tuple[Recording, Picture | None]:
        path, content = self._file(name)
        key = key_of("probe", PROBE_VERSION, content, path.suffix.lower(), self._settings.audio_stream)
        probed = self._store.get(key, Probed)
        if probed is None:
            raise Broken(f"{path}: was never looked into as it is set now; build again")
        recording = Recording(str(path), name, slug, content, probed.audio, probed.video)
        if probed.video is None:
            return recording, None
        return recording, self._store.get(key_of("picture", PICTURE_VERSION, content, probed.video), Picture)

    def _file(self, name: str) -> tuple[Path, str]:
        """Path and content of a recording. By its end where that is one file's alone; else the inputs are walked."""
        files = self._store.known_files()
        like = [path for path in files if Path(path).as_posix().endswith(f"/{name}")]
        if len(like) == 1:
            return Path(like[0]), files[like[0]][2]
        if self._sources is None:
            from captioner.media.discover import discover

            inputs = [Path(path) for path in json.loads(self._store.meta("inputs") or "[]")]
            there = [path for path in inputs if path.exists()]
            self._sources = {source.name: source.path for source in discover(there, leave=[self._out]).sources}
        path = self._sources.get(name)
        if path is None or str(path) not in files:
            raise Broken(f"{name}: is not among the inputs of the last build any more; bring it back or build again")
        return path, files[str(path)][2]
