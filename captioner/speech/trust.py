"""One number for how far a Line's words can be trusted, and what lowers it. Pure.

The number is the probability that the words are exactly what is said and that nobody else is heard: a logistic model
over `TABLE`, fitted and tested by `bench/trust.py` (weights on other voices, all of it on other recordings). Every
weight is for a value of which more is better, so that no worse word ever raises the number. What told right from wrong
no better beside these has no place in the table: the first word, the probability of no speech or of the language,
speech without a word, DNSMOS, echo, music, the tagger, likeness of the voice's halves; most of them are doubts of their
own (`doubt`, `gates`, `purity`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log, prod, sqrt

from captioner.types import Cut, Doubt, Line, Word

VERSION = "3"

Features = Mapping[str, float | None]
"""By the names of `TABLE`, each in its own unit; None where it is not known."""

UNTRUSTED = 0.5
"""Trust below which a line is doubted, and kept out of cuts with lines that nothing speaks against: it is more likely
wrong than right. Of 291 lines tested it holds 41 % of the wrong and 4.5 % of the right ones; limits on single word
probabilities held 16 % and 1.6 %."""
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


def _surprise(value: float) -> float:
    """Of the probability that all words are right if none depended on another."""
    return -sqrt(-log(min(max(value, 0.001), 1.0)))


def _same(value: float) -> float:
    return value


def _decibels(value: float) -> float:
    return min(max(value, 0.0), 30.0) / 10


def _fast(value: float) -> float:
    return -max(0.0, value / 10 - 1.6)


def _shortest(value: float) -> float:
    return min(value, 0.12) * 10


def _second(value: float) -> float:
    """Seconds, more than one being as bad as one."""
    return -min(value, 1.0)


TABLE: tuple[Feature, ...] = (
    Feature("together", 2.698, 0.7, 0.75, _surprise, "smallest word probability {least:.2f} ({least_probable})"),
    Feature("last", 0.869, 0.95, 1.0, _log, "probability of the last word {value:.2f} ({last_word})"),
    Feature("agreement", 1.537, 0.95, 1.0, _log, "{value:.0%} of the transcriber's guesses have: {least_agreed}"),
    Feature("log_probability", 0.931, -0.15, -0.1, _same, "mean log-probability {value:.2f}"),
    Feature("confirmed", 0.950, 1.0, 1.0, _same, "two hearings differ: {unconfirmed}"),
    Feature("speech", 0.723, 1.0, 1.0, _same, "{value:.0%} of the words' time is speech"),
    Feature("overlap", 2.765, 0.0, 0.0, _second, "somebody else speaks for {value:.2f} s"),
    Feature("pace", 0.161, 13.0, 13.0, _fast, "{value:.0f} letters a second"),
    Feature("snr", 0.040, 25.0, 30.0, _decibels, "{value:.0f} dB over the background"),
    Feature("shortest", 0.099, 0.1, 0.12, _shortest, "a word of {value:.2f} s"),
)
BIAS = 2.653


def features(line: Line, cut: Cut | None = None) -> dict[str, float | None]:
    """What is known of a line; of its sound and voice as long as `cut`, which it is in, was measured."""
    told, words = line.evidence, line.words
    known = [word.probability for word in words if word.probability is not None]
    agreed = [word.agreement for word in words if word.agreement is not None]
    again = [word.confirmed for word in words if word.confirmed is not None]
    said_for = sum(word.span.duration for word in words)
    return {
        "together": prod(known) if known else None,
        "last": words[-1].probability,
        "agreement": min(agreed, default=None),
        "log_probability": told.log_probability if told else None,
        "confirmed": sum(again) / len(again) if again else None,
        "speech": told.speech if told else None,
        "overlap": told.overlap if told else None,
        "pace": sum(map(str.isalnum, line.text)) / said_for if said_for > 0 else None,
        "snr": cut.scene.snr if cut else None,
        "shortest": min(word.span.duration for word in words),
    }


def _logits(feature: Feature, value: float | None) -> float:
    return feature.weight * feature.scale(feature.neutral if value is None else value)


def trust(known: Features) -> float:
    """0 to 1: the probability that the words are exactly what is said, and that only their speaker is heard."""
    total = BIAS + sum(_logits(feature, known.get(feature.name)) for feature in TABLE)
    return round(1.0 / (1.0 + exp(-max(total, -700.0))), 3)


def reasons(known: Features, line: Line) -> tuple[str, ...]:
    """What lowers a line's trust most, worst first, as sentences with numbers."""
    words = _worst(line.words)
    costs = []
    for feature in TABLE:
        value = known.get(feature.name)
        if value is not None:
            cost = _logits(feature, feature.good) - _logits(feature, value)
            if cost >= LEAST_TOLD and not (feature.name == "last" and words["least_probable"] == words["last_word"]):
                costs.append((cost, feature.said.format(value=value, **words)))
    costs.sort(key=lambda one: -one[0])
    return tuple(said for _, said in costs[:MOST_TOLD])


def _worst(words: Sequence[Word]) -> dict[str, str | float]:
    """The words that the reasons name."""
    probable = [word for word in words if word.probability is not None]
    agreed = [word for word in words if word.agreement is not None]
    return {
        "last_word": words[-1].text,
        "least": min((word.probability or 0.0 for word in probable), default=0.0),
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
    """The cut with the trust of each line; a line below `least` is doubted, with the reasons, and so is a cut whose
    lines are too many to be all right though each may be."""

    def judged(line: Line) -> Line:
        line = weighed(line, cut)
        if line.trust is None or line.trust >= least:
            return line
        detail = "; ".join(reasons(features(line, cut), line)) or "many small things"
        doubt = Doubt("low-trust", f"trust {line.trust:.2f}: {detail}", line.span)
        return replace(line, doubts=(*line.doubts, doubt))

    done = replace(cut, lines=tuple(judged(line) for line in cut.lines))
    if done.trust is None or done.trust >= least or any(line.trust < least for line in done.lines if line.trust):
        return done
    worst = min(done.lines, key=lambda line: 1.0 if line.trust is None else line.trust)
    detail = "; ".join(reasons(features(worst, done), worst)) or "many small things"
    doubt = Doubt("low-trust", f"trust {done.trust:.2f} over {len(done.lines)} lines: {detail}", done.span)
    return replace(done, doubts=(*done.doubts, doubt))
