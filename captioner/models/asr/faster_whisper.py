"""faster-whisper on CTranslate2: Whisper with word times, every recording's pieces through the model together.

Each piece has a context of its own (see `packing`), so what is heard in a recording depends on that recording alone;
what batching leaves out of Whisper's own loop is put back by `guards`: a piece with a fault is heard again by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from captioner.errors import ModelError, SettingsError
from captioner.models.asr import guards, packing, weights
from captioner.models.asr.engine import Engine, States
from captioner.models.asr.guards import Hearing
from captioner.models.asr.packing import Piece
from captioner.models.protocols import Listening, Progress, Samples, Transcriber
from captioner.times import Span, seconds
from captioner.types import SPEECH_RATE, Doubt, Heard, Transcript, Word

VERSION = "faster-whisper-1.2 contexts 5"

DETECT = 180.0
"""Seconds of a recording's speech that its language is detected from, at most."""
SURE_LANGUAGE = 0.75
"""Probability below which a language is detected again in full windows: of 147 clips of 0.6 to 17 s in five languages
131 are right in contexts of their own, 132 in full windows."""
GUESSED_LANGUAGE = 0.5
"""Probability below which the language is doubted; more than half of those clips were wrong."""
ENCODED = 60_000
"""Frames of context whose encoder states are held at a time: ten minutes, 60 MB with Whisper base, 150 with large."""
AT_ONCE = 9_000
"""Frames of context in one call: what the decoder keeps of them takes 25 kB a frame with Whisper base."""


@dataclass(frozen=True, slots=True)
class Options:
    model: str | None = None
    """tiny, base, small, medium, large-v3, turbo ..., a hub repository or a folder. None is base."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where CTranslate2 finds one."""
    compute_type: str = "auto"
    """CTranslate2's: auto is int8 on a CPU and float16 on a GPU."""
    beam_size: int = 5
    threads: int = 0
    """CPU threads; 0 for one a core."""
    batch_size: int = 16
    """Most pieces decoded at once."""
    language: str | None = None
    """ISO 639-1 of every recording that does not come with its own; None to detect it for each."""
    hotwords: tuple[str, ...] = ()
    """Names to expect."""
    verbatim: bool = False
    """Whether to coax Whisper, by an English prompt, to write down every `um`."""


def fingerprint(options: Options) -> tuple[str, ...]:
    """What the options do not say of the weights."""
    return weights.fingerprint(options.model)


def load(options: Options) -> Transcriber:
    """Raises WeightsMissing, ModelError where CTranslate2 refuses device or type, SettingsError for a wrong option."""
    if options.beam_size < 1 or options.batch_size < 1 or options.threads < 0:
        raise SettingsError("asr_options: beam_size and batch_size are 1 or more, threads 0 or more")
    folder = weights.find_weights(options.model)
    import ctranslate2
    from faster_whisper import WhisperModel

    device = options.device
    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    kind = options.compute_type
    if kind == "auto":
        kind = "int8" if device == "cpu" else "float16"
    try:
        model = WhisperModel(
            str(folder), device=device, compute_type=kind, cpu_threads=options.threads, local_files_only=True
        )
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"{folder}: CTranslate2 cannot load it on {device} as {kind} ({error}); "
            "try asr_options: {device: cpu, compute_type: int8}"
        ) from error
    engine = Engine(model, options.beam_size, options.hotwords, options.verbatim)
    _check_language(options.language, engine)
    return FasterWhisper(engine, options)


def _check_language(language: str | None, engine: Engine) -> None:
    if language is not None and language not in engine.languages:
        raise SettingsError(
            f"language = {language!r}: the model does not know it; it knows {', '.join(sorted(engine.languages))}"
        )


@dataclass(slots=True)
class _Course:
    """One recording on its way."""

    item: Listening
    pieces: list[Piece]
    language: str | None
    probability: float | None = None
    hearings: dict[Piece, Hearing] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)
    left: float = 0.0
    """Seconds not yet reported as done."""


