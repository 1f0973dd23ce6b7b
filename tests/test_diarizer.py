"""The embedded diarizer's pure parts, the replay of RTTM files, and the whole on real speech."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.errors import BadFormat, SettingsError
from captioner.formats import rttm as format_rttm
from captioner.models.diarizer import changes, embedded, rttm, speakers, stitching, turnlets, windows
from captioner.models.diarizer.clustering import Rules, agglomerate
from captioner.models.diarizer.turnlets import Unit
from captioner.models.protocols import Diarizer, SpeakerHint
from captioner.times import Span
from captioner.types import Diarization
from tests.hearing import RATE, Floats, Heard, hiss, recording, test_data

ANY = SpeakerHint()
RULES = Rules()
NEAR = RULES.limits[-1][1]
"""Distance up to which two voices with seconds of speech are one."""


# -- windows -------------------------------------------------------------------------------------------------------


@given(st.integers(1, 3_000_000))
def test_windows_cover_all_and_none_begins_far_past_the_end(samples: int) -> None:
    firsts = windows.starts(samples)
    assert firsts[0] == 0
    assert firsts[-1] * windows.HOP + windows.WINDOW >= samples
    assert len(firsts) == 1 or firsts[-1] * windows.HOP + windows.WINDOW < samples + windows.HOP
    assert all(0 < two - one <= windows.STRIDE for one, two in itertools.pairwise(firsts))


def test_no_sound_has_no_window() -> None:
    assert windows.starts(0) == []


def test_powerset_classes_are_sets_of_local_speakers() -> None:
    found = windows.speakers(np.eye(7, dtype=np.float32))
    assert [tuple(np.flatnonzero(row)) for row in found] == [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]


def test_frames_have_times() -> None:
    assert windows.edge(0) == pytest.approx((495 - 135) / 16_000)
    assert windows.edge(1000) - windows.edge(0) == pytest.approx(16.875)


# -- turnlets ------------------------------------------------------------------------------------------------------


def local(*spans: tuple[int, int, int]) -> windows.Local:
    out = np.zeros((windows.FRAMES, windows.SPEAKERS), dtype=np.uint8)
    for speaker, start, end in spans:
        out[start:end, speaker] = 1
    return out


def test_a_short_pause_does_not_end_a_unit_but_another_voice_does() -> None:
    paused = turnlets.units_of(0, 100, local((0, 10, 50), (0, 60, 100)))
    assert [(unit.start, unit.end) for unit in paused] == [(110, 200)]
    assert not paused[0].alone[40:50].any()
    interrupted = turnlets.units_of(0, 0, local((0, 10, 50), (1, 52, 58), (0, 60, 100)))
    assert [(unit.local, unit.start, unit.end) for unit in interrupted] == [(0, 10, 50), (1, 52, 58), (0, 60, 100)]


def test_the_same_speech_in_two_windows_is_one_turnlet_whoever_it_was_locally() -> None:
    firsts = [0, windows.STRIDE]
    units = turnlets.units_of(0, 0, local((0, 200, 400)))
    units += turnlets.units_of(1, windows.STRIDE, local((2, 200 - windows.STRIDE, 402 - windows.STRIDE)))
    assert [turnlet.units for turnlet in turnlets.turnlets_of(units, firsts)] == [(0, 1)]


def test_a_speech_without_a_pause_is_several_turnlets_that_leave_nothing_out() -> None:
    firsts = [index * windows.STRIDE for index in range(20)]
    units = [unit for index, first in enumerate(firsts) for unit in turnlets.units_of(index, first, local((0, 0, 589)))]
    found = turnlets.turnlets_of(units, firsts)
    covered = np.zeros(firsts[-1] + windows.FRAMES, dtype=np.bool_)
    for turnlet in found:
        assert turnlet.whole.end - turnlet.whole.start <= turnlets.LONGEST
        covered[turnlet.whole.start : turnlet.whole.end] |= turnlet.whole.alone
    assert covered.all()
    assert len(found) <= len(units) / 2


def test_a_unit_is_not_cut_where_somebody_else_talks_too() -> None:
    unit = Unit(0, 0, 0, 200, np.arange(200) < 100)
    assert [part.end for part in unit.cut([50, 150])] == [50, 200]


def test_one_change_found_by_two_windows_is_one() -> None:
    assert changes.apart({100, 104, 123, 124, 300}) == [100, 124, 300]


def test_two_people_of_one_window_are_never_one_turnlet() -> None:
    units = turnlets.units_of(0, 0, local((0, 200, 400), (1, 200, 400)))
    assert len(turnlets.turnlets_of(units, [0])) == 2


@pytest.mark.parametrize(("later", "same"), [(0, True), (10, True), (20, False)])
def test_stretches_that_share_little_of_what_each_hears_are_not_the_same_speech(later: int, same: bool) -> None:
    firsts = [0, windows.STRIDE]
    # Both hear 20 frames; the one has more before the other's window begins, the other after the one's ends.
    one, two = np.zeros(200, np.bool_), np.zeros(windows.FRAMES, np.bool_)
    one[148 - later : 168] = True
    two[:20] = True
    two[windows.FRAMES - windows.STRIDE :][:later] = True
    units = [Unit(0, 0, 0, 200, one), Unit(1, 0, windows.STRIDE, windows.STRIDE + windows.FRAMES, two)]
    assert len(turnlets.turnlets_of(units, firsts)) == (1 if same else 2)


def likeness(one: Unit, two: Unit, low: int, high: int) -> float:
    """What `turnlets` computes, in the plainest way."""
    mine, theirs = ({u.start + i for i in np.flatnonzero(u.alone)} & set(range(low, high)) for u in (one, two))
    both, shorter = len(mine & theirs), min(int(one.alone.sum()), int(two.alone.sum()))
    return both / len(mine | theirs) if both and both >= turnlets.SAME * shorter else 0.0


def plain_turnlets(units: list[Unit], firsts: list[int]) -> list[list[int]]:
    """The same, pair after pair."""
    members: list[list[int]] = []
    for index, unit in enumerate(units):
        best, chosen = turnlets.SAME, None
        for window in range(unit.window - 1, unit.window - 1 - turnlets.BACK, -1):
            for group in sorted(members, key=lambda ids: [i for i in ids if units[i].window == window] or [index]):
                for other in (i for i in group if units[i].window == window):
                    end = firsts[window] + windows.FRAMES
                    alike = likeness(unit, units[other], firsts[unit.window], end)
                    start, last = min(units[i].start for i in group), max(units[i].end for i in group)
                    fits = max(last, unit.end) - min(start, unit.start) <= turnlets.LONGEST
                    if alike > best and fits and all(units[i].window != unit.window for i in group):
                        best, chosen = alike, group
        if chosen is None:
            members.append(chosen := [])
        chosen.append(index)
    return members


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 7))
def test_turnlets_are_what_comparing_all_units_gives(seed: int, count: int) -> None:
    chance = np.random.default_rng(seed)
    firsts = [index * windows.STRIDE for index in range(count)]
    truth = np.zeros((firsts[-1] + windows.FRAMES, windows.SPEAKERS), np.uint8)
    for _ in range(3 * count):
        start, length = int(chance.integers(0, len(truth))), int(chance.integers(5, 250))
        truth[start : start + length, chance.integers(windows.SPEAKERS)] ^= 1
    units: list[Unit] = []
    for index, first in enumerate(firsts):
        # Every window hears a little else, and calls people what it likes.
        seen = np.roll(truth[first : first + windows.FRAMES], int(chance.integers(-15, 16)), axis=0)
        units += turnlets.units_of(index, first, seen[:, chance.permutation(windows.SPEAKERS)])
    found = turnlets.turnlets_of(units, firsts)
    assert [list(turnlet.units) for turnlet in found] == plain_turnlets(units, firsts)


def test_windows_vote_on_who_is_whom() -> None:
    units = turnlets.units_of(0, 0, local((0, 0, 100), (1, 90, 200), (0, 250, 300)))
    found = turnlets.turnlets_of(units, [0])
    votes, together = turnlets.evidence(units, found)
    assert votes == {(0, 1): 1.0, (0, 2): -1.0, (1, 2): 1.0}
    assert together == {(0, 1)}


@given(st.lists(st.integers(0, 200), max_size=5, unique=True))
def test_the_parts_of_a_unit_are_the_unit(borders: list[int]) -> None:
    unit = Unit(0, 0, 50, 150, np.arange(100) % 3 > 0)
    parts = unit.cut(sorted(borders))
    assert np.array_equal(np.concatenate([part.alone for part in parts]), unit.alone)
    assert [part.start for part in parts[1:]] == sorted(border for border in borders if 50 < border < 150)


# -- changes of voice ------------------------------------------------------------------------------------------------


def voices(seed: int, count: int, dimensions: int = 64) -> np.ndarray:
    """Unit vectors of different people: about 1 apart."""
    made = np.linalg.qr(np.random.default_rng(seed).standard_normal((dimensions, count)))[0].T
    return np.asarray(made, dtype=np.float64)


def heard(rng: np.random.Generator, voice: np.ndarray, spread: float = 0.04) -> np.ndarray:
    """The voice as an embedding of it comes out."""
    made = voice + rng.standard_normal(len(voice)) * spread
    return np.asarray(made / np.linalg.norm(made), dtype=np.float32)


def test_pieces_cover_all_and_end_where_it_is_quiet() -> None:
    level = np.ones(700)
    level[[130, 290, 410]] = 0.0
    found = changes.pieces(level)
    assert (found[0][0], found[-1][1]) == (0, 700)
    assert all(one[1] == two[0] for one, two in itertools.pairwise(found))
    assert all(changes.SHORT <= end - start <= changes.LONG for start, end in found)
    assert {130, 290, 410} <= {start for start, _ in found}


@pytest.mark.parametrize("order", ["aaa", "aabb", "aabbaa", "abc", "a"])
def test_a_change_is_found_between_the_pieces_where_it_is(order: str) -> None:
    rng, people = np.random.default_rng(1), dict(zip("abc", voices(1, 3), strict=True))
    vectors = np.stack([heard(rng, people[who]) for who in order])
    weights = np.full(len(order), 1.2)
    wanted = [index for index in range(1, len(order)) if order[index] != order[index - 1]]
    assert changes.cuts(vectors, weights, 0.42, 0.6, 2.0) == wanted


@pytest.mark.parametrize("orders", [["aabb", "a", "abc", "aaaa", ""], ["aabb"]])
def test_all_searches_ask_together_and_find_what_each_finds_alone(orders: list[str]) -> None:
    rng, people = np.random.default_rng(2), dict(zip("abc", voices(1, 3), strict=True))
    whole = [np.repeat(list(order), 150) for order in orders]
    quiet = [np.where(np.arange(len(who)) % 150 == 0, 0.0, 1.0) + rng.uniform(0, 0.1, len(who)) for who in whole]
    calls: list[int] = []

    def embed(asked: list[tuple[int, changes.Stretch]]) -> np.ndarray:
        """A stretch's voice: of whom most of it is, and the more of others the less clearly."""
        calls.append(len(asked))
        mixed = [sum(people[who] for who in whole[place][start:end]) for place, (start, end) in asked]
        return np.stack([heard(np.random.default_rng(5), one / np.linalg.norm(one), 0.02) for one in mixed])

    found = changes.together([changes.search(level) for level in quiet], embed)
    assert len(calls) <= 2, "all pieces, then all places"
    for order, who, places in zip(orders, whole, found, strict=True):
        wanted = [150 * index for index in range(1, len(order)) if order[index] != order[index - 1]]
        assert len(places) == len(wanted)
        assert all(abs(place - at) <= changes.SMOOTH for place, at in zip(places, wanted, strict=True)), who
    for place, level in enumerate(quiet):
        alone = changes.together([changes.search(level)], lambda asked: embed([(place, one) for _, one in asked]))  # noqa: B023
        assert alone == [found[place]]


