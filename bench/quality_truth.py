"""Reads a folder of data with truth: manifest.json and the files that it names.

What an item lacks stays None and is not scored; `Truth.unscored` says what and why.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from quality_score import SpanT, Spoken, merge

from captioner.formats import ctm, rttm, stm, vtt

TurnT = tuple[float, float, str]


@dataclass
class Truth:
    """What is known of one item."""

    file: str
    path: Path
    duration: float
    language: str | None
    text: str | None = None
    """All that is said, in order."""
    words: list[Spoken] | None = None
    turns: list[TurnT] | None = None
    """Who speaks when, exact enough for missed speech and false alarms."""
    coarse: list[TurnT] | None = None
    """Who speaks in which part of the file, where speech fills only some of it: for confusion only."""
    lines: list[tuple[float, float, str]] | None = None
    """Stretches with times and their text."""
    sentences: list[Mapping[str, Any]] = field(default_factory=list)
    """Parts of a composed file, each a sentence of its own."""
    speech: list[SpanT] | None = None
    """Where anyone speaks; [] where nobody does; None where that is not known."""
    alone: bool = False
    """One person speaks in the whole file."""
    shots: list[float] = field(default_factory=list)
    voices: set[str] = field(default_factory=set)
    """Whom the lines name."""
    speakers: int | None = None
    unscored: list[str] = field(default_factory=list)


def load(folder: Path) -> list[Truth]:
    """The items of `folder`/manifest.json. Raises SystemExit where there is none or an item's file is missing."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise SystemExit(f"{manifest}: no such file; give a folder with data and truth")
    items = json.loads(manifest.read_text())["items"]
    missing = [item["file"] for item in items if not (folder / item["file"]).is_file()]
    if missing:
        raise SystemExit(f"{folder}: {', '.join(missing)} named in the manifest but not there")
    return [read(item, folder) for item in items]


def read(item: Mapping[str, Any], folder: Path) -> Truth:
    """One item's truth."""
    truth = Truth(item["file"], folder / item["file"], float(item.get("duration_s") or 0.0), item.get("language"))
    truth.words = _words(item, folder)
    truth.shots = [float(shot) for shot in item.get("shots", [])]
    _turns(truth, item, folder)
    _sentences(truth, item, folder)
    _texts(truth, item, folder)
    _speech(truth, item, folder)
    _speakers(truth, item)
    _explain(truth)
    return truth


def _json(item: Mapping[str, Any], key: str, folder: Path) -> Any:
    return json.loads((folder / item[key]).read_text()) if isinstance(item.get(key), str) else None


def _words(item: Mapping[str, Any], folder: Path) -> list[Spoken] | None:
    found = _json(item, "words", folder)
    if found is None and isinstance(item.get("ctm"), str):
        parsed = ctm.parse((folder / item["ctm"]).read_text(), item["ctm"])
        return [Spoken(w.span.start, w.span.end, w.text, w.speaker) for words in parsed.values() for w in words]
    if found is None:
        return None
    return [Spoken(w["start"], w["end"], w["word"], w.get("speaker") or item.get("speaker")) for w in found]


def _turns(truth: Truth, item: Mapping[str, Any], folder: Path) -> None:
    if not isinstance(item.get("rttm"), str):
        return
    parsed = rttm.parse((folder / item["rttm"]).read_text(), item["rttm"])
    turns = [(turn.span.start, turn.span.end, turn.speaker) for found in parsed.values() for turn in found]
    if item["rttm"].endswith(".clips.rttm"):
        truth.coarse = turns
    else:
        truth.turns = turns


def _sentences(truth: Truth, item: Mapping[str, Any], folder: Path) -> None:
    truth.sentences = _json(item, "turns", folder) or []
    if not truth.sentences:
        return
    words = [
        Spoken(word["start"], word["end"], word["word"], part["speaker"])
        for part in truth.sentences for word in part.get("words") or []
    ]  # fmt: skip
    truth.words = truth.words or words or None
    truth.shots = truth.shots or [float(part["clip_start"]) for part in truth.sentences[1:]]


def _texts(truth: Truth, item: Mapping[str, Any], folder: Path) -> None:
    """The text, from the most deliberate source to the least; lines with times on the way."""
    transcript = item.get("transcript")
    if isinstance(transcript, str):
        content = (folder / transcript).read_text()
        if transcript.endswith(".stm"):
            cues = [cue for found in stm.parse(content, transcript).values() for cue in found]
        else:
            cues = vtt.parse(content, transcript) if transcript.endswith(".vtt") else []
        truth.text = " ".join(cue.text for cue in sorted(cues, key=lambda cue: cue.span.start)) or None
    lines: Sequence[Mapping[str, Any]] = _json(item, "lines", folder) or []
    timed = [line for line in lines if line.get("start") is not None and line.get("end") is not None]
    truth.voices = {line["speaker"] for line in lines if line.get("speaker")}
    if lines:
        ordered = sorted(timed, key=lambda line: line["start"]) if len(timed) == len(lines) else lines
        truth.text = " ".join(line["text"] for line in ordered)
        truth.lines = [(line["start"], line["end"], line["text"]) for line in timed] or None
    if truth.sentences:
        truth.text = " ".join(part["text"] for part in truth.sentences)
    truth.text = item.get("transcript_text_normalised") or item.get("transcript_text") or truth.text
    if truth.text is None and truth.words:
        truth.text = " ".join(word.text for word in truth.words)


def _speech(truth: Truth, item: Mapping[str, Any], folder: Path) -> None:
    """Where anyone speaks."""
    events = _json(item, "events", folder)
    if truth.turns is not None:
        truth.speech = merge((start, end) for start, end, _ in truth.turns)
    elif events is not None:
        truth.speech = merge((e["start"], e["end"]) for e in events if e["label"].lower() == "speech")
    elif truth.text is None and truth.language is None and item.get("labels"):
        truth.speech = []
    if truth.sentences and truth.turns is None:
        known = [(p["speech_start"], p["speech_end"], p["speaker"]) for p in truth.sentences if p.get("speech_end")]
        truth.speech = None
        if len(known) == len(truth.sentences):
            truth.turns = known


def _speakers(truth: Truth, item: Mapping[str, Any]) -> None:
    turns = truth.turns or truth.coarse
    given = item.get("speakers")
    if turns:
        truth.speakers = len({speaker for _, _, speaker in turns})
    elif isinstance(given, int):
        truth.speakers = given
    elif isinstance(given, list):
        truth.speakers = len(given)
    elif truth.voices:
        truth.speakers = len(truth.voices)
    elif truth.text and not truth.sentences and (item.get("speaker") or item.get("transcript_text")):
        truth.speakers = 1  # a text of its own without turns: a reading or a speech of one person
    truth.alone = truth.speakers == 1 and bool(truth.text)


def _explain(truth: Truth) -> None:
    reasons = {
        "WER": truth.text is None and truth.speech != [] and "no text",
        "DER": truth.turns is None and truth.coarse is None and truth.speech != [] and "no turns",
        "words cut": truth.words is None and truth.text is not None and "no word times",
    }
    truth.unscored = [f"{what}: {why}" for what, why in reasons.items() if why]
