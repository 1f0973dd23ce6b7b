"""How recordings go through a Whisper, whatever runs it: pieces, languages, batches, second hearings.

Each piece has a context of its own (see `packing`), so what is heard in a recording depends on that recording alone;
what batching leaves out of Whisper's own loop is put back by `guards`: a piece with a fault is heard again by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from captioner.errors import SettingsError
from captioner.models.asr import guards, packing
from captioner.models.asr.courses import Course, Steps, pooled, quietest_in, sound_of, transcript_of
from captioner.models.asr.guards import Hearing
from captioner.models.asr.lanes import Lanes
from captioner.models.asr.packing import Piece
from captioner.models.fitting import Room, fitted
from captioner.models.protocols import Listening, Progress, Samples
from captioner.times import Span
from captioner.types import Doubt, Transcript

DETECT = 180.0
"""Seconds of a recording's speech that its language is detected from, at most."""
SURE_LANGUAGE = 0.75
"""Probability below which a language is detected again in full windows: of 147 clips of 0.6 to 17 s in five languages
131 are right in contexts of their own, 132 in full windows."""
GUESSED_LANGUAGE = 0.5
"""Probability below which the language is doubted; more than half of those clips were wrong."""

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


class Asked(Protocol):
    """What a user may ask of any Whisper."""

    @property
    def language(self) -> str | None: ...

    @property
    def hotwords(self) -> tuple[str, ...]: ...


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


