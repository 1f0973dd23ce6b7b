"""Models that are told no frame rate: pictures that are not drawn at their own are learnt as slow or fast motion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from captioner.checks.rules_time import blocks, filmed
from captioner.checks.view import View
from captioner.trainers import ai_toolkit, musubi, wan
from captioner.trainers._window import SAME_TEMPO

SAME = SAME_TEMPO / 10


def wrong_speeds(view: View) -> Iterator[dict[str, Any]]:
    """What a finding says, by its fields, of each block and clip of Wan that is learnt at another speed."""
    yield from _blocks(view)
    for clip, window in filmed(view):
        options = wan.loader(view.options_of(clip), clip.media.rate)
        if window is None or not window.listed or clip.media.variable or not clip.media.rate:
            continue
        if not isinstance(options, musubi.Options) or options.target_fps is None:
            continue
        rate, source = float(clip.media.rate), options.source_fps
        if source is not None and source < options.target_fps and view.config is not None:
            continue  # T08 says it
        faster = max(source or 0.0, options.target_fps) / rate
        if abs(faster - 1) > SAME:
            how = f"are played as {options.target_fps:g}" if source is None else f"are taken for {source:g}"
            slow = rate < options.target_fps
            fix = (
                f"make clips of {options.target_fps:g} frames a second" if slow else f"source_fps = {round(rate, 3)!r}"
            )
            found = f"its {rate:.3f} frames a second {how}"
            yield {"file": clip.name, "found": found, "cost": slower(faster, "it"), "fix": fix}


def _blocks(view: View) -> Iterator[dict[str, Any]]:
    """ai-toolkit draws the pictures of a whole block at its `fps`."""
    for block in blocks(view):
        options, own = block.options, wan.own_rate(block.options)
        if isinstance(options, ai_toolkit.Options) and abs(own / options.fps - 1) > SAME:
            given = f"fps is {options.fps:g}" if "fps" in block.fields else f"fps is not given ({options.fps:g})"
            yield {
                "file": block.file, "line": block.line_of("fps"), "fix": f"fps: {own:g}",
                "found": f"{block.name}: {given}, and the model takes its pictures for {own:g} a second",
                "cost": slower(own / options.fps, "every clip"),
            }  # fmt: skip


def slower(faster: float, what: str) -> str:
    """What a wrong speed teaches."""
    return f"{what} moves at {faster:.2f} of its speed: {'slow' if faster < 1 else 'fast'} motion is learnt"
