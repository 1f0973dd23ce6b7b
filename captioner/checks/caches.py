"""Finds the caches of trainers and says whose they are: by names alone, nothing is opened here.

ltx, id-lora   .precomputed/{latents,conditions,audio_latents,...}/<media path, its suffix replaced>.pt
ai-toolkit     _latent_cache/<stem>_<hash>.safetensors and _t_e_cache/ beside the clips
musubi         <stem>_<start>-<frames>_<W>x<H>_ltx2.safetensors, _ltx2_audio and _ltx2_te
simpletuner    <sha256 of the stem>.pt
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from captioner.checks.view import ClipView

LTX_FOLDERS = (
    "latents", "conditions", "audio_latents", "reference_latents", "reference_audio_latents", "video_masks",
    "audio_masks",
)  # fmt: skip
"""Of the official trainer and of ID-LoRA; a sample must have a file of its name in each that the run is told to use."""
NAMES = (".precomputed", "_latent_cache", "_t_e_cache")
MOST_FILES = 2_000_000
_HEX = re.compile(r"[0-9a-f]{64}")
_AIT = re.compile(r"(?P<stem>.+)_(?P<hash>[^_]+)")
_MUSUBI = re.compile(r"(?P<stem>.+?)(?:_(?P<start>\d{5})-(?P<frames>\d{3,}))?_(?P<width>\d{4,})x(?P<height>\d{4,})")
_LEFTOVER = re.compile(r"\.tmp(\.[\w-]+)?$|\.tmp\.|\.partial$|\.incomplete$")
MUSUBI_ROLES = {"_ltx2": "video", "_ltx2_audio": "audio", "_ltx2_te": "text"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One cached file."""

    path: Path
    name: str
    """As findings call it: the cache's folder and the path in it."""
    key: str
    """What it is found by: the path without suffix in an LTX folder, else the clip's stem (SimpleTuner: a hash)."""
    mtime_ns: int
    size: int
    role: str = ""
    """LTX: the folder; musubi: video, audio or text; ai-toolkit: latent or text."""
    start: int | None = None
    """Frame at which a musubi item begins."""
    frames: int | None = None
    """Frames of a musubi item."""


@dataclass(frozen=True)
class Caches:
    """All that was found under some folders."""

    ltx: Mapping[str, Mapping[str, Mapping[str, Entry]]] = field(default_factory=dict)
    """Root -> folder -> key -> file. A folder that is there and empty is there, too."""
    ai_toolkit: tuple[Entry, ...] = ()
    musubi: tuple[Entry, ...] = ()
    simpletuner: tuple[Entry, ...] = ()
    leftovers: tuple[Entry, ...] = ()

    @cached_property
    def kinds(self) -> frozenset[str]:
        """Trainers whose caches are here."""
        found = {"ltx": self.ltx, "ai-toolkit": self.ai_toolkit, "musubi": self.musubi, "simpletuner": self.simpletuner}
        return frozenset(name for name, entries in found.items() if entries)


def find_caches(root: Path) -> tuple[Path, ...]:
    """Folders under a dataset that hold caches by their usual names. Does not look into them."""
    found: list[Path] = []
    for folder, inner, files in os.walk(root):
        here = Path(folder)
        found.extend(here / name for name in sorted(inner) if name in NAMES)
        musubi = any(file.endswith(tuple(f"{end}.safetensors" for end in MUSUBI_ROLES)) for file in files)
        if musubi or any(_HEX.fullmatch(file.removesuffix(".pt")) for file in files if file.endswith(".pt")):
            found.append(here)
            inner[:] = []
        inner[:] = sorted(name for name in inner if name not in NAMES and not name.startswith(".git"))
    return tuple(found)


def read_caches(folders: Sequence[Path]) -> Caches:
    """Every cached file under these folders, each once."""
    ltx: dict[str, dict[str, dict[str, Entry]]] = {}
    lists: dict[str, list[Entry]] = {"ai-toolkit": [], "musubi": [], "simpletuner": [], "leftovers": []}
    seen: set[str] = set()
    for given in folders:
        top = _top(given)
        for path, state in _files(top):
            if str(path) in seen:
                continue
            seen.add(str(path))
            shown = f"{top.name}/{path.relative_to(top).as_posix()}" if path != top else path.name
            kind, entry = _entry(path, shown, state)
            if kind == "ltx":
                root, folder = _ltx_place(path) or ("", "")
                key = path.relative_to(Path(root) / folder).with_suffix("").as_posix()
                ltx.setdefault(root, {}).setdefault(folder, {})[key] = _with(entry, key, folder)
            elif kind:
                lists[kind].append(entry)
        for root, folder in _empty_folders(top, ltx):
            ltx[root].setdefault(folder, {})
    kinds = ("ai-toolkit", "musubi", "simpletuner", "leftovers")
    return Caches(ltx, *(tuple(sorted(lists[kind], key=lambda one: one.name)) for kind in kinds))


