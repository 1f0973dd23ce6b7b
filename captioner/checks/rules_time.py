"""T01 to T03, T11, T18: how many frames of a clip are used, and what is said in the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from captioner.checks.findings import Finding
from captioner.checks.lost import harmless, many, tail_lost
from captioner.checks.rules import ERROR, INFO, WARNING, rule, rules_in
from captioner.checks.view import ClipView, View
from captioner.trainers import musubi, wan
from captioner.trainers._buckets import GROUP, floor
from captioner.trainers._window import Window

if TYPE_CHECKING:
    from captioner.checks.configs import Block


def group_of(view: View) -> int:
    """Frames a latent frame of the model that is trained."""
    return 4 if view.is_for("wan") else int(getattr(view.options, "group", GROUP))


def filmed(view: View) -> Iterator[tuple[ClipView, Window | None]]:
    """Clips with picture and what is used of them; None where no trainer is named."""
    for clip in view.playable:
        if clip.media.frames:
            yield clip, view.window(clip)


def blocks(view: View) -> tuple[Block, ...]:
    """The dataset blocks of the config that train picture."""
    return tuple(one for one in view.config.blocks if not one.sound_alone) if view.config is not None else ()


def members(view: View, block: Block) -> list[ClipView]:
    """The clips with picture that a block trains."""
    if view.config is None:
        return []
    return [clip for clip in view.playable if clip.media.frames and view.config.block_of(clip.path) is block]


def same_rate(clip: ClipView, window: Window) -> bool:
    return clip.media.rate is not None and window.rate is not None and abs(window.rate / clip.media.rate - 1) < 1e-6


def counts_itself(view: View, clip: ClipView) -> bool:
    """Whether ai-toolkit counts the frames of a clip, keeping its time."""
    options = view.options_of(clip)
    return view.is_for("ai-toolkit") and bool(
        getattr(options, "auto_frame_count", False) and getattr(options, "trim_auto_frame_count_tail", True)
    )


def floored_away(view: View, clip: ClipView, window: Window) -> bool:
    """Whether ai-toolkit's floating point drops a group of frames that would fit."""
    return counts_itself(view, clip) and same_rate(clip, window) and window.shown < floor(
        clip.media.frames, group_of(view)
    )  # fmt: skip


@rule(
    "T01", ERROR, "a clip has a number of frames that its trainer cannot take whole",
    cost="frames at its end are lost, with the words that are said there; musubi shows the last picture "
    "several times instead",
    advice="cut it to 8k+1 frames at the trainer's rate (captioner build --for TRAINER, or captioner export)",
)  # fmt: skip
def rounded(view: View) -> Iterator[Finding]:
    group = group_of(view)
    for clip, window in filmed(view):
        frames = clip.media.frames
        if window is None:
            if frames % group != 1:
                yield rounded.finding(
                    clip.name, f"it has {many(frames, 'frame')}, which is not {group}k+1",
                    cost=f"most trainers take {floor(frames, group)} of them and no more", severity=WARNING,
                )  # fmt: skip
            continue
        if not window.listed or not window.certain or floored_away(view, clip, window):
            continue
        yield from _rounded(view, clip, window, group)


def _rounded(view: View, clip: ClipView, window: Window, group: int) -> Iterator[Finding]:
    frames, rate = clip.media.frames, clip.media.rate
    behind = frames - window.first - window.frames
    whole = floor(frames, group)
    rounding = counts_itself(view, clip) or window.frames >= whole or _drawn(view, clip, window)
    over = window.tempo == 1 and behind > 0 and rounding
    stretched = not counts_itself(view, clip) and view.is_for("ai-toolkit")
    if over and not stretched and rate is not None:
        at = f" at {float(window.rate):.3g} a second" if window.rate and not same_rate(clip, window) else ""
        told = f"{float(behind / rate):.2f} s"
        last = (
            f"its last {behind} frames ({told}) are not used" if behind > 1 else f"its last frame ({told}) is not used"
        )
        yield rounded.finding(
            clip.name, f"it has {many(frames, 'frame')} and {window.shown} are trained{at}: {last}",
            cost=tail_lost(clip, window), severity=WARNING if view.deaf or harmless(clip, window) else None,
            fix=f"cut it to {group}k+1 frames at {float(window.rate or rate):.5g} a second (captioner build --for "
            f"{view.trainer} makes such clips)" + ("" if view.deaf else ", its caption to the words that are left"),
        )  # fmt: skip
    if window.repeated:
        yield rounded.finding(
            clip.name, f"it has {many(frames, 'frame')}, and its last one is shown {window.repeated} times more to "
            f"make {window.shown}",
            cost="the picture freezes at its end while the model is told that this is motion",
        )  # fmt: skip


