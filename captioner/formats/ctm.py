"""CTM: words with times (NIST time-marked conversation).

    <uri> <channel> <start s> <duration s> <word> [<confidence 0 to 1> [<type> [<speaker>]]]

Rows that begin with `;;` are comments. Channels of one uri are merged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from captioner.formats.rows import UNKNOWN, bad, number, rows, span, time, token
from captioner.types import Word

_FEWEST, _MOST = 5, 8


def parse(text: str, origin: str = "") -> dict[str, list[Word]]:
    """The words of each uri, in order of their start. Raises BadFormat."""
    found: dict[str, list[Word]] = {}
    for row, line in rows(text):
        fields = line.split()
        if fields and not fields[0].startswith(";;"):
            found.setdefault(fields[0], []).append(_word(fields, origin, row))
    return {uri: sorted(words, key=lambda word: word.span.start) for uri, words in found.items()}


def _word(fields: Sequence[str], origin: str, row: int) -> Word:
    if not _FEWEST <= len(fields) <= _MOST:
        raise bad(origin, row, f"{len(fields)} fields; a CTM row is: uri channel start duration word [confidence]")
    if fields[2] == "*":
        raise bad(origin, row, "alternative words are not read; keep one of them, with its times")
    start, length = time(fields[2], origin, row, "start"), time(fields[3], origin, row, "duration")
    speaker = fields[7] if len(fields) == _MOST and fields[7] not in UNKNOWN else None
    return Word(fields[4], span(start, start + length, origin, row), _confidence(fields[5:6], origin, row), speaker)


def _confidence(field: Sequence[str], origin: str, row: int) -> float | None:
    if not field or field[0] in UNKNOWN:
        return None
    value = number(field[0])
    if value is None or not 0 <= value <= 1:
        raise bad(origin, row, f"confidence {field[0]!r} is not between 0 and 1; write NA where it is not known")
    return value


def serialize(values: Mapping[str, Sequence[Word]]) -> str:
    """Six fields a word, eight where its speaker is known. Raises BadFormat where a name or a word holds a blank."""
    lines = []
    for uri, words in values.items():
        name = token(uri, "the recording's name")
        for word in words:
            confidence = "NA" if word.probability is None else repr(float(word.probability))
            tail = "" if word.speaker is None else f" lex {token(word.speaker, 'the name of the speaker')}"
            text = word.text if word.text in UNKNOWN else token(word.text, "the word")
            lines.append(f"{name} 1 {word.span.start:.3f} {word.span.duration:.3f} {text} {confidence}{tail}\n")
    return "".join(lines)
