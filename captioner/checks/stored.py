"""The words of a captioner dataset, with times in each clip, from its store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from captioner.checks.view import ClipView
from captioner.errors import StoreError
from captioner.store import ClipRow, WrittenRow, unpack
from captioner.times import Span
from captioner.types import Cut, Word


def with_words(clips: Iterable[ClipView], store: Path) -> tuple[tuple[ClipView, ...], str | None]:
    """The clips, with their words where the file is the one that captioner wrote; and why none are known, if so."""
    made = {}
    try:
        for row, written in peek(store):
            made[(row.id, written.size, written.mtime_ns)] = row.cut
    except StoreError as error:
        return tuple(clips), str(error)
    told = []
    for clip in clips:
        packed = made.get((clip.stem, clip.size, clip.mtime_ns))
        try:
            told.append(clip if packed is None else replace(clip, words=words_of(unpack(packed, Cut))))
        except StoreError:
            told.append(clip)
    return tuple(told), None


def words_of(cut: Cut) -> tuple[Word, ...]:
    """Its words with times in the clip: seconds from its first frame."""
    begin = float(cut.start / cut.rate)
    return tuple(
        replace(word, span=Span.at(word.span.start - begin, word.span.end - begin))
        for line in cut.lines for word in line.words
    )  # fmt: skip


def peek(folder: Path) -> Iterator[tuple[ClipRow, WrittenRow]]:
    """The clips that stand in `OUT/clips/`, read beside whoever is working on the dataset. Raises StoreError."""
    place = folder / "store.sqlite"
    try:
        db = sqlite3.connect(f"{place.absolute().as_uri()}?mode=ro", uri=True, timeout=2)
        try:
            rows = db.execute(
                "SELECT clips.id, recording, place, cut, draft, adopted, key, media, size, mtime_ns, caption, repeated "
                "FROM clips JOIN written ON clips.id = written.id ORDER BY clips.id"
            )
            for row in rows:
                yield ClipRow(*row[:6]), WrittenRow(row[0], *row[6:])
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StoreError(
            f"{place}: cannot be read ({error}); build again, or wait for the captioner at work"
        ) from error
