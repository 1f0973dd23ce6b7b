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


MOST_CROP = 0.15
"""Share of a picture that may be cut off: more may take the head of who speaks."""


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
    """A size for each shape, the commonest of its clips, with every frame count that they have: each clip then fills a
    bucket exactly, and none is cropped by more than MOST_CROP."""
    pictures = [clip for clip in clips if clip.frames]
    sizes = Counter((_near(clip.width), _near(clip.height)) for clip in pictures)
    taken: list[tuple[int, int]] = []
    for size, _ in sorted(sizes.items(), key=lambda one: (one[1], one[0]), reverse=True):
        if all(cropped(size, other) > MOST_CROP for other in taken):
            taken.append(size)
    found = set()
    for clip in pictures:
        shape = Fraction(clip.width or STEP, clip.height or STEP)
        width, height = min(taken, key=lambda size: (abs(Fraction(*size) - shape), taken.index(size)))
        found.add(Bucket(width, height, floor(clip.frames)))
    return tuple(sorted(found))


def cropped(size: tuple[int, int], bucket: tuple[int, int]) -> float:
    """Share of a picture that is cut off where it is scaled until it covers a bucket."""
    across, down = Fraction(bucket[0], size[0]), Fraction(bucket[1], size[1])
    return 1 - float(min(across, down) / max(across, down))


def _near(side: int) -> int:
    return max(STEP, round(side / STEP) * STEP)
