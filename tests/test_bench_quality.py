"""The benches' own arithmetic: a measure that cannot be wrong cannot be right."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

BENCH = Path(__file__).parent.parent / "bench"
sys.path.insert(0, str(BENCH))

import quality  # noqa: E402
import quality_trust  # noqa: E402
import quality_truth  # noqa: E402
from quality_report import table  # noqa: E402
from quality_run import Clip, Heard  # noqa: E402
from quality_score import (  # noqa: E402
    Errors,
    Spoken,
    align,
    foreign_speech,
    foreign_words,
    inside,
    invented,
    kept,
    silent_stretches,
    single_speech,
    split_words,
    without,
)
from quality_text import normalise  # noqa: E402


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello, World!", "hello world"),
        ("about 1455,", "about fourteen fifty-five"),
        ("in 1905", "in nineteen o five"),
        ("2,300 of 21st", "two thousand three hundred of twenty first"),
        ("3.5 %", "three point five percent"),
        ("N_E_Z_", "NEZ"),
        ("with P2 now, 3rd", "with P two now third"),
        ("Mr. Dashwood\u2019s", "mister dashwood's"),
        ("cold-hearted \u2014 ill\u2014disposed", "cold hearted ill disposed"),
        ("'quoted' words'", "quoted words"),
        ("the 20th, 12th", "the twentieth, twelfth"),
        ("12345678901", "one two three four five six seven eight nine zero one"),
    ],
)
def test_said_alike_is_compared_alike(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(("one", "other"), [("we'll", "well"), ("ten", "tenth"), ("a b c", "a bd"), ("15", "50")])
def test_said_otherwise_stays_apart(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


def test_errors_by_kind() -> None:
    assert align(["a", "b", "c", "d"], ["a", "x", "c", "d", "e"]) == Errors(3, 1, 0, 1)
    assert align(["a", "b", "c"], []) == Errors(0, 0, 3, 0)
    assert align([], ["a"]) == Errors(0, 0, 0, 1)
    assert align([], []).rate is None
    assert align(["a", "b", "c", "d"], ["a", "x", "c", "d", "e"]).rate == 0.5


def test_a_part_of_the_text_costs_only_what_is_wrong_in_it() -> None:
    text = ["one", "two", "three", "four", "five", "six"]
    assert align(text, ["three", "four"], part=True) == Errors(2, 0, 0, 0)
    gap = align(text, ["three", "five"], part=True)
    assert (gap.hits, gap.substitutions + gap.deletions) == (1, 1)
    assert align(text, ["three", "x", "four"], part=True).insertions == 1
    assert align(text, [], part=True) == Errors()


words = st.lists(st.sampled_from("abc"), max_size=8)


@given(words, words)
def test_alignment_counts_every_word_once(truth: list[str], heard: list[str]) -> None:
    errors = align(truth, heard)
    assert errors.reference == len(truth)
    assert errors.hits + errors.substitutions + errors.insertions == len(heard)
    part = align(truth, heard, part=True)
    assert part.hits + part.substitutions + part.insertions == len(heard)
    wrong = [e.substitutions + e.deletions + e.insertions for e in (part, errors)]
    assert wrong[0] <= wrong[1]


def test_a_word_is_split_only_by_an_edge_strictly_inside() -> None:
    word = Spoken(1.0, 1.5, "hi")
    assert split_words([word], (0.0, 1.2)) == [word]
    assert split_words([word], (1.2, 3.0)) == [word]
    assert split_words([word], (1.0, 1.5)) == []
    assert split_words([word], (0.5, 2.0)) == []


def test_foreign_is_whoever_speaks_less() -> None:
    said = [Spoken(0, 1, "a", "ann"), Spoken(1, 2, "b", "ann"), Spoken(2, 2.5, "c", "bob"), Spoken(9, 10, "d", "bob")]
    assert [word.text for word in foreign_words(said, (0.0, 2.1))] == ["c"]
    assert foreign_words(said, (0.0, 2.0)) == []
    turns = [(0.0, 2.0, "ann"), (1.5, 3.0, "bob"), (2.8, 4.0, "eve")]
    assert foreign_speech(turns, (0.0, 2.5)) == pytest.approx(1.0)
    assert foreign_speech(turns, (0.0, 1.5)) == 0.0


def test_speech_that_is_kept() -> None:
    assert single_speech([(0, 4, "ann"), (3, 5, "bob")]) == [(0, 3), (4, 5)]
    assert single_speech([(0, 4, "ann"), (3, 5, "ann")]) == [(0, 5)]
    assert kept([(0, 3), (4, 5)], [(1, 2), (1.5, 4.5)]) == pytest.approx(2.5)
    assert without((0, 10), [(2, 3), (2.5, 4), (9, 12)]) == [(0, 2), (4, 9)]
    assert [word.text for word in inside([Spoken(0, 1, "a"), Spoken(1.8, 3, "b")], (0, 2))] == ["a"]


def test_invented_words_lie_in_silence() -> None:
    silent = silent_stretches([(5.0, 8.0)], 20.0, slack=0.5)
    heard = [(1.0, 2.0, "thanks"), (4.2, 4.7, "near"), (6.0, 7.0, "said"), (19.0, 20.3, "bye")]
    assert invented(heard, silent) == ["thanks", "bye"]
    assert invented(heard, silent_stretches([], 20.0)) == ["thanks", "near", "said", "bye"]


def test_truth_in_all_its_forms(tmp_path: Path) -> None:
    (tmp_path / "a.rttm").write_text(
        "SPEAKER a 1 0 2 <NA> <NA> ann <NA> <NA>\nSPEAKER a 1 3 1 <NA> <NA> bob <NA> <NA>\n"
    )
    (tmp_path / "a.words.json").write_text(json.dumps([{"start": 0, "end": 1, "word": "hi", "speaker": "ann"}]))
    (tmp_path / "b.clips.rttm").write_text("SPEAKER b 1 0 3 <NA> <NA> ann <NA> <NA>\n")
    part = {"speaker": "ann", "clip_start": 0, "clip_end": 3, "text": "go now"}
    (tmp_path / "b.turns.json").write_text(json.dumps([part, part | {"clip_start": 3, "clip_end": 6}]))
    (tmp_path / "c.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nHi <u>you</u>\n")
    (tmp_path / "d.events.json").write_text(json.dumps([{"start": 1, "end": 2, "label": "Speech"}]))
    items = [
        {"file": "a.wav", "rttm": "a.rttm", "words": "a.words.json", "duration_s": 5, "language": "en"},
        {"file": "b.mp4", "rttm": "b.clips.rttm", "turns": "b.turns.json", "language": "en"},
        {"file": "c.mp4", "transcript": "c.vtt", "language": "en"},
        {"file": "d.flac", "events": "d.events.json", "duration_s": 9, "language": "en"},
        {"file": "e.wav", "labels": ["dog"], "language": None, "duration_s": 5},
        {"file": "f.wav", "transcript_text": "In 1455", "transcript_text_normalised": "In fourteen", "language": "en"},
        {"file": "g.mp4", "language": "en"},
    ]
    for item in items:
        (tmp_path / str(item["file"])).touch()
    (tmp_path / "manifest.json").write_text(json.dumps({"items": items}))
    a, b, c, d, e, f, g = quality_truth.load(tmp_path)
    assert (a.speakers, a.text, a.speech, a.alone) == (2, "hi", [(0.0, 2.0), (3.0, 4.0)], False)
    assert (b.turns, b.shots, b.text, b.speakers) == (None, [3.0], "go now go now", 1)
    assert b.coarse == [(0.0, 3.0, "ann")]
    assert (c.text, c.speakers, c.alone) == ("Hi you", None, False)
    assert (d.speech, d.text) == ([(1, 2)], None)
    assert (e.speech, e.unscored) == ([], [])
    assert (f.text, f.alone) == ("In fourteen", True)
    assert g.unscored == ["WER: no text", "DER: no turns"]


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no such file"):
        quality_truth.load(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({"items": [{"file": "lost.wav"}]}))
    with pytest.raises(SystemExit, match=r"lost\.wav"):
        quality_truth.load(tmp_path)


def clip(start: float, end: float, text: str, *doubts: str) -> Clip:
    return Clip(f"a_f{start:.0f}n{end:.0f}", (start, end), text, doubts, None)


def dialogue() -> quality_truth.Truth:
    said = [
        Spoken(1, 2, "hi", "ann"),
        Spoken(2, 3, "there", "ann"),
        Spoken(4, 5, "yes", "bob"),
        Spoken(5, 6, "sir", "bob"),
    ]
    return quality_truth.Truth(
        "a.wav", Path("a.wav"), 10.0, "en", "hi there yes sir", words=said, turns=[(1, 3, "ann"), (4, 6, "bob")],
        shots=[3.5], speech=[(1, 3), (4, 6)], speakers=2,
    )  # fmt: skip


def test_good_clips_measure_well() -> None:
    found = quality.clip_measures(dialogue(), [clip(0.5, 3.4, "Hi there."), clip(3.6, 6.5, "Yes, sir!")])
    assert (found["words_cut"], found["foreign_words"], found["crossed"], found["caption_wrong"]) == ([], [], [], [])
    assert found["kept"] == {"of": 4.0, "kept": 4.0, "by": "times"}
    assert found["invented"] == []


def test_a_word_is_cut_where_it_sounds_and_not_in_the_pause_that_its_annotation_swallows() -> None:
    chance = np.random.default_rng(1)
    sound = chance.normal(0, 1e-4, 10 * 16_000)
    sound[4 * 16_000 : round(4.4 * 16_000)] += chance.normal(0, 0.1, round(0.4 * 16_000))
    samples = sound.astype(np.float32)
    through = quality.clip_measures(dialogue(), [clip(0.5, 4.2, "")], samples)
    behind = quality.clip_measures(dialogue(), [clip(0.5, 4.7, "")], samples)
    assert [word for _, word in through["words_cut"]] == [word for _, word in behind["words_cut"]] == ["yes"]
    assert [word for _, word in through["words_cut_sounding"]] == ["yes"]
    assert behind["words_cut_sounding"] == []


def test_bad_clips_measure_badly() -> None:
    found = quality.clip_measures(dialogue(), [clip(1.5, 4.6, "hi there"), clip(7.5, 9.0, "thank you")])
    assert [word for _, word in found["words_cut"]] == ["hi", "yes"]
    assert [word for _, word in found["foreign_words"]] == ["yes"]
    assert found["foreign_seconds"] == 0.6
    assert [shot for _, shot in found["crossed"]] == [3.5]
    assert found["caption"]["word times"] == {"hits": 2, "substitutions": 0, "deletions": 1, "insertions": 2}
    assert found["kept"]["kept"] == pytest.approx(2.1)
    assert [text for _, text in found["invented"]] == ["thank you"]


def test_turns_are_scored_without_a_collar_and_with_overlap() -> None:
    truth = dialogue()
    assert quality.der(truth, [(1, 3, "x"), (4, 6, "y")]) == {"missed": 0, "false_alarm": 0, "confusion": 0, "total": 4}
    found = quality.der(truth, [(1, 3, "x"), (4, 5, "x"), (5, 6.5, "y")])
    assert found == {"missed": 0, "false_alarm": 0.5, "confusion": 1.0, "total": 4.0}
    assert quality.der(truth, []) == {"missed": 4.0, "false_alarm": 0, "confusion": 0, "total": 4.0}


class Deaf:
    """A transcriber that hears one word more than is said."""

    def words(self, samples: object, language: str | None) -> list[tuple[float, float, str]]:
        return [(1, 2, " Hi"), (2, 3, " there"), (4, 5, " yes"), (5, 6, " sir"), (8.8, 9.0, " bye")]


def test_an_item_is_scored_and_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "sound_of", lambda path: [0.0])
    heard = Heard(
        words=[(1, 2, "hi"), (4, 5, "yes"), (5, 6, "sir")],
        turns=[(1, 3, "x"), (4, 6, "x")],
        clips=[clip(0.5, 3.4, "Hi there."), clip(3.6, 6.5, "Yes, sir!", "fast: too fast")],
    )
    row = quality.score_item(dialogue(), heard, Deaf(), again=True)
    assert (row["wer"]["deletions"], row["wer_alone"]["insertions"]) == (1, 1)
    assert (row["invented"], row["invented_alone"]) == ([], [" bye"])
    assert (row["speakers"], row["der"]["confusion"]) == ([1, 2], 2.0)
    assert (row["sure"]["kept"]["kept"], row["all"]["kept"]["kept"]) == (2.0, 4.0)
    lines = [" ".join(line.split()) for line in table([row]).splitlines()]
    assert "a.wav 25.0 0 1 0 4 25.0 0 0 1" in lines
    assert "a.wav 50.0 0.0 0.0 50.0 1 2" in lines


def test_a_calibrated_number_has_no_error_and_an_overconfident_one_has_its_own() -> None:
    true = quality_trust.calibration([(0.75, False), (0.75, False), (0.75, False), (0.75, True)])
    assert (true["ece"], true["sure"], true["half_wrong"]) == (0.0, 0, 0)
    bold = quality_trust.calibration([(0.95, False), (0.95, True), (0.2, True), (0.2, True)])
    assert bold["ece"] == pytest.approx((2 * 0.45 + 2 * 0.2) / 4)
    assert (bold["sure"], bold["sure_wrong"], bold["half"], bold["half_wrong"]) == (2, 1, 2, 1)


def test_voices_are_pure_where_no_name_is_shared_and_covered_where_none_is_split() -> None:
    one = quality_trust.identity([("A", 4.0, "ann"), ("A", 2.0, "bob"), ("B", 2.0, "bob")])
    assert one == {"purity": 6 / 8, "coverage": 6 / 8, "found": 2, "true": 2}
    clips = [replace(clip(0.5, 3.4, "Hi there."), speaker="A"), clip(3.6, 6.5, "Yes, sir!")]
    assert quality_trust.voices_of("a.wav", dialogue().turns or [], clips) == [("A", 2, "ann")]
    assert quality_trust.person("a.wav", "spk1") == "a.wav: spk1"
    assert quality_trust.person("a.wav", "MEE009") == "MEE009"
