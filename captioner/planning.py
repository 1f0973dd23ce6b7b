"""From what was heard to where to cut: words, turns and activity of one recording become measured Cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from captioner.adopt import Adopted, adopt_turns, adopt_words, adopted_doubts, find_adopted
from captioner.cuts.frames import FrameRule
from captioner.cuts.plan import keep_whole, plan
from captioner.cuts.values import Footage
from captioner.errors import RecordingError
from captioner.settings import Settings
from captioner.speech.assign import assign
from captioner.speech.correct import correct
from captioner.speech.doubt import doubt_lines
from captioner.speech.lines import LineOptions, segment
from captioner.speech.regions import speech_regions
from captioner.speech.stray import unexplained
from captioner.speech.trust import VERSION as TRUST_VERSION
from captioner.speech.trust import weighed
from captioner.stages import Job, Reporter, Stages
from captioner.store import key_of
from captioner.summary import Failure
from captioner.types import Activity, Cut, Diarization, LeftOut, Line, Picture, Recording, Sound, Transcript

PLAN_VERSION = "11"

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


def plan_recording(job: Job, stages: Stages, settings: Settings, rate: Fraction, adopted: Adopted) -> Planned:
    """Words to Lines to Cuts, measured."""
    recording = job.recording
    sound = stages.result(job, "sound", Sound)
    activity = stages.result(job, "vad", Activity)
    transcript = stages.result(job, "asr", Transcript)
    diarization = stages.result(job, "diarizer", Diarization)
    picture = stages.result(job, "picture", Picture) if recording.video is not None else None
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
    made = (keep_whole if settings.keep_cuts else plan)(footage)
    sure = transcript.language_probability is None or transcript.language_probability >= SURE_LANGUAGE
    language = transcript.language if sure else None
    cuts = tuple(
        replace(known, language=language, doubts=known.doubts + unexplained(known, activity))
        for known in (adopted_doubts(adopted, cut) for cut in made.cuts)
    )
    spoken = _seconds(lines)
    kept = _seconds([line for cut in cuts for line in cut.lines])
    speakers = len({turn.speaker for turn in turns})
    return Planned(cuts, made.left_out, sound.duration, spoken, kept, transcript.language, speakers, adopted.caption)


def _seconds(lines: Sequence[Line]) -> float:
    return round(sum(word.span.duration for line in lines for word in line.words), 3)


def plan_all(
    jobs: Sequence[Job], stages: Stages, settings: Settings, rate: Fraction, reporter: Reporter
) -> list[PlannedJob]:
    """The Planned of every job, made where stale. A recording that cannot be planned fails alone."""
    planned = []
    begun = False
    for job in jobs:
        try:
            adopted = find_adopted(Path(job.recording.path), keep_cuts=settings.keep_cuts)
            key = plan_key(job, settings, rate, adopted)
            value = stages.store.get(key, Planned) if key in stages.have else None
            if value is None:
                if not begun:
                    reporter.stage("plan", len(jobs), "files")
                    begun = True
                value = plan_recording(job, stages, settings, rate, adopted)
                stages.store.put(key, "plan", value)
                reporter.advance(1)
        except RecordingError as error:
            job.failure = Failure(job.recording.name, type(error).__name__, str(error))
            continue
        planned.append(PlannedJob(job, value, key))
    return planned
