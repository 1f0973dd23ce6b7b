"""A server that speaks OpenAI's chat protocol, with its faults, on this machine; and views to show it."""

from __future__ import annotations

import json
import threading
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np

from captioner.models.protocols import View

MODEL = "tiny-vision"


@dataclass(frozen=True)
class Request:
    """A question that arrived."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def pictures(self) -> list[Any]:
        """Each decoded: uint8 (height, width, 3), RGB."""
        found = []
        for part in self.body["messages"][0]["content"]:
            if part["type"] == "image_url":
                kind, data = part["image_url"]["url"].split(",", 1)
                assert kind == "data:image/jpeg;base64"
                found.append(
                    cv2.imdecode(np.frombuffer(b64decode(data, validate=True), np.uint8), cv2.IMREAD_COLOR_RGB)
                )
        return found

    @property
    def question(self) -> str:
        return " ".join(part["text"] for part in self.body["messages"][0]["content"] if part["type"] == "text")


@dataclass(frozen=True)
class Reply:
    """What is answered; `after` is waited for first, `cut` breaks the connection in the middle of the body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    after: threading.Event | None = None
    cut: bool = False


def says(text: str | None, finish: str = "stop", **message: Any) -> Reply:
    """A chat completion."""
    content = {"role": "assistant", "content": text, **message}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [{"index": 0, "message": content, "finish_reason": finish}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050},
    }
    return Reply(200, json.dumps(body).encode())


def fails(status: int, message: str = "", code: str | None = None, param: str | None = None, **headers: str) -> Reply:
    """An error as the protocol has it."""
    error = {"message": message, "type": "error", "code": code, "param": param}
    return Reply(status, json.dumps({"error": error}).encode(), {k.replace("_", "-"): v for k, v in headers.items()})


class Server:
    """Answers each question by `answer(request, number)`, number counting from 0. Use it in a `with`."""

    def __init__(self, answer: Callable[[Request, int], Reply]) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer._handle(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """A client that left is no fault of a test."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handle(self, http: BaseHTTPRequestHandler) -> None:
        body = json.loads(http.rfile.read(int(http.headers["Content-Length"])))
        request = Request(http.path, {name.lower(): value for name, value in http.headers.items()}, body)
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            self._reply(http, self.answer(request, number))
        finally:
            with self._lock:
                self._now -= 1

    @staticmethod
    def _reply(http: BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.after is not None:
            reply.after.wait(10)
        http.send_response(reply.status)
        for name, value in reply.headers.items():
            http.send_header(name, value)
        http.send_header("Content-Length", str(len(reply.body)))
        http.end_headers()
        http.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
        if reply.cut:
            http.wfile.flush()
            http.close_connection = True


def jpeg(colour: tuple[int, int, int], size: tuple[int, int] = (64, 48)) -> bytes:
    """One colour, RGB, all over."""
    picture = np.full((size[1], size[0], 3), colour[::-1], np.uint8)
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())


def view(name: str, *colours: tuple[int, int, int], size: tuple[int, int] = (64, 48)) -> View:
    """A clip of single-coloured frames, red where none is given."""
    frames = tuple(jpeg(colour, size) for colour in colours or [(200, 20, 20)])
    return View(name, frames, tuple(float(number) for number in range(len(frames))), size)
