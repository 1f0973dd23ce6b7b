"""What a trainer's config says, as one value for all trainers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

_DEEP = 3
"""Folders above a clip among which the dataset's own is looked for, where its path is another machine's."""


@dataclass(frozen=True, slots=True)
class Given:
    """A field as somebody wrote it."""

    value: Any
    file: str
    """As the user gave it, or beside that."""
    line: int | None
    """1-based; None where the format gives none."""
    key: str
    """Its full name: `config.process[0].datasets[0].fps`, or a flag: `--framerate`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a config by itself, whatever the clips are."""

    kind: str
    """"unknown", "type", "value", "missing" or "ignored" (it stands where nobody reads it)."""
    file: str
    line: int | None
    key: str
    told: str
    """One sentence without its stop."""
    cost: str
    fix: str
    harmless: bool = False
    """Where nothing is lost by it as far as is known."""


@dataclass(frozen=True, slots=True)
class Block:
    """One dataset of a config: what is done to its clips."""

    name: str
    """`datasets[0]`."""
    file: str
    line: int | None
    options: Any
    """The trainer's own `Options`; None where the config leaves open what decides (buckets on no command line)."""
    fields: Mapping[str, Given] = field(default_factory=dict)
    """By name, those that hold for all blocks included."""
    folders: tuple[str, ...] = ()
    """Folders of clips, as they are spelled."""
    listings: tuple[str, ...] = ()
    """Files that list clips, as they are spelled."""
    members: frozenset[str] | None = field(default=None, repr=False)
    """File names of the clips that its listings name; None where it has none that could be read."""
    sound_alone: bool = False
    """Whether it is for sound without picture."""
    caption_extension: str | None = None
    """With its dot: `.txt`; None where captions stand in a listing."""

    def value(self, name: str, default: Any = None) -> Any:
        """What a field says; the default where it is not given."""
        given = self.fields.get(name)
        return default if given is None else given.value

    @property
    def latents(self) -> PurePath | None:
        """Where LTX's command puts what it prepares of a listing; None where it names none."""
        if not self.listings:
            return None
        return PurePath(str(self.value("output_dir") or PurePath(self.listings[0]).parent / ".precomputed"))

    def line_of(self, name: str) -> int | None:
        """The line of a field; the block's own where it is not given."""
        given = self.fields.get(name)
        return given.line if given is not None and given.file == self.file else self.line

    def has_folder(self, path: PurePath) -> bool:
        """Whether a clip stands in one of its folders, here or under the same name on another machine."""
        parts = path.parent.parts
        for folder in self.folders:
            own = PurePath(folder.replace("\\", "/")).parts
            if own and (parts[: len(own)] == own or own[-1] in parts[-_DEEP:]):
                return True
        return False


@dataclass(frozen=True, slots=True)
class TrainerConfig:
    """Everything that a config, and the command lines beside it, say."""

    trainer: str
    file: str
    """The one that was given."""
    files: tuple[str, ...]
    """All that were read."""
    blocks: tuple[Block, ...] = ()
    fields: Mapping[str, Given] = field(default_factory=dict)
    """What holds for the whole job, by its full name without list indices: `train.batch_size`; flags by `--name`."""
    faults: tuple[Fault, ...] = ()
    commands: bool = False
    """Whether command lines of the trainer were found: without them what flags decide is not known."""
    trigger: Given | None = None
    """The trigger that the trainer is told; None where no field says one."""
    batch: Given | None = None
    dropout: Given | None = None
    """Share of steps that are trained without a caption."""
    targets: Given | None = None
    """The modules that a LoRA is put on: a list of names."""
    sound: bool | None = None
    """Whether the job itself trains sound, apart from its dataset blocks; None where they alone decide."""
    sound_given: Given | None = None
    """The field that says so."""
    others: tuple[Block, ...] = ()
    """Blocks that train other clips than those that are looked at."""
    through: str = ""
    """The trainer whose loader reads the clips, where it is not the trainer itself: Wan is trained through two."""

    @property
    def options(self) -> Any:
        """Of the first block with picture; None where the config does not say."""
        block = next((one for one in self.blocks if not one.sound_alone), self.blocks[0] if self.blocks else None)
        return block.options if block is not None else None

    def block_of(self, path: PurePath, *, picture: bool = True) -> Block | None:
        """The block that a clip belongs to; None where none can be told."""
        listed = [one for one in self.blocks if one.members is not None and path.name in one.members]
        near = [one for one in self.blocks if one.has_folder(path)]
        alike = [one for one in self.blocks if one.sound_alone is not picture]
        for some in (listed, near, alike, self.blocks):
            fitting = [one for one in some if one.sound_alone is not picture] or list(some)
            if fitting:
                return fitting[0]
        return None

    def options_of(self, path: PurePath, *, picture: bool = True) -> Any:
        """The options that hold for a clip; None where the config does not say."""
        block = self.block_of(path, picture=picture)
        return block.options if block is not None else None

    def value(self, name: str, default: Any = None) -> Any:
        """What a field of the job says; the default where it is not given."""
        given = self.fields.get(name)
        return default if given is None else given.value

    @property
    def batch_size(self) -> int | None:
        """None where the config does not say, or nonsense."""
        value = self.batch.value if self.batch is not None else None
        return value if isinstance(value, int) and value > 0 else None
