"""After a change of thousands: what speaks against each clip is found out while nobody types, a few clips at a time."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

from captioner.errors import CaptionerError

if TYPE_CHECKING:
    from textual.timer import Timer

    from captioner.review.tui.screens.review import ReviewScreen

EVERY = 0.03
"""Seconds between two looks..."""
FOR = 0.008
"""... and of one: a key waits no longer for it than for the screen to be drawn."""
FEW = 5
"""Clips between two looks at the clock."""


class Settling:
    """Wakes up only while something is left to do, and does nothing while somebody types into a field."""

    def __init__(self, screen: ReviewScreen) -> None:
        self.screen = screen
        self._timer: Timer | None = None

    @property
    def busy(self) -> bool:
        return self._timer is not None

    def begin(self) -> None:
        """Called after everything that may have left something to do."""
        desk = self.screen.read.desk
        if self._timer is None and not desk.read_only and desk.store.rows.stale(most=1):
            self._timer = self.screen.set_interval(EVERY, self._some)

    def _some(self) -> None:
        if self.screen.dispatch.state not in ("Browse", "Select"):
            return
        end = time.monotonic() + FOR
        try:
            while self.screen.read.desk.settle(most=FEW):
                if time.monotonic() > end:
                    return
        except (
            sqlite3.Error,
            CaptionerError,
        ):  # no room, or it is held by another: tried after the next action
            pass
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
