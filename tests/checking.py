"""What tests of the rules share: tiny made clips, each kind encoded once a session, and checks of folders of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from factory import Audio, Video, flashes, make, tone

from captioner.checks.configs import read_config
from captioner.checks.findings import Finding
from captioner.checks.rules import all_rules
from captioner.checks.running import Request, view_of
from captioner.checks.view import View
from captioner.times import Span
from captioner.types import Word

BLANK = flashes(())


@dataclass(frozen=True)
class Kind:
    """A made clip."""

    frames: int = 121
    rate: Fraction | int = 25
    seconds: float | None = None
    """Of its sound; None: as long as its picture, 0: it has none."""
    size: tuple[int, int] = (64, 64)
    start: float = 0.0
    """Seconds at which its sound begins."""
    rotation: int = 0
    streams: int = 1
    hz: int = 48_000
    channels: int = 2
    uneven: bool = False
    suffix: str = ".mp4"
    alone: bool = False
    """Sound without picture."""

    @property
    def length(self) -> float:
        return float(self.frames / Fraction(self.rate))


@dataclass
class Studio:
    """Makes clips; a kind that was made is copied."""

    folder: Path
    made: dict[Kind, Path] = field(default_factory=dict)

    def put(self, path: Path, kind: Kind | None = None, **spec: Any) -> Path:
        kind = kind or Kind(**spec)
        if kind not in self.made:
            self.made[kind] = _make(self.folder / f"{len(self.made)}{kind.suffix}", kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.made[kind], path)
        return path


def _make(path: Path, kind: Kind) -> Path:
    seconds = kind.length if kind.seconds is None else kind.seconds
    sound = tone(220, seconds, kind.hz, 0.2)
    samples = sound if kind.channels == 1 else np.stack([sound] * kind.channels, axis=1)
    audios = [Audio(samples, kind.hz, start=kind.start) for _ in range(kind.streams)] if seconds else []
    if kind.alone:
        return make(path, None, *audios)
    times = [n / float(kind.rate) + (0.4 / float(kind.rate) if n % 3 == 1 else 0) for n in range(kind.frames)]
    video = Video(
        frames=kind.frames, rate=Fraction(kind.rate), size=kind.size, draw=BLANK, rotation=kind.rotation,
        times=times if kind.uneven else None, options={"preset": "ultrafast"},
    )  # fmt: skip
    return make(path, video, *audios)


def said(*words: tuple[str, float, float]) -> tuple[Word, ...]:
    return tuple(Word(text, Span.at(start, end)) for text, start, end in words)


def folder_of(
    studio: Studio, folder: Path, clips: Mapping[str, Kind], captions: Mapping[str, str] | str = 'ema, she says, "Go."'
) -> Path:
    """A folder of clips, each with a caption beside it."""
    for name, kind in clips.items():
        path = studio.put(folder / f"{name}{kind.suffix}", kind)
        text = captions if isinstance(captions, str) else captions.get(name, 'ema, she says, "Go."')
        path.with_suffix(".txt").write_text(f"{text}\n", encoding="utf-8")
    return folder


def seen(
    folder: Path, trainer: str | None = None, config: str | Path | None = None, name: str = "config.yaml",
    words: Mapping[str, Sequence[Word]] | None = None, **more: Any,
) -> View:  # fmt: skip
    """What the rules look at; `config` is a text, written beside the folder, or a path."""
    read = None
    if config is not None:
        path = config if isinstance(config, Path) else folder.parent / name
        if isinstance(config, str):
            path.write_text(config, encoding="utf-8")
        read = read_config(path, trainer)
        trainer = read.trainer
    view = view_of(Request(folder, trainer=trainer, config=read, memory=None, **more))
    if words:
        clips = tuple(replace(one, words=tuple(words[one.stem])) if one.stem in words else one for one in view.clips)
        view = replace(view, clips=clips)
    return view


def found(view: View, *rules: str) -> list[Finding]:
    """The findings of some rules, of all that hold where none is named, as a check runs them."""
    from captioner.checks.running import run

    ids = set(rules) or set(all_rules())
    return [one for one in run(view).findings if one.rule in ids]


def only(view: View, rule: str) -> Finding:
    """The one finding of a rule."""
    told = found(view, rule)
    assert len(told) == 1, told
    return told[0]
