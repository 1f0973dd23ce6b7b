"""K01 to K04: caches of the official LTX trainer and of ID-LoRA.

No caption and no hash of the source is stored in them: only file times can tell what is old.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from captioner.checks.caches import ByPlace, Entry
from captioner.checks.findings import Finding
from captioner.checks.rules import ERROR, rule, rules_in
from captioner.checks.torchfiles import Stored, read_values
from captioner.checks.view import READS_LISTINGS, View
from captioner.errors import BadFormat, UsageError
from captioner.trainers._buckets import GROUP
from captioner.trainers._files import names as first_of
from captioner.trainers._window import LATENT_STEP

AGAIN = "run process_dataset.py again with --overwrite (ID-LoRA: delete the folder first)"
LENGTHS_DIFFER = 2 * LATENT_STEP
"""Seconds between picture and sound of a sample."""


def ltx_caches(view: View) -> Mapping[str, Mapping[str, Mapping[str, Entry]]]:
    """Nothing where another trainer is asked about: it would not read them."""
    return view.cached.ltx if view.trainer is None or view.is_for(*READS_LISTINGS) else {}


def listed(names: Iterable[str]) -> str:
    """`a, b and 12 more`."""
    return first_of(sorted(names))


@rule(
    "K01", ERROR, "an LTX cache is older than what it was made from", needs="caches",
    cost="the trainer learns the old picture, sound or caption: a rerun skips what is there", advice=AGAIN,
)  # fmt: skip
def old_ltx(view: View) -> Iterator[Finding]:
    places = ByPlace(view.clips)
    for folders in ltx_caches(view).values():
        for folder in ("latents", "audio_latents", "reference_latents", "reference_audio_latents"):
            for key, entry in folders.get(folder, {}).items():
                clip = places.clip(key)
                if clip is not None and clip.mtime_ns > entry.mtime_ns and not folder.startswith("reference"):
                    yield old_ltx.finding(entry.name, older(clip.name, clip.mtime_ns, entry))
        yield from _old_conditions(view, places, folders.get("conditions", {}))


def _old_conditions(view: View, places: ByPlace, entries: Mapping[str, Entry]) -> Iterator[Finding]:
    """Against the metadata file, which is what the trainer reads; against the clip's caption where there is none."""
    newest = {one.name: (one.path.stat().st_mtime_ns, one) for one in view.listings if one.path.is_file()}
    told: dict[str, list[Entry]] = {}
    for key, entry in entries.items():
        clip = places.clip(key)
        if clip is None:
            continue
        naming = [time for time, one in newest.values() if any(record.name == clip.name for record in one.records)]
        if naming:
            if max(naming) > entry.mtime_ns:
                source = next(name for name, (time, _) in newest.items() if time == max(naming))
                told.setdefault(source, []).append(entry)
        elif clip.caption is not None and (time := _time(view.root / clip.caption.name)) > entry.mtime_ns:
            yield old_ltx.finding(entry.name, older(clip.caption.name, time, entry))
    for source, old in told.items():
        whole = f"{len(old)} of {len(entries)} conditions are older than it"
        yield old_ltx.finding(source, f"{whole}: {listed(one.key for one in old)}")


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def older(source: str, mtime_ns: int, entry: Entry) -> str:
    """`older than take1.mp4 by 3 hours`."""
    seconds = (mtime_ns - entry.mtime_ns) / 1e9
    sizes = ((86_400, "days"), (3_600, "hours"), (60, "minutes"))
    size, unit = next((one for one in sizes if seconds >= 2 * one[0]), (1, "s"))
    long = seconds / size
    return f"older than {source} by {f'{long:,.0f}' if long >= 100 else f'{long:.3g}'} {unit}"