def test_places_are_tried_and_the_clearest_is_taken() -> None:
    level = np.ones(600)
    level[[180, 260, 360]] = 0.0, 0.2, 0.0
    asked: list[list[changes.Stretch]] = []

    def embed(given_: list[tuple[int, changes.Stretch]]) -> np.ndarray:
        asked.append([one for _, one in given_])
        one, two = voices(4, 2)
        # The voice changes at 260, which is not the quietest place: pieces end at 180 and 360.
        shares = [np.clip((260 - start) / (end - start), 0, 1) for start, end in asked[-1]]
        return np.stack([(s * one + (1 - s) * two) / np.hypot(s, 1 - s) for s in shares]).astype(np.float32)

    (found,) = changes.together([changes.search(level)], embed)
    assert [abs(place - 260) <= changes.SMOOTH for place in found] == [True]
    assert len(asked) == 2
    assert len(set(asked[1])) == len(asked[1]), "nothing is asked twice"
    assert all(0 <= start < end <= 600 and end - start <= changes.PROBE for start, end in asked[1])


# -- who is whom -----------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 12))
def test_people_that_are_apart_are_told_apart(seed: int, people: int, each: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(people), each))
    known = voices(seed, people)
    vectors = np.stack([heard(rng, known[who]) for who in truth])
    labels = speakers.label(vectors, rng.uniform(0.9, 5.0, len(truth)), {}, set(), ANY, RULES)
    assert len(set(labels)) == people
    assert len(set(zip(truth.tolist(), labels, strict=True))) == people


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 20), st.integers(1, 5), st.integers(0, 4))
def test_a_hint_is_kept_exactly(seed: int, count: int, least: int, more: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = np.stack([heard(rng, voice, 0.1) for voice in rng.standard_normal((count, 16))])
    weights = rng.uniform(0.2, 4.0, count)
    labels = speakers.label(vectors, weights, {}, set(), SpeakerHint(least, least + more), RULES)
    assert None not in labels
    assert min(least, count) <= len(set(labels)) <= least + more


@pytest.mark.parametrize("apart", [(0, 1), (0, 2), (1, 2)])
def test_two_that_talk_at_once_are_two_people_however_alike(apart: tuple[int, int]) -> None:
    vectors = np.repeat(heard(np.random.default_rng(0), voices(0, 1)[0])[None], 3, axis=0)
    labels = speakers.label(vectors, np.array([3.0, 3.0, 3.0]), {}, {apart}, ANY, RULES)
    assert labels[apart[0]] != labels[apart[1]]
    assert len(set(labels)) == 2
    hinted = speakers.label(vectors, np.array([3.0, 3.0, 3.0]), {}, {apart}, SpeakerHint(1, 1), RULES)
    assert hinted == [0, 0, 0]


def at(distance: float) -> np.ndarray:
    """Two unit vectors so far apart."""
    return np.array([[1.0, 0.0], [1 - distance, np.sqrt(1 - (1 - distance) ** 2)]], dtype=np.float32)


def test_what_the_windows_say_decides_a_close_case() -> None:
    middle, weights = at(NEAR + 0.01), np.array([5.0, 5.0])
    assert speakers.label(middle, weights, {}, set(), ANY, RULES) == [0, 1]
    assert speakers.label(middle, weights, {(0, 1): -1.0}, set(), ANY, RULES) == [0, 0]
    below = at(NEAR - 0.01)
    assert speakers.label(below, weights, {}, set(), ANY, RULES) == [0, 0]
    assert speakers.label(below, weights, {(0, 1): 1.0}, set(), ANY, RULES) == [0, 1]


def test_a_syllable_is_nobody_new_but_a_second_of_speech_may_be() -> None:
    far = at(0.6)
    assert speakers.label(far, np.array([5.0, 0.25]), {}, set(), ANY, RULES) == [0, 0]
    assert speakers.label(far, np.array([5.0, 0.4]), {}, set(), ANY, RULES) == [0, 0]
    assert speakers.label(far, np.array([5.0, 0.9]), {}, set(), ANY, RULES) == [0, 1]


def test_speech_without_an_embedding_gets_no_label_here() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 0.0]], dtype=np.float32)
    assert speakers.label(vectors, np.array([2.0, 0.1]), {}, set(), ANY, RULES) == [0, None]
    assert speakers.label(vectors[1:], np.array([0.1]), {}, set(), ANY, RULES) == [None]


