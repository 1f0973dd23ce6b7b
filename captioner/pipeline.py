"""The story of a build: identify, hear and see, plan, draft, write. Each step over what is stale, nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from captioner.backends import choose_backends
from captioner.captioning import draft_all, homeless
from captioner.captions.edited import plain_speech
from captioner.decisions import Decisions
from captioner.describing import check_ahead, describe_all
from captioner.drafting import Drafter
from captioner.errors import SettingsError
from captioner.flow import hear_all
from captioner.identify import Identified, identify
from captioner.identities import chosen, label_all, people_of
from captioner.judging import gates_summary, judge_all
from captioner.measuring import measure_all
from captioner.planning import PlannedJob, plan_all
from captioner.ports import Engine, Reporter
from captioner.reviewlog import read_decisions
from captioner.settings import Settings
from captioner.shaping import keep_sources, shape_all
from captioner.stages import Job, Stages
from captioner.store import Store
from captioner.summary import ClipSummary, Failure, Held, Lost, RecordingSummary, Summary
from captioner.turnfiles import write_heard
from captioner.types import Caption, Cut, Picture, Recording

if TYPE_CHECKING:
    from captioner.ahead import Ahead

UNDECIDED = "nobody has decided on it yet"
"""Why a clip is held that nothing speaks against: the dataset is under review."""

HOME = ".captioner"
"""Folder of the store inside OUT."""
AHEAD = "ahead"
"""Folder in it for clips that have no name yet; there is none between two builds."""


@dataclass(slots=True)
class Build:
    """One run over one dataset folder. `time(name, call)` measures a step."""

    inputs: Sequence[Path]
    out: Path
    settings: Settings
    engine: Engine
    reporter: Reporter
    time: Any
    seconds: dict[str, float]
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reviewed: bool = False
    """Whether a person has just looked: what they approved is written, and what stood there undecided stays."""
    standing: frozenset[str] = frozenset()
    """Clips that stood in `OUT/clips` before."""
    decided: Decisions = field(default_factory=Decisions)
    ahead: Ahead | None = None
    """What makes clips while others are heard."""

    def run(self, *, yes: bool, dry: bool = False) -> Summary:
        """The whole build. Raises UsageError before anything is started, StoreError, ModelError."""
        drafter = Drafter.of(self.settings)
        backends = choose_backends(self.settings)
        check_rules(self.settings)
        with self._store(dry) as store:
            self.standing = frozenset(store.written())
            stages = Stages(self.settings, store, self.engine, self.reporter, backends, self.time, self.seconds)
            found = self.time(
                "identify", lambda: identify(self.inputs, self.out, self.settings, store, self.engine, self.reporter)
            )
            rate = clip_rate(self.settings, found)
            if dry:
                return self._forecast(found, stages, rate)
            shutil.rmtree(store.folder / AHEAD, ignore_errors=True)  # of a build that was killed
            try:
                return self._build(found, stages, drafter, rate, yes=yes)
            finally:
                shutil.rmtree(store.folder / AHEAD, ignore_errors=True)

    @contextmanager
    def _store(self, dry: bool) -> Iterator[Store]:
        """The dataset's store; for a dry run of a dataset that is not there yet, one that leaves nothing behind."""
        if dry and not (self.out / HOME).exists():
            with TemporaryDirectory() as scratch, Store(Path(scratch)) as store:
                yield store
        else:
            with Store(self.out / HOME) as store:
                yield store

    def _build(self, found: Identified, stages: Stages, drafter: Drafter, rate: Fraction, *, yes: bool) -> Summary:
        jobs = [
            Job(recording, stages.keys(recording), recording.audio.duration or 0.0) for recording in found.recordings
        ]
        check_ahead(stages, found.recordings)
        self.decided = read_decisions(self.out)
        makes_ahead = yes and self.engine.overlaps and self.settings.only is None
        hear_all(jobs, stages, self.settings, rate, self._ahead(stages, found.recordings).make if makes_ahead else None)
        stages.run([job for job in jobs if job.failure is None])
        usable = [job for job in jobs if job.failure is None]
        planned = self.time("plan", lambda: plan_all(usable, stages, self.settings, rate, self.reporter))
        keep_sources(planned, stages.store, rate)
        planned, recut = shape_all(planned, stages, self.settings, rate, self.decided)
        planned = measure_all(planned, stages)
        planned = self.time("speakers", lambda: label_all(planned, stages))
        planned = self.time("judge", lambda: judge_all(chosen(planned, self.settings.only), self.settings))
        drafter = drafter.told(people_of(stages.store))
        planned, seen = describe_all(planned, stages, lambda cut: not yes or self._accepted(cut))
        self.failures = [*found.failures, *(job.failure for job in jobs if job.failure is not None)]
        drafts = self.time("draft", lambda: draft_all(planned, drafter, stages.store, self.out, self.decided))
        corrected = write_heard([entry.job for entry in planned], stages, self.out)
        self.notes = [
            *seen,
            *recut,
            *homeless(planned, self.decided),
            *(f"{path}: corrected by hand, left as it is" for path in corrected),
        ]
        remember(stages.store, self.settings, self.inputs)
        return self._finish(found, planned, drafts, stages, rate, yes=yes)

    def _ahead(self, stages: Stages, recordings: Sequence[Recording]) -> Ahead:
        from captioner.ahead import Ahead  # brings what writes media

        self.ahead = Ahead(stages, self.out / "clips", stages.store.folder / AHEAD, recordings, self._accepted)
        return self.ahead

    def _finish(
        self,
        found: Identified,
        planned: Sequence[PlannedJob],
        drafts: Mapping[str, Caption],
        stages: Stages,
        rate: Fraction,
        *,
        yes: bool,
    ) -> Summary:
        wanted = [cut for entry in planned for cut in entry.planned.cuts if self._accepted(cut, drafts[cut.id])]
        summary = self._describe(found, planned, drafts, rate)
        if not yes:
            return replace(summary, review_needed=bool(summary.clips), seconds=dict(self.seconds))
        every = found.recordings
        outcome = self.time("write", lambda: self._write(planned, {cut.id for cut in wanted}, drafts, stages, every))
        rows = stages.store.written()
        failed = {failure.name for failure in outcome.failures}
        ids = tuple(cut.id for cut in wanted if cut.id not in failed)
        stand = set(ids)
        notes = tuple(f"{self.out / 'clips' / name}: not ours; a trainer may read it" for name in outcome.strangers)
        return replace(
            summary,
            clips=tuple(replace(clip, written=clip.id in stand) for clip in summary.clips),
            written=ids,
            fresh=outcome.fresh,
            edited=outcome.edited,
            removed=outcome.removed,
            failures=summary.failures + outcome.failures,
            repeated_frames=sum(rows[id_].repeated for id_ in ids if id_ in rows),
            notes=summary.notes + notes,
            seconds=dict(self.seconds),
        )

    def _write(
        self,
        planned: Sequence[PlannedJob],
        ids: set[str],
        drafts: Mapping[str, Caption],
        stages: Stages,
        every: Sequence[Recording],
    ) -> Any:
        from captioner.making import ToWrite
        from captioner.writing import write_dataset

        wanted = []
        for entry in planned:
            cuts = tuple(cut for cut in entry.planned.cuts if cut.id in ids)
            recording = entry.job.recording
            picture = stages.result(entry.job, "picture", Picture) if recording.video is not None and cuts else None
            wanted.append(ToWrite(recording, picture, cuts))
        texts = {id_: drafts[id_].text for id_ in ids}
        made = self.ahead.made if self.ahead is not None else {}
        return write_dataset(
            wanted, texts, self.out, self.settings, stages.store, self.engine, self.reporter, made, every
        )  # fmt: skip

    def _accepted(self, cut: Cut, caption: Caption | None = None) -> bool:
        """Whether a cut is written: as a person decided, else without a look at it where nothing speaks against it.
        Its caption counts once it is drafted; other words than a person approved are not approved."""
        status = self.decided.of(cut.id)
        if status.state == "rejected":
            return False
        if status.state == "approved" and (caption is None or status.words in (None, plain_speech(caption.fields))):
            return True
        if self.reviewed:
            return cut.id in self.standing and status.state in ("todo", "edited")
        doubts = cut.all_doubts if caption is None else cut.all_doubts + caption.doubts
        return self.settings.include_doubted or not doubts

    def _describe(
        self, found: Identified, planned: Sequence[PlannedJob], drafts: Mapping[str, Caption], rate: Fraction
    ) -> Summary:
        clips, held, lost, recordings = [], [], [], []
        for entry in planned:
            name, plan = entry.job.recording.name, entry.planned
            recordings.append(
                RecordingSummary(
                    name, entry.job.recording.slug, plan.duration, plan.speech, plan.kept, plan.language, plan.speakers,
                    len(plan.cuts),
                )
            )  # fmt: skip
            for left in plan.left_out:
                span = left.span
                lost.append(Lost(name, span.start, span.end, left.speaker, left.text, left.reason, left.detail))
            for cut in plan.cuts:
                drafted = drafts[cut.id]
                doubts = cut.all_doubts + drafted.doubts
                reasons = tuple(f"{doubt.reason}: {doubt.detail}" for doubt in doubts)
                status = self.decided.of(cut.id)
                if status.state in ("rejected", "flagged"):
                    reasons = (": ".join(part for part in (status.state, status.reason) if part), *reasons)
                caption = drafted.text
                span = cut.span
                clips.append(
                    ClipSummary(
                        cut.id, name, span.start, span.end, cut.frames, cut.speaker, cut.text, caption, False, reasons,
                        cut.trust,
                    )
                )  # fmt: skip
                if not self._accepted(cut, drafted):
                    held.append(Held(cut.id, cut.text, reasons or (UNDECIDED,)))
        notes = tuple(f"{entry.name}: no speech found" for entry in recordings if not entry.speech)
        return Summary(
            out=str(self.out),
            rate=str(rate),
            recordings=tuple(recordings),
            clips=tuple(clips),
            held=tuple(held),
            gates=gates_summary(planned, self.settings),
            lost=tuple(lost),
            passed=found.passed,
            failures=tuple(self.failures),
            notes=(*notes, *self.notes),
        )

    def _forecast(self, found: Identified, stages: Stages, rate: Fraction) -> Summary:
        from captioner.forecast import forecast

        notes = tuple(forecast(found, stages, self.settings, rate))
        return Summary(str(self.out), str(rate), passed=found.passed, failures=found.failures, notes=notes)


