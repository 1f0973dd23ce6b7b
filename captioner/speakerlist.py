"""`captioner speakers`: a list of who is in a dataset. No model runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.errors import UsageError

if TYPE_CHECKING:
    from captioner.speech.people import People
    from captioner.speech.roster import Entry, Roster
    from captioner.store import ClipRow, Store
    from captioner.types import Cut


@dataclass(frozen=True, slots=True)
class Listed:
    """One speaker of a dataset."""

    speaker: str
    name: str | None
    minutes: float
    """Of speech in all its recordings."""
    clips: int
    recordings: int
    languages: tuple[str, ...]
    snr: float | None
    """Mean of its clips where measured, dB."""
    quality: float | None
    """Mean overall DNSMOS of its clips where measured, 1 to 5."""
    trigger: str
    subject: str | None
    best: str | None
    """Path of its best clip; of its source where none is written."""
    best_start: float | None
    best_end: float | None
    """Seconds in the source; None where `best` is a clip."""
    text: str | None
    """What is said in it."""
    alike: tuple[str, ...] = ()
    """Speakers that sound like this one: perhaps one person."""


def speakers(out: Path) -> list[Listed]:
    """Who is in a dataset, most clips first. Raises UsageError where nothing was built, StoreError."""
    from captioner.run import settings_of

    with opened(out) as store:
        said, roster = state_of(store)
        known = json.loads(store.meta("settings") or "{}")
        settings = settings_of({}, base=known)
        clips = clips_of(store)
        written = {id_: row.media for id_, row in store.written().items()}
    near = _alike(roster, said)
    by_label: dict[str, list[Entry]] = {}
    for entry in roster.entries:
        if entry.present:
            by_label.setdefault(said.label(entry.id), []).append(entry)
    for _, cut in clips:
        if cut.speaker is not None:
            by_label.setdefault(cut.speaker, [])  # a person's word on single clips
    found = []
    for label, entries in by_label.items():
        own = [(row, cut) for row, cut in clips if cut.speaker == label]
        if not own and all(entry.id == entry.fallback for entry in entries):
            continue
        id_ = said.owner(entries[0].id) if entries else said.named(label) or label
        listed = _listed(label, entries, own, roster, out, written, near.get(label, ()))
        personal = said.said.get(id_)
        mine = settings.speakers.get(label)
        listed = replace(
            listed,
            speaker=id_,
            trigger=(mine and mine.trigger) or (personal and personal.trigger) or settings.trigger,
            subject=(mine and mine.subject) or (personal and personal.subject) or settings.subject,
            name=personal.name if personal else None,
        )
        found.append(listed)
    return sorted(found, key=lambda one: (-one.clips, -one.minutes, one.speaker))


def _listed(
    label: str, entries: Sequence[Entry], clips: Sequence[tuple[ClipRow, Cut]], roster: Roster, out: Path,
    written: Mapping[str, str], alike: Sequence[str],
) -> Listed:  # fmt: skip
    names = {entry.anchor.recording for entry in entries} | {row.recording for row, _ in clips}
    languages = {source.language for name in names if (source := roster.sources.get(name)) and source.language}
    best, start, end, text = None, None, None, None
    if clips:
        row, cut = max(clips, key=lambda clip: _worth(clip[1], clip[0].id in written))
        text = cut.text
        if row.id in written:
            best = str(out / "clips" / written[row.id])
        else:
            best, start, end = roster.sources[row.recording].path, cut.span.start, cut.span.end
    return Listed(
        speaker=label,
        name=None,
        minutes=round((sum(e.anchor.seconds for e in entries) or sum(spoken(cut) for _, cut in clips)) / 60, 2),
        clips=len(clips),
        recordings=len(names),
        languages=tuple(sorted(languages)),
        snr=_mean([cut.scene.snr for _, cut in clips]),
        quality=_mean([cut.quality.overall for _, cut in clips]),
        trigger="",
        subject=None,
        best=best,
        best_start=start,
        best_end=end,
        text=text,
        alike=tuple(alike),
    )


def _worth(cut: Cut, written: bool) -> tuple[object, ...]:
    """How good a sample of a voice a clip is: written, undoubted, like the rest of it, clean, long."""
    quality, snr = cut.quality.overall or 0.0, min(cut.scene.snr or 0.0, 40.0)
    like = cut.voiceprint.own or 0.0
    return written, not cut.all_doubts, quality + snr / 20 + like + min(spoken(cut), 4.0) / 2


def spoken(cut: Cut) -> float:
    """Seconds of words."""
    return sum(word.span.duration for line in cut.lines for word in line.words)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 2) if known else None


def _alike(roster: Roster, said: People) -> dict[str, list[str]]:
    """Of each speaker those that sound like it, nearest first."""
    import numpy as np

    from captioner.speech.identity import alike, unpacked
    from captioner.speech.purity import speakers_of

    voices = [
        (said.label(e.id), unpacked(e.anchor.vector), e.anchor.seconds)
        for e in roster.entries
        if e.present and e.anchor.vector and e.id != e.fallback
    ]
    whole = speakers_of(voices)
    if not whole:
        return {}
    labels = list(whole)
    vectors = np.stack([whole[label].total / np.linalg.norm(whole[label].total) for label in labels])
    found: dict[str, list[str]] = {}
    for one, two, _ in alike(vectors, np.array([whole[label].seconds for label in labels])):
        found.setdefault(labels[one], []).append(labels[two])
        found.setdefault(labels[two], []).append(labels[one])
    return found


def as_text(listed: Sequence[Listed]) -> str:
    """The list for a person: a speaker's numbers, what captions say of it, and where to hear it."""
    lines = []
    for one in listed:
        who = f"{one.name} ({one.speaker})" if one.name and one.name != one.speaker else one.speaker
        spoken = f"{one.minutes:.1f} min, {_many(one.clips, 'clip')}, {_many(one.recordings, 'recording')}"
        sound = [f"SNR {one.snr:.0f} dB"] if one.snr is not None else []
        sound += [f"DNSMOS {one.quality:.1f}"] if one.quality is not None else []
        lines.append("  ".join([f"{who}:", ", ".join([spoken, *one.languages, *sound])]))
        lines.append(f"    trigger {one.trigger}; " + (one.subject or "no subject: say who it is with --subject"))
        if one.best is not None:
            place = "" if one.best_start is None else f" at {one.best_start:.1f}-{one.best_end:.1f} s"
            lines.append(f'    hear {one.best}{place}: "{one.text}"')
        if one.alike:
            lines.append(f"    sounds like {', '.join(one.alike)}: if it is one person, merge them")
    return "\n".join(lines) if lines else "nobody speaks in a clip of this dataset"


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def opened(out: Path) -> Store:
    from captioner.store import Store

    return Store(out / ".captioner")


def state_of(store: Store) -> tuple[People, Roster]:
    from captioner.identities import KEY, people_of
    from captioner.speech.roster import Roster

    roster = store.get(KEY, Roster)
    if roster is None:
        raise UsageError(f"{store.folder.parent}: nobody is known here yet; `captioner build` finds the speakers")
    return people_of(store), roster


def clips_of(store: Store) -> list[tuple[ClipRow, Cut]]:
    from captioner.store import unpack
    from captioner.types import Cut

    return [(row, unpack(row.cut, Cut)) for row in store.clips()]
