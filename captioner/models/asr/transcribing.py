"""How recordings go through a Whisper, whatever runs it: pieces, languages, batches, second hearings.

Each piece has a context of its own (see `packing`), so what is heard in a recording depends on that recording alone;
what batching leaves out of Whisper's own loop is put back by `guards`: a piece with a fault is heard again by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from captioner.errors import SettingsError
from captioner.models.asr import guards, packing
from captioner.models.asr.calls import ON_CPU, Amounts, Calls, Context, Ear, States, window
from captioner.models.asr.courses import Course, Steps, pooled, quietest_in, transcript_of
from captioner.models.asr.guards import Hearing
from captioner.models.asr.lanes import Lanes
from captioner.models.asr.packing import Piece
from captioner.models.protocols import Listening, Progress
from captioner.times import Span
from captioner.types import Doubt, Transcript

DETECT = 180.0
"""Seconds of a recording's speech that its language is detected from, at most."""
SURE_LANGUAGE = 0.75
"""Probability below which a language is detected again in full windows: of 147 clips of 0.6 to 17 s in five languages
131 are right in contexts of their own, 132 in full windows."""
GUESSED_LANGUAGE = 0.5
"""Probability below which the language is doubted; more than half of those clips were wrong."""


class Asked(Protocol):
    """What a user may ask of any Whisper."""

    @property
    def language(self) -> str | None: ...

    @property
    def hotwords(self) -> tuple[str, ...]: ...


