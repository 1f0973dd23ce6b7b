"""The stages that hear and see: each turns recordings into stored results, over whatever is stale, batch by batch.

A stage's key is made from the recording's content, the backend with its version and options, and the keys of the
stages before it. What a neighbour in the batch was does not enter: a result belongs to its own recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from captioner.backends import Backend
from captioner.errors import CaptionerError, RecordingError, UsageError, WorkerDied
from captioner.models import cuda
from captioner.ports import Engine, Reporter
from captioner.reading import Apart, ToDecode, decode, watch_all
from captioner.settings import Settings
from captioner.store import Store, key_of
from captioner.summary import Failure
from captioner.types import Activity, Recording, Transcript

T = TypeVar("T")
R = TypeVar("R")

Keep = Callable[[Recording, Any], None]

SOUND_VERSION = "2"
PICTURE_VERSION = "3"

BATCH_SECONDS = 900.0
"""Sound that one call gets on a CPU. Long enough to fill every batch, short enough that a killed build loses little."""


ORDER = ("sound", "picture", "vad", "diarizer", "asr", "aligner", "tagger")
"""Stages one after the other; where several fail on a recording, the first one's error is told."""

DIED = "a worker died"
"""In the store: what kills a process may be among what is still to be done, which is therefore never done in this one.
"""


@dataclass(slots=True)
class Job:
    """A recording on its way through the stages. The one mutable thing here: stages note failures in it."""

    recording: Recording
    keys: dict[str, str]
    seconds: float = 0.0
    """Length of its sound, as far as known; for batches and progress."""
    failure: Failure | None = None
    failed_in: str = ""
    """The stage of the failure."""


_SPEED = {"sound": 1000.0, "picture": 20.0}
"""Seconds of a recording that one core does in a second, roughly."""


def once(say: Callable[[str], None], said: set[str] | None = None) -> Callable[[str], None]:
    """Says a thing about many recordings once: what stands before ": " and in brackets may differ. `said`: what was
    said in earlier calls."""
    known: set[str] = set() if said is None else said

    def told(text: str) -> None:
        thing = text.partition(": ")[2].partition(" (")[0]
        if thing not in known:
            known.add(thing)
            say(text)

    return told


def words_stage(keys: Mapping[str, str]) -> str:
    """The stage whose transcript counts: the aligner's where there is one, else the transcriber's."""
    return "aligner" if "aligner" in keys else "asr"


