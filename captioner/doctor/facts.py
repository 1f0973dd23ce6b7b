"""What can be known of a machine. Values only: tests make broken machines of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How a try in a child process ended."""

    FINE = "fine"
    ABSENT = "absent"
    """Not installed."""
    FAILED = "failed"
    """It raised."""
    CRASHED = "crashed"
    """The process died: a native library."""
    HUNG = "hung"


@dataclass(frozen=True, slots=True)
class Tried:
    """A package that was imported and used a little, in a process of its own."""

    outcome: Outcome
    said: str = ""
    """The last line of what went wrong."""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Driver:
    """NVIDIA's driver."""

    version: str | None = None
    """`580.65`; None where it does not say."""
    cuda: int | None = None
    """The newest CUDA generation that it runs: 12, 13."""
    gpus: tuple[str, ...] = ()
    """Names with memory."""
    trouble: str = ""
    """Why it does not answer, where it is installed but does not."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A place that the work writes to."""

    purpose: str
    path: str
    free: int
    """Bytes."""
    needed: int
    """Bytes, for what is to be done."""
    device: int
    """The same for places on one disk: they share what is free."""
    writable: bool = True
    variable: str = ""
    """What moves it elsewhere: an environment variable, or a flag."""
    inodes: int | None = None
    """Files that may still be made; None where there is no limit."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository that the settings need."""

    name: str
    repository: str
    here: bool
    asked: bool = False
    """Whether the hub was asked for it."""
    kind: str = ""
    """Of the fault, as in `hubfaults.Kind`; empty where there is none."""
    fault: str = ""
    flag: str = ""
    """What `captioner fetch-models` takes for it."""


@dataclass(frozen=True, slots=True)
class HubFacts:
    """The hub's library on this machine."""

    endpoint: str
    home: str
    cache: str
    has_token: bool = False
    offline: bool = False
    xet: bool = False
    """Whether hf_xet is installed and not switched off."""
    xet_cache: str = ""
    xet_size: int = 0
    """Bytes in its cache."""
    xet_writable: bool = True
    unfinished: int = 0
    """Bytes of downloads in the cache that were never finished."""
    remotes: tuple[Remote, ...] = ()


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where the review would be shown."""

    is_one: bool
    """Whether standard output is a terminal at all."""
    columns: int = 80
    rows: int = 24
    encoding: str = "utf-8"
    colours: int = 256
    """2**24 for true colour; 0 for a terminal without any."""
    kind: str = ""
    """TERM."""
    multiplexer: str = ""
    """tmux or screen."""
    remote: bool = False
    """Over SSH."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All of them."""

    system: str
    """`linux`, `darwin`, `win32`."""
    machine: str
    python: tuple[int, int]
    versions: Mapping[str, str]
    """Installed packages by their normalised names."""
    unmet: tuple[tuple[str, str, str], ...] = ()
    """Packages whose own requirements are not met: (package, requirement, what is installed or '')."""
    driver: Driver | None = None
    """None: no NVIDIA driver."""
    cublas: Mapping[int, str] = field(default_factory=dict)
    """CUDA generation to the library that was found."""
    tried: Mapping[str, Tried] = field(default_factory=dict)
    disks: tuple[Disk, ...] = ()
    hub: HubFacts | None = None
    terminal: Terminal | None = None
    cores: int = 1
    memory: int | None = None
    """Bytes that are free."""
    wants: frozenset[str] = frozenset()
    """Packages that the settings cannot do without, beyond those that captioner always needs."""
