"""A built dataset of any number of clips without any media: what the review opens, as a build leaves it.

    make_dataset(tmp_path / "out", 34)

Words, names and measures are drawn from a seed, so two calls make the same dataset.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from captioner.drafting import Drafter
from captioner.rowmaking import fill_rows
from captioner.run import settings_of
from captioner.store import ClipRow, Store, pack
from captioner.times import Span
from captioner.types import Cut, Line, Word

SPOKEN = """
where did you leave the lantern I told you not to go there again before the rain comes down and nobody knows what he was
looking for in the old house by the river when the light went out she said it would be fine
""".split()  # noqa: SIM905  as people say them
RATE = Fraction(25)
EACH = 200
"""Clips of one recording."""


def make_dataset(out: Path, clips: int, *, trigger: str = "mw_anna", seed: int = 1) -> Path:
    """Writes `out/.captioner` and returns `out`."""
    settings = {"trigger": trigger}
    drafter = Drafter.of(settings_of(settings))
    with Store(out / ".captioner") as store, store.transaction():
        store.set_meta("settings", json.dumps(settings))
        store.set_meta("inputs", json.dumps([str(out.parent / "raw")]))
        names = []
        for number, first in enumerate(range(0, clips, EACH)):
            name = f"ep{number:03}.mkv"
            names.append(name)
            cuts = list(_cuts(f"ep{number:03}", min(EACH, clips - first), random.Random(seed * 1000 + number)))
            rows = [
                ClipRow(cut.id, name, place, pack(cut), pack(drafter.draft(cut, None)))
                for place, cut in enumerate(cuts)
            ]
            store.replace_clips(name, rows)
        fill_rows(store, drafter, names)
    return out


def _cuts(slug: str, count: int, draw: random.Random) -> Iterator[Cut]:
    start = 10
    for _ in range(count):
        frames = 8 * draw.randint(5, 28) + 1
        first, length = start / RATE, frames / RATE
        said = draw.randint(2, 14)
        step = float(length) / (said + 1)
        spoken = [draw.choice(SPOKEN) for _ in range(said)]
        spoken[0] = spoken[0].capitalize()
        spoken[-1] += "."
        speaker = draw.choice(["ANNA", "BEN", "SPEAKER_00"])
        words = tuple(
            Word(
                text,
                Span.at(float(first) + step * (0.5 + place), float(first) + step * (1.3 + place)),
                probability=round(draw.uniform(0.3, 1.0), 3),
                speaker=speaker,
            )
            for place, text in enumerate(spoken)
        )
        line = Line(words, speaker, trust=round(draw.uniform(0.3, 1.0), 3))
        yield Cut(slug, start, frames, RATE, (line,), language="en")
        start += frames + draw.randint(5, 60)
