"""`captioner export`: beside `clips/`, what each trainer takes, with captions for what it will really hear.

`OUT/clips` and the user's files are read and never changed: an export has links to clips and texts of its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from captioner.errors import UsageError
from captioner.exporting.choice import held_back
from captioner.exporting.dataset import Dataset, read_dataset
from captioner.exporting.folder import Folder, read_listing
from captioner.exporting.forms import FORMS
from captioner.exporting.sound import check_still
from captioner.exporting.work import HF, Exported, Wish, Work, kept
from captioner.trainers import trainer, trainers


def targets() -> list[str]:
    """All that `--to` takes, besides `all`."""
    return [*trainers(), HF, *FORMS]


def export(out: Path, names: Sequence[str], wish: Wish) -> list[Exported]:
    """Write each target's folder; a dataset can go to all at once. Raises UsageError, StoreError; a wrong wish is
    refused before anything is written."""
    wanted = _targets(names)
    if wish.smoke:
        forms = [name for name in wanted if name in FORMS]
        wanted = [name for name in wanted if name not in FORMS]
        if not wanted:
            raise UsageError(f"--smoke: nobody trains with {', '.join(forms)}; name a trainer")
    if wish.still is not None:
        check_still(wish.still)
    if wish.left_to_trainer:
        unable = [name for name in wanted if name not in trainers() or not trainer(name).ADDS_TRIGGER]
        if unable:
            raise UsageError(
                f"--trigger trainer: {', '.join(unable)} adds no trigger, and nothing would call the subject "
                "up; export it with --trigger baked"
            )
    dataset = read_dataset(out)
    held = held_back(dataset.clips, wish.split) if wish.split is not None else frozenset()
    folders = {name: out / f"{name}{'-smoke' if wish.smoke else ''}" for name in wanted}
    for folder in folders.values():
        read_listing(folder)
    try:
        return [_export(dataset, name, folders[name], wish, held) for name in wanted]
    except OSError as error:
        raise UsageError(f"{error.filename or out}: cannot be written ({error.strerror or error})") from error


def _targets(names: Sequence[str]) -> list[str]:
    given = [part.strip() for name in names for part in name.split(",") if part.strip()]
    if not given:
        raise UsageError(f"--to: say for whom: {', '.join(targets())}, or all")
    if "all" in given:
        return targets()
    for name in given:
        if name not in targets():
            near = difflib.get_close_matches(name, targets(), 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"--to {name}: there is no such target; there are {', '.join(targets())}, and all{hint}")
    return list(dict.fromkeys(given))


def _export(dataset: Dataset, name: str, path: Path, wish: Wish, held: frozenset[str]) -> Exported:
    if name in FORMS:
        return _form(dataset, name, path, wish)
    asked = trainer("plain" if name == HF else name)
    return Work(dataset, name, asked, path, wish, held).run()


def _form(dataset: Dataset, name: str, path: Path, wish: Wish) -> Exported:
    suffix, make = FORMS[name]
    folder = Folder(path, read_listing(path), wish.copy)
    notes = [
        f"{clip.id}: its caption was written by hand; the words here are those that were heard"
        for clip in dataset.clips
        if clip.by_hand
    ]
    folder.begin(())
    for clip in dataset.clips:
        folder.write(f"{clip.id}{suffix}", make(clip))
    folder.finish({}, {})
    return Exported(name, str(path), len(dataset.clips), 0, (), dataset.left_out, (*notes, *kept(folder)), ())


def as_text(done: Sequence[Exported]) -> str:
    """What was exported, for a person."""
    lines = []
    for one in done:
        count = f"{one.clips} clips" if one.clips != 1 else "1 clip"
        held = f", {one.validation} held back" if one.validation else ""
        lines.append(f"{one.target}: {count}{held} in {one.folder}")
        lines += _some([
            f"{id_}: caption drafted again" + (f"; not heard: {lost}" if lost else "") for id_, lost in one.rendered
        ])  # fmt: skip
        lines += _some([f"{id_}: left out: {why}" for id_, why in one.refused])
        lines += _some([f"note: {note}" for note in one.notes])
        lines += [f"  stale: {line}" for line in one.stale]
    return "\n".join(lines)


SHOWN = 10


def _some(lines: Sequence[str]) -> list[str]:
    more = [f"  ... and {len(lines) - SHOWN} more (--json lists all)"] if len(lines) > SHOWN else []
    return [*(f"  {line}" for line in lines[:SHOWN]), *more]


def as_dict(one: Exported) -> Mapping[str, Any]:
    return asdict(one)
