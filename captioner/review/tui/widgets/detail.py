"""The clip under the cursor: picture, sound, words, fields, the caption, findings. One pane, drawn from values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from textual import events
from textual.message import Message
from textual.strip import Strip

from captioner.review.tui.look import Look, wrap
from captioner.review.tui.pane import Pane
from captioner.review.tui.rows import Piece, clean, fit, width_of
from captioner.review.tui.views import ClipView, Drawn, MediaView, PlayView, TrimView
from captioner.review.tui.widgets.fields import LABEL, beside, field_lines, finding_lines, label
from captioner.review.tui.widgets.statusbar import between
from captioner.review.tui.widgets.wave import column, play_bar, wave_lines, word_line


class Room(NamedTuple):
    """Lines that each part may take."""

    picture: int
    wave: int
    text: int
    """Most lines of one field."""


class Detail(Pane):
    """`Pressed` says which cell was clicked: the screen knows what stands there."""

    class Pressed(Message):
        def __init__(self, x: int, y: int) -> None:
            super().__init__()
            self.x = x
            self.y = y

    def on_click(self, event: events.Click) -> None:
        self.post_message(self.Pressed(event.x, event.y))


def room_for(text: int, height: int, *, has_picture: bool) -> Room:
    """What is left for sound and picture once the text has its lines: words come first."""
    left = height - text
    wave = 0 if left < 4 else 2 if left < 8 else 4 if left < 16 else 6 if left < 28 else 8
    if wave:
        left -= wave + 2
    wanted = picture_lines(height)
    picture = wanted if has_picture and left >= wanted else 0
    return Room(picture, wave, 3 if height < 24 else 6)


def picture_lines(height: int) -> int:
    """Lines of the thumbnails in a pane of this height."""
    return min(max(height // 4, 5), 14)


def draw_detail(
    clip: ClipView,
    media_for: Callable[[int], MediaView],
    play: PlayView,
    look: Look,
    width: int,
    height: int,
    *,
    diff: bool = False,
    trim: TrimView | None = None,
    reserve: tuple[int, int] | None = None,
    waves: bool = True,
) -> Drawn:
    """The whole pane; where it is small, pictures go first, then the sound's, and words last.

    `media_for` gives the sound in so many lines. `reserve` is the number of a field whose place an editor takes, and
    how many lines of it.
    """
    text, places, slow = text_lines(clip, look, width, height, diff=diff, reserve=reserve)
    given = room_for(len(text) + 2, height, has_picture=clip.has_picture)
    media = media_for(given.wave)
    lines = [head_line(clip, look, width)]
    lines += [_centred(strip, look, width) for strip in media.picture[: given.picture]]
    lines += [look.blank(width)] * (given.picture - min(len(media.picture), given.picture))
    if given.wave and waves:
        lines += sound_lines(clip, media, play, look, width, given.wave, trim)
    shift = len(lines)
    lines += text
    foot = foot_line(clip, look, width)
    if len(lines) >= height:
        lines = lines[: height - 1]
    else:
        lines += [look.blank(width)] * (height - 1 - len(lines))
    waiting = frozenset((*range(1, shift), *(y + shift for y in slow)))
    return Drawn((*lines, foot), {key: (first + shift, count) for key, (first, count) in places.items()}, waiting)


def head_line(clip: ClipView, look: Look, width: int) -> Strip:
    sign = look.glyphs.status.get(clip.row.status, "?")
    roles = {"approved": "ok", "rejected": "bad", "flagged": "flag", "edited": "edited"}
    told = f"{clip.row.status}: {clean(clip.reason)}" if clip.reason else clip.row.status
    left: list[Piece] = [(f" {sign} ", "bar_accent"), (clean(clip.id), "bar"), (f"  {clean(clip.source)}", "bar_soft")]
    right: list[Piece] = [(f" {told} ", "bar_accent" if clip.row.status in roles else "bar_soft")]
    return look.strip(between(left, right, width, "bar"), width, "bar")


def foot_line(clip: ClipView, look: Look, width: int) -> Strip:
    left: list[Piece] = [(f" {look.glyphs.arrow} ", "faint"), (clean(clip.file), "soft")]
    right: list[Piece] = [(f" {len(clip.caption)} letters ", "faint"), (f"{clip.saved} ", "soft")]
    return look.strip(between(left, right, width, "text"), width)


def sound_lines(
    clip: ClipView, media: MediaView, play: PlayView, look: Look, width: int, rows: int, trim: TrimView | None
) -> list[Strip]:
    """`rows` lines of waveform, then the words under it, then how far it has played."""
    duration = clip.row.seconds
    heard = play.playing or play.position > 0
    at = column(play.position, duration, width) if heard else None
    kept = None
    if trim is not None:
        kept = (column(max(trim.start, 0), duration, width), column(min(trim.end, duration), duration, width) + 1)
    if media.spectrogram:
        drawn = list(media.spectrogram[:rows])
        drawn += [look.blank(width)] * (rows - len(drawn))
    else:
        texts = media.wave[:rows] if media.wave else [""] * rows
        drawn = [look.strip(line, width) for line in wave_lines(texts, width, at, kept, look.glyphs)]
    if media.trouble:
        drawn[0] = look.strip([(f" {clean(media.trouble)}", "warn")], width)
    words = word_line(clip.words, duration, width, play.position if heard else None, look.glyphs.cut)
    if trim is not None:
        moved = f" {trim.start:+.2f} s {look.glyphs.rule} {trim.end - duration:+.2f} s  "
        words = [(moved, "edge"), (clean(trim.told), "warn")]
    bar = play_bar(
        width - 2, play.position, duration, playing=play.playing, loop=play.loop, speed=play.speed,
        autoplay=play.autoplay, sign=look.glyphs,
    )  # fmt: skip
    return [*drawn, look.strip(words, width), look.strip([(" ", "text"), *bar], width)]


def text_lines(
    clip: ClipView, look: Look, width: int, height: int, *, diff: bool, reserve: tuple[int, int] | None = None
) -> tuple[list[Strip], dict[int, tuple[int, int]], range]:
    """Notices, what was heard, fields, the caption and findings; where each field stands, and where the caption."""
    sign = look.glyphs
    most = 2 if height < 20 else 4 if height < 36 else 8
    room = max(width - LABEL - 1, 8)
    lines: list[list[Piece]] = []
    places: dict[int, tuple[int, int]] = {}
    for name, said_so in clip.notices:
        head = fit(f" {sign.warning} {name}", LABEL)
        lines += beside([(head, "warn")], wrap([(clean(said_so), "warn")], room, 2, sign.cut))
    said = " ".join(word.text for word in clip.words)
    if all(field.value != said for field in clip.fields):
        lines += beside(label("heard"), wrap(_heard(clip, look), room, most, sign.cut))
    for number, field in enumerate(clip.fields):
        made = field_lines(field, width, most, sign, diff=diff)
        if field.value == said and said and not field.edited:  # the words as they were heard: with the doubt about each
            made = beside(label(field.name, field.key), wrap(_heard(clip, look, "text"), room, most, sign.cut))
        if field.value == said or number == 0:  # the same place for what follows, whatever the clip's length
            made += [[]] * (min(1 if height < 20 else 2 if height < 30 else 3, most) - len(made))
        if reserve is not None and reserve[0] == number:  # the editor stands here
            made = beside(
                label(field.name, field.key, edited=field.edited, sign=sign.status["edited"]), [[]] * reserve[1]
            )
        places[number] = (len(lines), len(made))
        lines += made
    told = finding_lines(clip.findings, width, sign)
    caption = beside(label("caption"), wrap([(clean(clip.caption), "soft")], room, most + 2, sign.cut))
    slow = range(0)
    if height >= 16:
        caption += [[]] * ((0 if height < 30 else 4) - len(caption))
        slow = range(len(lines), len(lines) + 1 + len(caption))
        lines += [[], *caption]
    if told:
        left = max(height - len(lines) - 2, 1)
        if len(told) > left:
            told = [*told[: left - 1], [(f" {sign.more} {len(told) - left + 1} more lines", "faint")]]
        lines += told
    return [look.strip(line, width) for line in lines], places, slow


def _heard(clip: ClipView, look: Look, role: str = "soft") -> list[Piece]:
    pieces: list[Piece] = []
    for word in clip.words:
        text = clean(word.text)
        if word.doubted:
            before, after = look.glyphs.doubt
            pieces += [(before + text + after, "doubt"), (" ", role)]
        else:
            pieces.append((text + " ", role))
    return pieces or [(look.glyphs.dash, "faint")]


def _centred(strip: Strip, look: Look, width: int) -> Strip:
    left = max((width - strip.cell_length) // 2, 0)
    parts = [look.blank(left), strip.crop(0, width), look.blank(max(width - left - strip.cell_length, 0))]
    return Strip.join([part for part in parts if part.cell_length])


def lines_of(drawn: Sequence[Strip]) -> list[str]:
    return ["".join(segment.text for segment in strip) for strip in drawn]


def cells(pieces: Sequence[Piece]) -> int:
    return sum(width_of(text) for text, _ in pieces)
