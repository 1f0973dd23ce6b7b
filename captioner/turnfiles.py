"""`OUT/turns/` and `OUT/words/`: what was heard, as RTTM and CTM, to read, to correct and to replay.

A file that a person corrected is theirs: it is told, never overwritten. `diarizer: rttm` with this folder as its path
replays the turns, `asr: ctm` the words. Speakers have their dataset-wide names, so that who is who over the recordings
is replayed, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from captioner.formats import ctm, rttm
from captioner.identities import local_names
from captioner.stages import Job, Stages, words_stage
from captioner.store import key_of
from captioner.types import Diarization, Transcript, Turn


def uri_of(name: str) -> str:
    """What a recording is called in RTTM and CTM, which know no blanks: its name without suffix."""
    return "_".join(PurePosixPath(name).with_suffix("").as_posix().split())


def write_heard(jobs: Sequence[Job], stages: Stages, out: Path) -> list[str]:
    """Write what changed. Returns the files that a person corrected, which stay."""
    names = local_names(stages.store)
    kinds: Mapping[str, Callable[[Job, str], str]] = {
        "turns": lambda job, uri: rttm.serialize({uri: _turns(job, stages, names)}),
        "words": lambda job, uri: ctm.serialize({uri: stages.result(job, words_stage(job.keys), Transcript).words}),
    }
    suffixes = {"turns": ".rttm", "words": ".ctm"}
    before: dict[str, list[str]] = json.loads(stages.store.meta("heard files") or "{}")
    now: dict[str, list[str]] = {}
    kept: list[str] = []
    for job in jobs:
        uri = uri_of(job.recording.name)
        for folder, make in kinds.items():
            place = f"{folder}/{uri}{suffixes[folder]}"
            path, key = out / place, job.keys["diarizer" if folder == "turns" else words_stage(job.keys)]
            if folder == "turns":
                key = key_of(key, sorted(names.get(job.recording.name, {}).items()))
            known = before.get(place)
            if known is not None and known[0] == key and path.exists():
                now[place] = known
                continue
            if path.exists() and (known is None or known[1] != _digest(path.read_bytes())):
                kept.append(str(path))
                now[place] = known or [key, ""]
                continue
            now[place] = [key, _written(path, make(job, uri))]
    stages.store.set_meta("heard files", json.dumps(now))
    return kept


def _turns(job: Job, stages: Stages, names: Mapping[str, Mapping[str, str]]) -> list[Turn]:
    known = names.get(job.recording.name, {})
    turns = stages.result(job, "diarizer", Diarization).turns
    return [Turn(turn.span, "_".join(known.get(turn.speaker, turn.speaker).split()) or "_") for turn in turns]


def _written(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    data = text.encode("utf-8")
    aside.write_bytes(data)
    aside.replace(path)
    return _digest(data)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
