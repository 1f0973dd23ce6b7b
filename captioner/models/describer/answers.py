"""What a server that speaks OpenAI's chat protocol answers: a description, or a fault with the way out of it.

Only what the protocol promises is relied on: `choices[0].message.content` and `finish_reason`, `usage` where it is
there, and of an error its status, `error.message`, `error.code` and `error.param` (vLLM, Ollama and others say less).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from captioner.captions.text import one_line
from captioner.models.describer.wording import plain, refused, whole_sentences
from captioner.models.protocols import Description

LONGEST_WAIT = 120.0
"""Seconds; a server that wants a longer pause is asked again by the next build."""
SLOWEST = 60.0
"""Seconds that the pauses of a row of failures grow to."""


@dataclass(frozen=True, slots=True)
class Fault:
    text: str
    """What is wrong and what to do."""
    again: bool = False
    """Whether the same question may be answered in a while."""
    after: float | None = None
    """Seconds to wait, where the server says."""
    everybody: bool = False
    """Whether no other question would be answered either."""
    refuses: str | None = None
    """The parameter that the server does not take."""


class _Part(msgspec.Struct):
    text: str = ""


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Of whom, for messages."""

    url: str
    model: str
    key_variable: str
    has_key: bool


def read_answer(body: bytes, asked: Asked) -> Description | Fault:
    """What a 200 holds."""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except msgspec.ValidationError as error:
        said = _said(body)[0]
        return Fault(f"{asked.url}: the answer is no chat completion ({said or error}); does base_url lead to one?")
    except (msgspec.DecodeError, UnicodeDecodeError):
        start = one_line(body[:80].decode("utf-8", "replace"))
        return Fault(f"{asked.url}: the answer is not JSON ({start!r}); base_url is the API's, usually ending in /v1")
    if not answer.choices:
        return Fault(f"{asked.model} gave no answer at all; run again, or choose another model")
    choice = answer.choices[0]
    content = choice.message.content or ""
    raw = content if isinstance(content, str) else " ".join(part.text for part in content)
    if choice.message.refusal or choice.finish_reason == "content_filter" or refused(raw):
        reason = one_line(choice.message.refusal or raw)[:120] or "filtered"
        return Fault(f"{asked.model} refused ({reason}); say it yourself with `visual`, or choose another model")
    text = plain(raw)
    if choice.finish_reason == "length":
        text = whole_sentences(text or "")
        if text is None:
            return Fault(f"{asked.model} was cut off before a sentence ended; raise max_tokens")
    if text is None:
        return Fault(
            f"{asked.model} said nothing of what is seen ({one_line(raw)[:80]!r}); run again, or change prompt"
        )
    usage = answer.usage or _Usage()
    return Description(text, usage.prompt_tokens, usage.completion_tokens)


def read_fault(status: int, body: bytes, retry_after: str | None, asked: Asked) -> Fault:
    """What a status other than 200 means."""
    message, code, param = _said(body)
    said = f"{status}: {message}" if message else f"HTTP status {status}"
    if status == 401:
        wrong = f"does not accept the key in {asked.key_variable}" if asked.has_key else "wants a key"
        return Fault(f"{asked.url} {wrong} ({said}); set {asked.key_variable} to a valid one", everybody=True)
    if status == 404:
        if asked.model.casefold() in message.casefold() or code == "model_not_found":
            way_out = "give describer_options model a name that the server lists"
            return Fault(f"{asked.url} has no model {asked.model!r} ({said}); {way_out}", everybody=True)
        return Fault(f"{asked.url} is not there ({said}); base_url usually ends in /v1", everybody=True)
    if status == 429 and code == "insufficient_quota":
        return Fault(f"{asked.url}: the account has no credit left ({said}); add some and run again", everybody=True)
    if status in (408, 425, 429) or status >= 500:
        wait = seconds_to_wait(retry_after, datetime.now(UTC))
        slower = "ask slower with a lower concurrency" if status == 429 else "run again when the server is well"
        return Fault(f"{asked.url} cannot answer now ({said}); {slower}", again=True, after=wait)
    if 300 <= status < 400:
        return Fault(f"{asked.url} leads elsewhere ({said}); give the address that it leads to", everybody=True)
    if status == 403:
        return Fault(f"{asked.url} forbids it ({said}); may this key use {asked.model} from here?")
    way_out = f"does {asked.model} take pictures, and are `extra`, `frames` and `side` what it allows?"
    return Fault(f"{asked.url} does not take the question ({said}); {way_out}", refuses=param)


def _said(body: bytes) -> tuple[str, str, str | None]:
    """Message, code and parameter of an error; empty where the server says none."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return one_line(body[:120].decode("utf-8", "replace")), "", None
    error = found.get("error", found) if isinstance(found, dict) else found
    if not isinstance(error, dict):
        return one_line(str(error))[:300], "", None
    message = error.get("message") or error.get("detail") or ""
    param = error.get("param")
    return one_line(str(message))[:300], str(error.get("code") or ""), param if isinstance(param, str) else None


def seconds_to_wait(header: str | None, now: datetime) -> float | None:
    """What a Retry-After header asks for: seconds, or a date (RFC 9110, 10.2.3). None where it cannot be read."""
    if header is None:
        return None
    try:
        if re.fullmatch(r"\s*\d+(\.\d*)?\s*", header, re.ASCII):
            return float(header)
        return max(0.0, (parsedate_to_datetime(header) - now).total_seconds())
    except (ValueError, TypeError):
        return None


def pause_before(attempt: int, base: float, after: float | None, roll: float) -> float:
    """Seconds to wait before trying again for the `attempt`-th time, from 1: twice as long each time.

    By chance (`roll`, 0 to 1) up to half shorter, so that those who failed together do not come back together; never
    sooner than the server asks for (`after`).
    """
    grown = min(SLOWEST, base * 2.0 ** (attempt - 1)) * (1 - roll / 2)
    return grown if after is None else after + min(grown, 1.0)
