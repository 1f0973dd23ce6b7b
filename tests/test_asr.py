"""What the transcriber makes of what the model says: times, doubts, second hearings, languages, and finding weights."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.errors import BadFormat, SettingsError, WeightsMissing
from captioner.models.asr import ctm, guards, packing, timing, weights
from captioner.models.asr.calls import Amounts
from captioner.models.asr.faster_whisper import Options
from captioner.models.asr.guards import Hearing
from captioner.models.asr.packing import Piece
from captioner.models.asr.timing import RawWord
from captioner.models.asr.transcribing import Whisper, pooled
from captioner.models.protocols import Listening
from captioner.times import Span
from captioner.types import Word
from tests.hearing import Heard, hiss


def piece(*speech: tuple[float, float], heard: tuple[float, float] | None = None) -> Piece:
    spans = tuple(Span.at(*span) for span in speech)
    return Piece(0, Span.at(*(heard or (max(0.0, spans[0].start - 0.4), spans[-1].end + 0.4))), spans)


def words(text: str, start: float, end: float, probability: float = 0.9) -> tuple[Word, ...]:
    """The words of a text, evenly over a stretch."""
    said = text.split()
    step = (end - start) / max(1, len(said))
    return tuple(
        Word(word, Span.at(start + i * step, start + (i + 1) * step), probability) for i, word in enumerate(said)
    )


def reasons(hearing: Hearing, of: Piece, language: str = "en", hotwords: Sequence[str] = ()) -> set[str]:
    return {doubt.reason for doubt in guards.faults(hearing, of, language, hotwords)}


# --- word times ---------------------------------------------------------------------------------------------------


def raw(*parts: tuple[str, float, float]) -> list[RawWord]:
    return [RawWord(text, start, end, 0.9) for text, start, end in parts]


def test_parts_of_one_written_word_are_one_word() -> None:
    parts = raw(
        (" forty", 0, 0.3),
        ("-two", 0.3, 0.5),
        (" l", 0.5, 0.6),
        ("'eau", 0.6, 1),
        (" ", 1, 1),
        (" 3", 1, 2),
        (".5", 2, 3),
    )
    assert [word.text.strip() for word in timing.glued(parts, "fr")] == ["forty-two", "l'eau", "3.5"]
    assert timing.glued(parts, "fr")[0].end == 0.5


def test_languages_without_blanks_keep_their_words_apart() -> None:
    assert len(timing.glued(raw(("東", 0, 1), ("京", 1, 2)), "ja")) == 2


@given(
    st.lists(st.tuples(st.floats(-1, 40), st.floats(-1, 40)), max_size=40),
    st.floats(0, 100),
    st.floats(0.05, 29),
    st.lists(st.floats(0, 29), max_size=6),
)
def test_words_are_in_order_apart_and_inside_whatever_the_model_says(
    times: list[tuple[float, float]], start: float, length: float, edges: list[float]
) -> None:
    heard = Span.at(start, start + length)
    marks = sorted(min(edge, length) + start for edge in edges)
    speech = [Span.at(a, b) for a, b in zip(marks[::2], marks[1::2], strict=False)]
    placed = timing.placed([RawWord(" a", a, b, 0.5) for a, b in times], heard, speech)
    assert len(placed) == len(times)
    assert all(heard.contains(word.span) for word in placed)
    assert all(a.span.end <= b.span.start for a, b in pairwise(placed))
    if len(times) * 0.03 < length:
        assert all(word.span.duration >= timing.NARROWEST for word in placed)


def test_a_word_that_swallows_a_pause_is_pulled_back_to_its_speech() -> None:
    speech = [Span.at(10.4, 11.5), Span.at(14.0, 15.0)]
    early, late = timing.placed(raw((" So", 0.0, 1.9), (" then", 1.9, 4.9)), Span.at(10.0, 15.4), speech)
    assert early.span == Span.at(10.3, 11.6)
    assert late.span == Span.at(13.9, 14.9)


def test_a_word_across_a_pause_is_the_first_one_after_it() -> None:
    (word,) = timing.placed(raw((" then", 0.5, 2.4)), Span.at(0, 4.0), [Span.at(0, 1.2), Span.at(2.3, 3.5)])
    assert word.span == Span.at(2.2, 2.4)


def test_a_short_gap_inside_a_word_does_not_part_it() -> None:
    (word,) = timing.placed(raw((" stop", 0.0, 1.0)), Span.at(0, 1.2), [Span.at(0, 0.4), Span.at(0.6, 1.0)])
    assert word.span == Span.at(0, 1.0)


# --- guards -------------------------------------------------------------------------------------------------------


def test_a_good_hearing_has_no_fault() -> None:
    good = Hearing(words("ask not what your country can do", 0.1, 2.9), -0.2)
    assert reasons(good, piece((0.0, 3.0))) == set()


@pytest.mark.parametrize(
    ("hearing", "reason"),
    [
        (Hearing(words("ask not what", 0, 3), -1.2), "low-probability"),
        (Hearing(words("so it goes " * 4, 0, 3), -0.1), "repetition"),
        (Hearing(words("thank you very much indeed " * 9, 0, 3), -0.1), "repetition"),
        (Hearing(words("ask not what", 0, 3), -0.1, finished=False), "repetition"),
        (Hearing(words("ask not what", 0, 3), -0.6, no_speech=0.9), "no-speech"),
        (Hearing(words("counterrevolutionary internationalisation of responsibilities " * 2, 0, 3), -0.1), "too-fast"),
        (Hearing(words("просим спросить", 0, 3), -0.1), "wrong-language"),
        (Hearing(words("ask not", 0, 1.2), -0.1), "unheard-speech"),
        (Hearing(()), "unheard-speech"),
    ],
)  # fmt: skip
def test_each_fault_is_found(hearing: Hearing, reason: str) -> None:
    assert reason in reasons(hearing, piece((0.0, 3.0)))
    assert reason in guards.REASONS


def test_likely_silence_is_believed_only_where_the_words_are_unsure() -> None:
    assert reasons(Hearing(words("ask not what", 0, 3), -0.2, no_speech=0.99), piece((0.0, 3.0))) == set()


def test_a_word_far_from_speech_is_doubted_at_its_place() -> None:
    heard = Hearing((*words("ask not what", 0, 3), Word("you", Span.at(5.0, 5.2), 0.9)), -0.1)
    found = guards.faults(heard, piece((0.0, 3.0), (6.0, 6.1), heard=(0.0, 7.0)), "en")
    assert [(doubt.reason, doubt.span) for doubt in found] == [("no-speech", Span.at(5.0, 5.2))]


def test_speech_lost_inside_a_drawn_out_word_is_noticed() -> None:
    """An aligned word swallows the speech that the decoder left out: its letters say how long it can be."""
    late = words("see the light over there again", 4.0, 9.0)
    heard = Hearing((Word("I", Span.at(0.0, 4.0), 0.9), *late), -0.1)
    (lost,) = guards.faults(heard, piece((0.0, 9.0)), "en")
    assert lost.reason == "unheard-speech"
    assert lost.span is not None
    assert 1.0 < lost.span.start < 1.6
    assert lost.span.end > 3.5


def test_one_word_over_much_sound_is_doubted_itself() -> None:
    bark = Hearing(words("Blah!", 0.0, 0.5), -0.4)
    (lost,) = guards.faults(bark, piece((0.0, 4.6)), "en")
    assert (lost.reason, lost.span) == ("unheard-speech", Span.at(0.0, 4.6))


def test_silence_between_spans_needs_no_word() -> None:
    heard = Hearing(words("ask not", 0, 1) + words("what you can", 3, 4), -0.1)
    assert reasons(heard, piece((0.0, 1.2), (2.9, 4.2))) == set()


def test_a_glossary_that_comes_back_is_noticed() -> None:
    names = ("Ebenezer", "Kowalczyk", "Skyhold")
    echo = Hearing(words("Ebenezer, Kowalczyk, Skyhold.", 0, 3), -0.1)
    assert reasons(echo, piece((0.0, 3.0)), hotwords=names) == {"prompt-echo"}
    said = Hearing(words("then Kowalczyk came to Skyhold", 0, 3), -0.1)
    assert reasons(said, piece((0.0, 3.0)), hotwords=names) == set()


@pytest.mark.parametrize(
    ("text", "language", "right"),
    [
        ("Привет, мир", "ru", True),
        ("Privet mir", "ru", False),
        ("Привет iPhone", "ru", True),
        ("東京タワー", "ja", True),
        ("Ça va très bien", "fr", True),
        ("こんにちは", "en", False),
    ],
)
def test_scripts_of_languages(text: str, language: str, right: bool) -> None:
    share = guards.in_script(text, language)
    assert share is not None
    assert (share >= 0.5) is right


def test_the_better_hearing_has_fewer_faults_then_more_coverage_then_more_probability() -> None:
    of = piece((0.0, 3.0))
    full, sure = Hearing(words("ask not what your", 0, 3), -0.6), Hearing(words("ask not what your", 0, 3), -0.2)
    partial = Hearing(words("ask not", 0, 1), -0.1)
    loop = Hearing(words("so so so so so so", 0, 3), -0.05)
    for better, worse in ((sure, full), (full, partial), (full, loop), (full, Hearing(())), (partial, Hearing(()))):
        for pair in ((worse, better), (better, worse)):
            kept = guards.better(*pair, of, "en")
            assert (kept.text, kept.log_probability) == (better.text, better.log_probability)


def test_another_language_is_doubted_only_where_it_is_sure_and_long_enough() -> None:
    assert guards.other_language(piece((0.0, 3.0)), {"fr": 0.95, "en": 0.05}, "en") is not None
    assert guards.other_language(piece((0.0, 3.0)), {"fr": 0.6, "en": 0.4}, "en") is None
    assert guards.other_language(piece((0.0, 1.0)), {"fr": 0.95, "en": 0.05}, "en") is None
    assert guards.other_language(piece((0.0, 3.0)), {"fr": 0.05, "en": 0.95}, "en") is None


# --- the road of a batch ------------------------------------------------------------------------------------------


@dataclass
class ScriptedEngine:
    """Stands for Whisper: says one word a second of each piece; `script` says otherwise of the piece at a time."""

    script: dict[float, dict[str, Hearing]] = field(default_factory=dict)
    spoken: dict[float, dict[str, float]] = field(default_factory=dict)
    multilingual: bool = True
    languages: frozenset[str] = frozenset({"en", "fr"})
    heard: list[tuple[str, float]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    groups: list[list[int]] = field(default_factory=list)

    def encode(self, sounds: Sequence[np.ndarray], context: int) -> list[np.ndarray]:
        self.sizes.append(len(sounds) * context)
        assert all(len(sound) <= context * 160 for sound in sounds)
        # The states carry the first sample, which the tests' recordings use to say which piece they are.
        return [np.full((context // 2, 1), sound[0] if len(sound) else 0.0, np.float32) for sound in sounds]

    def detect(self, states: Sequence[np.ndarray]) -> list[dict[str, float]]:
        assert len({len(state) for state in states}) == 1
        return [self.spoken.get(round(float(state[0, 0]), 3), {"en": 0.9, "fr": 0.1}) for state in states]

    def decode(self, states: Sequence[np.ndarray], own: Sequence[Piece], language: str) -> list[Hearing]:
        assert len({len(state) for state in states}) == 1
        way = "roomy" if len(states[0]) * 2 == packing.roomy_context(own[0]) else "own"
        return [self._say(way, of, language) for of in own]

    def alone(self, sounds: Sequence[np.ndarray], own: Sequence[Piece], language: str) -> list[Hearing]:
        assert len(sounds) == len(own)
        return [self._say("alone", of, language) for of in own]

    def _say(self, way: str, of: Piece, language: str) -> Hearing:
        self.heard.append((way, of.speech[0].start))
        scripted = self.script.get(of.speech[0].start, {}).get(way)
        if scripted is not None:
            return scripted
        start, end = of.speech[0].start, of.speech[-1].end
        return Hearing(words(f"{language} " * max(1, round(end - start)), start, end), -0.2)


def no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripted words are all alike; that is not what these tests are about."""
    monkeypatch.setattr(guards, "LOOP", 10**6)
    monkeypatch.setattr(guards, "COMPRESSION", 1e6)
    monkeypatch.setattr(guards, "TWICE", 10**6)


