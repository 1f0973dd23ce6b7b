"""The trust bench: which lines count as wrong, how calibration is measured, how recordings are composed."""

from __future__ import annotations

import json
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))

import trust as bench
import trust_data
from trust_labels import Part, Said, differences, parts_of, plain, wrong


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("the desk top is clean", "The desktop is clean."),
        ("you can not go", "You cannot go!"),
        ("his belly counselled him", "his belly counseled him"),
        ("my favourite colour", "My favorite color"),
        ("at nine o'clock", "At 9 o'clock."),
        ("the cheque is grey", "The check is gray"),
    ],
)
def test_ways_to_write_the_same_words_are_no_error(said: str, heard: str) -> None:
    assert differences(plain(said), plain(heard)) == []


def test_each_kind_of_difference_is_found_in_its_place() -> None:
    assert differences(list("abc"), list("axc")) == [(1, 2, 1, 2)]
    assert differences(list("abc"), list("ac")) == [(1, 2, 1, 1)]
    assert differences(list("ac"), list("abc")) == [(1, 1, 1, 2)]


FIRST = Part(0.0, 2.0, "ema", "we start again")
SECOND = Part(3.0, 5.0, "bob", "not today")


def test_a_line_is_wrong_by_a_word_of_its_own_only() -> None:
    lines = [Said(0.1, 1.9, "We start a game."), Said(3.1, 4.9, "Not today.")]
    assert wrong(lines, [FIRST, SECOND]) == [True, False]


def test_a_part_in_two_lines_is_right_and_a_word_lost_between_them_makes_both_wrong() -> None:
    part = Part(0.0, 4.0, "ema", "we start again from the beginning")
    whole = [Said(0.1, 1.5, "We start again"), Said(2.2, 3.9, "from the beginning.")]
    assert wrong(whole, [part]) == [False, False]
    assert wrong([whole[0], Said(2.2, 3.9, "the beginning.")], [part]) == [True, True]


def test_the_order_in_which_lines_are_given_does_not_matter() -> None:
    part = Part(0.0, 4.0, "ema", "we start again from the beginning")
    lines = [Said(2.2, 3.9, "from the beginning."), Said(0.1, 1.5, "We start again")]
    assert wrong(lines, [part]) == [False, False]


def test_words_where_nobody_speaks_are_wrong() -> None:
    assert wrong([Said(0.1, 1.9, "We start again"), Said(7.0, 8.0, "Thank you.")], [FIRST]) == [False, True]


def test_a_line_with_somebody_else_in_it_is_wrong_whatever_its_words() -> None:
    both = Said(0.1, 4.9, "We start again. Not today.")
    assert wrong([both], [FIRST, SECOND]) == [True]
    assert wrong([both], [FIRST, Part(3.0, 5.0, "ema", "not today")]) == [False]
    under = Part(1.0, 2.5, "bob", "yes")
    assert wrong([Said(0.1, 1.9, "We start again")], [FIRST, under]) == [True]


def test_what_cannot_be_decided_is_left_out() -> None:
    parts = parts_of(
        {"parts": [{"start": 0.0, "end": 2.0, "voice": "ema", "name": "one", "text": "we start"}]}, {"ema/one": None}
    )
    assert wrong([Said(0.1, 1.9, "We start")], parts) == [None]


def test_calibration_of_a_known_case() -> None:
    trusts = np.array([0.95] * 90 + [0.95] * 10 + [0.25] * 4)
    bad = np.array([False] * 90 + [True] * 10 + [True] * 3 + [False])
    found = bench.calibration(trusts, bad)
    assert found.error == pytest.approx((0.05 * 100 + 0.0 * 4) / 104)
    assert (found.sure, found.sure_wrong) == (pytest.approx(100 / 104), pytest.approx(0.1))
    assert bench.calibration(np.array([0.9, 0.1]), np.array([False, True])).area == 1.0


def test_fitting_finds_what_tells_right_from_wrong_and_no_negative_weight() -> None:
    rng = np.random.default_rng(2)
    rows = []
    for _ in range(300):
        known: dict[str, float | None] = {feature.name: feature.neutral for feature in bench.TABLE}
        known["speech"] = float(rng.uniform(0, 1))
        known["snr"] = float(rng.uniform(0, 30))
        is_wrong = bool(rng.random() > known["speech"]) or bool(
            known["snr"] > 29
        )  # louder speech is wrong: never believed
        rows.append(bench.Row("x", "g", "c", "words", is_wrong, known))
    weights, _ = bench.fit(rows)
    by_name = {feature.name: float(weight) for feature, weight in zip(bench.TABLE, weights, strict=True)}
    assert min(by_name.values()) >= 0
    assert by_name["speech"] > 2
    assert by_name["snr"] < 0.2


def utterances() -> list[trust_data.Utterance]:
    rng = np.random.default_rng(3)
    return [
        trust_data.Utterance(voice, f"{index}", "en", "so it goes", rng.normal(0, 0.1, 16_000).astype(np.float32))
        for voice in ("awb", "slt")
        for index in range(12)
    ]


def test_composed_recordings_are_the_same_every_time_and_hold_every_utterance_once(tmp_path: Path) -> None:
    found = trust_data.compose(utterances(), tmp_path / "a")
    assert trust_data.compose(utterances(), tmp_path / "b") == found
    assert json.loads((tmp_path / "a" / "truth.json").read_text()) == found
    main = [(part["voice"], part["name"]) for one in found for part in one["parts"] if not part["under"]]
    assert sorted(main) == sorted((one.voice, one.name) for one in utterances())
    for one in found:
        name = one["file"]
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        with wave.open(str(tmp_path / "a" / name)) as file:
            assert file.getnframes() / 16_000 > one["parts"][-1]["end"]


@pytest.mark.parametrize("condition", [name for name, _ in trust_data.CONDITIONS])
def test_every_condition_keeps_the_length_and_the_range(condition: str) -> None:
    rng = np.random.default_rng(4)
    sound = (0.1 * np.sin(np.arange(32_000) / 5)).astype(np.float32)
    done = trust_data.degrade(sound, condition, rng)
    assert done.shape == sound.shape
    assert done.dtype == np.float32
    assert np.abs(done).max() <= 1.0
    assert np.corrcoef(done, sound)[0, 1] > 0.5
