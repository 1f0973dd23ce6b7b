"""A hub on this machine: speaks the protocol of a model hub over real HTTP, and fails as it is told to."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "1" * 40


@dataclass
class Repository:
    files: dict[str, bytes]
    gated: bool = False
    large: int = 1000
    """Bytes from which a file is kept by its SHA-256, as the hub's large files are."""


@dataclass
class FakeHub:
    repositories: dict[str, Repository] = field(default_factory=dict)
    tokens: tuple[str, ...] = ("good",)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path and Range of each request."""
    faults: list[Callable[[Answer], bool]] = field(default_factory=list)
    """Each is asked once for every request of a file; the first that answers True has answered the request."""
    listing_faults: list[Callable[[Answer], bool]] = field(default_factory=list)
    ranges: bool = True
    redirects: str | None = None
    """Another server's address: large files are answered by a redirect to it, as to a content network."""
    authorizations: list[str | None] = field(default_factory=list)
    endpoint: str = ""


class Answer(BaseHTTPRequestHandler):
    """One request."""

    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        return

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        hub = self.hub
        hub.asked.append((self.command, path, self.headers.get("Range")))
        hub.authorizations.append(self.headers.get("Authorization"))
        if path.startswith("/api/models/"):
            if hub.listing_faults and hub.listing_faults[0](self):
                return
            name, _, revision = path.removeprefix("/api/models/").partition("/revision/")
            self._list(name, revision)
        elif "/resolve/" in path:
            name, _, rest = path.strip("/").partition("/resolve/")
            self._resolve(name, rest.split("/", 1)[1])
        elif path.startswith("/blob/"):
            self._give(next(data for repo in hub.repositories.values() for data in repo.files.values()
                            if hashlib.sha256(data).hexdigest() == path.removeprefix("/blob/")))  # fmt: skip
        else:
            self.say(404)

    def say(self, status: int, body: bytes = b"", /, **headers: str) -> bool:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return True

    def fail(self, status: int, code: str = "") -> bool:
        return self.say(status, b"", **({"X_Error_Code": code} if code else {}))

    def _known(self, name: str) -> Repository | None:
        known = self.hub.repositories.get(name)
        if known is None:
            # A hub does not tell strangers which repositories there are.
            self.fail(401 if self.headers.get("Authorization") is None else 404, "RepoNotFound")
        return known

    def _list(self, name: str, revision: str) -> None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token and token not in self.hub.tokens:
            self.fail(401)
            return
        repository = self._known(name)
        if repository is None:
            return
        if revision not in ("main", COMMIT):
            self.fail(404, "RevisionNotFound")
            return
        listing: list[dict[str, Any]] = []
        for file, data in repository.files.items():
            entry: dict[str, Any] = {
                "rfilename": file, "size": len(data),
                "blobId": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest(),
            }  # fmt: skip
            if len(data) >= repository.large:
                entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
            listing.append(entry)
        self.say(200, json.dumps({"id": name, "sha": COMMIT, "siblings": listing}).encode())

    def _resolve(self, name: str, file: str) -> None:
        repository = self._known(name)
        if repository is None:
            return
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if repository.gated and token not in self.hub.tokens:
            self.fail(403 if token else 401, "GatedRepo")
            return
        data = repository.files.get(file)
        if data is None:
            self.fail(404, "EntryNotFound")
        elif self.hub.redirects and len(data) >= repository.large:
            self.say(302, Location=f"{self.hub.redirects}/blob/{hashlib.sha256(data).hexdigest()}")
        else:
            self._give(data)

    def _give(self, data: bytes) -> None:
        self.data = data
        if self.hub.faults and self.hub.faults.pop(0)(self):
            return
        start = self.begin()
        if start and start >= len(data):
            self.fail(416)
            return
        body = data[start:]
        if start:
            self.say(206, body, Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.say(200, body)

    def begin(self) -> int:
        """Where the asked range begins; 0 where ranges are not understood."""
        asked = self.headers.get("Range") if self.hub.ranges else None
        return int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0


def cut_at(count: int) -> Callable[[Answer], bool]:
    """The connection is lost after `count` bytes of what was asked."""

    def fault(answer: Answer) -> bool:
        start = answer.begin()
        body = answer.data[start:]
        answer.send_response(206 if start else 200)
        if start:
            answer.send_header("Content-Range", f"bytes {start}-{len(answer.data) - 1}/{len(answer.data)}")
        answer.send_header("Content-Length", str(len(body)))
        answer.end_headers()
        answer.wfile.write(body[:count])
        answer.wfile.flush()
        answer.close_connection = True
        return True

    return fault


def silent_after(count: int, seconds: float) -> Callable[[Answer], bool]:
    """Nothing comes after `count` bytes."""

    def fault(answer: Answer) -> bool:
        answer.send_response(200)
        answer.send_header("Content-Length", str(len(answer.data)))
        answer.end_headers()
        answer.wfile.write(answer.data[:count])
        answer.wfile.flush()
        time.sleep(seconds)
        answer.close_connection = True
        return True

    return fault


def status(code: int, **headers: str) -> Callable[[Answer], bool]:
    return lambda answer: answer.say(code, b"", **headers)


def other_bytes(answer: Answer) -> bool:
    """As many bytes as there should be, and others."""
    return answer.say(200, bytes(byte ^ 1 for byte in answer.data))


def fine(_: Answer) -> bool:
    return False


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """The hub, answering on a port of this machine."""
    handler = type("Handler", (Answer,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
