"""T04 to T10, T12: frame rates and counts that make voices faster, and transcripts that say more than is heard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from captioner.checks.captiontext import speech
from captioner.checks.findings import Finding
from captioner.checks.lost import many, words_lost
from captioner.checks.modelrate import slower, wrong_speeds
from captioner.checks.rules import ERROR, WARNING, rule, rules_in
from captioner.checks.rules_time import blocks, counts_itself, filmed, members, same_rate
from captioner.checks.view import ClipView, View
from captioner.trainers import musubi
from captioner.trainers._window import SAME_TEMPO, Window


def played(window: Window) -> str:
    """How its voice comes out, in the listener's words; its picture where it has no sound."""
    told = [line for line in window.losses if "plays" in line]
    return f"this clip's {told[0].removeprefix('its ')}" if told else "sound and picture do not keep their time"


def stretched(window: Window) -> bool:
    return window.listed and abs(window.tempo - 1) > SAME_TEMPO


@rule(
    "T04", ERROR, "the sound of a long clip is squeezed into its beginning", hears=True,
    cost="the whole sound is squeezed into the first pictures: the voice plays fast, its pitch kept, and lips "
    "do not fit", trainers=("musubi",),
    advice='set frame_extraction = "full" with a max_frames that holds the longest clip, or cut the clips',
)  # fmt: skip
def squeezed(view: View) -> Iterator[Finding]:
    for clip, window in filmed(view):
        options = view.options_of(clip)
        if window is None or not stretched(window) or options.frame_extraction != "head":
            continue
        if abs(window.tempo / musubi.whole(clip.facts, options).tempo - 1) > SAME_TEMPO:
            most = max(one.shown for one in musubi.windows(clip.facts, options))
            yield squeezed.finding(
                clip.name, f"{most} of its {clip.media.frames} frames are used, with the sound of all of them: "
                f"{window.tempo:.2f}x",
                cost=f"{played(window)}, and its lips do not follow",
            )  # fmt: skip


@rule(
    "T05", ERROR, "one transcript is trained with several pieces of a clip", trainers=("musubi",), needs="config",
    hears=True,
    cost="every piece is trained with all of the words, of which it holds a part",
    advice='one target_frames for a block, and frame_extraction = "full"',
)  # fmt: skip
def pieces(view: View) -> Iterator[Finding]:
    for block in blocks(view):
        spoken = [clip for clip in members(view, block) if speech(clip.text or "")]
        several = [clip for clip in spoken if _partial(clip, block.options)]
        if several:
            made = len(musubi.windows(several[0].facts, block.options))
            line = block.line_of("target_frames" if len(block.options.target_frames) > 1 else "frame_extraction")
            yield pieces.finding(
                block.file, f"{block.name} makes {many(made, 'item')} of {several[0].name}, each with its whole "
                f"transcript; so of {many(len(several), 'clip')} in all", line=line,
            )  # fmt: skip


def _partial(clip: ClipView, options: musubi.Options) -> bool:
    """Whether several items are made of it, or one that is drawn from somewhere in it."""
    found = [one for one in musubi.windows(clip.facts, options) if one.listed]
    return len(found) > 1 or any(one.first for one in found)


@rule(
    "T06", ERROR, "target_frames or a rate is missing or of the wrong kind",
    cost="clips train as single pictures, or the run stops", trainers=("musubi",), needs="config",
    advice="target_frames = [121], target_fps = 25.0, source_fps = 25.0 (Wan: [81], and no target_fps)",
)  # fmt: skip
def targets(view: View) -> Iterator[Finding]:
    assert view.config is not None
    for fault in view.config.faults:
        if fault.kind != "unknown" and fault.key.rpartition(".")[2].partition("[")[0] in MUSUBI_COUNTS:
            yield targets.finding(
                fault.file, fault.told, cost=fault.cost, fix=fault.fix if "point" not in fault.told else None,
                line=fault.line,
            )  # fmt: skip
    wrong = {fault.key.rpartition(".target_frames")[0] for fault in view.config.faults}
    for block in blocks(view):
        if "target_frames" in block.fields or block.name in wrong or block.options.frame_extraction == "full":
            continue
        yield targets.finding(
            block.file, f"{block.name} has no target_frames, and the default is [1]", line=block.line,
            cost=f"{many(len(members(view, block)), 'clip')} train as one still picture each: nothing moves"
            + ("" if view.deaf else " or speaks"),
        )  # fmt: skip


