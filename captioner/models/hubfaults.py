"""Each way in which a hub fails to give a file, as one sentence with what to do next.

Facts of the protocol: `X-Error-Code` tells GatedRepo, RepoNotFound, RevisionNotFound and EntryNotFound apart; a hub
answers 401 for a repository that does not exist, too, as it will not say whether a stranger's private one does.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from captioner.errors import WeightsMissing

LONGEST_WAIT = 120.0
"""Seconds that a busy hub is waited for; one that asks for more is named and left."""
XET_VARIABLE = "HF_HUB_DISABLE_XET=1"


class Kind(StrEnum):
    """What went wrong."""

    OFFLINE = "offline"
    NAME = "name"
    REFUSED = "refused"
    PROXY = "proxy"
    CERTIFICATE = "certificate"
    SILENT = "silent"
    TOKEN = "token"  # noqa: S105
    GATED = "gated"
    FORBIDDEN = "forbidden"
    NO_REPOSITORY = "no repository"
    NO_REVISION = "no revision"
    NO_FILE = "no file"
    BUSY = "busy"
    DOWN = "down"
    DISK = "disk"
    DENIED = "denied"
    PARTIAL = "partial"
    HASH = "hash"
    FOREIGN = "foreign"
    XET = "xet"


PASSING = {Kind.NAME, Kind.REFUSED, Kind.SILENT, Kind.BUSY, Kind.DOWN, Kind.PARTIAL}
"""What may be over a moment later; all else is asked once."""


class HubFault(WeightsMissing):
    """A file could not be had of a hub. `str(error)` is the whole sentence."""

    def __init__(self, kind: Kind, sentence: str, wait: float | None = None) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.wait = wait
        """Seconds after which the hub asks to be asked again."""

    @property
    def passing(self) -> bool:
        """Whether asking again may help."""
        return self.kind in PASSING and (self.wait is None or self.wait <= LONGEST_WAIT)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of whom: what the sentences name."""

    endpoint: str
    """The hub's address, without a slash at its end."""
    repository: str
    """`owner/name`."""
    has_token: bool
    cache: Path
    file: str | None = None
    revision: str = "main"

    @property
    def page(self) -> str:
        """Where a person accepts its conditions."""
        return f"{self.endpoint}/{self.repository}"

    @property
    def tokens(self) -> str:
        """Where a person makes a token."""
        return f"{self.endpoint}/settings/tokens"

    def fault(self, kind: Kind, wait: float | None = None, detail: str = "") -> HubFault:
        """The sentence of a kind. `detail` is the numbers or the other's words."""
        sentence = _SENTENCES[kind].format(
            repository=self.repository, endpoint=self.endpoint, page=self.page, tokens=self.tokens, cache=self.cache,
            file=self.file or "a file", revision=self.revision, detail=detail or "no details",
            said=f" ({detail})" if detail else "", xet=XET_VARIABLE,
            token="the token was not accepted" if self.has_token else "no token is set",
        )  # fmt: skip
        return HubFault(kind, sentence, wait)


_LOGIN = "make a token at {tokens}, then set HF_TOKEN to it or run `hf auth login`"
_ROOM = "free some space, or set HF_HOME to a folder on a larger disk"
_SENTENCES: Mapping[Kind, str] = {
    Kind.OFFLINE: "{repository}: HF_HUB_OFFLINE is set, so nothing is fetched; unset it to fetch models",
    Kind.NAME: "the hub cannot be reached: the name in {endpoint} is not known here (no network, or DNS does not "
    "answer); check the connection, or set HF_ENDPOINT to a mirror that you can reach",
    Kind.REFUSED: "the hub cannot be reached: nothing answers at {endpoint}{said}; check the connection, a firewall, "
    "and HF_ENDPOINT",
    Kind.PROXY: "the hub cannot be reached: the proxy does not let {endpoint} through ({detail}); check HTTPS_PROXY "
    "and NO_PROXY",
    Kind.CERTIFICATE: "{endpoint} cannot be trusted ({detail}): a proxy that opens TLS, or a wrong clock; set "
    "SSL_CERT_FILE to your organisation's certificates, and check the date",
    Kind.SILENT: "the hub cannot be reached: {endpoint} took the connection and fell silent{said}; what came is kept, "
    "run again to go on",
    Kind.TOKEN: "{repository} is not given to strangers (401), and {token}; " + _LOGIN,
    Kind.GATED: "{repository} is free, but its makers ask who uses it, and {token}: accept its conditions at {page} "
    "with your account; " + _LOGIN,
    Kind.FORBIDDEN: "{repository}: your token may not read it (403{said}); give it the right to read the repositories "
    "that your account may, at {tokens}",
    Kind.NO_REPOSITORY: "{endpoint} has no {repository}, or your token may not see it; check the spelling on {page}",
    Kind.NO_REVISION: "{repository} has no revision {revision!r}; leave it away, or see {page}/tree/main",
    Kind.NO_FILE: "{repository} has no file {file!r}; see {page}/tree/{revision}",
    Kind.BUSY: "{endpoint} asks for fewer requests (429{said}); run again later, or log in: those with a token may "
    "ask more (HF_TOKEN, {tokens})",
    Kind.DOWN: "{endpoint} fails ({detail}): that is the hub's own trouble; what came is kept, run again later",
    Kind.DISK: "the disk is full: {repository} does not fit into {cache} ({detail}); " + _ROOM,
    Kind.DENIED: "{cache} cannot be written ({detail}); make it yours, or set HF_HOME to a folder that is",
    Kind.PARTIAL: "{file} of {repository} was cut short ({detail}); what came is kept, run again to go on",
    Kind.HASH: "{file} of {repository} is not what the hub lists ({detail}), so it was thrown away: a proxy that "
    "changes files, or a damaged mirror; fetch it over another connection, or unset HF_ENDPOINT",
    Kind.FOREIGN: "{endpoint} does not answer as a hub does ({detail}): a login page of the network, or a wrong "
    "HF_ENDPOINT; open it in a browser",
    Kind.XET: "{repository}: the Xet transfer failed ({detail}); `captioner fetch-models` does without Xet, and so "
    "do others with {xet} set",
}  # fmt: skip


