"""One file a trainer: what it wants of a dataset, what it makes of a clip, what it reads. The file name, with `-` for
`_`, is what `--for` and `--to` take."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from captioner.errors import SettingsError

if TYPE_CHECKING:
    from captioner.trainers._files import Bundle, Change
    from captioner.trainers._window import ClipFacts, Window


class Trainer(Protocol):
    """What a file in this folder has. Its `Options` are a frozen dataclass whose defaults are the trainer's own."""

    SETTINGS: dict[str, Any]
    """The settings of a build for it."""
    TAKES_SOUND_ALONE: bool
    """Whether clips without picture are trained on."""
    TAKES_SOUND: bool
    """Whether it hears anything."""
    ADDS_TRIGGER: bool
    """Whether it can put the trigger into the text."""
    CACHES: tuple[str, ...]
    """Where its caches stand, relative to the export's folder."""
    Options: Any

    def options_for(self, clips: Sequence[ClipFacts], /) -> Any:
        """The options that an export writes: with them every clip that fits is heard and seen whole."""

    def window(self, clip: ClipFacts, options: Any, /) -> Window:
        """What it will really use of a clip."""

    def joined(self, caption: str, trigger: str, options: Any, /) -> str:
        """The text that it trains with."""

    def with_trigger(self, options: Any, trigger: str, /) -> Any:
        """Options that leave the trigger to it. Raises SettingsError where it adds none."""

    def files(self, bundle: Bundle, options: Any, /) -> dict[str, str]:
        """Text files of an export, by their place in its folder."""

    def stale(self, change: Change, /) -> list[str]:
        """What of its caches a change made old, and what to do, a sentence each."""


def trainers() -> list[str]:
    """Names of all trainers, read from file names."""
    names = (file.stem for file in Path(__file__).parent.glob("*.py") if not file.stem.startswith("_"))
    return sorted(name.replace("_", "-") for name in names)


def trainer(name: str, flag: str = "--to") -> Trainer:
    """The trainer of that name. Raises SettingsError for an unknown one, which was given by a flag."""
    return cast("Trainer", import_module(f"captioner.trainers.{_known(name, flag).replace('-', '_')}"))


def preset(name: str) -> Mapping[str, Any]:
    """The settings that a trainer wants. Raises SettingsError for an unknown name."""
    module = import_module(f"captioner.trainers.{_known(name, '--for').replace('-', '_')}")
    settings: Mapping[str, Any] = module.SETTINGS
    return settings


def _known(name: str, flag: str) -> str:
    known = trainers()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SettingsError(f"{flag} {name}: unknown trainer; there are {', '.join(known)}{hint}")
    return name
