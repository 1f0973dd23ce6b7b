"""Raw clips in; out come single-speaker clips and captions that an audio-video LoRA trainer really learns from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from captioner.ports import Reporter
    from captioner.summary import Summary

__version__ = "0.1.0"
__all__ = ["build", "render"]


def build(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    *,
    yes: bool = False,
    dry_run: bool = False,
    config: str | Path | None = None,
    trainer: str | None = None,
    reporter: Reporter | None = None,
    **settings: Any,
) -> Summary:
    """Build a dataset, as `captioner build` does; every flag is an argument of the same name.

    `inputs` is a file, a folder or several; `out` defaults to `<input>_dataset` beside the first. Without `yes` nothing
    is written to `out/clips`: the summary says what waits for a review. Raises a `captioner.errors.CaptionerError`
    where the build cannot be done; a recording that cannot be used is listed in the summary's `failures` instead.
    """
    from captioner.run import build as run

    return run(
        inputs, out, yes=yes, dry_run=dry_run, config=config, trainer=trainer, reporter=reporter, settings=settings
    )


def render(out: str | Path, **settings: Any) -> tuple[int, list[str], list[str]]:
    """Draft all captions of a built dataset again, as `captioner render` does: no model runs.

    Returns how many `.txt` changed, the clips whose text a person had changed, which stay as they are, and what speaks
    against captions as they are now: those that the trainer's text encoder would cut.
    """
    from captioner.run import render as run

    return run(out, settings)