def test_thousands_of_turnlets_come_out_as_the_same_people() -> None:
    rng, known = np.random.default_rng(3), voices(3, 4)
    truth = np.arange(900) % 4
    vectors = np.stack([heard(rng, known[who], 0.06) for who in truth])
    labels = speakers.label(vectors, rng.uniform(1.6, 5.0, 900), {}, set(), ANY, Rules(dense=100))
    assert labels == truth.tolist()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 15))
def test_agglomerating_is_average_linkage(seed: int, count: int) -> None:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    rng = np.random.default_rng(seed)
    condensed = rng.uniform(0.1, 1.0, count * (count - 1) // 2)
    square = squareform(condensed)
    labels = agglomerate(square + np.diag(np.full(count, np.inf)), np.ones(count), set(), ((0.0, 0.5),))
    theirs = fcluster(linkage(condensed, "average"), 0.5, "distance")
    # Weights follow the members here, so that equal weights are plain average linkage.
    assert len(set(zip(labels, theirs.tolist(), strict=True))) == len(set(labels)) == len(set(theirs.tolist()))


# -- turns -----------------------------------------------------------------------------------------------------------


def stitched(seconds: float, labels: list[int | None], *heard_: tuple[int, windows.Local]) -> list[tuple[int, Span]]:
    firsts = [first for first, _ in heard_]
    units = [unit for index, (first, one) in enumerate(heard_) for unit in turnlets.units_of(index, first, one)]
    frames = windows.frames_of(round(seconds * RATE))
    count = 1 + max((label for label in labels if label is not None), default=-1)
    active = stitching.active(frames, firsts, [one for _, one in heard_], units, labels, count)
    return stitching.turns(active, seconds)


def test_overlapping_speech_stays_as_overlapping_turns() -> None:
    turns = stitched(10.0, [0, 1], (0, local((0, 60, 300), (1, 200, 400))))
    assert [speaker for speaker, _ in turns] == [0, 1]
    assert turns[0][1] == Span.at(windows.edge(60), windows.edge(300))
    assert turns[1][1] == Span.at(windows.edge(200), windows.edge(400))


def test_one_window_of_four_cannot_make_a_turn() -> None:
    step = windows.STRIDE
    quiet = [(step * index, local()) for index in range(3)]
    assert stitched(17.0, [0], *quiet, (step * 3, local((0, 10, 100)))) == []


def test_blips_go_and_cracks_are_closed() -> None:
    active = np.zeros((300, 1), dtype=np.bool_)
    active[10:100] = active[103:200] = active[250:252] = True
    assert stitching.turns(active, 10.0) == [(0, Span.at(windows.edge(10), windows.edge(200)))]


def test_turns_end_with_the_recording() -> None:
    turns = stitched(5.0, [0], (0, local((0, 200, 589))))
    assert turns[0][1].end <= 5.0


def test_a_unit_without_a_label_goes_on_as_its_local_speaker() -> None:
    units = turnlets.units_of(0, 0, local((0, 0, 100), (1, 100, 104), (0, 104, 108), (1, 108, 200)))
    assert stitching.fill([0, None, None, 1], units) == [0, 1, 0, 1]
    assert stitching.fill([None] * 4, units) == [None] * 4


def test_speakers_are_named_in_order_of_appearance() -> None:
    turns, names = stitching.named([(4, Span.at(0, 1)), (0, Span.at(1, 2)), (4, Span.at(2, 3))])
    assert [turn.speaker for turn in turns] == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_00"]
    assert names == {4: "SPEAKER_00", 0: "SPEAKER_01"}


# -- replaying RTTM ----------------------------------------------------------------------------------------------------


@dataclass
class Named(Heard):
    name: str = ""


def replay(path: Path, name: str, seconds: float = 10.0) -> Diarization:
    audio = Named(np.zeros(round(seconds * RATE), np.float32), name=name)
    return rttm.load(rttm.Options(path=str(path))).diarize([audio], ANY)[0]


ROWS = "SPEAKER {0} 1 0.5 1.0 <NA> <NA> zoe <NA> <NA>\nSPEAKER {0} 1 1.2 2.0 <NA> <NA> al <NA> <NA>\n"


@pytest.mark.parametrize("uri", ["b/take_1.wav", "b/take_1", "take_1.wav", "take_1"])
def test_a_recording_is_found_by_its_name_with_or_without_folder_and_suffix(tmp_path: Path, uri: str) -> None:
    file = tmp_path / "all.rttm"
    file.write_text(ROWS.format("other") + ROWS.format(uri), encoding="utf-8")
    turns = replay(file, "b/take_1.wav").turns
    assert [(turn.speaker, turn.span) for turn in turns] == [
        ("zoe", Span.at(0.5, 1.5)),
        ("al", Span.at(1.2, 3.2)),
    ]


def test_blanks_in_a_name_may_be_underscores_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "all.rttm").write_text(ROWS.format("my_take"), encoding="utf-8")
    assert len(replay(tmp_path / "all.rttm", "my take.mp4").turns) == 2


