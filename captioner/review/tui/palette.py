"""What the screen looks like, as plain numbers: the first page paints with it before anything else is imported.

A look gives each role a colour of the 256 that every terminal has, `attributes foreground/background`, where the
attributes are b(old), d(im), i(talic), u(nderline) and r(everse). `mono` has no colours at all, so it also serves
`NO_COLOR`. No role is told by colour alone: states have glyphs, doubt and difference have marks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

ROLES = (
    "text", "soft", "faint", "title", "accent", "ok", "bad", "flag", "edited", "todo", "warn", "error", "doubt",
    "added", "removed", "key", "bar", "bar_soft", "bar_accent", "cursor", "marked", "wave", "played", "playhead",
    "edge", "lost", "editor", "caret", "picked", "state_edit", "state_trim", "hit",
)  # fmt: skip

LOOKS: Mapping[str, Mapping[str, str]] = {
    "dark": {
        "": "/234", "text": "252", "soft": "246", "faint": "240", "title": "b 255", "accent": "75", "ok": "114",
        "bad": "203", "flag": "221", "edited": "180", "todo": "245", "warn": "221", "error": "b 203", "doubt": "u 221",
        "added": "114", "removed": "203", "key": "75", "bar": "252/236", "bar_soft": "249/236",
        "bar_accent": "b 75/236",
        "cursor": "255/24", "marked": "252/238", "wave": "67", "played": "110", "playhead": "b 231", "edge": "214",
        "lost": "239", "editor": "255/237", "caret": "237/255", "picked": "255/24",
        "state_edit": "b 234/180", "state_trim": "b 234/214", "hit": "234/221",
    },
    "light": {
        "": "/255", "text": "235", "soft": "241", "faint": "247", "title": "b 232", "accent": "25", "ok": "22",
        "bad": "124", "flag": "94", "edited": "130", "todo": "243", "warn": "94", "error": "b 124", "doubt": "u 124",
        "added": "22", "removed": "124", "key": "25", "bar": "235/252", "bar_soft": "240/252", "bar_accent": "b 25/252",
        "cursor": "232/153", "marked": "235/223", "wave": "67", "played": "25", "playhead": "b 124", "edge": "130",
        "lost": "250", "editor": "232/231", "caret": "231/232", "picked": "232/153",
        "state_edit": "b 255/130", "state_trim": "b 255/94", "hit": "232/222",
    },
    "high-contrast": {
        "": "/16", "text": "231", "soft": "231", "faint": "250", "title": "b 231", "accent": "b 51", "ok": "b 46",
        "bad": "b 213", "flag": "b 226", "edited": "b 215", "todo": "231", "warn": "b 226", "error": "b 213",
        "doubt": "bu 226", "added": "b 46", "removed": "b 213", "key": "b 51", "bar": "b 16/231", "bar_soft": "16/231",
        "bar_accent": "b 18/231", "cursor": "b 16/226", "marked": "b 231/20", "wave": "231", "played": "51",
        "playhead": "b 226", "edge": "b 226", "lost": "244", "editor": "231/18",
        "caret": "b 18/231", "picked": "b 16/226",
        "state_edit": "b 16/215",
        "state_trim": "b 16/226", "hit": "b 16/51",
    },
    "colour-safe": {
        "": "/234", "text": "252", "soft": "246", "faint": "240", "title": "b 255", "accent": "74", "ok": "b 75",
        "bad": "b 208", "flag": "228", "edited": "182", "todo": "245", "warn": "228", "error": "b 208",
        "doubt": "u 228",
        "added": "75", "removed": "208", "key": "74", "bar": "252/236", "bar_soft": "249/236", "bar_accent": "b 74/236",
        "cursor": "255/25", "marked": "252/238", "wave": "67", "played": "75", "playhead": "b 231", "edge": "208",
        "lost": "239", "editor": "255/237", "caret": "237/255", "picked": "255/25",
        "state_edit": "b 234/182", "state_trim": "b 234/208", "hit": "234/228",
    },
    "mono": {
        "": "", "text": "", "soft": "", "faint": "d", "title": "b", "accent": "b", "ok": "b", "bad": "b", "flag": "b",
        "edited": "", "todo": "", "warn": "b", "error": "b", "doubt": "u", "added": "bu", "removed": "d", "key": "b",
        "bar": "r", "bar_soft": "r", "bar_accent": "br", "cursor": "r", "marked": "bu", "wave": "", "played": "b",
        "playhead": "b", "edge": "b", "lost": "d", "editor": "u", "caret": "r", "picked": "br",
        "state_edit": "b", "state_trim": "b", "hit": "r",
    },
}  # fmt: skip

THEMES = tuple(LOOKS)


class Glyphs(NamedTuple):
    """The signs that the screen is drawn with; what a person said or wrote is never changed to ASCII."""

    status: Mapping[str, str]
    rule: str
    cursor: str
    mark: str
    warning: str
    more: str
    cut: str
    """Ends a text that goes on."""
    dot: str
    arrow: str
    loop: str
    played: str
    unplayed: str
    head: str
    playing: str
    stopped: str
    doubt: tuple[str, str]
    times: str
    about: str
    dash: str
    keys: Mapping[str, str]


ARROWS = {"left": "←", "right": "→", "up": "↑", "down": "↓"}
FINE = Glyphs(
    status={"todo": "·", "edited": "~", "approved": "✓", "rejected": "✗", "flagged": "!", "locked": "⚑"},
    rule="│", cursor="▌", mark="▪", warning="⚠", more="⋯", cut="…", dot="·", arrow="→", loop="⟳", played="━",
    unplayed="─", head="●", playing="▶", stopped="■", doubt=("?", ""), times="×", about="≈", dash="–", keys=ARROWS,
)  # fmt: skip
ASCII = Glyphs(
    status={"todo": ".", "edited": "~", "approved": "+", "rejected": "x", "flagged": "!", "locked": "#"},
    rule="|", cursor=">", mark="*", warning="!", more="...", cut="~", dot="-", arrow="->", loop="loop", played="=",
    unplayed="-", head="O", playing=">", stopped="#", doubt=("?", ""), times="x", about="~", dash="-", keys={},
)  # fmt: skip


def glyphs(*, ascii_only: bool) -> Glyphs:
    return ASCII if ascii_only else FINE


def chosen(theme: str | None) -> str:
    """The look to use: the one asked for; without one, `mono` where `NO_COLOR` is set and `dark` elsewhere."""
    if theme is not None:
        return theme
    return "mono" if os.environ.get("NO_COLOR") else "dark"


def spec(look: str, role: str) -> tuple[str, str, str]:
    """Attributes, foreground and background of a role, each "" where it has none."""
    base = LOOKS[look][""]
    own = LOOKS[look][role]
    words, _, back = own.partition("/")
    *letters, colour = words.split(" ") if " " in words or words.isdigit() or not words else [words, ""]
    return "".join(letters), colour, back or base.removeprefix("/")


@lru_cache(512)
def sgr(look: str, role: str) -> str:
    """The escape sequence that turns a role on, from a clean state."""
    letters, colour, back = spec(look, role)
    codes = ["0"] + [{"b": "1", "d": "2", "i": "3", "u": "4", "r": "7"}[letter] for letter in letters]
    codes += [f"38;5;{colour}"] * bool(colour) + [f"48;5;{back}"] * bool(back)
    return f"\x1b[{';'.join(codes)}m"