_CODES = {
    "GatedRepo": Kind.GATED, "RepoNotFound": Kind.NO_REPOSITORY, "RevisionNotFound": Kind.NO_REVISION,
    "EntryNotFound": Kind.NO_FILE,
}  # fmt: skip


def of_answer(asked: Asked, status: int, headers: Mapping[str, str]) -> HubFault:
    """The fault in an answer that is neither 200 nor 206. `headers` find names however they are written."""
    code = headers.get("x-error-code", "")
    message = _line(headers.get("x-error-message", ""))
    if code in _CODES:
        return asked.fault(_CODES[code])
    if status in (301, 302, 303, 307, 308) or status < 300:
        return asked.fault(Kind.FOREIGN, detail=f"status {status}")
    if status == 407:
        return asked.fault(Kind.PROXY, detail="407, it wants a name and a password")
    if status == 429:
        wait = seconds_to_wait(headers)
        return asked.fault(Kind.BUSY, wait, f"wait {wait:,.0f} s" if wait else "")
    if status == 408 or status >= 500:
        return asked.fault(Kind.DOWN, seconds_to_wait(headers), f"status {status}")
    kind = {401: Kind.TOKEN, 403: Kind.FORBIDDEN, 404: Kind.NO_FILE if asked.file else Kind.NO_REPOSITORY}
    return asked.fault(kind.get(status, Kind.FOREIGN), detail=message or ("" if status == 403 else f"status {status}"))


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """What `Retry-After` asks for, or the `t=` of a `RateLimit` header; None where neither says."""
    plain = headers.get("retry-after", "").strip()
    if plain.isascii() and plain.isdigit() and len(plain) < 9:
        return float(plain)
    limited = re.search(r"\bt=(\d{1,8})\b", headers.get("ratelimit", ""))
    return float(limited[1]) if limited else None


def of_error(asked: Asked, error: BaseException) -> HubFault:
    """The fault behind an exception of a connection, of the disk, or of another library that fetches."""
    chain = list(_chain(error))
    for one in chain:
        if isinstance(one, HubFault):
            return one
        if isinstance(one, OSError) and one.errno in (errno.ENOSPC, errno.EDQUOT):
            return asked.fault(Kind.DISK, detail="no space left while writing")
        if isinstance(one, OSError) and (one.filename is not None or one.errno in (errno.EROFS, errno.EACCES)):
            return asked.fault(Kind.DENIED, detail=one.strerror or "no permission")
    xet = next((one for one in chain if is_xet(one)), None)
    if xet is not None:
        return asked.fault(Kind.XET, detail=_line(str(xet)))
    return asked.fault(_kind_of(chain), detail=_line(str(error)) or type(error).__name__)


def is_xet(error: BaseException) -> bool:
    """Whether an exception comes of the Xet transfer of huggingface_hub."""
    said = str(error).lower()
    return type(error).__name__ == "XetDownloadError" or any(mark in said for mark in _XET)


def _kind_of(chain: list[BaseException]) -> Kind:
    names = {base.__name__ for one in chain for base in type(one).__mro__}
    if "ProxyError" in names:
        return Kind.PROXY
    if any(isinstance(one, ssl.SSLCertVerificationError) for one in chain) or any(
        "CERTIFICATE_VERIFY_FAILED" in str(one) for one in chain
    ):
        return Kind.CERTIFICATE
    if any(isinstance(one, socket.gaierror) for one in chain):
        return Kind.NAME
    if any(mark in str(one).lower() for one in chain for mark in _UNKNOWN_NAME):
        return Kind.NAME
    if "TimeoutException" in names or any(isinstance(one, TimeoutError) for one in chain):
        return Kind.REFUSED if "ConnectTimeout" in names else Kind.SILENT
    if names & {"TooManyRedirects", "DecodingError", "UnsupportedProtocol", "InvalidURL"}:
        return Kind.FOREIGN
    if "ConnectError" in names or any(isinstance(one, ConnectionRefusedError) for one in chain):
        return Kind.REFUSED
    return Kind.PARTIAL


_XET = ("background writer channel closed", "data processing error", "cas service error", "xet")
_UNKNOWN_NAME = ("name or service not known", "temporary failure in name resolution", "nodename nor servname",
                 "getaddrinfo failed", "no address associated")  # fmt: skip


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came of, at most twenty of them."""
    seen: list[BaseException] = []
    now: BaseException | None = error
    while now is not None and now not in seen and len(seen) < 20:
        seen.append(now)
        yield now
        now = now.__cause__ or now.__context__


def _line(text: str) -> str:
    """The first line, printable, of at most 200 letters."""
    first = next(iter(text.strip().splitlines()), "")
    return "".join(letter if letter.isprintable() else "?" for letter in first)[:200]