class Whisper:
    """A transcriber of any engine. `again` False leaves out every second hearing: for benches with made weights,
    whose words are all at fault."""

    def __init__(self, engine: Ear, asked: Asked, amounts: Amounts = ON_CPU, *, again: bool = True) -> None:
        self._engine = engine
        self._asked = asked
        self._amounts = amounts
        self._room = Room(amounts.frames)
        self._second = again
        self._lanes = Lanes(amounts.lanes)

    def transcribe(self, batch: Sequence[Listening], progress: Progress | None = None) -> list[Transcript]:
        courses = [self._course(index, item) for index, item in enumerate(batch)]
        step = Steps(courses, progress)
        known = [course.language is not None for course in courses]
        units = [packing.units(c.pieces, 0.0 if sure else DETECT) for c, sure in zip(courses, known, strict=True)]
        # Of one length together: fewer calls of the encoder, and no decoder's step for what has ended.
        todo = packing.ordered(units, [not sure for sure in known])
        rounds = list(packing.rounds(todo, self._amounts.held))

        def given_up() -> None:
            for course in courses:  # whose language another lane may wait for
                course.decided.set()

        self._lanes.each(lambda held: self._round(courses, held, step), rounds, given_up)
        step.rest()
        return [transcript_of(course) for course in courses]

    def _course(self, index: int, item: Listening) -> Course:
        language = item.language or self._asked.language
        check_language(language, self._engine)
        if language is None and not self._engine.multilingual:
            language = "en"
        own = packing.pieces(index, item.speech, item.audio.duration, quietest_in(item))
        course = Course(item, own, language)
        if language is not None:
            course.decided.set()
        return course

    def _round(self, courses: Sequence[Course], held: Sequence[Piece], step: Steps) -> None:
        """Everything that happens to the pieces held in memory together."""
        states = self._encode(courses, held, packing.piece_context)
        spoken = self._languages(courses, held, states)
        for index in sorted({piece.recording for piece in held}):
            courses[index].decided.wait()  # a recording's first pieces may still be in another lane
        for language in sorted({courses[piece.recording].language or "" for piece in held}):
            own = [piece for piece in held if courses[piece.recording].language == language]
            hearings: dict[Piece, Hearing] = {}
            for group in self._decoded_together(own, packing.piece_context):
                heard = self._decode([states.pop(piece) for piece in group], group, language, packing.piece_context)
                hearings.update(zip(group, heard, strict=True))
                for piece in group:
                    spoken.setdefault(piece, hearings[piece].spoken)
                if self._second:
                    self._again(courses, hearings, group, language)
                    self._mend(courses, hearings, group, language)
                for piece in group:
                    course = courses[piece.recording]
                    self._keep(course, piece, hearings.pop(piece), spoken[piece])
                    step.done(course, piece)

    def _decode(
        self, states: Sequence[States], group: Sequence[Piece], language: str, context: Context
    ) -> list[Hearing]:
        pairs = list(zip(states, group, strict=True))
        return fitted(
            lambda some: self._engine.decode([state for state, _ in some], [piece for _, piece in some], language),
            pairs, self._room, lambda pair: context(pair[1]),
        )  # fmt: skip

    def _hear(self, sounds: Sequence[Samples], context: int) -> list[States]:
        return fitted(lambda some: self._engine.encode(some, context), sounds, self._room, lambda _: context)

    def _again(
        self, courses: Sequence[Course], hearings: dict[Piece, Hearing], group: Sequence[Piece], language: str
    ) -> None:
        """Hears what is unsure or at fault once more with more room, and keeps the better hearing of each."""
        hotwords = self._asked.hotwords
        unsure = [
            piece
            for piece in group
            if packing.piece_context(piece) < packing.roomy_context(piece)
            and (guards.is_unsure(hearings[piece]) or guards.faults(hearings[piece], piece, language, hotwords))
        ]
        for few in self._decoded_together(unsure, packing.roomy_context):
            states = self._encode(courses, few, packing.roomy_context)
            heard = self._decode([states.pop(piece) for piece in few], few, language, packing.roomy_context)
            for piece, second in zip(few, heard, strict=True):
                hearings[piece] = guards.roomier(hearings[piece], second, piece, language, hotwords)

    def _mend(
        self, courses: Sequence[Course], hearings: dict[Piece, Hearing], group: Sequence[Piece], language: str
    ) -> None:
        """Hears what has a fault once more by itself, and keeps the better hearing of each."""
        hotwords = self._asked.hotwords
        faulty = [piece for piece in group if guards.faults(hearings[piece], piece, language, hotwords)]
        for few in self._batches((packing.WINDOW, piece) for piece in faulty):
            pairs = [(sound_of(courses[piece.recording], piece), piece) for piece in few]
            heard = fitted(
                lambda some: self._engine.alone([sound for sound, _ in some], [piece for _, piece in some], language),
                pairs, self._room, lambda _: packing.WINDOW,
            )  # fmt: skip
            for piece, again in zip(few, heard, strict=True):
                hearings[piece] = guards.better(hearings[piece], again, piece, language, hotwords)

    def _batches(self, items: Iterable[tuple[int, Piece]]) -> list[list[Piece]]:
        return list(packing.batches(items, self._amounts.pieces, self._room.most))

    def _grouped(self, own: Sequence[Piece], context: Context) -> list[list[Piece]]:
        return self._batches((context(piece), piece) for piece in own)

    def _decoded_together(self, own: Sequence[Piece], context: Context) -> list[list[Piece]]:
        if not getattr(self._engine, "mixes", False):
            return self._grouped(own, context)
        # Nearly one length together: what is shorter than the longest waits for it.
        groups: list[list[Piece]] = []
        for piece in sorted(own, key=context):
            room = self._room.most // context(piece)
            if not groups or len(groups[-1]) >= min(self._amounts.pieces, max(1, room)):
                groups.append([])
            groups[-1].append(piece)
        return groups

    def _encode(self, courses: Sequence[Course], held: Sequence[Piece], context: Context) -> dict[Piece, States]:
        states: dict[Piece, States] = {}
        for group in self._grouped(held, context):
            sounds = [sound_of(courses[piece.recording], piece) for piece in group]
            encoded = self._hear(sounds, context(group[0]))
            states.update(zip(group, encoded, strict=True))
        return states

    def _languages(
        self, courses: Sequence[Course], held: Sequence[Piece], states: Mapping[Piece, States]
    ) -> dict[Piece, Mapping[str, float]]:
        """Each piece's language probabilities; decides the language of recordings whose pieces begin here."""
        if not self._engine.multilingual:
            return {}
        spoken: dict[Piece, Mapping[str, float]] = {}
        tells = getattr(self._engine, "tells", False)
        asked = [piece for piece in held if not (tells and courses[piece.recording].decided.is_set())]
        for group in self._grouped(asked, packing.piece_context):
            found = self._engine.detect([states[piece] for piece in group])
            spoken.update(zip(group, found, strict=True))
        for course in courses:
            if not course.decided.is_set() and course.pieces and course.pieces[0] in spoken:
                self._decide(course, packing.units(course.pieces, DETECT)[0], spoken)
                course.decided.set()
        return spoken

    def _decide(self, course: Course, first: Sequence[Piece], spoken: Mapping[Piece, Mapping[str, float]]) -> None:
        """The recording's language from its first pieces; where that is unsure, from the same in full windows."""
        course.language, course.probability = pooled([(piece.spoken, spoken[piece]) for piece in first])
        if course.probability < SURE_LANGUAGE:
            again: list[tuple[float, Mapping[str, float]]] = []
            for few in self._batches((packing.WINDOW, piece) for piece in first):
                sounds = [sound_of(course, piece) for piece in few]
                found = self._engine.detect(self._hear(sounds, packing.WINDOW))
                again += [(piece.spoken, probabilities) for piece, probabilities in zip(few, found, strict=True)]
            language, probability = pooled(again)
            if probability > course.probability:
                course.language, course.probability = language, probability
        if course.probability < GUESSED_LANGUAGE:
            whole = Span(course.pieces[0].speech[0].start, course.pieces[-1].speech[-1].end)
            detail = f"the language {course.language!r} is a guess ({course.probability:.2f}); set `language`"
            course.doubts.append(Doubt("wrong-language", detail, whole))

    def _keep(self, course: Course, piece: Piece, hearing: Hearing, spoken: Mapping[str, float]) -> None:
        """What came of a piece, and what is to be doubted of it."""
        language = course.language or "en"
        found = guards.faults(hearing, piece, language, self._asked.hotwords)
        course.hearings[piece] = hearing
        course.doubts += found
        other = guards.other_language(piece, spoken, language)
        if other is not None and not any(doubt.reason == other.reason for doubt in found):
            course.doubts.append(other)


def check_language(language: str | None, engine: Ear) -> None:
    """Raises SettingsError for a language that the model does not know."""
    if language is not None and language not in engine.languages:
        raise SettingsError(
            f"language = {language!r}: the model does not know it; it knows {', '.join(sorted(engine.languages))}"
        )
