"""What is measured of a Cut, judged: quality gates, trust and purity become doubts. Nothing here runs a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace

from captioner.planning import PlannedJob
from captioner.settings import Settings
from captioner.speech.gates import GATES, Limits, judge
from captioner.speech.purity import VERSION as PURITY_VERSION
from captioner.speech.purity import unsure_voice
from captioner.speech.stray import explained
from captioner.speech.trust import VERSION as TRUST_VERSION
from captioner.speech.trust import trusted
from captioner.store import key_of
from captioner.summary import GateSummary
from captioner.types import Cut, LeftOut

GATES_VERSION = "2"


def judge_all(planned: Sequence[PlannedJob], settings: Settings) -> list[PlannedJob]:
    """The same, every cut with the doubts that its measures give and with the trust in its words; those that a gate
    leaves out are listed as such."""
    limits, out = limits_of(settings), settings.gates_left_out
    return [_trusted(_gated(entry, limits, out), settings.min_trust) for entry in planned]


def _trusted(entry: PlannedJob, least: float) -> PlannedJob:
    cuts = tuple(_sure_of_voice(trusted(cut, least)) for cut in entry.planned.cuts)
    if cuts == entry.planned.cuts:  # nobody knows how probable the words are
        return entry
    key = key_of("trust", entry.key, TRUST_VERSION, PURITY_VERSION, least)
    return replace(entry, planned=replace(entry.planned, cuts=cuts), key=key)


def _sure_of_voice(cut: Cut) -> Cut:
    return replace(cut, doubts=cut.doubts + unsure_voice(cut, cut.trust))


def judged(cut: Cut, settings: Settings) -> Cut:
    """One cut with the doubts that its measures give, by themselves: nothing is left out."""
    found = judge(cut, limits_of(settings))
    gates = {gate.reason for gate in GATES}
    bare = replace(cut, doubts=tuple(doubt for doubt in cut.doubts if doubt.reason not in gates))
    known = replace(bare, doubts=explained(bare, cut.scene.events) + found.doubts)
    return _sure_of_voice(trusted(known, settings.min_trust))


def limits_of(settings: Settings) -> Limits:
    return Limits(
        mos=settings.min_mos,
        snr=settings.min_snr,
        clipping=settings.max_clipping,
        bandwidth=settings.min_bandwidth,
        reverberation=settings.max_reverberation,
        music=settings.min_over_music,
    )


def _gated(entry: PlannedJob, limits: Limits, out: frozenset[str]) -> PlannedJob:
    kept: list[Cut] = []
    left: list[LeftOut] = []
    for cut in entry.planned.cuts:
        judged = judge(cut, limits, sorted(out))
        if judged.out:
            detail = "; ".join(doubt.detail for doubt in judged.out)
            left += [LeftOut(line.span, line.speaker, judged.out[0].reason, line.text, detail) for line in cut.lines]
        else:
            kept.append(replace(cut, doubts=explained(cut, cut.scene.events) + judged.doubts))
    if not left and all(new is old or new == old for new, old in zip(kept, entry.planned.cuts, strict=True)):
        return entry
    lost = sum(word.span.duration for cut in entry.planned.cuts for line in cut.lines for word in line.words)
    lost -= sum(word.span.duration for cut in kept for line in cut.lines for word in line.words)
    plan = replace(
        entry.planned,
        cuts=tuple(kept),
        left_out=tuple(sorted((*entry.planned.left_out, *left), key=lambda one: one.span)),
        kept=round(entry.planned.kept - lost, 3),
    )
    return replace(entry, planned=plan, key=key_of("gates", GATES_VERSION, entry.key, astuple(limits), sorted(out)))


def gates_summary(planned: Sequence[PlannedJob], settings: Settings) -> tuple[GateSummary, ...]:
    """Every gate with its threshold and how many clips it held and left out."""
    limits, found = limits_of(settings), []
    for gate in GATES:
        limit = getattr(limits, gate.name)
        held = sum(any(d.reason == gate.reason for d in cut.doubts) for one in planned for cut in one.planned.cuts)
        out = sum(left.reason == gate.reason for one in planned for left in one.planned.left_out)
        found.append(GateSummary(gate.name, "off" if limit is None else gate.shown.format(limit=limit), held, out))
    return tuple(found)