@pytest.fixture(autouse=True)
def _alike_words_are_fine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "engine" in request.fixturenames:
        no_loop(monkeypatch)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


def listening(*speech: tuple[float, float], duration: float | None = None, language: str | None = "en") -> Listening:
    length = duration or (speech[-1][1] + 1.0 if speech else 2.0)
    return Listening(Heard(np.zeros(round(length * 16_000), np.float32)), tuple(Span.at(*s) for s in speech), language)


def test_good_pieces_are_heard_once(engine: ScriptedEngine) -> None:
    (transcript,) = Whisper(engine, Options()).transcribe([listening((1.0, 4.0), (20.0, 24.0))])  # type: ignore[arg-type]
    assert engine.heard == [("own", 1.0), ("own", 20.0)]
    assert len(transcript.words) == 7
    assert (transcript.language, transcript.doubts) == ("en", ())


def test_the_roomier_hearing_of_an_unsure_piece_stays_however_sure_the_first_was_of_its_loop() -> None:
    of = piece((1, 4))
    first, second = Hearing(words("it is not dear", 1, 4), -0.4), Hearing(words("it is now clear", 1, 4), -0.6)
    assert guards.roomier(first, second, of, "en").text == second.text
    assert guards.roomier(first, Hearing(()), of, "en").text == first.text
    assert guards.roomier(first, Hearing(words("no " * 12, 1, 4), -0.1), of, "en").text == first.text


