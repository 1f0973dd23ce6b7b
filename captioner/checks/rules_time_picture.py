"""T13 to T17: clips whose picture is not what it says, and buckets that do not fit it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from captioner.checks.findings import Finding
from captioner.checks.lost import many, tail_lost
from captioner.checks.rules import ERROR, INFO, WARNING, rule, rules_in
from captioner.checks.rules_time import filmed
from captioner.checks.view import ClipView, View
from captioner.trainers import wan
from captioner.trainers._buckets import MOST_CROP, STEP, Bucket, chosen
from captioner.trainers._buckets import cropped as cut_off

MOST_GROWTH = 1.05
"""Times by which a picture may be enlarged before it is said: rounding a side up to 32 stays below."""


@rule(
    "T13",
    ERROR,
    "a clip's frames are not what its file says",
    cost="sound and picture drift apart; where frames are missing LTX stops and ai-toolkit shows the last one again",
    advice="write it again at a constant rate",
)
def uneven(view: View) -> Iterator[Finding]:
    for clip, _ in filmed(view):
        media = clip.media
        if media.variable:
            yield uneven.finding(
                clip.name, f"its frame rate varies (average {float(media.rate or 0):.3f})",
                cost="it is played at the average: lips and voice drift apart and come together again",
            )  # fmt: skip
        promised = media.container_frames
        if promised is not None and promised != media.frames:
            crash = {"ltx": "its loader stops where frames are missing", "id-lora": "its loader stops there",
                     "ai-toolkit": "its last frame stands still to the end"}  # fmt: skip
            missing = promised > media.frames
            yield uneven.finding(
                clip.name, f"its file promises {many(promised, 'frame')} and holds {media.frames}",
                cost=crash.get(view.trainer or "", "loaders stop there, or show the last frame to the end")
                if missing else "frames that the file does not count are never trained",
                fix="write or download it again: it is cut short" if missing else None,
            )  # fmt: skip


_TURNED_BY = frozenset({"ai-toolkit"})


@rule(
    "T14", ERROR, "a clip is to be turned, and its trainer does not turn it",
    cost="it is trained lying on its side",
    advice="write it again upright, without a rotation flag",
)  # fmt: skip
def sideways(view: View) -> Iterator[Finding]:
    if view.trainer in _TURNED_BY:
        return
    for clip, _ in filmed(view):
        if clip.media.rotation:
            yield sideways.finding(
                clip.name, f"players turn it by {clip.media.rotation} degrees",
                cost="it is trained as it is stored: people lie on their side" if clip.media.rotation != 180
                else "it is trained upside down",
                severity=None if view.is_for("ltx", "id-lora", "musubi") else WARNING,
            )  # fmt: skip


def buckets_of(options: Any) -> tuple[Bucket, ...]:
    """Of LTX's trainer and its forks; empty for others."""
    found: tuple[Bucket, ...] = getattr(options, "buckets", ())
    return found


@rule(
    "T15", WARNING, "the bucket nearest in shape holds fewer frames",
    cost="clips of that shape train on a fraction of their frames, and their words behind it are never "
    "heard", trainers=("ltx", "id-lora"),
    advice="give every size the same frame counts, or one size alone; train several buckets with batch_size: 1",
)  # fmt: skip
def shorter_bucket(view: View) -> Iterator[Finding]:
    for clip, window in filmed(view):
        buckets = buckets_of(view.options_of(clip))
        taken = chosen(clip.facts, buckets)
        if window is None or not window.listed or taken is None:
            continue
        most = max((one for one in buckets if one.frames <= clip.media.frames), key=lambda one: one.frames)
        if most.frames > taken.frames:
            yield shorter_bucket.finding(
                clip.name, f"its shape puts it into {taken}, though {most} would take {most.frames} frames",
                cost=tail_lost(clip, window),
            )  # fmt: skip
    config = view.config
    several = len(buckets_of(view.options)) > 1
    if config is not None and several and (config.batch_size or 1) > 1 and config.batch is not None:
        yield shorter_bucket.finding(
            config.batch.file,
            f"{config.batch.key} is {config.batch_size} with {len(buckets_of(view.options))} buckets",
            cost="clips of several shapes cannot be put into one batch: training stops", fix="batch_size: 1",
            line=config.batch.line, severity=ERROR,
        )  # fmt: skip


@rule(
    "T16", WARNING, "clips of several frame rates share a batch", trainers=("ltx", "id-lora"),
    cost="the first clip's rate is used for all of a batch: voices and lips of the others are put in the wrong place",
    advice="batch_size: 1, or clips of one rate",
)  # fmt: skip
def mixed_rates(view: View) -> Iterator[Finding]:
    batch = view.config.batch if view.config is not None else None
    if view.config is not None and view.config.batch_size == 1:
        return
    rates = Counter(clip.media.rate for clip, window in filmed(view) if window is not None and window.listed)
    if len(rates) > 1 and (batch is not None or view.config is None):
        told = ", ".join(f"{many(count, 'clip')} of {float(rate or 0):.3g}" for rate, count in rates.most_common())
        size = f" and {batch.key} is {batch.value}" if batch is not None else "; train them with batch_size: 1"
        yield mixed_rates.finding(
            batch.file if batch is not None else ".", f"there are {told} frames a second{size}",
            line=batch.line if batch is not None else None, severity=None if batch is not None else INFO,
        )  # fmt: skip


@rule(
    "T17", WARNING, "a clip's picture is cropped or enlarged",
    cost="heads are cut off, or the picture is soft",
    advice="choose a bucket of the clips' shape and size, or crop them yourself with the face in view",
)  # fmt: skip
def cropped(view: View) -> Iterator[Finding]:
    for clip, window in filmed(view):
        media = clip.media
        if not media.width or not media.height or (window is not None and not window.listed):
            continue
        bucket = chosen(clip.facts, buckets_of(view.options_of(clip))) if window is not None else None
        if bucket is not None:
            yield from _into(clip, bucket)
            continue
        step = wan.step(view.options_of(clip)) if view.is_for("wan") else STEP
        if media.width % step or media.height % step:
            yield cropped.finding(
                clip.name, f"its picture is {media.width} x {media.height}, not in multiples of {step}",
                cost=f"up to {max(media.width % step, media.height % step)} lines of its edge are cut off or squeezed",
                fix=f"make it {media.width // step * step} x {media.height // step * step}", severity=INFO,
            )  # fmt: skip


def _into(clip: ClipView, bucket: Bucket) -> Iterator[Finding]:
    """What filling a bucket does to a picture: it is scaled until it covers it, and the rest is cut off."""
    across, down = Fraction(bucket.width, clip.media.width), Fraction(bucket.height, clip.media.height)
    scale = max(across, down)
    crop = cut_off((clip.media.width, clip.media.height), (bucket.width, bucket.height))
    if crop > MOST_CROP:
        sides = "above and below" if across > down else "left and right"
        yield cropped.finding(
            clip.name, f"{bucket} cuts {crop:.0%} of its {clip.media.width} x {clip.media.height} off, {sides}",
            cost="a face at the edge is cut off" + (", heads first" if sides == "above and below" else ""),
        )  # fmt: skip
    if float(scale) > MOST_GROWTH:
        yield cropped.finding(
            clip.name, f"{bucket} enlarges its {clip.media.width} x {clip.media.height} {float(scale):.2f} times",
            cost="blur is learnt as what the world looks like",
        )  # fmt: skip


RULES = rules_in(globals())
