"""Which heard lines are wrong: a word of the line is not what is said there, one is missing, or somebody else speaks.

Words count as the same after `quality_text`'s normalisation, however they are parted (`desk top`, `desktop`) and
whether they are spelt as in Britain or in America, with accents or, as some scripts are, without.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import category, normalize

from quality_text import normalise

TOGETHER = 0.1
"""Seconds that a line and a part of the truth share at least to belong together."""
ANOTHER = 0.2
"""Seconds of somebody else's speech that make a line wrong."""
JOINED = 3
"""Most words that may be written as one."""
FILLERS = frozenset({"um", "uh", "er", "erm", "hmm", "mm"})
"""What a clean transcript leaves out."""

_SPELT = (
    (re.compile(r"(?<=[a-z])our(?=(s|ed|ing|ite|ites|able|ful)?$)"), "or"),
    (re.compile(r"(?<=[a-z])ll(?=(ed|ing|er)$)"), "l"),
    (re.compile(r"(?<=[a-z])is(?=(e|ed|es|ing|ation)$)"), "iz"),
    (re.compile(r"^grey$"), "gray"),
    (re.compile(r"^cheque"), "check"),
)


@dataclass(frozen=True)
class Part:
    """What one person says from when to when. `text` None: that cannot be decided."""

    start: float
    end: float
    voice: str
    text: str | None
    name: str = ""
    """Of the utterance, where it is one of `trust_data`'s."""

    def shares(self, start: float, end: float) -> float:
        return min(self.end, end) - max(self.start, start)


@dataclass(frozen=True)
class Said:
    """A line that was heard."""

    start: float
    end: float
    text: str


def plain(text: str) -> list[str]:
    """The words as they are compared."""
    words = []
    for word in normalise("".join(sign for sign in normalize("NFD", text) if category(sign) != "Mn")):
        for pattern, instead in _SPELT:
            word = pattern.sub(instead, word)
        if word not in FILLERS:
            words.append(word.replace("'", ""))
    return words


def parts_of(recording: Mapping[str, Any], known: Mapping[str, str | None]) -> list[Part]:
    """The parts of a composed recording, with the scripts corrected."""
    found = []
    for part in recording["parts"]:
        text = known.get(f"{part['voice']}/{part['name']}", part["text"])
        name = f"{part['voice']}/{part['name']}"
        found.append(Part(part["start"], part["end"], part["voice"], text, name))
    return found


def wrong(lines: Sequence[Said], parts: Sequence[Part]) -> list[bool | None]:
    """Of each line of a recording, whether it is wrong; None where that cannot be decided."""
    verdicts: list[bool | None] = [True] * len(lines)
    for own, there in _groups(lines, parts):
        if any(part.text is None for part in there):
            for index in own:
                verdicts[index] = None
        elif there:
            for index, bad in zip(own, _compared([lines[i] for i in own], there), strict=True):
                verdicts[index] = bad or _mixed(lines[index], there)
    return verdicts


def _groups(lines: Sequence[Said], parts: Sequence[Part]) -> list[tuple[list[int], list[Part]]]:
    """Lines and parts that belong together, by shared time."""
    groups: list[tuple[list[int], list[Part]]] = []
    for index, line in enumerate(lines):
        there = [part for part in parts if part.shares(line.start, line.end) >= TOGETHER]
        own = [index]
        for other in [group for group in groups if any(part in group[1] for part in there)]:
            groups.remove(other)
            own, there = other[0] + own, [*other[1], *(part for part in there if part not in other[1])]
        groups.append((sorted(own, key=lambda i: lines[i].start), sorted(there, key=lambda part: part.start)))
    return groups


def _mixed(line: Said, parts: Sequence[Part]) -> bool:
    """Whether two voices speak at once in the line, or one after the other."""
    own = max(parts, key=lambda part: part.shares(line.start, line.end))
    return any(part.voice != own.voice and part.shares(line.start, line.end) >= ANOTHER for part in parts)


def _compared(lines: Sequence[Said], parts: Sequence[Part]) -> list[bool]:
    """Of each line, whether its words are other than those of the parts."""
    heard = [(word, index) for index, line in enumerate(lines) for word in plain(line.text)]
    said = [(word, part) for part in parts for word in plain(part.text or "")]
    bad = [not plain(line.text) for line in lines]
    for first, last, start, stop in differences([word for word, _ in said], [word for word, _ in heard]):
        for index in {heard[i][1] for i in range(start, stop)}:
            bad[index] = True
        if start == stop and heard:  # words are missing: of the lines on either side, those that overlap their part
            for beside in (start - 1, start):
                if 0 <= beside < len(heard):
                    line = lines[heard[beside][1]]
                    if any(said[i][1].shares(line.start, line.end) >= TOGETHER for i in range(first, last)):
                        bad[heard[beside][1]] = True
    return bad


def differences(said: Sequence[str], heard: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Where the words differ, as (first, last) of `said` and (start, stop) of `heard`; the fewest there can be."""
    size, width = len(said), len(heard)
    cost = [[0] * (width + 1) for _ in range(size + 1)]
    step: list[list[tuple[int, int]]] = [[(0, 0)] * (width + 1) for _ in range(size + 1)]
    for i in range(size + 1):
        for j in range(width + 1):
            if i == j == 0:
                continue
            ways = _ways(said, heard, i, j, cost)
            cost[i][j], step[i][j] = min(ways)
    found = []
    i, j = size, width
    while i or j:
        di, dj = step[i][j]
        if cost[i][j] != cost[i - di][j - dj]:
            found.append((i - di, i, j - dj, j))
        i, j = i - di, j - dj
    return found[::-1]


def _ways(
    said: Sequence[str], heard: Sequence[str], i: int, j: int, cost: Sequence[Sequence[int]]
) -> list[tuple[int, tuple[int, int]]]:
    """(cost, step) of each way to come to i words said and j heard."""
    ways = []
    if i and j:
        ways.append((cost[i - 1][j - 1] + (said[i - 1] != heard[j - 1]), (1, 1)))
        ways += [
            (cost[i - a][j - b], (a, b))
            for a in range(1, min(i, JOINED) + 1)
            for b in range(1, min(j, JOINED) + 1)
            if a != b and "".join(said[i - a : i]) == "".join(heard[j - b : j])
        ]
    if i:
        ways.append((cost[i - 1][j] + 1, (1, 0)))
    if j:
        ways.append((cost[i][j - 1] + 1, (0, 1)))
    return ways
