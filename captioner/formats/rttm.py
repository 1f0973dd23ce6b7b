"""RTTM: who speaks when (NIST Rich Transcription Time Marks; only `SPEAKER` rows are about turns).

SPEAKER <uri> <channel> <start s> <duration s> <NA> <NA> <speaker> <NA> <NA>
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from captioner.formats.rows import bad, rows, span, time, token
from captioner.types import Turn

_FEWEST = 8
_OTHER_TYPES = frozenset(
    ["A/P", "CB", "EDIT", "FILLER", "IP", "LEXEME", "NON-LEX", "NON-SPEECH", "NOSCORE", "NOSPEECH"]
).union(["NO_RT_METADATA", "SEGMENT", "SPKR-INFO", "SU"])
"""The other row types of the RT-09 plan."""


def parse(text: str, origin: str = "") -> dict[str, list[Turn]]:
    """The turns of each uri, in order of time. Rows of other types are passed by. Raises BadFormat."""
    found: dict[str, list[Turn]] = {}
    for row, line in rows(text):
        fields = line.split()
        if not fields or fields[0].startswith((";", "#")) or fields[0].upper() in _OTHER_TYPES:
            continue
        if fields[0] != "SPEAKER":
            raise bad(origin, row, f"{fields[0]!r} is no RTTM row type; a turn begins with SPEAKER")
        if len(fields) < _FEWEST:
            raise bad(origin, row, f"{len(fields)} fields; a SPEAKER row has the speaker's name in its eighth")
        start, length = time(fields[3], origin, row, "start"), time(fields[4], origin, row, "duration")
        turn = Turn(span(start, start + length, origin, row), fields[7])
        found.setdefault(fields[1], []).append(turn)
    return {uri: sorted(turns) for uri, turns in found.items()}


def serialize(values: Mapping[str, Sequence[Turn]]) -> str:
    """One SPEAKER row a turn. Raises BadFormat where a uri or a speaker's name holds a blank."""
    lines = []
    for uri, turns in values.items():
        name = token(uri, "the recording's name")
        for turn in turns:
            times = f"{turn.span.start:.3f} {turn.span.duration:.3f}"
            lines.append(
                f"SPEAKER {name} 1 {times} <NA> <NA> {token(turn.speaker, 'the name of the speaker')} <NA> <NA>\n"
            )
    return "".join(lines)