def too_short(view: View, clip: ClipView, window: Window) -> bool:
    """Whether a clip is left out for its length: a longer one of its kind would be taken."""
    facts = clip.facts
    heard = replace(facts, sample_rate=48_000, samples=480_000, offset=0.0)
    if view.module is None or window.listed or view.module.window(heard, view.options_of(clip)).listed:
        return False
    long = replace(heard, frames=100_000)
    return view.module.window(long, view.options_of(clip)).listed


@rule(
    "T02", ERROR, "a clip is too short for its trainer",
    cost="nothing of it is learnt: neither its voice nor its words",
    advice="cut it longer, or give a smaller bucket, min_frames or target_frames",
)  # fmt: skip
def short(view: View) -> Iterator[Finding]:
    for clip, window in filmed(view):
        if window is not None and too_short(view, clip, window):
            silently = " without a line in the log" if view.is_for("musubi") else ""
            yield short.finding(clip.name, f"{'; '.join(window.losses)}{silently}")


@rule(
    "T03", ERROR, "a clip is longer than what is trained of it",
    cost="the caption says words that are never heard: the voice learns to stay silent where text goes "
    "on", trainers=("ltx", "simpletuner", "id-lora", "musubi"),
    advice="cut it into clips of the length that is trained, or give a longer bucket (num_frames, max_frames)",
)  # fmt: skip
def long(view: View) -> Iterator[Finding]:
    group = group_of(view)
    for clip, window in filmed(view):
        if window is None or not window.listed or abs(window.tempo - 1) > 1e-9 or clip.media.rate is None:
            continue
        behind = clip.media.frames - window.first - window.frames
        if behind > 0 and window.frames < floor(clip.media.frames, group) and not _drawn(view, clip, window):
            yield long.finding(
                clip.name, f"it has {many(clip.media.frames, 'frame')} and the first {window.frames} are used",
                cost=tail_lost(clip, window), severity=WARNING if view.deaf or harmless(clip, window) else None,
            )  # fmt: skip


def _drawn(view: View, clip: ClipView, window: Window) -> bool:
    """Whether musubi's own rounding, not a limit, is what leaves frames out (T01 says that)."""
    options = wan.loader(view.options_of(clip), clip.media.rate) if view.is_for("wan") else view.options_of(clip)
    if not isinstance(options, musubi.Options):
        return False
    return musubi.whole(clip.facts, options).shown == window.shown


@rule(
    "T11", WARNING, "ai-toolkit's floating point drops frames that would fit",
    cost="eight frames and a third of a second of sound that would fit are cut off", trainers=("ai-toolkit",),
    advice="cut the clip one frame longer, or to another count: 49, 65, 73, 81, 89, 97, 105, 121 are safe at 25",
)  # fmt: skip
def floating(view: View) -> Iterator[Finding]:
    for clip, window in filmed(view):
        if window is None or not window.listed or not floored_away(view, clip, window):
            continue
        yield floating.finding(
            clip.name, f"it has {clip.media.frames} frames at {float(clip.media.rate or 0):.3f} a second, of which "
            f"{floor(clip.media.frames, group_of(view))} would fit, and {window.shown} are trained",
            cost=tail_lost(clip, window), severity=None if harmless(clip, window) or clip.words is None else ERROR,
        )  # fmt: skip


@rule(
    "T18", INFO, "a clip of whole seconds is one frame short",
    cost="whole seconds have 8k frames, and 8k+1 are asked for: seven frames more are lost than needed",
    advice="cut it by frames: one more frame keeps eight",
)  # fmt: skip
def one_short(view: View) -> Iterator[Finding]:
    if view.is_for("wan"):
        return
    for clip, window in filmed(view):
        frames, facts = clip.media.frames, clip.facts
        if facts.rate is None or frames % GROUP or facts.duration.denominator != 1:
            continue
        if window is None or (window.listed and _keeps_more(view, clip, window)):
            yield one_short.finding(
                clip.name, f"it lasts {facts.duration} s, {frames} frames, which is one short of {frames + 1}"
            )  # fmt: skip


def _keeps_more(view: View, clip: ClipView, window: Window) -> bool:
    """Whether more would be trained of the clip if it were one frame longer: not so where its rate is another's."""
    if view.module is None or window.shown > floor(clip.media.frames):
        return False
    longer = replace(clip.facts, frames=clip.facts.frames + 1)
    return view.module.window(longer, view.options_of(clip)).shown > window.shown


RULES = rules_in(globals())
