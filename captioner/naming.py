"""A whole clip gets its name in `OUT/clips/` and its caption beside it; a `.txt` that a person changed stays theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from captioner.captionfiles import edited, write_text
from captioner.store import WrittenRow

A_CLIP = 0.0003
"""Seconds that one takes, roughly."""
TOGETHER = 64
"""Clips in one errand: each costs a message."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A clip that was made and checked, and has no name yet."""

    id: str
    key: str
    path: Path
    repeated: int
    caption: str
    before: str | None
    """What captioner wrote beside the clip of that name earlier; None where there was none."""


@dataclass(frozen=True, slots=True)
class Errand:
    """Some clips to be named, maybe by another process."""

    wholes: tuple[Whole, ...]
    clips: Path
    aside: Path


def name(whole: Whole, clips: Path, aside: Path) -> WrittenRow:
    """`aside`: a folder on the same file system, for what is not whole yet."""
    caption, text = whole.caption, clips / f"{whole.id}.txt"
    if whole.before is None or not edited(text, whole.before):
        write_text(text, caption, aside)
    else:
        caption = whole.before  # so that the text on disk still counts as a person's
    media = clips / f"{whole.id}{whole.path.suffix}"
    whole.path.replace(media)
    return row_of(media, whole, caption)


def row_of(media: Path, whole: Whole, caption: str) -> WrittenRow:
    stat = media.stat()
    return WrittenRow(whole.id, whole.key, media.name, stat.st_size, stat.st_mtime_ns, caption, whole.repeated)


def name_all(errand: Errand, tell: Callable[[tuple[WrittenRow, ...]], None]) -> None:
    """The rows of all that got their names are told at once: a message for each would take longer than its name."""
    rows: list[WrittenRow] = []
    try:
        rows.extend(name(whole, errand.clips, errand.aside) for whole in errand.wholes)
    finally:
        tell(tuple(rows))
