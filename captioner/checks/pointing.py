"""Which clips a config points at, where the config itself is what a person wants to have checked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from captioner.checks.configs import Block, TrainerConfig
from captioner.checks.view import READS_LISTINGS
from captioner.errors import UsageError

ABOVE = 2
"""Folders above the config that relative paths may start from: trainers keep configs in a folder of their own."""


@dataclass(frozen=True, slots=True)
class Pointed:
    """One folder or listing of clips."""

    place: Path
    """Absolute."""
    config: TrainerConfig
    """With the blocks alone that train what is there, their folders as they are here."""
    notes: tuple[str, ...] = ()


def pointed(config: TrainerConfig) -> list[Pointed]:
    """What is to be checked, each place once, in the config's order.

    Paths are looked for as they are spelled (from the folder where the command runs, as trainers do), from the
    config's folder and those above it, and at last by their name alone beside the config: it may be for another
    machine. Raises UsageError where nothing of it is here.
    """
    home = Path(os.path.abspath(Path(config.file).expanduser())).parent  # noqa: PTH100  links stay as they are spelled
    groups: dict[Path, list[Block]] = {}
    notes: dict[Path, list[str]] = {}
    gone = []
    for block in config.blocks:
        for spelled, listing in _spelled(block):
            place, guessed = _found(spelled, home, listing=listing)
            if place is None:
                gone.append(f"{block.name} ({spelled})")
                continue
            here = block if listing else replace(block, folders=(str(place),))
            groups.setdefault(place, []).append(here)
            if guessed:
                notes.setdefault(place, []).append(f"{spelled} is not here; {place}, of the same name, was checked")
    if not groups:
        raise UsageError(f"{config.file}: {_nothing(config, gone)}")
    if gone:
        first = next(iter(groups))
        notes.setdefault(first, []).append(f"not here, and not checked: {', '.join(gone)}")
    made = []
    for place, blocks in groups.items():
        here_too = {one.name for one in blocks}
        others = tuple(one for one in config.blocks if one.name not in here_too)
        made.append(Pointed(place, replace(config, blocks=tuple(blocks), others=others), tuple(notes.get(place, ()))))
    return made


def _spelled(block: Block) -> Iterator[tuple[str, bool]]:
    """(path, whether it is a file that lists clips) of what a block trains."""
    yield from ((one, True) for one in block.listings)
    yield from ((one, False) for one in block.folders)


def _found(spelled: str, home: Path, *, listing: bool) -> tuple[Path | None, bool]:
    """(where it is, whether that is a guess by its name)."""
    own = Path(spelled.strip().replace("\\", "/")).expanduser()
    name = PurePosixPath(own.as_posix()).name
    exact = [own, *(above / own for above in (home, *list(home.parents)[:ABOVE]))]
    beside = [home / name, *([home] if home.name == name and not listing else [])] if name else []
    for guessed, places in ((False, exact), (True, beside)):
        for place in places:
            try:
                if place.is_file() if listing else place.is_dir():
                    return Path(os.path.abspath(place)), guessed  # noqa: PTH100
            except (OSError, ValueError):
                continue
    return None, False


def _nothing(config: TrainerConfig, gone: list[str]) -> str:
    """Why there is nothing to check, and what to give instead."""
    again = f"give the clips and it: captioner check FOLDER --config {config.file}"
    if gone:
        return f"the clips that it names are not here: {', '.join(gone)}; {again}"
    if config.trainer == "simpletuner" and not config.blocks:
        where = config.value("--data_backend_config", "multidatabackend.json")
        return f"its list of datasets, {where}, is not here or lists none; {again}"
    if config.trainer in READS_LISTINGS:
        return f"it names latents and no clips; {again} (FOLDER: the dataset.json or .csv, or its folder)"
    return f"it names no folder of clips; {again}"
