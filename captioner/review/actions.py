"""Everything that can be done in the review, once: keys, footer, palette, help, documentation and tests are made of it.

Keys are written as a person types them: `a`, `]`, `space`, `ctrl+f`, `shift+left`. They hold in the states that the
action names; in an editor and a prompt all other keys are text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

State = Literal["browse", "edit", "trim", "prompt", "help"]
STATES: tuple[State, ...] = ("browse", "edit", "trim", "prompt", "help")
Group = Literal["move", "decide", "edit", "hear", "see", "cut", "find", "other"]


@dataclass(frozen=True, slots=True)
class Action:
    id: str
    keys: tuple[str, ...]
    title: str
    """What it does, for help and palette."""
    short: str = ""
    """For the footer; empty where it is not shown there."""
    group: Group = "other"
    states: tuple[State, ...] = ("browse",)
    asks: tuple[str, ...] = ()
    """What a person is asked before it can be done: arguments of `Desk.do`."""
    changes: bool = False
    """Whether it is written into the journal: not in a session that only reads."""
    screen: bool = False
    """Whether the screen does it by itself; `Desk.do` knows nothing of it."""


def _act(id_: str, keys: str, title: str, group: Group, short: str = "", **more: object) -> Action:
    return Action(id_, tuple(keys.split()), title, short, group, **more)  # type: ignore[arg-type]


_TRIM: tuple[State, ...] = ("trim",)
_HEARD: tuple[State, ...] = ("browse", "trim")

ACTIONS: tuple[Action, ...] = (
    _act("down", "j down", "next clip", "move"),
    _act("up", "k up", "previous clip", "move"),
    _act("page-down", "pagedown ctrl+d", "a page on", "move"),
    _act("page-up", "pageup ctrl+u", "a page back", "move"),
    _act("first", "g home", "first clip", "move"),
    _act("last", "G end", "last clip", "move"),
    _act("next-todo", "]", "next clip to do", "move", "next todo"),
    _act("previous-todo", "[", "previous clip to do", "move"),
    _act("next-low", "}", "next clip whose words are not sure", "move"),
    _act("previous-low", "{", "previous clip whose words are not sure", "move"),
    _act("next-hit", "n", "next search hit, or finding where nothing is searched", "move"),
    _act("previous-hit", "N", "previous search hit, or finding", "move"),
    _act("go", "", "go to a clip by its number or id", "move", asks=("clip",)),
    _act("approve", "a", "approve, go to the next clip to do", "decide", "ok", changes=True),
    _act("reject", "x", "reject, with a reason", "decide", "reject", asks=("reason",), changes=True),
    _act("flag", "f", "flag, with a note", "decide", "flag", asks=("note",), changes=True),
    _act("reopen", "A", "back to do: take a decision off the clip", "decide", changes=True),
    _act("undo", "u", "undo", "decide", "undo", changes=True),
    _act("redo", "U", "redo", "decide", changes=True),
    _act("edit", "e", "edit the fields, from the first", "edit", "edit", screen=True),
    *(_act(f"field-{n}", str(n), f"edit field {n}", "edit", screen=True) for n in range(1, 10)),
    _act("set-field", "", "set a field", "edit", asks=("field", "text"), changes=True),
    _act("restore", "D", "restore a field as it was drafted", "edit", asks=("field",), changes=True),
    _act("restore-all", "", "restore all fields as they were drafted", "edit", changes=True),
    _act("editor", "E", "edit the fields in $EDITOR", "edit", screen=True),
    _act("name-speaker", "S", "name the speaker everywhere", "edit", asks=("name",), changes=True),
    _act("replace", "R", "find and replace, with a preview", "edit", asks=("find", "instead"), changes=True),
    _act("play", "space", "play or stop", "hear", "play", states=_HEARD, screen=True),
    _act("replay", "r", "replay the last second", "hear", states=_HEARD, screen=True),
    _act("loop", "l", "loop on or off", "hear", states=_HEARD, screen=True),
    _act("slower", "-", "slower", "hear", states=_HEARD, screen=True),
    _act("faster", "+ =", "faster", "hear", states=_HEARD, screen=True),
    _act("normal-speed", "0", "at the speed it was spoken", "hear", states=_HEARD, screen=True),
    _act("seek-back", "left", "0.1 s back", "hear", screen=True),
    _act("seek-on", "right", "0.1 s on", "hear", screen=True),
    _act("seek-back-far", "shift+left", "0.5 s back", "hear", screen=True),
    _act("seek-on-far", "shift+right", "0.5 s on", "hear", screen=True),
    _act("autoplay", "p", "play each clip as you come to it", "hear", screen=True),
    _act("open-tab", "o", "open the clip in a browser tab", "hear", screen=True),
    _act("waveform", "w", "waveform on or off", "see", screen=True),
    _act("spectrogram", "s", "spectrogram on or off", "see", screen=True),
    _act("diff", "d", "what differs from the draft", "see", screen=True),
    _act("copy-text", "y", "copy the caption", "see", screen=True),
    _act("copy-path", "Y", "copy the path of its file", "see", screen=True),
    _act("theme", "T", "next theme", "see", screen=True),
    _act("trim", "t", "move the clip's edges", "cut", "trim", screen=True),
    _act("start-earlier", "left", "start a step earlier", "cut", "start", states=_TRIM, screen=True),
    _act("start-later", "right", "start a step later", "cut", states=_TRIM, screen=True),
    _act("start-earlier-far", "shift+left", "start five steps earlier", "cut", states=_TRIM, screen=True),
    _act("start-later-far", "shift+right", "start five steps later", "cut", states=_TRIM, screen=True),
    _act("end-earlier", "alt+left ,", "end a step earlier", "cut", "end", states=_TRIM, screen=True),
    _act("end-later", "alt+right .", "end a step later", "cut", states=_TRIM, screen=True),
    _act("end-earlier-far", "alt+shift+left <", "end five steps earlier", "cut", states=_TRIM, screen=True),
    _act("end-later-far", "alt+shift+right >", "end five steps later", "cut", states=_TRIM, screen=True),
    _act("keep-trim", "enter t", "cut it so", "cut", "keep", states=_TRIM, changes=True, asks=("start", "end")),
    _act("leave-trim", "escape q", "leave the edges as they were", "cut", "leave", states=_TRIM, screen=True),
    _act("split", "c", "split in two at the playhead", "cut", asks=("at",), changes=True),
    _act("merge", "m", "merge with the next clip", "cut", changes=True),
    _act("filter", "/", "filter the list", "find", "filter", asks=("query",)),
    _act("clear-filter", "escape", "show all clips again", "find"),
    _act("search", "ctrl+f", "search the words", "find", asks=("text",)),
    _act("mark", "v", "mark the clip, for deciding on many at once", "find"),
    _act("mark-all", "V", "mark all that the filter shows, or none", "find"),
    _act("open", "enter", "show the clip where the screen is narrow", "other", screen=True),
    _act("palette", ": ctrl+p", "all commands", "other", "commands", states=("browse", "trim"), screen=True),
    _act("help", "? f1", "help", "other", "help", states=("browse", "trim"), screen=True),
    _act("quit", "q", "leave, and write what is approved", "other", screen=True),
    _act("leave", "Q", "leave, and write nothing", "other", screen=True),
    _act("close-help", "escape q ? f1", "close the help", "other", states=("help",), screen=True),
    _act("keep-field", "ctrl+s", "keep the field and stay in it", "edit", "keep", states=("edit",), screen=True),
    _act("next-field", "enter ctrl+j tab", "keep it and go to the next field", "edit", "next", states=("edit",),
         screen=True),
    _act("previous-field", "shift+tab", "keep it and go to the field before", "edit", states=("edit",), screen=True),
    _act("leave-field", "escape", "keep it and leave", "edit", "leave", states=("edit",), screen=True),
    _act("answer", "enter ctrl+j", "do it", "other", "do it", states=("prompt",), screen=True),
    _act("next-answer", "tab shift+tab", "the other question", "other", states=("prompt",), screen=True),
    _act("cancel", "escape", "do nothing", "other", "leave", states=("prompt",), screen=True),
)  # fmt: skip

BY_ID: Mapping[str, Action] = {action.id: action for action in ACTIONS}

REASONS: tuple[str, ...] = (
    "wrong words", "two voices", "noise or music", "words cut off", "not the wanted person", "bad picture",
    "bad sound", "nothing to learn", "twin of another clip",
)  # fmt: skip
"""Why a clip is rejected, as digits 1 to 9 choose."""


def keys_of(actions: Iterable[Action] = ACTIONS) -> dict[tuple[State, str], str]:
    """(state, key) -> id of its action."""
    return {(state, key): action.id for action in actions for state in action.states for key in action.keys}
