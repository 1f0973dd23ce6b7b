"""What is heard besides the words: from the Scene of a Cut to phrases, each measured or tagged and none guessed.

The numbers behind the words are here in one place. Those of tags come from `bench/sounds.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from captioner.captions.audioset import CLASSES, ancestors
from captioner.captions.text import phrase
from captioner.measures import Scene, Tag

CLEAR, NOISY = 20.0, 10.0
"""dB of speech over noise: clear from the first, over noise below the second."""
SILENT = -75.0
"""dBFS of the non-speech below which there is none to hear."""
QUIET, MODERATE = 24.0, 10.0
"""dB of speech over the non-speech: room tone from the first, soft noise from the second, loud noise below."""
QUIET_ALONE, MODERATE_ALONE = -50.0, -30.0
"""The same where nobody speaks, dBFS."""
HUM, HISS = -65.0, -62.0
"""dBFS in the non-speech from which the mains' hum and what lies above 4 kHz are heard..."""
HUM_SHARE, HISS_SHARE = 1.5, 4.0
"""... if they are no more than so many dB below the whole of it: else other noise covers them."""
COVERED = 15.0
"""The same where nobody stops to speak: what is measured between the sounds of clean speech is 22 to 26 dB below it."""
UNSTEADY = 9.0
"""dB by which the non-speech may swing and still be a noise: what comes and goes, a murmur or a bark, is none."""
CLICKS = 0.4
"""Clicks a second."""
ECHOING = 0.8
"""Seconds in which the room falls by 60 dB: furnished rooms have 0.3 to 0.6, halls more than 1."""

DOUBT = 0.2
"""Score from which a tag forbids to say that there is nothing of its kind..."""
SURE = {"voice": 0.5, "ambience": 0.5, "effect": 0.5, "music": 0.5, "singing": 0.7, "room": 0.7, "recording": 2.0}
"""... and from which it is named. Kinds as in `audioset.KINDS`; speech never is, and nor is how it was recorded.

YAMNet in `bench/sounds.py`, running water 5 to 20 dB under speech: from 0.35 on 0.95 of it is found and 0.79 of the
claims are right, from 0.5 on 0.91 and 0.84 (what is wrong is white noise, see SURE_IN_NOISE), from 0.7 on 0.47 and all.
"""
SURE_IN_NOISE = 0.75
"""The same of running water, wind and their like where the tagger hears plain noise, too: white noise passes for a
waterfall with up to 0.65."""
NOISE_LIKE = frozenset({"Water", "Wind", "Liquid", "Fire", "Frying (food)", "Sizzle", "Hiss", "Applause", "Noise"})
"""Classes that are broad noise, or have such children."""
LONG = 0.6
"""Share of the Cut from which an ambience lies behind it all."""
LEAST_ROOM = 0.6
"""Share of the Cut in which a room must be heard to be named."""
MOST = 3
"""Tagged sounds in a caption."""

FEMALE = frozenset({"woman", "girl", "lady", "female"})
MALE = frozenset({"man", "boy", "gentleman", "male"})
"""Words of a person's own subject that let `sounds` say whose speech it is. Never guessed from the voice."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a caption says of the sound, most important first; music apart from the rest."""

    speech: str | None = None
    """"clear female speech"; where nobody speaks, "no speech" if that was measured."""
    background: tuple[str, ...] = ()
    """Measured: "quiet room tone", "low electrical hum"."""
    events: tuple[str, ...] = ()
    """Tagged: "a dog barking", "rain in the background"."""
    music: str | None = None
    """"music in the background", or "no music" if that was measured."""

    @property
    def phrases(self) -> tuple[str, ...]:
        """All of it in the order of a caption, each phrase once."""
        said = (self.speech, *self.background, *self.events, self.music)
        return tuple(dict.fromkeys(one for one in said if one is not None))


@dataclass(frozen=True, slots=True)
class _Event:
    """One class in one Cut."""

    name: str
    phrase: str
    kind: str
    score: float
    spans: tuple[tuple[float, float], ...]
    share: float
    """Of the Cut, 0 to 1."""


def hear(scene: Scene, duration: float, *, spoken: bool, who: str | None = None, placed: bool = False) -> Heard:
    """What is heard of a Cut of `duration` seconds.

    `spoken`: its caption quotes words. `who`: a person's own words for the speaker. `placed`: a person said where it
    is, so that a room is not named again.
    """
    sure = _sure(scene.events, duration)
    events = [one for one in sure if one.kind != "music" and (one.kind != "room" or not placed)]
    if scene.singing is False:
        events = [one for one in events if one.kind != "singing"]
    named = [_named(one, spoken) for one in events]
    if scene.singing:
        named = ["singing", *named]
    return Heard(
        _speech_words(scene, who, told=bool(events)) if spoken else _without_words(scene),
        () if scene.music or scene.singing else tuple(_background(scene, events, alone=not spoken)),
        tuple(dict.fromkeys(named))[:MOST],
        _music_words(scene, sure, spoken),
    )


def kind_of(tag: Tag) -> str:
    """A tag's kind; a class that AudioSet does not have is an effect."""
    return CLASSES[tag.label].kind if tag.label in CLASSES else "effect"