MUSUBI_COUNTS = frozenset({"target_frames", "target_fps", "source_fps"})
"""Fields whose faults T06 reports; all others are P02's."""


@rule(
    "T07", ERROR, "a clip's frame rate is not the trainer's",
    cost="sound and lips drift apart, or the voice is squeezed",
    trainers=("musubi", "simpletuner", "ai-toolkit", "wan"),
    advice="set the trainer's rate to the clips' own, or make the clips at its rate",
)  # fmt: skip
def other_rate(view: View) -> Iterator[Finding]:
    if view.is_for("wan"):
        yield from (other_rate.finding(**one) for one in wrong_speeds(view))
        return
    for clip, window in filmed(view):
        if window is None or not window.listed or clip.media.rate is None or clip.media.variable:
            continue
        own, told = float(clip.media.rate), float(window.rate or 0)
        if view.is_for("musubi"):
            yield from _near_rate(view, clip)
        elif same_rate(clip, window) or not told:
            continue
        elif view.is_for("simpletuner"):
            drift = abs(window.shown / own - window.shown / told)
            yield other_rate.finding(
                clip.name, f"its {own:.3f} frames a second are taken for {told:.3f}",
                cost=f"lips and voice drift apart by {drift:.2f} s",
                fix=_rates_fix(view, clip, f"--framerate={own:g}, or clips at {told:g}",
                               "clips of one rate: there is one --framerate for all"),
            )  # fmt: skip
        elif counts_itself(view, clip):
            lost = words_lost(clip, window)
            yield other_rate.finding(
                clip.name, f"its {own:.3f} frames a second are drawn as {told:.3f}: of {clip.media.frames} frames "
                f"{window.shown} are made", severity=ERROR if lost else WARNING,
                cost="its time and pitch are kept; pictures are skipped or shown twice, and motion is uneven",
                fix=_rates_fix(view, clip, f"fps: {own:g} in the dataset block",
                               "a folder and a dataset block for each rate, with its fps"),
            )  # fmt: skip


def _rates_fix(view: View, clip: ClipView, one: str, several: str) -> str:
    """What to do where the clips of a block have one rate, and where they have several."""
    block = view.config.block_of(clip.path) if view.config is not None else None
    own = members(view, block) if block is not None else [clip]
    rates = sorted({float(each.media.rate) for each in own if each.media.rate is not None})
    return one if len(rates) <= 1 else f"{several} ({', '.join(f'{rate:g}' for rate in rates)})"


def _near_rate(view: View, clip: ClipView) -> Iterator[Finding]:
    """musubi takes 24 for 25 without drawing frames anew."""
    options, rate = view.options_of(clip), clip.media.rate
    target = options.target_fps
    source = musubi_source(clip, options)
    if rate is None or target is None or abs(float(source) / target - 1) < SAME_TEMPO / 10:
        return
    if not musubi.resamples(source, options):
        made = musubi.whole(clip.facts, options)
        yield other_rate.finding(
            clip.name, f"its {float(rate):.3f} frames a second are played as {target:g}",
            cost=f"{played(made)}" if stretched(made) else "its motion plays at another speed than its sound",
            fix=_rates_fix(view, clip, f"target_fps = {round(float(rate), 3)!r}",
                           "a folder and a block for each rate, with its target_fps"),
        )  # fmt: skip


