"""The application: one screen, one look, the driver that takes over from the first page."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, ClassVar

from captioner.review.keymap import Keymap
from captioner.review.tui.driver import driver_class
from captioner.review.tui.look import Look

os.environ.setdefault("ESCDELAY", "25")  # read when Textual is imported: a lone escape is waited for no longer

from rich.console import RenderableType
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.binding import BindingType
from textual.screen import Screen

from captioner.review.tui.screens.review import ReviewScreen
from captioner.review.tui.wire import Lean, Wire

if TYPE_CHECKING:
    from captioner.review.desk import Desk
    from captioner.review.hearing import Hearing
    from captioner.review.tui.boot import FirstPage


class ReviewApp(App[str], inherit_bindings=False):
    """Ends with how it was left: `write`, `leave`, or `hangup` where the terminal went away."""

    CSS_PATH = "review.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(
        self,
        desk: Desk,
        hearing: Hearing,
        look: Look,
        page: FirstPage | None = None,
        keys: Keymap | None = None,
    ) -> None:
        super().__init__(driver_class=driver_class(page, self._forget_shown), ansi_color=True)
        self.desk = desk
        self.hearing = hearing
        self.keys = keys or Keymap()
        self.look = look
        self.environ: Mapping[str, str] = os.environ
        self.when_it_stands: Callable[[], None] = lambda: None
        self._wire = Wire()
        self._here: Context | None = None
        """Where callbacks from outside run, once it stands."""
        self.wear(look)

    def wear(self, look: Look) -> None:
        """Take another look."""
        self.look = look
        theme = look.theme()
        self.register_theme(theme)
        self.theme = theme.name

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Textual's own, but only what differs from the terminal goes over the wire."""
        update = Lean(renderable, self._wire) if isinstance(renderable, CompositorUpdate) else renderable
        super()._display(screen, update)

    def get_default_screen(self) -> ReviewScreen:
        return ReviewScreen(self.desk, self.hearing, self.look, self.keys)

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        self._here = copy_context()
        loop.set_exception_handler(self._failed)
        if not self.is_headless:
            for number in (signal.SIGHUP, signal.SIGTERM) if hasattr(signal, "SIGHUP") else ():
                loop.add_signal_handler(number, self._hang_up)

    def _failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A fault in a timer or a thread's answer is a fault, not a line in a log that nobody reads."""
        error = context.get("exception")
        if isinstance(error, Exception):
            self._handle_exception(error)

    def _forget_shown(self) -> None:
        """The terminal was another's: nothing of ours is known to stand on it, and all of it is painted again."""
        self._wire = Wire()
        if self._here is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(lambda: self.refresh(layout=True), context=self._here)

    def _hang_up(self) -> None:
        """The terminal went away: what stands in an editor is kept, then it ends."""
        screen = self.screen
        if isinstance(screen, ReviewScreen):
            screen.keep_typed()
        self.exit("hangup", return_code=129)

    def send_raw(self, sequence: str) -> None:
        """A sequence that draws nothing, such as a text for the clipboard."""
        if self._driver is not None and not self.is_headless:
            self._driver.write(sequence)

    @contextmanager
    def terminal_given(self) -> Iterator[None]:
        """The terminal belongs to somebody else meanwhile; afterwards everything is painted again."""
        if self.is_headless:
            yield
            return
        with self.suspend():
            yield
        self.screen.refresh(layout=True)

    def open_keys(self) -> None:
        """The screen stands: from now on the driver reads what was typed, from the first key on."""
        self.when_it_stands()
        ready: Any = getattr(self._driver, "ready", None)
        if ready is not None:
            ready.set()
