"""Gathers the facts: packages tried in child processes, disks, the hub, the terminal. All I/O of the doctor is here."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.doctor.facts import Disk, Driver, Facts, HubFacts, Outcome, Remote, Tried
from captioner.doctor.probe import MARK, PROBES
from captioner.doctor.surroundings import memory, terminal

if TYPE_CHECKING:
    from captioner.fetchcli import Item
    from captioner.settings import Settings

PATIENCE = 90.0
"""Seconds for one package: torch alone may take half a minute from a cold network disk."""
AT_ONCE = 2
MODEL_SIZES: Mapping[str, int] = {
    "tiny": 76_000_000, "base": 146_000_000, "small": 485_000_000, "medium": 1_530_000_000,
    "large-v1": 3_090_000_000, "large-v2": 3_090_000_000, "large-v3": 3_090_000_000, "large": 3_090_000_000,
    "turbo": 1_620_000_000, "large-v3-turbo": 1_620_000_000, "distil-large-v3": 1_520_000_000,
    "distil-large-v3.5": 1_520_000_000, "ast": 347_000_000, "ced": 344_000_000, "onnx": 42_000_000,
    "pyannote": 40_000_000,
}  # fmt: skip
"""Bytes to fetch of a model, roughly."""
OTHER_MODEL = 2_000_000_000
MEDIA_GROWTH = 1.5
"""Clips are H.264 at high quality: seldom more than this many times what their sources take."""
STORE = 200_000_000
TEMPORARY = 500_000_000


def gather(
    settings: Settings, inputs: Sequence[Path] = (), out: Path | None = None, *, network: bool = True
) -> Facts:  # fmt: skip
    """Everything. Takes some ten seconds: each package is imported in a process of its own."""
    names = list(PROBES)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        tried = dict(zip(names, pool.map(attempt, names), strict=True))
    driver = _driver(tried.pop("driver"))
    items = list(_items(settings))
    hub = hub_facts(items, network=network)
    versions, unmet = installed()
    return Facts(
        sys.platform, os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", ""),
        (sys.version_info[0], sys.version_info[1]), versions, unmet, driver, cublas(), tried,
        tuple(disks(inputs, out, hub, items)), hub, terminal(), os.cpu_count() or 1, memory(), wants(settings),
    )  # fmt: skip


def attempt(name: str, patience: float = PATIENCE, command: Sequence[str] | None = None) -> Tried:
    """One package in a child process."""
    line = list(command or [sys.executable, "-m", "captioner.doctor.probe", name])
    try:
        done = subprocess.run(
            line, capture_output=True, text=True, errors="replace", timeout=patience, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return Tried(Outcome.HUNG, f"no answer in {patience:.0f} s")
    except OSError as error:
        return Tried(Outcome.FAILED, f"Python cannot be started: {error}")
    marked = [one for one in done.stdout.splitlines() if one.startswith(MARK)]
    if not marked:
        return Tried(Outcome.CRASHED, _death(done.returncode, done.stderr))
    answer = json.loads(marked[-1].removeprefix(MARK))
    if answer.get("absent"):
        return Tried(Outcome.ABSENT)
    if "failed" in answer:
        return Tried(Outcome.FAILED, answer["failed"])
    return Tried(Outcome.FINE, facts=answer["facts"])


def _death(code: int, said: str) -> str:
    import signal

    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")
    with contextlib.suppress(ValueError):
        if code < 0:
            return f"{signal.Signals(-code).name}{': ' + last if last else ''}"[:300]
    return f"exit code {code}{': ' + last if last else ''}"[:300]


def _driver(tried: Tried) -> Driver | None:
    if tried.outcome is Outcome.FINE:
        facts = tried.facts
        return Driver(facts.get("version"), facts.get("cuda"), tuple(facts.get("gpus", ())), facts.get("trouble", ""))
    if tried.outcome is Outcome.FAILED and "cannot open shared object" in tried.said:
        return None
    if sys.platform != "linux" and tried.outcome is Outcome.FAILED:
        return None  # no such library, in the system's own words
    return Driver(trouble=tried.said)


def cublas() -> dict[int, str]:
    """The library of each CUDA generation that can be found, wheels first."""
    from captioner.models.cuda import GENERATIONS, folders

    found: dict[int, str] = {}
    for folder in folders():
        for generation in GENERATIONS:
            path = folder / f"libcublas.so.{generation}"
            if generation not in found and path.is_file():
                found[generation] = str(path)
    return found


def installed() -> tuple[dict[str, str], tuple[tuple[str, str, str], ...]]:
    """Versions by normalised name, and the requirements of captioner and of what it needs that are not met."""
    from importlib.metadata import Distribution, distributions

    known: dict[str, Distribution] = {}
    for one in distributions():
        name = one.metadata["Name"]
        if name:
            known.setdefault(_normal(name), one)
    versions = {name: str(one.version) for name, one in known.items()}
    unmet: list[tuple[str, str, str]] = []
    todo, seen = ["captioner"], set()
    while todo:
        package = todo.pop()
        if package in seen or package not in known:
            continue
        seen.add(package)
        for name, text, met in _requirements(known[package].requires or (), versions):
            todo.append(name)
            if not met:
                unmet.append((package, text, versions.get(name, "")))
    return versions, tuple(unmet)


def _requirements(lines: Sequence[str], versions: Mapping[str, str]) -> Iterator[tuple[str, str, bool]]:
    """(name, requirement, whether it is met) of those that hold here without an extra."""
    try:
        from packaging.requirements import InvalidRequirement, Requirement
        from packaging.version import InvalidVersion
    except ImportError:
        return
    for line in lines:
        try:
            one = Requirement(line)
            if one.marker is not None and not one.marker.evaluate({"extra": ""}):
                continue
            name = _normal(one.name)
            have = versions.get(name)
            yield (
                name,
                f"{one.name}{one.specifier}",
                have is not None and one.specifier.contains(have, prereleases=True),
            )
        except (InvalidRequirement, InvalidVersion):
            continue


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def wants(settings: Settings) -> frozenset[str]:
    """Packages of the gpu extra that the settings choose."""
    chosen: set[str] = set()
    if settings.diarizer == "pyannote":
        chosen |= {"torch", "torchaudio", "pyannote.audio"}
    if settings.tagger in ("ast", "ced") or settings.describer == "transformers" or settings.aligner == "ctc":
        chosen |= {"torch", "transformers"}
    return frozenset(chosen)


def _items(settings: Settings) -> Iterator[Item]:
    from captioner.errors import UsageError
    from captioner.fetchcli import ITEMS, of_settings

    for role, name in of_settings(settings):
        with contextlib.suppress(UsageError):
            yield ITEMS[role](name)


def hub_facts(items: Sequence[Item], *, network: bool) -> HubFacts:
    """The hub's set-up, and what it says of each model that the settings need and that is not here."""
    from huggingface_hub import constants

    from captioner.models.fetching import Hub, here, trial
    from captioner.models.hubtransfer import Patience

    hub = Hub.known(Patience(connect=6, read=10, tries=2, pause=0.5))
    remotes = []
    for item in items:
        if item.wanted is None:
            continue
        found = bool(item.found) or here(item.wanted, hub) is not None
        ask = network and not hub.offline and not found
        fault = trial(item.wanted, hub) if ask else None
        role, _, name = item.name.partition(" ")
        remotes.append(Remote(
            item.name, item.wanted.repository, found, ask, str(fault.kind) if fault else "", str(fault or ""),
            f"--{role} {name}",
        ))  # fmt: skip
    xet = Path(constants.HF_XET_CACHE)
    return HubFacts(
        constants.ENDPOINT, constants.HF_HOME, str(hub.cache), bool(hub.token), hub.offline,
        _has_xet() and not constants.HF_HUB_DISABLE_XET, str(xet), _size_of(xet, "*"), writable(xet),
        _size_of(hub.cache, "*.incomplete"), tuple(remotes),
    )  # fmt: skip


