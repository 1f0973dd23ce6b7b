"""The clip's sound and picture on the screen: asked for when the cursor rests, dropped when it has moved on."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from threading import Thread
from typing import TYPE_CHECKING

from captioner.errors import CaptionerError
from captioner.review.source import Trouble
from captioner.review.tui.look import Look
from captioner.review.tui.views import MediaView, PlayView
from captioner.review.tui.widgets.picture import half_blocks, shades

if TYPE_CHECKING:
    from captioner.review.hearing import Hearing
    from captioner.review.source import Card, Piece
    from captioner.review.source import Look as Seen

REST = 0.07
"""Seconds that the cursor must rest before anything is decoded: a held key decodes nothing."""
FRAME = 1 / 12
"""Seconds between two pictures of a moving playhead."""
KEPT = 64
"""Clips whose waveform stays in memory."""


class Sounding:
    """Knows which clip is shown (`ticket`), what is known of its media, and whether the playhead moves."""

    def __init__(
        self,
        hearing: Hearing,
        piece: Callable[[], tuple[Piece, Card] | None],
        painted: Callable[[], None],
        warm: Callable[[], None],
    ) -> None:
        self.hearing = hearing
        self.spectrogram = False
        self.box = (24, 14)
        """Pixels of a thumbnail."""
        self._piece = piece
        self._painted = painted
        """What paints the sound again."""
        self._warm = warm
        """Loads what `piece` needs, which takes longer than a key may wait."""
        self._is_warm = False
        self._ticket = 0
        self._key = ""
        self._shown = False
        self._later: asyncio.TimerHandle | None = None
        self._frame: asyncio.TimerHandle | None = None
        self._looks: OrderedDict[str, Seen | Trouble] = OrderedDict()
        self._last = MediaView()

    def attach(self) -> None:
        """Called once on the loop: answers from other threads come back through it."""
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        self.hearing.changed = self.changed_elsewhere

    def begin(self) -> None:
        """Called once when keys are answered, so that nobody waits for what only sound and pictures need."""
        Thread(target=self._warm_up, name="warm", daemon=True).start()

    def _warm_up(self) -> None:
        self._warm()
        with suppress(RuntimeError):  # it was left meanwhile
            self._loop.call_soon_threadsafe(self._warmed, context=self._context)

    def _warmed(self) -> None:
        self._is_warm = True
        if self._later is None and not self._shown:
            self._rested()

    def moved(self) -> None:
        """Another clip, or another cut of it, is under the cursor."""
        self._ticket += 1
        self._shown = False
        self._stop_frames()
        if self.hearing.state.playing:
            self.hearing.stop()
        if self._later is not None:
            self._later.cancel()
        self._later = self._loop.call_later(REST, self._rested, context=self._context)

    def _rested(self) -> None:
        self._later = None
        if not self._is_warm:
            return
        self.ensure()
        self.changed()

    def ensure(self) -> None:
        """The player and the pictures are those of the clip under the cursor from now on."""
        if self._shown:
            return
        self._shown = True
        try:
            found = self._piece()
        except CaptionerError as error:
            self._key = f"! {error}"
            self._looks[self._key] = Trouble(str(error))
            self.hearing.clear()
            return
        if found is None:
            self._key = ""
            self.hearing.clear()
            return
        piece, card = found
        self._key = f"{piece.key} {self.box}"
        self.hearing.show(piece, card)
        if self._key in self._looks:
            self._looks.move_to_end(self._key)
            return
        ticket, key = self._ticket, self._key

        def done(seen: Seen | Trouble) -> None:
            self._loop.call_soon_threadsafe(self._came, ticket, key, seen, context=self._context)

        self.hearing.media.look(piece, self.box, done)

    def _came(self, ticket: int, key: str, seen: Seen | Trouble) -> None:
        self._looks[key] = seen
        while len(self._looks) > KEPT:
            self._looks.popitem(last=False)
        if ticket == self._ticket:  # late answers are kept, never shown on another clip
            self._painted()

    def fit(self, width: int, height: int) -> None:
        """Pixels that a thumbnail may take; others are asked for where that has changed."""
        if self.box != (width, height):
            self.box = (width, height)
            self._looks.clear()
            if self._shown:
                self._shown = False
                self.moved()

    # -- playing -----------------------------------------------------------------------------------------------------

    def play(self, how: Callable[[], None]) -> None:
        """Do something with the player and follow it with the playhead."""
        self.ensure()
        how()
        self.changed()

    def play_from(self, share: float) -> None:
        """Play from a part of the clip's length on."""
        self.ensure()
        moment = share * self.hearing.state.duration
        self.play(lambda: self.hearing.play(moment))

    def changed(self) -> None:
        """The player's state may be another: paint it, and go on painting while it moves."""
        self._painted()
        if self._frame is None and self.hearing.state.playing:
            self._frame = self._loop.call_later(FRAME, self._next_frame, context=self._context)

    def changed_elsewhere(self) -> None:
        """The same from any thread."""
        self._loop.call_soon_threadsafe(self.changed, context=self._context)

    def _next_frame(self) -> None:
        self._frame = None
        self.changed()

    def _stop_frames(self) -> None:
        if self._frame is not None:
            self._frame.cancel()
            self._frame = None

    @property
    def resting(self) -> bool:
        """Whether the cursor may still be moving on."""
        return self._later is not None

    @property
    def told(self) -> str:
        """Where the sound comes from, how to get it, or why there is none."""
        if self._shown and self.hearing.state.trouble:
            return self.hearing.state.trouble
        status = self.hearing.status
        return f"{status.text}: {status.hint}" if status.hint else status.text

    @property
    def short(self) -> str:
        """The same in a few words, where there is something else to say."""
        return self.hearing.status.text

    def close(self) -> None:
        self.hearing.changed = None
        self._stop_frames()
        if self._later is not None:
            self._later.cancel()

    # -- what to draw ------------------------------------------------------------------------------------------------

    def play_view(self) -> PlayView:
        if not self._shown:
            return PlayView(loop=self.hearing.loop, speed=self.hearing.state.speed, autoplay=self.hearing.autoplay)
        state = self.hearing.state
        return PlayView(state.position, state.duration, state.playing, state.loop, state.speed, state.autoplay)

    def media_view(self, look: Look, width: int, rows: int) -> MediaView:
        """`rows` lines of sound, `width` cells wide, and the thumbnails; empty while nothing is known yet."""
        if self._later is not None:
            return self._last  # a held key sends no pictures: those before stand until the cursor rests
        self._last = self._view(look, width, rows)
        return self._last

    def _view(self, look: Look, width: int, rows: int) -> MediaView:
        from captioner.review import drawing

        seen = self._looks.get(self._key) if self._shown else None
        if seen is None:
            return MediaView()
        if isinstance(seen, Trouble):
            return MediaView(trouble=seen.said)
        row = drawing.beside(seen.pictures)
        picture = () if row is None else half_blocks(row) if not look.plain else shades(row, look.style("wave"))
        if self.spectrogram and look.plain:
            return MediaView(wave=drawing.spectrogram_ascii(seen.bands, width, rows), picture=tuple(picture))
        if self.spectrogram:
            strips = half_blocks(drawing.spectrogram(seen.bands, width, rows))
            return MediaView(spectrogram=tuple(strips), picture=tuple(picture))
        draw = drawing.ascii_wave if look.ascii_only else drawing.braille
        return MediaView(wave=draw(seen.peaks, width, rows), picture=tuple(picture))
