"""Files of a hub's repositories, put where every library of the hub looks for them: its cache.

The cache's layout is the hub's own, as documented: `blobs/<hash>`, `refs/<revision>` with a commit, and
`snapshots/<commit>/<file>`, which leads to a blob. Nothing touches the network while the files are on this machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from captioner.models.hubfaults import Asked, HubFault, Kind, of_error
from captioner.models.hublisting import Listed, Listing, read_listing
from captioner.models.hubtransfer import Patience, ask, client, download, peek, retried, verified

if TYPE_CHECKING:
    import httpx2

SPARE = 64 << 20
"""Bytes that must stay free on the cache's disk."""
MOST_LISTING = 16 << 20
"""Bytes of a repository's listing."""
NAME_PATIENCE = 8.0
"""Seconds for the look-up of the hub's name, which has no time-out of its own."""

Tell = Callable[[str, int, int | None], None]
"""Told a file, the bytes of it that are here, and how many it has."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of one repository."""

    repository: str
    patterns: tuple[str, ...] = ("*",)
    """Files by name, with * and ?."""
    ignored: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    """Patterns of which each must find a file."""
    revision: str = "main"


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub and the cache of its files on this machine."""

    endpoint: str
    cache: Path
    token: str | None = field(default=None, repr=False)
    offline: bool = False
    patience: Patience = field(default_factory=Patience)

    @classmethod
    def known(cls, patience: Patience | None = None) -> Hub:
        """As the hub's own library is set up here: HF_ENDPOINT, HF_HOME, HF_TOKEN, HF_HUB_OFFLINE and so on."""
        from huggingface_hub import constants, get_token

        return cls(
            constants.ENDPOINT, Path(constants.HF_HUB_CACHE), get_token(), constants.HF_HUB_OFFLINE,
            patience or Patience(),
        )  # fmt: skip

    def asked(self, wanted: Wanted) -> Asked:
        return Asked(self.endpoint, wanted.repository, bool(self.token), self.cache, revision=wanted.revision)

    def folder(self, repository: str) -> Path:
        """Where the cache keeps a repository."""
        return self.cache / ("models--" + repository.replace("/", "--"))

    def headers(self) -> dict[str, str]:
        return {"User-Agent": "captioner"} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})


def fetch(wanted: Wanted, hub: Hub | None = None, tell: Tell = lambda *_: None) -> Path:
    """The folder with the files, fetched where they are not here yet. Raises HubFault, a WeightsMissing."""
    hub = hub or Hub.known()
    asked = hub.asked(wanted)
    if hub.offline:
        raise asked.fault(Kind.OFFLINE)
    _look_up(asked)
    with client(hub.patience) as connection:
        listing = list_files(wanted, hub, connection)
        try:
            prove_room(listing, wanted, hub)
            for file in listing.files:
                _file(file, listing.commit, wanted, hub, connection, tell)
            return _finished(listing, wanted, hub)
        except OSError as error:
            raise of_error(asked, error) from error


def trial(wanted: Wanted, hub: Hub) -> HubFault | None:
    """What would keep `fetch` from it, as far as the first byte of its smallest file tells; None where nothing does."""
    asked = hub.asked(wanted)
    try:
        if hub.offline:
            raise asked.fault(Kind.OFFLINE)
        _look_up(asked)
        with client(hub.patience) as connection:
            listing = list_files(wanted, hub, connection)
            prove_room(listing, wanted, hub)
            smallest = min(listing.files, key=lambda file: file.size or 2**60)
            url = f"{hub.endpoint}/{quote(wanted.repository)}/resolve/{listing.commit}/{quote(smallest.name)}"
            retried(lambda: peek(connection, replace(asked, file=smallest.name), url, hub.headers()), hub.patience)
    except HubFault as fault:
        return fault
    return None


def here(wanted: Wanted, hub: Hub | None = None) -> Path | None:
    """The folder where every needed file is on this machine; None otherwise. Touches no network."""
    hub = hub or Hub.known()
    folder = hub.folder(wanted.repository)
    try:
        commit = (folder / "refs" / wanted.revision).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        commit = wanted.revision
    snapshot = folder / "snapshots" / commit
    if not snapshot.is_dir():
        return None
    names = [path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()]
    found = all(any(fnmatch(name, need) for name in names) for need in wanted.needed or wanted.patterns)
    return snapshot if found and names else None


def list_files(wanted: Wanted, hub: Hub, connection: httpx2.Client) -> Listing:
    """The files that are wanted of what the hub has. Raises HubFault."""
    asked = hub.asked(wanted)
    url = f"{hub.endpoint}/api/models/{quote(wanted.repository)}/revision/{quote(wanted.revision, safe='')}?blobs=true"
    body = retried(lambda: ask(connection, asked, url, hub.headers(), MOST_LISTING), hub.patience)
    try:
        commit, files = read_listing(json.loads(body))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise asked.fault(Kind.FOREIGN, detail="its listing is no list of files") from error
    chosen = [
        file for file in files
        if any(fnmatch(file.name, one) for one in wanted.patterns)
        and not any(fnmatch(file.name, one) for one in wanted.ignored)
    ]  # fmt: skip
    for need in wanted.needed:
        if not any(fnmatch(file.name, need) for file in chosen):
            raise replace(asked, file=need).fault(Kind.NO_FILE)
    if not chosen:
        raise replace(asked, file=", ".join(wanted.patterns)).fault(Kind.NO_FILE)
    return Listing(commit, tuple(chosen))


