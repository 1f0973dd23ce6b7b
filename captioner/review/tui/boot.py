"""The first page of a review: the standard library and the store, nothing else, so that it stands in a blink.

It paints what the whole screen will paint, while that is still being imported. Keys typed meanwhile stay in the
terminal's queue, unechoed, until the screen reads them (`driver`); the alternate screen is entered once only.
"""

from __future__ import annotations

import atexit
import sys
from contextlib import suppress
from typing import Any

ALTERNATE = "\x1b[?1049h"
LEAVE = "\x1b[0m\x1b[?25h\x1b[?1049l"


class FirstPage:
    """The painted page, until `hand_over`; before that, `close` gives the terminal back as it was."""

    def __init__(self) -> None:
        self.painted = False
        self.before: Any = None
        """The terminal's settings before ours."""

    def hand_over(self) -> FirstPage:
        """From now on somebody else restores the terminal."""
        atexit.unregister(self.close)
        return self

    def close(self) -> None:
        import termios

        if self.painted:
            _write(LEAVE)
            self.painted = False
        if self.before is not None:
            with suppress(termios.error):
                termios.tcsetattr(sys.__stdin__.fileno(), termios.TCSANOW, self.before)
        atexit.unregister(self.close)
