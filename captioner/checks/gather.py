"""Gathers a View: the files of a dataset, the facts of its media (remembered), captions, listings, words."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from captioner.checks.keeping import Known, Memory, media_facts
from captioner.checks.listings import is_listing, read_listing
from captioner.checks.view import READS_LISTINGS, CaptionFile, ClipView, Listing, Media, Stray
from captioner.checks.walking import File, looked_up, walked
from captioner.errors import UsageError

MAY_READ = frozenset({None, "musubi", "wan"})
"""Whose captions may stand in a listing where none stands beside a clip; None: nobody said with what is trained."""
THREADS = 4
"""They wait for the disk more than they compute."""
_BATCH = 256
_MOST_TEXT = 1 << 20
"""Bytes: a longer file is no caption."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a person called the dataset, made out."""

    root: Path
    """The folder of clips."""
    listing: Path | None = None
    """The metadata file that was given."""
    store: Path | None = None
    """The `.captioner` folder that its clips came from."""


@dataclass(frozen=True, slots=True)
class Gathered:
    clips: tuple[ClipView, ...]
    strays: tuple[Stray, ...]
    listings: tuple[Listing, ...]


def place_of(dataset: Path) -> Place:
    """Raises UsageError where there is nothing of that name, or nothing that a dataset can be."""
    given = Path(os.path.abspath(dataset.expanduser()))  # noqa: PTH100  links stay as they are spelled
    if given.is_file():
        if given.suffix[1:].lower() not in ("json", "jsonl", "csv"):
            raise UsageError(
                f"{dataset}: give a folder of clips, a .json, .jsonl or .csv that lists them, or a trainer's config"
            )
        return Place(given.parent, given, _store_of(given.parent))
    if not given.is_dir():
        raise UsageError(f"{dataset}: no such file or folder; give a folder of clips and captions")
    if (given / ".captioner" / "store.sqlite").is_file() and (given / "clips").is_dir():
        return Place(given / "clips", None, given / ".captioner")
    return Place(given, None, _store_of(given))


def _store_of(folder: Path) -> Path | None:
    """The store of the captioner dataset that a folder stands in: an export, or its clips."""
    for above in [folder, *list(folder.parents)[:2]]:
        if (above / ".captioner" / "store.sqlite").is_file():
            return above / ".captioner"
    return None


def files_of(place: Place, trainer: str | None) -> list[File]:
    """Every file that is looked at."""
    if place.listing is None:
        return walked(place.root, hidden=trainer == "simpletuner")
    read = read_listing(place.listing, place.listing.name)
    named = [_resolved(record.media, place.root) for record in read.records if record.media]
    captions = [path.with_suffix(".txt") for path in named if path.name]
    return looked_up([place.listing, *named, *captions], place.root)


def _resolved(spelled: str, root: Path) -> Path:
    return Path(os.path.normpath(root / spelled.strip()))


def gathered(
    place: Place, files: Sequence[File], memory: Memory, trainer: str | None, named: Collection[str] = ()
) -> Gathered:  # fmt: skip
    """The clips with their facts; only files that changed since the last check are opened.

    `named`: file names of listings whose captions are read, whatever the trainer: its config names them.
    """
    kinds: dict[str, list[File]] = {"clip": [], "caption": [], "image": [], "listing": [], "other": []}
    for file in files:
        kinds[file.kind].append(file)
    facts = _media(kinds["clip"], place.root, memory)
    texts = {(file.folder, file.stem): file for file in kinds["caption"]}
    clips = [
        _clip(file, facts[file.name], texts.pop((file.folder, file.stem), None)) for file in kinds["clip"]
    ]  # fmt: skip
    if len(clips) != len({(clip.folder, clip.stem) for clip in clips}):  # two clips share a caption
        beside = {(file.folder, file.stem): file for file in kinds["caption"]}
        clips = [clip if clip.caption else _again(clip, beside) for clip in clips]
    listings = _listings(kinds["listing"], place, {clip.name for clip in clips})
    strays = [Stray(file.name, Path(file.path), "caption") for file in texts.values()]
    strays += [Stray(file.name, Path(file.path), "image") for file in kinds["image"]]
    known = {listing.name for listing in listings}
    other = [*kinds["other"], *(file for file in kinds["listing"] if file.name not in known)]
    strays += [Stray(file.name, Path(file.path), "other") for file in other]
    strays.sort(key=lambda stray: stray.name)
    read = listings if place.listing is not None or trainer in READS_LISTINGS else tuple(
        one for one in listings if one.path.name in named
    )  # fmt: skip
    told = _told(clips, read)
    if not read and trainer in MAY_READ:  # captions beside the clips come first
        bare = {clip.name for clip in told if clip.caption is None}
        told = _told(told, [replace(one, records=tuple(r for r in one.records if r.name in bare)) for one in listings])
    if trainer in READS_LISTINGS and (trained := {record.name for one in listings for record in one.records}):
        told = [clip for clip in told if clip.name in trained]  # no other is ever opened
    return Gathered(tuple(told), tuple(strays), listings)