@rule(
    "K02", ERROR, "an LTX cache holds clips that the dataset does not", needs="caches",
    cost="they train all the same: the loader takes every file under latents/",
    advice="delete these files from every folder of the cache",
)  # fmt: skip
def orphans(view: View) -> Iterator[Finding]:
    records = {record.name for one in view.listings for record in one.records if record.name}
    wanted = [clip for clip in view.clips if not records or clip.name in records]
    places = ByPlace(wanted)
    for root, folders in ltx_caches(view).items():
        entries = folders.get("latents") or folders.get("audio_latents") or {}
        lost = [key for key in entries if places.clip(key) is None]
        if lost:
            what = "the metadata does not name" if records else "no clip is there for"
            yield orphans.finding(_shown(root), f"{what} {len(lost)} of {len(entries)}: {listed(lost)}")


@rule(
    "K03", ERROR, "the folders of an LTX cache do not hold the same names", needs="caches",
    cost="a sample that lacks a file in one of them is dropped, with no more than a line of the log", advice=AGAIN,
)  # fmt: skip
def uneven(view: View) -> Iterator[Finding]:
    for root, folders in ltx_caches(view).items():
        video = folders.get("latents", {})
        main = video or folders.get("audio_latents", {})
        for folder in dict.fromkeys(["conditions", "audio_latents", *folders]):
            if folder == "latents":
                continue
            if folder not in folders:
                if folder == "conditions" or _sounds(view, main):
                    yield uneven.finding(_shown(root), _without(folder, len(main)))
                continue
            lacking = set(main) - set(folders[folder])
            if lacking and not folder.endswith("_masks"):
                said = f"{len(lacking)} of {len(main)} are dropped, as {folder} has no {listed(lacking)}"
                yield uneven.finding(_shown(root), said)
            beyond = set(folders[folder]) - set(main)
            if beyond and folder == "audio_latents" and video:
                said = f"{len(beyond)} of {len(folders[folder])} in {folder} have no latents: {listed(beyond)}"
                yield uneven.finding(_shown(root), said)


def _sounds(view: View, entries: Mapping[str, Entry]) -> bool:
    """Whether any of the cached clips has sound that could have been cached."""
    places = ByPlace(view.clips)
    return any(clip is not None and clip.media.audio for clip in map(places.clip, entries))


def _without(folder: str, count: int) -> str:
    if folder == "conditions":
        return f"no conditions: none of the {count} samples can be trained"
    return f"no audio_latents: none of the {count} samples teaches any sound"


@rule(
    "K04", ERROR, "picture and sound of a cached sample differ in length", needs="caches",
    cost="what is said drifts from the lips, or its end is missing", advice=AGAIN,
)  # fmt: skip
def lengths(view: View) -> Iterator[Finding]:
    for folders in ltx_caches(view).values():
        for key, entry in folders.get("audio_latents", {}).items():
            if key not in folders.get("latents", {}):
                continue
            try:
                picture = seconds_of_picture(read_values(folders["latents"][key].path))
                sound = seconds_of_sound(read_values(entry.path))
            except (BadFormat, UsageError):
                continue  # K09 says so
            if picture is not None and sound is not None and abs(picture - sound) > LENGTHS_DIFFER:
                said = f"{picture:.2f} s of picture and {sound:.2f} s of sound"
                yield lengths.finding(entry.name, said)


def seconds_of_picture(values: Mapping[str, Any]) -> float | None:
    """Of a file in `latents`: None where it does not say."""
    count, rate, latents = values.get("num_frames"), values.get("fps"), values.get("latents")
    if not isinstance(count, int) and isinstance(latents, Stored) and len(latents.shape) == 4:
        count = latents.shape[1]
    if not isinstance(count, int) or not isinstance(rate, int | float) or not isfinite(rate) or rate <= 0 or count < 1:
        return None
    return ((count - 1) * GROUP + 1) / rate


def seconds_of_sound(values: Mapping[str, Any]) -> float | None:
    """Of a file in `audio_latents`: None where it does not say."""
    seconds = values.get("duration")
    return float(seconds) if isinstance(seconds, int | float) and isfinite(seconds) else None


def _shown(root: str) -> str:
    return Path(root).name


RULES = rules_in(globals())
