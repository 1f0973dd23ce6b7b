"""What the rules look at: clips with the facts of their media and captions, everything beside them, the trainer.

    View -> clips: ClipView -> media: Media -> audio: AudioFacts
                            -> caption: CaptionFile
         -> strays, listings -> records: Record

All of it is gathered once (`captioner.checks.gather`); a rule reads values and opens no clip itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.checks.mediafacts import AUDIO, IMAGES, VIDEO, AudioFacts, Media
from captioner.trainers._window import ClipFacts, Window

if TYPE_CHECKING:
    from captioner.checks.caches import Caches
    from captioner.checks.configs import TrainerConfig
    from captioner.checks.decoded import Comparison
    from captioner.trainers import Trainer
    from captioner.types import Word

__all__ = [
    "AUDIO", "IMAGES", "VIDEO", "AudioFacts", "CaptionFile", "ClipView", "Listing", "Media", "Record", "Stray", "View",
]  # fmt: skip


READS_LISTINGS = ("id-lora", "ltx")
"""Trainers that train what their metadata lists: they walk no folder and read no .txt."""


@dataclass(frozen=True, slots=True)
class CaptionFile:
    """A caption file as its bytes are."""

    name: str
    """Relative to the dataset, with slashes."""
    text: str | None
    """Decoded as UTF-8, without a BOM; None where it is no UTF-8."""
    bom: bool = False
    error: str | None = None
    """Why there is no text."""

    @property
    def lines(self) -> int:
        """Lines that hold something, as a loader splits them."""
        return sum(1 for line in (self.text or "").splitlines() if line.strip())


@dataclass(frozen=True, slots=True)
class ClipView:
    """One clip: a media file that may be trained on."""

    name: str
    """Relative to the dataset, with slashes; what findings call it."""
    path: Path
    media: Media
    size: int = 0
    """Bytes."""
    mtime_ns: int = 0
    caption: CaptionFile | None = None
    """The caption file beside it; None where there is none."""
    listed: str | None = None
    """The caption that a listing gives it; a trainer that reads the listing reads this."""
    words: tuple[Word, ...] | None = None
    """What is said in it, with times in the clip; None where nobody transcribed it."""
    speech: tuple[tuple[float, float], ...] | None = None
    """Seconds in the clip where somebody speaks; None where nobody listened."""

    @property
    def stem(self) -> str:
        return self.path.stem

    @property
    def folder(self) -> str:
        """Relative to the dataset, with slashes; empty for the dataset itself."""
        return self.name.rpartition("/")[0]

    @property
    def extension(self) -> str:
        """As it is spelled, without the dot."""
        return self.path.suffix[1:]

    @property
    def text(self) -> str | None:
        """The caption that is trained with, stripped; None where there is none that can be read."""
        if self.listed is not None:
            return self.listed.strip()
        return self.caption.text.strip() if self.caption is not None and self.caption.text is not None else None

    @property
    def facts(self) -> ClipFacts:
        return self.media.facts

    @property
    def usable(self) -> bool:
        return self.media.error is None


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a listing."""

    line: int
    """1-based."""
    fields: Mapping[str, Any]
    media: str | None = None
    """The path as it is spelled there."""
    name: str | None = None
    """The clip that it means; None where the dataset has none of that path."""
    caption: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A metadata file: what stands in it, however wrong."""

    name: str
    """Relative to the dataset, with slashes."""
    path: Path
    form: str
    """"json", "jsonl", "csv", "map" (a JSON object from media path to caption) or "captions" (unknown columns)."""
    records: tuple[Record, ...] = ()
    columns: tuple[str, ...] = ()
    """Of the first record, or the CSV's head."""
    bom: bool = False
    blank: tuple[int, ...] = ()
    """Line numbers of empty lines in a JSONL."""
    error: str | None = None
    """Why it cannot be read on, without its name."""
    error_line: int | None = None


@dataclass(frozen=True, slots=True)
class Stray:
    """A file that is neither a clip nor the caption of one."""

    name: str
    """Relative to the dataset, with slashes."""
    path: Path
    kind: str
    """"caption" (a .txt without a clip), "image", "other"."""


