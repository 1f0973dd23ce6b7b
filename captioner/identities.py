"""Who is who over the whole dataset: one name for a voice in every recording.

What machines made of it is kept in the store (`Roster`), what persons said in `OUT/speakers.jsonl`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from captioner.errors import UsageError
from captioner.journal import read_journal
from captioner.planning import Planned, PlannedJob
from captioner.speech.identity import mean_vector, unpacked
from captioner.speech.people import People, people
from captioner.speech.purity import Speaker, compared, purity_doubts, speakers_of, spoken
from captioner.speech.roster import Entry, Roster, Source, anchor_of, assign
from captioner.stages import Stages
from captioner.store import ClipRow, Store, key_of, pack, unpack
from captioner.times import Span
from captioner.types import Cut, Diarization, LeftOut

KEY = "roster"
"""Under which the store keeps the roster."""
SCALE = 127


def label_all(planned: Sequence[PlannedJob], stages: Stages) -> list[PlannedJob]:
    """The same, every cut with the dataset-wide name of its speaker, compared with the rest of that speaker's speech.

    A speaker that a person named is called by that name. Raises StoreError where the journal cannot be read.
    """
    said = people_of(stages.store)
    before = stages.store.get(KEY, Roster) or Roster()
    replayed = stages.backends["diarizer"].name == "rttm"
    found = [_entries(entry, stages) for entry in planned]
    entries = [one for own in found for one in own]
    ids = assign(entries, before, said, replayed=replayed)
    labelled = tuple(replace(one, id=id_) for one, id_ in zip(entries, ids, strict=True))
    roster = _roster(planned, labelled, before, replayed=replayed)
    if roster != before:
        stages.store.put(KEY, KEY, roster)
    speakers = _speakers(labelled, said)
    done, first = [], 0
    for entry, own in zip(planned, found, strict=True):
        done.append(_labelled(entry, labelled[first : first + len(own)], said, speakers))
        first += len(own)
    return done


def people_of(store: Store) -> People:
    """What persons said of the dataset's voices. Raises StoreError where the journal cannot be read."""
    return people(read_journal(store.folder.parent))


def _entries(entry: PlannedJob, stages: Stages) -> list[Entry]:
    """The local speakers of one recording, in order of appearance. Where the diarizer has no embeddings, those of the
    cuts take their place."""
    heard = stages.result(entry.job, "diarizer", Diarization)
    recording = entry.job.recording
    cuts: dict[str, list[Cut]] = {}
    for cut in entry.planned.cuts:
        if cut.speaker is not None:
            cuts.setdefault(cut.speaker, []).append(cut)
    turns: dict[str, list[Span]] = {}
    for turn in sorted(heard.turns):
        turns.setdefault(turn.speaker, []).append(turn.span)
    for local, own in cuts.items():  # a caption beside the recording may name people that no turn does
        turns.setdefault(local, [cut.span for cut in own])
    found = []
    for local, spans in turns.items():
        own = cuts.get(local, [])
        vector = _packed(heard.embeddings[local]) if local in heard.embeddings else _of_cuts(own)
        seconds = round(sum(span.duration for span in spans), 3)
        anchor = anchor_of(recording.content, recording.name, spans, seconds, vector)
        found.append(Entry(local, f"{recording.slug}/{local}", anchor, len(own)))
    return found


def _of_cuts(cuts: Sequence[Cut]) -> bytes:
    known = [cut for cut in cuts if cut.voiceprint.vector]
    if not known:
        return b""
    vectors = np.stack([unpacked(cut.voiceprint.vector) for cut in known])
    return _packed(mean_vector(vectors, np.array([spoken(cut) for cut in known])))


