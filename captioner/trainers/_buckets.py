"""`WIDTHxHEIGHTxFRAMES` buckets, as LTX's trainer and its forks take them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from captioner.errors import SettingsError
from captioner.trainers._window import ClipFacts

STEP, GROUP = 32, 8
"""Pixels a latent cell, and frames a latent frame, of LTX's video autoencoder."""


@dataclass(frozen=True, slots=True, order=True)
class Bucket:
    width: int
    height: int
    frames: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}x{self.frames}"


def parse_buckets(text: str) -> tuple[Bucket, ...]:
    """`960x544x49;512x512x121`. Raises SettingsError where the trainer would refuse it."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        sides = part.lower().split("x")
        if len(sides) != 3 or not all(side.strip().isdecimal() for side in sides):
            raise SettingsError(f"bucket {part!r}: give WIDTHxHEIGHTxFRAMES such as 768x512x121")
        width, height, frames = map(int, sides)
        if not width or not height or width % STEP or height % STEP:
            raise SettingsError(f"bucket {part!r}: width and height must be multiples of {STEP}")
        if frames < 1 or frames % GROUP != 1:
            raise SettingsError(f"bucket {part!r}: {frames} frames are not 8k+1; give {floor(frames)}")
        found.append(Bucket(width, height, frames))
    if not found:
        raise SettingsError("no bucket: give WIDTHxHEIGHTxFRAMES such as 768x512x121")
    return tuple(found)


def written(buckets: Sequence[Bucket]) -> str:
    return ";".join(map(str, buckets))


def floor(frames: int, group: int = GROUP) -> int:
    """The most frames of `group` x n + 1 that fit, at least 1."""
    return max(1, (frames - 1) // group * group + 1)


def chosen(clip: ClipFacts, buckets: Sequence[Bucket]) -> Bucket | None:
    """The bucket that a clip goes to: nearest in shape, then most frames, then most pixels, of those that it fills."""
    fitting = [bucket for bucket in buckets if bucket.frames <= clip.frames]
    if not fitting:
        return None
    shape = Fraction(clip.width, clip.height) if clip.width and clip.height else None

    def rank(bucket: Bucket) -> tuple[Fraction, int, int]:
        off = abs(Fraction(bucket.width, bucket.height) - shape) if shape is not None else Fraction(0)
        return off, -bucket.frames, -bucket.width * bucket.height

    return min(fitting, key=rank)


def common_buckets(clips: Sequence[ClipFacts]) -> tuple[Bucket, ...]:
    """The commonest size with every frame count that its clips have: each clip then fills a bucket exactly."""
    pictures = [clip for clip in clips if clip.frames]
    sizes = Counter((_near(clip.width), _near(clip.height)) for clip in pictures)
    if not sizes:
        return ()
    (width, height), _ = max(sizes.items(), key=lambda size: (size[1], size[0]))
    return tuple(Bucket(width, height, frames) for frames in sorted({floor(clip.frames) for clip in pictures}))


def _near(side: int) -> int:
    return max(STEP, round(side / STEP) * STEP)
