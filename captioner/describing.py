"""What is seen in each Cut, asked of a describer: frames in, a sentence or two out, each stored as soon as it comes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

from captioner.adopt import find_adopted
from captioner.backends import Backend
from captioner.errors import DescriberDown, MediaError, RecordingError, SettingsError
from captioner.identify import Identified
from captioner.models.describer.looking import Estimate, Looking, amount, cost
from captioner.models.protocols import Describer, Description, View
from captioner.planning import Planned, PlannedJob, plan_key
from captioner.settings import Settings
from captioner.stages import Job, Stages
from captioner.store import key_of
from captioner.types import Cut, Picture, Recording

VIEW_VERSION = "1"
"""Changes whenever a describer would be shown other pictures of the same cut."""

SPEED = 0.5
"""Clips a second, before any were described."""

ROLE = "describer"


def check_ahead(stages: Stages, recordings: Sequence[Recording]) -> None:
    """Raises what the describer would raise when it is loaded, where hours of other work may lie before that."""
    backend = stages.backends.get(ROLE)
    if backend is None or not _used(stages.settings):
        return
    ready = getattr(backend.module, "ready", None)
    seen = [recording for recording in recordings if recording.has_picture]
    if ready is not None and any(stages.keys(recording)["asr"] not in stages.have for recording in seen):
        ready(backend.options)


def describe_all(
    planned: Sequence[PlannedJob], stages: Stages, wanted: Callable[[Cut], bool]
) -> tuple[list[PlannedJob], list[str]]:
    """The same, every cut with what is seen in it as far as that is known; and what a person should know of it.

    Only cuts that are `wanted` are asked about; what is stored is used for all. A cut without a description goes on
    without, and the next build asks again. Raises SettingsError where it would cost more than the user allows, and
    what the backend's `load` raises.
    """
    backend = stages.backends.get(ROLE)
    if backend is None:
        return list(planned), []
    if not _used(stages.settings):
        return list(planned), ["nothing was described: `visual` says what is seen"]
    identity = _identity(backend)
    keys = {
        cut.id: description_key(entry.job.recording, cut, stages.settings, identity)
        for entry in planned
        if entry.job.recording.has_picture
        for cut in entry.planned.cuts
    }
    round_ = _Round(stages, backend.options, keys)
    tasks = [task for entry in planned if (task := round_.task(entry, wanted)).cuts]
    if tasks:
        round_.tell(tasks)
        describer: Describer = stages.time("describer load", backend.load)
        stages.time(ROLE, partial(round_.run, describer, tasks))
    return [_with_visual(entry, stages, keys) for entry in planned], round_.notes()


def _used(settings: Settings) -> bool:
    """A person's own words for the whole dataset leave nothing to ask."""
    return not (settings.visual or "").strip()


def _identity(backend: Backend) -> tuple[object, ...]:
    """Of whom is asked, and all that is asked."""
    return (*backend.identity, backend.options.question)


def description_key(recording: Recording, cut: Cut, settings: Settings, identity: object) -> str:
    """Of a cut's Description: what is looked at, by whom, and what was asked. Its words and sounds are not among it."""
    place = (cut.start, cut.frames, cut.rate)
    return key_of(ROLE, VIEW_VERSION, recording.content, recording.video, place, settings.frame_size, identity)


def _with_visual(entry: PlannedJob, stages: Stages, keys: Mapping[str, str]) -> PlannedJob:
    def seen(cut: Cut) -> str | None:
        key = keys.get(cut.id)
        found = stages.store.get(key, Description) if key in stages.have and key is not None else None
        return None if found is None else found.text

    cuts = tuple(replace(cut, visual=seen(cut)) for cut in entry.planned.cuts)
    if not any(cut.visual for cut in cuts):
        return entry
    key = key_of("described", entry.key, [cut.visual for cut in cuts])
    return replace(entry, planned=replace(entry.planned, cuts=cuts), key=key)


@dataclass(frozen=True, slots=True)
class _Task:
    """What is to be looked at of one recording."""

    job: Job
    cuts: tuple[Cut, ...]
    size: tuple[int, int] = (0, 0)
    """Of a frame as it is looked at, pixels."""


