"""Textual's own driver for terminals, told of the first page.

It takes over without leaving the alternate screen, reads no key before the screen can act on it, asks for clicks only
(not for every movement of a mouse) and sleeps while nothing happens.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from codecs import getincrementaldecoder
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from captioner.review.tui.boot import ALTERNATE, FirstPage

if TYPE_CHECKING:
    from textual.driver import Driver


def driver_class(page: FirstPage | None, began: Callable[[], object] = bool) -> type[Driver] | None:
    """The driver that takes over from `page`; `began` is called whenever it takes the terminal. None where Textual's
    own choice for this system is right."""
    if sys.platform == "win32":
        return None
    return _make(page, began)


def _make(page: FirstPage | None, began: Callable[[], object]) -> type[Driver]:
    from textual._xterm_parser import XTermParser
    from textual.drivers.linux_driver import LinuxDriver

    class Waking(threading.Event):
        """An event that also ends a `select`, so that nothing needs to look at it ten times a second."""

        def __init__(self) -> None:
            super().__init__()
            self.reader, self.writer = os.pipe()

        def set(self) -> None:
            super().set()
            os.write(self.writer, b"x")

        def clear(self) -> None:
            while select.select([self.reader], [], [], 0)[0]:
                os.read(self.reader, 64)
            super().clear()

    class TakeOver(LinuxDriver):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.exit_event: Waking = Waking()
            self.ready = threading.Event()
            self._page = page

        def start_application_mode(self) -> None:
            began()
            super().start_application_mode()  # type: ignore[no-untyped-call]
            if self._page is not None:
                self.attrs_before = self._page.before or self.attrs_before
                self._page.hand_over()

        def write(self, data: str) -> None:
            if data == ALTERNATE and self._page is not None and self._page.painted:
                return
            super().write(data)

        def _enable_mouse_support(self) -> None:
            if self._mouse:
                self.write("\x1b[?1000h\x1b[?1006h")
                self.flush()

        def _enable_mouse_pixels(self) -> None:
            pass

        def run_input_thread(self) -> None:
            """Keys wait in the terminal's own queue until the screen is there, so none is lost."""
            self.ready.wait()
            parser = XTermParser(self._debug)
            decode = getincrementaldecoder("utf-8")("replace").decode
            while not self.exit_event.is_set():
                # only a lone escape needs the clock: it may be the beginning of a longer sequence
                pause = 0.01 if parser._timeout_time is not None else None
                found, _, _ = select.select([self.fileno, self.exit_event.reader], [], [], pause)
                if self.fileno in found:
                    try:
                        data = os.read(self.fileno, 4096)
                    except OSError:
                        data = b""
                    if not data:  # the terminal is gone
                        os.kill(os.getpid(), signal.SIGHUP)
                        return
                    for message in parser.feed(decode(data)):
                        self.process_message(message)
                for message in parser.tick():
                    self.process_message(message)

        def disable_input(self) -> None:
            self.ready.set()
            super().disable_input()

    return TakeOver
