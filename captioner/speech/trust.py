"""One number for how far a Line's words can be trusted, and what lowers it. Pure.

The number is the probability that the words are exactly what is said and that nobody else is heard: a logistic model
over `TABLE`, whose weights `bench/trust.py` fitted and tested on other voices (its output is in the README). Every
weight is for a value of which more is better, so that no worse word ever raises the number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import exp, log

from captioner.speech.purity import purity, spoken
from captioner.types import Cut, Doubt, Line, Word

VERSION = "1"

Features = Mapping[str, float | None]
"""By the names of `TABLE`, each in its own unit; None where it is not known."""

UNTRUSTED = 0.5
"""Trust below which a line is doubted, and kept out of cuts with lines that nothing speaks against."""
LEAST_TOLD = 0.15
"""Logits that a feature must cost to be named as a reason."""
MOST_TOLD = 3


@dataclass(frozen=True, slots=True)
class Feature:
    name: str
    weight: float
    """Logits for each unit of `scale`; never negative."""
    neutral: float
    """What stands for unknown: nothing was known of it in some of the lines fitted to, and this stood there."""
    good: float
    """Where nothing speaks against a line: reasons count from here."""
    scale: Callable[[float], float]
    """The value as the model takes it: more is better."""
    said: str
    """The reason, with the value and the worst word in it."""


def _log(value: float) -> float:
    return log(min(max(value, 0.01), 1.0))


def _same(value: float) -> float:
    return value


def _less(value: float) -> float:
    return -value


def _decibels(value: float) -> float:
    return min(max(value, 0.0), 30.0) / 10


def _second(value: float) -> float:
    """Seconds, more than one being as bad as one."""
    return -min(value, 1.0)


TABLE: tuple[Feature, ...] = (
    Feature("agreement", 1.0, 0.9, 1.0, _log, "{value:.0%} of the transcriber's guesses have: {least_agreed}"),
    Feature("probability", 0.5, 0.7, 1.0, _log, "smallest word probability {value:.2f} ({least_probable})"),
    Feature("mean", 1.0, 0.9, 1.0, _same, "mean word probability {value:.2f}"),
    Feature("log_probability", 1.0, -0.25, -0.1, _same, "mean log-probability {value:.2f}"),
    Feature("confirmed", 1.0, 1.0, 1.0, _same, "two hearings differ: {unconfirmed}"),
    Feature("again", 0.5, 0.0, 0.0, _less, "it had to be heard twice"),
    Feature("no_speech", 1.0, 0.1, 0.0, _less, "probability of no speech {value:.2f}"),
    Feature("speech", 1.0, 1.0, 1.0, _same, "{value:.0%} of the words' time is speech"),
    Feature("unheard", 1.0, 0.0, 0.0, _second, "{value:.2f} s of speech without a word"),
    Feature("overlap", 1.0, 0.0, 0.0, _second, "somebody else speaks for {value:.2f} s"),
    Feature("pace", 1.0, 13.0, 13.0, lambda value: -max(0.0, value / 10 - 1.6), "{value:.0f} letters a second"),
    Feature("invented", 1.0, 0.0, 0.0, _less, "a phrase that transcribers invent"),
    Feature("language", 1.0, 0.98, 1.0, _same, "probability of the language {value:.2f}"),
    Feature("snr", 0.1, 25.0, 30.0, _decibels, "{value:.0f} dB over the background"),
    Feature("overall", 0.1, 2.8, 3.2, _same, "DNSMOS {value:.1f} of 5"),
    Feature("echo", 0.1, 0.3, 0.2, lambda value: -min(value, 1.5), "echo of {value:.1f} s"),
    Feature("music", 0.1, 0.0, 0.0, _less, "music under the speech"),
    Feature("tagged", 0.1, 1.0, 1.0, _same, "the tagger hears no speech"),
    Feature("purity", 0.1, 1.0, 1.0, _same, "purity of the voice {value:.2f}"),
    Feature("words", 0.1, 8.0, 3.0, lambda value: -log(max(value, 1.0)), ""),
)  # fmt: skip
BIAS = 0.0
CURVE: tuple[tuple[float, float], ...] = ((0.0, 0.0), (1.0, 1.0))
"""What the logistic number is in truth, linear between the points."""


def features(line: Line, cut: Cut | None = None) -> dict[str, float | None]:
    """What is known of a line; of its sound and voice as long as `cut`, which it is in, was measured."""
    cut = cut or Cut("", 0, 0, Fraction(25), (line,))
    told, words = line.evidence, line.words
    known = [word.probability for word in words if word.probability is not None]
    agreed = [word.agreement for word in words if word.agreement is not None]
    again = [word.confirmed for word in words if word.confirmed is not None]
    said_for = sum(word.span.duration for word in words)
    return {
        "agreement": min(agreed, default=None),
        "probability": min(known, default=None),
        "mean": sum(known) / len(known) if known else None,
        "log_probability": told.log_probability if told else None,
        "confirmed": sum(again) / len(again) if again else None,
        "again": float(bool(again)),
        "no_speech": told.no_speech if told else None,
        "speech": told.speech if told else None,
        "unheard": told.unheard if told else None,
        "overlap": told.overlap if told else None,
        "pace": sum(map(str.isalnum, line.text)) / said_for if said_for > 0 else None,
        "invented": float(told.invented) if told else None,
        "language": told.language if told else None,
        "snr": cut.scene.snr,
        "overall": cut.quality.overall,
        "echo": cut.scene.reverberation,
        "music": None if cut.scene.music is None else float(cut.scene.music),
        "tagged": None if cut.scene.speech is None else float(cut.scene.speech),
        "purity": purity(cut.voiceprint, spoken(cut)),
        "words": float(len(words)),
    }


def _logits(feature: Feature, value: float | None) -> float:
    return feature.weight * feature.scale(feature.neutral if value is None else value)


def trust(known: Features) -> float:
    """0 to 1: the probability that the words are exactly what is said, and that only their speaker is heard."""
    total = BIAS + sum(_logits(feature, known.get(feature.name)) for feature in TABLE)
    raw = 1.0 / (1.0 + exp(-total)) if total > -700 else 0.0
    for (low, least), (high, most) in pairwise(CURVE):
        if raw <= high:
            return round(least + (most - least) * (raw - low) / (high - low), 3)
    return CURVE[-1][1]


def reasons(known: Features, line: Line) -> tuple[str, ...]:
    """What lowers a line's trust most, worst first, as sentences with numbers."""
    costs = []
    for feature in TABLE:
        value = known.get(feature.name)
        if value is not None and feature.said:
            costs.append((_logits(feature, feature.good) - _logits(feature, value), feature, value))
    costs = [one for one in costs if one[0] >= LEAST_TOLD]
    costs.sort(key=lambda one: -one[0])
    words = _worst(line.words)
    return tuple(feature.said.format(value=value, **words) for _, feature, value in costs[:MOST_TOLD])


