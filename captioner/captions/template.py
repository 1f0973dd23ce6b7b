"""Caption templates: one YAML file a dialect.

dialect: the form's name
about: one line on it
text: the caption, in the language of `captioner.captions.pattern`
ask: {name: {question: what a person is asked, default: what holds without an answer}}
nonverbal: how a sound of the mouth is written between the words, such as ({}); empty where the form has none there
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from captioner.captions.fields import FIELDS
from captioner.captions.nonverbal import STYLE
from captioner.captions.pattern import Field, Node, fill, most_often, names_in, parse_pattern
from captioner.captions.text import one_line
from captioner.errors import TemplateError
from captioner.types import Caption

KEYS = ("dialect", "about", "text", "ask", "nonverbal")
NEEDED = {
    "trigger": "without it in every caption the model cannot tell your subject from everybody else",
    "speech": "a caption must hold the words that are heard",
}
WORDS = ("speech", "words")
"""Either holds them: in quotation marks, or without."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A field that a person fills."""

    name: str
    question: str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    dialect: str
    nodes: tuple[Node, ...]
    asks: tuple[Ask, ...] = ()
    nonverbal: str = STYLE
    """How a sound of the mouth is written between the words; empty where the form has none there."""
    names: frozenset[str] = frozenset()
    """Every field that it names."""


def parse_template(text: str, origin: str) -> Template:
    """The template in a YAML text. Raises TemplateError naming `origin` and everything that is wrong at once."""
    content = _mapping(text, origin)
    wrong = [f"unknown key {key!r}{_near(str(key), KEYS)}" for key in content if key not in KEYS]
    dialect, pattern = content.get("dialect"), content.get("text")
    if not isinstance(dialect, str) or not dialect.strip():
        wrong.append("`dialect` is missing: give the form a name")
    if not isinstance(pattern, str) or not pattern.strip():
        wrong.append("`text` is missing: it is the caption with {fields} in it")
    asks = _asks(content.get("ask"), wrong)
    if isinstance(pattern, str):
        nodes, faults = parse_pattern(pattern)
        wrong += faults
        _check(nodes, [*FIELDS, *(ask.name for ask in asks)], wrong)
    nonverbal = content.get("nonverbal", STYLE) or ""
    if nonverbal not in ("", STYLE):
        wrong.append(f"nonverbal is {nonverbal!r}: give {STYLE} or leave it empty; readers find no other marks again")
    if wrong:
        raise TemplateError("\n".join(f"{origin}: {fault}" for fault in wrong))
    return Template(one_line(str(dialect)), nodes, asks, nonverbal, frozenset(names_in(nodes)))


def render(template: Template, fields: Mapping[str, str | None]) -> Caption:
    """One line. Raises TemplateError where the trigger is empty.

    Field values go in as they are; `captioner.captions.text` makes them fit to stand in a sentence.
    """
    if not fields.get("trigger"):
        raise TemplateError("the trigger is empty: " + NEEDED["trigger"])
    return Caption(fill(template.nodes, fields), dict(fields), template.dialect)


def _mapping(text: str, origin: str) -> dict[Any, Any]:
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TemplateError(f"{origin}: not valid YAML: {one_line(str(error))}") from error
    if not isinstance(content, dict):
        raise TemplateError(f"{origin}: a template is a YAML mapping with `dialect` and `text`")
    return content


def _asks(given: object, wrong: list[str]) -> tuple[Ask, ...]:
    if given is None:
        return ()
    if not isinstance(given, dict):
        wrong.append("`ask` is a mapping: name, then `question` and `default`")
        return ()
    asks = []
    for name, entry in given.items():
        allowed = isinstance(name, str) and name.isidentifier() and name not in FIELDS
        if not allowed:
            wrong.append(
                f"ask: {name!r} is no name for a field of your own: use a plain word that is not {_listed(FIELDS)}"
            )
        elif (
            not isinstance(entry, dict)
            or not isinstance(entry.get("question"), str)
            or set(entry) - {"question", "default"}
        ):
            wrong.append(f"ask: {name} needs a `question`, may have a `default`, and nothing else")
        else:
            default = entry.get("default")
            asks.append(Ask(name, one_line(entry["question"]), None if default is None else str(default)))
    return tuple(asks)


def _check(nodes: Sequence[Node], known: Sequence[str], wrong: list[str]) -> None:
    names = names_in(nodes)
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    if unknown:
        told = ", ".join(f"{{{name}}}{_near(name, known)}" for name in unknown)
        wrong.append(f"unknown fields: {told}; there are {_listed(known)}; ask for your own under `ask`")
    shown = {name for name in names if most_often(nodes, name)}
    lacking = [name for name in NEEDED if name not in shown and not (name == "speech" and "words" in shown)]
    wrong += [f"{{{name}}} is missing: {NEEDED[name]}" for name in lacking]
    often = {name: most_often(nodes, name) for name in ("trigger", *WORDS)}
    wrong += [f"{{{name}}} is there twice: once is exact" for name, times in often.items() if times > 1]
    if most_often(nodes, *WORDS) > 1 and not any(times > 1 for times in often.values()):
        wrong.append("{speech} and {words} hold the same words: once is exact")
    if "trigger" in names and Field("trigger") not in nodes:
        wrong.append("{trigger} stands in brackets: it must be in every caption")


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {near[0]}?)" if near else ""


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(names)
