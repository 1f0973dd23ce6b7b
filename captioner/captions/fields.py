"""The fields of a caption, one function each: from a Cut and what a person said of it to words, or None.

A field says what was measured, tagged or given by a person, and nothing else. The numbers behind the words:
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from captioner.captions import nonverbal
from captioner.captions.language import OWN, language_name
from captioner.captions.sounds import FEMALE, MALE, Heard, hear
from captioner.captions.text import name, phrase, said, spoken
from captioner.captions.voices import Voices, voice_words
from captioner.types import Cut

NOUNS = (FEMALE | MALE) - {"female", "male"}


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
    voices: Voices = field(default_factory=Voices)
    """What is known of every speaker's voice from the whole dataset."""
    nonverbal: str = ""
    """How sounds of the mouth are written between the words, such as `({})`; empty to leave them out."""


def trigger(cut: Cut, settings: CaptionSettings) -> str | None:
    """The speaker's own trigger, else the dataset's."""
    return name(settings.triggers.get(cut.speaker or "", settings.trigger))


def subject(cut: Cut, settings: CaptionSettings) -> str | None:
    """Who it is, in a person's words, without the trigger before it: the template sets that."""
    given = phrase(settings.subjects.get(cut.speaker or "", settings.subject or ""))
    word = trigger(cut, settings)
    if given is not None and word is not None and given.split(" ")[0].rstrip(",:") == word:
        given = phrase(given[len(word) :])
    return _once(given, word, "the person")


def voice(cut: Cut, settings: CaptionSettings) -> str | None:
    """How it sounds: "soft, calm"."""
    if not cut.text:
        return None
    whom = set(re.findall(r"[a-z]+", (subject(cut, settings) or "").casefold()))
    kind = "" if bool(whom & FEMALE) == bool(whom & MALE) else "female" if whom & FEMALE else "male"
    return ", ".join(voice_words(cut, settings.voices, kind)) or None


def place(cut: Cut, settings: CaptionSettings) -> str | None:
    return _told(settings.place, cut, settings)


def visual(cut: Cut, settings: CaptionSettings) -> str | None:
    """What is seen: in a person's words, else in a describer's."""
    return _told(settings.visual, cut, settings) or _told(cut.visual, cut, settings)


def speech(cut: Cut, settings: CaptionSettings) -> str | None:
    """The exact words in quotation marks."""
    return spoken(_text(cut, settings), cut.language)


def words(cut: Cut, settings: CaptionSettings) -> str | None:
    """The exact words without quotation marks, for dialects that have marks of their own."""
    return said(_text(cut, settings), cut.language)


def language(cut: Cut, _settings: CaptionSettings) -> str | None:
    """What is spoken, where that is known: "French"."""
    return language_name(cut.language) if cut.text else None


def foreign(cut: Cut, settings: CaptionSettings) -> str | None:
    """What is spoken, where that is known and not the caption's own language."""
    named = language(cut, settings)
    return None if named == language_name(OWN) else named


def singing(cut: Cut, _settings: CaptionSettings) -> str | None:
    """That the words are sung: singing was heard, and no speech."""
    return "singing" if cut.text and cut.scene.singing and cut.scene.speech is False else None


def act(cut: Cut, settings: CaptionSettings) -> str | None:
    """What the speaker does: "speaks" or "sings"."""
    return None if not cut.text else "sings" if singing(cut, settings) else "speaks"


def who(cut: Cut, settings: CaptionSettings) -> str | None:
    """The one noun of a person's own subject that says who it is: "woman"."""
    found = [word for word in re.findall(r"[a-z]+", (subject(cut, settings) or "").casefold()) if word in NOUNS]
    return found[0] if len(found) == 1 else None


def sounds(cut: Cut, settings: CaptionSettings) -> str | None:
    """What is heard: "clear female speech, quiet room tone, no music"."""
    return ", ".join(_hear(cut, settings).phrases) or None


def _hear(cut: Cut, settings: CaptionSettings) -> Heard:
    return hear(
        cut.scene,
        cut.span.duration,
        spoken=bool(cut.text),
        who=subject(cut, settings),
        placed=place(cut, settings) is not None,
    )


def audio(cut: Cut, settings: CaptionSettings) -> str | None:
    """The sounds as a part of a sentence: "clear female speech and quiet room tone, with no music"."""
    phrases = _hear(cut, settings).phrases
    there = _joined([one for one in phrases if not one.startswith("no ")])
    absent = _joined([one for one in phrases if one.startswith("no ")])
    return ", with ".join(part for part in (there, absent) if part) or None


def ambience(cut: Cut, settings: CaptionSettings) -> str | None:
    """What is heard besides the voice and music, as a sentence without its stop: "Quiet room tone"."""
    heard = _hear(cut, settings)
    told = _joined([one for one in (*heard.background, *heard.events) if "singing" not in one])
    return told[:1].upper() + told[1:] or None


def music(cut: Cut, settings: CaptionSettings) -> str | None:
    """The music that is heard: "Music in the background"."""
    told = _hear(cut, settings).music
    return None if told is None or told.startswith("no ") else told[:1].upper() + told[1:]


def no_music(cut: Cut, settings: CaptionSettings) -> str | None:
    """That music was listened for and there is none."""
    told = _hear(cut, settings).music
    return told if told is not None and told.startswith("no ") else None


ALWAYS = (trigger, subject, voice, place, speech, sounds, visual)
"""Fields that every caption keeps, whatever its template names."""

FIELDS: Mapping[str, Callable[[Cut, CaptionSettings], str | None]] = {
    made.__name__: made
    for made in (*ALWAYS, words, language, foreign, act, singing, who, audio, ambience, music, no_music)
}
"""Every field that a template may name without asking for it."""


def _text(cut: Cut, settings: CaptionSettings) -> str:
    """The words, with sounds between them where they are asked for; sounds alone are no speech."""
    if not settings.nonverbal or said(cut.text) is None:
        return cut.text
    return nonverbal.text_with_sounds(cut, settings.nonverbal)


def _told(given: str | None, cut: Cut, settings: CaptionSettings) -> str | None:
    """A person's words, in which the trigger is not said a second time: "Ema waits" is "the young woman waits"."""
    told = phrase(given)
    if told is None:
        return None
    whom = subject(cut, settings)
    return _once(told, trigger(cut, settings), "the person" if whom is None else re.sub(r"^an? ", "the ", whom))


def _once(told: str | None, word: str | None, instead: str) -> str | None:
    if told is None or word is None or word not in told:
        return told
    found = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
    swapped = found.sub(lambda place: instead[:1].upper() + instead[1:] if not place.start() else instead, told)
    return phrase(swapped)


def _joined(phrases: Sequence[str]) -> str:
    """A list as a sentence has it: "speech, rain and music"."""
    return " and ".join([", ".join(phrases[:-1]), phrases[-1]] if len(phrases) > 1 else phrases)
