"""Asks for what is heard and seen of clips, without waiting: a process of its own decodes, a thread brings the answers.

Nothing is started before the first question. This module needs neither NumPy nor a decoder.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from captioner.review.source import ClipSound, Film, Look, Piece, Sheet, Trouble
from captioner.store import pack

Answer = Look | ClipSound | Film | Sheet | Trouble
Done = Callable[[Any], None]

PATIENCE = 1.5
"""Seconds that somebody who waits leaves to work that nobody waits for any more."""

_KINDS: dict[str, type] = {"Look": Look, "ClipSound": ClipSound, "Film": Film, "Sheet": Sheet, "Trouble": Trouble}


def send(stream: IO[bytes], message: bytes) -> None:
    stream.write(len(message).to_bytes(4, "little") + message)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """The next message; None at the end."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    size = int.from_bytes(head, "little")
    body = stream.read(size)
    return body if len(body) == size else None


@dataclass(slots=True)
class _Job:
    do: str
    piece: Piece
    box: tuple[int, int]
    done: Done | None
    """None for work ahead of any question."""
    dropped: bool = False


class Media:
    """`folder` is the dataset's store folder, where what was made is kept.

    `done` is called once, from a thread: with the answer, or with a `Trouble` that says why there is none. A question
    that a newer one of its kind overtook before it was answered is dropped, and its `done` is never called.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._here = threading.Condition()
        self._waiting: dict[str, _Job] = {}
        """The newest question of each kind, in the order asked."""
        self._ahead: deque[_Job] = deque()
        self._now: _Job | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def __enter__(self) -> Media:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- questions ---------------------------------------------------------------------------------------------------

    def look(self, piece: Piece, box: tuple[int, int], done: Done) -> None:
        """`done` gets a Look, its pictures as large as go into `box` (width, height) pixels; where they take time, it
        is called before that with a Look without pictures."""
        self._ask(_Job("heard", piece, box, done), _Job("look", piece, box, done))

    def sound(self, piece: Piece, done: Done) -> None:
        """`done` gets a ClipSound."""
        self._ask(_Job("sound", piece, (0, 0), done))

    def film(self, piece: Piece, done: Done) -> None:
        """`done` gets a Film, for pieces with a picture."""
        self._ask(_Job("film", piece, (0, 0), done))

    def sheet(self, piece: Piece, done: Done) -> None:
        """`done` gets a Sheet."""
        self._ask(_Job("sheet", piece, (0, 0), done))

    def ahead(self, pieces: Iterable[Piece], box: tuple[int, int]) -> None:
        """What may be asked next is made while nobody waits. Takes the place of what was said before."""
        with self._here:
            self._ahead = deque(_Job("look", piece, box, None) for piece in pieces)
            self._start()

    def close(self) -> None:
        """Ends the process; no `done` is called after this."""
        with self._here:
            self._closed = True
            self._waiting.clear()
            self._ahead.clear()
            self._kill()
            self._here.notify_all()

    def _ask(self, *jobs: _Job) -> None:
        with self._here:
            for job in jobs:
                self._waiting.pop(job.do, None)
                if self._now is not None and self._now.do == job.do and self._now.piece.key != job.piece.key:
                    self._now.dropped = True
                self._waiting[job.do] = job
            self._start()
            if self._now is not None and (self._now.done is None or self._now.dropped):
                timer = threading.Timer(PATIENCE, self._lose_patience, (self._now,))
                timer.daemon = True
                timer.start()

    def _lose_patience(self, job: _Job) -> None:
        with self._here:
            if self._now is job and self._waiting:
                job.dropped = True
                self._kill()

    # -- the thread --------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._closed:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="media", daemon=True)
            self._thread.start()
        self._here.notify_all()

    def _next(self) -> _Job | None:
        """Waits for the next job; None once closed."""
        with self._here:
            self._now = None
            while not self._closed and not self._waiting and not self._ahead:
                self._here.wait()
            if self._closed:
                return None
            if self._waiting:
                self._now = self._waiting.pop(min(self._waiting, key=("sound", "heard", "look", "film", "sheet").index))
            else:
                self._now = self._ahead.popleft()
            return self._now

    def _serve(self) -> None:
        number = 0
        while (job := self._next()) is not None:
            number += 1
            request = {"id": number, "do": job.do, "piece": pack(job.piece.bare()), "box": job.box}
            answer = self._exchange(msgspec.msgpack.encode(request))
            with self._here:
                wanted = not (self._closed or job.dropped)
            if wanted and job.done is not None:
                job.done(answer)

    def _exchange(self, request: bytes) -> Answer:
        process = self._running()
        if process is None:
            return Trouble("the process that decodes cannot be started")
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            send(process.stdin, request)
            told = receive(process.stdout)
        except (OSError, ValueError):  # it ended, or its pipes were closed under us
            told = None
        if told is None:
            code = self._bury(process)
            return Trouble(f"decoding ended its process (exit {code}); the source may be damaged, or memory short")
        message = msgspec.msgpack.decode(told)
        answer: Answer = msgspec.msgpack.decode(message["value"], type=_KINDS[message["kind"]])
        return answer

    def _running(self) -> subprocess.Popen[bytes] | None:
        with self._here:
            if self._process is None and not self._closed:
                command = [sys.executable, "-m", "captioner.review.mediaworker", str(self._folder)]
                with suppress(OSError):
                    self._process = subprocess.Popen(
                        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                    )
            return self._process

    def _bury(self, process: subprocess.Popen[bytes]) -> int:
        with self._here:
            if self._process is process:
                self._process = None
        process.kill()
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        return code

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()


def wait_for(ask: Callable[[Done], None], seconds: float = 120.0) -> Answer:
    """The answer to one question, for those who have nothing else to do: `wait_for(lambda done: media.sound(p, done))`.

    Of several answers the first.
    """
    found: list[Answer] = []
    ready = threading.Event()

    def done(answer: Answer) -> None:
        found.append(answer)
        ready.set()

    ask(done)
    until = time.monotonic() + seconds
    while not ready.wait(0.5):  # in steps, so that ctrl+C is heard
        if time.monotonic() > until:
            return Trouble(f"no answer within {seconds:g} s")
    return found[0]
