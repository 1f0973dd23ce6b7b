"""The drawn pictures of the samples: a face whose mouth moves with the sound, and a landscape."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""uint8 (height, width, 3), RGB."""

LOOKS = {  # skin, hair, clothes
    "allison": ((236, 200, 176), (122, 62, 30), (172, 48, 70)),
    "austen_reader": ((222, 184, 150), (54, 44, 40), (40, 70, 120)),
    "sonnet_reader": ((160, 112, 84), (24, 18, 16), (214, 164, 52)),
    "walker": ((240, 210, 190), (196, 160, 90), (70, 110, 70)),
}
WALLS = ((92, 126, 140), (176, 152, 116), (98, 92, 138), (132, 152, 108), (150, 110, 110), (84, 98, 116))


def face(who: str, shot: int, time: float, mouth: float, size: tuple[int, int] = (512, 288)) -> Picture:
    """Head and shoulders of `who` before a wall that differs from shot to shot; `mouth` 0 closed to 1 open."""
    width, height = size
    skin, hair, clothes = LOOKS[who]
    picture: Picture = np.empty((height, width, 3), np.uint8)
    picture[:] = WALLS[shot % len(WALLS)]
    _furniture(picture, shot)
    unit = min(width, height) / 288
    x = width // 2 + int((-60, 0, 60)[shot % 3] * unit) + round(2 * math.sin(time * 0.9))
    y = int(height * 0.46) + round(2 * math.sin(time * 1.7))
    scale = unit * (1.0, 1.15, 0.9)[shot // 3 % 3]

    def oval(dx: float, dy: float, rx: float, ry: float, colour: tuple[int, int, int]) -> None:
        centre = (round(x + dx * scale), round(y + dy * scale))
        cv2.ellipse(
            picture, centre, (max(1, round(rx * scale)), max(1, round(ry * scale))), 0, 0, 360, colour, -1, cv2.LINE_AA
        )

    oval(0, 150, 100, 78, clothes)
    oval(0, -8, 68, 86, hair)
    oval(0, 62, 22, 40, skin)
    oval(0, 6, 56, 72, skin)
    oval(0, -62, 58, 24, hair)
    open_eyes = 1.0 if time % 3.7 > 0.14 else 0.15
    for side in (-22, 22):
        oval(side, -8, 9, 7 * open_eyes, (250, 250, 250))
        oval(side, -8, 4, 5 * open_eyes, (30, 30, 30))
    oval(0, 40, 18 + 4 * mouth, 2 + 14 * mouth, (120, 30, 40))
    return picture


def _furniture(picture: Picture, shot: int) -> None:
    height, width = picture.shape[:2]
    colour = tuple(int(part * 0.75) for part in WALLS[shot % len(WALLS)])
    left = (shot * 97) % (width // 2)
    cv2.rectangle(picture, (left, height // 10), (left + width // 5, height // 2), colour, -1)
    cv2.rectangle(picture, (0, height * 5 // 6), (width, height), tuple(int(part * 0.6) for part in colour), -1)


def scenery(time: float, size: tuple[int, int] = (512, 288)) -> Picture:
    """Hills under a sun that moves: nobody is seen."""
    width, height = size
    picture: Picture = np.empty((height, width, 3), np.uint8)
    picture[:] = (250, 206, 150)
    cv2.circle(picture, (round(60 + 24 * time), round(90 - 3 * time)), 30, (255, 240, 190), -1, cv2.LINE_AA)
    cv2.ellipse(picture, (width // 4, height), (260, 120), 0, 0, 360, (120, 130, 84), -1, cv2.LINE_AA)
    cv2.ellipse(picture, (width * 3 // 4, height), (280, 90), 0, 0, 360, (88, 104, 70), -1, cv2.LINE_AA)
    return picture