def _sure(tags: Sequence[Tag], duration: float) -> list[_Event]:
    """What is sure enough to be named, most certain first; parents give way to their children, and of kinds of one
    thing heard at one time only the most certain stays."""
    noisy = any(tag.score >= DOUBT and "Noise" in ancestors(tag.label) for tag in tags)
    by_label: dict[str, list[Tag]] = {}
    for tag in tags:
        if tag.score >= (SURE_IN_NOISE if noisy and _alike_noise(tag.label) else SURE.get(kind_of(tag), 2.0)):
            by_label.setdefault(tag.label, []).append(tag)
    found = [event for label, own in by_label.items() if (event := _event(label, own, duration)) is not None]
    found.sort(key=lambda event: (-event.score, event.name))
    above = {parent for event in found for parent in ancestors(event.name)}
    found = [event for event in found if event.name not in above]
    kept: list[_Event] = []
    for event in found:
        if not any(_rivals(event, other) for other in kept):
            kept.append(event)
    return kept


def _alike_noise(label: str) -> bool:
    return bool(NOISE_LIKE & {label, *ancestors(label)})


def _event(label: str, tags: Sequence[Tag], duration: float) -> _Event | None:
    known = CLASSES.get(label)
    named = known.phrase if known else phrase(label.translate(_CALM_MARKS))
    if named is None:
        return None
    spans = tuple((tag.span.start, tag.span.end) for tag in tags)
    share = sum(end - start for start, end in spans) / duration if duration > 0 else 0.0
    kind = known.kind if known else "effect"
    if kind == "room" and share < LEAST_ROOM:
        return None
    return _Event(label, named, kind, max(tag.score for tag in tags), spans, share)


_CALM_MARKS = str.maketrans("!?", "..")
"""In a list of sounds nothing is called out or asked."""


def _rivals(event: _Event, other: _Event) -> bool:
    """Whether both are kinds of one thing and heard at one time: a stream and a waterfall."""
    if event.name not in CLASSES or other.name not in CLASSES:
        return False
    shared = set(CLASSES[event.name].parents) & set(CLASSES[other.name].parents)
    together = any(a < d and c < b for a, b in event.spans for c, d in other.spans)
    return together and bool(shared or event.kind == other.kind == "room")


def _named(event: _Event, spoken: bool) -> str:
    behind = spoken and event.kind == "ambience" and event.share >= LONG
    return f"{event.phrase} in the background" if behind else event.phrase


def _music_words(scene: Scene, sure: Sequence[_Event], spoken: bool) -> str | None:
    """Music is named where the tagger that listens for it hears it; what kind, where another is sure of that."""
    if scene.music:
        kinds = [event.phrase for event in sure if event.kind == "music"]
        return (kinds[0] if kinds else "music") + (" in the background" if spoken else "")
    doubted = any(kind_of(tag) in ("music", "singing") and tag.score >= DOUBT for tag in scene.events)
    # A voice without a pause covers music 20 dB below it from every tagger.
    covered = spoken and (scene.noise is None or scene.swing is None)
    return "no music" if scene.music is False and not doubted and not covered else None


def _speech_words(scene: Scene, who: str | None, *, told: bool) -> str | None:
    """How the speech is heard; None where there was too little around it to compare it with. `told`: what else is
    heard has a name."""
    if scene.snr is None or scene.singing:
        return None
    kind = f"{_kind(who)} speech".lstrip()
    if scene.snr >= CLEAR:
        return f"clear {kind}"
    if scene.snr < NOISY:
        # Where music plays, or may play, what lies under the voice need not be noise.
        return f"{kind} over noise" if scene.music is False and not told and _steady(scene) else kind
    return kind


def _without_words(scene: Scene) -> str | None:
    doubted = any(kind_of(tag) == "speech" and tag.score >= DOUBT for tag in scene.events)
    return "no speech" if scene.speech is False and not doubted else None


def _kind(who: str | None) -> str:
    words = set((who or "").casefold().replace(",", " ").split())
    if bool(words & FEMALE) == bool(words & MALE):
        return ""
    return "female" if words & FEMALE else "male"


def _background(scene: Scene, events: Sequence[_Event], *, alone: bool) -> list[str]:
    """The measured background. What makes it may have been named by a tag: then its level is not named again."""
    clicking = scene.clicks is not None and scene.clicks >= CLICKS
    steady = not clicking and _steady(scene)  # a click has as much treble as a hiss
    said = [
        words
        for words, level, least, share in (
            ("low electrical hum", scene.hum, HUM, HUM_SHARE),
            ("soft hiss", scene.hiss, HISS, HISS_SHARE),
        )
        if steady and level is not None and level >= least and (scene.noise or 0.0) - share <= level
    ]
    if any(event.kind == "ambience" for event in events):
        said = []
    elif not said:
        general = _noise_words(scene, alone=alone)
        if general is not None and not (events and general.endswith("background noise")):
            said = [general]
    if clicking:
        said.append("clicks")
    if scene.reverberation is not None and scene.reverberation >= ECHOING:
        said.append("room reverberation")
    return said


def _noise_words(scene: Scene, *, alone: bool) -> str | None:
    if scene.noise is None:
        return None
    if scene.noise < SILENT:
        return "no background noise"
    if (scene.noise < QUIET_ALONE) if scene.snr is None else (scene.snr >= QUIET):
        return "quiet room tone"
    if scene.music is None or (scene.snr is None and not alone):
        return None  # loud enough to be music that nobody listened for, or the voice itself
    if not _steady(scene) or (scene.swing is None and (scene.snr or 0.0) >= COVERED):
        return None
    soft = (scene.noise < MODERATE_ALONE) if scene.snr is None else (scene.snr >= MODERATE)
    return "soft background noise" if soft else "loud background noise"


def _steady(scene: Scene) -> bool:
    return scene.swing is None or scene.swing <= UNSTEADY
