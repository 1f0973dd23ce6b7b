"""Serves the browser tab: on this machine's loopback alone, to who knows the token, and to pages of its own only.

What it gives out: one page, its script and style, a stream of commands, the sound and the film of the clip that is
loaded. Nothing is found by path: media have numbers.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import secrets
import socket
import struct
import threading
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, Protocol
from urllib.parse import parse_qs, urlsplit

from captioner.types import CLIP_RATE

PORTS = (*range(8765, 8775), 0)
"""Tried in this order: the first is what the printed `ssh -L` line names."""

BEAT = 15.0
"""Seconds after which an idle stream says that it is alive, and finds out whether the tab is."""

_PAGE = {"": ("tab.html", "text/html"), "tab.js": ("tab.js", "text/javascript"), "tab.css": ("tab.css", "text/css")}
_BLOCK = 1 << 16
_MOST = 4096
"""Bytes that a tab may say at once."""

_SHIELD = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Source(Protocol):
    """What the server asks."""

    def opened(self, tab: str, commands: SimpleQueue[str | None]) -> None:
        """A tab listens: commands are put there, None ends it."""

    def gone(self, tab: str) -> None: ...

    def told(self, message: dict[str, Any]) -> None:
        """Something that a tab says."""

    def wave(self, number: int, first: float, last: float) -> bytes | None:
        """A WAV of a stretch of a clip's sound, seconds; None where it is not the one that is loaded."""

    def film_of(self, number: int) -> Path | None: ...