def _packed(vector: Sequence[float] | np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bytes:
    values = np.asarray(vector, dtype=np.float32)
    return np.round(values * SCALE).astype(np.int8).tobytes() if np.any(values) else b""


def _roster(planned: Sequence[PlannedJob], entries: Sequence[Entry], before: Roster, *, replayed: bool) -> Roster:
    here = {entry.anchor.content for entry in entries} | {entry.job.recording.content for entry in planned}
    gone = tuple(replace(old, present=False, clips=0) for old in before.entries if old.anchor.content not in here)
    ids = dict.fromkeys([*before.ids, *(entry.id for entry in entries if entry.id != entry.fallback)])
    places = {(entry.anchor.recording, entry.local): index for index, entry in enumerate(entries)}
    cuts = {
        cut.id: places[entry.job.recording.name, cut.speaker]
        for entry in planned
        for cut in entry.planned.cuts
        if cut.speaker is not None
    }
    sources = {entry.job.recording.name: Source(entry.job.recording.path, entry.planned.language) for entry in planned}
    return Roster((*entries, *gone), tuple(ids), cuts, sources, replayed)


def _speakers(entries: Sequence[Entry], said: People) -> Mapping[str, Speaker]:
    """By the name that their clips carry."""
    return speakers_of(
        [
            (said.label(entry.id), unpacked(entry.anchor.vector), entry.anchor.seconds)
            for entry in entries
            if entry.anchor.vector
        ]
    )


def _labelled(entry: PlannedJob, entries: Sequence[Entry], said: People, speakers: Mapping[str, Speaker]) -> PlannedJob:
    names = {one.local: said.label(one.id) for one in entries}
    content = entry.job.recording.content

    def settled(cut: Cut) -> Cut:
        if cut.speaker is None:
            return cut
        moved = moved_cut(cut, content, said)
        cut = called(cut, said.label(moved) if moved else names[cut.speaker])
        others = [speakers[name] for name in set(names.values()) - {cut.speaker} if name in speakers]
        cut = compared(cut, None if moved else speakers.get(cut.speaker or ""), others)
        return replace(cut, doubts=cut.doubts + purity_doubts(cut))

    plan = entry.planned
    cuts = tuple(settled(cut) for cut in plan.cuts)
    left = tuple(replace(one, speaker=names.get(one.speaker or "", one.speaker)) for one in plan.left_out)
    made_of = [(cut.id, cut.speaker, cut.voiceprint.own, cut.voiceprint.other) for cut in cuts]
    return replace(entry, planned=replace(plan, cuts=cuts, left_out=left), key=key_of(entry.key, made_of, names))


def called(cut: Cut, speaker: str) -> Cut:
    """The cut with all its lines and words said by this speaker."""
    if cut.speaker == speaker:
        return cut
    lines = tuple(
        replace(line, speaker=speaker, words=tuple(replace(word, speaker=speaker) for word in line.words))
        for line in cut.lines
    )
    return replace(cut, lines=lines)


def moved_cut(cut: Cut, content: str, said: People) -> str | None:
    """The speaker that a person said a single cut is; the last word counts."""
    for moved, span, id_ in reversed(said.cuts):
        if moved == content and 2 * cut.span.overlap(span) > max(cut.span.duration, span.duration):
            return id_
    return None


def reassigned(roster: Roster, said: People) -> Roster:
    """The roster after what persons said meanwhile; no model runs."""
    present = [entry for entry in roster.entries if entry.present]
    ids = assign(present, roster, said, replayed=roster.replayed)
    entries = [replace(entry, id=id_) for entry, id_ in zip(present, ids, strict=True)]
    gone = [entry for entry in roster.entries if not entry.present]
    given = tuple(entry.id for entry in entries if entry.id != entry.fallback)
    return replace(roster, entries=(*entries, *gone), ids=tuple(dict.fromkeys([*roster.ids, *given])))


def relabelled(store: Store, rows: Sequence[ClipRow]) -> list[tuple[ClipRow, Cut]]:
    """Stored clips with their cuts, called as persons said meanwhile; no model runs. The roster is brought up to it."""
    said, before = people_of(store), store.get(KEY, Roster) or Roster()
    roster = reassigned(before, said)
    if roster != before:
        store.put(KEY, KEY, roster)
    done = []
    for row in rows:
        cut, place = unpack(row.cut, Cut), roster.cuts.get(row.id)
        if place is not None:
            entry = roster.entries[place]
            name = said.label(moved_cut(cut, entry.anchor.content, said) or entry.id)
            if name != cut.speaker:
                cut = called(cut, name)
                row = replace(row, cut=pack(cut))
        done.append((row, cut))
    return done


def local_names(store: Store) -> Mapping[str, Mapping[str, str]]:
    """Recording's name -> what the diarizer calls a speaker -> its dataset-wide name."""
    roster, said = store.get(KEY, Roster) or Roster(), people_of(store)
    names: dict[str, dict[str, str]] = {}
    for entry in roster.entries:
        if entry.present:
            names.setdefault(entry.anchor.recording, {})[entry.local] = said.label(entry.id)
    return names


def chosen(planned: Sequence[PlannedJob], only: str | None) -> list[PlannedJob]:
    """The same with the clips of some speakers alone (`ema,bob`); the others' speech is listed as left out.

    Raises UsageError where nobody has a name.
    """
    wanted = [name.strip() for name in (only or "").split(",") if name.strip()]
    if not wanted:
        return list(planned)
    there = {cut.speaker for entry in planned for cut in entry.planned.cuts if cut.speaker}
    unknown = [name for name in wanted if name not in there]
    if unknown and there:
        raise UsageError(
            f"--only {only}: nobody is called {', '.join(unknown)}; there are {', '.join(sorted(there))} "
            "(`captioner speakers` lists them)"
        )
    return [replace(entry, planned=_of(entry.planned, wanted), key=key_of(entry.key, wanted)) for entry in planned]


def _of(plan: Planned, wanted: Sequence[str]) -> Planned:
    kept = tuple(cut for cut in plan.cuts if cut.speaker in wanted)
    left = tuple(
        LeftOut(cut.span, cut.speaker, "other-speaker", cut.text, f"only {', '.join(wanted)} was asked for")
        for cut in plan.cuts
        if cut.speaker not in wanted
    )
    everything = tuple(sorted((*plan.left_out, *left), key=lambda one: one.span))
    return replace(plan, cuts=kept, left_out=everything, kept=round(sum(spoken(cut) for cut in kept), 3))
