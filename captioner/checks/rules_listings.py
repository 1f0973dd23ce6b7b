"""F09, F10, F12, F14 to F20: metadata files, and the bytes that captions begin with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from captioner.checks.findings import Finding
from captioner.checks.listings import BOM
from captioner.checks.rules import ERROR, WARNING, Change, rule, rules_in
from captioner.checks.view import AUDIO, READS_LISTINGS, VIDEO, Listing, View

ROLES = ("video", "media_path", "audio", "caption", "reference_video", "ref_media_path", "reference_audio",
         "video_mask", "audio_mask", "reference")  # fmt: skip
"""Columns that process_dataset.py takes."""
NOTHING = frozenset({
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
})  # fmt: skip
"""Cells of a CSV that pandas reads as missing."""


@rule(
    "F09", ERROR, "a path in the metadata goes upwards", trainers=READS_LISTINGS,
    cost="its latents, its sound and its text are all written to one file: it trains on whatever came last",
    advice="put the metadata file above all clips, and write paths downwards from it",
)  # fmt: skip
def upwards(view: View) -> Iterator[Finding]:
    for listing in view.listings:
        for record in listing.records:
            if ".." in PurePosixPath(record.media or "").parts:
                yield upwards.finding(listing.name, f"the path {record.media!r} goes upwards", line=record.line)


@rule(
    "F10", WARNING, "a path in the metadata leads out of its folder", trainers=READS_LISTINGS,
    cost="caches get nested names, and caption_videos.py fails at it after the captioner was paid",
    advice="write paths relative to the metadata file",
)  # fmt: skip
def outside(view: View) -> Iterator[Finding]:
    for listing in view.listings:
        for record in listing.records:
            spelled = (record.media or "").strip()
            if PurePosixPath(spelled).is_absolute() or (len(spelled) > 2 and spelled[1:3] in (":\\", ":/")):
                yield outside.finding(listing.name, f"the path {spelled!r} is absolute", line=record.line)


def _plain_bytes(view: View, finding: Finding) -> Change | None:
    """Without BOM and blank lines; a file whose suffix is in capitals keeps its name, which other files may say."""
    path = view.root / finding.file
    try:
        data = path.read_bytes()
    except OSError:
        return None
    made = data.removeprefix(BOM)
    told = ["its byte order mark was taken away"] if made != data else []
    if path.suffix.lower() == ".jsonl":
        lines = [line for line in made.split(b"\n") if line.strip()]
        joined = b"\n".join(lines) + (b"\n" if lines else b"")
        if joined != made:
            made = joined
            told.append("its empty lines were taken away")
    return Change(" and ".join(told), writes={finding.file: made}) if told else None


@rule(
    "F12", ERROR, "a text file is not as the trainer reads it", fix=_plain_bytes,
    cost="the trainer stops at it", advice="save it as UTF-8 without a byte order mark",
)  # fmt: skip
def bad_bytes(view: View) -> Iterator[Finding]:
    for clip in view.clips:
        if clip.caption is not None and clip.caption.bom and clip.listed is None:
            yield bad_bytes.finding(
                clip.caption.name, "it begins with a byte order mark",
                cost="an invisible letter stands before the first word that the model reads",
            )  # fmt: skip
    for listing in view.listings:
        if listing.bom and not (view.is_for(*READS_LISTINGS) and listing.form == "csv"):
            yield bad_bytes.finding(listing.name, "it begins with a byte order mark", line=1)
        if listing.blank:
            yield bad_bytes.finding(listing.name, f"{_many(listing.blank, 'line')} empty", line=listing.blank[0],
                                    fix="take the empty lines away")  # fmt: skip
        if listing.error is not None:
            yield bad_bytes.finding(listing.name, listing.error, line=listing.error_line, fix="mend it there")
        if view.is_for(*READS_LISTINGS, "musubi") and listing.path.suffix != listing.path.suffix.lower():
            yield bad_bytes.finding(
                listing.name, f"its suffix is spelled {listing.path.suffix}",
                cost='the trainer takes it for another format and finds "no caption column"',
                fix=f"rename it to {listing.path.stem}{listing.path.suffix.lower()}",
            )  # fmt: skip


def _many(lines: tuple[int, ...], thing: str) -> str:
    return f"1 {thing} is" if len(lines) == 1 else f"{len(lines)} {thing}s are"


@rule(
    "F14", ERROR, "records of one metadata file have other columns than its first", trainers=READS_LISTINGS,
    cost="a column that the first record lacks is ignored in all others; one that only it has stops the run",
    advice="give every record the same columns",
)  # fmt: skip
def uneven(view: View) -> Iterator[Finding]:
    for listing in view.listings:
        if listing.form == "map" or not listing.records:
            continue
        first = set(listing.columns)
        for record in listing.records[1:]:
            columns = set(map(str, record.fields))
            for role in ROLES:
                if role in columns and role not in first:
                    yield uneven.finding(listing.name, f"{role!r} stands here and not in the first record",
                                         cost=f"{role!r} is ignored everywhere", line=record.line)  # fmt: skip
                elif role in first and role not in columns:
                    yield uneven.finding(listing.name, f"{role!r} stands in the first record and not here",
                                         cost="process_dataset.py stops here", line=record.line)  # fmt: skip


@rule(
    "F15", ERROR, "video and media_path both stand in the metadata", trainers=READS_LISTINGS,
    cost="which of them is trained is decided by chance, anew in every run",
    advice="keep one of the two",
)  # fmt: skip
def two_columns(view: View) -> Iterator[Finding]:
    for one, other in (("video", "media_path"), ("reference_video", "ref_media_path")):
        for listing in view.listings:
            if one in listing.columns and other in listing.columns:
                yield two_columns.finding(listing.name, f"its records have both {one!r} and {other!r}", line=1)


@rule(
    "F16", ERROR, "a column called audio names no sound", trainers=("ltx",),
    cost="the clips' own sound is no longer taken, and what the column says cannot be opened: they train silent",
    advice="call the column otherwise, or take it away: sound is taken from the clips by itself",
)  # fmt: skip
def audio_column(view: View) -> Iterator[Finding]:
    for listing in view.listings:
        if "audio" not in listing.columns:
            continue
        for record in listing.records:
            value = record.fields.get("audio")
            text = value.strip() if isinstance(value, str) else ""
            suffix = PurePosixPath(text).suffix[1:].lower()
            if suffix not in AUDIO | VIDEO or not _stands(view.root / text):
                shown = text if len(text) <= 40 else f"{text[:40]}..."
                yield audio_column.finding(listing.name, f"audio is {shown!r}, and there is no such file",
                                           line=record.line)  # fmt: skip
                break


def _stands(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


@rule(
    "F17", WARNING, "a clip is listed twice", trainers=(*READS_LISTINGS, "musubi", "ai-toolkit"),
    cost="the last caption wins: the other's words are trained nowhere",
    advice="keep the row that is right",
)  # fmt: skip
def listed_twice(view: View) -> Iterator[Finding]:
    for listing in view.listings:
        rows: dict[str, list[int]] = defaultdict(list)
        for record in listing.records:
            if record.media:
                rows[record.name or record.media.strip()].append(record.line)
        for name, lines in rows.items():
            if len(lines) > 1:
                shown = ", ".join(map(str, lines[:5]))
                yield listed_twice.finding(listing.name, f"{name} stands in lines {shown}", line=lines[-1])


@rule(
    "F18", WARNING, "a caption in a CSV reads as missing", trainers=READS_LISTINGS,
    cost="pandas makes NaN of it, and the run stops with a TypeError that names no row",
    advice="write a caption, or take the row out",
)  # fmt: skip
def reads_as_nothing(view: View) -> Iterator[Finding]:
    for listing in view.listings:
        if listing.form == "csv" and "caption" in listing.columns:
            for record in listing.records:
                cell = record.fields.get("caption", "")
                if cell in NOTHING:
                    yield reads_as_nothing.finding(listing.name, f"its caption is {cell!r}", line=record.line)


@rule(
    "F19", ERROR, "caption_videos.py would drop what stands in the metadata", trainers=("ltx",),
    cost="it knows caption and media_path alone: it captions every clip again and writes the file anew, without your "
    "edits and other columns",
    advice="name the columns caption and media_path, and keep others elsewhere; or never point caption_videos.py at it",
)  # fmt: skip
def overwritten(view: View) -> Iterator[Finding]:
    for listing in view.listings:
        if "video" not in listing.columns and "media_path" not in listing.columns:
            continue  # nothing that is captioned by it
        extra = [column for column in listing.columns if column not in ("caption", "media_path")]
        if extra and _from_captioner(listing):
            yield overwritten.finding(listing.name, f"it has the columns {', '.join(map(repr, extra[:5]))}", line=1)


def _from_captioner(listing: Listing) -> bool:
    """Whether it holds captions at all: without any, none can be lost."""
    return any(record.caption for record in listing.records)


@rule(
    "F20", WARNING, "paths are relative to the folder that a run is started in", trainers=("musubi", "ai-toolkit"),
    cost="started elsewhere, the trainer finds none of the clips",
    advice="write absolute paths, or always start the trainer in the folder of the metadata file",
)  # fmt: skip
def relative(view: View) -> Iterator[Finding]:
    for listing in view.listings:
        first = next((record for record in listing.records
                      if record.media and not PurePosixPath(record.media.strip()).is_absolute()
                      and record.media[1:2] != ":"), None)  # fmt: skip
        if first is not None:
            yield relative.finding(listing.name, f"the path {first.media!r} is relative", line=first.line)


RULES = rules_in(globals())
