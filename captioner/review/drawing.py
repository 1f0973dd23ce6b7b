"""Waveforms and spectrograms in characters and coloured half blocks, from the few bytes that are kept of a clip.

Pure and without NumPy: a pane is drawn in about a millisecond, in a process that shows text.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from captioner.review.source import Pixels

COLUMNS = 480
"""Steps of a kept waveform: two for each cell of a pane of 240."""

BANDS, STEPS = 24, 160
"""Rows and columns of a kept spectrogram."""

LEAST_PEAK = 8
"""Of 127: a clip whose loudest sample is softer is drawn as soft as it is, not blown up to noise."""

_LEFT = (0x40, 0x04, 0x02, 0x01)
"""Braille dots of a cell's left column, from the bottom."""
_RIGHT = (0x80, 0x20, 0x10, 0x08)
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_SHADES = " .:-=+*#%@"

PALETTE = (
    (0, 0, 4), (12, 8, 38), (30, 12, 69), (52, 10, 95), (74, 12, 107), (96, 19, 110), (118, 27, 109), (140, 35, 105),
    (162, 43, 98), (183, 55, 84), (203, 65, 73), (221, 81, 58), (236, 104, 37), (246, 133, 15), (250, 180, 40),
    (245, 235, 130),
)  # fmt: skip
"""Dark to bright, 16 colours: more would cost a terminal 40 KB for each pane."""


def steps(peaks: bytes, columns: int) -> list[tuple[int, int]]:
    """(least, greatest) of each of `columns` equal steps of a kept waveform."""
    lows, highs = array("b", peaks[0::2]), array("b", peaks[1::2])
    total = len(lows)
    out = []
    for column in range(columns if total else 0):
        first = column * total // columns
        last = max(first + 1, (column + 1) * total // columns)
        out.append((min(lows[first:last]), max(highs[first:last])))
    return out


def braille(peaks: bytes, width: int, rows: int) -> tuple[str, ...]:
    """The waveform about its middle: 2 steps and 4 heights a cell, scaled to its loudest."""
    drawn = steps(peaks, 2 * width)
    if not drawn:
        return (" " * width,) * rows
    half, full = 2 * rows, _loudest(drawn)
    cells = [[0] * width for _ in range(rows)]
    for column, (low, high) in enumerate(drawn):
        bits = _RIGHT if column % 2 else _LEFT
        up, down = round(max(0, high) * half / full), round(max(0, -low) * half / full)
        bottom, top = half - down, half + max(up, 0 if down else 1)
        for height in range(bottom, min(top, 4 * rows)):
            cells[rows - 1 - height // 4][column // 2] |= bits[height % 4]
    return tuple("".join(chr(0x2800 + cell) for cell in row) for row in cells)


def blocks(peaks: bytes, width: int, rows: int) -> tuple[str, ...]:
    """The loudness of each cell's step as a bar of eighths from the bottom."""
    return _bars(peaks, width, rows, _EIGHTHS)


def ascii_wave(peaks: bytes, width: int, rows: int) -> tuple[str, ...]:
    """The same with signs that every terminal and printer has."""
    return _bars(peaks, width, rows, " .|")


def _bars(peaks: bytes, width: int, rows: int, signs: str) -> tuple[str, ...]:
    drawn = steps(peaks, width)
    if not drawn:
        return (" " * width,) * rows
    fine, full = len(signs) - 1, _loudest(drawn)
    heights = [max(1, round(max(-low, high) * rows * fine / full)) for low, high in drawn]
    return tuple(
        "".join(signs[max(0, min(height - row * fine, fine))] for height in heights) for row in range(rows - 1, -1, -1)
    )


def _loudest(drawn: Sequence[tuple[int, int]]) -> int:
    return max(LEAST_PEAK, *(max(-low, high) for low, high in drawn))


def spectrogram(bands: bytes, width: int, rows: int) -> Pixels:
    """(2 x rows, width) pixels, low frequencies at the bottom: two pixels make one half-block cell."""
    colours = [bytes(colour) for colour in PALETTE]
    lines = [_band(bands, height, 2 * rows, width) for height in range(2 * rows - 1, -1, -1)]
    return Pixels(width, 2 * rows, b"".join(colours[value] for line in lines for value in line))


def spectrogram_ascii(bands: bytes, width: int, rows: int) -> tuple[str, ...]:
    """The same as shades, one sign a cell."""
    return tuple(
        "".join(_SHADES[value * (len(_SHADES) - 1) // 15] for value in _band(bands, height, rows, width))
        for height in range(rows - 1, -1, -1)
    )


def _band(bands: bytes, height: int, heights: int, width: int) -> list[int]:
    """0 to 15 of each column of one of `heights` lines of a picture, the loudest of what falls into it."""
    if not bands:
        return [0] * width
    first = height * BANDS // heights
    last = max(first + 1, (height + 1) * BANDS // heights)
    rows = [bands[band * STEPS : (band + 1) * STEPS] for band in range(first, last)]
    line = []
    for column in range(width):
        left = column * STEPS // width
        right = max(left + 1, (column + 1) * STEPS // width)
        line.append(max(max(row[left:right]) for row in rows))
    return line


def beside(pictures: Sequence[Pixels], gap: int = 1) -> Pixels | None:
    """Pictures of one height in a row with `gap` black pixels between them; None where there are none."""
    if not pictures:
        return None
    height, black = pictures[0].height, bytes(3 * gap)
    lines = [
        black.join(each.data[row * each.width * 3 : (row + 1) * each.width * 3] for each in pictures)
        for row in range(height)
    ]
    return Pixels(sum(each.width for each in pictures) + gap * (len(pictures) - 1), height, b"".join(lines))
