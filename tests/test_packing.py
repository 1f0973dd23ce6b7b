"""Every second of speech is heard exactly once, in a context that it fits into, whoever else is in the batch."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from captioner.models.asr import packing
from captioner.models.asr.packing import BUCKET, LONGEST, PAD, PAUSE, TAIL, WINDOW, Piece
from captioner.times import Span, seconds


@st.composite
def spoken(draw: st.DrawFn) -> tuple[tuple[Span, ...], float]:
    """Spans in order that do not overlap (they may touch), and the duration of their recording."""
    at, spans = draw(st.floats(0, 5)), []
    for _ in range(draw(st.integers(0, 25))):
        length = draw(st.one_of(st.floats(0.03, 6), st.floats(20, 200)))
        spans.append(Span.at(at, at + length))
        at = spans[-1].end + draw(st.one_of(st.just(0.0), st.floats(0.01, 1.4), st.floats(1.6, 60)))
    return tuple(spans), seconds(at + draw(st.floats(0, 3)))


def first(start: float, end: float) -> float:
    return start


def last(start: float, end: float) -> float:
    return end


QUIETEST = st.sampled_from([first, last, lambda start, end: (start + end) / 2])


def seconds_of(spans: tuple[Span, ...]) -> float:
    return sum(span.duration for span in spans)


@given(spoken(), QUIETEST)
def test_every_moment_of_speech_is_in_exactly_one_piece(
    case: tuple[tuple[Span, ...], float], quietest: packing.Quietest
) -> None:
    speech, duration = case
    made = packing.pieces(3, speech, duration, quietest)
    parts = [part for piece in made for part in piece.speech]
    assert all(a.end <= b.start for a, b in pairwise(parts))
    assert math.isclose(sum(part.duration for part in parts), seconds_of(speech), abs_tol=0.01)
    assert all(any(span.contains(part) for span in speech) for part in parts)
    assert {piece.recording for piece in made} <= {3}


@given(spoken(), QUIETEST)
def test_what_is_heard_holds_its_speech_and_nothing_of_its_neighbours(
    case: tuple[tuple[Span, ...], float], quietest: packing.Quietest
) -> None:
    speech, duration = case
    made = packing.pieces(0, speech, duration, quietest)
    for piece in made:
        assert 0.0 <= piece.heard.start <= piece.speech[0].start
        assert piece.speech[-1].end <= piece.heard.end <= duration
        assert seconds(piece.speech[0].start - piece.heard.start) <= PAD
        assert seconds(piece.heard.end - piece.speech[-1].end) <= PAD
    assert all(a.heard.end <= b.heard.start for a, b in pairwise(made))


@given(spoken(), QUIETEST)
def test_no_piece_outgrows_the_window(case: tuple[tuple[Span, ...], float], quietest: packing.Quietest) -> None:
    for piece in packing.pieces(0, *case, quietest):
        assert piece.speech[-1].end - piece.speech[0].start <= LONGEST + 0.01
        frames = math.ceil(piece.heard.duration / packing.FRAME)
        assert frames <= packing.piece_context(piece) <= WINDOW


@given(spoken())
def test_speech_is_parted_only_at_long_pauses_or_in_talk_that_outgrows_the_window(
    case: tuple[tuple[Span, ...], float],
) -> None:
    made = packing.pieces(0, *case, first)
    talk = [made[:1]] if made else []
    for a, b in pairwise(made):
        if b.speech[0].start - a.speech[-1].end > PAUSE:
            talk.append([])
        talk[-1].append(b)
    for together in talk:
        assert len(together) == 1 or together[-1].speech[-1].end - together[0].speech[0].start > LONGEST


@given(spoken(), QUIETEST)
def test_the_same_speech_makes_the_same_pieces(
    case: tuple[tuple[Span, ...], float], quietest: packing.Quietest
) -> None:
    assert packing.pieces(1, *case, quietest) == packing.pieces(1, *case, quietest)


def test_room_between_pieces_is_halved() -> None:
    near = packing.pieces(0, [Span.at(0, 20.0), Span.at(20.301, 40.0)], 45.0, first)
    assert [piece.heard for piece in near] == [Span.at(0, 20.15), Span.at(20.151, 41.3)]
    far = packing.pieces(0, [Span.at(1.0, 2.0), Span.at(9.0, 10.0)], 10.1, first)
    assert [piece.heard for piece in far] == [Span.at(0.0, 3.3), Span.at(7.7, 10.1)]


def test_a_long_talk_is_cut_at_its_longest_pause() -> None:
    talk = [Span.at(0, 9.0), Span.at(9.3, 14.0), Span.at(15.0, 24.0), Span.at(24.2, 33.0)]
    assert [len(piece.speech) for piece in packing.pieces(0, talk, 33.0, first)] == [2, 2]


def test_a_breathless_talk_is_cut_where_it_is_quietest() -> None:
    asked: list[tuple[float, float]] = []

    def quietest(start: float, end: float) -> float:
        asked.append((start, end))
        return 21.5

    made = packing.pieces(0, [Span.at(0, 40.0)], 40.0, quietest)
    assert [piece.speech[0] for piece in made] == [Span.at(0, 21.5), Span.at(21.5, 40.0)]
    assert asked
    assert all(start < 21.5 < end for start, end in asked)


def test_speech_beyond_the_recording_is_not_heard() -> None:
    made = packing.pieces(0, [Span.at(1.0, 2.0), Span.at(2.5, 9.0), Span.at(9.5, 10.0)], 3.0, first)
    assert [piece.speech for piece in made] == [(Span.at(1.0, 2.0), Span.at(2.5, 3.0))]


@given(st.integers(1, WINDOW))
def test_a_context_leaves_silence_where_the_window_has_room(frames: int) -> None:
    context = packing.context(frames)
    assert context % BUCKET == 0
    assert context == WINDOW or context - frames >= TAIL
    assert packing.LEAST <= context <= WINDOW


@given(st.lists(st.integers(8, 30).map(lambda n: n * 100), max_size=60), st.integers(1, 16), st.integers(100, 20_000))
def test_batches_hold_everything_once_and_one_length_each(contexts: list[int], most: int, frames: int) -> None:
    made = list(packing.batches(((length, index) for index, length in enumerate(contexts)), most, frames))
    assert sorted(index for batch in made for index in batch) == list(range(len(contexts)))
    for batch in made:
        assert len({contexts[index] for index in batch}) == 1
        assert len(batch) == 1 or (len(batch) <= most and sum(contexts[index] for index in batch) <= frames)


def plain(recording: int, start: float, length: float) -> Piece:
    span = Span.at(start, start + length)
    return Piece(recording, span, (span,))


@given(st.lists(st.integers(1, 28), max_size=40), st.integers(1000, 20_000), st.floats(0, 100))
def test_rounds_keep_order_and_what_a_language_is_detected_from(
    lengths: list[int], frames: int, detecting: float
) -> None:
    own = [plain(0, 100.0 * index, float(length)) for index, length in enumerate(lengths)]
    units = packing.units(own, detecting)
    assert [piece for unit in units for piece in unit] == own
    if units and detecting:
        assert sum(piece.spoken for piece in units[0]) >= min(detecting, sum(lengths))
    rounds = list(packing.rounds(units, frames))
    assert [piece for held in rounds for piece in held] == own
    assert not units or all(piece in rounds[0] for piece in units[0])
    for held in rounds:
        assert len(held) <= max(1, len(units[0])) or sum(map(packing.piece_context, held)) <= frames


def test_units_are_ordered_by_context_and_what_a_language_is_detected_from_comes_first() -> None:
    def piece(recording: int, length: float) -> Piece:
        return Piece(recording, Span.at(0.0, length), (Span.at(0.0, length),))

    known = [[piece(0, 20.0)], [piece(0, 3.0)]]
    unknown = [[piece(1, 9.0), piece(1, 8.0)], [piece(1, 4.5)], [piece(1, 12.0)]]
    found = packing.ordered([known, unknown, []], [False, True, True])
    assert found[0] == unknown[0]
    assert [packing.piece_context(unit[0]) for unit in found[1:]] == [800, 900, 1600, 2400]
    assert sorted(map(id, found)) == sorted(map(id, (*known, *unknown)))
