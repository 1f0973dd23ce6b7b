"""Texts of configs into plain values with the lines that their fields stand on. Touches no file.

Configs are foreign input: what they may hold is bounded before any parser builds a value of it. Every failure is a
BadFormat with the line.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from captioner.checks.configs.flags import Command, commands_in
from captioner.errors import BadFormat

MOST_TEXT = 512 * 1024
"""Characters of a config; a job of many datasets has some ten thousand."""
MOST_DEPTH = 32
MOST_VALUES = 100_000
"""Values of a config, each alias counted as often as it is used."""

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Doc:
    """A config as plain values."""

    name: str
    """The file, as findings call it."""
    form: str
    """"yaml", "json", "toml", "env" or "commands"."""
    value: Any
    lines: Mapping[Place, int] = field(default_factory=dict)
    """1-based, by keys and indices from the top; not of every place in TOML."""
    commands: tuple[Command, ...] = ()

    def line(self, place: Place) -> int | None:
        """The line of a field; of the nearest one around it where its own is not known."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)


def parse(text: str, name: str) -> Doc:
    """A config by its file's ending: .json, .toml, .env, .sh .bash .bat .cmd .ps1, anything else as YAML.

    Raises BadFormat for what is none, for a key that stands twice, and for what is too big or too deep.
    """
    if len(text) > MOST_TEXT:
        raise BadFormat(f"{name}: {len(text):,} characters; no config has more than {MOST_TEXT:,}")
    ending = name.rpartition(".")[2].lower()
    text = text.removeprefix("\ufeff")
    if ending == "json":
        return parse_json(text, name)
    if ending == "toml":
        return parse_toml(text, name)
    if ending in ("sh", "bash", "bat", "cmd", "ps1"):
        return Doc(name, "commands", {}, commands=commands_in(text, name))
    if ending == "env":
        from captioner.checks.configs.envfile import parse_env

        return parse_env(text, name)
    return parse_yaml(text, name)


# -- YAML --------------------------------------------------------------------------------------------------------------


def parse_yaml(text: str, name: str) -> Doc:
    """One document of YAML 1.1, as PyYAML's safe loader reads it. Raises BadFormat."""
    import yaml

    try:
        _bounded(yaml.parse(text, Loader=yaml.SafeLoader), name)
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            walk = _Walk(loader, name)
            value = walk.value(node, ()) if node is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f":{mark.line + 1}" if mark else ""
        raise BadFormat(f"{name}{at}: no YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise BadFormat(f"{name}: no YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise BadFormat(f"{name}: nested too deeply") from error
    return Doc(name, "yaml", value, walk.lines)


def _bounded(events: Iterator[Any], name: str) -> None:
    """Raises BadFormat unless depth and number of a YAML text's events are those of a config."""
    import yaml

    depth = 0
    for count, event in enumerate(events):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MOST_DEPTH or count > MOST_VALUES:
            line = event.start_mark.line + 1
            raise BadFormat(f"{name}:{line}: nested more than {MOST_DEPTH} deep, or more than {MOST_VALUES:,} values")


class _Walk:
    """Builds plain values of YAML's nodes; aliases cost as much as what they stand for."""

    def __init__(self, loader: Any, name: str) -> None:
        self.loader, self.name = loader, name
        self.lines: dict[Place, int] = {}
        self.left = MOST_VALUES

    def value(self, node: Any, place: Place) -> Any:
        import yaml

        self.left -= 1
        line = node.start_mark.line + 1
        if self.left < 0 or len(place) > MOST_DEPTH:
            raise BadFormat(f"{self.name}:{line}: its aliases unfold to more than a config holds")
        self.lines.setdefault(place, line)
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self.value(one, (*place, n)) for n, one in enumerate(node.value)]
        return self._scalar(node, line)

    def _scalar(self, node: Any, line: int) -> Any:
        import yaml

        if not isinstance(node, yaml.ScalarNode):
            raise BadFormat(f"{self.name}:{line}: the tag {node.tag} is none of a config")
        try:
            return self.loader.construct_object(node)
        except (ValueError, KeyError, IndexError, TypeError, OverflowError, AttributeError) as error:
            raise BadFormat(f"{self.name}:{line}: {node.value[:40]!r} is not what its tag says") from error

    def _mapping(self, node: Any, place: Place) -> dict[str, Any]:
        made: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == "tag:yaml.org,2002:merge":
                merged = self._merged(value_node, place, line) | merged
                continue
            key = self.value(key_node, (*place, "?"))
            if not isinstance(key, str | int | float | bool) and key is not None:
                raise BadFormat(f"{self.name}:{line}: a field's name must be text")
            key = key if isinstance(key, str) else str(key_node.value)
            if key in made:
                raise BadFormat(
                    f"{self.name}:{line}: {key!r} stands twice (first in line {self.lines.get((*place, key))}); the "
                    "last one would count without a word: keep one"
                )
            self.lines[*place, key] = line
            made[key] = self.value(value_node, (*place, key))
        return merged | made

    def _merged(self, node: Any, place: Place, line: int) -> dict[str, Any]:
        """What `<<` takes over: earlier ones of a list win."""
        import yaml

        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for part in parts:
            value = self.value(part, (*place, "<<"))
            if not isinstance(value, dict):
                raise BadFormat(f"{self.name}:{line}: << takes over fields, and this has none")
            merged = value | merged
        return merged


