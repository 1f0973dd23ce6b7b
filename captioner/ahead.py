"""Clips made while other recordings are still heard: the encoders' cores would else idle until all speakers are known.

What a clip shows and sounds like is known once its recording is planned; whether it belongs in the dataset, and what is
said of it, only when everything is heard. What is made in vain is thrown away; what could not be made ahead is
made, and its error told, when the dataset is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from captioner.errors import CaptionerError, WorkerDied
from captioner.judging import judge_all
from captioner.making import Made, Part, ToWrite, clip_spec, make, seconds_of, shared, stale
from captioner.planning import PlannedJob
from captioner.stages import DIED, Stages, once
from captioner.store import WrittenRow
from captioner.summary import Failure
from captioner.types import Cut, Picture, Recording


def attempt(part: Part, tell: Callable[[Any], None]) -> None:
    """As `make`. What the system refuses, room on the disk for one, must not end the hearing."""
    try:
        make(part, tell)
    except OSError as error:
        raise CaptionerError(f"{part.clips}: {error}") from error


class Ahead:
    """`wanted` says of a cut, with the doubts that it has so far, whether it will be written. `folder` is for clips
    that have no name yet: whoever made it empties it."""

    def __init__(
        self,
        stages: Stages,
        clips: Path,
        folder: Path,
        recordings: Sequence[Recording],
        wanted: Callable[[Cut], bool],
    ) -> None:
        self._stages = stages
        # Of all recordings, not of a pack: the encoder's threads, on which its bytes depend, are those of `writing`.
        self._spec = clip_spec(stages.settings, stages.engine.threads, recordings)
        self._clips = clips
        self._wanted = wanted
        self._folder = folder
        self._made: dict[str, Made] = {}
        self._said: set[str] = set()

    @property
    def made(self) -> Mapping[str, Made]:
        """By the clip's key."""
        return self._made

    def make(self, planned: Sequence[PlannedJob], say: Callable[[str], None]) -> None:
        """The clips of measured plans; why a GPU did not help is told to `say`, once. Raises UsageError alone."""
        stages, spec = self._stages, self._spec
        aside = stages.store.folder / "aside"
        for folder in (self._folder, aside):
            folder.mkdir(exist_ok=True)
        written = stages.store.written()
        entries = [self._entry(entry) for entry in judge_all(planned, stages.settings)]
        todo = [stale(entry, written, spec, self._clips) for entry in entries]
        wholes = [Part(entry, {}, {}, self._folder, aside, spec) for entry in todo if entry.cuts]
        parts = shared(wholes, stages.engine.threads)
        if parts:
            told = partial(self._told, once(say, self._said))
            takes = inf if stages.store.meta(DIED) else sum(map(seconds_of, parts))
            run = partial(stages.engine.apart, attempt, parts, self._done, told, seconds=takes, long=True)
            stages.time("write", run)

    def _entry(self, entry: PlannedJob) -> ToWrite:
        recording, cuts = entry.job.recording, tuple(filter(self._wanted, entry.planned.cuts))
        picture = self._stages.result(entry.job, "picture", Picture) if recording.video is not None and cuts else None
        return ToWrite(recording, picture, cuts)

    def _told(self, say: Callable[[str], None], _part: Part, news: WrittenRow | Failure | str) -> None:
        if isinstance(news, str):
            say(news)
        elif isinstance(news, WrittenRow):
            self._made[news.key] = Made(self._folder / news.media, news.repeated)

    def _done(self, _part: Part, answer: CaptionerError | None) -> None:
        """An error is told when the clip is made again, for good."""
        if isinstance(answer, WorkerDied):
            self._stages.store.set_meta(DIED, "write")