class Whisper:
    """A transcriber of any engine. `again` False leaves out every second hearing: for benches with made weights,
    whose words are all at fault."""

    def __init__(self, engine: Ear, asked: Asked, amounts: Amounts = ON_CPU, *, again: bool = True) -> None:
        self._engine = engine
        self._asked = asked
        self._amounts = amounts
        self._second = again
        self._calls = Calls(engine, amounts)
        self._lanes = Lanes(amounts.lanes)

    def transcribe(self, batch: Sequence[Listening], progress: Progress | None = None) -> list[Transcript]:
        courses = [self._course(index, item) for index, item in enumerate(batch)]
        step = Steps(courses, progress)
        self._first(courses, step)
        if self._second:
            # Of all rounds together: a few pieces take a decoder as many steps as many do.
            self._again(courses, self._is_unsure, packing.roomy_context, self._roomier, step)
            self._again(courses, self._is_faulty, window, self._alone, step)
        step.rest()
        for course in courses:
            self._judge(course)
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

    # -- the first hearing -------------------------------------------------------------------------------------------

    def _first(self, courses: Sequence[Course], step: Steps) -> None:
        known = [course.language is not None for course in courses]
        units = [packing.units(c.pieces, 0.0 if sure else DETECT) for c, sure in zip(courses, known, strict=True)]
        # Of one length together: fewer calls of the encoder, and no decoder's step for what has ended.
        todo = packing.ordered(units, [not sure for sure in known])

        def given_up() -> None:
            for course in courses:  # whose language another lane may wait for
                course.decided.set()

        rounds = list(packing.rounds(todo, self._amounts.held))
        self._lanes.each(lambda held: self._round(courses, held, step), rounds, given_up)

    def _round(self, courses: Sequence[Course], held: Sequence[Piece], step: Steps) -> None:
        """Languages and first hearings of the pieces held in memory together."""
        states = self._calls.encode(courses, held, packing.piece_context)
        self._languages(courses, held, states)
        for index in sorted({piece.recording for piece in held}):
            courses[index].decided.wait()  # a recording's first pieces may still be in another lane
        for language, own in _by_language(courses, held):
            for group in self._calls.together(own, packing.piece_context):
                taken = [states.pop(piece) for piece in group]
                heard = self._calls.decode(taken, group, language, packing.piece_context)
                for piece, hearing in zip(group, heard, strict=True):
                    course = courses[piece.recording]
                    course.hear(piece, hearing)
                    course.spoken.setdefault(piece, hearing.spoken)
                    if not (self._second and (self._is_unsure(course, piece) or self._is_faulty(course, piece))):
                        step.done(course, piece)

    # -- the second, and the third -----------------------------------------------------------------------------------

    def _again(
        self, courses: Sequence[Course], wanted: Callable[[Course, Piece], bool], context: Context,
        hear: Callable[[Sequence[Course], Sequence[Piece], str], None], step: Steps,
    ) -> None:  # fmt: skip
        """`hear` on what is `wanted` of all pieces, in groups of one language."""
        todo = [piece for course in courses for piece in course.pieces if wanted(course, piece)]
        groups = [
            (group, language)
            for language, own in _by_language(courses, todo)
            for group in self._calls.together(own, context)
        ]

        def one(work: tuple[Sequence[Piece], str]) -> None:
            hear(courses, *work)
            for piece in work[0]:
                if not self._is_faulty(courses[piece.recording], piece):
                    step.done(courses[piece.recording], piece)

        self._lanes.each(one, groups)

    def _faults(self, course: Course, piece: Piece) -> tuple[Doubt, ...]:
        found = course.faults.get(piece)
        if found is None:
            found = guards.faults(course.hearings[piece], piece, course.language or "en", self._asked.hotwords)
            course.faults[piece] = found
        return found

    def _is_faulty(self, course: Course, piece: Piece) -> bool:
        return bool(self._faults(course, piece))

    def _is_unsure(self, course: Course, piece: Piece) -> bool:
        """Whether it is unsure or at fault, and more room than it had can be given."""
        return packing.piece_context(piece) < packing.roomy_context(piece) and (
            guards.is_unsure(course.hearings[piece]) or self._is_faulty(course, piece)
        )

    def _roomier(self, courses: Sequence[Course], few: Sequence[Piece], language: str) -> None:
        """Hears them once more with more room, and keeps the better hearing of each."""
        states = self._calls.encode(courses, few, packing.roomy_context)
        heard = self._calls.decode([states.pop(piece) for piece in few], few, language, packing.roomy_context)
        self._compared(courses, few, heard, guards.roomier)

    def _alone(self, courses: Sequence[Course], few: Sequence[Piece], language: str) -> None:
        """Hears each once more by itself, and keeps the better hearing of each."""
        self._compared(courses, few, self._calls.alone(courses, few, language), guards.better)

    def _compared(
        self, courses: Sequence[Course], few: Sequence[Piece], heard: Sequence[Hearing],
        better: Callable[[Hearing, Hearing, Piece, str, Sequence[str]], Hearing],
    ) -> None:  # fmt: skip
        for piece, again in zip(few, heard, strict=True):
            course = courses[piece.recording]
            first, language = course.hearings[piece], course.language or "en"
            course.hear(piece, better(first, again, piece, language, self._asked.hotwords))

    # -- languages ---------------------------------------------------------------------------------------------------

    def _languages(self, courses: Sequence[Course], held: Sequence[Piece], states: Mapping[Piece, States]) -> None:
        """Each piece's language probabilities; decides the language of recordings whose pieces begin here."""
        if not self._engine.multilingual:
            return
        tells = getattr(self._engine, "tells", False)
        asked = [piece for piece in held if not (tells and courses[piece.recording].decided.is_set())]
        for piece, probabilities in self._calls.detect(asked, states).items():
            courses[piece.recording].spoken[piece] = probabilities
        for index in sorted({piece.recording for piece in asked}):
            course = courses[index]
            if not course.decided.is_set() and course.pieces[0] in course.spoken:
                self._decide(course, packing.units(course.pieces, DETECT)[0])
                course.decided.set()

    def _decide(self, course: Course, first: Sequence[Piece]) -> None:
        """The recording's language from its first pieces; where that is unsure, from the same in full windows."""
        course.language, course.probability = pooled([(piece.spoken, course.spoken[piece]) for piece in first])
        if course.probability < SURE_LANGUAGE:
            found = self._calls.detect_in_windows(course, first)
            language, probability = pooled([(piece.spoken, own) for piece, own in zip(first, found, strict=True)])
            if probability > course.probability:
                course.language, course.probability = language, probability
        if course.probability < GUESSED_LANGUAGE:
            whole = Span(course.pieces[0].speech[0].start, course.pieces[-1].speech[-1].end)
            detail = f"the language {course.language!r} is a guess ({course.probability:.2f}); set `language`"
            course.doubts.append(Doubt("wrong-language", detail, whole))

    # -- what came of it ---------------------------------------------------------------------------------------------

    def _judge(self, course: Course) -> None:
        """What is to be doubted of each piece."""
        for piece in course.pieces:
            found = self._faults(course, piece)
            course.doubts += found
            other = guards.other_language(piece, course.spoken.get(piece, {}), course.language or "en")
            if other is not None and not any(doubt.reason == other.reason for doubt in found):
                course.doubts.append(other)


def _by_language(courses: Sequence[Course], own: Sequence[Piece]) -> list[tuple[str, list[Piece]]]:
    """The pieces of each language, in their order."""
    found: dict[str, list[Piece]] = {}
    for piece in own:
        found.setdefault(courses[piece.recording].language or "", []).append(piece)
    return sorted(found.items())


def check_language(language: str | None, engine: Ear) -> None:
    """Raises SettingsError for a language that the model does not know."""
    if language is not None and language not in engine.languages:
        raise SettingsError(
            f"language = {language!r}: the model does not know it; it knows {', '.join(sorted(engine.languages))}"
        )
