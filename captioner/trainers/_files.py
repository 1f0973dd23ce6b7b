"""What the files of an export are made from, and how they are written: pure text, no file is touched."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from captioner.trainers._window import ClipFacts

SHOWN = 5
"""Names that a sentence lists."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One clip of an export."""

    id: str
    place: str
    """Where it stands, relative to the export's folder: `clips/take1_f0n121.mp4`."""
    caption: str
    facts: ClipFacts
    trigger: str
    speaker: str | None = None
    reference: str | None = None
    """Where the sound of another clip of its speaker stands, relative to the folder."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """What is generated while a first experiment runs."""

    spoken: tuple[str, ...] = ()
    """With the trigger and quoted speech."""
    control: str = ""
    """The first of them without the trigger: it must not sound like the speaker."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """All of an export that a trainer's files are made from."""

    name: str
    """ASCII name of the run."""
    root: str
    """Where the export's folder stands on the machine that trains, with `/` between its parts."""
    training: tuple[Entry, ...]
    validation: tuple[Entry, ...] = ()
    trigger: str | None = None
    """The one trigger of all clips; None where speakers have their own."""
    steps: int = 2000
    seed: int = 42
    smoke: bool = False
    prompts: Prompts = field(default_factory=Prompts)

    def at(self, place: str) -> str:
        """A place in the folder, as the machine that trains spells it."""
        return f"{self.root.rstrip('/')}/{place}"

    def shell(self, place: str) -> str:
        """The same, for a shell."""
        return shlex.quote(self.at(place))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of most clips' picture; 512 x 512 where there is none."""
        sizes = [(entry.facts.width, entry.facts.height) for entry in self.training if entry.facts.frames]
        return max(sorted(set(sizes)), key=sizes.count) if sizes else (512, 512)

    def first_experiment(self) -> list[str]:
        """What to generate and compare, as comments of a script; nothing unless it is a first experiment."""
        if not self.smoke:
            return []
        told = [
            "",
            f"# A first experiment: {len(self.training)} clips, {self.steps} steps, seed {self.seed} throughout.",
            "# Generate each of these three times with the same seed: by the base model before training (step 0), with",
            "# the LoRA, and with the LoRA switched off (strength 0), which must be the base model's again.",
        ]
        told += [f"#   {prompt}" for prompt in self.prompts.spoken]
        return [*told, "# And without the trigger, with the LoRA: it must not sound like the speaker.",
                f"#   {self.prompts.control}"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """How an export differs from the one that stood there before."""

    media: tuple[str, ...] = ()
    """Ids of clips that have other picture or sound under the same name."""
    captions: tuple[str, ...] = ()
    """Ids of clips that have another caption, trigger or reference."""
    gone: tuple[str, ...] = ()
    """Ids of clips that are no longer there."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Where each of `gone` stood."""
    settings: tuple[str, ...] = ()
    """What the trainer is now told otherwise: names of options."""

    def __bool__(self) -> bool:
        return bool(self.media or self.captions or self.gone or self.settings)

    def summary(self) -> str:
        parts = []
        if self.media:
            parts.append(f"{len(self.media)} clips have other picture or sound ({names(self.media)})")
        if self.captions:
            parts.append(f"{len(self.captions)} clips have another caption ({names(self.captions)})")
        if self.settings:
            parts.append(f"{names(self.settings)} changed")
        if self.gone and not parts:
            parts.append(f"{len(self.gone)} clips are gone ({names(self.gone)})")
        return "; ".join(parts)

    def gone_as(self, suffix: str) -> list[str]:
        """Where the caches of clips that are gone stand, by their place."""
        return [str(PurePosixPath(self.places.get(id_, id_)).with_suffix(suffix)) for id_ in self.gone]


def names(words: Sequence[str]) -> str:
    """The first few, and how many more."""
    shown = [shlex.quote(word) if " " in word else word for word in words[:SHOWN]]
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(shown) + more


def joined_blindly(caption: str, prompt: str) -> str:
    """As trainers do that look for nothing before they put a prompt there."""
    return f"{prompt} {caption}" if prompt else caption


def captions_beside(bundle: Bundle) -> dict[str, str]:
    """A `.txt` beside every clip."""
    entries = (*bundle.training, *bundle.validation)
    return {str(PurePosixPath(entry.place).with_suffix(".txt")): f"{entry.caption}\n" for entry in entries}


def prompts_of(bundle: Bundle) -> list[str]:
    """What a run generates on its way: the prompts with the trigger, then the control without."""
    if bundle.prompts.spoken:
        return [*bundle.prompts.spoken, *([bundle.prompts.control] if bundle.prompts.control else [])]
    return [entry.caption for entry in bundle.training[:2]]


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def as_jsonl(rows: Sequence[Mapping[str, Any]]) -> str:
    """One row a line, none blank."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def as_yaml(value: object) -> str:
    import yaml

    text: str = yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=100_000)
    return text


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    import csv
    import io

    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    table.writerow(columns)
    table.writerows(rows)
    return out.getvalue()


def script(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