def _has_xet() -> bool:
    from importlib.util import find_spec

    return find_spec("hf_xet") is not None


def _size_of(folder: Path, pattern: str) -> int:
    total = 0
    for path in folder.rglob(pattern) if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            total += 0 if path.is_symlink() else path.stat().st_size
    return total


def writable(folder: Path) -> bool:
    """Whether a file can really be made there, or a folder where it is to be. Leaves nothing behind."""
    place = standing(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False


def standing(path: Path) -> Path:
    """The nearest folder above that is there."""
    return next((one for one in (path, *path.absolute().parents) if one.is_dir()), Path("/"))


def disks(inputs: Sequence[Path], out: Path | None, hub: HubFacts, items: Sequence[Item]) -> Iterator[Disk]:
    """Every place that the work writes to, with what it will need there."""
    from platformdirs import user_cache_path

    media = sum(_media_size(path) for path in inputs)
    target = out or (Path(f"{inputs[0]}_dataset") if inputs else Path.cwd())
    missing = {remote.name for remote in hub.remotes if not remote.here}
    models = sum(
        MODEL_SIZES.get(item.name.split()[-1], OTHER_MODEL) for item in items if item.wanted and item.name in missing
    )
    yield _disk("dataset", target, int(media * MEDIA_GROWTH) + (STORE if media else 0), "--out")
    yield _disk("models", Path(hub.cache), models, "HF_HOME")
    yield _disk("captioner's cache", user_cache_path("captioner"), 0, "XDG_CACHE_HOME")
    yield _disk("temporary files", Path(tempfile.gettempdir()), TEMPORARY, "TMPDIR")
    if hub.xet:
        yield _disk("Xet's cache", Path(hub.xet_cache), 0, "HF_XET_CACHE")


def _disk(purpose: str, path: Path, needed: int, variable: str) -> Disk:
    place = standing(path)
    inodes = None
    if hasattr(os, "statvfs"):
        state = os.statvfs(place)
        inodes = state.f_favail if state.f_files else None
    return Disk(
        purpose, str(path), shutil.disk_usage(place).free, needed, place.stat().st_dev, writable(path), variable, inodes
    )


def _media_size(path: Path) -> int:
    from captioner.media.discover import EXTENSIONS

    files = (one for one in path.rglob("*") if one.suffix[1:].lower() in EXTENSIONS) if path.is_dir() else (path,)
    total = 0
    for file in files:
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total
