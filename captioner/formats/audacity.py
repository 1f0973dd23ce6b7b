"""Audacity label tracks: `start <tab> end <tab> label`, seconds. Rows of frequencies (they begin with a backslash) are
passed by.
"""

from __future__ import annotations

from collections.abc import Sequence

from captioner.formats.cues import Cue, is_label, one_line, split_label
from captioner.formats.rows import bad, rows, span, time


def parse(text: str, origin: str = "") -> list[Cue]:
    """One cue a label, in the file's order; a label may be empty. Raises BadFormat."""
    cues = []
    for row, line in rows(text):
        if not line.strip() or line.startswith("\\"):
            continue
        fields = line.split("\t", 2)
        if len(fields) < 2:
            raise bad(origin, row, "is no label; a row is: start, a tab, end, a tab, label")
        # older versions wrote the decimal mark of the user's language
        start, end = (time(field.strip().replace(",", "."), origin, row, "label time") for field in fields[:2])
        speaker, label = split_label(one_line(fields[2]) if len(fields) > 2 else "")
        cues.append(Cue(span(start, end, origin, row), label, speaker))
    return cues


def serialize(values: Sequence[Cue]) -> str:
    """One label a cue; a speaker is written in capitals before the text."""
    lines = []
    for cue in values:
        name = one_line(cue.speaker or "").upper()
        text = f"{name}: {cue.text}" if is_label(name) else cue.text
        lines.append(f"{cue.span.start:.6f}\t{cue.span.end:.6f}\t{one_line(text)}\n")
    return "".join(lines)
