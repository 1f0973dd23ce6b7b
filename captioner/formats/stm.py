"""STM: what each speaker says, by segment (NIST segment time marks; the references of the benches).

    <uri> <channel> <speaker> <start s> <end s> [<label,...>] <text>

Rows that begin with `;;` are comments. `inter_segment_gap` rows say that nobody is to be scored and are passed by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from captioner.formats.cues import Cue, one_line
from captioner.formats.rows import UNKNOWN, bad, rows, span, time, token

_FEWEST = 5
_LABEL = re.compile(r"<[^<>\s]*>")


def parse(text: str, origin: str = "") -> dict[str, list[Cue]]:
    """The segments of each uri, in the file's order. Raises BadFormat."""
    found: dict[str, list[Cue]] = {}
    for row, line in rows(text):
        fields = line.split(maxsplit=_FEWEST)
        if not fields or fields[0].startswith(";;"):
            continue
        if len(fields) < _FEWEST:
            raise bad(origin, row, f"{len(fields)} fields; an STM row is: uri channel speaker start end text")
        if fields[2] == "inter_segment_gap":
            continue
        start, end = time(fields[3], origin, row, "start"), time(fields[4], origin, row, "end")
        words = fields[5].split() if len(fields) > _FEWEST else []
        if words and _LABEL.fullmatch(words[0]):
            words = words[1:]
        speaker = None if fields[2] in UNKNOWN else fields[2]
        found.setdefault(fields[0], []).append(Cue(span(start, end, origin, row), " ".join(words), speaker))
    return found


def serialize(values: Mapping[str, Sequence[Cue]]) -> str:
    """One row a cue. Raises BadFormat where a uri or a speaker's name holds a blank."""
    lines = []
    for uri, cues in values.items():
        name = token(uri, "the recording's name")
        for cue in cues:
            speaker = "NA" if cue.speaker is None else token(cue.speaker, "the speaker's name")
            text = one_line(cue.text)
            label = "<NA> " if text.startswith("<") else ""  # else the text's first word would be read as a label
            lines.append(f"{name} 1 {speaker} {cue.span.start:.3f} {cue.span.end:.3f} {label}{text}".rstrip() + "\n")
    return "".join(lines)
