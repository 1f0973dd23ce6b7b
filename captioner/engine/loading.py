"""Where models live: in this process or in child processes, on which device, and what is tried when one fails.

Every role has a process of its own on each GPU; the CPU has one for all, or several of them for models that use one
core each. Of a model whose module names its halves, NETWORKS and REST, the networks live on the GPUs and the rest on
the CPU. A model that does not load on a GPU goes on on the CPU, and the reason is told.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from threading import Lock
from typing import Any

from captioner.backends import Backend
from captioner.engine.fleet import Fleet
from captioner.engine.halves import PART, Halves
from captioner.engine.remote import PATIENCE, House, Remote, StandIn, Way, close_all
from captioner.errors import BackendMissing, ModelError, SettingsError, WeightsMissing

Say = Callable[[str], None]

CPU = "cpu"
REPLAYED = frozenset({"rttm", "ctm"})
"""Backends that read a user's files: nothing native runs in them."""
CORES_A_HOUSE = 2
"""What a model that knows the CPU alone uses well: more cores are shared by several of it."""
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Where libraries of linear algebra read how many threads they may start: else each takes every core there is."""
MOST_HOUSES = 12
"""Processes for the models of one core: each takes 150 to 300 MB."""


def devices_of(asked: str) -> list[str]:
    """`auto`, `cpu`, `cuda`, `cuda:1` or `cuda:0,cuda:1` -> cuda:0 ... or cpu. Raises SettingsError, and ModelError
    where a GPU is asked for and there is none."""
    from captioner.models import cuda

    if asked == CPU:
        return [CPU]
    parts = [part.strip() for part in asked.split(",")]
    if asked not in ("auto", "cuda") and not all(p.startswith("cuda:") and p[5:].isdigit() for p in parts):
        raise SettingsError(f"device = {asked!r}: give auto, cpu, cuda, or some GPUs: cuda:0,cuda:1")
    count = cuda.count()
    if asked == "auto":
        return [f"cuda:{index}" for index in range(count)] or [CPU]
    wanted = [f"cuda:{index}" for index in range(count)] if asked == "cuda" else parts
    if not wanted or any(int(name[5:]) >= count for name in wanted):
        why = cuda.ready().why if not count else f"there are {count} GPUs"
        raise ModelError(f"device = {asked!r}: there is no such GPU ({why}); give auto or cpu")
    return wanted


class Models:
    """Loads backends; `contain` puts them into child processes."""

    def __init__(
        self, device: str = "auto", contain: bool = False, threads: int = 0, patience: float = PATIENCE
    ) -> None:
        self._device = device
        self._contain = contain
        self._threads = threads or os.cpu_count() or 1
        self._patience = patience
        self._houses: dict[str, House] = {}
        self._stopped = False
        self._turn = Lock()

    def load(self, backend: Backend, say: Say) -> Any:
        """The model, or what stands in for it. Raises WeightsMissing, BackendMissing, ModelError, SettingsError."""
        devices = self._devices(backend)
        if not self._contain or backend.name in REPLAYED:
            return self._here(backend, devices[0], say)
        if devices != [CPU] and hasattr(backend.module, "NETWORKS"):
            return self._halves(backend, devices, say)
        if self._spread(backend) and (devices == [CPU] or not _one_a_gpu(backend)):
            return self._many(backend, devices, say)
        if len(devices) == 1:
            return self._remote(backend, devices[0], say)
        return self._fleet(backend, devices, say)

    @property
    def contained(self) -> bool:
        """Whether models run in child processes."""
        return self._contain

    @property
    def gpus(self) -> int:
        """How many GPUs models run on."""
        machine = self._machine()
        return 0 if machine == [CPU] else len(machine)

    def stop(self) -> None:
        """Ends every child process at once, whoever waits for it: from any thread, for good."""
        with self._turn:
            self._stopped = True
            for house in self._houses.values():
                house.end()

    def dismiss(self) -> None:
        """Tells every child process to end, for good, and does not wait for it: `close` does."""
        with self._turn:
            self._stopped = True
            for house in self._houses.values():
                house.dismiss()

    def close(self) -> None:
        """Ends every child process, for good: what still loads comes too late."""
        with self._turn:
            self._stopped = True
            houses = list(self._houses.values())
        close_all(houses)
        for house in houses:
            house.end()
        self._houses.clear()

    def __enter__(self) -> Models:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _machine(self) -> list[str]:
        return devices_of(self._device)

    def _devices(self, backend: Backend) -> list[str]:
        """The user's own option for the backend is above the setting for all; a backend without the option is the
        CPU's, and so is one that what is installed here cannot run on a GPU."""
        own = getattr(backend.options, "device", None)
        if own is None:
            return [CPU]
        able = getattr(backend.module, "on_gpu", None)
        if own == "auto" and self._machine() != [CPU] and able is not None and not able():
            return [CPU]
        return self._machine() if own == "auto" else devices_of(own)

    def _ways(self, backend: Backend, device: str, **changes: Any) -> list[Way]:
        """`device`, then the CPU unless the user wants a GPU."""
        options = backend.options
        name = backend.module.__name__
        if not hasattr(options, "device"):
            return [Way(name, dataclasses.replace(options, **changes), CPU)]
        free = device != CPU and self._free(backend)
        return [
            Way(name, dataclasses.replace(options, device=way, **changes), way)
            for way in ([device, CPU] if free else [device])
        ]

    def _free(self, backend: Backend) -> bool:
        """Whether a GPU is our choice, not the user's."""
        return self._device == "auto" and bool(backend.options.device == "auto")

    def _remote(self, backend: Backend, device: str, say: Say) -> Remote:
        ways = self._ways(backend, device)
        return Remote(self._house(device, backend), _what(backend), ways, say)

    def _fleet(self, backend: Backend, devices: list[str], say: Say) -> Any:
        """One model on several GPUs; one that does not take it is left out: a CPU would keep the others waiting."""
        remotes, failed = self._on_gpus(backend, devices, say, (BackendMissing, WeightsMissing))
        if not remotes:
            return self._remote(backend, devices[0], say)
        if failed:
            say(f"{_what(backend)}: not on {', '.join(failed)}; goes on without")
        return Fleet(remotes, say)

    def _halves(self, backend: Backend, devices: list[str], say: Say) -> Halves:
        """The networks on the GPUs, which load meanwhile; the rest on the CPU, or all where no GPU takes them."""
        networks = dataclasses.replace(backend, module=import_module(backend.module.NETWORKS))
        rest = dataclasses.replace(backend, module=import_module(backend.module.REST))
        pool = ThreadPoolExecutor(1, thread_name_prefix="captioner-load")
        loading = pool.submit(self._networks, networks, devices, say)
        pool.shutdown(wait=False)
        made = self._spread_out(rest, say)
        if not self._free(backend):
            loading.result()
        alone, part = getattr(backend.module, "ALONE", 0.0), getattr(backend.module, "PART", PART)
        return Halves(loading.result, loading.done, made, backend.module.both, _what(backend), say, alone, part)

    def _networks(self, backend: Backend, devices: list[str], say: Say) -> StandIn | None:
        """None where no GPU takes them. Raises ModelError then, if the user wants a GPU."""
        remotes, failed = self._on_gpus(backend, devices, say)
        if self._stopped:  # before they were needed: nothing goes on
            return None
        told = f"{_what(backend)}: not on {', '.join(failed)}"
        if not remotes:
            if not self._free(backend):
                raise ModelError(f"{told}; give device auto or cpu")
            say(f"{told}; goes on on {CPU}")
            return None
        if failed:
            say(f"{told}; goes on without")
        return Fleet(remotes, say) if len(remotes) > 1 else remotes[0]

    def _on_gpus(
        self, backend: Backend, devices: list[str], say: Say, fatal: tuple[type[ModelError], ...] = ()
    ) -> tuple[list[Remote], list[str]]:
        """The model on each GPU that takes it, all loading at the same time; and why others do not."""

        def one(device: str) -> Remote | str:
            try:
                return Remote(self._house(device, backend), _what(backend), [self._ways(backend, device)[0]], say)
            except fatal:
                raise
            except ModelError as error:
                return f"{device} ({error})"

        with ThreadPoolExecutor(len(devices), thread_name_prefix="captioner-load") as pool:
            made = list(pool.map(one, devices))
        return [one for one in made if isinstance(one, Remote)], [why for why in made if isinstance(why, str)]

    def _spread(self, backend: Backend) -> bool:
        return self._threads >= 2 * CORES_A_HOUSE and _one_core(backend)

    def _spread_out(self, backend: Backend, say: Say) -> StandIn:
        """On the CPU alone, whatever the options say."""
        half = dataclasses.replace(backend, options=dataclasses.replace(backend.options, device=CPU))
        made: StandIn = self._many(half, [CPU], say) if self._spread(half) else self._remote(half, CPU, say)
        return made

    def _many(self, backend: Backend, devices: list[str], say: Say) -> Any:
        """Several processes of a model that uses one core well. Where its networks run on GPUs, the processes share
        these: the rest of its work is the CPU's."""
        # Beside a GPU several stages share these processes, and each uses one core of most of them; what computes on it
        # itself takes its memory with every process.
        cores = 1 if self.gpus and devices == [CPU] else CORES_A_HOUSE
        count = min(MOST_HOUSES, self._threads // cores)
        known = {field.name for field in dataclasses.fields(backend.options)}
        changes = {"threads": CORES_A_HOUSE} if "threads" in known else {}
        told = _once(say)

        def one(index: int) -> Remote:
            ways = self._ways(backend, devices[index % len(devices)], **changes)
            return Remote(self._house(f"{CPU} {index}", backend), _what(backend), ways, told)

        with ThreadPoolExecutor(count, thread_name_prefix="captioner-load") as pool:
            return Fleet(list(pool.map(one, range(count))), say)

    def _house(self, device: str, backend: Backend) -> House:
        """On a GPU each role has a process of its own, so that one loads and computes while another does; networks that
        cost it little share one (HOUSE). A share of the CPU is `CORES_A_HOUSE` cores, whatever library asks how many
        there are; what computes on a GPU leaves most cores to others: idle threads of a pool spin."""
        gpu = device.startswith("cuda")
        name = f"{getattr(backend.module, 'HOUSE', backend.role)} on {device}" if gpu else f"models on {device}"
        with self._turn:
            if name not in self._houses:
                cores = max(CORES_A_HOUSE, self._threads // 4) if gpu else CORES_A_HOUSE
                threads = {} if device == CPU else dict.fromkeys(POOLS, str(cores))
                # A GPU that waits for a core costs more than a core that waits.
                self._houses[name] = House(name, self._patience, threads, behind=not gpu and self.gpus > 0)
                if self._stopped:  # somebody who was about to load
                    self._houses[name].end()
            return self._houses[name]

    def _here(self, backend: Backend, device: str, say: Say) -> Any:
        ways = self._ways(backend, device)
        for place, way in enumerate(ways, 1):
            try:
                return backend.module.load(way.options)
            except (BackendMissing, WeightsMissing):
                raise
            except ModelError as error:
                if place == len(ways):
                    raise
                say(f"{_what(backend)}: not on {way.device} ({error}); goes on on {ways[place].device}")
        raise AssertionError("there is always one way")


def _what(backend: Backend) -> str:
    return f"{backend.role} {backend.name}"


def _one_core(backend: Backend) -> bool:
    """Whether it uses one core well and several badly: what knows the CPU alone, and what says so."""
    return not hasattr(backend.options, "device") or getattr(backend.module, "ONE_CORE", False)


def _one_a_gpu(backend: Backend) -> bool:
    """Whether one process keeps a GPU busy by itself, though on the CPU it would use one core: what says so."""
    able = getattr(backend.module, "one_a_gpu", None)
    return able is not None and bool(able())


def _once(say: Say) -> Say:
    """Several processes that cannot do the same need not all say so."""
    said: set[str] = set()

    def told(text: str) -> None:
        if text not in said:
            said.add(text)
            say(text)

    return told