@dataclass(slots=True)
class _Round:
    """One run over all that is stale, and what came of it."""

    stages: Stages
    options: Looking
    keys: Mapping[str, str]
    failed: dict[str, list[str]] = field(default_factory=dict)
    """Ids of cuts by the reason that they have no description."""
    down: str | None = None
    """Why nobody need be asked any more."""
    described: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def task(self, entry: PlannedJob, wanted: Callable[[Cut], bool]) -> _Task:
        stale = [cut for cut in entry.planned.cuts if self.keys.get(cut.id, "") not in self.stages.have]
        cuts = tuple(cut for cut in stale if cut.id in self.keys and wanted(cut))
        try:
            return _Task(entry.job, cuts, looked_size(entry.job.recording, self.stages.settings, self.options))
        except MediaError as error:
            if cuts:
                self.failed.setdefault(f"{entry.job.recording.name}: {error}", []).extend(cut.id for cut in cuts)
            return _Task(entry.job, ())

    def tell(self, tasks: Sequence[_Task]) -> None:
        """Says what it takes before anything is asked. Raises SettingsError where that is too much."""
        estimate = Estimate()
        for task in tasks:
            for cut in task.cuts:
                estimate = estimate.plus(self.options, len(self.options.moments(cut.frames, cut.rate)), task.size)
        self.stages.reporter.say(f"describer: {estimate.said(self.options)}")
        money = estimate.cost(self.options)
        if self.options.max_cost is not None and money is not None and money > self.options.max_cost:
            raise SettingsError(
                f"describer: {estimate.said(self.options)}, which is more than max_cost {self.options.max_cost:g}; "
                "raise it, or ask for fewer frames, a smaller side or fewer max_tokens"
            )

    def run(self, describer: Describer, tasks: Sequence[_Task]) -> None:
        total = sum(len(task.cuts) for task in tasks)
        self.stages.reporter.stage(ROLE, total, "clips")
        with closing(self._views(tasks)) as views, closing(_closable(describer.describe(views))) as answers:
            for view, answer in answers:
                if isinstance(answer, Description):
                    self._keep(view.id, answer)
                else:
                    self.failed.setdefault(str(answer), []).append(view.id)
                    self.down = str(answer) if isinstance(answer, DescriberDown) else self.down
                self.stages.reporter.advance(1)

    def _views(self, tasks: Sequence[_Task]) -> Generator[View, None, None]:
        from captioner.media.stills import Wanted, stills

        stages, options = self.stages, self.options
        size, threads = stages.settings.frame_size, stages.engine.threads
        for task in tasks:
            if self.down is not None:  # nothing is decoded that nobody will look at
                self._fail(self.down, task.cuts)
                continue
            recording = task.job.recording
            wanted = [Wanted(cut, options.moments(cut.frames, cut.rate)) for cut in task.cuts]
            left = {cut.id: cut for cut in task.cuts}
            reason = f"{recording.name}: its picture ends before the clip does; run again if the file changed"
            try:
                picture = stages.result(task.job, "picture", Picture)
                aside = stages.store.folder / "aside"
                with closing(stills(recording, picture, wanted, size, options.side, aside, threads)) as pictures:
                    for found in pictures:
                        yield View(left.pop(found.cut.id).id, found.frames, found.times, found.size)
                        if self.down is not None:
                            break
            except MediaError as error:
                reason = f"{recording.name}: {error}"
            self._fail(self.down or reason, tuple(left.values()))

    def _keep(self, id_: str, answer: Description) -> None:
        key = self.keys[id_]
        self.stages.store.put(key, ROLE, answer)
        self.stages.have.add(key)
        self.described += 1
        self.tokens_in += answer.tokens_in or 0
        self.tokens_out += answer.tokens_out or 0

    def _fail(self, reason: str, cuts: Sequence[Cut]) -> None:
        if cuts:
            self.failed.setdefault(reason, []).extend(cut.id for cut in cuts)
            self.stages.reporter.advance(len(cuts))

    def notes(self) -> list[str]:
        said = []
        if self.described:
            text = f"{self.described} clips described"
            if self.tokens_in or self.tokens_out:
                text += f", {self.tokens_in:,} tokens sent and {self.tokens_out:,} received"
                money = cost(self.options, self.tokens_in, self.tokens_out)
                text += "" if money is None else f": {amount(money)} at the prices given"
            said.append(text)
            self._remember_speed()
        for reason, ids in self.failed.items():
            more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
            said.append(f"{ids[0]}{more} not described, the next build asks again: {reason}")
        return said

    def _remember_speed(self) -> None:
        took = self.stages.seconds.get(ROLE, 0.0)
        if self.described >= 3 and took > 0:
            self.stages.store.set_meta(f"speed {ROLE}", f"{self.described / took:.3f}")


def _closable(answers: Iterator[Any]) -> Any:
    """A backend may answer by any iterator; only a generator has something to close."""
    return answers if hasattr(answers, "close") else (answer for answer in answers)


def looked_size(recording: Recording, settings: Settings, options: Looking) -> tuple[int, int]:
    """Of a frame as it is looked at, pixels. Raises MediaError where the picture is too small for a clip."""
    from captioner.media.picture import fit

    video = recording.video
    if video is None:
        return 0, 0
    shown = fit(video.width, video.height, video.pixel_aspect, video.rotation, settings.frame_size)
    return options.size(*shown.size)


def foresee(found: Identified, stages: Stages, settings: Settings, rate: Fraction) -> tuple[str, float] | None:
    """A sentence on what describing will take, and how many seconds; None where nothing is to be asked.

    Exact where a recording's cuts are known; else as many clips of middling length as its sound has room for.
    """
    backend = stages.backends.get(ROLE)
    if backend is None or not _used(settings):
        return None
    estimate, identity = Estimate(), _identity(backend)
    for recording in found.recordings:
        if recording.has_picture:
            estimate = _foreseen(estimate, recording, stages, rate, identity)
    if not estimate.clips:
        return None
    seen = stages.store.meta(f"speed {ROLE}")
    return f"{ROLE}: at most about {estimate.said(backend.options)}", estimate.clips / (float(seen) if seen else SPEED)


def _foreseen(estimate: Estimate, recording: Recording, stages: Stages, rate: Fraction, identity: object) -> Estimate:
    settings, options = stages.settings, stages.backends[ROLE].options
    job = Job(recording, stages.keys(recording))
    try:
        size = looked_size(recording, settings, options)
        key = plan_key(job, settings, rate, find_adopted(Path(recording.path), keep_cuts=settings.keep_cuts))
    except RecordingError:
        return estimate
    planned = stages.store.get(key, Planned) if key in stages.have else None
    if planned is not None:
        for cut in planned.cuts:
            if description_key(recording, cut, settings, identity) not in stages.have:
                estimate = estimate.plus(options, len(options.moments(cut.frames, cut.rate)), size)
        return estimate
    frames = (settings.min_frames + settings.max_frames) // 2
    clips = 1 if settings.keep_cuts else ceil((recording.audio.duration or 0.0) * rate / frames)
    return estimate.plus(options, len(options.moments(frames, rate)), size, clips)
