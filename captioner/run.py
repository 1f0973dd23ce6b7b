"""Where the parts are put together: settings resolved, engine chosen, pipeline called. Used by Python and the CLI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.errors import UsageError

if TYPE_CHECKING:
    from captioner.ports import Reporter
    from captioner.settings import Settings
    from captioner.summary import Summary


class Quiet:
    """A reporter that says nothing."""

    def stage(self, name: str, total: float, unit: str) -> None:
        pass

    def advance(self, amount: float) -> None:
        pass

    def say(self, text: str) -> None:
        pass


def settings_of(
    flags: Mapping[str, Any], *, config: str | Path | None = None, trainer: str | None = None,
    base: Mapping[str, Any] | None = None,
) -> Settings:  # fmt: skip
    """The settings that hold. `base` (those of an earlier build) stands below all others but the defaults."""
    from captioner.settings import FILE, resolve
    from captioner.trainers import preset

    file = Path(config) if config is not None else (Path(FILE) if Path(FILE).is_file() else None)
    below = {**(base or {}), **(preset(trainer) if trainer else {})}
    return resolve(flags=flags, file=file, preset=below)


def default_out(first: Path) -> Path:
    """`<input>_dataset` beside the input."""
    resolved = first.resolve()
    stem = resolved.stem if resolved.is_file() else resolved.name
    return resolved.parent / f"{stem}_dataset"


def build(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path | None,
    *,
    yes: bool,
    dry_run: bool,
    config: str | Path | None,
    trainer: str | None,
    reporter: Reporter | None,
    settings: Mapping[str, Any],
) -> Summary:
    """See `captioner.build`."""
    given = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    paths = [Path(entry) for entry in given]
    if not paths:
        raise UsageError("no input: give a file or a folder")
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder")
    resolved = settings_of(settings, config=config, trainer=trainer)
    folder = Path(out) if out is not None else default_out(paths[0])

    from captioner.engine.loading import Models
    from captioner.engine.local import Local, Stopwatch
    from captioner.pipeline import Build

    watch = Stopwatch()
    with (
        Models(resolved.device, resolved.contain, resolved.thread_count, resolved.patience) as models,
        Local(resolved.thread_count, models) as engine,
    ):
        work = Build(paths, folder, resolved, engine, reporter or Quiet(), watch.time, watch.seconds)
        summary = work.run(yes=yes, dry=dry_run)
        models.dismiss()  # they end while the workers do
        return summary


def write_reviewed(out: Path, reporter: Reporter | None = None) -> Summary:
    """Write what a review came to: clips that are approved, and of those that stood there what nobody decided on.

    The build again, in which nothing is heard anew but what was cut by hand. Raises UsageError where the inputs of the
    last build are gone, StoreError."""
    import json

    from captioner.engine.local import Local, Stopwatch
    from captioner.pipeline import HOME, Build
    from captioner.rendering import remembered
    from captioner.store import Store

    settings = settings_of({}, base=remembered(out))
    with Store(out / HOME) as store:
        inputs = [Path(path) for path in json.loads(store.meta("inputs") or "[]")]
    gone = [path for path in inputs if not path.exists()]
    if gone or not inputs:
        told = f"{gone[0]} is gone" if gone else "its inputs are not known"
        raise UsageError(f"{out}: nothing is written: {told}; bring it back, or build again from where it is now")
    watch = Stopwatch()
    work = Build(
        inputs, out, settings, Local(settings.thread_count), reporter or Quiet(), watch.time, watch.seconds,
        reviewed=True,
    )  # fmt: skip
    return work.run(yes=True)


def render(out: str | Path, settings: Mapping[str, Any]) -> tuple[int, list[str], list[str]]:
    """See `captioner.render`."""
    from captioner.rendering import remembered
    from captioner.rendering import render as run

    folder = Path(out)
    return run(folder, settings_of(settings, base=remembered(folder)))
