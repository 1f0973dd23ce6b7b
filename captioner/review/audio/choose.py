"""Which way to hear, found out by itself: a loudspeaker that somebody sits beside, else a browser tab.

A machine far away or a container often has a playback device that nobody hears, so that a device alone proves nothing.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.errors import UsageError
from captioner.review.audio.base import Player

WAYS = ("auto", "local", "browser", "none")

_NOBODY = re.compile(r"discard all samples|\bnull\b|\bdummy\b|no sound|virtual sink", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Choice:
    kind: str
    """"local", "browser" or "silent"."""
    name: str = ""
    """The loudspeaker's."""
    reach: str = ""
    """The line that brings a tab here from where the person sits, with `{port}` in it."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where captioner runs, as far as it matters to the ear."""

    environ: Mapping[str, str]
    platform: str
    container: bool
    has_library: bool
    devices: Callable[[], Sequence[str]]
    """Names of playback devices, the default first; asked only where they count."""

    @classmethod
    def here(cls) -> Place:
        marks = (Path("/.dockerenv"), Path("/run/.containerenv"))
        inside = bool(os.environ.get("container")) or any(mark.exists() for mark in marks)  # noqa: SIM112  systemd's spelling
        library = importlib.util.find_spec("miniaudio") is not None
        return cls(os.environ, sys.platform, inside, library, playback_devices)


def playback_devices() -> list[str]:
    """Names, the default first; none where they cannot be listed."""
    import miniaudio

    try:
        return [str(device["name"]) for device in miniaudio.Devices().get_playbacks()]
    except miniaudio.MiniaudioError:
        return []


def choose(place: Place, wanted: str = "auto") -> Choice:
    """`wanted`: one of `WAYS`. Raises UsageError for another."""
    if wanted not in WAYS:
        raise UsageError(f"--sound {wanted}: give one of {', '.join(WAYS)}")
    if wanted == "none":
        return Choice("silent", why="asked for")
    if wanted == "browser":
        return _tab(place, "asked for")
    if wanted == "local":
        return Choice("local", why="asked for")
    far = "SSH_CONNECTION" in place.environ or "SSH_TTY" in place.environ
    carried = bool(place.environ.get("PULSE_SERVER") or place.environ.get("PIPEWIRE_REMOTE"))
    if far and not carried:
        return _tab(place, "this machine is reached over SSH")
    if place.container and not carried:
        return _tab(place, "this is a container")
    if not place.has_library:
        return _tab(place, "miniaudio is not installed: pip install 'captioner[audio]' plays on this machine")
    heard = [name for name in place.devices() if not _NOBODY.search(name)]
    if not heard:
        return _tab(place, "this machine has no loudspeaker")
    return Choice("local", name=heard[0], why="a loudspeaker is here")


def _tab(place: Place, why: str) -> Choice:
    return Choice("browser", reach=forward(place.environ), why=why)


def forward(environ: Mapping[str, str]) -> str:
    """The `ssh -L` line for where the person sits, `{port}` in it; "" where the tab can be opened without."""
    words = environ.get("SSH_CONNECTION", "").split()
    if len(words) != 4 or environ.get("TERM_PROGRAM") == "vscode":  # its terminal forwards by itself
        return ""
    host, port = words[2], words[3]
    user = environ.get("USER") or environ.get("LOGNAME")
    where = f"{user}@{host}" if user else host
    return f"ssh{'' if port == '22' else f' -p {port}'} -N -L {{port}}:127.0.0.1:{{port}} {where}"


def player_of(choice: Choice) -> Player:
    """Raises OSError where no port can be had for a tab."""
    if choice.kind == "local":
        from captioner.review.audio.local import Local

        return Local(name=choice.name)
    if choice.kind == "browser":  # with its server
        from captioner.review.audio.browser import Browser

        return Browser(choice.reach)
    from captioner.review.audio.silent import Silent

    return Silent()
