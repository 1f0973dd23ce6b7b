"""One file over HTTP: taken up where it stopped, with time-outs and retries, checked by size and hash.

What came of a file is kept beside its place as `<hash>.incomplete`, over runs and reboots. Plain HTTP with ranges: the
hub serves every file that way, whatever else it offers, and nothing of it can fail in a library's background thread.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from captioner.models.hubfaults import Asked, HubFault, Kind, of_answer, of_error

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")

BLOCK = 1 << 20
PROGRESS = 1 << 18
"""Bytes that an attempt must bring to count as progress: a hub that gives a few at a time is given up."""

Tell = Callable[[int], None]
"""Told the bytes that are here now; fewer than before where a file begins anew."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a hub is waited for."""

    connect: float = 10.0
    """Seconds for a connection."""
    read: float = 30.0
    """Seconds without a byte."""
    tries: int = 5
    """Attempts in a row that bring nothing."""
    pause: float = 1.0
    """Seconds before the second attempt; each waits twice as long as the one before, at most 30 s."""

    def before(self, attempt: int, fault: HubFault) -> float:
        """Seconds to wait before attempt number `attempt`, which is 1 for the first retry."""
        if fault.wait is not None:
            return fault.wait
        return min(30.0, self.pause * 2.0 ** (attempt - 1)) * random.uniform(0.8, 1.2)  # noqa: S311


def client(patience: Patience) -> httpx2.Client:
    """A client for one fetch: proxies and certificates as the environment names them."""
    import httpx2

    timeout = httpx2.Timeout(patience.read, connect=patience.connect)
    try:
        return httpx2.Client(timeout=timeout, follow_redirects=True)
    except (ValueError, httpx2.InvalidURL) as error:
        raise HubFault(Kind.PROXY, f"the proxy in HTTPS_PROXY or HTTP_PROXY is no address: {error}") from error


def retried(once: Callable[[], T], patience: Patience, brought: Callable[[], int] = lambda: 0) -> T:
    """`once`, again while what fails may pass. `brought` counts bytes: progress starts the counting of tries anew.

    Raises HubFault; its sentence ends with the number of tries where there were several.
    """
    idle, total = 0, 0
    while True:
        before = brought()
        try:
            return once()
        except HubFault as fault:
            total += 1
            idle = 1 if brought() - before >= PROGRESS else idle + 1
            if not fault.passing or idle >= patience.tries:
                if total == 1:
                    raise
                raise HubFault(fault.kind, f"{fault} (tried {total} times)", fault.wait) from fault
            time.sleep(patience.before(idle, fault))


def ask(of: httpx2.Client, asked: Asked, url: str, headers: Mapping[str, str], most: int) -> bytes:
    """The body of a small answer. Raises HubFault, also for one of more than `most` bytes."""
    try:
        with of.stream("GET", url, headers=dict(headers)) as answer:
            if answer.status_code != 200:
                raise of_answer(asked, answer.status_code, answer.headers)
            body = bytearray()
            for piece in answer.iter_bytes(65536):
                body += piece
                if len(body) > most:
                    raise asked.fault(Kind.FOREIGN, detail=f"an answer of more than {most:,} bytes")
            return bytes(body)
    except HubFault:
        raise
    except _failures() as error:
        raise of_error(asked, error) from error


def peek(of: httpx2.Client, asked: Asked, url: str, headers: Mapping[str, str]) -> None:
    """Raises HubFault where a file would not be given. Reads nothing of it."""
    try:
        with of.stream("GET", url, headers={**headers, "Range": "bytes=0-0"}) as answer:
            if answer.status_code not in (200, 206, 416):
                raise of_answer(asked, answer.status_code, answer.headers)
    except HubFault:
        raise
    except _failures() as error:
        raise of_error(asked, error) from error


def download(
    of: httpx2.Client, asked: Asked, url: str, headers: Mapping[str, str], partial: Path, size: int | None,
    patience: Patience, tell: Tell,
) -> None:  # fmt: skip
    """The whole file in `partial`, which may hold the beginning of it already. Raises HubFault."""

    def brought() -> int:
        return partial.stat().st_size if partial.exists() else 0

    retried(lambda: _attempt(of, asked, url, headers, partial, size, tell), patience, brought)


def _attempt(
    of: httpx2.Client, asked: Asked, url: str, headers: Mapping[str, str], partial: Path, size: int | None, tell: Tell
) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    if size is not None and have > size:
        partial.unlink()
        have = 0
    if size is not None and have == size:
        if not size:
            partial.touch()
        tell(have)
        return
    # Unpacked by nobody on the way: a range and a size are of the file itself.
    given = {**headers, "Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with of.stream("GET", url, headers=given) as answer:
            if answer.status_code == 416:
                partial.unlink(missing_ok=True)
                raise asked.fault(Kind.PARTIAL, detail="the hub has less of it than came before; from the start")
            if answer.status_code not in (200, 206):
                raise of_answer(asked, answer.status_code, answer.headers)
            if answer.status_code == 206 and not answer.headers.get("content-range", "").startswith(f"bytes {have}-"):
                raise asked.fault(Kind.FOREIGN, detail="it sends another part of the file than was asked for")
            have = have if answer.status_code == 206 else 0
            have = _write(asked, answer, partial, have, size, tell)
    except HubFault:
        raise
    except _failures() as error:
        raise of_error(asked, error) from error
    if size is not None and have != size:
        raise asked.fault(Kind.PARTIAL, detail=f"{have:,} of {size:,} bytes")


def _write(asked: Asked, answer: httpx2.Response, partial: Path, have: int, size: int | None, tell: Tell) -> int:
    with partial.open("r+b" if have else "wb") as file:
        file.seek(have)
        for piece in answer.iter_bytes():  # as they come: what a larger block still waited for would be lost
            have += len(piece)
            if size is not None and have > size:
                file.close()
                partial.unlink(missing_ok=True)
                raise asked.fault(Kind.HASH, detail=f"more than its {size:,} bytes")
            file.write(piece)
            tell(have)
    return have


def verified(asked: Asked, partial: Path, *, sha256: str | None, git: str | None, size: int | None) -> None:
    """Raises HubFault and removes the file where it is not what the hub lists.

    `sha256` is of the bytes; `git` is git's own hash of a file, which counts a header with the length, too.
    """
    found = partial.stat().st_size
    if size is not None and found != size:
        partial.unlink()
        raise asked.fault(Kind.HASH, detail=f"{found:,} bytes instead of {size:,}")
    if sha256 is None and git is None:
        return
    digest = hashlib.sha256() if sha256 else hashlib.sha1(b"blob %d\0" % found, usedforsecurity=False)
    with partial.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    if digest.hexdigest() != (sha256 or git):
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
        raise asked.fault(
            Kind.HASH, detail=f"its hash is {digest.hexdigest()[:12]}..., expected {str(sha256 or git)[:12]}..."
        )


def _failures() -> tuple[type[Exception], ...]:
    import httpx2

    return (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError)