def test_an_unsure_piece_is_heard_again_with_more_room(engine: ScriptedEngine) -> None:
    engine.script[1.0] = {
        "own": Hearing(words("it is not dear", 1, 4), -0.9),
        "roomy": Hearing(words("it is now clear", 1, 4), -0.3),
    }
    (transcript,) = Whisper(engine, Options()).transcribe([listening((1.0, 4.0))])  # type: ignore[arg-type]
    assert [word.text for word in transcript.words] == ["it", "is", "now", "clear"]
    assert transcript.doubts == ()
    assert engine.heard == [("own", 1.0), ("roomy", 1.0)]


def test_a_fault_is_heard_alone_and_doubted_only_if_it_stays(engine: ScriptedEngine) -> None:
    missing = Hearing(words("half", 1.0, 1.5), -0.2)
    engine.script[1.0] = {"own": missing, "roomy": missing, "alone": Hearing(words("all of it", 1, 4), -0.3)}
    engine.script[20.0] = {"own": missing_at(20.0), "roomy": missing_at(20.0), "alone": Hearing(())}
    (transcript,) = Whisper(engine, Options()).transcribe([listening((1.0, 4.0), (20.0, 24.0))])  # type: ignore[arg-type]
    assert [word.text for word in transcript.words] == ["all", "of", "it", "half"]
    assert {doubt.reason for doubt in transcript.doubts} == {"unheard-speech"}
    assert all(doubt.span is not None and doubt.span.start >= 20.0 for doubt in transcript.doubts)


