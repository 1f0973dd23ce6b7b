"""Screens of the review as text: `python -m tests.goldens.make_screens` writes them again after a wanted change.

Each file is what stands in the cells, and below it which role each cell has: read the difference like code.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from captioner.review.desk import Desk
from captioner.review.tui.look import Look
from tests.made_dataset import make_dataset
from tests.review_seat import Seat, sit
from tests.screen_grid import grid

HERE = Path(__file__).parent / "screens"
SIZES = ((80, 24), (120, 36), (200, 60))
LOOKS = {"dark": Look("dark"), "colour-safe": Look("colour-safe"), "ascii": Look("mono", ascii_only=True)}
KEYS: dict[str, tuple[str, ...]] = {
    "browse": (),
    "clip": ("enter",),
    "diff": ("j", "enter", "d"),
    "edit": ("e", "x"),
    "filter": ("/", "s", "t"),
    "reject": ("x",),
    "help": ("?",),
}
"""Screen -> what is pressed for it. `browse` and `clip` are kept in every look and size, others in one."""


def cases() -> Iterator[tuple[str, tuple[int, int], str]]:
    for name in KEYS:
        everywhere = name in ("browse", "clip")
        for size in SIZES if everywhere else SIZES[1:2] if name != "edit" else SIZES[:1]:
            for look in LOOKS if everywhere else ("dark",):
                if name != "clip" or size[0] < 100:
                    yield name, size, look


def file_of(name: str, size: tuple[int, int], look: str) -> Path:
    return HERE / f"{name}-{size[0]}x{size[1]}-{look}.txt"


def dataset(folder: Path) -> Path:
    """Thirty-four clips with a decision of every kind."""
    out = make_dataset(folder / "out", 34)
    with Desk(out) as desk:
        ids = list(desk.session.ids)
        desk.do("approve", clip=ids[2], confirmed=True)
        desk.do("reject", clip=ids[3], reason="noise or music")
        desk.do("flag", clip=ids[4], note="who is it?")
        words = desk.item(ids[1]).fields[0].value
        desk.do("set-field", clip=ids[1], field="speech", text=words.replace("the", "a", 1) + " Really.")
        desk.do("set-field", clip=ids[0], field="voice", text="hushed, hurried, close")
    return out


def screen(out: Path, name: str, size: tuple[int, int], look: str) -> str:
    """The grids of one screen."""
    made: list[str] = []

    async def script(seat: Seat) -> None:
        await seat.rest(0.15)
        for key in KEYS[name]:
            await seat.press(key)
        await seat.rest(0.15)
        made.append(grid(seat.app, LOOKS[look]))

    sit(out, script, size, LOOKS[look])
    return made[0]


def main() -> int:
    HERE.mkdir(exist_ok=True)
    kept = set()
    with tempfile.TemporaryDirectory() as folder:
        out = dataset(Path(folder))
        for case in cases():
            file_of(*case).write_text(screen(out, *case), encoding="utf-8")
            kept.add(file_of(*case))
    for old in set(HERE.glob("*.txt")) - kept:
        old.unlink()
    print(f"{len(kept)} screens in {HERE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
