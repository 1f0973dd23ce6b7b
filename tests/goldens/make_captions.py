"""Writes `captions_<dialect>.txt`: the caption of every combination of known fields. Read them before you commit them.

python -m tests.goldens.make_captions
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

from captioner.captions.pattern import names_in
from captioner.captions.template import parse_template, render
from captioner.templates_io import find_template, shipped_templates

KNOWN = {
    "subject": "a young woman",
    "voice": "soft, calm",
    "place": "in a quiet indoor room",
    "speech": '"I think we should start again from the beginning."',
    "visual": "She sits by a window",
    "sounds": "clear female speech, quiet room tone, no music",
}


def lines(dialect: str) -> list[str]:
    """One caption for each set of known fields that the dialect has, the fullest first."""
    template = parse_template(*find_template(dialect))
    names = [name for name in KNOWN if name in names_in(template.nodes)]
    made = []
    for known in product((True, False), repeat=len(names)):
        fields = {name: KNOWN[name] if there else None for name, there in zip(names, known, strict=True)}
        made.append(render(template, {"trigger": "ema_voice", **fields}).text)
    return made


def golden(dialect: str) -> Path:
    return Path(__file__).parent / f"captions_{dialect}.txt"


if __name__ == "__main__":
    for name in shipped_templates():
        golden(name).write_text("\n".join(lines(name)) + "\n", encoding="utf-8", newline="\n")