class MixingEngine(ScriptedEngine):
    """Decodes several contexts in one call, as a GPU does."""

    mixes = True

    def decode(self, states: Sequence[np.ndarray], own: Sequence[Piece], language: str) -> list[Hearing]:
        self.groups.append(sorted(len(state) * 2 for state in states))
        at_first = len(self.groups) == 1
        return [self._say("own" if at_first else "roomy", of, language) for of in own]

    def alone(self, sounds: Sequence[np.ndarray], own: Sequence[Piece], language: str) -> list[Hearing]:
        self.groups.append([packing.WINDOW] * len(own))
        return super().alone(sounds, own, language)


def test_second_hearings_go_together_where_contexts_of_several_lengths_do() -> None:
    engine = MixingEngine()
    missing = {start: Hearing(words("half", start, start + 0.5), -0.9) for start in (1.0, 20.0, 40.0)}
    for start, hearing in missing.items():
        engine.script[start] = {"own": hearing, "roomy": hearing, "alone": Hearing(words("whole", start, start + 4))}
    Whisper(engine, Options()).transcribe([listening((1.0, 5.0), (20.0, 28.0), (40.0, 54.0))])  # type: ignore[arg-type]
    first, roomy, alone = engine.groups
    assert (len(set(first)), len(set(roomy))) == (3, 3), "every length in one call"
    assert alone == [packing.WINDOW] * 3


