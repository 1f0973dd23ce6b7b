"""A player that makes no sound: the playhead moves by a clock, so that all but the ear works without a loudspeaker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from captioner.review.audio.base import Clock, Head, Listeners, Playing, Status, held, monotonic
from captioner.review.source import Card, ClipSound


class Silent:
    """`clock`: seconds; given by tests. With the system's own, the end of a stretch is told by a timer."""

    kind = "silent"

    def __init__(self, clock: Clock | None = None, text: str = "no sound", hint: str = "") -> None:
        self._clock = clock or monotonic
        self._timed = clock is None
        self._text, self._hint = text, hint
        self._sound: ClipSound | None = None
        self._head = Head()
        self._listeners = Listeners()
        self._timer: threading.Timer | None = None
        self._lock = threading.RLock()

    def load(self, sound: ClipSound, card: Card) -> None:  # noqa: ARG002  nobody reads here
        with self._lock:
            self._sound = sound
            self._set(replace(self._head, position=0.0, start=0.0, end=sound.duration, playing=False))

    def play(self, start: float = 0.0, end: float | None = None) -> None:
        with self._lock:
            if self._sound is not None:
                end = self._sound.duration if end is None else end
                self._set(self._head.at(self._clock()).play(self._clock(), start, end, self._sound))

    def stop(self) -> None:
        with self._lock:
            self._set(replace(self._head.at(self._clock()), playing=False))

    def seek(self, moment: float) -> None:
        with self._lock:
            if self._sound is not None:
                self._set(self._head.seek(self._clock(), moment, self._sound))

    def set_speed(self, speed: float) -> None:
        with self._lock:
            self._set(replace(self._head.at(self._clock()), speed=held(speed)))

    def set_loop(self, loop: bool) -> None:
        with self._lock:
            self._set(replace(self._head.at(self._clock()), loop=loop))

    def now(self) -> Playing:
        with self._lock:
            self._head = self._head.at(self._clock())
            return Playing(self._head.position, self._head.playing)

    def listen(self, changed: Callable[[], None]) -> None:
        self._listeners.calls.append(changed)

    def status(self) -> Status:
        return Status(self.kind, self._text, self._hint)

    def close(self) -> None:
        self.stop()

    def _set(self, head: Head) -> None:
        self._head = head
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._timed and head.playing and not head.loop:
            self._timer = threading.Timer((head.end - head.position) / head.speed + 0.002, self._listeners.tell)
            self._timer.daemon = True
            self._timer.start()
