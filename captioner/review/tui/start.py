"""Opens the screen: the first page at once, then everything else behind it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.review.tui.boot import first_page

if TYPE_CHECKING:
    from captioner.review.desk import Desk

OUTPUT, ERRORS = 1, 2
"""File descriptors."""


def review(
    out: Path,
    *,
    theme: str | None = None,
    ascii_only: bool = False,
    read_only: bool = False,
    sound: str = "auto",
    opened: Callable[[Path, bool], Desk] | None = None,
) -> str:
    """Review a built dataset on this terminal until the person leaves it.

    `theme` is one of `palette.THEMES`; `sound` one of `audio.choose.WAYS`; `opened` opens the desk (out, read_only).
    Returns how it was left: `write`, `leave`, or `hangup` where the terminal went away. Raises a CaptionerError where
    the dataset cannot be opened; the terminal is as it was before, then.
    """
    with _drawn_on_terminal():
        return _review(out, theme, ascii_only, read_only, sound, opened)


@contextmanager
def _drawn_on_terminal() -> Iterator[None]:
    """The screen is drawn where errors are told, as is the custom; where those go into a file (`2>log`), it is drawn
    where the output goes, and the file gets them again afterwards."""
    if os.isatty(ERRORS) or not os.isatty(OUTPUT):
        yield
        return
    kept = os.dup(ERRORS)
    try:
        os.dup2(OUTPUT, ERRORS)
        yield
    finally:
        os.dup2(kept, ERRORS)
        os.close(kept)


def _review(
    out: Path,
    theme: str | None,
    ascii_only: bool,
    read_only: bool,
    sound: str,
    opened: Callable[[Path, bool], Desk] | None,
) -> str:
    page = first_page(out, theme=theme, ascii_only=ascii_only)
    gc.disable()  # all that is loaded now stays: to look for garbage among it is a sixth of the time until keys answer
    try:
        from captioner.review.hearing import make_hearing
        from captioner.review.keymap import read_keymap
        from captioner.review.tui.app import ReviewApp
        from captioner.review.tui.look import Look
        from captioner.review.tui.palette import chosen

        desk = _open(out, read_only) if opened is None else opened(out, read_only)
        with desk:
            hearing = make_hearing(out / ".captioner", sound)
            try:
                app = ReviewApp(desk, hearing, Look(chosen(theme), ascii_only=ascii_only), page, read_keymap())
                app.when_it_stands = _sweep_again
                return app.run() or "leave"
            finally:
                hearing.close()
    finally:
        gc.enable()
        if page is not None:
            page.close()


def _sweep_again() -> None:
    """From now on garbage is looked for, but not among what was loaded until now."""
    gc.freeze()
    gc.enable()


def _open(out: Path, read_only: bool) -> Desk:
    from captioner.review.desk import Desk

    return Desk(out, read_only=read_only)