def _top(given: Path) -> Path:
    """The folder to walk: the whole of a cache of which a part was named."""
    return given.parent if given.name in LTX_FOLDERS and (given.parent / "latents").is_dir() else given


def _empty_folders(top: Path, ltx: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for root in ltx:
        if Path(root).is_relative_to(top) or Path(root) == top:
            yield from ((root, name) for name in LTX_FOLDERS if (Path(root) / name).is_dir())


def _files(top: Path) -> Iterator[tuple[Path, os.stat_result]]:
    count = 0
    for folder, inner, files in os.walk(top):
        inner.sort()
        for name in sorted(files):
            path = Path(folder, name)
            try:
                state = path.stat()
            except OSError:
                continue
            count += 1
            if count > MOST_FILES:
                return
            yield path, state


def _entry(path: Path, shown: str, state: os.stat_result) -> tuple[str, Entry]:
    """Whose it is, and the file; ("", ...) for what is no cache."""
    entry = Entry(path, shown, path.stem, state.st_mtime_ns, state.st_size)
    if _LEFTOVER.search(path.name):
        return "leftovers", entry
    if path.suffix == ".pt":
        if _ltx_place(path):
            return "ltx", entry
        return ("simpletuner", entry) if _HEX.fullmatch(path.stem) else ("", entry)
    if path.suffix != ".safetensors":
        return "", entry
    for end, role in MUSUBI_ROLES.items():
        if path.stem.endswith(end):
            return "musubi", _musubi(entry, path.stem.removesuffix(end), role)
    kind = {"_latent_cache": "latent", "_t_e_cache": "text"}.get(path.parent.name)
    found = _AIT.fullmatch(path.stem)
    return ("ai-toolkit", _with(entry, found["stem"], kind)) if kind and found else ("", entry)


def _musubi(entry: Entry, stem: str, role: str) -> Entry:
    found = _MUSUBI.fullmatch(stem)
    if found is None:
        return _with(entry, stem, role)
    start, frames = found["start"], found["frames"]
    return Entry(
        entry.path, entry.name, found["stem"], entry.mtime_ns, entry.size, role,
        int(start) if start else None, int(frames) if frames else None,
    )  # fmt: skip


def _with(entry: Entry, key: str, role: str) -> Entry:
    return Entry(entry.path, entry.name, key, entry.mtime_ns, entry.size, role)


def _ltx_place(path: Path) -> tuple[str, str] | None:
    """The cache's root and the folder in it; None for files elsewhere. The outermost such folder counts."""
    parts = path.parts[:-1]
    for index, part in enumerate(parts):
        if part in LTX_FOLDERS and (index == 0 or parts[index - 1] == ".precomputed"):
            return str(Path(*parts[:index])), part
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] in LTX_FOLDERS:
            return str(Path(*parts[:index])), parts[index]
    return None


@dataclass(frozen=True)
class ByPlace:
    """Finds the clip of an LTX file: its key is the clip's path from the metadata's folder, which may be any above."""

    clips: Sequence[ClipView]

    @cached_property
    def _by_stem(self) -> Mapping[str, list[tuple[tuple[str, ...], ClipView]]]:
        found: dict[str, list[tuple[tuple[str, ...], ClipView]]] = {}
        for clip in self.clips:
            parts = clip.path.with_suffix("").parts
            found.setdefault(parts[-1], []).append((parts, clip))
        return found

    def clip(self, key: str) -> ClipView | None:
        """The clip that the key names; None where there is none. A key of two clips names the first."""
        parts = PurePosixPath(key).parts
        if not parts:
            return None
        for whole, clip in self._by_stem.get(parts[-1], ()):
            if whole[-len(parts) :] == parts:
                return clip
        return None


def by_stem(clips: Iterable[ClipView]) -> dict[str, list[ClipView]]:
    """Clips by their stem: what all but LTX find them by."""
    found: dict[str, list[ClipView]] = {}
    for clip in clips:
        found.setdefault(clip.stem, []).append(clip)
    return found


def hashed(stem: str) -> str:
    """What SimpleTuner calls the cache of a clip."""
    return hashlib.sha256(stem.encode()).hexdigest()
