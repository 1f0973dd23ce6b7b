"""What a build did, as one value: printed for people, dumped as JSON for machines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

SURE = 0.9
"""Trust above which a clip's words are right but for 2 in 100."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A recording that could not be used."""

    name: str
    error: str
    """The error's class, such as `Silent`."""
    text: str


@dataclass(frozen=True, slots=True)
class Held:
    """A clip that is not written before a person has looked at it."""

    id: str
    text: str
    reasons: tuple[str, ...]
    """`code: sentence` each."""


@dataclass(frozen=True, slots=True)
class GateSummary:
    """A quality gate, and what it did."""

    name: str
    threshold: str
    """For a person: "less than 8 dB over the noise", or "off"."""
    held: int
    """Clips that it holds."""
    left_out: int
    """Lines that it leaves out."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Speech that no cut holds."""

    recording: str
    start: float
    end: float
    speaker: str | None
    text: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class RecordingSummary:
    name: str
    slug: str
    duration: float
    """Seconds of sound."""
    speech: float
    """Seconds of speech that words were heard in."""
    kept: float
    """Seconds of that which lie in cuts."""
    language: str | None
    speakers: int
    cuts: int


@dataclass(frozen=True, slots=True)
class ClipSummary:
    id: str
    recording: str
    start: float
    end: float
    frames: int
    speaker: str | None
    text: str
    caption: str
    written: bool
    doubts: tuple[str, ...] = ()
    trust: float | None = None
    """Probability that its words are right and only its speaker is heard; None where nothing is known of it."""


@dataclass(frozen=True, slots=True)
class Summary:
    out: str
    rate: str
    """Frames a second of the clips, as a fraction."""
    recordings: tuple[RecordingSummary, ...] = ()
    clips: tuple[ClipSummary, ...] = ()
    written: tuple[str, ...] = ()
    """Ids of the clips that stand in `clips/`."""
    fresh: tuple[str, ...] = ()
    """Those of them that were encoded by this run."""
    held: tuple[Held, ...] = ()
    gates: tuple[GateSummary, ...] = ()
    """Every quality gate with its threshold."""
    lost: tuple[Lost, ...] = ()
    passed: tuple[tuple[str, str], ...] = ()
    """Files that are not for us: path, reason."""
    failures: tuple[Failure, ...] = ()
    edited: tuple[str, ...] = ()
    """Clips whose `.txt` a person changed; left as they are."""
    removed: tuple[str, ...] = ()
    """Clips that no longer belong to the dataset and were removed."""
    notes: tuple[str, ...] = ()
    repeated_frames: int = 0
    review_needed: bool = False
    """Nothing was written because nobody reviewed it and `yes` was not given."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall seconds of each stage that ran."""

    @property
    def speech(self) -> float:
        return sum(recording.speech for recording in self.recordings)

    @property
    def kept(self) -> float:
        return sum(recording.kept for recording in self.recordings)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        import msgspec

        plain: dict[str, Any] = msgspec.to_builtins(self)
        plain["speech"], plain["kept"] = round(self.speech, 3), round(self.kept, 3)
        return plain


def as_text(summary: Summary, *, most: int = 20) -> str:
    """The summary for a person; lists longer than `most` are cut with a count."""
    lines = [
        f"{_many(len(summary.recordings), 'recording')}, {_clock(sum(r.duration for r in summary.recordings))} of sound"
    ]
    if summary.speech:
        share = 100 * summary.kept / summary.speech
        lines.append(
            f"{_clock(summary.kept)} of {_clock(summary.speech)} of speech kept ({share:.0f} %) "
            f"in {_many(len(summary.clips), 'clip')}"
        )
    lines += _speakers(summary)
    known = [clip.trust for clip in summary.clips if clip.trust is not None]
    if known:
        sure = sum(trust > SURE for trust in known)
        lines.append(f"  {sure} of {len(known)} clips are trusted above {SURE:g}; the lowest is {min(known):.2f}")
    reasons: Counter[str] = Counter()
    for lost in summary.lost:
        reasons[lost.reason] += lost.end - lost.start  # type: ignore[assignment]
    for reason, amount in reasons.most_common():
        lines.append(f"  left out, {reason}: {amount:.1f} s")
    if summary.repeated_frames:
        lines.append(f"{summary.repeated_frames} frames shown twice to keep time at {summary.rate} frames a second")
    lines += _listed("could not be used", [f"{f.text}" for f in summary.failures], most)
    lines += _passed(summary)
    held = [f'{h.id}: "{h.text}" ({"; ".join(h.reasons)})' for h in summary.held]
    lines += _gates(summary)
    lines += _listed("held for a look", held, most)
    lines += _listed("edited by hand, left as they are", list(summary.edited), most)
    lines += _listed("removed, no longer in the dataset", list(summary.removed), most)
    lines += _listed("note" if len(summary.notes) == 1 else "notes", list(summary.notes), most)
    if summary.review_needed:
        waiting = "1 clip waits" if len(summary.clips) == 1 else f"{len(summary.clips)} clips wait"
        lines.append(
            f"Nothing written: {waiting} for a review. "
            "Run again with --yes to write those that nothing speaks against, and --include-doubted for the rest."
        )
    else:
        lines.append(f"{_many(len(summary.written), 'clip')} in {summary.out}/clips ({len(summary.fresh)} new)")
    return "\n".join(lines)


def _gates(summary: Summary) -> list[str]:
    on = [gate for gate in summary.gates if gate.threshold != "off"]
    if not on or (not summary.clips and not summary.lost):
        return []
    told = [f"{gate.name} ({gate.threshold}): {_gated(gate)}" for gate in on if gate.held or gate.left_out]
    quiet = [f"{gate.name} ({gate.threshold})" for gate in on if not gate.held and not gate.left_out]
    return ["quality gates:", *(f"  {line}" for line in told), *([f"  none by {', '.join(quiet)}"] if quiet else [])]


def _gated(gate: GateSummary) -> str:
    said = [f"{_many(gate.held, 'clip')} held"] if gate.held else []
    return ", ".join(said + ([f"{_many(gate.left_out, 'line')} left out"] if gate.left_out else []))


def _speakers(summary: Summary) -> list[str]:
    """Who speaks in the clips of the whole dataset, most clips first."""
    counts = Counter(clip.speaker for clip in summary.clips if clip.speaker is not None)
    if not counts:
        return []
    shown = [f"{name} {count}" for name, count in counts.most_common(8)]
    rest = [f"{len(counts) - 8} more"] if len(counts) > 8 else []
    return [f"{_many(len(counts), 'speaker')}, clips of each: {', '.join([*shown, *rest])}"]


def _passed(summary: Summary) -> list[str]:
    counts = Counter(reason for _, reason in summary.passed)
    return [f"{_many(count, 'file')} passed by: {reason}" for reason, count in counts.most_common()]


def _listed(title: str, items: list[str], most: int) -> list[str]:
    if not items:
        return []
    lines = [f"{len(items)} {title}:"] + [f"  {item}" for item in items[:most]]
    if len(items) > most:
        lines.append(f"  ... and {len(items) - most} more (--json lists all)")
    return lines


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _clock(amount: float) -> str:
    minutes, rest = divmod(amount, 60)
    return f"{int(minutes)} min {rest:.0f} s" if minutes else f"{rest:.1f} s"


def forecast_text(summary: Summary) -> str:
    """A dry run's answer for a person."""
    lines = _listed("could not be used", [failure.text for failure in summary.failures], 20) + _passed(summary)
    return "\n".join([*summary.notes, *lines])
