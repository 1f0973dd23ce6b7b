"""Any endpoint that speaks OpenAI's chat protocol: vLLM, Ollama, llama.cpp, or a hosted model.

The key is read from the environment when it is used; it is never stored, shown, or part of a result's key.
"""

from __future__ import annotations

import os
import random
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from captioner.errors import DescriberDown, DescriptionError, SettingsError
from captioner.models.describer.answers import LONGEST_WAIT, Asked, Fault, pause_before, read_answer, read_fault
from captioner.models.describer.looking import Looking, check
from captioner.models.describer.workers import at_once
from captioner.models.protocols import Describer, Description, View

if TYPE_CHECKING:
    import httpx2

VERSION = "1"

HOSTED = "https://api.openai.com/v1"
GIVE_UP = 5
"""Clips in a row that get no answer before the others are not asked: a server that hangs would cost hours."""
MOST_BYTES = 4_000_000
"""Of an answer; more is no chat completion."""
OTHERWISE: Mapping[str, str | None] = {"max_tokens": "max_completion_tokens", "temperature": None}
"""What newer hosted models refuse, and what they take instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Looking):
    model: str = ""
    """As the server names it. Needed."""
    base_url: str = HOSTED
    """Without `/chat/completions`: http://localhost:8000/v1 for vLLM, http://localhost:11434/v1 for Ollama."""
    key_variable: str = "OPENAI_API_KEY"
    """The environment variable that holds the key; a server of your own needs none."""
    timeout: float = 120.0
    """Seconds for one answer, from its first byte sent to its last received."""
    retries: int = 4
    """How often a question is asked again where the server is busy, failing or silent."""
    backoff: float = 1.0
    """Seconds before the first of them; each waits twice as long as the one before."""
    concurrency: int = 4
    """Questions under way at a time."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the request besides ours: {temperature: 0.7, top_p: 0.9}; null takes one of ours away."""

    def __post_init__(self) -> None:
        Looking.__post_init__(self)
        if not isinstance(self.model, str) or not self.model.strip():
            raise SettingsError("describer openai: no model; give describer_options: {model: the server's name for it}")
        if not isinstance(self.key_variable, str) or not self.key_variable.replace("_", "a").isidentifier():
            # Not shown: it may be the key itself.
            raise SettingsError("describer_options: key_variable is the name of an environment variable, not a key")
        check("timeout", self.timeout, 0.01)
        check("retries", self.retries, 0, 20, whole=True)
        check("backoff", self.backoff, 0)
        check("concurrency", self.concurrency, 1, 64, whole=True)
        if not isinstance(self.extra, Mapping):
            raise SettingsError("describer_options: extra is a mapping, such as {temperature: 0.7}")
        _check_url(self.base_url)

    @property
    def who(self) -> str:
        return f"{self.model} at {self.base_url}"

    @property
    def url(self) -> str:
        """Of the questions."""
        return f"{self.base_url.rstrip('/').removesuffix('/chat/completions')}/chat/completions"


def _check_url(url: object) -> None:
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError("describer_options: base_url is an address such as http://localhost:8000/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise SettingsError(
            "describer_options: base_url holds a name, a password or a query; a key belongs into the environment"
        )


def ready(options: Options) -> None:
    """Raises SettingsError where there is no key that could be sent to a server that wants one."""
    _key(options)


def load(options: Options) -> Describer:
    """Raises as `ready`. The server is not asked before there is a picture to see."""
    return Chat(options, _key(options))