class FasterWhisper:
    def __init__(self, engine: Engine, options: Options) -> None:
        self._engine = engine
        self._options = options

    def transcribe(self, batch: Sequence[Listening], progress: Progress | None = None) -> list[Transcript]:
        courses = [self._course(index, item) for index, item in enumerate(batch)]
        step = _Steps(courses, progress)
        todo = [
            unit
            for course in courses
            for unit in packing.units(course.pieces, 0.0 if course.language else DETECT)
        ]  # fmt: skip
        for held in packing.rounds(todo, ENCODED):
            self._round(courses, held, step)
        step.rest()
        return [_transcript(course) for course in courses]

    def _course(self, index: int, item: Listening) -> _Course:
        language = item.language or self._options.language
        _check_language(language, self._engine)
        if language is None and not self._engine.multilingual:
            language = "en"
        own = packing.pieces(index, item.speech, item.audio.duration, _quietest_in(item))
        return _Course(item, own, language)

    def _round(self, courses: Sequence[_Course], held: Sequence[Piece], step: _Steps) -> None:
        """Everything that happens to the pieces held in memory together."""
        states = self._encode(courses, held)
        spoken = self._languages(courses, held, states)
        for language in sorted({courses[piece.recording].language or "" for piece in held}):
            own = [piece for piece in held if courses[piece.recording].language == language]
            hearings: dict[Piece, Hearing] = {}
            for group in self._grouped(own):
                heard = self._engine.decode([states.pop(piece) for piece in group], group, language)
                hearings.update(zip(group, heard, strict=True))
                self._again(courses, hearings, group, language)
                for piece in group:
                    course = courses[piece.recording]
                    self._keep(course, piece, hearings.pop(piece), spoken.get(piece, {}))
                    step.done(course, piece)

    def _again(
        self, courses: Sequence[_Course], hearings: dict[Piece, Hearing], group: Sequence[Piece], language: str
    ) -> None:
        """Hears what is unsure or at fault once more with more room, and keeps the better hearing of each."""
        hotwords = self._options.hotwords
        unsure = [
            piece
            for piece in group
            if packing.piece_context(piece) < packing.roomy_context(piece)
            and (guards.is_unsure(hearings[piece]) or guards.faults(hearings[piece], piece, language, hotwords))
        ]
        roomy = ((packing.roomy_context(piece), piece) for piece in unsure)
        for few in packing.batches(roomy, self._options.batch_size, AT_ONCE):
            sounds = [_sound(courses[piece.recording], piece) for piece in few]
            states = self._engine.encode(sounds, packing.roomy_context(few[0]))
            for piece, second in zip(few, self._engine.decode(states, few, language), strict=True):
                hearings[piece] = guards.roomier(hearings[piece], second, piece, language, hotwords)

    def _grouped(self, own: Sequence[Piece]) -> list[list[Piece]]:
        items = ((packing.piece_context(piece), piece) for piece in own)
        return list(packing.batches(items, self._options.batch_size, AT_ONCE))

    def _encode(self, courses: Sequence[_Course], held: Sequence[Piece]) -> dict[Piece, States]:
        states: dict[Piece, States] = {}
        for group in self._grouped(held):
            sounds = [_sound(courses[piece.recording], piece) for piece in group]
            encoded = self._engine.encode(sounds, packing.piece_context(group[0]))
            states.update(zip(group, encoded, strict=True))
        return states

    def _languages(
        self, courses: Sequence[_Course], held: Sequence[Piece], states: Mapping[Piece, States]
    ) -> dict[Piece, dict[str, float]]:
        """Each piece's language probabilities; decides the language of recordings whose pieces begin here."""
        if not self._engine.multilingual:
            return {}
        spoken: dict[Piece, dict[str, float]] = {}
        for group in self._grouped(held):
            found = self._engine.detect([states[piece] for piece in group])
            spoken.update(zip(group, found, strict=True))
        for course in courses:
            if course.language is None and course.pieces and course.pieces[0] in spoken:
                self._decide(course, packing.units(course.pieces, DETECT)[0], spoken)
        return spoken

    def _decide(self, course: _Course, first: Sequence[Piece], spoken: Mapping[Piece, Mapping[str, float]]) -> None:
        """The recording's language from its first pieces; where that is unsure, from the same in full windows."""
        course.language, course.probability = pooled([(piece.spoken, spoken[piece]) for piece in first])
        if course.probability < SURE_LANGUAGE:
            again: list[tuple[float, Mapping[str, float]]] = []
            for few in packing.batches(((packing.WINDOW, p) for p in first), self._options.batch_size, AT_ONCE):
                sounds = [_sound(course, piece) for piece in few]
                found = self._engine.detect(self._engine.encode(sounds, packing.WINDOW))
                again += [(piece.spoken, probabilities) for piece, probabilities in zip(few, found, strict=True)]
            language, probability = pooled(again)
            if probability > course.probability:
                course.language, course.probability = language, probability
        if course.probability < GUESSED_LANGUAGE:
            whole = Span(course.pieces[0].speech[0].start, course.pieces[-1].speech[-1].end)
            detail = f"the language {course.language!r} is a guess ({course.probability:.2f}); set `language`"
            course.doubts.append(Doubt("wrong-language", detail, whole))

    def _keep(self, course: _Course, piece: Piece, hearing: Hearing, spoken: Mapping[str, float]) -> None:
        """The better of this hearing and, where it has a fault, of one alone; and what is still to be doubted."""
        language, hotwords = course.language or "en", self._options.hotwords
        found = guards.faults(hearing, piece, language, hotwords)
        if found:
            again = self._engine.alone(_sound(course, piece), piece, language)
            hearing = guards.better(hearing, again, piece, language, hotwords)
            found = guards.faults(hearing, piece, language, hotwords)
        course.hearings[piece] = hearing
        course.doubts += found
        other = guards.other_language(piece, spoken, language)
        if other is not None and not any(doubt.reason == other.reason for doubt in found):
            course.doubts.append(other)


