"""The dataset's speakers as they are kept, and how voices get their ids. Pure.

Ids are SPEAKER_00, SPEAKER_01 ... by first appearance. A voice that had one keeps it whatever recordings come and go;
an id is never given twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from captioner.speech.identity import DEFAULT, IdentityRules, LocalVoice, cluster, mean_vector, unpacked
from captioner.speech.people import Anchor, People, free_ids, new_ids
from captioner.times import Span

LEAST = 3.0
"""Seconds from which a speaker without a clip gets an id; below, it is called by its recording."""
SAME = 0.5
"""Share of a voice's turns that a voice found again must cover."""
ANCHORS = 6
"""Turns of a voice that are kept to find it again: the longest."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A local speaker of one recording."""

    local: str
    """What the diarizer calls it."""
    fallback: str
    """What it is called where nothing is known of it: its recording and its local name."""
    anchor: Anchor
    clips: int = 0
    id: str = ""
    """The dataset's; empty until one is given."""
    present: bool = True
    """Whether its recording was among the inputs of the last build."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a list of speakers says of a recording."""

    path: str
    language: str | None


@dataclass(frozen=True, slots=True)
class Roster:
    """Who was who after the last build."""

    entries: tuple[Entry, ...] = ()
    ids: tuple[str, ...] = ()
    """Every id that was ever given."""
    cuts: Mapping[str, int] = field(default_factory=dict)
    """Cut -> place of its speaker in `entries`."""
    sources: Mapping[str, Source] = field(default_factory=dict)
    """By recording's name."""
    replayed: bool = False
    """Whether the names are a person's own, from files, and hold in all recordings as they are."""


def anchor_of(content: str, recording: str, spans: Iterable[Span], seconds: float, vector: bytes) -> Anchor:
    """The anchor of a voice with these turns."""
    longest = sorted(spans, key=lambda span: (-span.duration, span))[:ANCHORS]
    return Anchor(content, recording, tuple(sorted(longest)), seconds, vector)


def assign(
    entries: Sequence[Entry], before: Roster, people: People, *, replayed: bool, rules: IdentityRules = DEFAULT
) -> list[str]:
    """The id of each entry, before merges. `replayed`: local names are a person's and hold in all recordings."""
    if replayed:
        return [moved_to(entry, people) or people.named(entry.local) or entry.local for entry in entries]
    given = [moved_to(entry, people) or "" for entry in entries]
    for index, id_ in _found_again(entries, before, people).items():
        given[index] = given[index] or id_
    numbers: dict[str, int] = {}
    voices = [
        LocalVoice(
            f"{entry.anchor.content}/{entry.anchor.recording}",
            entry.anchor.seconds,
            numbers.setdefault(id_, len(numbers)) if id_ else -1,
        )
        for entry, id_ in zip(entries, given, strict=True)
    ]
    vectors = [entry.anchor.vector for entry in entries]
    for id_, anchor in _seeds(before, people, set(given), {entry.anchor.content for entry in entries}):
        voices.append(LocalVoice(f"seed {len(voices)}", anchor.seconds, numbers.setdefault(id_, len(numbers))))
        vectors.append(anchor.vector)
    labels = cluster(_matrix(vectors), voices, rules)
    ids = list(numbers)
    names = {label: ids[voice.known] for label, voice in zip(labels, voices, strict=True) if voice.known >= 0}
    return _named(entries, labels[: len(entries)], names, before, people)


def _named(
    entries: Sequence[Entry], labels: Sequence[int], names: dict[int, str], before: Roster, people: People
) -> list[str]:
    """Ids for clusters that have none, in order of appearance; a cluster of little speech and no clip gets none."""
    taken = {*before.ids, *people.taken}
    # With the store lost, what nobody spoke of is numbered as the first time.
    fresh = new_ids(taken) if before.ids else free_ids(taken)
    clips: dict[int, int] = {}
    lasted: dict[int, float] = {}
    for entry, label in zip(entries, labels, strict=True):
        clips[label] = clips.get(label, 0) + entry.clips
        lasted[label] = lasted.get(label, 0.0) + entry.anchor.seconds
    result = []
    for entry, label in zip(entries, labels, strict=True):
        if label not in names and (clips[label] or lasted[label] >= LEAST):
            names[label] = next(fresh)
        result.append(names.get(label, entry.fallback))
    return result