def _key(options: Options) -> str:
    key = os.environ.get(options.key_variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise SettingsError(f"{options.key_variable}: holds no key: there are marks in it that no key has")
    if not key and options.base_url == HOSTED:
        raise SettingsError(
            f"describer openai: no key; set {options.key_variable}, or base_url to a server of your own"
        )
    return key


class Chat:
    """`pause` waits so many seconds, or until the event is set."""

    def __init__(self, options: Options, key: str, pause: Callable[[Event, float], object] = Event.wait) -> None:
        self._options, self._key, self._pause = options, key, pause

    def describe(self, views: Iterable[View]) -> Iterator[tuple[View, Description | DescriptionError]]:
        import httpx2

        limits = httpx2.Limits(max_connections=self._options.concurrency)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        stop = Event()
        with httpx2.Client(timeout=self._options.timeout, limits=limits, headers=headers) as client:
            desk = _Desk(client, self._options, self._key, stop, self._pause)
            yield from at_once(desk.answer, views, self._options.concurrency, stop)


class _Desk:
    """Asks; shared by the workers of one run."""

    def __init__(
        self, client: httpx2.Client, options: Options, key: str, stop: Event, pause: Callable[[Event, float], object]
    ) -> None:
        self._client, self._options, self._key, self._stop, self._pause = client, options, key, stop, pause
        self._asked = Asked(options.url, options.model, options.key_variable, bool(key))
        self._lock = Lock()
        self._refused: frozenset[str] = frozenset()
        self._down: DescriberDown | None = None
        self._in_a_row = 0
        self._answered = False

    def answer(self, view: View) -> Description | DescriptionError:
        if self._down is not None:
            return self._down
        outcome = self._insist(view)
        with self._lock:
            if isinstance(outcome, Description):
                self._in_a_row, self._answered = 0, True
                return outcome
            self._in_a_row += 1
            text = outcome.text.replace(self._key, "***") if self._key else outcome.text
            if outcome.everybody:
                self._down = DescriberDown(text)
                return self._down
            if self._in_a_row >= GIVE_UP:
                self._down = DescriberDown(f"{GIVE_UP} clips in a row had no description, the last because: {text}")
            return DescriptionError(text)

    def _insist(self, view: View) -> Description | Fault:
        """The answer, or the last fault after all retries."""
        attempt = 0
        while True:
            refused = self._refused
            outcome = self._once(self._body(view, refused))
            if isinstance(outcome, Description):
                return outcome
            if (name := outcome.refuses) in OTHERWISE and name is not None and name not in refused:
                self._refused = refused | {name}
                continue
            attempt += 1
            if not outcome.again or attempt > self._options.retries or self._stop.is_set():
                return outcome
            wait = pause_before(attempt, self._options.backoff, outcome.after, random.random())  # noqa: S311  jitter
            if wait > LONGEST_WAIT:
                return outcome
            self._pause(self._stop, wait)

    def _body(self, view: View, refused: frozenset[str]) -> dict[str, Any]:
        pictures = [
            {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{b64encode(frame).decode()}"}}
            for frame in view.frames
        ]
        content = [*pictures, {"type": "text", "text": self._options.question}]
        ours: dict[str, Any] = {"max_tokens": self._options.max_tokens, "temperature": 0}
        for name in refused:
            value, instead = ours.pop(name), OTHERWISE[name]
            if instead is not None:
                ours[instead] = value
        messages = [{"role": "user", "content": content}]
        body = {"model": self._options.model, "messages": messages, "stream": False} | ours | dict(self._options.extra)
        return {name: value for name, value in body.items() if value is not None}

    def _once(self, body: dict[str, Any]) -> Description | Fault:
        import httpx2

        url = self._options.url
        try:
            status, retry_after, data = self._post(body)
        except httpx2.ConnectError as error:
            # A server that has answered may be starting again; one that never has is not there.
            return Fault(f"nothing answers at {url} ({error}); is the server running there?",
                         again=self._answered, everybody=not self._answered)  # fmt: skip
        except httpx2.TimeoutException:
            limit = f"{self._options.timeout:g} s"
            return Fault(f"{url} gave no answer within {limit}; raise timeout, or lower concurrency", again=True)
        except httpx2.RequestError as error:
            return Fault(f"the connection to {url} broke ({error}); run again when the server is well", again=True)
        if status == 200:
            return read_answer(data, self._asked)
        return read_fault(status, data, retry_after, self._asked)

    def _post(self, body: dict[str, Any]) -> tuple[int, str | None, bytes]:
        """Status, Retry-After and body. The whole answer has one time-out, not each of its packets."""
        import httpx2

        deadline = time.monotonic() + self._options.timeout
        data = bytearray()
        with self._client.stream("POST", self._options.url, json=body) as response:
            for chunk in response.iter_bytes():
                data += chunk
                if time.monotonic() > deadline:
                    raise httpx2.ReadTimeout("too slow")
                if len(data) > MOST_BYTES:
                    raise httpx2.ReadError(f"more than {MOST_BYTES:,} bytes")
            return response.status_code, response.headers.get("retry-after"), bytes(data)