class TabServer:
    """Listens from the beginning; `close` it."""

    def __init__(self, source: Source, ports: Iterable[int] = PORTS) -> None:
        self.token = secrets.token_hex(16)
        self._http = _bound(source, self.token, ports)
        self.port: int = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(60.0,), name="tab", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    def close(self) -> None:
        ending = threading.Thread(target=self._http.shutdown, daemon=True)
        ending.start()
        while ending.is_alive():  # it sleeps until somebody knocks
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
            ending.join(0.02)
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = os.name != "nt"  # there it would let another program take the port over

    def __init__(self, port: int, source: Source, token: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.source, self.token = source, token

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A tab that closes its connection is no error, and the terminal belongs to the review."""


def _bound(source: Source, token: str, ports: Iterable[int]) -> _Http:
    trouble: OSError | None = None
    for port in ports:
        try:
            return _Http(port, source, token)
        except OSError as error:
            trouble = error
    raise trouble or OSError("no port was given")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120
    server: _Http
    server_version = "captioner"
    sys_version = ""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name that the base has
        """The terminal belongs to the review."""

    def do_GET(self) -> None:
        place = self._admitted()
        if place is None:
            return
        path, query = place
        if path in _PAGE:
            name, kind = _PAGE[path]
            self._bytes((Path(__file__).parent / "tab" / name).read_bytes(), f"{kind}; charset=utf-8")
        elif path == "nothing.wav":
            self._bytes(wave_file(bytes(CLIP_RATE)), "audio/wav")
        elif path == "events":
            self._events(query.get("tab", [""])[0])
        elif found := re.fullmatch(r"sound/(\d{1,9})\.wav", path):
            self._wave(int(found[1]), query)
        elif found := re.fullmatch(r"film/(\d{1,9})\.mp4", path):
            self._film(int(found[1]))
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        place = self._admitted()
        if place is None:
            return
        length = self.headers.get("Content-Length", "")
        if place[0] != "told" or not length.isdigit() or int(length) > _MOST:
            self.close_connection = True  # what it sent is not read
            self._refuse(HTTPStatus.NOT_FOUND if place[0] != "told" else HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        try:
            message = json.loads(self.rfile.read(int(length)))
        except ValueError:
            message = None
        if not isinstance(message, dict):
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        self.server.source.told(message)
        self._head(HTTPStatus.NO_CONTENT, {})

    def _admitted(self) -> tuple[str, dict[str, list[str]]] | None:
        """What is asked for, behind the token; None where the question was refused."""
        host = self.headers.get("Host", "")
        name = re.sub(r":\d+$", "", host)
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site", "none")
        opening = self.headers.get("Sec-Fetch-Mode") == "navigate" and self.headers.get("Sec-Fetch-Dest") == "document"
        if name not in ("127.0.0.1", "localhost") or origin not in (None, f"http://{host}"):
            self._refuse(HTTPStatus.FORBIDDEN)  # a name that was made to point here, or another page
            return None
        if site not in ("same-origin", "none") and not opening:
            self._refuse(HTTPStatus.FORBIDDEN)
            return None
        parts = urlsplit(self.path)
        token, slash, path = parts.path.removeprefix("/").partition("/")
        if not slash or not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self._refuse(HTTPStatus.NOT_FOUND)
            return None
        return path, parse_qs(parts.query)

    def _refuse(self, status: HTTPStatus) -> None:
        if self.command == "POST":
            self.close_connection = True
        self._head(status, {"Content-Length": "0"})

    def _head(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**_SHIELD, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    # -- media -------------------------------------------------------------------------------------------------------

    def _wave(self, number: int, query: dict[str, list[str]]) -> None:
        try:
            first, last = float(query["from"][0]), float(query["to"][0])
        except (KeyError, ValueError):
            first = last = math.nan
        wave = self.server.source.wave(number, first, last) if math.isfinite(first + last) else None
        if wave is None:
            self._refuse(HTTPStatus.NOT_FOUND)
        else:
            self._bytes(wave, "audio/wav")

    def _film(self, number: int) -> None:
        path = self.server.source.film_of(number)
        try:
            if path is None:
                raise FileNotFoundError
            with path.open("rb") as file:
                self._ranged(file, path.stat().st_size, "video/mp4")
        except FileNotFoundError:
            self._refuse(HTTPStatus.NOT_FOUND)

    def _bytes(self, body: bytes, kind: str) -> None:
        self._ranged(io.BytesIO(body), len(body), kind)

    def _ranged(self, file: IO[bytes], size: int, kind: str) -> None:
        """The whole, or the one range that is asked for."""
        first, last, status = 0, size - 1, HTTPStatus.OK
        headers = {"Content-Type": kind, "Accept-Ranges": "bytes"}
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "").strip())
        if found and (found[1] or found[2]):
            if found[1]:
                first, last = int(found[1]), min(int(found[2] or last), last)
            else:
                first = max(0, size - int(found[2]))
            if first > last:
                headers |= {"Content-Range": f"bytes */{size}", "Content-Length": "0"}
                self._head(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers)
                return
            status = HTTPStatus.PARTIAL_CONTENT
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        self._head(status, headers | {"Content-Length": str(last + 1 - first)})
        if self.command == "HEAD":
            return
        file.seek(first)
        left = last + 1 - first
        while left > 0 and (block := file.read(min(_BLOCK, left))):
            self.wfile.write(block)
            left -= len(block)

    # -- commands ----------------------------------------------------------------------------------------------------

    def _events(self, tab: str) -> None:
        commands: SimpleQueue[str | None] = SimpleQueue()
        self.close_connection = True
        self._head(HTTPStatus.OK, {"Content-Type": "text/event-stream", "Connection": "close"})
        self.server.source.opened(tab, commands)
        try:
            while True:
                try:
                    command = commands.get(timeout=BEAT)
                except Empty:
                    self.wfile.write(b": here\n\n")
                    continue
                if command is None:
                    return
                self.wfile.write(f"data: {command}\n\n".encode())
        except OSError:
            return
        finally:
            self.server.source.gone(tab)


def wave_file(pcm: bytes) -> bytes:
    """A WAV of int16 stereo samples at 48 kHz."""
    shape = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, CLIP_RATE, CLIP_RATE * 4, 4, 16)
    return struct.pack("<4sI4s", b"RIFF", 36 + len(pcm), b"WAVE") + shape + struct.pack("<4sI", b"data", len(pcm)) + pcm
