"""WebVTT subtitles (W3C WebVTT): voices, classes, ruby and cue settings are understood and removed from the text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from captioner.formats.cues import DASHES, Cue, clock, join_lines, one_line, split_label, stamp
from captioner.formats.rows import bad, rows, span

_TIME = r"(?:([0-9]{1,4}):)?([0-9]{2}):([0-9]{2})[.,]([0-9]{3})"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]*)>")
_READING = re.compile(r"<rt(?:[\s.][^<>]*)?>.*?</rt>")  # a ruby reading repeats the words above which it stands
_TAG = re.compile(r"</?(?:v|c|b|i|u|ruby|rt|lang|font)(?:[\s.][^<>]*)?>|<[0-9:.]+>")

Block = list[tuple[int, str]]


def parse(text: str, origin: str = "") -> list[Cue]:
    """Cues in the file's order; those without text are left out. Raises BadFormat."""
    blocks = list(_blocks(text))
    if not blocks:
        return []
    row, first = blocks[0][0]
    if first.split()[:1] != ["WEBVTT"]:
        raise bad(origin, row, "does not begin with WEBVTT; that must be its first row")
    cues = [cue for block in [blocks[0][1:], *blocks[1:]] if (cue := _cue(block, origin)) is not None]
    return [cue for cue in cues if cue.text]


def _blocks(text: str) -> Iterator[Block]:
    block: Block = []
    for row, line in rows(text):
        if line.strip():
            block.append((row, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _cue(block: Block, origin: str) -> Cue | None:
    """None for a block that is not a cue: a comment, a style sheet, a region, what follows the header."""
    for place, (row, line) in enumerate(block[:2]):
        match = _TIMES.fullmatch(line)
        if match is None:
            continue
        start, end = clock(*match.groups()[:4]), clock(*match.groups()[4:])
        if start is None or end is None:
            raise bad(origin, row, f"{line.strip()!r} has more than 59 minutes or seconds; write 01:00:00.000")
        speaker, text = _spoken([part for _, part in block[place + 1 :]])
        return Cue(span(start, end, origin, row), text, speaker)
    first = block[0][1].split()[0] if block else ""
    if first not in {"NOTE", "STYLE", "REGION"}:
        for row, line in block:
            if "-->" in line:
                raise bad(origin, row, f"cannot read the times in {line.strip()!r}; write 00:01.000 --> 00:02.500")
    return None


def _spoken(lines: Sequence[str]) -> tuple[str | None, str]:
    """Speaker and text: of the voice tags where there are any, else of labels before a colon."""
    body = _READING.sub("", "\n".join(lines))
    voices = {one_line(html.unescape(name)) for name in _VOICE.findall(body)}
    if voices:
        outside = _TAG.sub("", _VOICE.split(body)[0]).strip()
        speaker = voices.pop() if len(voices) == 1 and not outside else None
        return speaker or None, _plain(body)
    speaker, text = join_lines(_TAG.sub("", body).split("\n"))
    return (None if speaker is None else html.unescape(speaker)), one_line(html.unescape(text))


def _plain(body: str) -> str:
    return one_line(html.unescape(_TAG.sub("", body)))


def serialize(values: Sequence[Cue]) -> str:
    """A header and one cue a value; a speaker as a voice tag."""
    blocks = ["WEBVTT\n"]
    for cue in values:
        name = html.escape(one_line(cue.speaker or ""), quote=False)
        text = html.escape(one_line(cue.text), quote=False)
        if name:
            text = f"<v {name}>{text}"
        elif text.startswith(DASHES):
            text = f"&#{ord(text[0])};{text[1:]}"  # not to be read as a change of speaker
        elif split_label(text)[0]:
            text = text.replace(":", "&#58;", 1)
        blocks.append(f"{stamp(cue.span.start, '.')} --> {stamp(cue.span.end, '.')}\n{text}\n")
    return "\n".join(blocks)