@dataclass(slots=True)
class Stages:
    """Runs what is stale. `have` holds every key that is stored."""

    settings: Settings
    store: Store
    engine: Engine
    reporter: Reporter
    backends: Mapping[str, Backend]
    time: Callable[[str, Callable[[], Any]], Any]
    seconds: Mapping[str, float]
    """Wall seconds of each stage so far, as `time` adds them up."""
    have: set[str] = field(default_factory=set)
    models: dict[str, Any] | None = None
    """Models that stay loaded from call to call; None where each is loaded for its stage and let go."""

    done: dict[str, float] = field(default_factory=dict)
    """Seconds of sound that each stage has gone through so far."""

    made: dict[str, Any] = field(default_factory=dict)
    """Plans and measured plans of this run by their keys: what was just made need not be read back."""

    def __post_init__(self) -> None:
        self.have = self.store.keys()

    # -- keys --------------------------------------------------------------------------------------------------------

    def keys(self, recording: Recording) -> dict[str, str]:
        """Every stage's key for a recording."""
        identity = {role: backend.identity for role, backend in self.backends.items()}
        sound = key_of("sound", SOUND_VERSION, recording.content, recording.audio)
        vad = key_of("vad", sound, identity["vad"])
        hint = self.settings.speaker_bounds
        # A backend that replays a user's files knows a recording by its name.
        named = {role: recording.name if b.name in ("rttm", "ctm") else None for role, b in self.backends.items()}
        keys = {
            "sound": sound,
            "vad": vad,
            "diarizer": key_of("diarizer", sound, identity["diarizer"], hint, named["diarizer"]),
            "asr": key_of("asr", vad, identity["asr"], self.settings.language, named["asr"]),
        }
        if recording.video is not None:
            keys["picture"] = key_of("picture", PICTURE_VERSION, recording.content, recording.video)
        if "aligner" in self.backends:
            keys["aligner"] = key_of("aligner", keys["asr"], identity["aligner"])
        if "tagger" in self.backends:
            keys["tagger"] = key_of("tagger", sound, identity["tagger"])
        return keys

    def sound_file(self, job: Job) -> Path:
        """The 16 kHz waveform, decoded once."""
        return self.store.folder / "sound" / f"{job.keys['sound']}.s16"

    def waveform(self, job: Job) -> Any:
        from captioner.media.sound import PcmFile

        return PcmFile(self.sound_file(job), name=job.recording.name)

    # -- stages ------------------------------------------------------------------------------------------------------

    def run(self, jobs: Sequence[Job]) -> None:
        """All stages over all jobs; a job that fails is left out of the rest."""
        for name in ORDER:
            getattr(self, name)([job for job in jobs if job.failure is None])

    def sound(self, jobs: Sequence[Job]) -> None:
        (self.store.folder / "sound").mkdir(exist_ok=True)

        def stale(job: Job) -> bool:
            return job.keys["sound"] not in self.have or not self.sound_file(job).exists()

        def run(todo: Mapping[Recording, Job], apart: Apart, keep: Keep) -> None:
            errands = [ToDecode(recording, self.sound_file(job)) for recording, job in todo.items()]
            apart(decode, errands, lambda errand, answer: keep(errand.recording, answer))

        self._files("sound", jobs, stale, run)

    def picture(self, jobs: Sequence[Job]) -> None:
        with_picture = [job for job in jobs if job.recording.video is not None]

        def run(todo: Mapping[Recording, Job], apart: Apart, keep: Keep) -> None:
            gpus = () if self.store.meta(DIED) else cuda.decoders(self.settings.device)
            watch_all(list(todo), gpus, self.engine.threads, apart, keep)

        self._files("picture", with_picture, lambda job: job.keys["picture"] not in self.have, run)

    def vad(self, jobs: Sequence[Job]) -> None:
        self._batches("vad", jobs, lambda model, batch, step: model.listen(self._waves(batch), step))

    def diarizer(self, jobs: Sequence[Job]) -> None:
        from captioner.models.protocols import SpeakerHint

        hint = SpeakerHint(*self.settings.speaker_bounds)
        self._batches("diarizer", jobs, lambda model, batch, step: model.diarize(self._waves(batch), hint, step))

    def asr(self, jobs: Sequence[Job]) -> None:
        from captioner.models.protocols import Listening  # brings NumPy, which reading keys does without
        from captioner.speech.regions import speech_regions

        def listen(model: Any, batch: Sequence[Job], step: Callable[[float], None]) -> list[Transcript]:
            asked = []
            for job in batch:
                activity = self.result(job, "vad", Activity)
                asked.append(Listening(self.waveform(job), speech_regions(activity), self.settings.language))
            answer: list[Transcript] = model.transcribe(asked, step)
            return answer

        self._batches("asr", jobs, listen)

    def aligner(self, jobs: Sequence[Job]) -> None:
        if "aligner" not in self.backends:
            return
        from captioner.models.protocols import Saying
        from captioner.speech.retime import retimed

        def place(model: Any, batch: Sequence[Job], step: Callable[[float], None]) -> list[Transcript]:
            heard = [self.result(job, "asr", Transcript) for job in batch]
            waves = self._waves(batch)
            asked = [Saying(wave, said.words, said.language) for wave, said in zip(waves, heard, strict=True)]
            spans = model.align(asked, step)
            return [retimed(said, own, wave.duration) for said, own, wave in zip(heard, spans, waves, strict=True)]

        self._batches("aligner", jobs, place)

    def tagger(self, jobs: Sequence[Job]) -> None:
        if "tagger" in self.backends:
            self._batches("tagger", jobs, lambda model, batch, step: model.tag(self._waves(batch), step))

    # -- how a stage runs --------------------------------------------------------------------------------------------

    def result(self, job: Job, stage: str, kind: type[T]) -> T:
        found = self.store.get(job.keys[stage], kind)
        assert found is not None, f"{stage} of {job.recording.name} is missing"
        return found

    def load(self, role: str) -> Any:
        """The role's model, wherever the engine keeps it."""
        if self.models is not None and role in self.models:
            return self.models[role]
        model = self.time(f"{role} load", lambda: self.engine.load(self.backends[role], self.reporter.say))
        if self.models is not None:
            self.models[role] = model
        return model

    def stale(self, job: Job) -> bool:
        """Whether a stage has something to do for it."""
        return not self.have.issuperset(job.keys.values()) or not self.sound_file(job).exists()

    def wanted(self, role: str, jobs: Sequence[Job]) -> bool:
        """Whether a role's model has something to do for one of them. What cuts measure as is known once they are
        planned, so it is taken to be stale wherever anything is."""
        return any(job.keys[role] not in self.have if role in job.keys else self.stale(job) for job in jobs)

    def _waves(self, jobs: Sequence[Job]) -> list[Any]:
        return list(map(self.waveform, jobs))

    def _files(
        self,
        name: str,
        jobs: Sequence[Job],
        stale: Callable[[Job], bool],
        run: Callable[[Mapping[Recording, Job], Apart, Keep], None],
    ) -> None:
        """What is done file by file, in other processes."""
        todo = {job.recording: job for job in jobs if stale(job) and not self.failed_before(job, name)}
        if not todo:
            return
        self.reporter.stage(name, len(todo), "files")

        def keep(recording: Recording, answer: Any) -> None:
            self._keep(todo[recording], name, answer)
            self.reporter.advance(1)

        takes = inf if self.store.meta(DIED) else sum(job.seconds for job in todo.values()) / _SPEED[name]
        told = once(self.reporter.say)
        long = name == "picture"
        apart = partial(self.engine.apart, told=lambda _, text: told(text), seconds=takes, long=long)
        self.time(name, lambda: run(todo, apart, keep))
        self._remember_speed(name, list(todo.values()))

    def _call(self, call: Callable[..., list[Any]], model: Any, part: Sequence[Job]) -> list[Any]:
        return call(model, part, self.reporter.advance)

    def _remember_speed(self, name: str, jobs: Sequence[Job]) -> None:
        """Seconds of sound a second, for the next forecast."""
        with self.store.transaction():  # a stage may have several packs in hand
            self.done[name] = amount = self.done.get(name, 0.0) + sum(job.seconds for job in jobs)
        took = self.seconds.get(name, 0.0)
        if amount > 30 and took > 0:
            self.store.set_meta(f"speed {name}", f"{amount / took:.3f}")

    def _batches(
        self, name: str, jobs: Sequence[Job], call: Callable[[Any, Sequence[Job], Callable[[float], None]], list[Any]]
    ) -> None:
        todo = [job for job in jobs if job.keys[name] not in self.have and not self.failed_before(job, name)]
        if not todo:
            return
        self.reporter.stage(name, sum(job.seconds for job in todo), "seconds")
        model = self.load(name)
        for batch in batches(todo, self.engine.batch_seconds):
            answers = self.time(name, partial(self.engine.batch, partial(self._call, call, model), batch))
            with self.store.transaction():
                for job, answer in zip(batch, answers, strict=True):
                    self._keep(job, name, answer)
        self._remember_speed(name, todo)

    def _keep(self, job: Job, stage: str, answer: Any) -> None:
        if isinstance(answer, UsageError):
            raise answer
        if isinstance(answer, CaptionerError):
            failure = Failure(job.recording.name, type(answer).__name__, str(answer))
            with self.store.transaction():  # another stage may meet one at the same time
                if job.failure is None or (job.failed_in in ORDER and ORDER.index(stage) < ORDER.index(job.failed_in)):
                    job.failure, job.failed_in = failure, stage
            if isinstance(answer, WorkerDied):
                self.store.set_meta(DIED, stage)
            if isinstance(answer, RecordingError):  # the file's own fault, so it will fail again
                self.store.put(self._failure_key(job, stage), "failure", failure)
            return
        self.store.put(job.keys[stage], stage, answer)
        self.have.add(job.keys[stage])

    def _failure_key(self, job: Job, stage: str) -> str:
        return key_of("failure", job.keys[stage], job.recording.path)

    def fails(self, job: Job, stage: str) -> bool:
        """Whether this stage is known to fail for the job."""
        return self._failure_key(job, stage) in self.have

    def failed_before(self, job: Job, stage: str) -> bool:
        """As `fails`, and then the job's failure is set."""
        if self.fails(job, stage):
            job.failure = self.store.get(self._failure_key(job, stage), Failure)
        return job.failure is not None


def batches(jobs: Iterable[Job], most: float = BATCH_SECONDS) -> list[list[Job]]:
    """Jobs in order of length, `most` seconds of sound a batch; a longer recording is a batch of its own."""
    groups: list[list[Job]] = []
    room = 0.0
    for job in sorted(jobs, key=lambda job: (job.seconds, job.recording.name)):
        if not groups or job.seconds > room:
            groups.append([])
            room = most
        groups[-1].append(job)
        room -= job.seconds
    return groups