def musubi_source(clip: ClipView, options: musubi.Options) -> Any:
    """The rate that musubi believes a clip to have."""
    from fractions import Fraction

    return Fraction(str(options.source_fps)) if options.source_fps else clip.media.rate


@rule(
    "T08", ERROR, "a clip is slower than target_fps",
    cost="the picture plays too fast beside its sound, or the clip is left out without a word", trainers=("musubi",),
    advice="set target_fps to the clip's own rate: frames are never doubled",
)  # fmt: skip
def too_slow(view: View) -> Iterator[Finding]:
    for clip, window in filmed(view):
        options = view.options_of(clip)
        source = musubi_source(clip, options)
        if window is None or source is None or options.target_fps is None or source >= options.target_fps:
            continue
        if musubi.resamples(source, options):
            made = musubi.whole(clip.facts, options)
            yield too_slow.finding(
                clip.name, f"it has {float(source):.3f} frames a second, and {options.target_fps:g} are asked for",
                cost=slower(options.target_fps / float(source), "it") if window.listed and view.deaf
                else played(made) if window.listed else f"it is left out without a line in the log: {window.losses[0]}",
            )  # fmt: skip


@rule(
    "T09", ERROR, "a clip is stretched to a fixed number of frames",
    cost="the voice plays at another tempo and, unless audio_preserve_pitch is on, at another "
    "pitch", trainers=("ai-toolkit",),
    advice="auto_frame_count: true (and trim_auto_frame_count_tail left on): clips keep their time",
)  # fmt: skip
def fixed_count(view: View) -> Iterator[Finding]:
    for clip, window in filmed(view):
        if window is None or not window.listed or not window.certain or counts_itself(view, clip):
            continue
        faster = float(clip.facts.duration * window.rate / window.shown) if window.rate and window.shown else 1.0
        if abs(faster - 1) <= SAME_TEMPO and not stretched(window):
            continue
        pitch = f", {window.semitones:+.1f} semitones" if window.samples else ""
        ratio = window.tempo if window.samples else faster
        yield fixed_count.finding(
            clip.name, f"its {clip.media.frames} frames ({float(clip.facts.duration):.2f} s) are made {window.shown} "
            f"({float(window.shown / (window.rate or 1)):.2f} s): tempo {ratio:.3f}{pitch}",
            cost=played(window),
        )  # fmt: skip


@rule(
    "T10", ERROR, "no video is listed", trainers=("ai-toolkit",), needs="config",
    cost="not one clip is trained: num_frames 1 makes a dataset of pictures, and videos are not looked for",
    advice="auto_frame_count: true",
)  # fmt: skip
def pictures_only(view: View) -> Iterator[Finding]:
    for block in blocks(view):
        options = block.options
        if options.auto_frame_count or options.num_frames > 1:
            continue
        given = "num_frames is 1" if "num_frames" in block.fields else "num_frames is not given (1)"
        yield pictures_only.finding(
            block.file, f"{block.name}: {given} and auto_frame_count is off: none of "
            f"{many(len(members(view, block)), 'video')} is listed at all", line=block.line_of("num_frames"),
        )  # fmt: skip


@rule(
    "T12", WARNING, "another stretch of a clip is drawn each time", trainers=("ai-toolkit",), needs="config",
    cost="its caption says all words, and the sound holds those of a window that moves",
    advice="auto_frame_count: true, or clips of exactly num_frames",
)  # fmt: skip
def drawn(view: View) -> Iterator[Finding]:
    for block in blocks(view):
        moving = [clip for clip in members(view, block) if (one := view.window(clip)) and not one.certain]
        if moving:
            spoken = sum(1 for clip in moving if speech(clip.text or ""))
            yield drawn.finding(
                block.file, f"{block.name}: of {many(len(moving), 'clip')} ({spoken} with speech) "
                f"{block.options.num_frames} frames are taken from a random start, such as {moving[0].name}",
                line=block.line_of("shrink_video_to_frames"),
            )  # fmt: skip


RULES = rules_in(globals())
