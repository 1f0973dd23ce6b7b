"""A built dataset without media in which clips can be cut anew: all that a build stores of what it heard, made up.

Two recordings; phrases of a few words with pauses between, so that edges, splits and merges have places to go.
"""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from captioner.adopt import Adopted
from captioner.captioning import draft_all
from captioner.decisions import Decisions
from captioner.drafting import Drafter
from captioner.identities import KEY, called
from captioner.planning import PlannedJob, plan_recording
from captioner.run import settings_of
from captioner.shaping import Stored, keep_sources
from captioner.speech.roster import Entry, Roster, Source, anchor_of
from captioner.stages import Job
from captioner.store import Store
from captioner.times import Span
from captioner.types import STEP, Activity, AudioStream, Diarization, Recording, Sound, Transcript, Turn, Word

SETTINGS = {"trigger": "tok", "template": "plain", "min_frames": 25, "max_frames": 121, "min_trust": 0.0}
RATE = Fraction(25)
SPOKEN = "so where did you leave it then I told you not to go out there at all".split()  # noqa: SIM905


def make_heard(out: Path, *, phrases: int = 6) -> Path:
    """Writes `out/.captioner` and returns `out`."""
    settings = settings_of(SETTINGS)
    with Store(out / ".captioner") as store:
        planned, entries, cuts, sources = [], [], {}, {}
        for number, slug in enumerate(("one", "two")):
            job = _heard(store, slug, phrases, number)
            plan = plan_recording(job, Stored(store), settings, RATE, Adopted())
            name = f"SPEAKER_{number:02}"
            plan = replace(plan, cuts=tuple(called(cut, name) for cut in plan.cuts))
            planned.append(PlannedJob(job, plan, f"plan {slug}"))
            anchor = anchor_of(job.recording.content, job.recording.name, [cut.span for cut in plan.cuts], 20.0, b"")
            entries.append(Entry("A", f"{slug}/A", anchor, len(plan.cuts), name))
            cuts |= {cut.id: number for cut in plan.cuts}
            sources[job.recording.name] = Source(job.recording.path, "en")
        ids = tuple(entry.id for entry in entries)
        store.put(KEY, KEY, Roster(tuple(entries), ids, cuts, sources))
        store.set_meta("settings", json.dumps(SETTINGS))
        store.set_meta("inputs", json.dumps([str(out.parent / "raw")]))
        keep_sources(planned, store, RATE)
        draft_all(planned, Drafter.of(settings), store, out, Decisions())
    return out


def _heard(store: Store, slug: str, phrases: int, number: int) -> Job:
    words, at, turns = [], 0.6, []
    for phrase in range(phrases):
        begin = at
        for place in range(3 + (phrase + number) % 3):
            text = SPOKEN[(phrase * 5 + place + number) % len(SPOKEN)]
            words.append(Word(text, Span.at(at, at + 0.3), 0.9, None))
            at = round(at + 0.36, 3)
        turns.append(Turn(Span.at(begin, at), "A"))
        at = round(at + (1.2 if phrase % 2 else 0.5), 3)
    length = at + 0.5
    frames = round(length / STEP)
    speech, level = np.zeros(frames, np.uint8), np.full(frames, -70, np.int8)
    for word in words:
        first, last = round(word.span.start / STEP), round(word.span.end / STEP)
        speech[first:last], level[first:last] = 250, -20
    keys = {stage: f"{stage} {slug}" for stage in ("sound", "vad", "asr", "diarizer")}
    recording = Recording(
        f"/raw/{slug}.wav", f"{slug}.wav", slug, f"content {slug}", AudioStream(0, "pcm", 48000, 1, 0.0, length), None
    )
    store.put(keys["sound"], "sound", Sound(length, 0.5, -20.0))
    heard = Activity(speech.tobytes(), (speech > 0).astype(np.uint8).tobytes(), level.tobytes())
    store.put(keys["vad"], "vad", heard)
    store.put(keys["asr"], "asr", Transcript(tuple(words), "en", 0.99))
    store.put(keys["diarizer"], "diarizer", Diarization(tuple(turns)))
    return Job(recording, keys, length)