def test_second_hearings_of_a_whole_call_go_together_and_each_piece_counts_once(engine: ScriptedEngine) -> None:
    batch = [marked(mark, (1, 5), (20, 24)) for mark in (0.1, 0.2, 0.3)]
    bad = Hearing(words("half", 1.0, 1.5), -0.9)
    engine.script[1.0] = {"own": bad, "roomy": bad, "alone": Hearing(words("all of it", 1, 5), -0.3)}
    steps: list[float] = []
    model = Whisper(engine, Options(), Amounts(pieces=16, frames=9_000, held=1_000))  # type: ignore[arg-type]
    done = model.transcribe(batch, steps.append)
    ways = [way for way, _ in engine.heard]
    assert ways == ["own"] * 6 + ["roomy"] * 3 + ["alone"] * 3, "six rounds, and then two calls"
    assert all([word.text for word in transcript.words][:3] == ["all", "of", "it"] for transcript in done)
    assert sum(steps) == pytest.approx(sum(item.audio.duration for item in batch))
    second = packing.pieces(0, batch[0].speech, batch[0].audio.duration, lambda a, _: a)[1]
    assert steps[:3] == pytest.approx([second.heard.duration] * 3), "what is in order is told of at once"


def missing_at(start: float) -> Hearing:
    return Hearing(words("half", start, start + 0.5), -0.2)


def test_words_are_never_dropped_for_being_doubtful(engine: ScriptedEngine) -> None:
    bad = Hearing(words("thanks for watching", 1, 4), -1.8, no_speech=0.95)
    engine.script[1.0] = {"own": bad, "roomy": bad, "alone": bad}
    (transcript,) = Whisper(engine, Options()).transcribe([listening((1.0, 4.0))])  # type: ignore[arg-type]
    assert [word.text for word in transcript.words] == ["thanks", "for", "watching"]
    assert {doubt.reason for doubt in transcript.doubts} == {"low-probability", "no-speech"}


def marked(mark: float, *speech: tuple[float, float]) -> Listening:
    """A recording whose samples all are `mark`, which the scripted engine can tell."""
    samples = np.full(round((speech[-1][1] + 1.0) * 16_000), mark, np.float32)
    return Listening(Heard(samples), tuple(Span.at(*span) for span in speech))


def test_each_recording_has_one_language_and_a_short_odd_piece_does_not_change_it(engine: ScriptedEngine) -> None:
    engine.spoken = {0.2: {"fr": 0.99, "en": 0.01}}
    done = Whisper(engine, Options()).transcribe([marked(0.1, (1, 4)), marked(0.2, (1, 4), (30, 38))])  # type: ignore[arg-type]
    assert [(t.language, t.language_probability) for t in done] == [("en", 0.9), ("fr", 0.99)]
    assert {word.text for word in done[1].words} == {"fr"}


def test_language_is_pooled_by_length() -> None:
    assert pooled([(1.0, {"fr": 0.9, "en": 0.1}), (9.0, {"fr": 0.2, "en": 0.8})]) == ("en", 0.73)


def test_an_unsure_language_is_doubted(engine: ScriptedEngine) -> None:
    engine.spoken = {0.2: {"fr": 0.4, "en": 0.3}}
    (transcript,) = Whisper(engine, Options()).transcribe([marked(0.2, (1, 4))])  # type: ignore[arg-type]
    assert transcript.language == "fr"
    assert [(doubt.reason, doubt.span) for doubt in transcript.doubts] == [("wrong-language", Span.at(1, 4))]


def test_a_given_language_is_kept_and_an_unknown_one_refused(engine: ScriptedEngine) -> None:
    engine.spoken = {0.2: {"fr": 0.4, "en": 0.3}}
    model = Whisper(engine, Options(language="fr"))  # type: ignore[arg-type]
    assert model.transcribe([marked(0.3, (1, 4))])[0].language == "fr"
    assert model.transcribe([listening((1.0, 2.0), language="en")])[0].language == "en"
    with pytest.raises(SettingsError, match="'tlh'"):
        model.transcribe([listening((1.0, 2.0), language="tlh")])


def test_nothing_spoken_is_no_words_and_no_language(engine: ScriptedEngine) -> None:
    (transcript,) = Whisper(engine, Options()).transcribe([listening(language=None)])  # type: ignore[arg-type]
    assert (transcript.words, transcript.language, transcript.doubts) == ((), None, ())
    assert engine.heard == []