def prove_room(listing: Listing, wanted: Wanted, hub: Hub) -> None:
    """Raises HubFault where what is still to come does not fit on the cache's disk, before a byte is fetched."""
    needed = sum(_missing(file, listing.commit, wanted, hub) for file in listing.files)
    if not needed:
        return
    free = shutil.disk_usage(_standing(hub.cache)).free
    if needed + SPARE > free:
        raise hub.asked(wanted).fault(
            Kind.DISK, detail=f"{needed / 1e6:,.0f} MB are still to come and {free / 1e6:,.0f} MB are free"
        )


def _missing(file: Listed, commit: str, wanted: Wanted, hub: Hub) -> int:
    folder = hub.folder(wanted.repository)
    if (folder / "snapshots" / commit / file.name).exists() or (folder / "blobs" / file.blob).exists():
        return 0
    partial = folder / "blobs" / f"{file.blob}.incomplete"
    return max(0, (file.size or 0) - (partial.stat().st_size if partial.exists() else 0))


def _standing(path: Path) -> Path:
    """The nearest folder above that is there."""
    return next(one for one in (path, *path.absolute().parents) if one.exists())


def _file(
    file: Listed, commit: str, wanted: Wanted, hub: Hub, connection: httpx2.Client, tell: Tell
) -> None:  # fmt: skip
    folder = hub.folder(wanted.repository)
    place, blob = folder / "snapshots" / commit / file.name, folder / "blobs" / file.blob
    if place.exists():
        return
    asked = replace(hub.asked(wanted), file=file.name)
    url = f"{hub.endpoint}/{quote(wanted.repository)}/resolve/{commit}/{quote(file.name)}"
    place.parent.mkdir(parents=True, exist_ok=True)
    blob.parent.mkdir(parents=True, exist_ok=True)
    with _alone(hub, wanted.repository, file.blob):
        partial = blob.with_name(f"{file.blob}.incomplete")

        def once() -> None:
            download(
                connection, asked, url, hub.headers(), partial, file.size, hub.patience,
                lambda done: tell(file.name, done, file.size),
            )  # fmt: skip
            verified(asked, partial, sha256=file.sha256, git=file.git, size=file.size)

        if not blob.exists():
            try:
                once()
            except HubFault as fault:
                if fault.kind is not Kind.HASH:
                    raise
                once()  # What was kept of an earlier run may have been spoilt: once more, from the start.
            partial.replace(blob)
        _lead(place, blob)


def _lead(place: Path, blob: Path) -> None:
    """Makes `place` lead to the blob: a link, or the file itself where there are no links."""
    with contextlib.suppress(FileExistsError):
        try:
            place.symlink_to(os.path.relpath(blob, place.parent))
        except FileExistsError:
            raise
        except OSError:
            blob.replace(place)


def _finished(listing: Listing, wanted: Wanted, hub: Hub) -> Path:
    """Only what is whole is named by its revision: an unfinished fetch is found by nobody."""
    folder = hub.folder(wanted.repository)
    if listing.commit != wanted.revision:
        ref = folder / "refs" / wanted.revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        aside = ref.with_name(f"{ref.name}.{os.getpid()}")
        aside.write_text(listing.commit, encoding="utf-8")
        aside.replace(ref)
    return folder / "snapshots" / listing.commit


@contextlib.contextmanager
def _alone(hub: Hub, repository: str, blob: str) -> Iterator[None]:
    """The lock that the hub's own library takes for the same file."""
    from huggingface_hub.utils._fixes import WeakFileLock

    folder = hub.cache / ".locks" / hub.folder(repository).name
    folder.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(folder / f"{blob}.lock"):
        yield


def _look_up(asked: Asked) -> None:
    """Raises HubFault where the hub's name is not known within NAME_PATIENCE seconds and no proxy looks it up."""
    import socket
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(asked.endpoint)
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host:
        raise asked.fault(Kind.FOREIGN, detail="HF_ENDPOINT must begin with https:// or http://")
    proxies = getproxies()
    if ("all" in proxies or parts.scheme in proxies) and not proxy_bypass(host):
        return
    failed: list[OSError] = []
    done = Event()

    def look() -> None:
        try:
            socket.getaddrinfo(host, parts.port or 443)
        except OSError as error:
            failed.append(error)
        done.set()

    Thread(target=look, name="captioner-name", daemon=True).start()
    if not done.wait(NAME_PATIENCE) or failed:
        raise asked.fault(Kind.NAME)
