"""No trainer in mind: the defaults. A folder of clips with a `.txt` beside each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from captioner.errors import SettingsError
from captioner.trainers._files import Bundle, Change, captions_beside
from captioner.trainers._window import ClipFacts, Take, Window, opened

SETTINGS: dict[str, Any] = {}

TAKES_SOUND_ALONE = True
TAKES_SOUND = True
ADDS_TRIGGER = False
CACHES: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """Nothing to say."""


def options_for(clips: Sequence[ClipFacts]) -> Options:
    del clips
    return Options()


def window(clip: ClipFacts, options: Options) -> Window:
    """All of it."""
    del options
    take = Take(0, clip.frames, clip.frames, clip.rate, True, length=clip.sound, keeps_offset=True, pads=False)
    return opened(clip, take)


def joined(caption: str, trigger: str, options: Options) -> str:
    del trigger, options
    return caption


def with_trigger(options: Options, trigger: str) -> Options:
    """Raises SettingsError: nobody adds one."""
    del options, trigger
    raise SettingsError("a plain folder has nobody who adds a trigger: it must be in the captions (--trigger baked)")


def files(bundle: Bundle, options: Options) -> dict[str, str]:
    del options
    return captions_beside(bundle)


def stale(change: Change) -> list[str]:
    """Whoever reads it knows what it keeps."""
    return [f"{change.summary()}: whatever was cached of them is old"] if change else []
