"""Opens the screen: the first page at once, then everything else behind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.review.tui.boot import first_page

if TYPE_CHECKING:
    from captioner.review.desk import Desk


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
    page = first_page(out, theme=theme, ascii_only=ascii_only)
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
                return app.run() or "leave"
            finally:
                hearing.close()
    finally:
        if page is not None:
            page.close()


def _open(out: Path, read_only: bool) -> Desk:
    from captioner.review.desk import Desk

    return Desk(out, read_only=read_only)
