"""What every player does, and the arithmetic of a playhead that they share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from captioner.review.source import Card, ClipSound

SLOWEST, FASTEST = 0.5, 2.0

Clock = Callable[[], float]
"""Seconds that never go back."""


@dataclass(frozen=True, slots=True)
class Status:
    """Where the sound comes from."""

    kind: str
    """"local", "browser" or "silent"."""
    text: str
    """A few words for the status bar."""
    hint: str = ""
    """How to get sound, or more of it; "" where nothing has to be done."""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Playing:
    position: float
    """Seconds from the clip's first sample to what is heard now; negative before it."""
    playing: bool


class Player(Protocol):
    """Plays stretches of one clip at a time. Never blocks, and may be called from any thread.

    Moments are seconds from the clip's first sample. What is played by default is the clip; a stretch may reach into
    what is around it in the recording, as far as its ClipSound does.
    """

    @property
    def kind(self) -> str: ...

    def load(self, sound: ClipSound, card: Card) -> None:
        """Another clip: stops, and the playhead is at its beginning. Speed and loop stay."""

    def play(self, start: float = 0.0, end: float | None = None) -> None:
        """From `start` to `end`, without it to the clip's end; then stops there, or begins again where it loops.

        Does nothing without a clip, or where the stretch holds no sample.
        """

    def stop(self) -> None:
        """The playhead stays where it is."""

    def seek(self, moment: float) -> None:
        """Goes on from there if it plays, to the end that it had; else only the playhead moves."""

    def set_speed(self, speed: float) -> None:
        """0.5 to 2, at kept pitch; others are brought into that."""

    def set_loop(self, loop: bool) -> None: ...

    def now(self) -> Playing: ...

    def listen(self, changed: Callable[[], None]) -> None:
        """`changed` is called, from any thread, when something happens that was not asked for: the end was reached, a
        tab was opened, somebody paused there."""

    def status(self) -> Status: ...

    def close(self) -> None:
        """May be called twice."""


def replay(player: Player, seconds: float = 1.0) -> None:
    """Plays what was heard last again, up to where the playhead is."""
    here = player.now().position
    player.play(max(0.0, here - seconds), here)


def about(player: Player, moment: float, reach: float = 0.15) -> None:
    """Plays what lies around an edge, on both sides of it."""
    player.play(moment - reach, moment + reach)


def held(speed: float) -> float:
    return max(SLOWEST, min(float(speed), FASTEST))


@dataclass(frozen=True, slots=True)
class Head:
    """A playhead as a value: where it was at a moment of the clock, and how it moves from there."""

    position: float = 0.0
    since: float = 0.0
    """The clock's time at which it was at `position`."""
    start: float = 0.0
    end: float = 0.0
    playing: bool = False
    speed: float = 1.0
    loop: bool = False

    def at(self, clock: float) -> Head:
        """The same at another moment; stopped where it has reached its end."""
        if not self.playing:
            return replace(self, since=clock)
        position = self.position + (clock - self.since) * self.speed
        length = self.end - self.start
        if self.loop and position >= self.end and length > 0:
            return replace(self, position=self.start + (position - self.start) % length, since=clock)
        if position >= self.end:
            return replace(self, position=self.end, since=clock, playing=False)
        return replace(self, position=position, since=clock)

    def play(self, clock: float, start: float, end: float, sound: ClipSound) -> Head:
        """Over a stretch, held inside of what can be heard; the same where nothing of it can."""
        start, end = max(start, sound.first), min(end, sound.last)
        if sound.place(end) <= sound.place(start):
            return self
        return replace(self, position=start, since=clock, start=start, end=end, playing=True)

    def seek(self, clock: float, moment: float, sound: ClipSound) -> Head:
        low, high = (self.start, self.end) if self.playing else (0.0, sound.duration)
        return replace(self.at(clock), position=max(low, min(moment, high)), since=clock)


@dataclass(slots=True)
class Listeners:
    """Who wants to know."""

    calls: list[Callable[[], None]] = field(default_factory=list)

    def tell(self) -> None:
        for call in list(self.calls):
            call()


monotonic: Clock = time.monotonic