def _worst(words: Sequence[Word]) -> dict[str, str]:
    """The words that the reasons name."""
    probable = [word for word in words if word.probability is not None]
    agreed = [word for word in words if word.agreement is not None]
    return {
        "least_probable": min(probable, key=lambda word: word.probability or 0.0).text if probable else "",
        "least_agreed": min(agreed, key=lambda word: word.agreement or 0.0).text if agreed else "",
        "unconfirmed": " ".join(word.text for word in words if word.confirmed is False) or "none of its words",
    }


def weighed(line: Line, cut: Cut | None = None) -> Line:
    """The line with its trust, as far as it can be known.

    Words without any probability are a person's own, or a transcriber's that says nothing: their trust stays unknown.
    """
    if all(word.probability is None for word in line.words):
        return line
    return replace(line, trust=trust(features(line, cut)))


def trusted(cut: Cut, least: float) -> Cut:
    """The cut with the trust of each line; a line below `least` is doubted, with the reasons."""

    def judged(line: Line) -> Line:
        line = weighed(line, cut)
        if line.trust is None or line.trust >= least:
            return line
        detail = "; ".join(reasons(features(line, cut), line)) or "many small things"
        doubt = Doubt("low-trust", f"trust {line.trust:.2f}: {detail}", line.span)
        return replace(line, doubts=(*line.doubts, doubt))

    return replace(cut, lines=tuple(judged(line) for line in cut.lines))