def check_rules(settings: Settings) -> None:
    """Raises SettingsError where the frame rule, the lengths or the rate cannot be read: before anything is started."""
    from captioner.cuts.frames import FrameRule

    rate = wanted_rate(settings) or Fraction(25)
    FrameRule.parse(settings.frames, settings.min_frames, settings.max_frames)
    if settings.durations is not None:
        FrameRule.durations(settings.durations, rate)


def wanted_rate(settings: Settings) -> Fraction | None:
    """The rate that the user asks for; None for `auto`."""
    if settings.fps == "auto":
        return None
    try:
        rate = Fraction(settings.fps)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 1 <= rate <= 240:
        raise SettingsError(f"fps = {settings.fps!r}: give auto, or frames a second such as 24, 25 or 30")
    return rate


def clip_rate(settings: Settings, found: Identified) -> Fraction:
    """Frames a second of every clip."""
    from captioner.cuts.frames import dataset_rate

    rate = wanted_rate(settings)
    if rate is not None:
        return rate
    return dataset_rate([None if r.video is None else r.video.rate for r in found.recordings])


def remember(store: Store, settings: Settings, inputs: Sequence[Path] | None) -> None:
    store.set_meta("settings", json.dumps(settings.model_dump(mode="json", exclude_defaults=True)))
    if inputs is not None:
        store.set_meta("inputs", json.dumps([str(path) for path in inputs]))
