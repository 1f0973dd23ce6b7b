"""What a config may hold: tables of fields, and a walk that names each one that is misspelt, of another kind, or out
of its range."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from captioner.checks.configs.reading import Doc, Place
from captioner.checks.configs.value import Fault, Given


@dataclass(frozen=True, slots=True)
class Kind:
    """What a field may hold."""

    types: tuple[type, ...] = ()
    """Empty: anything."""
    least: float | None = None
    most: float | None = None
    above: float | None = None
    """It must be more than that."""
    choices: tuple[str, ...] = ()
    filled: bool = False
    """Whether an empty text or list is wrong."""
    table: Table | None = None
    """Of a mapping."""
    each: Kind | None = None
    """Of a list's values."""
    length: int | None = None
    cost: str = ""
    """What a wrong value costs; empty: the table's own word."""

    @property
    def told(self) -> str:
        """What to give, as a phrase."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if bool in self.types:
            return "true or false"
        words = {int: "a whole number", float: "a number", str: "text", list: "a list", dict: "a table of fields"}
        named = "a number" if float in self.types else words.get(self.types[0], "a value") if self.types else "a value"
        if self.types == (float,):
            named = "a number with its point, such as 25.0"
        limits = [
            text for text in (
                f"more than {self.above:g}" if self.above is not None else "",
                f"at least {self.least:g}" if self.least is not None else "",
                f"at most {self.most:g}" if self.most is not None else "",
            ) if text
        ]  # fmt: skip
        between = ", " if self.types == (float,) else " "
        told = between.join([named, *([", ".join(limits)] if limits else [])])
        return f"{told} with something in it" if self.filled else told

    def fits(self, value: Any) -> bool:
        """Whether it is of this kind, the parts of lists and mappings left aside."""
        if value is None:
            return not self.filled
        if self.types:
            if isinstance(value, bool) and bool not in self.types:
                return False
            if not isinstance(value, self.types):
                return False
        if isinstance(value, int | float) and not isinstance(value, bool):
            if value != value or abs(value) == float("inf"):
                return False
            low = self.least is not None and value < self.least
            if low or (self.most is not None and value > self.most) or (self.above is not None and value <= self.above):
                return False
        if self.choices and isinstance(value, str) and value not in self.choices:
            return False
        if self.length is not None and isinstance(value, list) and len(value) != self.length:
            return False
        return not (self.filled and value in ("", [], {}))


@dataclass(frozen=True, slots=True)
class Table:
    """The fields of a mapping."""

    kinds: Mapping[str, Kind]
    also: frozenset[str] = frozenset()
    """Names that are known and not looked at."""
    needed: tuple[str, ...] = ()
    unknown: str = "is ignored without a word: its default holds"
    """What the trainer does with another field."""
    refused: bool = False
    """Whether that stops it."""


def text(*choices: str, filled: bool = False, cost: str = "") -> Kind:
    return Kind((str,), choices=choices, filled=filled, cost=cost)


def whole(least: int | None = None, most: int | None = None, cost: str = "") -> Kind:
    return Kind((int,), least, most, cost=cost)


def number(
    least: float | None = None, most: float | None = None, *, above: float | None = None, cost: str = ""
) -> Kind:
    return Kind((int, float), least, most, above, cost=cost)


def pointed(least: float | None = None, most: float | None = None, cost: str = "") -> Kind:
    """A float that must be written as one."""
    return Kind((float,), least, most, cost=cost)


def items(each: Kind, length: int | None = None, *, filled: bool = True, cost: str = "") -> Kind:
    return Kind((list,), each=each, length=length, filled=filled, cost=cost)


def one_or_many(each: Kind) -> Kind:
    return Kind((list, *each.types), each.least, each.most, each.above, each=each, filled=True)


def table(of: Table) -> Kind:
    return Kind((dict,), table=of)


def names(words: str) -> frozenset[str]:
    """Names parted by blanks."""
    return frozenset(words.split())


FLAG = Kind((bool,))
ANY = Kind()
TEXT = Kind((str,))
NAME = Kind((str,), filled=True)
SEED = Kind((int,), -1)


@dataclass
class Checked:
    """What a walk over a config found."""

    fields: dict[str, Given] = field(default_factory=dict)
    """By full name with list indices."""
    faults: list[Fault] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)
    """Full names of fields whose value is not what it may be: their defaults are used instead."""

    def given(self, key: str) -> Given | None:
        """A field with a usable value."""
        return self.fields.get(key) if key not in self.bad else None

    def under(self, prefix: str) -> dict[str, Given]:
        """The usable fields right in a mapping, by their own name."""
        start = f"{prefix}." if prefix else ""
        return {
            key[len(start) :]: given
            for key, given in self.fields.items()
            if key.startswith(start) and key not in self.bad and "." not in key[len(start) :]
            and not key[len(start) :].endswith("]")
        }  # fmt: skip


def checked(doc: Doc, value: Any, place: Place, of: Table, *, stops: str = "training does not start") -> Checked:
    """Walks the mapping that stands at a place of a config."""
    made = Checked()
    for fault in _walk(doc, value, place, of, made, stops):
        made.faults.append(fault)
    return made


def named(place: Place) -> str:
    """`config.process[0].datasets[0].fps`"""
    told = ""
    for part in place:
        told += f"[{part}]" if isinstance(part, int) else f".{part}" if told else str(part)
    return told


def _walk(doc: Doc, value: Any, place: Place, of: Table, made: Checked, stops: str) -> Iterator[Fault]:
    if not isinstance(value, dict):
        at = named(place) or "the file"
        yield Fault("type", doc.name, doc.line(place), at, f"{at} is {shown(value)}, and must be a table of fields",
                    stops, "write fields with values there")  # fmt: skip
        return
    for name in of.needed:
        if value.get(name) is None:
            key = named((*place, name))
            yield Fault("missing", doc.name, doc.line(place), key, f"{key} is not given", stops, f"add {name}")
    for name, held in value.items():
        here = (*place, name)
        kind = of.kinds.get(name)
        if kind is None:
            if name not in of.also:
                yield _unknown(doc, here, of, stops)
            made.fields[named(here)] = Given(held, doc.name, doc.line(here), named(here))
            continue
        yield from _field(doc, held, here, kind, made, stops)


def _field(doc: Doc, held: Any, here: Place, kind: Kind, made: Checked, stops: str) -> Iterator[Fault]:
    key = named(here)
    made.fields[key] = Given(held, doc.name, doc.line(here), key)
    if not kind.fits(held):
        made.bad.add(key)
        yield wrong(doc.name, doc.line(here), key, held, kind, stops)
        return
    if kind.table is not None and held is not None:
        yield from _walk(doc, held, here, kind.table, made, stops)
    if kind.each is not None and isinstance(held, list):
        for n, part in enumerate(held):
            each = replace(kind.each, filled=kind.each.filled or part is None)  # an empty value of a list is no default
            for fault in _field(doc, part, (*here, n), each, made, stops):
                if kind.each.table is None:
                    made.bad.add(key)
                yield fault


def wrong(file: str, line: int | None, key: str, held: Any, kind: Kind, stops: str) -> Fault:
    """The fault of a field that is not what it may be."""
    what = "type" if kind.types and not isinstance(held, kind.types) else "value"
    near = difflib.get_close_matches(str(held), kind.choices, 1) if kind.choices else []
    fix = f"give {near[0]}" if near else f"give {kind.told}"
    return Fault(what, file, line, key, f"{key} is {shown(held)}, and must be {kind.told}", kind.cost or stops, fix)


def _unknown(doc: Doc, here: Place, of: Table, stops: str) -> Fault:
    name = str(here[-1])
    near = nearest(name, (*of.kinds, *of.also))
    key = named(here)
    told = f"{key} is no field that is known here" + (f"; did you mean {near}?" if near else "")
    cost = f"it is refused: {stops}" if of.refused else f"an unknown field {of.unknown}"
    fix = f"write {near}" if near else "take it out, or see whether your version of the trainer has it"
    return Fault("unknown", doc.name, doc.line(here), key, told, cost, fix, harmless=not near and not of.refused)


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that was meant, if any is like it."""
    found = difflib.get_close_matches(name, known, 1, cutoff=0.75)
    return found[0] if found else None


def shown(value: Any) -> str:
    """A value as a sentence shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a table of fields"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    told = repr(value) if isinstance(value, str) else str(value)
    return told if len(told) <= 60 else f"{told[:57]}..."
