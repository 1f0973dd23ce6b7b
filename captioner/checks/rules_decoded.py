"""D01 to D05: what latents decode to, against their clips (`--decoded`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from captioner.checks.captiontext import both_ends, word_errors
from captioner.checks.findings import Finding
from captioner.checks.rules import ERROR, INFO, WARNING, rule, rules_in
from captioner.checks.rules_caches import listed
from captioner.checks.rules_captions_said import MOST_ERRORS
from captioner.checks.view import View
from captioner.trainers._window import semitones

if TYPE_CHECKING:
    from captioner.checks.decoded import Compared

LOUDER = 6.0
"""dB by which the level may change: twice as loud."""
LATE = 0.1
"""Seconds by which sound may move or end early: two steps of the latents and a half."""
SILENT = 0.15
"""Seconds of silence where the clip sounds: a short syllable."""
WORSE = 0.75
"""DNSMOS points that decoding may cost."""
FAR = 4.5
"""dB of spectral distance from which a lower DNSMOS is believed: decoding through 64 mel bands with new phases costs 3
to 4, with smeared bands 5 to 6."""
ANOTHER_VOICE = 0.5
"""Likeness of voices: through 64 bands it stays above 0.7, strangers are below."""
MORE_ERRORS = 0.2
"""Word error rate by which the decoded sound must be understood worse than the clip by the same ears."""

AGAIN = "cache these clips again; if it stays, this checkpoint's audio VAE is not the one that cached them"


def _say(one: Compared) -> str:
    from captioner.checks.decoded import Kind

    told = {
        Kind.NOISE: f"it decodes to noise: nothing of {one.clip} is in it",
        Kind.SPEECH: f"it decodes to speech that is not {one.clip}'s",
        Kind.OTHER: f"it decodes to the sound of {one.other}, not of {one.clip}",
        Kind.SILENT: f"it decodes to silence, and {one.clip} has sound",
        Kind.BROKEN: f"it cannot be heard: {one.other}",
    }
    return told[one.kind]


@rule(
    "D01", ERROR, "a latent decodes to noise, to silence or to another sound", needs="decoded",
    cost="the voice is trained on that: no caption and no number of steps makes up for it", advice=AGAIN,
)  # fmt: skip
def noise(view: View) -> Iterator[Finding]:
    from captioner.checks.decoded import Kind

    found = view.compared
    where = ", ".join(path.name for path in view.decoded)
    if not found.pairs:
        yield noise.finding(
            where, "no decoded sound of any clip of the dataset is in it", severity=WARNING,
            cost="nothing was compared", fix="give the folder of .wav or .mp4 files that the latents were decoded into",
        )  # fmt: skip
        return
    named = {Kind.NOISE: "to noise", Kind.SILENT: "to silence", Kind.OTHER: "to another clip",
             Kind.SPEECH: "to other speech", Kind.BROKEN: "to nothing that can be heard"}  # fmt: skip
    for kind, what in named.items():
        every = [one for one in found.pairs if one.kind is kind]
        if every:
            said = f"{len(every)} of {len(found.pairs)} decode {what}"
            yield noise.finding(where, f"{said}: {listed(one.clip for one in every)}")
    for one in found.pairs:
        if one.kind is not Kind.SAME:
            distance = f" ({one.alike.distance:.1f} dB away, {one.alike.pattern:.2f} alike)" if one.alike else ""
            yield noise.finding(one.file, _say(one) + distance)
    if found.missing or found.strangers:
        lacks = [f"{len(found.missing)} clips have no decoded sound ({listed(found.missing)})"] if found.missing else []
        lacks += [f"{len(found.strangers)} files are of no clip ({listed(found.strangers)})"] if found.strangers else []
        yield noise.finding(
            where, "; ".join(lacks), severity=INFO, cost="these were not compared", fix="decode all latents into it"
        )


def _same(view: View) -> Iterator[Compared]:
    from captioner.checks.decoded import Kind

    return (one for one in view.compared.pairs if one.kind is Kind.SAME)


@rule(
    "D02", ERROR, "a latent plays at another tempo than its clip", needs="decoded",
    cost="the voice that is learnt is neither as fast nor as high as the speaker's",
    advice="cut clips to the frames and rate that the trainer takes, then cache again: captioner export does",
)  # fmt: skip
def tempo(view: View) -> Iterator[Finding]:
    for one in _same(view):
        if one.alike is not None and one.alike.tempo != 1.0:
            times = one.alike.tempo
            off = f"{semitones(times):+.1f} semitones where its pitch was not kept"
            yield tempo.finding(one.file, f"it plays {times:.2f}x as fast as {one.clip}, {off}")


@rule(
    "D03", WARNING, "a latent's sound is louder, later or shorter than its clip's", needs="decoded",
    cost="lips and voice drift apart, or the voice is learnt at another loudness", advice=AGAIN,
)  # fmt: skip
def moved(view: View) -> Iterator[Finding]:
    for one in _same(view):
        alike = one.alike
        if alike is None or alike.tempo != 1.0:
            continue
        if abs(alike.level) > LOUDER:
            yield moved.finding(one.file, f"it is {alike.level:+.1f} dB as loud as {one.clip}")
        if alike.gone > SILENT:
            yield moved.finding(
                one.file, f"it is silent for {alike.gone:.2f} s in which {one.clip} sounds", severity=ERROR,
                cost="the words there are read and never heard",
            )  # fmt: skip
        if abs(alike.lag) > LATE:
            late = "later" if alike.lag > 0 else "earlier"
            yield moved.finding(one.file, f"its sound comes {abs(alike.lag):.2f} s {late} than in {one.clip}")
        if view.trainer is not None and alike.missing > LATE:
            yield moved.finding(one.file, f"its last {alike.missing:.2f} s are missing, against what the trainer takes")


@rule(
    "D04", ERROR, "the words of a caption are not heard in its latent", needs="decoded",
    cost="the voice learns to mumble where these words are written", advice=AGAIN,
)  # fmt: skip
def words(view: View) -> Iterator[Finding]:
    for one in _same(view):
        if not one.expected or one.heard is None:
            continue
        wrong = word_errors(one.expected, one.heard)
        before = word_errors(one.expected, one.clip_heard) if one.clip_heard is not None else 0.0
        if wrong > MOST_ERRORS and wrong > before + MORE_ERRORS:
            told = f"{both_ends(one.heard)} is heard, and {both_ends(one.expected)} should be"
            rates = f"{wrong:.0%} of the words are wrong, {before:.0%} in the clip itself"
            yield words.finding(one.file, f"{told}: {rates}")
    if view.compared.deaf:
        yield words.finding(
            ", ".join(path.name for path in view.decoded), f"the words were not heard again: {view.compared.deaf}",
            severity=INFO, cost="", fix="captioner fetch-models",
        )  # fmt: skip


@rule(
    "D05", WARNING, "a latent sounds worse than its clip, or like somebody else", needs="decoded",
    cost="that is the best that the trained voice can become", advice=AGAIN,
)  # fmt: skip
def worse(view: View) -> Iterator[Finding]:
    for one in _same(view):
        alike = one.alike
        if alike is None or alike.tempo != 1.0:
            continue
        dropped = one.clip_quality - one.quality if one.quality and one.clip_quality else 0.0
        if dropped > WORSE and alike.distance > FAR:
            told = f"DNSMOS {one.quality:.1f} after {one.clip_quality:.1f}"
            yield worse.finding(one.file, f"{told}, its spectrum {alike.distance:.1f} dB away from that of {one.clip}")
        if one.voice is not None and one.voice < ANOTHER_VOICE:
            yield worse.finding(one.file, f"the voice is {one.voice:.2f} like that of {one.clip}: another person's")


RULES = rules_in(globals())
