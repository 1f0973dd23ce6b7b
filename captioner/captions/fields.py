"""The fields of a caption, one function each: from a Cut and what a person said of it to words, or None.

A field says what was measured, tagged or given by a person, and nothing else. The numbers behind the words:
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from captioner.captions.text import phrase, spoken
from captioner.measures import Scene, Voice
from captioner.types import Cut

SOFT, LOUD = -40.0, -10.0
"""dBFS of the speech. Recordings of ordinary voices lie between: -38 across a room, -12 close and levelled."""
LOW, HIGH = 100.0, 280.0
"""Hz, median fundamental."""
SLOW, FAST = 1.8, 4.5
"""Words a second of speech, pauses left out."""
CALM, LIVELY = 7.0, 16.0
"""Semitones from the 10th to the 90th percentile of the fundamental."""
UNHURRIED, GENTLE = 3.8, -16.0
"""Words a second, and dBFS, up to which a voice on few notes may be called calm: a speaker at a rally is not."""

CLEAR, NOISY = 20.0, 10.0
"""dB of speech over noise: clear from the first, over noise below the second."""
SILENT = -75.0
"""dBFS of the non-speech below which there is none to hear."""
QUIET, MODERATE = 24.0, 10.0
"""dB of speech over the non-speech: room tone from the first, soft noise from the second, loud noise below."""
QUIET_ALONE, MODERATE_ALONE = -50.0, -30.0
"""The same where nobody speaks, dBFS."""

FEMALE = frozenset({"woman", "girl", "lady", "female"})
MALE = frozenset({"man", "boy", "gentleman", "male"})
"""Words of a person's own subject that let `sounds` say whose speech it is. Never guessed from the voice."""


@dataclass(frozen=True, slots=True)
class CaptionSettings:
    """What a person says of the dataset."""

    trigger: str
    subject: str | None = None
    place: str | None = None
    visual: str | None = None
    subjects: Mapping[str, str] = field(default_factory=dict)
    """By speaker; before `subject`."""
    triggers: Mapping[str, str] = field(default_factory=dict)
    """By speaker; before `trigger`."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """By name: fields that a template asks for."""


def trigger(cut: Cut, settings: CaptionSettings) -> str | None:
    """The speaker's own trigger, else the dataset's."""
    return phrase(settings.triggers.get(cut.speaker or "", settings.trigger))


def subject(cut: Cut, settings: CaptionSettings) -> str | None:
    """Who it is, in a person's words, without the trigger before it: the template sets that."""
    given = phrase(settings.subjects.get(cut.speaker or "", settings.subject or ""))
    name = trigger(cut, settings)
    if given is not None and name is not None and given.split(" ")[0].rstrip(",:") == name:
        given = phrase(given[len(name) :])
    return given


def voice(cut: Cut, _settings: CaptionSettings) -> str | None:
    """How it sounds: "soft, calm"."""
    if not cut.text:
        return None
    return ", ".join(_voice_words(cut.voice)) or None


def place(_cut: Cut, settings: CaptionSettings) -> str | None:
    return phrase(settings.place)


def visual(_cut: Cut, settings: CaptionSettings) -> str | None:
    return phrase(settings.visual)


def speech(cut: Cut, _settings: CaptionSettings) -> str | None:
    """The exact words in quotation marks."""
    return spoken(cut.text)


def sounds(cut: Cut, settings: CaptionSettings) -> str | None:
    """What is heard: "clear female speech, quiet room tone, no music"."""
    scene = cut.scene
    said = _speech_words(scene, subject(cut, settings)) if cut.text else _without_words(scene)
    singing = "singing" if scene.singing else None
    music = {True: "music in the background" if cut.text else "music", False: "no music", None: None}[scene.music]
    labels = dict.fromkeys(tag.label for tag in sorted(scene.events, key=lambda tag: -tag.score))
    events = [named for label in labels if (named := phrase(label.translate(_CALM_MARKS)))]
    heard = (said, _noise_words(scene, alone=not cut.text), singing, *events, music)
    return ", ".join(one for one in heard if one is not None) or None


FIELDS: Mapping[str, Callable[[Cut, CaptionSettings], str | None]] = {
    made.__name__: made for made in (trigger, subject, voice, place, speech, sounds, visual)
}
"""Every field that a template may name without asking for it."""


def _voice_words(measured: Voice) -> list[str]:
    level, rate, spread = measured.level, measured.rate, measured.pitch_spread
    words = [
        _outside(level, SOFT, LOUD, "soft", "loud"),
        _outside(measured.pitch, LOW, HIGH, "low", "high"),
        _outside(rate, SLOW, FAST, "slow", "fast"),
    ]
    manner = _outside(spread, CALM, LIVELY, "calm", "lively")
    if manner == "calm" and (rate is None or rate > UNHURRIED or level is None or level > GENTLE):
        manner = None
    return [word for word in (*words, manner) if word is not None]


def _outside(value: float | None, least: float, most: float, below: str, above: str) -> str | None:
    """The word for a value that stands out; ordinary values have none."""
    if value is None or least <= value <= most:
        return None
    return below if value < least else above


def _speech_words(scene: Scene, who: str | None) -> str | None:
    """How the speech is heard; None where there was too little around it to compare it with."""
    if scene.snr is None or scene.singing:
        return None
    kind = f"{_kind(who)} speech".lstrip()
    if scene.snr >= CLEAR:
        return f"clear {kind}"
    if scene.snr < NOISY:
        # Where music plays, or may play, what lies under the voice need not be noise.
        return f"{kind} over noise" if scene.music is False else kind
    return kind


_CALM_MARKS = str.maketrans("!?", "..")
"""In a list of sounds nothing is called out or asked."""


def _without_words(scene: Scene) -> str | None:
    return "no speech" if scene.speech is False else None


def _kind(who: str | None) -> str:
    words = set((who or "").casefold().replace(",", " ").split())
    if bool(words & FEMALE) == bool(words & MALE):
        return ""
    return "female" if words & FEMALE else "male"


def _noise_words(scene: Scene, *, alone: bool) -> str | None:
    if scene.noise is None or scene.music or scene.singing:
        return None
    if scene.noise < SILENT:
        return "no background noise"
    if (scene.noise < QUIET_ALONE) if scene.snr is None else (scene.snr >= QUIET):
        return "quiet room tone"
    if scene.music is None or (scene.snr is None and not alone):
        return None  # loud enough to be music that nobody listened for, or the voice itself
    soft = (scene.noise < MODERATE_ALONE) if scene.snr is None else (scene.snr >= MODERATE)
    return "soft background noise" if soft else "loud background noise"
