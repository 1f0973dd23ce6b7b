"""SubRip subtitles. There is no standard; read as players read it: index rows may be wrong or missing, `.` may stand
for `,`, blank rows inside a cue lose nothing.

A speaker has no field of its own: `JOHN: Hello` in capitals is read and written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from captioner.formats.cues import Cue, clock, is_label, join_lines, one_line, stamp
from captioner.formats.rows import bad, rows, span

_TIME = r"([0-9]{1,4}):([0-9]{1,2}):([0-9]{1,2})[,.]([0-9]{1,3})"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_MARKUP = re.compile(r"</?(?:b|i|u|s|font|c|ruby|rt)(?:[\s.][^<>]*)?>|\{\\[^{}]*\}", re.IGNORECASE)


def parse(text: str, origin: str = "") -> list[Cue]:
    """Cues in the file's order; those without text are left out. Raises BadFormat."""
    lines = list(rows(text))
    starts = [place for place, (row, line) in enumerate(lines) if _is_times(line, origin, row)]
    head = [line for _, line in lines[: starts[0] if starts else len(lines)] if line.strip()]
    if any(not line.strip().isdigit() for line in head):
        raise bad(origin, 1, "no cue times before the first text; a cue begins with 00:00:01,000 --> 00:00:02,500")
    cues = []
    for place, following in pairwise([*starts, len(lines)]):
        body = [line for _, line in lines[place + 1 : following]]
        if following < len(lines) and body and body[-1].strip().isdigit():
            body.pop()  # the next cue's index
        cues.append(_cue(lines[place], body, origin))
    return [cue for cue in cues if cue.text]


def _is_times(line: str, origin: str, row: int) -> bool:
    if _TIMES.fullmatch(line):
        return True
    if "-->" in line and line.lstrip()[:1].isdigit():
        raise bad(origin, row, f"cannot read the times in {line.strip()!r}; write 00:00:01,000 --> 00:00:02,500")
    return False


def _cue(times: tuple[int, str], body: Sequence[str], origin: str) -> Cue:
    row, line = times
    match = _TIMES.fullmatch(line)
    fields = match.groups() if match else ()
    start, end = clock(*fields[:4]), clock(*fields[4:])
    if start is None or end is None:
        raise bad(origin, row, f"{line.strip()!r} has more than 59 minutes or seconds; write 01:00:00,000")
    speaker, text = join_lines(_MARKUP.sub("", part) for part in body)
    return Cue(span(start, end, origin, row), text, speaker)


def serialize(values: Sequence[Cue]) -> str:
    """One cue a value. A speaker is written in capitals before the text, where that would be read back as one."""
    blocks = []
    for index, cue in enumerate(values, start=1):
        name = one_line(cue.speaker or "").upper()
        text = one_line(cue.text).replace("-->", "->")
        label = f"{name}: " if is_label(name) else ""
        blocks.append(f"{index}\n{stamp(cue.span.start, ',')} --> {stamp(cue.span.end, ',')}\n{label}{text}\n")
    return "\n".join(blocks)