def _clip(file: File, media: Media, caption: File | None) -> ClipView:
    return ClipView(
        file.name, Path(file.path), media, file.size, file.mtime_ns, _caption(caption) if caption else None
    )  # fmt: skip


def _again(clip: ClipView, beside: Mapping[tuple[str, str], File]) -> ClipView:
    file = beside.get((clip.folder, clip.stem))
    return replace(clip, caption=_caption(file)) if file else clip


def _caption(file: File) -> CaptionFile:
    if file.size > _MOST_TEXT:
        return CaptionFile(file.name, None, error="larger than 1 MiB: no caption")
    try:
        with open(file.path, "rb") as opened:  # noqa: PTH123  20,000 of them
            data = opened.read()
    except OSError as error:
        return CaptionFile(file.name, None, error=f"cannot be read ({error.strerror})")
    return parse_caption(file.name, data)


def parse_caption(name: str, data: bytes) -> CaptionFile:
    """Pure: what the bytes of a caption file say."""
    bom = data.startswith(b"\xef\xbb\xbf")
    try:
        return CaptionFile(name, data.decode("utf-8-sig"), bom)
    except UnicodeDecodeError:
        kind = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "not UTF-8"
        return CaptionFile(name, None, bom, f"its bytes are {kind}")


def _media(files: Sequence[File], root: Path, memory: Memory) -> dict[str, Media]:
    """Facts by name: remembered ones, and the others read side by side."""
    from captioner.checks.probing import probed

    known = media_facts(memory, root)
    keys: dict[str, Known] = {file.name: (file.name, file.size, file.mtime_ns) for file in files}
    facts = {name: known[key] for name, key in keys.items() if key in known}
    fresh = [file for file in files if file.name not in facts]
    same: dict[Media, Media] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        for first in range(0, len(fresh), _BATCH):
            batch = fresh[first : first + _BATCH]
            found = [same.setdefault(one, one) for one in pool.map(probed, [Path(file.path) for file in batch])]
            facts.update(zip((file.name for file in batch), found, strict=True))
            memory.keep(root, "media", zip((keys[file.name] for file in batch), found, strict=True))
    gone = [name for name, _, _ in known if name not in keys]
    if gone:
        memory.keep(root, "media", (), gone)
    return facts


def _listings(files: Sequence[File], place: Place, clips: set[str]) -> tuple[Listing, ...]:
    found = []
    for file in files:
        if place.listing is None and "/" in file.name:
            continue  # metadata stands at the top; deeper ones belong to something else
        read = read_listing(Path(file.path), file.name)
        if Path(file.path) == place.listing or is_listing(read):
            found.append(_joined(read, place.root, clips))
    return tuple(found)


def _joined(listing: Listing, root: Path, clips: set[str]) -> Listing:
    """The listing, each record with the clip that it means."""
    records = []
    for record in listing.records:
        name = None
        if record.media:
            path = _resolved(record.media, root)
            spelled = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
            name = spelled if spelled in clips else None
        records.append(replace(record, name=name))
    return replace(listing, records=tuple(records))


def _told(clips: Sequence[ClipView], listings: Sequence[Listing]) -> list[ClipView]:
    """The clips with the captions that the listings give them: the last row wins."""
    said = {
        record.name: record.caption
        for listing in listings for record in listing.records
        if record.name is not None and record.caption is not None
    }  # fmt: skip
    bare = {record.name for listing in listings for record in listing.records if record.name} - said.keys()
    return [
        replace(clip, listed=said[clip.name]) if clip.name in said
        else replace(clip, caption=None) if clip.name in bare  # nobody reads the .txt beside it
        else clip
        for clip in clips
    ]  # fmt: skip
