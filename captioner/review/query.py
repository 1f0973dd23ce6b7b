"""The filter of the review: a text to a tree, the tree to SQL over the narrow rows. Pure.

    st:todo conf:<.7 spk:ema lint:any "the lantern"      all of them hold
    st:approved or st:rejected                           either; `or` binds less than standing beside each other
    -lint:any, not lint:any                              does not hold
    dur:2..4  dur:>=3  trust:none                        a range, a bound, not known
    /l[io]ve/                                            a regular expression over the caption

A word alone is looked for in the caption, whatever its case.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from captioner.decisions import STATES
from captioner.errors import QueryError
from captioner.rowtable import holds


@dataclass(frozen=True, slots=True)
class Term:
    """`field` "" is a text anywhere in the caption, `pattern` a regular expression there."""

    field: str
    value: str
    position: int
    pattern: bool = False


@dataclass(frozen=True, slots=True)
class Not:
    part: Query


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Query, ...]


Query = Term | Not | And | Or

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<open>\() | (?P<close>\)) |
    (?P<minus>-(?=[^\s\d.])) |
    (?P<pattern>/(?:[^/\\]|\\.)+/) |
    (?P<quoted>"(?:[^"\\]|\\.)*") |
    (?P<field>[a-z]+):(?P<value>"(?:[^"\\]|\\.)*"|[^\s()]*) |
    (?P<word>[^\s()"]+)
    )""",
    re.VERBOSE,
)

FIELDS: Mapping[str, str] = {
    "st": "status: todo, edited, approved, rejected, flagged, done (approved or rejected), open (the rest)",
    "conf": "probability that the words are right: conf:<.7, conf:.5..0.8, conf:none",
    "spk": "speaker, or a part of the name; spk:none",
    "lint": "findings: any, none, error, or a code such as lint:low-word",
    "lang": "language: en, de; lang:none",
    "dur": "seconds: dur:>3, dur:2..4",
    "file": "recording, or a part of its name",
    "id": "clip id, or a part of it",
    "reason": "why it was rejected, or the note of a flag",
    "field": "fields that a person edited: field:speech, field:any",
    "is": "marked, written, edited",
}
_SAME = {"status": "st", "trust": "conf", "speaker": "spk", "language": "lang", "len": "dur", "rec": "file"}


def parse(text: str) -> Query:
    """Raises QueryError that says where it cannot be read."""
    tokens = list(_tokens(text))
    query, rest = _either(tokens, 0, text)
    if rest < len(tokens):
        raise QueryError("a bracket closes that was not opened", tokens[rest][2])
    return query


_Token = tuple[str, Term | None, int]


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            place = at + len(text[at:]) - len(text[at:].lstrip())
            raise QueryError(f"cannot be read from here: {text[place:]}", place)
        start, kind = match.start(match.lastgroup), match.lastgroup
        if kind == "value":
            found.append(("term", _field(match["field"], _unquoted(match["value"]), match.start("field")), start))
        elif kind in ("quoted", "pattern"):
            body = match[kind][1:-1]
            pattern = kind == "pattern"
            if pattern:
                _check_pattern(body, start)
            found.append(("term", Term("", body if pattern else _unquoted(match[kind]), start, pattern), start))
        elif kind == "word":
            word = match["word"]
            kind = {"or": "or", "|": "or", "not": "minus", "and": "and"}.get(word.casefold(), "term")
            found.append((kind, Term("", word, start) if kind == "term" else None, start))
        else:
            found.append((kind, None, start))
        at = match.end()
    return found


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text[:1] == '"' and len(text) > 1 else text


def _check_pattern(pattern: str, position: int) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise QueryError(f"/{pattern}/ is no regular expression: {error}", position) from error