def moved_to(entry: Entry, people: People) -> str | None:
    """The speaker that a person said a voice is: the last word counts."""
    anchor = entry.anchor
    for moved, id_ in reversed(people.moved):
        if moved.content == anchor.content and _covers(anchor, moved):
            return id_
    return None


def _covers(found: Anchor, wanted: Anchor) -> bool:
    return wanted.shared(found.spans) >= SAME * sum(span.duration for span in wanted.spans)


def _found_again(entries: Sequence[Entry], before: Roster, people: People) -> dict[int, str]:
    """Which entry is a voice that had an id, by its turns: each voice is found once in a recording, the best first."""
    by_content: dict[str, list[tuple[str, Anchor]]] = {}
    for old in before.entries:
        if old.id in before.ids and old.id not in people.unmade and moved_to(old, people) in (None, old.id):
            by_content.setdefault(old.anchor.content, []).append((old.id, old.anchor))
    for id_, anchors in people.voices.items():
        if id_ not in before.ids and id_ not in people.unmade:
            for anchor in anchors:
                by_content.setdefault(anchor.content, []).append((id_, anchor))
    matches = [
        (anchor.shared(entry.anchor.spans), index, place, id_)
        for index, entry in enumerate(entries)
        for place, (id_, anchor) in enumerate(by_content.get(entry.anchor.content, ()))
        if _covers(entry.anchor, anchor)
    ]
    result: dict[int, str] = {}
    used: set[tuple[str, str, int]] = set()
    for _, index, place, id_ in sorted(matches, key=lambda match: (-match[0], match[1:])):
        recording = entries[index].anchor
        spot = (recording.recording, recording.content, place)
        if index not in result and spot not in used:
            result[index] = id_
            used.add(spot)
    return result


def _seeds(before: Roster, people: People, here: set[str], contents: set[str]) -> list[tuple[str, Anchor]]:
    """Voices that are known and not among the entries: of recordings that went, of what persons said, of references."""
    seeds = []
    for old in before.entries:
        gone = old.anchor.content not in contents or old.id not in here
        if old.id in before.ids and old.id not in people.unmade and gone and old.anchor.vector:
            seeds.append((old.id, old.anchor))
    kept = {id_ for id_, _ in seeds}
    for id_, anchors in people.voices.items():
        for anchor in anchors:
            known = anchor.content and (id_ in here or id_ in kept)
            if anchor.vector and not known and id_ not in people.unmade:
                seeds.append((id_, anchor))
    return seeds


def near_reference(roster: Roster, reference: Anchor, rules: IdentityRules = DEFAULT) -> list[str]:
    """Ids of the present speakers that sound like a reference clip, nearest first; of two that talk with each other in
    one recording, only the nearer: a person is there once."""
    wanted = unpacked(reference.vector)
    of: dict[str, list[Entry]] = {}
    for entry in roster.entries:
        if entry.present and entry.anchor.vector and entry.id in roster.ids:
            of.setdefault(entry.id, []).append(entry)
    found = []
    for id_, entries in of.items():
        seconds = np.array([entry.anchor.seconds for entry in entries])
        whole = mean_vector(_matrix([entry.anchor.vector for entry in entries]), seconds)
        distance = 1.0 - float(whole @ wanted)
        if distance < rules.limit(min(float(seconds.sum()), reference.seconds)):
            found.append((distance, id_))
    chosen: list[str] = []
    there: set[str] = set()
    for _, id_ in sorted(found):
        recordings = {entry.anchor.content for entry in of[id_]}
        if not recordings & there:
            chosen.append(id_)
            there |= recordings
    return chosen


def _matrix(vectors: Sequence[bytes]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    size = max((len(vector) for vector in vectors), default=0) or 1
    rows = np.zeros((len(vectors), size), dtype=np.float32)
    for row, vector in zip(rows, vectors, strict=True):
        if vector:
            row[:] = unpacked(vector)
    return rows
