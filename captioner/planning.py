"""From what was heard to where to cut: words, turns and activity of one recording become measured Cuts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, TypeVar

from captioner.adopt import Adopted, adopt_turns, adopt_words, adopted_doubts, find_adopted
from captioner.cuts.frames import FrameRule
from captioner.cuts.plan import keep_whole, plan
from captioner.cuts.values import Footage
from captioner.errors import CaptionerError, RecordingError
from captioner.ports import Reporter
from captioner.settings import Settings
from captioner.speech.assign import assign
from captioner.speech.correct import correct
from captioner.speech.doubt import doubt_lines
from captioner.speech.lines import LineOptions, segment
from captioner.speech.regions import speech_regions
from captioner.speech.stray import unexplained
from captioner.speech.trust import VERSION as TRUST_VERSION
from captioner.speech.trust import weighed
from captioner.stages import Job, Stages, words_stage
from captioner.store import key_of, pack, unpack
from captioner.summary import Failure
from captioner.types import Activity, Cut, Diarization, LeftOut, Line, Picture, Recording, Sound, Transcript

T = TypeVar("T")

PLAN_VERSION = "11"

A_SECOND = 2000.0
"""Seconds of talk that one core plans in a second, roughly."""

SURE_LANGUAGE = 0.5
"""Probability below which a detected language is not named in a caption; it is doubted there, too."""


@dataclass(frozen=True, slots=True)
class Planned:
    """All that is known of one recording's cuts; stored as one result."""

    cuts: tuple[Cut, ...]
    left_out: tuple[LeftOut, ...]
    duration: float
    """Seconds of sound."""
    speech: float
    """Seconds of words heard."""
    kept: float
    """Seconds of words that lie in cuts."""
    language: str | None
    speakers: int
    adopted_caption: str | None = None
    """The text of a caption that stood beside an already-cut source."""


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A recording with its plan and what the plan was made from."""

    job: Job
    planned: Planned
    key: str
    adopted: Adopted = field(default_factory=Adopted)
    """What stood beside the source."""


def frame_rule(settings: Settings, recording: Recording, rate: Fraction) -> FrameRule:
    """The rule that holds for a recording: `durations` is for those without a picture."""
    if settings.durations is not None and recording.video is None:
        return FrameRule.durations(settings.durations, rate)
    return FrameRule.parse(settings.frames, settings.min_frames, settings.max_frames)


def plan_key(job: Job, settings: Settings, rate: Fraction, adopted: Adopted) -> str:
    """The key of a recording's Planned."""
    rule = frame_rule(settings, job.recording, rate)
    heard = sorted((stage, key) for stage, key in job.keys.items() if stage != "tagger")
    made_by = (PLAN_VERSION, TRUST_VERSION)
    return key_of("plan", made_by, job.recording.slug, heard, rate, rule, settings.keep_cuts, adopted)


class Results(Protocol):
    """Where what was heard and seen is found: `Stages`, or the store alone."""

    def result(self, job: Job, stage: str, kind: type[T]) -> T: ...


@dataclass(frozen=True, slots=True)
class Ground:
    """All that one recording's cuts are planned on."""

    footage: Footage
    adopted: Adopted
    language: str | None
    """What is said in it is in this language; None where nobody can be sure."""
    heard_language: str | None
    duration: float
    """Seconds of sound."""
    speakers: int


def ground_of(job: Job, results: Results, settings: Settings, rate: Fraction, adopted: Adopted) -> Ground:
    """Words to Lines, on the recording's frame grid."""
    recording = job.recording
    sound = results.result(job, "sound", Sound)
    activity = results.result(job, "vad", Activity)
    transcript = results.result(job, words_stage(job.keys), Transcript)
    diarization = results.result(job, "diarizer", Diarization)
    picture = results.result(job, "picture", Picture) if recording.video is not None else None
    turns = adopt_turns(adopted, diarization.turns)
    alone = diarization.exclusive if adopted.turns is None and diarization.exclusive else turns
    regions = speech_regions(activity)
    heard = correct(adopt_words(adopted, transcript.words), activity)
    words = tuple(assign(heard, alone))
    lines = segment(words, turns, regions, LineOptions())
    lines = doubt_lines(lines, activity=activity, regions=regions, turns=turns, transcript=transcript)
    lines = [weighed(line) for line in lines]
    start = max(0.0, recording.audio.offset)
    end = sound.duration if picture is None else min(sound.duration, picture.end)
    shots = () if picture is None else picture.shots
    rule = frame_rule(settings, recording, rate)
    footage = Footage(recording.slug, lines, words, turns, activity, shots, start, end, rate, rule)
    sure = transcript.language_probability is None or transcript.language_probability >= SURE_LANGUAGE
    language = transcript.language if sure else None
    speakers = len({turn.speaker for turn in turns})
    return Ground(footage, adopted, language, transcript.language, sound.duration, speakers)