def pooled(pieces: Sequence[tuple[float, Mapping[str, float]]]) -> tuple[str, float]:
    """The language of a recording and its probability: the mean over its pieces, weighted by seconds of speech."""
    total = sum(weight for weight, _ in pieces) or 1.0
    mean: dict[str, float] = {}
    for weight, probabilities in pieces:
        for language, probability in probabilities.items():
            mean[language] = mean.get(language, 0.0) + weight * probability / total
    best = max(sorted(mean), key=lambda language: mean[language])
    return best, round(mean[best], 4)


def _sound(course: _Course, piece: Piece) -> Samples:
    return course.item.audio.read(piece.heard.start, piece.heard.end)


def _transcript(course: _Course) -> Transcript:
    words: list[Word] = [word for piece in course.pieces for word in course.hearings[piece].words]
    doubts = sorted(course.doubts, key=lambda doubt: (doubt.span.start if doubt.span else 0.0, doubt.reason))
    heard = tuple(_heard(piece, course.hearings[piece]) for piece in course.pieces)
    return Transcript(tuple(words), course.language, course.probability, tuple(doubts), heard)


def _heard(piece: Piece, hearing: Hearing) -> Heard:
    sure = None if hearing.log_probability is None else round(hearing.log_probability, 4)
    return Heard(piece.heard, sure, round(hearing.no_speech, 4))


def _quietest_in(item: Listening) -> packing.Quietest:
    """Middle of the quietest 0.1 s of a stretch, in hops of 10 ms; the first of equals."""

    def quietest(start: float, end: float) -> float:
        sound = item.audio.read(start, end)
        hop = SPEECH_RATE // 100
        hops = len(sound) // hop
        if hops < 20:
            return (start + end) / 2
        power = np.square(sound[: hops * hop].astype(np.float64)).reshape(hops, hop).mean(axis=1)
        smooth = np.convolve(power, np.ones(10) / 10, mode="valid")
        return seconds(start + (int(smooth.argmin()) + 5) * hop / SPEECH_RATE)

    return quietest


class _Steps:
    """Progress: a recording's seconds in shares of its pieces, all of them reported by the end."""

    def __init__(self, courses: Sequence[_Course], progress: Progress | None) -> None:
        self._courses = courses
        self._progress = progress
        for course in courses:
            course.left = course.item.audio.duration

    def done(self, course: _Course, piece: Piece) -> None:
        step = min(course.left, piece.heard.duration)
        course.left -= step
        self._tell(step)

    def rest(self) -> None:
        for course in self._courses:
            self._tell(course.left)
            course.left = 0.0

    def _tell(self, step: float) -> None:
        if self._progress is not None and step > 0.0:
            self._progress(step)
