"""Who is whom over many recordings: clustering, ids that stay, what persons said, and purity."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from captioner.measures import Voiceprint
from captioner.models.voice.voiceprint import middle, packed, spoken_frames
from captioner.speech.doubt import REASONS
from captioner.speech.identity import IdentityRules, LocalVoice, alike, cluster, unpacked
from captioner.speech.people import Decision, People, name_fault, new_id, people
from captioner.speech.purity import Speaker, compared, purity, purity_doubts, speakers_of
from captioner.speech.roster import Entry, Roster, anchor_of, assign, near_reference
from captioner.times import Span
from captioner.types import Cut, Line, Word

Vector = NDArray[np.float32]


def voice(person: int, scatter: float = 0.0, seed: int = 0) -> Vector:
    """A unit vector of one of 40 people, who are all at right angles, off by `scatter`."""
    vector = np.zeros(192)
    vector[person] = 1.0
    noise = np.random.default_rng(seed).normal(size=192)
    vector += scatter * noise / np.linalg.norm(noise)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def labels(*heard: tuple[str, float, Vector, int]) -> list[int]:
    """(recording, seconds, embedding, known or -1) of each voice."""
    return cluster(np.stack([h[2] for h in heard]), [LocalVoice(h[0], h[1], h[3]) for h in heard])


def near(one: Vector, distance: float, other: int) -> Vector:
    """A unit vector at a cosine distance from another, towards a person that it has nothing of."""
    cosine = 1 - distance
    return np.asarray(cosine * one + np.sqrt(1 - cosine**2) * voice(other), np.float32)


def test_one_voice_in_two_recordings_is_one_speaker() -> None:
    assert labels(("a", 9, voice(0), -1), ("b", 9, voice(0, 0.4), -1), ("b", 9, voice(1), -1)) == [0, 0, 1]


def test_more_speech_must_be_nearer() -> None:
    far = near(voice(0), 0.35, 30)
    assert labels(("a", 2, voice(0), -1), ("b", 2, far, -1)) == [0, 0]
    assert labels(("a", 20, voice(0), -1), ("b", 20, far, -1)) == [0, 1]
    assert labels(("a", 20, voice(0), -1), ("b", 2, far, -1)) == [0, 0], "the shorter of the two counts"


def test_two_local_speakers_of_one_recording_are_two_people() -> None:
    assert labels(("a", 20, voice(0), -1), ("a", 20, voice(0, 0.1), -1)) == [0, 1]


def test_a_surplus_speaker_with_little_to_say_is_merged_on_strong_evidence_alone() -> None:
    assert labels(("a", 20, voice(0), -1), ("a", 1.5, near(voice(0), 0.28, 30), -1)) == [0, 0]
    assert labels(("a", 20, voice(0), -1), ("a", 1.5, near(voice(0), 0.36, 30), -1)) == [0, 1]
    assert labels(("a", 20, voice(0), -1), ("b", 1.5, near(voice(0), 0.36, 30), -1)) == [0, 0], (
        "not the diarizer's word"
    )


def test_people_that_talk_with_each_other_are_not_joined_by_a_third_recording() -> None:
    one, two = voice(0), near(voice(0), 0.25, 30)
    between = np.asarray((one + two) / np.linalg.norm(one + two), np.float32)
    found = labels(("a", 20, one, -1), ("a", 20, two, -1), ("b", 20, between, -1))
    assert found[0] != found[1]
    assert found[2] in found[:2]


def test_known_speakers_stay_two_and_take_new_voices_in() -> None:
    found = labels(("a", 9, voice(0), 0), ("b", 9, voice(0, 0.1), 1), ("c", 9, voice(0, 0.05, 3), -1))
    assert found[0] != found[1]
    assert found[2] in found[:2]
    assert labels(("a", 9, voice(0), 5), ("b", 9, voice(7), 5)) == [0, 0], "a person said that they are one"


def test_a_voice_without_an_embedding_is_alone() -> None:
    nothing = np.zeros(192, np.float32)
    assert labels(("a", 9, nothing, -1), ("b", 9, nothing, -1), ("c", 9, voice(0), -1)) == [0, 1, 2]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.floats(1, 40)), min_size=1, max_size=30), st.randoms()
)
def test_labels_do_not_depend_on_the_order(heard: list[tuple[int, int, float]], random: object) -> None:
    once = {(recording, person): (recording, person, seconds) for recording, person, seconds in heard}
    rows = [(f"r{r}", s, voice(p, 0.3, seed=17 * r + p), -1) for r, p, s in once.values()]
    shuffled = list(range(len(rows)))
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = labels(*rows), labels(*(rows[i] for i in shuffled))
    same = {(i, j) for i in range(len(rows)) for j in range(len(rows)) if first[i] == first[j]}
    again = {(shuffled[i], shuffled[j]) for i in range(len(rows)) for j in range(len(rows)) if second[i] == second[j]}
    assert same == again
    assert len(set(first)) == len({p for _, p in once}), "people at right angles are told apart"


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(f"r{i // 2}", 5.0 + i % 7, voice(i % 11, 0.4, seed=i), -1) for i in range(60)]
    whole = labels(*rows)
    monkeypatch.setattr("captioner.speech.identity.BLOCK", 7)
    assert labels(*rows) == whole


def test_alike_lists_pairs_for_a_person_to_decide() -> None:
    vectors = np.stack([voice(0), voice(1), near(voice(0), 0.2, 30)])
    assert [(a, b) for a, b, _ in alike(vectors, np.array([9.0, 9.0, 9.0]))] == [(0, 2)]


# -- ids ------------------------------------------------------------------------------------------------------------


def entry(recording: str, person: int, at: float = 0.0, seconds: float = 9.0, clips: int = 1, seed: int = 0) -> Entry:
    anchor = anchor_of(recording, recording, [Span.at(at, at + seconds)], seconds, packed(voice(person, 0.3, seed)))
    return Entry(f"L{at:g}", f"{recording}/L{at:g}", anchor, clips)


def grown(entries: list[Entry], before: Roster, said: People | None = None) -> Roster:
    """The roster after a build over these entries."""
    ids = assign(entries, before, said or People(), replayed=False)
    now = tuple(replace(one, id=id_) for one, id_ in zip(entries, ids, strict=True))
    here = {one.anchor.content for one in entries}
    gone = tuple(replace(old, present=False) for old in before.entries if old.anchor.content not in here)
    given_ = [one.id for one in now if one.id != one.fallback]
    return Roster((*now, *gone), tuple(dict.fromkeys([*before.ids, *given_])))


def ids(roster: Roster) -> dict[str, str]:
    return {one.fallback: one.id for one in roster.entries if one.present}


def test_ids_come_by_first_appearance_and_stay() -> None:
    a, b, c = entry("a", 3), entry("b", 1), entry("c", 3, seed=4)
    first = grown([a, b], Roster())
    assert ids(first) == {"a/L0": "SPEAKER_00", "b/L0": "SPEAKER_01"}
    second = grown([entry("0", 8), c, b, a], first)
    assert ids(second) == {"0/L0": "SPEAKER_02", "c/L0": "SPEAKER_00", "b/L0": "SPEAKER_01", "a/L0": "SPEAKER_00"}
    without = grown([b], second)
    assert ids(without) == {"b/L0": "SPEAKER_01"}
    assert ids(grown([entry("new", 9), entry("other take", 3, seed=9), b], without)) == {
        "new/L0": "SPEAKER_03",  # never an id that somebody had
        "other take/L0": "SPEAKER_00",  # whose recordings were all gone
        "b/L0": "SPEAKER_01",
    }


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_whatever_comes_and_goes_renames_nobody(data: st.DataObject) -> None:
    pool = [entry(f"r{i:02d}", i % 6, seed=i) for i in range(12)]
    known: dict[str, str] = {}
    roster = Roster()
    for _ in range(4):
        chosen = data.draw(st.permutations(pool))[: data.draw(st.integers(1, len(pool)))]
        roster = grown(list(chosen), roster)
        for place, id_ in ids(roster).items():
            assert known.setdefault(place, id_) == id_


def test_a_voice_is_found_again_by_its_turns_when_the_diarizer_names_it_anew() -> None:
    before = grown([entry("a", 0, 0.0), entry("a", 1, 20.0)], Roster())
    swapped = [replace(entry("a", 1, 20.5, 8.0), local="other"), entry("a", 0, 0.2, 8.5)]
    assert assign(swapped, before, People(), replayed=False) == ["SPEAKER_01", "SPEAKER_00"]


def test_a_moment_of_speech_without_a_clip_gets_no_id() -> None:
    assert ids(grown([entry("a", 0, seconds=1.0, clips=0), entry("b", 1)], Roster())) == {
        "a/L0": "a/L0",
        "b/L0": "SPEAKER_00",
    }


def test_replayed_names_hold_in_all_recordings() -> None:
    bob = [replace(entry("a", 0), local="bob"), replace(entry("b", 5), local="bob")]
    assert assign(bob, Roster(), People(), replayed=True) == ["bob", "bob"]


# -- what persons said -----------------------------------------------------------------------------------------------


def decided(*decisions: Decision) -> People:
    return people(decisions)


def test_names_merges_and_undo_fold() -> None:
    name = Decision("name", "SPEAKER_02", name="ema", subject="a young woman")
    merge = Decision("merge", "SPEAKER_00", others=("SPEAKER_02",))
    said = decided(name, merge)
    assert said.label("SPEAKER_02") == said.label("SPEAKER_00") == "ema", "the name comes along"
    assert said.said["SPEAKER_00"].subject == "a young woman"
    undone = decided(name, merge, Decision("undo"))
    assert undone.label("SPEAKER_00") == "SPEAKER_00"
    assert undone.label("SPEAKER_02") == "ema"
    assert decided(name, Decision("undo"), Decision("undo")).label("SPEAKER_02") == "SPEAKER_02"
    assert decided(name, Decision("forget", "SPEAKER_02")).label("SPEAKER_02") == "SPEAKER_02"
    renamed = decided(name, Decision("name", "SPEAKER_02", name="eva"))
    assert (renamed.label("SPEAKER_02"), renamed.said["SPEAKER_02"].subject) == ("eva", "a young woman")
    assert renamed.named("ema") is None


def test_merges_in_a_circle_end() -> None:
    said = decided(Decision("merge", "A", others=("B",)), Decision("merge", "B", others=("A",)))
    assert said.owner("A") == said.owner("B") == "A"


def test_a_split_holds_and_can_be_taken_back() -> None:
    a, b = entry("a", 0), entry("b", 0, seed=2)
    before = grown([a, b], Roster())
    voices = {"SPEAKER_01": (b.anchor,), "SPEAKER_00": (a.anchor,)}
    split = Decision("split", "SPEAKER_01", moved=(b.anchor,), voices=voices)
    after = grown([a, b], before, decided(split))
    assert ids(after) == {"a/L0": "SPEAKER_00", "b/L0": "SPEAKER_01"}
    undone = grown([a, b], after, decided(split, Decision("undo")))
    assert ids(undone) == {"a/L0": "SPEAKER_00", "b/L0": "SPEAKER_00"}
    assert ids(grown([a, b], Roster(), decided(split))) == ids(after), "also with a new store"


def test_what_a_person_said_survives_a_new_store() -> None:
    a, b, c = entry("a", 0), entry("b", 1), entry("c", 2)
    before = grown([a, b, c], Roster())
    name = Decision("name", "SPEAKER_02", name="ema", voices={"SPEAKER_02": (c.anchor,)})
    again = grown([entry("new", 7), c, a], Roster(), decided(name))
    assert ids(again)["c/L0"] == ids(before)["c/L0"] == "SPEAKER_02"
    assert decided(name).label(ids(again)["c/L0"]) == "ema"
    assert "SPEAKER_02" not in (ids(again)["new/L0"], ids(again)["a/L0"])
    elsewhere = grown([entry("unseen", 2, seed=5)], Roster(), decided(name))
    assert ids(elsewhere) == {"unseen/L0": "SPEAKER_02"}, "by its voice where the recording is another"


def test_a_reference_names_who_sounds_like_it() -> None:
    roster = grown([entry("a", 0), entry("b", 1)], Roster())
    reference = anchor_of("", "ema.wav", [], 10.0, packed(voice(1, 0.2, 9)))
    assert near_reference(roster, reference) == ["SPEAKER_01"]
    stranger = anchor_of("", "x.wav", [], 10.0, packed(voice(20)))
    assert near_reference(roster, stranger) == []
    enrolled = decided(Decision("enrol", "SPEAKER_02", name="zoe", voices={"SPEAKER_02": (stranger,)}))
    later = grown([entry("a", 0), entry("late", 20)], roster, enrolled)
    assert enrolled.label(ids(later)["late/L0"]) == "zoe"


def test_taking_an_enrolment_back_leaves_ids_that_the_machine_gave() -> None:
    heard = [entry("a", 0), entry("b", 1)]
    roster = grown(heard, Roster())
    reference = anchor_of("", "ema.wav", [], 10.0, packed(voice(1, 0.2, 9)))
    enrol = Decision("enrol", "SPEAKER_01", name="ema", voices={"SPEAKER_01": (reference, heard[1].anchor)})
    assert ids(grown(heard, roster, decided(enrol, Decision("undo")))) == ids(roster)
    made = Decision("enrol", "SPEAKER_02", name="zoe", voices={"SPEAKER_02": (reference,)})
    assert decided(made, Decision("undo")).unmade == {"SPEAKER_02"}, "who was there by the reference alone goes"


def test_names_that_would_confuse_are_refused() -> None:
    assert name_fault("ema") is None
    assert all(name_fault(name) for name in ("", "two words", "a,b", "a/b", "SPEAKER_07", "tab\t"))
    assert new_id(["SPEAKER_00", "SPEAKER_11", "ema", "SPEAKER_02"]) == "SPEAKER_12"


# -- purity ---------------------------------------------------------------------------------------------------------


def a_cut(first: Vector, second: Vector, seconds: float = 4.0) -> Cut:
    word = Word("hello", Span.at(0, seconds), 0.9, "A")
    whole = (first + second) / np.linalg.norm(first + second)
    print_ = Voiceprint(packed(whole), round(float(first @ second), 3), packed(first), packed(second))
    return Cut("x", 0, 97, Fraction(24), (Line((word,), "A"),), voiceprint=print_)


def reasons(cut: Cut) -> set[str]:
    return {doubt.reason for doubt in purity_doubts(cut)}


def test_halves_of_two_people_are_doubted_and_of_one_are_not() -> None:
    assert reasons(a_cut(voice(0, 0.3, 1), voice(0, 0.3, 2))) == set()
    assert reasons(a_cut(voice(0), voice(1))) == {"two-voices"}
    assert {"two-voices", "other-voice"} <= set(REASONS)


def test_a_cut_far_from_its_speaker_is_doubted() -> None:
    stranger = a_cut(voice(1), voice(1))
    own = Speaker(voice(0) * np.float32(20) + voice(1) * np.float32(4), 24.0)
    assert reasons(compared(stranger, own, [])) == {"other-voice"}
    assert reasons(compared(a_cut(voice(0, 0.2), voice(0, 0.2, 2)), own, [])) == set()


def test_a_cut_is_not_compared_with_itself() -> None:
    half_of_it = Speaker(voice(0) * np.float32(4) + voice(1) * np.float32(4), 8.0)
    assert reasons(compared(a_cut(voice(1), voice(1)), half_of_it, [])) == {"other-voice"}
    alone = a_cut(voice(3), voice(3))
    own = speakers_of([("A", voice(3), 4.5)])["A"]
    assert compared(alone, own, []).voiceprint.own is None


def test_somebody_else_of_the_recording_who_is_nearer_is_told() -> None:
    half = np.asarray((voice(0) * 0.6 + voice(1) * 0.8), np.float32)
    cut = a_cut(half, half)
    own = Speaker(voice(0) * np.float32(30) + half * np.float32(4), 34.0)
    found = purity_doubts(compared(cut, own, [Speaker(voice(1) * np.float32(9), 9.0)]))
    assert [doubt.reason for doubt in found] == ["other-voice"]
    assert "0.8" in found[0].detail


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.5, 8))
def test_purity_is_a_half_where_a_doubt_begins(halves: float, own: float, seconds: float) -> None:
    found = purity(Voiceprint(b"x", halves, own=own), seconds)
    word = Word("a", Span.at(0, seconds), 0.9, "A")
    cut = Cut("x", 0, 49, Fraction(24), (Line((word,), "A"),), voiceprint=Voiceprint(b"x", halves, own=own))
    assert found is not None
    assert 0 <= found <= 1
    assert found <= 0.5 if reasons(cut) else found >= 0.5


def test_purity_is_unknown_where_nothing_was_measured() -> None:
    assert purity(Voiceprint(), 3.0) is None


def test_stored_embeddings_keep_their_direction() -> None:
    for person in range(5):
        vector = voice(person, 0.9, person)
        assert float(unpacked(packed(vector)) @ vector) > 0.995


def test_halves_meet_in_the_widest_pause_near_the_middle() -> None:
    frames = spoken_frames(400, [Span.at(0, 1.0), Span.at(1.05, 2.2), Span.at(2.6, 4.0)])
    assert frames[middle(frames)] >= 250
    assert frames[middle(frames) - 1] < 225
    assert middle(np.arange(100)) == 50


def test_limits_never_rise() -> None:
    distances = [distance for _, distance in IdentityRules().limits]
    assert distances == sorted(distances, reverse=True), "the clustering relies on it"
