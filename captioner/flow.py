"""Stages at the same time: while one pack of recordings is heard, the next is decoded and the one before measured.

Each stage has threads of its own, which wait for the models' processes, and takes packs in order; a pack enters a stage
when the stages that it needs are done with it. Models load while the first sound is decoded, and clips are made
while other packs are heard. Nothing is decided here: every result is stored under its key, as it would be by the stages
one after the other, which find it there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from copy import copy
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import ceil
from threading import Event, Lock
from typing import cast

from captioner.measuring import measure_all
from captioner.planning import PlannedJob, plan_all
from captioner.ports import Reporter
from captioner.settings import Settings
from captioner.stages import ORDER, Job, Stages, batches

PACKS = 8
"""Packs at least, where there is enough sound: the first one's way through all stages is time in which others idle, and
so is the last one's."""
LEAST_PACK = 900.0
"""Seconds of sound in a pack: fewer do not fill a GPU's batches."""
SLOPE = (1 / 3, 2 / 3)
"""Sizes of the first packs, and of the last ones the other way round, in full ones."""
ABREAST = 2
"""Packs that a stage has in hand: while one is with a model's process, the next is laid out for it."""
CORES_ABREAST = {"vad": 4, "tagger": 4}
"""Of those that cores do: a pack of a few long recordings leaves most of them to others."""
ONE = ("sound", "aligner", "plan")
"""Stages that use all cores with one pack, or hardly any. Two packs planned at once would both be done only when both
are, as they share one interpreter, and then wait for the same cores. Of pictures and clips the next pack begins where
the last items of one leave cores without work."""
TICK = 0.5
"""Seconds between two looks at whether somebody wants to stop: a wait without an end is deaf on some systems."""

NEEDS: dict[str, tuple[str, ...]] = {
    "sound": (),
    "picture": (),
    "vad": ("sound",),
    "diarizer": ("sound",),
    "tagger": ("sound",),
    "asr": ("vad",),
    "aligner": ("asr",),
    "plan": ("picture", "diarizer", "tagger", "aligner"),
    "voice": ("plan",),
}
"""Stage -> what must be done with a pack before. `voice` measures the cuts that `plan` makes: while it does, the next
pack is planned."""

LATER = {"voice": "vad"}
"""Role -> the stage that must be done with the first pack before its model is loaded. Its networks share a process with
those of the other, which the transcriber waits for; the first cuts come much later."""

MakeAhead = Callable[[Sequence[PlannedJob], Callable[[str], None]], None]
"""What is to be done with each pack's measured plans, and a way to say something meanwhile."""


@dataclass(slots=True)
class _Part:
    """One stage's share of the one bar that is shown for all. `weight` 0: it does not count."""

    shown: Reporter
    lock: Lock
    weight: float
    over: Event
    """Set once the build is given up: what ends because of that is not worth a word, and no model's fault."""

    def stage(self, name: str, total: float, unit: str) -> None:
        pass

    def advance(self, amount: float) -> None:
        if self.weight:
            with self.lock:
                self.shown.advance(amount * self.weight)

    def say(self, text: str) -> None:
        with self.lock:
            if not self.over.is_set():
                self.shown.say(text)


def hear_all(
    jobs: Sequence[Job],
    stages: Stages,
    settings: Settings,
    rate: Fraction,
    ahead: MakeAhead | None = None,
) -> None:
    """What is stale of all stages, of the plans and of the measures, where the engine gains by it. Raises what the
    stages raise."""
    stale = [job for job in jobs if stages.stale(job)]
    if not stale or not stages.engine.overlaps:
        return
    todo = [job for job in stale if not _fails(job, stages)]
    if not todo:
        return
    roles = [name for name in NEEDS if name in stages.backends and stages.wanted(name, todo)]
    over = Event()
    lanes = _lanes(stages, roles, over)
    stages.reporter.stage("listen", sum(_amount(role, todo, stages) for role in roles) / len(roles), "seconds")
    calls: dict[str, Callable[[Sequence[Job]], object]] = {
        "plan": lambda pack: _plan(pack, lanes["plan"], lanes["voice"].reporter, settings, rate),
        **{name: getattr(lane, name) for name, lane in lanes.items() if name not in ("plan", "voice", "ahead")},
    }
    pools = {name: _pool(name) for name in (*NEEDS, "ahead")}
    try:
        loads: dict[str, Future[object]] = {
            role: pools[role].submit(lanes[role].load, role) for role in roles if role not in LATER
        }
        tasks: list[Future[object]] = []
        for pack in packs(todo, stages.engine.batch_seconds):
            done: dict[str, Future[object]] = {}
            for name, needs in NEEDS.items():
                if name in roles and name not in loads:
                    loads[name] = pools[name].submit(_load, lanes[name], name, done[LATER[name]])
                first = [done[need] for need in needs] + ([loads[name]] if name in loads else [])
                call = calls.get(name) or _measuring(done["plan"], lanes["voice"])
                done[name] = pools[name].submit(_work, call, pack, first)
            if ahead is not None:
                done["ahead"] = pools["ahead"].submit(_pass_on, ahead, done["voice"], lanes["ahead"])
            tasks += done.values()
        tasks += loads.values()
        _await(tasks)
    except BaseException:
        over.set()
        stages.engine.stop()
        raise
    finally:
        for pool in pools.values():
            pool.shutdown(wait=True, cancel_futures=True)