@dataclass(frozen=True)
class View:
    """Everything that a check looks at."""

    root: Path
    clips: tuple[ClipView, ...] = ()
    """By name."""
    strays: tuple[Stray, ...] = ()
    listings: tuple[Listing, ...] = ()
    trainer: str | None = None
    """The trainer's name; None: nothing is said that holds for one trainer alone."""
    config: TrainerConfig | None = None
    """What `--config` says; None without."""
    trigger: str | None = None
    caches: tuple[Path, ...] = ()
    decoded: tuple[Path, ...] = ()
    loras: tuple[Path, ...] = ()
    python: Path | None = None
    """The trainer's own interpreter, which is asked whether it can open the clips; None: nobody asks."""
    listened: bool = False
    """Whether sound was decoded: levels, speech and the second hearing are there."""
    heard: Mapping[str, str] = field(default_factory=dict)
    """Clip name -> what a second hearing of the stretch that the trainer hears says; empty without `--listen`."""
    tokens: Any = None
    """Text -> tokens, by the text encoder's own tokenizer; None where there is none: an upper bound is used."""

    @cached_property
    def by_name(self) -> Mapping[str, ClipView]:
        return {clip.name: clip for clip in self.clips}

    @cached_property
    def module(self) -> Trainer | None:
        """The trainer's file."""
        from captioner.trainers import trainer

        return trainer(self.trainer) if self.trainer else None

    @cached_property
    def options(self) -> Any:
        """The trainer's options: the config's, else those that an export of these clips would write; None without a
        trainer."""
        if self.module is None:
            return None
        if self.config is not None and self.config.options is not None:
            return self.config.options
        made = self.module.options_for([clip.facts for clip in self.playable])
        if self.config is not None and self.config.through:
            from captioner.trainers import wan

            return wan.loader(replace(made, through=self.config.through))
        return made

    def options_of(self, clip: ClipView) -> Any:
        """The options that hold for one clip: those of the config's dataset block that it belongs to."""
        if self.config is None:
            return self.options
        if clip.name not in self._options:
            found = self.config.options_of(clip.path, picture=bool(clip.media.frames))
            self._options[clip.name] = self.options if found is None else found
        return self._options[clip.name]

    def read(self, clip: ClipView, text: str) -> str:
        """What the model reads where a clip's caption is `text`: joined with the trigger as the trainer does."""
        return self.module.joined(text, self.trigger or "", self.options_of(clip)) if self.module is not None else text

    @cached_property
    def cached(self) -> Caches:
        """What stands in the trainers' caches."""
        from captioner.checks.caches import read_caches

        return read_caches(self.caches)

    @cached_property
    def compared(self) -> Comparison:
        """Decoded latents against their clips. Runs models."""
        from captioner.checks.decoded import compare

        return compare(self)

    @cached_property
    def playable(self) -> tuple[ClipView, ...]:
        """Clips whose media could be opened."""
        return tuple(clip for clip in self.clips if clip.usable)

    @cached_property
    def _options(self) -> dict[str, Any]:
        return {}

    @cached_property
    def _windows(self) -> dict[tuple[int, int], tuple[Media, Any, Window]]:
        """By the identity of media and options, which are held on to: clips of which the same is known share one."""
        return {}

    def window(self, clip: ClipView) -> Window | None:
        """What the trainer really uses of a clip; None without a trainer, and for media that cannot be opened."""
        if self.module is None or not clip.usable:
            return None
        options = self.options_of(clip)
        key = id(clip.media), id(options)
        if key not in self._windows:
            self._windows[key] = clip.media, options, self.module.window(clip.facts, options)
        return self._windows[key][2]

    @cached_property
    def readers(self) -> frozenset[str]:
        """The trainer, and the one whose loader reads the clips where that is another: Wan is trained through two."""
        through = self.config.through if self.config is not None else ""
        return frozenset(filter(None, (self.trainer, through)))

    def is_for(self, *names: str) -> bool:
        """Whether the trainer, or the one whose loader it uses, is one of these."""
        return not self.readers.isdisjoint(names)

    @cached_property
    def can_add(self) -> bool:
        """Whether the loader that reads the clips can put a trigger before their captions."""
        from captioner.trainers import trainer

        return any(trainer(name).ADDS_TRIGGER for name in self.readers)

    @cached_property
    def deaf(self) -> bool:
        """Whether the model that is trained hears nothing, whatever it is told."""
        return self.module is not None and not self.module.TAKES_SOUND

    @property
    def captioned(self) -> Iterator[tuple[ClipView, str]]:
        """Clips that have a caption with something in it, and that."""
        for clip in self.clips:
            if text := clip.text:
                yield clip, text
