"""A seat at the review screen for tests: the whole screen in memory, a real desk, a player that only keeps time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import captioner.review.pieces  # noqa: F401  loaded before, so that no test waits for it
from captioner.review.actions import BY_ID
from captioner.review.audio.silent import Silent
from captioner.review.desk import Desk
from captioner.review.hearing import Hearing
from captioner.review.source import ClipSound, Look, Piece, Pixels
from captioner.review.tui.app import ReviewApp
from captioner.review.tui.look import Look as Wear
from captioner.review.tui.screens.review import ReviewScreen
from captioner.types import AudioStream, Recording, VideoStream
from tests.screen_grid import text_of

NAMED = {
    "]": "right_square_bracket", "[": "left_square_bracket", "}": "right_curly_bracket", "{": "left_curly_bracket",
    "+": "plus", "-": "minus", "=": "equals_sign", "/": "slash", ":": "colon", "?": "question_mark", ",": "comma",
    ".": "full_stop", "<": "less_than_sign", ">": "greater_than_sign",
}  # fmt: skip


class StillMedia:
    """Answers at once: a made waveform and, for pictures, three plain ones."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def look(self, piece: Piece, box: tuple[int, int], done: Callable[[Any], None]) -> None:
        self.asked.append(piece.cut.id)
        peaks = bytes(value & 255 for n in range(480) for value in (-wave(n), wave(n)))
        bands = bytes((x * y) % 16 for y in range(24) for x in range(160))
        width, height = min(box[0], box[1] * 16 // 9), min(box[1], box[0] * 9 // 16)
        colours = ((200, 60, 40), (60, 160, 80), (50, 90, 200))
        done(
            Look(piece.duration, peaks, bands, tuple(Pixels(width, height, bytes(c) * width * height) for c in colours))
        )

    def sound(self, piece: Piece, done: Callable[[Any], None]) -> None:
        count = round(piece.duration * 48000)
        done(ClipSound(bytes(4 * count), 0, count, 0))

    def film(self, piece: Piece, done: Callable[[Any], None]) -> None:
        pass

    def close(self) -> None:
        pass


def wave(step: int) -> int:
    return int(100 * abs(math.sin(step / 37)) * abs(math.sin(step / 5)))


def made_piece(desk: Desk) -> Callable[[str], Piece]:
    """Pieces of recordings that are nowhere: enough for `StillMedia`."""

    def piece(clip: str) -> Piece:
        now = desk.now(clip)
        video = VideoStream(0, "h264", 640, 360, Fraction(25), False, None, None, 0, Fraction(1), False, "sdr")
        recording = Recording(
            "/nowhere/" + now.row.recording, now.row.recording, now.cut.slug, "0" * 64,
            AudioStream(1, "aac", 48000, 2, 0.0, None), video,
        )  # fmt: skip
        return Piece(recording, None, now.cut)

    return piece


class Seat:
    """`await seat.press("a")`; `seat.text` is what stands on the screen."""

    def __init__(self, app: ReviewApp, pilot: Any, desk: Desk, media: StillMedia) -> None:
        self.app, self.pilot, self.desk, self.media = app, pilot, desk, media

    @property
    def screen(self) -> ReviewScreen:
        screen = self.app.screen
        assert isinstance(screen, ReviewScreen)
        return screen

    @property
    def text(self) -> str:
        return text_of(self.app)

    @property
    def status(self) -> str:
        """The line that says what was done."""
        return self.text.splitlines()[-2]

    @property
    def cursor(self) -> int:
        return self.desk.session.cursor

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*(NAMED.get(key, key) for key in keys))

    async def type(self, text: str) -> None:
        await self.press(*("space" if letter == " " else letter for letter in text))

    async def act(self, action: str) -> None:
        """Do an action as a person does: by its first key, or by name in the list of commands where it has none."""
        keys = BY_ID[action].keys
        if keys:
            await self.press(keys[0])
        else:
            await self.press(":")
            await self.type(BY_ID[action].title)
            await self.press("enter")

    async def rest(self, seconds: float = 0.1) -> None:
        """Let the cursor rest, so that the sound is shown."""
        await self.pilot.pause(seconds)


Script = Callable[[Seat], Awaitable[None]]


def sit(
    out: Path,
    script: Script,
    size: tuple[int, int] = (120, 36),
    look: Wear | None = None,
    *,
    read_only: bool = False,
    heard: bool = True,
) -> Any:
    """Run a script at the screen; returns how the review was left, None where it was not."""

    async def run() -> Any:
        with Desk(out, read_only=read_only) as desk:
            media = StillMedia()
            if heard:
                desk.piece = made_piece(desk)  # type: ignore[method-assign]
            now = [0.0]
            player = Silent(clock=lambda: now[0], text="no sound in tests")
            app = ReviewApp(desk, Hearing(media, player), look or Wear("dark"))  # type: ignore[arg-type]
            async with app.run_test(size=size) as pilot:
                seat = Seat(app, pilot, desk, media)
                seat.now = now  # type: ignore[attr-defined]
                await pilot.pause()
                await script(seat)
            return app.return_value

    return asyncio.run(run())
