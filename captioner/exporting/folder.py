"""The folder of an export: beside `clips/`, made of links to its clips and of texts, known by a list of its own.

Nothing of a person's is lost: a text that was changed in it is put aside before it is written again, and a folder that
no export made is not touched.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from captioner.errors import UsageError
from captioner.trainers._files import Change

LIST = "export.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Listing:
    """What an export put into its folder."""

    clips: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Id -> place, what its media was made from, what its text was made from."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Place -> SHA-256 of what was written there."""
    media: tuple[str, ...] = ()
    """Places of clips and of sounds made for them."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the trainer was told."""


def read_listing(folder: Path) -> Listing | None:
    """What the last export put there; None where there is no such folder. Raises UsageError for a folder that is not
    an export's."""
    path = folder / LIST
    if not path.is_file():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder}: stands there and was made by no export; move it away or rename it")
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["version"] != VERSION:
            raise UsageError(f"{path}: written by another version of captioner; move {folder} away")
        listing = Listing(found["clips"], found["texts"], tuple(found["media"]), found["options"])
        places = [*listing.texts, *listing.media]
        if any(Path(place).is_absolute() or ".." in Path(place).parts for place in places):
            raise KeyError("a place outside the folder")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: damaged ({error}); move {folder} away and export again") from error
    return listing


def changed(before: Listing, now: Listing) -> Change:
    """How an export differs from the last."""
    both = [id_ for id_ in now.clips if id_ in before.clips]
    gone = tuple(id_ for id_ in before.clips if id_ not in now.clips)
    options = sorted({*before.options, *now.options})
    return Change(
        media=tuple(id_ for id_ in both if before.clips[id_]["media"] != now.clips[id_]["media"]),
        captions=tuple(id_ for id_ in both if before.clips[id_]["text"] != now.clips[id_]["text"]),
        gone=gone,
        places={id_: before.clips[id_]["place"] for id_ in gone},
        settings=tuple(name for name in options if before.options.get(name) != now.options.get(name)),
    )


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass(slots=True)
class Folder:
    """A folder while an export is written into it."""

    path: Path
    before: Listing | None
    copy: bool
    aside: list[str] = field(default_factory=list)
    """Texts that a person had changed there, and that were put aside."""
    _media: list[str] = field(default_factory=list)
    _texts: dict[str, str] = field(default_factory=dict)

    def fresh(self, place: str) -> Path:
        """Where a file of that place is made; what stood there is gone."""
        target = self.path / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        self._media.append(place)
        return target

    def stands(self, place: str) -> bool:
        """Whether a file that is made, not linked, is there; it then stays."""
        there = (self.path / place).is_file() and self.before is not None and place in self.before.media
        if there:
            self._media.append(place)
        return there

    def link(self, place: str, source: Path) -> None:
        """A second name for a clip; a copy where the file system has none."""
        target = self.path / place
        if not self.copy and target.exists() and target.samefile(source):
            self._media.append(place)
            return
        target = self.fresh(place)
        if not self.copy:
            try:
                os.link(source, target)
            except OSError:  # another file system, or one without links
                pass
            else:
                return
        shutil.copy2(source, target)

    def write(self, place: str, text: str) -> None:
        target = self.path / place
        target.parent.mkdir(parents=True, exist_ok=True)
        self._keep_edit(place, text)
        self._texts[place] = digest(text)
        if target.is_file() and target.read_bytes() == text.encode():
            return  # its time is what tells trainers' caches old from new
        scratch = target.with_name(f".{target.name}.part")
        scratch.write_bytes(text.encode())
        scratch.replace(target)

    def _keep_edit(self, place: str, text: str) -> None:
        target, known = self.path / place, (self.before.texts if self.before else {}).get(place)
        if not target.is_file():
            return
        found = hashlib.sha256(target.read_bytes()).hexdigest()[:20]
        if found not in (known, digest(text)):
            kept = self.path / "replaced" / place
            kept.parent.mkdir(parents=True, exist_ok=True)
            target.replace(kept)
            self.aside.append(place)

    def begin(self, places: Iterable[str]) -> None:
        """Say what will be put there before it is: what a stopped run leaves behind is then known to the next."""
        self.path.mkdir(parents=True, exist_ok=True)
        before = self.before or Listing()
        self._save(replace(before, media=tuple(dict.fromkeys([*before.media, *places]))))

    def strangers(self, listing: Listing) -> list[str]:
        """Files beside the clips that no export put there."""
        known = {*listing.media, *listing.texts}
        rooms = {Path(place).parent for place in listing.media}
        found = [path for room in sorted(rooms) for path in sorted((self.path / room).iterdir()) if path.is_file()]
        return [place for path in found if (place := path.relative_to(self.path).as_posix()) not in known]

    def finish(self, clips: Mapping[str, Mapping[str, str]], options: Mapping[str, Any]) -> Listing:
        """Take away what the last export put there and this one did not, and write the list."""
        if self.before is not None:
            for place in {*self.before.media, *self.before.texts} - {*self._media, *self._texts}:
                if place in self.before.texts:
                    self._keep_edit(place, "")
                (self.path / place).unlink(missing_ok=True)
        listing = Listing(clips, self._texts, tuple(dict.fromkeys(self._media)), options)
        self._save(listing)
        return listing

    def _save(self, listing: Listing) -> None:
        content = {
            "version": VERSION, "clips": listing.clips, "texts": listing.texts, "media": listing.media,
            "options": listing.options,
        }  # fmt: skip
        scratch = self.path / f".{LIST}.part"
        scratch.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        scratch.replace(self.path / LIST)
