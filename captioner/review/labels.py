"""What the fields of a caption are called where a person reads them; what is stored has their names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

LABELS: Mapping[str, str] = {"act": "how said", "foreign": "spoken in", "who": "who speaks", "ambience": "background"}
"""Where the name alone says little; another field's is its name."""


def label_of(name: str) -> str:
    return LABELS.get(name, name.replace("_", " "))


def name_of(asked: str, names: Iterable[str]) -> str:
    """The field that a person means by its name or its label; what was asked for where there is none."""
    known = list(names)
    return asked if asked in known else next((name for name in known if label_of(name) == asked), asked)


def choices(names: Iterable[str]) -> str:
    """Fields to choose from: "speech, act (how said)"."""
    return ", ".join(name if label_of(name) == name else f"{name} ({label_of(name)})" for name in names)
