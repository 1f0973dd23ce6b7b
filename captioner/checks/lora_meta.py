"""What the metadata of a LoRA file, and the files that its trainer left beside it, say of how it was made."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TRIGGER_KEYS = (
    "trained_words", "trainedwords", "trigger_word", "trigger_words", "trigger", "triggers", "trigger_phrase",
    "modelspec.trigger_phrase", "activation_text", "activation text", "instance_prompt",
)  # fmt: skip

_MOST_TRIGGERS = 5

_MADE = re.compile(r"\b(extract\w*|svd|merged?|resized?|pissa|loftq|olora|corda)\b", re.IGNORECASE)
"""Ways of making a LoRA whose up-matrices never start at zero."""

_MADE_KEYS = (
    "ss_training_comment", "modelspec.description", "modelspec.title", "description", "comment", "title", "format",
    "software", "init_lora_weights", "ss_network_args", "lora_adapter_metadata", "method",
)  # fmt: skip
"""Keys in which such a word is about the making. In captions or tags it would not be."""

_RANK_KEYS = ("ss_network_dim", "lora_rank", "rank", "network_dim", "transformer.r", "r")
_ALPHA_KEYS = ("ss_network_alpha", "lora_alpha", "alpha", "network_alpha", "transformer.lora_alpha")

_MOST_BESIDE = 2**20
"""Bytes of a file beside."""


@dataclass(frozen=True, slots=True)
class Stated:
    """Rank and alpha as somebody wrote them down."""

    rank: float | None
    alpha: float | None
    where: str


def triggers(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Words that call the LoRA up, as the metadata names them; else the tags that most captions share."""
    by_name = {key.lower(): value for key, value in metadata.items()}
    said = [word for key in _TRIGGER_KEYS for word in _words(by_name.get(key, ""))]
    return tuple(dict.fromkeys(said or _shared_tags(by_name.get("ss_tag_frequency", ""))))[:_MOST_TRIGGERS]


def _words(value: str) -> Iterator[str]:
    read = _json(value)
    many = read if isinstance(read, list) else [read if isinstance(read, str) else value]
    yield from (word.strip() for word in many if isinstance(word, str) and word.strip())


def _shared_tags(value: str) -> list[str]:
    """`{folder: {tag: captions with it}}`: what stands in every caption stands as often as anything does."""
    read = _json(value)
    counts: Counter[str] = Counter()
    for tags in read.values() if isinstance(read, dict) else ():
        for tag, count in tags.items() if isinstance(tags, dict) else ():
            if isinstance(count, int):
                counts[tag.strip()] += count
    most = max(counts.values(), default=0)
    often = [tag for tag, count in counts.items() if tag and count == most]
    return often if most > 1 and len(often) <= _MOST_TRIGGERS else []


def made_from(metadata: Mapping[str, str]) -> str | None:
    """A word of the metadata that says that the file was extracted, merged or initialised otherwise."""
    for key, value in metadata.items():
        found = _MADE.search(key.replace("_", " ")) or (_MADE.search(value) if key in _MADE_KEYS else None)
        if found:
            return found[0].lower()
    return None


def stated(metadata: Mapping[str, str], file: Path) -> Stated | None:
    """Rank and alpha by the metadata, else by LTX's `training_config.yaml` or PEFT's `adapter_config.json` beside."""
    flat = dict(metadata)
    read = _json(metadata.get("lora_adapter_metadata", ""))
    if isinstance(read, dict):
        flat |= {str(key): str(value) for key, value in read.items()}
    rank, alpha = _first(flat, _RANK_KEYS), _first(flat, _ALPHA_KEYS)
    if alpha is not None:
        return Stated(rank, alpha, "its metadata")
    for folder in (file.parent, file.parent.parent):
        for name, reader in (("training_config.yaml", _yaml), ("adapter_config.json", _json)):
            read = reader(_beside(folder / name))
            lora = read.get("lora", read) if isinstance(read, dict) else None
            if isinstance(lora, dict):
                values = {str(key): str(value) for key, value in lora.items()}
                rank, alpha = _first(values, _RANK_KEYS), _first(values, _ALPHA_KEYS)
                if alpha is not None:
                    return Stated(rank, alpha, f"{name} beside it")
    return None


def _first(values: Mapping[str, str], names: tuple[str, ...]) -> float | None:
    for name in names:
        try:
            number = float(values.get(name, ""))
        except ValueError:
            continue
        if 0 < number < 1e9:
            return number
    return None


def _beside(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BESIDE:
            return ""
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""  # a neighbour that cannot be read says nothing; it is not the file that was asked about


def _json(text: str) -> Any:
    if text[:1] not in {"{", "[", '"'} or text.count("[") > 100_000:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
