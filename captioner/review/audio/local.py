"""The machine's own loudspeaker, through miniaudio."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol

from captioner.errors import BackendMissing, CaptionerError
from captioner.review.audio.base import Clock, Listeners, Playing, Status, held, monotonic
from captioner.review.source import FRAME, Card, ClipSound
from captioner.types import CLIP_RATE

PERIOD = 20
"""Milliseconds that the device asks for at a time."""

LATENCY = 2 * PERIOD * CLIP_RATE // 1000
"""Samples handed over that nobody has heard yet, besides those of the last call."""

Feed = Callable[[int], bytes]
"""So many samples of both channels are wanted next; fewer bytes are followed by silence."""


class NoDevice(CaptionerError):
    """No loudspeaker can be opened."""


class Device(Protocol):
    def start(self) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...


def miniaudio_device(feed: Feed, backends: list[Any] | None = None) -> Device:
    """The default device. Raises BackendMissing without miniaudio, NoDevice where none can be opened."""
    try:
        import miniaudio
    except ImportError as error:
        raise BackendMissing("no player here: pip install 'captioner[audio]'") from error
    try:
        return _Miniaudio(miniaudio, feed, backends)
    except miniaudio.MiniaudioError as error:
        raise NoDevice(f"no loudspeaker can be opened ({error})") from error


class _Miniaudio:
    def __init__(self, library: Any, feed: Feed, backends: list[Any] | None) -> None:
        self._library, self._feed = library, feed
        self._device = library.PlaybackDevice(
            output_format=library.SampleFormat.SIGNED16, nchannels=2, sample_rate=CLIP_RATE, buffersize_msec=PERIOD,
            backends=backends, app_name="captioner",
        )  # fmt: skip

    def start(self) -> None:
        fed = self._fed()
        next(fed)
        try:
            self._device.start(fed)
        except self._library.MiniaudioError as error:
            raise NoDevice(f"the loudspeaker does not start ({error})") from error

    def _fed(self) -> Generator[bytes, int, None]:
        wanted = yield b""
        while True:
            wanted = yield self._feed(wanted)

    def stop(self) -> None:
        self._device.stop()

    def close(self) -> None:
        self._device.close()


@dataclass(slots=True)
class _Voice:
    """A stretch that is being played: its samples at the speed asked for, and how many of them were handed over."""

    start: float
    end: float
    speed: float
    pcm: bytes
    fed: int = 0
    called: float = 0.0
    """The clock's time of the last call, and how many samples it wanted."""
    last: int = 0

    @property
    def count(self) -> int:
        return len(self.pcm) // FRAME

    def heard(self, clock: float) -> int:
        """Samples that have reached the ear, counted on where it loops."""
        if not self.fed:
            return 0
        gone = round((clock - self.called) * CLIP_RATE)
        return max(0, min(self.fed - self.last - LATENCY + gone, self.fed))

    def position(self, clock: float, loop: bool) -> float:
        heard = self.heard(clock)
        heard = heard % self.count if loop and self.count else min(heard, self.count)
        return min(self.end, self.start + heard / CLIP_RATE * self.speed)

    def go(self, moment: float) -> None:
        """Moves the playhead."""
        self.fed = min(self.count, max(0, round((moment - self.start) / self.speed * CLIP_RATE)))
        self.last = -LATENCY  # what was handed over before is cut short, not heard