def _fails(job: Job, stages: Stages) -> bool:
    """Whether a stage that has something to do for it is known to fail. The stages one after the other say which: an
    earlier one may not have been asked yet."""
    stale = [name for name in ORDER if name in job.keys and job.keys[name] not in stages.have]
    return any(stages.fails(job, name) for name in stale)


def _amount(role: str, jobs: Sequence[Job], stages: Stages) -> float:
    """Seconds of sound that a role has before it."""
    return sum(job.seconds for job in jobs if job.keys.get(role) not in stages.have)


def _pool(name: str) -> ThreadPoolExecutor:
    abreast = 1 if name in ONE else CORES_ABREAST.get(name, ABREAST)
    return ThreadPoolExecutor(abreast, thread_name_prefix=f"captioner-{name}")


def packs(jobs: Sequence[Job], most: float) -> list[list[Job]]:
    """In order of length, `most` seconds of sound a pack or less, so that there are `PACKS`. The first ones are small,
    so that what comes last has something to do soon, and so are the last, which all the others wait for."""
    total = sum(job.seconds for job in jobs)
    full = min(most, max(total / PACKS, LEAST_PACK))
    ends, found, at = list(accumulate(_sizes(total, full))), list[list[Job]](), 0.0
    shares: list[list[Job]] = [[] for _ in ends]
    for job in sorted(jobs, key=lambda job: (job.seconds, job.recording.name)):
        shares[min(bisect_left(ends, at + job.seconds / 2), len(ends) - 1)].append(job)
        at += job.seconds
    for share in shares:
        found += batches(share, most)
    return found


def _sizes(total: float, full: float) -> list[float]:
    """Seconds of sound in each pack."""
    slopes = full * sum(SLOPE)
    if total < 2 * slopes + full:
        count = max(1, ceil(total / full))
        return [total / count] * count
    count = ceil((total - 2 * slopes) / full)
    return [
        *(full * part for part in SLOPE),
        *[(total - 2 * slopes) / count] * count,
        *(full * part for part in reversed(SLOPE)),
    ]


def _lanes(stages: Stages, roles: Sequence[str], over: Event) -> dict[str, Stages]:
    """The stages as each thread sees them: what is known and loaded is shared. `roles` have a model to run; `over`
    keeps all of them silent."""
    lock, models = Lock(), dict[str, object]()

    def lane(name: str) -> Stages:
        made = copy(stages)
        made.reporter = _Part(stages.reporter, lock, 1 / len(roles) if name in roles else 0.0, over)
        made.models = models
        return made

    return {name: lane(name) for name in (*NEEDS, "ahead")}


def _work(call: Callable[[Sequence[Job]], object], pack: Sequence[Job], before: Sequence[Future[object]]) -> object:
    for need in before:
        need.result()
    return call([job for job in pack if job.failure is None])


def _load(stages: Stages, role: str, before: Future[object]) -> object:
    before.result()
    return stages.load(role)


def _quiet(stages: Stages) -> Stages:
    """For what counts something else than seconds of recordings."""
    quiet = copy(stages)
    quiet.reporter = _Part(stages.reporter, Lock(), 0.0, Event())
    return quiet


def _plan(pack: Sequence[Job], stages: Stages, bar: Reporter, settings: Settings, rate: Fraction) -> list[PlannedJob]:
    """What cannot be planned will not be measured: it counts as done on the `bar` of those that measure."""
    quiet = _quiet(stages)
    planned: list[PlannedJob] = stages.time("plan", lambda: plan_all(pack, stages, settings, rate, quiet.reporter))
    bar.advance(sum(job.seconds for job in pack if job.failure is not None))
    return planned


def _measuring(planned: Future[object], stages: Stages) -> Callable[[Sequence[Job]], object]:
    """What measures a pack once it is planned."""

    def measure(pack: Sequence[Job]) -> list[PlannedJob]:
        measured = measure_all(cast("list[PlannedJob]", planned.result()), _quiet(stages))
        stages.reporter.advance(sum(job.seconds for job in pack))
        return measured

    return measure


def _pass_on(ahead: MakeAhead, measured: Future[object], stages: Stages) -> None:
    ahead(cast("list[PlannedJob]", measured.result()), stages.reporter.say)


def _await(tasks: Sequence[Future[object]]) -> None:
    """Until all are done. Raises the first error that any meets."""
    left = set(tasks)
    while left:
        done, left = wait(left, timeout=TICK, return_when=FIRST_EXCEPTION)
        for task in done:
            task.result()