def test_progress_adds_up_to_the_sound_of_the_batch(engine: ScriptedEngine) -> None:
    steps: list[float] = []
    batch = [
        listening((1.0, 4.0), (20.0, 50.0), duration=61.5),
        listening(duration=3.0),
        listening((0.0, 2.0), duration=2.0),
    ]
    Whisper(engine, Options()).transcribe(batch, steps.append)  # type: ignore[arg-type]
    assert sum(steps) == pytest.approx(66.5)
    assert len(steps) >= 4


def test_hours_go_through_in_bounded_batches(engine: ScriptedEngine) -> None:
    class Endless:
        duration = 7200.0
        largest = 0.0

        def read(self, start: float, end: float) -> np.ndarray:
            self.largest = max(self.largest, end - start)
            return np.zeros(round((end - start) * 16_000), np.float32)

    endless = Endless()
    speech = tuple(Span.at(at, at + 3.0) for at in np.arange(0.0, 7190.0, 3.5))
    (transcript,) = Whisper(engine, Options()).transcribe([Listening(endless, speech)])  # type: ignore[arg-type]
    assert len(transcript.words) > 6000
    assert transcript.doubts == ()
    assert endless.largest <= 30.0
    assert max(engine.sizes) <= 9_000


def test_a_transcript_does_not_depend_on_its_neighbours(engine: ScriptedEngine) -> None:
    model = Whisper(engine, Options())  # type: ignore[arg-type]
    one, other = marked(0.1, (1, 4), (30, 50)), marked(0.2, (2, 9))
    assert model.transcribe([one, other]) == model.transcribe([one]) + model.transcribe([other])


# --- weights ------------------------------------------------------------------------------------------------------


@pytest.fixture
def parts(tmp_path: Path) -> weights.Parts:
    folder = tmp_path / "packages"
    folder.mkdir()
    first, second = os.urandom(300_000), os.urandom(70_001)
    (folder / "model.bin.part1").write_bytes(first)
    (folder / "model.bin.part2").write_bytes(second)
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_text("{}")
    digest = hashlib.sha256(first + second).hexdigest()
    return weights.Parts(
        [folder / "model.bin.part1", folder / "model.bin.part2"],
        [folder / "config.json", folder / "tokenizer.json"],
        digest,
        370_001,
    )


def test_parts_are_joined_once(parts: weights.Parts, tmp_path: Path) -> None:
    folder = weights.joined(parts, tmp_path / "cache" / "base")
    assert hashlib.sha256((folder / "model.bin").read_bytes()).hexdigest() == parts.sha256
    assert (folder / "config.json").is_file()
    before = (folder / "model.bin").stat()
    again = weights.joined(replace(parts, model=[tmp_path / "gone"]), folder)
    assert (again / "model.bin").stat().st_ino == before.st_ino
    assert [entry.name for entry in folder.parent.iterdir()] == ["base"]


def test_parts_that_do_not_match_are_refused_and_leave_nothing(parts: weights.Parts, tmp_path: Path) -> None:
    parts.model[1].write_bytes(bytes(70_001))
    with pytest.raises(WeightsMissing, match=r"SHA-256.*captioner\[offline\]"):
        weights.joined(parts, tmp_path / "cache" / "base")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cut_off_model_is_made_again(parts: weights.Parts, tmp_path: Path) -> None:
    folder = weights.joined(parts, tmp_path / "cache" / "base")
    (folder / "model.bin").write_bytes(b"half")
    assert (weights.joined(parts, folder) / "model.bin").stat().st_size == parts.size


