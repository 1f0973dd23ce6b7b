"""A program in a real pseudo-terminal, and what a terminal would show of it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyte


class Terminal:
    """Starts `command` in a terminal of `columns` x `lines`; `read` feeds what it sends to a screen."""

    def __init__(
        self, command: list[str], columns: int = 120, lines: int = 36, env: Mapping[str, str] | None = None
    ) -> None:
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.bytes = 0
        self.raw = b""
        self.started = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            around = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "", "LINES": "", **(env or {})}
            around = {name: value for name, value in around.items() if value}
            os.execvpe(command[0], command, around)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, quiet: float = 0.05, most: float = 10.0) -> bytes:
        """What comes until nothing came for `quiet` seconds."""
        got, end = b"", time.perf_counter() + most
        while time.perf_counter() < end:
            if not select.select([self.fd], [], [], quiet)[0]:
                break
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                break
            if not data:
                break
            got += data
            self.feed(data)
        return got

    def feed(self, data: bytes) -> None:
        """Show what came."""
        self.bytes += len(data)
        self.raw += data
        self.stream.feed(_known(data))

    def wait(self, wanted: str | Callable[[str], bool], most: float = 15.0) -> str:
        """The screen's text once it holds `wanted`. Raises AssertionError with the screen where it never does."""
        end = time.perf_counter() + most
        while True:
            text = self.text
            if wanted in text if isinstance(wanted, str) else wanted(text):
                return text
            if time.perf_counter() > end:
                raise AssertionError(f"{wanted!r} never came; the screen is\n{text}")
            self.read(quiet=0.02, most=0.2)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def send(self, keys: str | bytes) -> None:
        os.write(self.fd, keys.encode() if isinstance(keys, str) else keys)

    def resize(self, columns: int, lines: int) -> None:
        self.screen.resize(lines, columns)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def end(self, number: int = signal.SIGKILL) -> int:
        """Send a signal and wait; returns the wait status."""
        os.kill(self.pid, number)
        return self.over()

    def over(self, most: float = 15.0) -> int:
        """Wait until it has ended by itself; returns the wait status."""
        end = time.perf_counter() + most
        while time.perf_counter() < end:
            self.read(quiet=0.01, most=0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                self.pid = 0
                return status
        raise AssertionError(f"it goes on; the screen is\n{self.text}")

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.fd)
            self.pid = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _known(data: bytes) -> bytes:
    """Without the sequences that pyte takes for others: private `u` and `$p` queries."""
    for part in (b"\x1b[<u", b"\x1b[>25u", b"\x1b[?2026$p", b"\x1b[?2048$p", b"\x1b[?2026h", b"\x1b[?2026l"):
        data = data.replace(part, b"")
    return data


def captioner(*arguments: str | Path) -> list[str]:
    """The command as the console script runs it."""
    return [sys.executable, "-m", "captioner", *map(str, arguments)]
