"""The waveform or spectrogram with the playhead, the edges being moved, and the words under the sound they are."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from captioner.review.tui.palette import Glyphs
from captioner.review.tui.rows import Piece, clean, fit, width_of


class Spoken(NamedTuple):
    """A word with its place in the clip, seconds from the clip's first sample."""

    text: str
    start: float
    end: float
    doubted: bool = False


def column(seconds: float, duration: float, width: int) -> int:
    """The cell of `width` in which a moment of the clip is drawn."""
    return max(0, min(int(seconds / duration * width), width - 1)) if duration > 0 else 0


def wave_lines(
    drawn: Sequence[str], width: int, position: int | None, kept: tuple[int, int] | None, glyphs: Glyphs
) -> list[list[Piece]]:
    """Drawn rows, coloured: what was played, the playhead, what a moved edge leaves out.

    `position` and `kept` are cells; `kept` is first and past-the-last cell of what stays.
    """
    lines: list[list[Piece]] = []
    for text in drawn:
        text = fit(text, width)
        marks = {0, width}
        if position is not None:
            marks |= {position, min(position + 1, width)}
        if kept is not None:
            marks |= set(kept)
        places = sorted(mark for mark in marks if 0 <= mark <= width)
        pieces: list[Piece] = []
        for first, last in itertools.pairwise(places):
            if position is not None and first == position:
                pieces.append((glyphs.rule, "playhead"))
            elif kept is not None and not kept[0] <= first < kept[1]:
                pieces.append((text[first:last], "lost"))
            else:
                pieces.append((text[first:last], "played" if position is not None and first < position else "wave"))
        lines.append(pieces)
    return lines


def word_line(words: Sequence[Spoken], duration: float, width: int, now: float | None, cut: str) -> list[Piece]:
    """The words, each where it is spoken as far as there is room; the one being spoken stands out."""
    cells: list[Piece] = []
    used = 0
    for number, word in enumerate(words):
        first = max(column(word.start, duration, width), used)
        following = column(words[number + 1].start, duration, width) if number + 1 < len(words) else width
        room = max(following - first - 1, 0) if number + 1 < len(words) else width - first
        text = clean(word.text)
        if room < 1 or first >= width:
            continue
        shown = text if width_of(text) <= room else fit(text, room, cut if room > 1 else "").rstrip()
        spoken = now is not None and word.start <= now < word.end
        cells += [(" " * (first - used), "text"), (shown, "hit" if spoken else "doubt" if word.doubted else "soft")]
        used = first + width_of(shown)
    return cells


def play_bar(
    width: int,
    position: float,
    duration: float,
    *,
    playing: bool,
    loop: bool,
    speed: float,
    autoplay: bool,
    sign: Glyphs,
) -> list[Piece]:
    """How far it has played, of how long, at which speed."""
    told = f" {position:.2f}/{duration:.2f} s"
    if abs(speed - 1) > 0.001:
        told += f" {speed:.2f}".rstrip("0").rstrip(".") + sign.times
    told += f" {sign.loop}" * loop + " auto" * autoplay
    state = (sign.playing if playing else sign.stopped) + " "
    room = max(width - width_of(told) - width_of(state), 4)
    at = column(position, duration, room)
    return [
        (state, "accent" if playing else "faint"),
        (sign.played * at, "played"),
        (sign.head, "playhead"),
        (sign.unplayed * (room - at - 1), "faint"),
        (told, "soft"),
    ]
