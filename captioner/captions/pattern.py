r"""The pattern language of caption templates.

    {name}      a field
    {name?}     nothing, where the field is known: for brackets that say something of it in other words
    [ ... ]     vanishes whole when a field that stands in it is unknown; may be nested
    [ a | b ]   the first of several whose fields are known
    \[ \] \{ \} \| \\    the marks themselves

So `[ in a {voice} voice]` is "in a soft voice", or nothing. "a" before a field is "an" where the field begins so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from captioner.captions.text import single_marks

_TOKEN = re.compile(
    r"\\(?P<plain>[\[\]{}|\\])"
    r"|\{(?P<field>[^{}\[\]|\\]*)\}"
    r"|(?P<mark>[\[\]|{}\\])"
    r"|(?P<text>[^\\\[\]{}|]+)"
)


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Group:
    choices: tuple[tuple[Node, ...], ...]


Node = str | Field | Group


def parse_pattern(pattern: str) -> tuple[tuple[Node, ...], list[str]]:
    """The nodes of a pattern, and everything that is wrong with it."""
    parser = _Parser(pattern.strip())
    return parser.nodes(), parser.wrong


def fill(nodes: Sequence[Node], fields: Mapping[str, str | None]) -> str:
    """The pattern with its fields; outside brackets an unknown one is left out."""
    return _joined(_pieces(nodes, fields, strict=False) or [])


def names_in(nodes: Sequence[Node]) -> list[str]:
    """Every field in order, those of all choices."""
    found = []
    for node in nodes:
        if isinstance(node, Field):
            found.append(node.name)
        elif isinstance(node, Group):
            found += [name for choice in node.choices for name in names_in(choice)]
    return found


def most_often(nodes: Sequence[Node], *names: str) -> int:
    """How often one of some fields can be said at most."""
    own = sum(isinstance(node, Field) and node.shown and node.name in names for node in nodes)
    return own + sum(
        max(most_often(choice, *names) for choice in node.choices) for node in nodes if isinstance(node, Group)
    )


class _Parser:
    """Recursive descent over the tokens of a pattern; faults are noted, not raised, so that all are told."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._tokens = list(_TOKEN.finditer(pattern))
        self._at = 0
        self.wrong: list[str] = []

    def nodes(self) -> tuple[Node, ...]:
        found = self._sequence(depth=0)
        while self._at < len(self._tokens):
            self._fault("nothing was opened that this closes")
            self._at += 1
            found += self._sequence(depth=0)
        return found

    def _sequence(self, depth: int) -> tuple[Node, ...]:
        found: list[Node] = []
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            mark = token["mark"]
            if mark == "]" or (mark == "|" and depth):
                break
            if mark == "[":
                found.append(self._group(depth))
                continue
            if mark in ("{", "}", "\\"):
                self._fault(f"write \\{mark} for the mark itself")
            self._at += 1
            if token["field"] is not None:
                asked = token["field"].strip()
                found.append(Field(asked.removesuffix("?").rstrip(), shown=not asked.endswith("?")))
            else:
                found.append(re.sub(r"\s+", " ", token["plain"] or token["text"] or token["mark"]))
        return tuple(found)

    def _group(self, depth: int) -> Group:
        opened = self._at
        choices = []
        while True:
            self._at += 1
            choices.append(self._sequence(depth + 1))
            if self._at >= len(self._tokens):
                self._at = opened
                self._fault("this bracket is never closed")
                self._at = len(self._tokens)
                break
            if self._tokens[self._at]["mark"] == "]":
                self._at += 1
                break
        self._unvarying(choices, opened)
        return Group(tuple(choices))

    def _unvarying(self, choices: Sequence[tuple[Node, ...]], opened: int) -> None:
        """Notes brackets that could never vanish or change."""
        fixed = [not any(isinstance(node, Field) for node in choice) for choice in choices]
        resume, self._at = self._at, opened
        if all(fixed):
            self._fault("no field stands in these brackets, so they never vanish; write \\[ and \\] for the marks")
        elif any(fixed[:-1]):
            self._fault("a choice without a field is always taken, so what follows it never is; put it last")
        self._at = resume

    def _fault(self, said: str) -> None:
        start = self._tokens[self._at].start()
        self.wrong.append(f"text, at {self._pattern[start : start + 20]!r}: {said}")


_ENDED = re.compile("[.!?\u3002\uff01\uff1f\u061f\u06d4\u0964,;:](?: \\([a-z ]+\\))*[\"')\\]]?(?:</d>)?$")
"""A value that ends its sentence itself, whatever sounds follow its last word."""

Piece = tuple[str, bool]
"""Text, and whether it is a field's value."""


def _pieces(nodes: Sequence[Node], fields: Mapping[str, str | None], *, strict: bool) -> list[Piece] | None:
    """The pieces of a sequence; None where one of its own fields is unknown and it is `strict`: in brackets."""
    found: list[Piece] = []
    for node in nodes:
        if isinstance(node, str):
            found.append((node, False))
        elif isinstance(node, Field):
            value = fields.get(node.name)
            if not value and strict:
                return None
            if node.shown:
                found.append((value or "", bool(value)))
        else:
            choices = (_pieces(choice, fields, strict=True) for choice in node.choices)
            found += next((choice for choice in choices if choice is not None), [])
    return found


def _joined(pieces: Sequence[Piece]) -> str:
    """The caption. Only the template's own words are tidied; a value is never touched."""
    out, run = "", ""
    for text, is_value in (*pieces, ("", True)):
        if not is_value:
            run += text
            continue
        out += _article(_tidy(run, out, last=not text), text) + text
        run = ""
    return out.strip()


def _article(run: str, value: str) -> str:
    """The words before a value, "a" as "an" where the value begins with a vowel that is heard."""
    if run.endswith((" a ", " A ")) and re.match(r"(?!uni|use|usu|eu|one\b)[aeiou]|hour|honest", value):
        return run[:-1] + "n "
    return run


def _tidy(run: str, before: str, *, last: bool) -> str:
    """A run of the template's words after `before`, with what vanished fields have left behind taken away."""
    run = single_marks(re.sub(r"\s+", " ", run))
    run = re.sub(r" (?=[,.;:!?])", "", run)
    if not before:
        run = run.lstrip(" ,.;:!?")
    if _ENDED.search(before):
        run = re.sub(r"^[.,;:](?=\s|$)", "", run)  # the words have ended their sentence themselves
    return run.rstrip(" ,;:") if last else run