def test_many_may_join_at_once(parts: weights.Parts, tmp_path: Path) -> None:
    barrier = threading.Barrier(6)
    done: list[str] = []

    def join() -> None:
        barrier.wait()
        folder = weights.joined(parts, tmp_path / "cache" / "base")
        done.append(hashlib.sha256((folder / "model.bin").read_bytes()).hexdigest())

    threads = [threading.Thread(target=join) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [parts.sha256] * 6
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == ["base"]


@pytest.mark.parametrize(("number", "said"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "cannot be put there")])
def test_a_full_disk_is_told_from_a_locked_one(
    parts: weights.Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(WeightsMissing, match=said):
        weights.joined(parts, tmp_path / "cache" / "base")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_local_folder_is_taken_as_it_is_and_told_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"x")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(WeightsMissing, match=r"tokenizer\.json missing"):
        weights.find_weights(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{}")
    assert weights.find_weights(str(tmp_path)) == tmp_path
    before = weights.fingerprint(str(tmp_path))
    (tmp_path / "model.bin").write_bytes(b"another")
    assert weights.fingerprint(str(tmp_path)) != before
    with pytest.raises(WeightsMissing, match="no such folder"):
        weights.find_weights(str(tmp_path / "elsewhere" / "model"))


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without the `offline` extra and without a network."""
    from huggingface_hub import constants

    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("faster_whisper.utils.huggingface_hub.snapshot_download", _no_snapshot)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def _no_snapshot(*_: object, local_files_only: bool = False, **__: object) -> str:
    from huggingface_hub.errors import LocalEntryNotFoundError

    assert local_files_only, "the network was asked although nothing answers"
    raise LocalEntryNotFoundError("not cached")


@pytest.mark.usefixtures("no_hub")
def test_without_a_hub_the_error_says_what_to_install() -> None:
    with pytest.raises(WeightsMissing, match=r'pip install "captioner\[offline\]"'):
        weights.find_weights("base")
    with pytest.raises(WeightsMissing, match=r"'small'.*cannot be reached"):
        weights.find_weights("small")


@pytest.mark.usefixtures("no_hub")
def test_a_name_that_nobody_knows_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="'bass'"):
        weights.find_weights("bass")


def test_a_hub_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(*_: object, **__: object) -> None:
        release.wait(30)
        raise OSError

    monkeypatch.setattr("urllib.request.urlopen", hang)
    started = time.monotonic()
    assert not weights.reachable("http://127.0.0.1:9", 0.2)
    assert time.monotonic() - started < 10
    release.set()


# --- the user's own words -----------------------------------------------------------------------------------------


@dataclass
class Named(Heard):
    name: str = ""


def named(name: str, duration: float = 3.0) -> Listening:
    return Listening(Named(hiss(duration, -60), name=name), (Span.at(0, duration),))


ROWS = "clips/b.wav 1 0.5 0.25 two 0.9\nclips/b.wav 1 0.1 0.3 one NA\nc 1 2.9 0.2 end\n"


def test_words_are_replayed_by_the_name_of_their_recording(tmp_path: Path) -> None:
    file = tmp_path / "all.ctm"
    file.write_text(ROWS)
    model = ctm.load(ctm.Options(str(file), language="en"))
    first, second = model.transcribe([named("clips/b.wav"), named("sub/c.mp4")])
    assert [(w.text, w.span, w.probability) for w in first.words] == [
        ("one", Span.at(0.1, 0.4), None),
        ("two", Span.at(0.5, 0.75), 0.9),
    ]
    assert second.words[0].span == Span.at(2.9, 3.0)
    assert first.language == "en"


def test_a_folder_holds_one_file_a_recording(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "b.ctm").write_text("whatever 1 0.5 0.25 two\n")
    options = ctm.Options(str(tmp_path))
    before = ctm.fingerprint(options)
    assert [w.text for w in ctm.load(options).transcribe([named("clips/b.wav")])[0].words] == ["two"]
    (tmp_path / "clips" / "b.ctm").write_text("whatever 1 0.5 0.25 too\n")
    assert ctm.fingerprint(options) != before
    shutil.copy(tmp_path / "clips" / "b.ctm", tmp_path / "clips" / "c.ctm")
    assert ctm.fingerprint(options) != before


def test_words_that_cannot_be_this_recordings_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "all.ctm"
    file.write_text(ROWS + "d 1 8.0 0.5 late\n")
    model = ctm.load(ctm.Options(str(file)))
    with pytest.raises(BadFormat, match="words of another file"):
        model.transcribe([named("d.wav")])
    with pytest.raises(BadFormat, match="no words for it"):
        model.transcribe([named("e.wav")])
    with pytest.raises(SettingsError, match="no such file"):
        ctm.load(ctm.Options(str(tmp_path / "none")))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("place red with key place red with key", 4),
        ("no no", 1),
        ("and he said and he went", 0),
        ("a b c d e a b c d e f", 5),
        ("", 0),
    ],
)
def test_words_said_twice_are_found(text: str, size: int) -> None:
    assert guards.said_twice(text.split()) == size
