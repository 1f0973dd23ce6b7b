"""Work for worker processes, some of which does to its process what native code may do; for tests only."""

from __future__ import annotations

import atexit
import errno
import os
import signal
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from captioner import naming, reading
from captioner.errors import SettingsError
from captioner.making import Part, make
from captioner.media import check, container
from captioner.types import Sound
from tests.fragile import _obey

Tell = Callable[[Any], None]


def shout(word: str, tell: Tell) -> tuple[str, int]:
    """The word in capitals and the process that it was said in, unless the word is an order."""
    tell(f"{word} begun")
    if word == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/there/it.wav")
    if word == "setting":
        raise SettingsError("no such thing")
    if word == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    _obey(word)
    tell(f"{word} done")
    return word.upper(), os.getpid()


def surroundings(name: str, _tell: Tell) -> str | None:
    return os.environ.get(name)


def niceness(_: str, _tell: Tell) -> int:
    return os.nice(0)


def look_and_die(errand: reading.ToWatch, tell: Tell) -> Any:
    """As a worker watches a picture, in a process that every part but the first kills."""
    if errand.part is not None and errand.part.first > errand.part.zero:
        os.abort()
    return reading.look(errand, tell)


def imported(package: str, _tell: Tell) -> int:
    made: int = import_module(package).made
    return made


def linger(seconds: float, _tell: Tell) -> int:
    """Its process will take so long to end by itself, as one with a GPU's memory does."""
    atexit.register(time.sleep, seconds)
    return os.getpid()


def wait_for(note: str, _tell: Tell) -> str:
    """Says by a file that it is there; done as soon as there is a file `note`, or after half a minute."""
    here = Path(f"{note}.{os.getpid()}")
    here.touch()
    until = time.monotonic() + 30
    while not Path(note).exists() and time.monotonic() < until:
        time.sleep(0.01)
    here.unlink()
    return "let go" if Path(note).exists() else "nobody came"


def company(folder: str, _tell: Tell) -> int:
    """How many of its kind are at work at the same time."""
    here = Path(folder, str(os.getpid()))
    here.touch()
    time.sleep(0.1)
    found = len(list(Path(folder).iterdir()))
    here.unlink()
    return found


def wait_long(note: str, _tell: Tell) -> None:
    """Leaves its process's number in the file `note` and does not come back; without a note it is done at once."""
    if not note:
        return
    Path(f"{note}.new").write_text(str(os.getpid()), encoding="ascii")
    Path(f"{note}.new").replace(note)
    time.sleep(600)


def make_and_die(part: Part, tell: Tell) -> None:
    """As the build makes clips, in a process that reading two of them back kills: those of frames 200 and 550."""

    def opened(path: Path, *rest: Any, **options: Any) -> Any:
        if "_f200n" in path.name:
            os.abort()
        if "_f550n" in path.name:
            os.kill(os.getpid(), signal.SIGKILL)
        return container.opened(path, *rest, **options)

    with patch.object(check, "opened", opened):
        make(part, tell)


def name_and_die(errand: naming.Errand, tell: Tell) -> None:
    """As the build names clips, in a process that dies when it has named one and not yet said so."""
    naming.name(errand.wholes[0], errand.clips, errand.aside)
    os.abort()


def decode_and_die(errand: reading.ToDecode, tell: Tell) -> Sound:
    """As the stage decodes, in a process that a file named `deadly` kills."""
    if "deadly" in errand.recording.name:
        os.abort()
    return reading.decode(errand, tell)