def test_in_a_folder_the_files_name_counts(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "take.rttm").write_text(ROWS.format("whatever"), encoding="utf-8")
    assert len(replay(tmp_path, "b/take.wav").turns) == 2


def test_a_recording_without_turns_is_refused_not_silent(tmp_path: Path) -> None:
    (tmp_path / "take.rttm").write_text(ROWS.format("take"), encoding="utf-8")
    with pytest.raises(BadFormat, match="other\\.wav"):
        replay(tmp_path, "other.wav")
    with pytest.raises(BadFormat, match="name"):
        replay(tmp_path, "")


def test_turns_of_a_longer_recording_are_refused_and_a_little_too_long_is_cut(tmp_path: Path) -> None:
    (tmp_path / "take.rttm").write_text(ROWS.format("take"), encoding="utf-8")
    assert replay(tmp_path, "take.wav", 3.0).turns[-1].span.end == 3.0
    with pytest.raises(BadFormat, match="another file"):
        replay(tmp_path, "take.wav", 2.0)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere"):
        rttm.load(rttm.Options(path=str(tmp_path / "nowhere")))
    with pytest.raises(SettingsError):
        rttm.load(rttm.Options())


def test_a_corrected_file_has_another_fingerprint(tmp_path: Path) -> None:
    file, options = tmp_path / "take.rttm", rttm.Options(path=str(tmp_path))
    file.write_text(ROWS.format("take"), encoding="utf-8")
    before = rttm.fingerprint(options)
    assert before == rttm.fingerprint(options)
    file.write_text(ROWS.format("take").replace("zoe", "al"), encoding="utf-8")
    assert before != rttm.fingerprint(options)


