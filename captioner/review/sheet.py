"""`captioner review OUT --export-sheet FILE`: clips for people without a shell, as a page or a table.

What the suffix says: `.html` one page to hear, see and fill in; `.csv` a table for spreadsheets; `.jsonl` for programs.
`captioner decide` takes each of them back.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.errors import CaptionerError, UsageError
from captioner.review.media import Media, wait_for
from captioner.review.pieces import Pieces
from captioner.review.sheetfile import ClipRecord, as_csv, as_jsonl
from captioner.review.sheetpage import SheetClip, page
from captioner.review.source import Sheet, Trouble

if TYPE_CHECKING:
    from captioner.review.desk import Desk
    from captioner.review.items import Item

INSIDE = 24_000_000
"""Bytes of sound that a page holds itself; more go into a folder beside it."""

A_SECOND = 16_000 * 4 // 3
"""Bytes of a second of sound as it stands in a page."""

SUFFIXES = (".html", ".htm", ".csv", ".jsonl")


def export(desk: Desk, path: Path, *, query: str = "", say: Callable[[str], None] | None = None) -> str:
    """Writes the clips that a filter shows (all without one); returns what was done, for people.

    Raises UsageError for a suffix that is not known or a file that cannot be written, QueryError.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: give a name that ends in .html, .csv or .jsonl")
    ids = desk.matching(query)
    if not ids:
        raise UsageError(f"no clip in {desk.out} is shown by {query!r}" if query else f"no clip in {desk.out}")
    try:
        if path.suffix.lower() in (".html", ".htm"):
            return _page(desk, ids, path, say)
        records = [record(item) for item in _items(desk, ids)]
        text = as_csv(records) if path.suffix.lower() == ".csv" else as_jsonl(records)
        _written(path, [text])
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from error
    return f"{len(ids)} clips in {path}; `captioner decide {path} --out {desk.out}` brings what you change back"


def _items(desk: Desk, ids: Sequence[str]) -> Iterator[Item]:
    for id_ in ids:
        item = desk.item(id_)
        if item is not None:
            yield item


def record(item: Item) -> ClipRecord:
    line = item.line
    told = {
        "recording": line.recording, "begins": clock(item.begins), "seconds": f"{line.seconds:.2f}",
        "speaker": line.speaker, "findings": "; ".join(finding.text for finding in item.findings),
        "caption": item.caption,
    }  # fmt: skip
    fields = {one.name: one.value for one in item.fields}
    return ClipRecord(line.id, line.status, line.reason, fields, told)


def clock(seconds: float) -> str:
    """0:02.44, 1:00:02.44."""
    minutes, rest = divmod(round(seconds, 2), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:05.2f}" if hours else f"{minutes}:{rest:05.2f}"


def _written(path: Path, parts: Sequence[str] | Iterator[str]) -> None:
    aside = path.with_name(f".{path.name}.aside")
    try:
        with aside.open("w", encoding="utf-8", newline="") as file:
            for part in parts:
                file.write(part)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


# --- the page -----------------------------------------------------------------------------------------------------


def _page(desk: Desk, ids: Sequence[str], path: Path, say: Callable[[str], None] | None) -> str:
    lines = desk.store.rows.get(ids)
    inside = sum(line.seconds for line in lines.values()) * A_SECOND <= INSIDE
    folder = path.with_name(f"{path.stem}_sounds")
    if not inside:
        folder.mkdir(exist_ok=True)
    troubles: list[str] = []
    with Media(desk.store.folder) as media:
        pieces = Pieces(desk.store, desk.settings, desk.out)

        def clips() -> Iterator[SheetClip]:
            for number, item in enumerate(_items(desk, ids), 1):
                made = _heard(media, pieces, item.id)
                if isinstance(made, Trouble):
                    troubles.append(f"{item.id}: {made.said}")
                yield _clip(item, number, made, None if inside else folder)
                if say is not None and number % 50 == 0:
                    say(f"{number} of {len(ids)} clips")

        _written(path, iter(page(clips(), desk.out.resolve().name, len(ids))))
    beside = "" if inside else f", its sounds in {folder} (keep them together)"
    lost = "".join(f"\n  not heard: {told}" for told in troubles)
    return f"{len(ids)} clips in {path}{beside}; `captioner decide` takes the file that it saves{lost}"


def _heard(media: Media, pieces: Pieces, clip: str) -> Sheet | Trouble:
    try:
        piece = pieces.of(clip)
    except CaptionerError as error:
        return Trouble(str(error))
    made = wait_for(lambda done: media.sheet(piece, done))
    return made if isinstance(made, Sheet | Trouble) else Trouble("no answer")


def _clip(item: Item, number: int, made: Sheet | Trouble, folder: Path | None) -> SheetClip:
    findings = tuple(f"{'Error' if one.error else 'Warning'}: {one.text}" for one in item.findings)
    if isinstance(made, Trouble):
        return SheetClip(record(item), number, findings=findings, trouble=made.said)
    if folder is None:
        sound = "data:audio/mp4;base64," + base64.b64encode(made.sound).decode()
    else:
        (folder / f"{item.id}.m4a").write_bytes(made.sound)
        sound = f"{folder.name}/{item.id}.m4a"
    return SheetClip(record(item), number, sound, made.peaks, made.pictures, findings)