def _field(name: str, value: str, position: int) -> Term:
    known = _SAME.get(name, name)
    if known not in FIELDS:
        near = difflib.get_close_matches(name, [*FIELDS, *_SAME], 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise QueryError(f"there is no {name}:{hint}; there are {', '.join(FIELDS)}", position)
    term = Term(known, value.strip(), position)
    if not term.value:
        raise QueryError(f"{name}: what? {FIELDS[known]}", position)
    _CONDITIONS[known](term)  # says what is wrong with the value
    return term


def _either(tokens: list[_Token], at: int, text: str) -> tuple[Query, int]:
    parts = []
    while True:
        part, at = _all(tokens, at, text)
        parts.append(part)
        if at >= len(tokens) or tokens[at][0] != "or":
            return (parts[0] if len(parts) == 1 else Or(tuple(parts))), at
        at += 1


def _all(tokens: list[_Token], at: int, text: str) -> tuple[Query, int]:
    parts: list[Query] = []
    while at < len(tokens) and tokens[at][0] not in ("or", "close"):
        if tokens[at][0] == "and":
            at += 1
            continue
        part, at = _one(tokens, at, text)
        parts.append(part)
    if not parts:
        place = tokens[at][2] if at < len(tokens) else len(text)
        raise QueryError("something to look for is missing here", place)
    return (parts[0] if len(parts) == 1 else And(tuple(parts))), at


def _one(tokens: list[_Token], at: int, text: str) -> tuple[Query, int]:
    kind, term, place = tokens[at]
    if kind == "minus":
        if at + 1 >= len(tokens) or tokens[at + 1][0] in ("or", "close", "and"):
            raise QueryError("not what?", place)
        part, at = _one(tokens, at + 1, text)
        return Not(part), at
    if kind == "open":
        part, at = _either(tokens, at + 1, text)
        if at >= len(tokens) or tokens[at][0] != "close":
            raise QueryError("a bracket is not closed", place)
        return part, at + 1
    assert term is not None
    return term, at + 1


# -- SQL -------------------------------------------------------------------------------------------------------------

_Sql = tuple[str, list[Any]]


def to_sql(query: Query, marked: Collection[str] = ()) -> _Sql:
    """A condition over the columns of `rows`, and its values. `marked`: ids that `is:marked` means."""
    if isinstance(query, Not):
        inner, values = to_sql(query.part, marked)
        return f"NOT coalesce({inner}, 0)", values
    if isinstance(query, And | Or):
        found = [to_sql(part, marked) for part in query.parts]
        glue = " AND " if isinstance(query, And) else " OR "
        return f"({glue.join(sql for sql, _ in found)})", [value for _, values in found for value in values]
    if query.pattern:
        return "folded REGEXP ?", [query.value]
    if not query.field:
        condition, value = holds(query.value)
        return condition, [value]
    if query.field == "is" and query.value == "marked":
        return "id IN (SELECT value FROM json_each(?))", [json.dumps(sorted(marked))]
    return _CONDITIONS[query.field](query)


def _status(term: Term) -> _Sql:
    groups = {"done": ("approved", "rejected"), "open": ("todo", "edited", "flagged")}
    wanted: list[str] = []
    for value in term.value.split(","):
        if value in groups:
            wanted += groups[value]
        elif value in STATES:
            wanted.append(value)
        else:
            raise QueryError(f"st:{value}: give {', '.join((*STATES, *groups))}", term.position)
    return f"status IN ({', '.join('?' * len(wanted))})", wanted


def _number(column: str) -> Callable[[Term], _Sql]:
    def condition(term: Term) -> _Sql:
        if term.value == "none":
            return f"{column} IS NULL", []
        found = re.fullmatch(r"(<=|>=|<|>|=)?(\d*\.?\d+)(?:\.\.(\d*\.?\d+))?", term.value)
        if found is None or (found[1] and found[3]):
            raise QueryError(f"{term.field}:{term.value}: give a number, <.7, >=3 or 2..4", term.position)
        if found[3]:
            return f"{column} BETWEEN ? AND ?", [float(found[2]), float(found[3])]
        return f"{column} {found[1] or '='} ?", [float(found[2])]

    return condition


def _text(column: str) -> Callable[[Term], _Sql]:
    def condition(term: Term) -> _Sql:
        if term.value == "none":
            return f"{column} = ''", []
        if term.value == "any":
            return f"{column} <> ''", []
        return f"instr(lower({column}), ?)", [term.value.lower()]

    return condition


def _lint(term: Term) -> _Sql:
    if term.value in ("any", "none"):
        return f"findings {'>' if term.value == 'any' else '='} 0", []
    if term.value == "error":
        return "errors > 0", []
    return "instr(doubts, ?)", [f" {term.value} "]


def _edited(term: Term) -> _Sql:
    return ("edited <> ''", []) if term.value == "any" else ("instr(edited, ?)", [f" {term.value} "])


def _is(term: Term) -> _Sql:
    known = {"marked": "0", "written": "id IN (SELECT id FROM written)", "edited": "edited <> ''"}
    if term.value not in known:
        raise QueryError(f"is:{term.value}: give {', '.join(known)}", term.position)
    return known[term.value], []


_CONDITIONS: Mapping[str, Callable[[Term], _Sql]] = {
    "st": _status, "conf": _number("trust"), "dur": _number("seconds"), "spk": _text("speaker"),
    "lang": _text("language"), "file": _text("recording"), "id": _text("id"), "reason": _text("reason"), "lint": _lint,
    "field": _edited, "is": _is,
}  # fmt: skip


def needs_findings(query: Query) -> bool:
    """Whether rows that were changed in bulk have to be looked at first."""
    if isinstance(query, Not):
        return needs_findings(query.part)
    if isinstance(query, And | Or):
        return any(map(needs_findings, query.parts))
    return query.field == "lint"
