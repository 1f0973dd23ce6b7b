"""Hearing the clip under the cursor: what the keys call. Knows the media and one player, and waits for neither.

A sound that arrives late, when the cursor has moved on, is dropped: every question carries the ticket of its clip.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from captioner.review.audio.base import Player, Status, about, held
from captioner.review.audio.choose import Choice, Place, choose, forward, player_of
from captioner.review.audio.silent import Silent
from captioner.review.media import Media
from captioner.review.source import Card, ClipSound, Film, Piece, Trouble

if TYPE_CHECKING:
    from captioner.review.audio.browser import Browser  # its server is loaded when a tab is wanted

STEP = 0.1


@dataclass(frozen=True, slots=True)
class PlayState:
    """What the screen draws of it."""

    position: float = 0.0
    """Seconds from the clip's first sample; negative before it."""
    duration: float = 0.0
    playing: bool = False
    """Playing, or about to as soon as the sound is there."""
    loop: bool = False
    speed: float = 1.0
    autoplay: bool = False
    waiting: bool = False
    """The sound is being decoded."""
    trouble: str = ""


class Hearing:
    """`changed` is called, from any thread, when something happens that no key asked for."""

    def __init__(self, media: Media, player: Player | None = None, changed: Callable[[], None] | None = None) -> None:
        self.media = media
        self.changed = changed
        self._player: Player = player or Silent(text="sound: looking for a way")
        self._player.listen(self._tell)
        self._before: Player | None = None
        """Whose turn it is again when the tab is closed."""
        self._watched = False
        self._lock = threading.RLock()
        self._ticket = 0
        self._piece: Piece | None = None
        self._card = Card()
        self._sound: ClipSound | None = None
        self._then: tuple[float, float | None] | None = None
        """What to play once the sound is there."""
        self._asked = False
        self._trouble = ""
        self._speed, self._loop, self._autoplay = 1.0, False, False

    # -- the clip ----------------------------------------------------------------------------------------------------

    def show(self, piece: Piece, card: Card) -> None:
        """The clip under the cursor. Another one stops what plays; nothing is decoded yet, but where a tab follows or
        it is to play by itself. The same with other words plays on."""
        with self._lock:
            if self._piece is not None and self._piece.key == piece.key:
                if card != self._card and self._tab is not None and self._sound is not None:
                    self._tab.describe(card)
                self._piece, self._card = piece, card
                return
            self._ticket += 1
            self._player.stop()
            self._piece, self._card, self._then, self._asked, self._trouble = piece, card, None, False, ""
            self._sound = None
            if self._autoplay:
                self.play()
            elif self._tab is not None and self._tab.watched:
                self._ask()

    def clear(self) -> None:
        """No clip is under the cursor."""
        with self._lock:
            self._ticket += 1
            self._player.stop()
            self._piece, self._sound, self._then, self._trouble = None, None, None, ""

    def _ask(self) -> None:
        if self._piece is not None and not self._asked:
            self._asked = True
            ticket = self._ticket
            self.media.sound(self._piece, lambda answer: self._arrived(ticket, answer))

    def _arrived(self, ticket: int, answer: Any) -> None:
        with self._lock:
            if ticket != self._ticket:
                return
            self._asked = False
            if isinstance(answer, Trouble):
                self._trouble, self._then = answer.said, None
            else:
                self._load(answer)
        self._tell()

    def _load(self, sound: ClipSound) -> None:
        self._sound = sound
        self._player.load(sound, self._card)
        piece, ticket = self._piece, self._ticket
        if self._tab is not None and piece is not None and piece.recording.has_picture:
            self.media.film(piece, lambda answer: self._filmed(ticket, answer))
        if self._then is not None:
            self._player.play(*self._then)
            self._then = None

    def _filmed(self, ticket: int, answer: Any) -> None:
        with self._lock:
            if ticket == self._ticket and isinstance(answer, Film) and self._tab is not None:
                self._tab.film(answer.path)

    # -- keys --------------------------------------------------------------------------------------------------------

    def toggle(self) -> None:
        """Plays on from where it stands, from the beginning once it has reached the end; or stops."""
        with self._lock:
            state = self.state
            if state.playing:
                self.stop()
            else:
                ended = state.position >= state.duration - 0.01 or state.position < 0
                self.play(0.0 if ended else state.position)

    def play(self, start: float = 0.0, end: float | None = None) -> None:
        with self._lock:
            if self._sound is not None:
                self._player.play(start, end)
            elif self._piece is not None:
                self._then = (start, end)
                self._trouble = ""
                self._ask()

    def stop(self) -> None:
        with self._lock:
            self._then = None
            self._player.stop()

    def replay(self, seconds: float = 1.0) -> None:
        """What was heard last once more, up to where it stands."""
        with self._lock:
            here = self.state.position
            self.play(max(0.0, here - seconds), here if here > 0.05 else None)

    def about(self, moment: float, reach: float = 0.15) -> None:
        """What lies around an edge, on both sides of it."""
        with self._lock:
            if self._sound is not None:
                about(self._player, moment, reach)
            else:
                self.play(moment - reach, moment + reach)

    def seek(self, delta: float) -> None:
        with self._lock:
            if self._sound is not None:
                self._player.seek(self._player.now().position + delta)
            elif self._piece is not None and self._then is not None:
                self._then = (max(0.0, min(self._then[0] + delta, self._piece.duration)), None)

    def faster(self, delta: float = STEP) -> None:
        self.at_speed(self._speed + delta)

    def slower(self, delta: float = STEP) -> None:
        self.at_speed(self._speed - delta)

    def at_speed(self, speed: float = 1.0) -> None:
        with self._lock:
            self._speed = round(held(speed), 2)
            self._player.set_speed(self._speed)

    @property
    def loop(self) -> bool:
        return self._loop

    @loop.setter
    def loop(self, on: bool) -> None:
        with self._lock:
            self._loop = on
            self._player.set_loop(on)

    @property
    def autoplay(self) -> bool:
        return self._autoplay

    @autoplay.setter
    def autoplay(self, on: bool) -> None:
        self._autoplay = on

    # -- what is seen of it ------------------------------------------------------------------------------------------

    @property
    def state(self) -> PlayState:
        with self._lock:
            now = self._player.now() if self._sound is not None else None
            duration = self._piece.duration if self._piece is not None else 0.0
            waiting = self._then is not None
            position = now.position if now else self._then[0] if self._then else 0.0
            playing = waiting or bool(now and now.playing)
            return PlayState(
                position, duration, playing, self._loop, self._speed, self._autoplay, waiting, self._trouble
            )

    @property
    def status(self) -> Status:
        return self._player.status()

    @property
    def _tab(self) -> Browser | None:
        """The player, where it is a browser tab."""
        return cast("Browser", self._player) if self._player.kind == "browser" else None

    def _tell(self) -> None:
        with self._lock:
            tab = self._tab
            if tab is not None:
                left, self._watched = self._watched and not tab.watched, tab.watched
                if left and self._before is not None:
                    self._back()
                elif tab.watched and self._sound is None and not self._asked:
                    self._ask()  # a tab that was just opened shows the clip that is under the cursor
        if self.changed is not None:
            self.changed()

    # -- ways to hear ------------------------------------------------------------------------------------------------

    def use(self, player: Player) -> Player:
        """Hears through another player from now on; returns the one before, which is stopped."""
        with self._lock:
            before, self._player = self._player, player
            before.stop()
            player.listen(self._tell)
            player.set_speed(self._speed)
            player.set_loop(self._loop)
            if self._sound is not None:
                self._load(self._sound)
        self._tell()
        return before

    def open_tab(self, environ: Any = None) -> Status:
        """Sound and picture in a browser tab; where it is closed again, sound comes from where it came before."""
        if self._tab is None:
            from captioner.review.audio.browser import Browser

            self._watched = False
            self._before = self.use(Browser(forward(os.environ if environ is None else environ)))
        return self.status

    def _back(self) -> None:
        tab, before = self._tab, self._before
        self._before = None
        if before is not None and tab is not None:
            self.use(before)
            threading.Thread(target=tab.close, daemon=True).start()  # it is the tab's own thread that tells us

    def close(self) -> None:
        for player in (self._player, self._before):
            if player is not None:
                player.close()
        self.media.close()


def make_hearing(folder: Path, sound: str = "auto", place: Place | None = None) -> Hearing:
    """Hearing for the dataset whose store folder this is. The way is looked for meanwhile: a list of devices takes its
    time. Raises UsageError where `sound` is none of `choose.WAYS`."""
    place = place or Place.here()
    hearing = Hearing(Media(folder))
    if sound != "auto":
        hearing.use(_player(choose(place, sound)))
    else:
        threading.Thread(target=lambda: hearing.use(_player(choose(place))), name="choose", daemon=True).start()
    return hearing


def _player(choice: Choice) -> Player:
    try:
        return player_of(choice)
    except OSError as error:
        return Silent(text=f"no sound: no port for a tab ({error.strerror})")