# -- real speech -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def diarizer() -> Diarizer:
    return embedded.load(embedded.Options(threads=2))


def errors(diarization: Diarization, truth: str, seconds: float) -> tuple[float, float]:
    """DER and confusion, as shares of the truth's speech: no collar, overlap counted, over the whole file."""
    from pyannote.core import Annotation, Segment, Timeline  # type: ignore[import-untyped]
    from pyannote.metrics.diarization import DiarizationErrorRate

    reference, hypothesis = Annotation(), Annotation()
    (turns,) = format_rttm.parse((test_data() / truth).read_text(encoding="utf-8")).values()
    for annotation, found in ((reference, turns), (hypothesis, diarization.turns)):
        for index, turn in enumerate(found):
            annotation[Segment(turn.span.start, turn.span.end), index] = turn.speaker
    score = DiarizationErrorRate(collar=0.0, skip_overlap=False)(
        reference, hypothesis, uem=Timeline([Segment(0, seconds)]), detailed=True
    )
    return score["diarization error rate"], score["confusion"] / score["total"]


def turns_of(diarizer: Diarizer, samples: Floats, hint: SpeakerHint = ANY) -> Diarization:
    return diarizer.diarize([Heard(samples)], hint)[0]


def people(diarization: Diarization) -> int:
    return len({turn.speaker for turn in diarization.turns})


