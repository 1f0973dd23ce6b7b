"""The process that decodes for the review: `python -m captioner.review.mediaworker STORE_FOLDER`.

Apart from the screen, so that it neither waits for a decoder nor dies of one. It is asked and answers on its standard
streams, one request at a time: 4 bytes of length, then msgpack.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import zlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from captioner.errors import Broken, CaptionerError, SettingsError
from captioner.making import clip_key, clip_spec
from captioner.media.cutting import VERSION as CUTTING_VERSION
from captioner.media.cutting import ClipSpec, write_clips
from captioner.review import mediamaking as making
from captioner.review.media import receive, send
from captioner.review.mediakeep import Keep
from captioner.review.source import ClipSound, Film, Look, Piece, Pixels, Sheet, Trouble
from captioner.settings import resolve
from captioner.store import key_of, unpack

VERSION = 1
"""Changes whenever the same piece would be drawn differently."""

_NEAR = 20
"""Seconds from a recording's beginning within which decoding forwards is as fast as a jump."""

_LISTENERS = 2
"""Recordings that stay open."""


class Worker:
    """Answers requests about pieces. `folder` is the dataset's store folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keep = Keep(folder)
        self._listeners: dict[str, making.Listener] = {}
        self._last: tuple[str, ClipSound] | None = None

    def answer(self, request: dict[str, Any]) -> Look | ClipSound | Film | Sheet:
        """Raises CaptionerError."""
        piece = unpack(request["piece"], Piece)
        self._check(piece)
        match request["do"]:
            case "heard":
                return self._heard(piece)
            case "look":
                return self._look(piece, request["box"])
            case "sound":
                return self.sound(piece)
            case "sheet":
                sound = making.m4a(self.sound(piece))
                return Sheet(sound, self._heard(piece).peaks, self._jpeg(piece) if piece.recording.has_picture else b"")
            case _:
                return Film(str(self._film(piece)))

    def _check(self, piece: Piece) -> None:
        """Raises Broken where the source is not the file any more that was analysed."""
        path = Path(piece.recording.path)
        try:
            stat = path.stat()
        except OSError as error:
            raise Broken(f"{path}: {error.strerror}; bring it back to hear and see its clips") from error
        known = self._row("SELECT size, mtime_ns, content FROM files WHERE path = ?", str(path))
        if known is not None and known[2] == piece.recording.content and known[0] != stat.st_size:
            raise Broken(f"{path}: changed since it was analysed; build again")

    def _row(self, query: str, *values: str) -> tuple[Any, ...] | None:
        store = self.folder / "store.sqlite"
        if not store.exists():
            return None
        try:
            with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)) as db:
                row: tuple[Any, ...] | None = db.execute(query, values).fetchone()
                return row
        except sqlite3.Error:
            return None

    def _spec(self) -> ClipSpec:
        row = self._row("SELECT value FROM meta WHERE name = ?", "settings")
        try:
            settings = resolve(flags={}, preset=json.loads(row[0]) if row else {}, environment={})
        except SettingsError:
            return ClipSpec()
        # One clip at a time is done before a GPU's decoder has begun.
        return replace(clip_spec(settings, min(2, os.cpu_count() or 1), ()), gpus=())

    # -- sound -------------------------------------------------------------------------------------------------------

    def sound(self, piece: Piece) -> ClipSound:
        """The samples as writing takes them. A jump is believed where they are those that decoding forwards gave."""
        if self._last is not None and self._last[0] == piece.key:
            return self._last[1]
        known = self.keep.heard(_key(piece))
        sound = None
        if known is not None and piece.cut.start / piece.cut.rate > _NEAR:
            sound = self._listener(piece).jump(piece)
            if sound is not None and _proof(sound) != known[2]:
                sound = None
        if sound is None:
            sound = self._listener(piece).hear(piece)
            self._remember(piece, sound)
        self._last = (piece.key, sound)
        return sound

    def _listener(self, piece: Piece) -> making.Listener:
        content = piece.recording.content
        listener = self._listeners.pop(content, None)
        if listener is None:
            listener = making.Listener(piece.recording)
        self._listeners[content] = listener
        while len(self._listeners) > _LISTENERS:
            self._listeners.pop(next(iter(self._listeners))).close()
        return listener

    def _remember(self, piece: Piece, sound: ClipSound) -> tuple[bytes, bytes, int]:
        samples = making.samples_of(sound)
        made = making.peaks(samples), making.bands(samples), _proof(sound)
        self.keep.put_heard(_key(piece), *made)
        return made

    def _heard(self, piece: Piece) -> Look:
        known = self.keep.heard(_key(piece))
        if known is None:
            known = self._remember(piece, self.sound(piece))
        return Look(piece.duration, known[0], known[1])

    # -- pictures ----------------------------------------------------------------------------------------------------

    def _look(self, piece: Piece, box: tuple[int, int]) -> Look:
        look = self._heard(piece)
        if not piece.recording.has_picture:
            return look
        try:
            small = making.fitted(self._jpeg(piece), (box[0], box[1]))
        except CaptionerError as error:
            return replace(look, trouble=str(error))
        return replace(look, pictures=tuple(Pixels(one.shape[1], one.shape[0], one.tobytes()) for one in small))

    def _jpeg(self, piece: Piece) -> bytes:
        size = self._spec().size
        key = key_of(_key(piece), size)
        known = self.keep.seen(key)
        if known is not None:
            return known
        made = [jpeg for _, jpeg in making.pictures([piece], size, self.folder)]
        if not made:
            raise Broken(f"{piece.recording.name}: no picture is shown where clip {piece.cut.id} should be")
        self.keep.put_seen(key, made[0])
        return made[0]

    def _film(self, piece: Piece) -> Path:
        """The written clip where it stands and a browser can play it; else one made as writing makes it."""
        spec = self._spec()
        row = self._row("SELECT key, media, size, mtime_ns FROM written WHERE id = ?", piece.cut.id)
        if row is not None and spec.audio_codec == "aac" and row[0] == clip_key(piece.cut, piece.recording, spec):
            path = self.folder.parent / "clips" / str(row[1])
            if path.exists() and (path.stat().st_size, path.stat().st_mtime_ns) == (row[2], row[3]):
                return path
        # The same frames and samples, encoded faster and in a codec that browsers know.
        spec = replace(spec, preset="veryfast", crf=max(spec.crf, 20), audio_codec="aac")
        key = key_of(_key(piece), "film", spec.size, spec.crf)
        known = self.keep.film(key)
        if known is not None:
            return known
        made = write_clips(piece.recording, piece.picture, [piece.cut], spec, self.keep.films)
        return self.keep.add_film(key, made[0].path)


def _key(piece: Piece) -> str:
    return key_of(piece.key, VERSION, CUTTING_VERSION)


def _proof(sound: ClipSound) -> int:
    return zlib.crc32(sound.part(0.0, sound.duration))


# --- the pipe -----------------------------------------------------------------------------------------------------


def main(folder: str) -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not land among the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl+C is the screen's; this ends with its pipe
    if hasattr(os, "nice"):
        os.nice(3)  # keys go first
    worker = Worker(Path(folder))
    while (message := receive(sys.stdin.buffer)) is not None:
        request = msgspec.msgpack.decode(message)
        told: Look | ClipSound | Film | Sheet | Trouble
        try:
            told = worker.answer(request)
        except (CaptionerError, OSError, MemoryError) as error:
            told = Trouble(str(error) or type(error).__name__)
        value = msgspec.msgpack.encode(told)
        send(answers, msgspec.msgpack.encode({"id": request["id"], "kind": type(told).__name__, "value": value}))


if __name__ == "__main__":
    main(sys.argv[1])
