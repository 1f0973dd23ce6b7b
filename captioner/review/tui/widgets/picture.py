"""Thumbnails as half blocks: two pixels a cell, in the 256 colours, runs of one colour sent once."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

BLOCK = "▀"
SHADES = " .:-=+*#%@"


class Pixels(Protocol):
    """uint8 (height, width, 3)."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def tobytes(self) -> bytes: ...


def half_blocks(pixels: Pixels) -> list[Strip]:
    """A picture of 2n rows of pixels as n lines of as many cells as it is wide."""
    height, width = pixels.shape[0] // 2 * 2, pixels.shape[1]
    data = pixels.tobytes()
    lines = []
    for y in range(0, height, 2):
        upper, lower = y * width * 3, (y + 1) * width * 3
        segments: list[Segment] = []
        run, colours = 0, (-1, -1)
        for x in range(0, width * 3, 3):
            pair = (_nearest(data[upper + x : upper + x + 3]), _nearest(data[lower + x : lower + x + 3]))
            if pair != colours and run:
                segments.append(Segment(BLOCK * run, _pair(*colours)))
                run = 0
            colours, run = pair, run + 1
        segments.append(Segment(BLOCK * run, _pair(*colours)))
        lines.append(Strip(segments, width))
    return lines


def shades(pixels: Pixels, style: Style) -> list[Strip]:
    """The same picture in ASCII: one sign a cell by its brightness."""
    height, width = pixels.shape[0] // 2 * 2, pixels.shape[1]
    data = pixels.tobytes()
    lines = []
    for y in range(0, height, 2):
        sums = [
            sum(data[(y + row) * width * 3 + x : (y + row) * width * 3 + x + 3][n] for row in (0, 1) for n in (0, 1, 2))
            for x in range(0, width * 3, 3)
        ]
        lines.append(
            Strip([Segment("".join(SHADES[min(value * len(SHADES) // 1531, 9)] for value in sums), style)], width)
        )
    return lines


@lru_cache(32768)
def _nearest(colour: bytes) -> int:
    """Of the 240 colours that every terminal shows alike, the nearest: the 6x6x6 cube or the grey ramp."""
    red, green, blue = colour
    levels = (0, 95, 135, 175, 215, 255)

    def level(value: int) -> int:
        return 0 if value < 48 else 1 if value < 115 else (value - 35) // 40

    cube = [level(value) for value in (red, green, blue)]
    grey = max(0, min(((red + green + blue) // 3 - 3) // 10, 23))
    shade = 8 + grey * 10

    def far(*other: int) -> int:
        return sum((one - two) ** 2 for one, two in zip((red, green, blue), other, strict=True))

    if far(shade, shade, shade) < far(*(levels[part] for part in cube)):
        return 232 + grey
    return 16 + 36 * cube[0] + 6 * cube[1] + cube[2]


@lru_cache(8192)
def _pair(upper: int, lower: int) -> Style:
    return Style(color=f"color({upper})", bgcolor=f"color({lower})")