def dressed(ground: Ground, cut: Cut) -> Cut:
    """A cut with its language and the doubts that its recording gives it."""
    known = adopted_doubts(ground.adopted, cut)
    return replace(known, language=ground.language, doubts=known.doubts + unexplained(known, ground.footage.activity))


def plan_recording(job: Job, stages: Results, settings: Settings, rate: Fraction, adopted: Adopted) -> Planned:
    """Words to Lines to Cuts."""
    ground = ground_of(job, stages, settings, rate, adopted)
    made = (keep_whole if settings.keep_cuts else plan)(ground.footage)
    cuts = tuple(dressed(ground, cut) for cut in made.cuts)
    spoken = spoken_seconds(ground.footage.lines)
    kept = spoken_seconds([line for cut in cuts for line in cut.lines])
    return Planned(
        cuts, made.left_out, ground.duration, spoken, kept, ground.heard_language, ground.speakers, adopted.caption
    )


def spoken_seconds(lines: Sequence[Line]) -> float:
    return round(sum(word.span.duration for line in lines for word in line.words), 3)


@dataclass(frozen=True, slots=True)
class Packed:
    """What is known of one recording, as the store keeps it, by stage."""

    values: Mapping[str, bytes]

    def result(self, _job: Job, stage: str, kind: type[T]) -> T:
        return unpack(self.values[stage], kind)


@dataclass(frozen=True, slots=True)
class _Errand:
    """One recording to be planned, maybe in another process."""

    job: Job
    heard: Packed
    settings: Settings
    rate: Fraction
    adopted: Adopted
    key: str


def _plan(errand: _Errand, _tell: Callable[[Any], None]) -> bytes:
    """The Planned, as the store keeps it: read in half of the time that unpickling it takes, and kept as it comes."""
    return pack(plan_recording(errand.job, errand.heard, errand.settings, errand.rate, errand.adopted))


def plan_all(
    jobs: Sequence[Job], stages: Stages, settings: Settings, rate: Fraction, reporter: Reporter
) -> list[PlannedJob]:
    """The Planned of every job, made where stale. A recording that cannot be planned fails alone."""
    known: dict[str, tuple[str, Adopted]] = {}
    todo = []
    for job in jobs:
        try:
            adopted = find_adopted(Path(job.recording.path), keep_cuts=settings.keep_cuts)
        except RecordingError as error:
            _fail(job, error)
            continue
        key = plan_key(job, settings, rate, adopted)
        known[job.recording.name] = key, adopted
        if key not in stages.made and key not in stages.have:
            todo.append(_Errand(job, _heard(job, stages), settings, rate, adopted, key))
    _plan_stale(todo, stages, reporter)
    planned = []
    for job in jobs:
        if job.failure is None:
            key, adopted = known[job.recording.name]
            value = stages.made.get(key) or stages.store.get(key, Planned)
            assert value is not None, f"the plan of {job.recording.name} is missing"
            stages.made[key] = value
            planned.append(PlannedJob(job, value, key, adopted))
    return planned


def _plan_stale(todo: Sequence[_Errand], stages: Stages, reporter: Reporter) -> None:
    if not todo:
        return
    reporter.stage("plan", len(todo), "files")

    def done(errand: _Errand, answer: bytes | CaptionerError) -> None:
        if isinstance(answer, CaptionerError):
            _fail(errand.job, answer)
        else:
            stages.store.put_packed(errand.key, "plan", answer)
            stages.have.add(errand.key)
            stages.made[errand.key] = unpack(answer, Planned)
        reporter.advance(1)

    stages.engine.apart(_plan, todo, done, seconds=sum(errand.job.seconds for errand in todo) / A_SECOND)


def _heard(job: Job, stages: Stages) -> Packed:
    needed = [stage for stage in ("sound", "picture", "vad", "diarizer", words_stage(job.keys)) if stage in job.keys]
    found = {stage: stages.store.packed(job.keys[stage]) for stage in needed}
    return Packed({stage: data for stage, data in found.items() if data is not None})


def _fail(job: Job, error: CaptionerError) -> None:
    job.failure = Failure(job.recording.name, type(error).__name__, str(error))