# -- JSON --------------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|"', re.DOTALL)


def parse_json(text: str, name: str) -> Doc:
    """Strict JSON. Raises BadFormat."""
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        if depth > MOST_DEPTH:
            raise BadFormat(f"{name}:{text.count(chr(10), 0, token.start()) + 1}: nested more than {MOST_DEPTH} deep")
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise BadFormat(f"{name}:{error.lineno}: no JSON: {error.msg}") from error
    except RecursionError as error:
        raise BadFormat(f"{name}: nested too deeply") from error
    except ValueError as error:
        raise BadFormat(f"{name}: no JSON: {error}") from error
    return Doc(name, "json", value, _json_lines(text))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:60]!r} stands twice; the last one would count without a word")
    return values


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _json_lines(text: str) -> dict[Place, int]:
    """The line of each place of a valid JSON text."""
    lines: dict[Place, int] = {(): 1}
    stack: list[list[Any]] = []  # [whether an object, key or index that comes next, whether its value is due]
    line, at = 1, 0
    for token in _TOKEN.finditer(text):
        line, at = line + text.count("\n", at, token.start()), token.start()
        word = token[0]
        if word in "}]":
            stack.pop()
        elif word == ",":
            stack[-1][2] = not stack[-1][0]
            stack[-1][1] = None if stack[-1][0] else stack[-1][1] + 1
        elif word == ":":
            stack[-1][2] = True
        elif stack and stack[-1][0] and not stack[-1][2]:
            stack[-1][1] = json.loads(word)
            lines[tuple(one[1] for one in stack)] = line
        else:
            if stack:
                lines.setdefault(tuple(one[1] for one in stack), line)
            if word in "{[":
                stack.append([word == "{", None if word == "{" else 0, word == "["])
    return lines


# -- TOML --------------------------------------------------------------------------------------------------------------

_HEADER = re.compile(r"\s*(\[\[|\[)\s*([A-Za-z0-9_.\-\s\"']+?)\s*(\]\]|\])\s*(?:#.*)?\Z")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-]+|\"[^\"]*\"|'[^']*')\s*=")


def parse_toml(text: str, name: str) -> Doc:
    """TOML 1.0. Raises BadFormat."""
    opened = max((line.count("[") + line.count("{") for line in text.splitlines()), default=0)
    if opened > MOST_VALUES:
        raise BadFormat(f"{name}: more than {MOST_VALUES:,} values")
    try:
        value = tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        raise BadFormat(f"{name}: no TOML: {error}") from error
    except RecursionError as error:
        raise BadFormat(f"{name}: nested too deeply") from error
    except (ValueError, OverflowError) as error:
        raise BadFormat(f"{name}: no TOML: {error}") from error
    if _depth(value) > MOST_DEPTH:
        raise BadFormat(f"{name}: nested more than {MOST_DEPTH} deep")
    return Doc(name, "toml", value, _toml_lines(text))


def _depth(value: Any) -> int:
    """How deep lists and tables stand in each other; stops counting soon after MOST_DEPTH."""
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        one, depth = waiting.pop()
        deepest = max(deepest, depth)
        if depth <= MOST_DEPTH and isinstance(one, dict | list):
            waiting += [(part, depth + 1) for part in (one.values() if isinstance(one, dict) else one)]
    return deepest


def _toml_lines(text: str) -> dict[Place, int]:
    """The lines of tables and of keys that begin a line, outside of long strings."""
    lines: dict[Place, int] = {(): 1}
    table: Place = ()
    counts: dict[Place, int] = {}
    long = ""
    for number, line in enumerate(text.splitlines(), 1):
        if long:
            long = "" if long in line else long
            continue
        header, key = _HEADER.match(line), _KEY.match(line)
        if header and len(header[1]) == len(header[3]):
            table = tuple(part.strip().strip("\"'") for part in header[2].split("."))
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            lines.setdefault(table, number)
        elif key:
            lines.setdefault((*table, key[1].strip("\"'")), number)
            rest = line[key.end() :]
            long = next((mark for mark in ('"""', "'''") if rest.count(mark) == 1), "")
    return lines
