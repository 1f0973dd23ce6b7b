"""What goes over the wire, told to a terminal: after any updates it shows what a full repaint would show."""

from __future__ import annotations

import pyte
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.console import Console
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from captioner.review.tui.look import Look
from captioner.review.tui.wire import Wire

WIDTH, HEIGHT = 24, 3
CONSOLE = Console(color_system="256", force_terminal=True)
ROLES = st.sampled_from(["text", "soft", "cursor", "error", "doubt", "bar", "bar_accent", "hit"])
TEXTS = st.text(st.sampled_from("ab  c日é\u0301"), max_size=9)
LINES = st.lists(st.lists(st.tuples(TEXTS, ROLES), max_size=4), min_size=HEIGHT, max_size=HEIGHT)


def strips(lines: list[list[tuple[str, str]]], name: str) -> list[Strip]:
    look = Look(name)
    # an accent belongs to the letter before it, never to the beginning of another piece
    return [look.strip([(text.lstrip("\u0301"), role) for text, role in line], WIDTH) for line in lines]


class Shown:
    def __init__(self) -> None:
        # one column more: pyte wraps where an accent follows the last cell, which terminals do not
        self.screen = pyte.Screen(WIDTH + 1, HEIGHT)
        self.stream = pyte.Stream(self.screen)

    def feed(self, text: str) -> None:
        self.stream.feed(text)

    def cells(self) -> list[list[tuple[object, ...]]]:
        return [
            [
                (cell.data, cell.bg, cell.underscore, cell.reverse, *_ink(cell))
                for cell in (self.screen.buffer[y][x] for x in range(WIDTH))
            ]
            for y in range(HEIGHT)
        ]  # fmt: skip


def _ink(cell: object) -> tuple[object, ...]:
    """What a letter is written in; a blank is written in nothing."""
    return () if cell.data == " " and not cell.underscore else (cell.fg, cell.bold)


def whole(lines: list[Strip]) -> LayoutUpdate:
    return LayoutUpdate([[line] for line in lines], Region(0, 0, WIDTH, HEIGHT))


@given(st.sampled_from(["dark", "mono"]), st.lists(LINES, min_size=2, max_size=4), st.integers(0, 12))
def test_differences_end_in_what_a_full_repaint_shows(name: str, frames: list, cut: int) -> None:
    # what a terminal makes of an accent on its own is its own affair
    assume(not any(line.crop(cut).text.startswith("\u0301") for frame in frames for line in strips(frame, name)))
    repainted(name, frames, cut)


def test_an_accent_that_a_cut_takes_from_its_letter_comes_and_goes_with_it() -> None:
    repainted("dark", [[[], [], []], [[("aa\u0301a", "text")], [], []], [[("aaa", "text")], [], []]], 2)


def repainted(name: str, frames: list, cut: int) -> None:
    """After each frame's differences the terminal shows what it would show if all were painted."""
    wire, seen = Wire(), Shown()
    seen.feed(wire.encode(whole(strips(frames[0], name)), CONSOLE))
    for frame in frames[1:]:
        lines = strips(frame, name)
        chops = [{0: line.crop(0, cut), cut: line.crop(cut)} if cut else {0: line} for line in lines]
        spans = [(y, 0, WIDTH) for y in range(HEIGHT)]
        seen.feed(wire.encode(ChopsUpdate(chops, spans, [[cut, WIDTH] if cut else [WIDTH]] * HEIGHT), CONSOLE))
        wanted = Shown()
        joined = [Strip.join(line.values()) for line in chops]  # a cut through a wide character leaves two blanks
        wanted.feed("".join(f"\x1b[{y + 1};1H{line.render(CONSOLE)}" for y, line in enumerate(joined)))
        assert seen.cells() == wanted.cells()


def test_what_is_shown_already_is_not_sent_again() -> None:
    look, wire = Look("dark"), Wire()
    lines = [look.strip([("where did you live", "text")], WIDTH)] * HEIGHT
    wire.encode(whole(lines), CONSOLE)
    update = [{0: line} for line in lines]
    assert wire.encode(ChopsUpdate(update, [(0, 0, WIDTH)], [[WIDTH]]), CONSOLE) == ""
    update[1] = {0: look.strip([("where did you leave", "text")], WIDTH)}
    sent = wire.encode(ChopsUpdate(update, [(1, 0, WIDTH)], [[WIDTH]]), CONSOLE)
    assert sent.startswith("\x1b[2;16H")
    assert "eave" in sent
    assert "where" not in sent


def test_a_blank_takes_no_colour_of_its_own() -> None:
    look, wire = Look("dark"), Wire()
    line = look.strip([("a", "soft"), (" ", "text"), ("b", "soft")], WIDTH)
    sent = wire.encode(whole([line] * HEIGHT), CONSOLE)
    assert "a b" in sent


def test_a_full_repaint_forgets_what_was_shown_before() -> None:
    look, wire = Look("dark"), Wire()
    first = wire.encode(whole([look.strip([("one", "text")], WIDTH)] * HEIGHT), CONSOLE)
    assert wire.encode(whole([look.strip([("one", "text")], WIDTH)] * HEIGHT), CONSOLE) == first