class Local:
    """`opens` makes the device, once, when something is played first."""

    kind = "local"

    def __init__(
        self, opens: Callable[[Feed], Device] = miniaudio_device, name: str = "", clock: Clock = monotonic
    ) -> None:
        self._opens, self._name, self._clock = opens, name, clock
        self._lock = threading.RLock()
        self._sound: ClipSound | None = None
        self._voice: _Voice | None = None
        self._position, self._wanted = 0.0, False
        self._speed, self._loop = 1.0, False
        self._listeners = Listeners()
        self._trouble = ""
        self._device: Device | None = None
        self._running = False
        self._turn = 0
        self._todo: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    # -- what is asked -----------------------------------------------------------------------------------------------

    def load(self, sound: ClipSound, card: Card) -> None:  # noqa: ARG002  nobody reads here
        with self._lock:
            self.stop()
            self._sound, self._position = sound, 0.0

    def play(self, start: float = 0.0, end: float | None = None) -> None:
        with self._lock:
            sound = self._sound
            if sound is None:
                return
            start, end = max(start, sound.first), min(sound.duration if end is None else end, sound.last)
            if sound.place(end) <= sound.place(start):
                return
            self._position, self._wanted, self._voice = start, True, None
            self._turn += 1
            self._later(lambda turn=self._turn: self._begin(turn, sound, start, end, start))  # type: ignore[misc]

    def stop(self) -> None:
        with self._lock:
            self._position = self.now().position
            self._wanted, self._voice = False, None
            self._turn += 1
            if self._running:
                self._later(self._rest)

    def seek(self, moment: float) -> None:
        with self._lock:
            if self._voice is not None:
                self._voice.go(max(self._voice.start, min(moment, self._voice.end)))
            elif self._sound is not None:
                self._position = max(0.0, min(moment, self._sound.duration))

    def set_speed(self, speed: float) -> None:
        with self._lock:
            self._speed = held(speed)
            voice, sound = self._voice, self._sound
            if voice is not None and sound is not None and voice.speed != self._speed:
                self._turn += 1
                self._later(lambda turn=self._turn: self._begin(turn, sound, voice.start, voice.end, None))  # type: ignore[misc]

    def set_loop(self, loop: bool) -> None:
        with self._lock:
            if self._voice is not None and self._voice.count and not loop:
                self._voice.fed %= self._voice.count  # the round that it is in is the last
            self._loop = loop

    def now(self) -> Playing:
        with self._lock:
            if self._voice is not None:
                self._position = self._voice.position(self._clock(), self._loop)
            return Playing(self._position, self._wanted)

    def listen(self, changed: Callable[[], None]) -> None:
        self._listeners.calls.append(changed)

    def status(self) -> Status:
        if self._trouble:
            return Status(self.kind, f"no sound: {self._trouble}")
        return Status(self.kind, f"sound: {self._name}" if self._name else "sound: this machine")

    def close(self) -> None:
        self.stop()
        if self._thread is not None:
            self._todo.put(self._shut)
            self._todo.put(None)
            self._thread.join(2.0)
            self._thread = None

    # -- the thread that may wait ------------------------------------------------------------------------------------

    def _later(self, call: Callable[[], None]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="player", daemon=True)
            self._thread.start()
        self._todo.put(call)

    def _work(self) -> None:
        while (call := self._todo.get()) is not None:
            try:
                call()
            except CaptionerError as error:
                with self._lock:
                    self._trouble = str(error)
                    self._wanted, self._voice = False, None
                self._listeners.tell()

    def _begin(self, turn: int, sound: ClipSound, start: float, end: float, at: float | None) -> None:
        """Lays out the samples at the speed that is set and hands them to the device; `at` None: where it is now."""
        speed = self._speed
        voice = _Voice(start, end, speed, at_speed(sound.part(start, end), speed))
        with self._lock:
            if turn != self._turn:
                return  # something else was asked for meanwhile
            if at is None:
                voice.go(self.now().position)
            self._voice, self._wanted = voice, True
        if self._device is None:
            self._device = self._opens(self.feed)
        if not self._running:
            self._device.start()
            self._running = True

    def _rest(self) -> None:
        with self._lock:
            if self._voice is not None or not self._running or self._device is None:
                return
            self._running = False
        self._device.stop()

    def _ended(self) -> None:
        self._rest()
        self._listeners.tell()

    def _shut(self) -> None:
        self._rest()
        if self._device is not None:
            self._device.close()
            self._device = None

    # -- the device's own thread -------------------------------------------------------------------------------------

    def feed(self, wanted: int) -> bytes:
        """The next samples, for the device."""
        with self._lock:
            voice = self._voice
            if voice is None or not voice.count:
                return b""
            out = b""
            while len(out) < wanted * FRAME:
                at = voice.fed % voice.count if self._loop else voice.fed
                part = voice.pcm[at * FRAME : at * FRAME + wanted * FRAME - len(out)]
                if not part:
                    break
                out += part
                voice.fed += len(part) // FRAME
            clock = self._clock()
            if out:
                voice.called, voice.last = clock, len(out) // FRAME
            elif voice.heard(clock) >= voice.count:
                self._position, self._voice, self._wanted = voice.end, None, False
                self._todo.put(self._ended)
            return out


def at_speed(pcm: bytes, speed: float) -> bytes:
    """int16 stereo at another speed, pitch kept."""
    if speed == 1.0:
        return pcm
    import numpy as np

    from captioner.review.audio.stretch import stretched

    made = stretched(np.frombuffer(pcm, dtype="<i2").reshape(-1, 2), speed)
    return np.ascontiguousarray(made, dtype="<i2").tobytes()