@pytest.mark.models
def test_three_speakers_of_a_meeting(diarizer: Diarizer) -> None:
    samples = recording("audio/falcon_3speakers.wav")
    found = turns_of(diarizer, samples)
    rate, confusion = errors(found, "audio/falcon_3speakers.rttm", len(samples) / RATE)
    assert people(found) == 3
    assert rate <= 0.04
    assert confusion <= 0.01


@pytest.mark.models
def test_talkers_that_return_after_seconds_are_recognised(diarizer: Diarizer) -> None:
    samples = recording("grid/grid_turns.mp4")
    found = turns_of(diarizer, samples)
    assert people(found) == 4
    assert errors(found, "grid/grid_turns.clips.rttm", len(samples) / RATE)[1] == 0.0


@pytest.mark.models
@pytest.mark.parametrize(
    "name", ["audio/jfk.flac", "audio/librispeech_1089-134686-0000.flac", "audio/ami_ES2011a_headset_40-46s.wav"]
)
def test_one_speaker_is_one(diarizer: Diarizer, name: str) -> None:
    assert people(turns_of(diarizer, recording(name))) == 1


@pytest.mark.models
def test_one_speaker_stays_one_when_the_level_wanders_in_noise(diarizer: Diarizer) -> None:
    said = np.tile(recording("audio/ljspeech_LJ001-0007.flac"), 3)
    gain = 10 ** (np.interp(np.arange(len(said)), [0, len(said) / 2, len(said)], [0, -18, 0]) / 20)
    assert people(turns_of(diarizer, (said * gain + hiss(len(said) / RATE, -50)).astype(np.float32))) == 1


