"""Small real datasets for the tests of `captioner check`: clips made once a session, folders filled from them."""

from __future__ import annotations

import atexit
import os
import shutil
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from captioner.checks.findings import Finding
from captioner.checks.rules import all_rules
from captioner.checks.running import Request, check, view_of
from captioner.checks.view import ClipView, View
from captioner.times import Span
from captioner.types import Word
from tests.factory import Audio, Video, make, tone


@cache
def made(suffix: str, frames: int, rate: Fraction, seconds: float | None, rotation: int) -> Path:
    """A clip of so many frames with a tone of so many seconds (None: without sound; 0 frames: sound alone)."""
    folder = Path(mkdtemp(prefix="captioner-clips-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / f"clip{suffix}"
    sounds = [] if seconds is None else [Audio(tone(220, seconds, 48_000, 0.3), 48_000)]
    video = Video(frames=frames, rate=rate, size=(64, 64), rotation=rotation) if frames else None
    return make(path, video, *sounds)


def clip(
    root: Path, name: str, caption: str | bytes | None = "ema_voice, a woman speaks.", *, frames: int = 9,
    rate: Fraction | int = 25, seconds: float | None = 0.36, rotation: int = 0,
) -> Path:  # fmt: skip
    """A clip with its caption beside it."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix.lower()
    source = made(suffix, 0 if suffix in (".wav", ".mp3") else frames, Fraction(rate), seconds, rotation)
    try:
        os.link(source, path)
    except OSError:  # another file system
        shutil.copy(source, path)
    if caption is not None:
        path.with_suffix(".txt").write_bytes(caption.encode() if isinstance(caption, str) else caption)
    return path


def view(root: Path, **asked: Any) -> View:
    return view_of(Request(root, memory=None, **asked))


def found(root: Path, rule: str, **asked: Any) -> list[Finding]:
    """What one rule of a whole check says of a dataset."""
    return [one for one in check(Request(root, memory=None, **asked)).findings if one.rule == rule]


def says(rule: str, seen: View) -> list[Finding]:
    """What a rule says of a view."""
    return list(all_rules()[rule](seen))


def with_words(seen: View, name: str, *words: tuple[str, float, float], **more: Any) -> View:
    """The view, with the words of one clip known: (text, start, end)."""
    told = tuple(Word(text, Span.at(start, end)) for text, start, end in words)

    def changed(one: ClipView) -> ClipView:
        return replace(one, words=told, **more) if one.name == name else one

    return replace(seen, clips=tuple(map(changed, seen.clips)))
