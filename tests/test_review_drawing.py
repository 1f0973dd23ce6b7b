"""What the review draws and how its one line of text is edited: pure, so tested without a terminal."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.strip import Strip

from captioner.review.tui.editing import DELETES, MOVES, Buffer, boundaries, broken, index_at, place_of, press
from captioner.review.tui.layout import layout, top_of
from captioner.review.tui.look import Look, wrap
from captioner.review.tui.palette import ASCII, FINE, LOOKS, ROLES, THEMES, chosen, sgr, spec
from captioner.review.tui.pane import changed
from captioner.review.tui.rows import Row, clean, fit, row_pieces, width_of
from captioner.review.tui.widgets.diff import word_diff
from captioner.review.tui.widgets.picture import half_blocks, shades
from captioner.review.tui.widgets.statusbar import between, key_bar, lasting
from captioner.review.tui.widgets.wave import Spoken, play_bar, wave_lines, word_line

TEXTS = st.text(st.sampled_from("ab c'é日本\u0301\u200b\x07.-"), max_size=40)


# -- editing -----------------------------------------------------------------------------------------------------------


@given(TEXTS, st.lists(st.sampled_from([*MOVES, *DELETES, "x", "é", " ", "shift+left", "shift+end", "alt+u", "alt+r"])))
def test_a_cursor_always_stands_between_two_characters(text: str, keys: list[str]) -> None:
    buffer = Buffer.of(text)
    for key in keys:
        buffer = (press(buffer, key) if len(key) > 1 else buffer.insert(key)) or buffer
        assert buffer.cursor in boundaries(buffer.text)
        assert all(0 <= end <= len(buffer.text) for end in buffer.selection)


@given(TEXTS, st.lists(st.sampled_from(["ctrl+w", "backspace", "x", "ctrl+u", "left", "ctrl+k"]), max_size=20))
def test_what_was_typed_is_undone_step_by_step(text: str, keys: list[str]) -> None:
    first = buffer = Buffer.of(text)
    for key in keys:
        buffer = (press(buffer, key) if len(key) > 1 else buffer.insert(key)) or buffer
    last = buffer.text
    while buffer.past:
        buffer = press(buffer, "alt+u") or buffer
    assert buffer.text == first.text
    while buffer.future:
        buffer = press(buffer, "alt+r") or buffer
    assert buffer.text == last


def test_keys_do_what_they_are_known_for() -> None:
    buffer = Buffer.of("where did you live")
    assert press(buffer, "ctrl+w").text == "where did you "
    assert press(press(buffer, "ctrl+left"), "ctrl+k").text == "where did you "
    assert press(press(buffer, "home"), "ctrl+right").cursor == 6
    assert press(press(buffer, "home"), "delete").text == "here did you live"
    assert press(press(buffer, "shift+home"), "left").cursor == 0
    assert press(buffer, "shift+home").insert("x").text == "x"
    assert press(buffer, "f12") is None


def test_an_accent_goes_with_its_letter() -> None:
    assert press(Buffer.of("cafe\u0301"), "backspace").text == "caf"


def test_a_pasted_line_end_becomes_a_blank() -> None:
    assert Buffer.of("a").insert("b\nc\td").text == "ab c d"


@given(TEXTS, st.integers(4, 30))
def test_every_shown_line_has_room_for_the_cursor(text: str, width: int) -> None:
    starts = (*broken(text, width), len(text))
    for first, last in itertools.pairwise(starts):
        assert width_of(text[first:last].rstrip()) <= width - 1
    for place in boundaries(text):
        line, cell = place_of(place, text, width)
        assert 0 <= cell < width
        if cell < width - 1:
            assert place_of(index_at(line, cell, text, width), text, width)[0] == line


# -- drawing -----------------------------------------------------------------------------------------------------------


@given(TEXTS, st.integers(1, 50))
def test_a_text_fits_in_exactly_its_cells(text: str, width: int) -> None:
    assert width_of(fit(clean(text), width, "…")) == width


def test_nothing_in_a_text_reaches_the_terminal_as_a_command() -> None:
    assert clean("a\x1b[2J\u202eb\u200bc") == "a\ufffd[2J\ufffdb\ufffdc"
    assert clean("two\nlines") == "two lines"


@given(
    st.builds(
        Row, st.integers(1, 99999), st.sampled_from(["todo", "edited", "approved", "rejected", "flagged", "locked"]),
        TEXTS, st.floats(0, 99), st.none() | st.floats(0, 1), TEXTS, st.integers(0, 9), st.booleans(), st.booleans(),
    ),
    st.integers(10, 160), st.booleans(),
)  # fmt: skip
def test_a_row_is_as_wide_as_the_list(row: Row, width: int, cursor: bool) -> None:
    for sign in (FINE, ASCII):
        assert sum(width_of(text) for text, _ in row_pieces(row, width, 5, sign, cursor=cursor)) == width


def test_states_differ_without_colour() -> None:
    for sign in (FINE, ASCII):
        assert len(set(sign.status.values())) == 6


@given(st.lists(st.tuples(TEXTS, st.just("text"))), st.integers(3, 40))
def test_wrapped_text_keeps_every_word(pieces: list[tuple[str, str]], width: int) -> None:
    cleaned = [(clean(text), role) for text, role in pieces]
    lines = wrap(cleaned, width, 1000, "…")
    assert all(width_of("".join(text for text, _ in line).rstrip()) <= width for line in lines)
    together = "".join(text for line in lines for text, _ in line)
    assert re.sub(" ", "", together) == re.sub(" ", "", "".join(text for text, _ in cleaned))


def test_wrapped_text_says_that_it_goes_on() -> None:
    lines = wrap([("one two three four five", "text")], 9, 2, "…")
    assert len(lines) == 2
    assert "".join(text for text, _ in lines[-1]).endswith("…")


@given(
    st.lists(st.sampled_from(["ab", "c ", " "]), max_size=6), st.lists(st.sampled_from(["ab", "c ", " "]), max_size=6)
)
def test_a_difference_of_two_lines_covers_every_changed_cell(old: list[str], new: list[str]) -> None:
    look = Look("dark")
    before = look.strip([(text, "text" if len(text) > 1 else "soft") for text in old], 14)
    after = look.strip([(text, "text" if len(text) > 1 else "soft") for text in new], 14)
    first, last = changed(before, after)
    for cell in range(14):
        same = list(before.crop(cell, cell + 1)) == list(after.crop(cell, cell + 1))
        assert same or first <= cell < last


def test_a_difference_marks_what_only_one_side_has() -> None:
    old, new = word_diff("where did you live then", "where did you leave the lantern then")
    assert "".join(text for text, _ in old) == "where did you [-live-] then "
    assert "".join(text for text, _ in new) == "where did you {+leave the lantern+} then "


def test_words_stand_under_the_sound_that_they_are() -> None:
    words = [Spoken("now", 0.0, 0.4), Spoken("or", 2.0, 2.2, doubted=True), Spoken("never", 3.0, 3.5)]
    pieces = word_line(words, 4.0, 40, 2.1, "…")
    text = "".join(text for text, _ in pieces)
    assert (text.index("now"), text.index("or"), text.index("never")) == (0, 20, 30)
    assert ("or", "hit") in pieces


def test_words_too_close_for_their_letters_are_cut_not_moved_over_others() -> None:
    words = [Spoken("everybody", 0.0, 0.2), Spoken("knows", 0.2, 0.4), Spoken("it", 3.9, 4.0)]
    text = "".join(text for text, _ in word_line(words, 4.0, 40, None, "…"))
    assert text == "e knows" + " " * 32 + "i" or len(text) <= 40


def test_the_playhead_splits_the_wave() -> None:
    (line,) = wave_lines(["abcdefgh"], 8, 3, None, FINE)
    assert line == [("abc", "played"), ("│", "playhead"), ("efgh", "wave")]


def test_what_a_moved_edge_leaves_out_is_drawn_apart() -> None:
    (line,) = wave_lines(["abcdefgh"], 8, None, (2, 6), FINE)
    assert line == [("ab", "lost"), ("cdef", "wave"), ("gh", "lost")]


@pytest.mark.parametrize("width", [20, 60])
def test_a_play_bar_is_as_wide_as_its_place(width: int) -> None:
    pieces = play_bar(width, 2.31, 4.6, playing=True, loop=False, speed=0.75, autoplay=False, sign=FINE)
    assert sum(cell_len(text) for text, _ in pieces) == max(width, 24)
    assert "0.75×" in "".join(text for text, _ in pieces)


def test_bars_keep_their_right_end_and_their_help() -> None:
    assert "".join(text for text, _ in between([("abcdef", "bar")], [("xy", "bar")], 5, "bar")) == "abcxy"
    hints = [("space", "play"), ("a", "approve"), ("?", "help")]
    assert "".join(text for text, _ in key_bar(hints, 22)).strip() == "space play  ? help"


def test_time_left_is_told_as_a_person_says_it() -> None:
    assert [lasting(value) for value in (0.2, 12, 150, 4000)] == ["1 min", "12 min", "2 h", "3 d"]


# -- where things stand ------------------------------------------------------------------------------------------------


@given(st.integers(0, 400), st.integers(0, 400), st.integers(1, 60), st.integers(1, 401))
def test_the_cursor_is_always_in_sight(cursor: int, top: int, rows: int, total: int) -> None:
    cursor = min(cursor, total - 1)
    found = top_of(cursor, top, rows, total)
    assert found <= cursor < found + rows
    assert 0 <= found <= max(total - rows, 0)


def test_most_steps_down_do_not_scroll() -> None:
    top, moved = 0, 0
    for cursor in range(1000):
        after = top_of(cursor, top, 30, 1000)
        moved += after != top
        top = after
    assert moved < 80


def test_list_and_clip_share_a_wide_screen_and_take_turns_on_a_narrow_one() -> None:
    assert layout(120, 36, opened=False).wide
    assert layout(80, 24, opened=False)[2:4] == (80, 0)
    assert layout(80, 24, opened=True)[2:4] == (0, 80)


# -- looks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", THEMES)
def test_every_look_has_every_role(name: str) -> None:
    assert set(LOOKS[name]) == {"", *ROLES}
    for role in ROLES:
        assert sgr(name, role).startswith("\x1b[0")


def test_mono_has_no_colour_and_no_colour_chooses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(spec("mono", role)[1:] == ("", "") for role in ROLES)
    monkeypatch.setenv("NO_COLOR", "1")
    assert chosen(None) == "mono"
    assert chosen("light") == "light"
    monkeypatch.delenv("NO_COLOR")
    assert chosen(None) == "dark"


@pytest.mark.parametrize("name", [name for name in THEMES if name != "mono"])
def test_words_can_be_read_on_their_ground(name: str) -> None:
    for role in (
        "text",
        "soft",
        "bar",
        "bar_soft",
        "cursor",
        "warn",
        "error",
        "ok",
        "bad",
        "doubt",
        "editor",
        "caret",
        "hit",
    ):
        _, front, back = spec(name, role)
        light, dark = sorted((_luminance(int(front)), _luminance(int(back))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.4, role


def _luminance(number: int) -> float:
    from rich.color import Color

    parts = [part / 255 for part in Color.parse(f"color({number})").get_truecolor()]
    red, green, blue = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_picture_is_two_pixels_a_cell() -> None:
    numpy = pytest.importorskip("numpy")
    pixels = numpy.zeros((4, 6, 3), numpy.uint8)
    pixels[:2, :, 0] = 255
    pixels[:, 3:] = 255
    lines = half_blocks(pixels)
    assert [line.cell_length for line in lines] == [6, 6]
    first = next(iter(lines[0]))
    assert (first.style.color.number, first.style.bgcolor.number) == (196, 196)
    assert [segment.text for segment in lines[0]] == ["▀▀▀", "▀▀▀"]
    assert "".join(segment.text for segment in shades(pixels, Look("mono").style("wave"))[1]) == "   @@@"
    assert all(isinstance(line, Strip) for line in lines)
