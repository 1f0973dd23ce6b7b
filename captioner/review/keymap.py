"""A person's own keys: `review.keys.toml` beside `captioner.yaml`, else in the user's folder of settings.

    approve = "a"
    next-todo = ["]", "n"]
    previous-todo = []          # no key

By id of the action; what is not named keeps its keys. A key that two actions would have is an error.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from captioner.errors import KeymapError
from captioner.review.actions import ACTIONS, Action, State, keys_of

FILE = "review.keys.toml"


@dataclass(frozen=True, slots=True)
class Keymap:
    actions: tuple[Action, ...] = ACTIONS
    """The table, with the keys that hold."""
    path: str = ""
    """Of the file that they come from; empty where there is none."""

    @property
    def at(self) -> Mapping[tuple[State, str], str]:
        """(state, key) -> id of its action."""
        return keys_of(self.actions)


def read_keymap(folder: Path | None = None) -> Keymap:
    """The keys that hold. `folder`: where `captioner.yaml` is looked for; this one where it is None. Raises KeymapError
    that names the file and everything that is wrong in it."""
    from platformdirs import user_config_path

    for path in ((folder or Path()) / FILE, user_config_path("captioner") / FILE):
        try:
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise KeymapError(f"{path}: cannot be read ({error})") from error
        try:
            given = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise KeymapError(f"{path}: not valid TOML: {error}") from error
        return Keymap(mapped(given, str(path)), str(path))
    return Keymap()


def mapped(given: Mapping[str, object], origin: str) -> tuple[Action, ...]:
    """The table with a person's keys. Raises KeymapError."""
    known = {action.id: action for action in ACTIONS}
    wrong, own = [], {}
    for id_, value in given.items():
        keys = [value] if isinstance(value, str) else value
        if id_ not in known:
            near = difflib.get_close_matches(id_, known, 1)
            wrong.append(f"there is no action {id_!r}" + (f" (did you mean {near[0]}?)" if near else ""))
        elif not isinstance(keys, list) or not all(isinstance(key, str) and key.strip() for key in keys):
            wrong.append(f'{id_}: give a key such as "a", or several: ["a", "ctrl+a"]')
        else:
            own[id_] = tuple(key.strip() for key in keys)
    actions = tuple(replace(action, keys=own.get(action.id, action.keys)) for action in ACTIONS)
    wrong += conflicts(actions)
    if wrong:
        raise KeymapError("\n".join(f"{origin}: {fault}" for fault in wrong))
    return actions


def conflicts(actions: Sequence[Action]) -> list[str]:
    """Keys that two actions have in one state, a sentence each."""
    taken: dict[tuple[State, str], str] = {}
    found = []
    for action in actions:
        for state in action.states:
            for key in dict.fromkeys(action.keys):
                other = taken.setdefault((state, key), action.id)
                if other != action.id:
                    found.append(f"{key} is both {other} and {action.id} in {state}: give one of them another key")
    return found
