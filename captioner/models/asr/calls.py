"""Calls of a Whisper's encoder and decoder: pieces in batches that fit the memory there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from captioner.models.asr import packing
from captioner.models.asr.courses import Course, sound_of
from captioner.models.asr.guards import Hearing
from captioner.models.asr.packing import Piece
from captioner.models.fitting import Room, fitted
from captioner.models.protocols import Samples

States = Any
"""What an engine's encoder made of one piece; the engine alone looks inside."""
Context = Callable[[Piece], int]
"""Frames of the context that a piece is heard in."""


class Ear(Protocol):
    """A loaded model, piece by piece; no policy lives in it. May be called from several threads at once. One that
    `mixes` decodes states of several contexts together; one that `tells` says with each hearing how probable each
    language is, as `detect` would."""

    @property
    def multilingual(self) -> bool: ...

    @property
    def languages(self) -> frozenset[str]:
        """Codes that the model knows."""

    def encode(self, sounds: Sequence[Samples], context: int) -> list[States]:
        """Each sound in its own context of `context` frames."""

    def detect(self, states: Sequence[States]) -> list[dict[str, float]]:
        """Probability of each language, a piece; all states of one context."""

    def decode(self, states: Sequence[States], own: Sequence[Piece], language: str) -> list[Hearing]:
        """What is said in each piece; all states of one context."""

    def alone(self, sounds: Sequence[Samples], own: Sequence[Piece], language: str) -> list[Hearing]:
        """Each piece in a full window of its own, with what leads out of a loop."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much is in hand at a time; says nothing about what is heard."""

    pieces: int = 16
    """Most pieces in one call."""
    frames: int = 9_000
    """Frames of context in one call: what the decoder keeps of them takes 25 kB a frame with Whisper base on a CPU."""
    held: int = 60_000
    """Frames of context whose encoder states are held by one lane: ten minutes, 60 MB with Whisper base, 150 with
    large."""
    lanes: int = 1
    """Threads that go on at once, so that a GPU never waits for Python."""


ON_CPU = Amounts()


def window(_: Piece) -> int:
    """A full window for any piece; see `Context`."""
    return packing.WINDOW


class Calls:
    """An engine's, from any thread. What once did not fit is remembered."""

    def __init__(self, engine: Ear, amounts: Amounts) -> None:
        self._engine = engine
        self._amounts = amounts
        self._room = Room(amounts.frames)

    def encode(self, courses: Sequence[Course], held: Sequence[Piece], context: Context) -> dict[Piece, States]:
        """Each piece's states in its context."""
        states: dict[Piece, States] = {}
        for group in self.alike(held, context):
            sounds = [sound_of(courses[piece.recording], piece) for piece in group]
            states.update(zip(group, self._heard(sounds, context(group[0])), strict=True))
        return states

    def decode(
        self, states: Sequence[States], group: Sequence[Piece], language: str, context: Context
    ) -> list[Hearing]:
        """What is said in each of a group, as `together` makes them."""
        pairs = list(zip(states, group, strict=True))
        return fitted(
            lambda some: self._engine.decode([state for state, _ in some], [piece for _, piece in some], language),
            pairs, self._room, lambda pair: context(pair[1]),
        )  # fmt: skip

    def alone(self, courses: Sequence[Course], few: Sequence[Piece], language: str) -> list[Hearing]:
        """See `Ear.alone`."""
        pairs = [(sound_of(courses[piece.recording], piece), piece) for piece in few]
        return fitted(
            lambda some: self._engine.alone([sound for sound, _ in some], [piece for _, piece in some], language),
            pairs, self._room, lambda _: packing.WINDOW,
        )  # fmt: skip

    def detect(self, held: Sequence[Piece], states: Mapping[Piece, States]) -> dict[Piece, Mapping[str, float]]:
        """Probability of each language in each piece, from its states in its own context."""
        spoken: dict[Piece, Mapping[str, float]] = {}
        for group in self.alike(held, packing.piece_context):
            found = self._engine.detect([states[piece] for piece in group])
            spoken.update(zip(group, found, strict=True))
        return spoken

    def detect_in_windows(self, course: Course, few: Sequence[Piece]) -> list[Mapping[str, float]]:
        """The same in full windows."""
        found: list[Mapping[str, float]] = []
        for group in self.alike(few, window):
            found += self._engine.detect(self._heard([sound_of(course, piece) for piece in group], packing.WINDOW))
        return found

    def alike(self, own: Sequence[Piece], context: Context) -> list[list[Piece]]:
        """Groups of one context each, for one call; in the order given within one context."""
        items: Iterable[tuple[int, Piece]] = ((context(piece), piece) for piece in own)
        return list(packing.batches(items, self._amounts.pieces, self._room.most))

    def together(self, own: Sequence[Piece], context: Context) -> list[list[Piece]]:
        """Groups that are decoded in one call."""
        if not getattr(self._engine, "mixes", False):
            return self.alike(own, context)
        # Nearly one length together: what is shorter than the longest waits for it.
        groups: list[list[Piece]] = []
        for piece in sorted(own, key=context):
            room = self._room.most // context(piece)
            if not groups or len(groups[-1]) >= min(self._amounts.pieces, max(1, room)):
                groups.append([])
            groups[-1].append(piece)
        return groups

    def _heard(self, sounds: Sequence[Samples], context: int) -> list[States]:
        return fitted(lambda some: self._engine.encode(some, context), sounds, self._room, lambda _: context)
