"""Quality gates: what is measured of a Cut against thresholds. Pure.

A gate turns a poor measure into a Doubt with the number and the threshold in it, or, where it is told to, says that
the Cut is to be left out. What could not be measured passes: nothing is held for what nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from captioner.types import Cut, Doubt


@dataclass(frozen=True, slots=True)
class Limits:
    """The threshold of each gate; None for off."""

    mos: float | None = 1.5
    """DNSMOS overall, 1 to 5, at least."""
    snr: float | None = 8.0
    """dB of speech over noise, at least, where no music is heard."""
    clipping: float | None = 1.0
    """% of the samples, at most."""
    bandwidth: float | None = 4500.0
    """Hz, at least."""
    reverberation: float | None = 1.0
    """Seconds, at most."""
    music: float | None = 10.0
    """dB of speech over music, at least."""


@dataclass(frozen=True, slots=True)
class Gate:
    name: str
    """As in `Limits`."""
    reason: str
    """The code of its doubts; see `captioner.speech.doubt.REASONS`."""
    value: Callable[[Cut], float | None]
    """What is measured; None where nothing is, or the gate is not about this Cut."""
    least: bool
    """Whether the threshold is the least that passes, else the most."""
    said: str
    """The sentence, with `{value}` and `{limit}`."""
    shown: str
    """The threshold as the summary shows it, with `{limit}`."""

    def fails(self, cut: Cut, limit: float | None) -> bool:
        value = self.value(cut)
        if limit is None or value is None:
            return False
        return value < limit if self.least else value > limit


CLEAN = 3.5
"""DNSMOS of the background from which there is no noise to hold a clip for: what is loud between the words is then
somebody's voice, or a word that was missed."""


def _snr(cut: Cut) -> float | None:
    background = cut.quality.background
    return None if cut.scene.music or (background is not None and background >= CLEAN) else cut.scene.snr


def _over_music(cut: Cut) -> float | None:
    return cut.scene.snr if cut.scene.music else None


def _clipped(cut: Cut) -> float | None:
    return None if cut.quality.clipped is None else 100 * cut.quality.clipped


GATES: tuple[Gate, ...] = (
    Gate(
        "mos", "poor-quality", lambda cut: cut.quality.overall, True,
        "DNSMOS {value:.1f} of 5, where {limit:.1f} is the least", "DNSMOS below {limit:g}",
    ),
    Gate(
        "snr", "noisy", _snr, True,
        "the voice is {value:.1f} dB over the noise, where {limit:g} is the least",
        "less than {limit:g} dB over the noise",
    ),
    Gate(
        "clipping", "clipped", _clipped, False,
        "{value:.1f} % of the samples are clipped, where {limit:.1f} % is the most", "more than {limit:g} % clipped",
    ),
    Gate(
        "bandwidth", "narrow-band", lambda cut: cut.quality.bandwidth, True,
        "the sound ends at {value:.0f} Hz, where {limit:.0f} is the least", "ends below {limit:g} Hz",
    ),
    Gate(
        "reverberation", "reverberant", lambda cut: cut.scene.reverberation, False,
        "the room rings for {value:.1f} s, where {limit:.1f} is the most", "rings longer than {limit:g} s",
    ),
    Gate(
        "music", "music-under-speech", _over_music, True,
        "the voice is {value:.1f} dB over music, where {limit:g} is the least",
        "less than {limit:g} dB over music",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """What the gates say of a Cut."""

    doubts: tuple[Doubt, ...] = ()
    out: tuple[Doubt, ...] = ()
    """Those that leave it out."""


def judge(cut: Cut, limits: Limits, leave_out: Sequence[str] = ()) -> Judged:
    """The gates that a Cut with speech fails: those named in `leave_out` leave it out, the others are doubts."""
    if not cut.text:
        return Judged()
    failed = [(gate, doubt) for gate in GATES if (doubt := _doubt(gate, cut, limits)) is not None]
    return Judged(
        tuple(doubt for gate, doubt in failed if gate.name not in leave_out),
        tuple(doubt for gate, doubt in failed if gate.name in leave_out),
    )


def _doubt(gate: Gate, cut: Cut, limits: Limits) -> Doubt | None:
    limit: float | None = getattr(limits, gate.name)
    if limit is None or not gate.fails(cut, limit):
        return None
    return Doubt(gate.reason, gate.said.format(value=gate.value(cut), limit=limit), cut.span)