@pytest.mark.models
def test_a_change_of_voice_without_a_pause_is_found(diarizer: Diarizer) -> None:
    one, two = recording("audio/jfk.flac"), recording("audio/librispeech_1089-134686-0001.flac")
    samples = np.concatenate([one[: 4 * RATE] * 0.4, two[RATE // 2 :], one[5 * RATE :] * 0.4])
    found = turns_of(diarizer, samples)
    assert people(found) == 2
    first, last = 4.0, 4.0 + len(two) / RATE - 0.5
    middle = {turn.speaker for turn in found.turns if first + 0.5 < (turn.span.start + turn.span.end) / 2 < last - 0.5}
    assert len(middle) == 1


@pytest.mark.models
@pytest.mark.parametrize("wanted", [1, 2, 4])
def test_a_hint_is_kept_on_real_speech(diarizer: Diarizer, wanted: int) -> None:
    found = turns_of(diarizer, recording("audio/falcon_3speakers.wav"), SpeakerHint(wanted, wanted))
    assert people(found) == wanted if wanted <= 3 else people(found) >= 3


@pytest.mark.models
def test_an_hour_is_read_in_windows() -> None:
    assert ceil(3600 / (windows.STRIDE * windows.HOP / RATE)) <= len(windows.starts(3600 * RATE)) + 4
