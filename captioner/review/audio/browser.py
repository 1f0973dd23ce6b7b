"""A browser tab as loudspeaker and screen: where captioner runs far away, and the ears are here.

The tab is told what to do and tells where it is; what is asked of it is kept here, so that it can be opened, reloaded
and closed at any time.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from captioner.review.audio.base import Clock, Head, Listeners, Playing, Status, held, monotonic
from captioner.review.audio.tabserver import PORTS, TabServer, wave_file
from captioner.review.source import Card, ClipSound

UNHEARD = 0.6
"""Seconds after which a tab that says nothing is not believed to play on."""


class Browser:
    """`reach`: the line that brings a tab here from where the person sits, `{port}` in it; "" where that is here."""

    kind = "browser"

    def __init__(self, reach: str = "", ports: Iterable[int] = PORTS, clock: Clock = monotonic) -> None:
        self._reach, self._clock = reach, clock
        self._lock = threading.RLock()
        self._sound: ClipSound | None = None
        self._card, self._film_path = Card(), ""
        self._number = self._turn = 0
        self._head, self._heard = Head(), False
        self._listeners = Listeners()
        self._tab, self._commands = "", SimpleQueue[str | None]()
        self._enabled = self._denied = False
        self._said = 0
        self._server = TabServer(self, ports)

    # -- what is asked -----------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def watched(self) -> bool:
        """Whether a tab is open."""
        return bool(self._tab)

    def load(self, sound: ClipSound, card: Card) -> None:
        with self._lock:
            self._sound, self._card, self._film_path = sound, card, ""
            self._number += 1
            self._turn += 1
            self._head = replace(self._head, position=0.0, start=0.0, end=sound.duration, playing=False)
            self._say("clip", **self._clip())

    def describe(self, card: Card) -> None:
        """Other words for the clip that is loaded; it plays on."""
        with self._lock:
            self._card = card
            self._say("card", number=self._number, card=asdict(card))

    def film(self, path: str) -> None:
        """The picture of the clip that is loaded: an MP4 with its sound."""
        with self._lock:
            self._film_path = path
            self._say("film", number=self._number)

    def play(self, start: float = 0.0, end: float | None = None) -> None:
        with self._lock:
            if self._sound is None or not self._tab:
                return
            end = self._sound.duration if end is None else end
            head = self._head.play(self._clock(), start, end, self._sound)
            if head is self._head:
                return
            self._head, self._heard = head, False
            self._turn += 1
            self._say("play", number=self._number, start=head.start, end=head.end)

    def stop(self) -> None:
        with self._lock:
            self._head = replace(self._moved(), playing=False)
            self._turn += 1
            self._say("stop")

    def seek(self, moment: float) -> None:
        with self._lock:
            if self._sound is not None:
                self._head = replace(self._moved(), since=self._clock()).seek(self._clock(), moment, self._sound)
                self._say("seek", moment=self._head.position)

    def set_speed(self, speed: float) -> None:
        with self._lock:
            self._head = replace(self._moved(), speed=held(speed))
            self._say("set")

    def set_loop(self, loop: bool) -> None:
        with self._lock:
            self._head = replace(self._moved(), loop=loop)
            self._say("set")

    def now(self) -> Playing:
        with self._lock:
            moved = self._moved()
            return Playing(moved.position, moved.playing)

    def listen(self, changed: Callable[[], None]) -> None:
        self._listeners.calls.append(changed)

    def status(self) -> Status:
        told = self._reach.format(port=self._server.port) if self._reach else ""
        if not self._tab:
            hint = f"run `{told}` where you sit, then open {self.url}" if told else f"open {self.url}"
            return Status(self.kind, "sound: browser tab, not open yet", hint, self.url)
        if self._denied or not self._enabled:
            return Status(
                self.kind, "sound: press Enable sound in the tab", "the browser wants a click first", self.url
            )
        return Status(self.kind, "sound: browser tab", "", self.url)

    def close(self) -> None:
        with self._lock:
            self._head = replace(self._head, playing=False)
            self._commands.put(None)
            self._tab = ""
        self._server.close()

    # -- what the tab does -------------------------------------------------------------------------------------------

    def opened(self, tab: str, commands: SimpleQueue[str | None]) -> None:
        with self._lock:
            if self._tab:
                self._say("elsewhere")
                self._commands.put(None)
            self._tab, self._commands, self._said = tab, commands, 0
            self._enabled = self._denied = False
            self._head = replace(self._head, playing=False)
            self._say("clip", **self._clip())
            if self._film_path:
                self._say("film", number=self._number)
        self._listeners.tell()

    def gone(self, tab: str) -> None:
        with self._lock:
            if tab != self._tab:
                return
            self._tab, self._head = "", replace(self._moved(), playing=False)
        self._listeners.tell()

    def told(self, message: dict[str, Any]) -> None:
        """`why`: enabled, denied, play, stop (somebody pressed there), or where it is: playing, time, paused, ended."""
        why, position = message.get("why"), message.get("position")
        if message.get("tab") != self._tab:
            return None
        if why == "gone":
            return self.gone(self._tab)
        with self._lock:
            if why in ("enabled", "denied"):
                self._enabled, self._denied = why == "enabled", why == "denied"
                if why == "denied":
                    self._head = replace(self._head, playing=False)
            elif why == "play":
                self.play()
            elif why == "stop":
                self.stop()
            elif message.get("turn") == self._turn and isinstance(position, int | float) and self._later(message):
                self._found(str(why), float(position))
        if why not in ("playing", "time"):
            self._listeners.tell()
        return None

    def _later(self, message: dict[str, Any]) -> bool:
        """Whether it was said after all that was heard: what a tab says may overtake itself on the way."""
        said = message.get("said")
        later = isinstance(said, int) and said > self._said
        self._said = said if later and isinstance(said, int) else self._said
        return later

    def _found(self, why: str, position: float) -> None:
        head = self._head
        place = head.end if why == "ended" else max(head.start, min(position, head.end))
        going = why in ("playing", "time")
        self._enabled = self._enabled or going
        self._head, self._heard = replace(head, position=place, since=self._clock(), playing=going), going

    def wave(self, number: int, first: float, last: float) -> bytes | None:
        with self._lock:
            sound = self._sound if number == self._number else None
        return None if sound is None else wave_file(sound.part(first, last))

    def film_of(self, number: int) -> Path | None:
        with self._lock:
            return Path(self._film_path) if number == self._number and self._film_path else None

    def _moved(self) -> Head:
        """The playhead now: between two words of the tab it moves on by the clock, but not for long."""
        head, clock = self._head, self._clock()
        if not head.playing or not self._heard:
            return head
        moved = head.at(min(clock, head.since + UNHEARD))
        return moved if moved.playing else replace(moved, playing=True)  # the end is when the tab says so

    def _clip(self) -> dict[str, Any]:
        duration = 0.0 if self._sound is None else self._sound.duration
        return {"number": self._number, "duration": duration, "card": asdict(self._card)}

    def _say(self, do: str, **more: Any) -> None:
        message = {"do": do, "turn": self._turn, "speed": self._head.speed, "loop": self._head.loop, **more}
        self._commands.put(json.dumps(message))
