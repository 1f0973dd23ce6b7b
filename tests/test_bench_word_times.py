"""What `bench/word_times.py` says of times that are known to be off."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))

import word_times
from quality_score import Spoken

from captioner.times import Span
from captioner.types import Word

TRUTH = [Spoken(float(at), at + 0.5, text) for at, text in enumerate(("Well,", "don't", "ask", "what", "it", "is"))]


def heard(texts: str, late: float) -> list[Word]:
    places = {word.text.strip(",").lower(): word.start for word in TRUTH}
    return [
        Word(text, Span.at(at, at + 0.4))
        for text in texts.split()
        for at in [places.get(text.strip("!,").lower(), 9.0) + late]
    ]


def test_only_words_that_are_right_are_compared() -> None:
    found = word_times.errors(TRUTH, heard("well DON'T asks what! it", 0.1))
    assert [(round(start, 3), round(end, 3)) for start, end in found] == [(0.1, 0.0)] * 4


def test_bias_has_a_sign_and_the_errors_have_none() -> None:
    row = word_times.row([(-0.1, 0.2), (-0.1, 0.0), (0.3, 0.2)])
    assert row["start"] == pytest.approx({"bias": -100, "mean": 500 / 3, "median": 100, "p90": 260})
    assert row["end"]["bias"] == pytest.approx(200)
