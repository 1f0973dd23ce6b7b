"""`--dry-run`: what would be done and roughly how long it takes."""

from __future__ import annotations

from fractions import Fraction

from captioner.describing import foresee
from captioner.identify import Identified
from captioner.settings import Settings
from captioner.stages import Job, Stages
from captioner.store import Store

SPEEDS = {"sound": 250.0, "picture": 12.0, "vad": 90.0, "diarizer": 12.0, "asr": 3.5, "aligner": 60.0, "tagger": 150.0}
"""Seconds of media a second on two laptop-class cores, before this machine has been seen at work."""

WRITE_SPEED = 2.0
"""Seconds of clip a second, 720p on two cores."""


def forecast(found: Identified, stages: Stages, settings: Settings, rate: Fraction) -> list[str]:
    """Sentences for a person: how much there is, what is stale, how long it may take here."""
    total = sum(recording.audio.duration or 0.0 for recording in found.recordings)
    pictures = [recording for recording in found.recordings if recording.video is not None]
    lines = [
        f"{len(found.recordings)} recordings, {total / 60:.1f} min of sound, {len(pictures)} with a picture",
        f"clips: {settings.frames} frames from {settings.min_frames} to {settings.max_frames} at {rate} a second",
    ]
    wait = 0.0
    jobs = [Job(recording, stages.keys(recording), recording.audio.duration or 0.0) for recording in found.recordings]
    usable = [job for job in jobs if not any(stages.failed_before(job, stage) for stage in job.keys)]
    for stage, speed in SPEEDS.items():
        stale = [job for job in usable if stage in job.keys and job.keys[stage] not in stages.have]
        if stale:
            seconds = sum(job.seconds for job in stale) / _speed(stages.store, stage, speed)
            wait += seconds
            lines.append(f"  {stage}: {len(stale)} recordings, about {_clock(seconds)}")
    if pictures:
        seconds = sum(recording.audio.duration or 0.0 for recording in pictures) / _speed(
            stages.store, "write", WRITE_SPEED
        )
        wait += seconds
        lines.append(f"  write: at most about {_clock(seconds)}")
    seen = foresee(found, stages, settings, rate)
    if seen is not None:
        wait += seen[1]
        lines.append(f"  {seen[0]}, about {_clock(seen[1])}")
    lines.append(f"about {_clock(wait)} in all; nothing was written" if wait else "nothing to do; nothing was written")
    return lines


def _speed(store: Store, stage: str, default: float) -> float:
    """What was measured in the last build of this dataset, else the default."""
    seen = store.meta(f"speed {stage}")
    return float(seen) if seen else default


def _clock(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes / 60:.1f} h" if minutes >= 90 else f"{minutes:.0f} min" if minutes >= 2 else f"{seconds:.0f} s"
