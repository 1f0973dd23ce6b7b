"""Words for a voice: what is a speaker's nature, the same in every caption, and what is the manner of one Cut.

Nature is judged from the medians over all Cuts of a speaker, manner by how far a Cut lies from its own speaker. Of
somebody with few Cuts only what stands out among all voices is said. Levels are compared within one recording: another
has another gain. Gender and age are never heard: a person says them (`subject`), and only then is a pitch judged among
women or among men.

All thresholds are in the table below; ordinary voices lie between them and have no word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log2
from statistics import median

from captioner.measures import Voice
from captioner.types import Cut

# ---- nature: medians over a speaker's Cuts --------------------------------------------------------------------------
LOW, HIGH = 100.0, 280.0
"""Hz, fundamental, of anybody: most men speak at 100 to 150, most women at 165 to 255."""
LOW_MAN, HIGH_MAN = 100.0, 180.0
LOW_WOMAN, HIGH_WOMAN = 145.0, 260.0
"""The same where a person said whose voice it is."""
WARM, BRIGHT = -25.0, -9.0
"""dB above 2 kHz against below: dark to bright microphones and voices measure -31 to -8."""
WARM_TONE = 10.0
"""dB of harmonics over the rest that a warm voice has at least: a muffled or noisy one has less."""
APART = 3.0
"""dB that such a voice lies from the middle of the dataset's, where there are `SEVERAL`."""
BREATHY, CREAK = 3.0, 140.0
"""dB of harmonics over the rest below which a voice is breathy, from that many Hz: below, it may creak."""
CALM, UNHURRIED, GENTLE = 7.0, 3.8, -18.0
"""Semitones from the 10th to the 90th percentile of the fundamental, words a second, dBFS: a voice that stays below
all three is calm. A speaker at a rally is on few notes, too."""

# ---- manner: one Cut ------------------------------------------------------------------------------------------------
WHISPER, WHISPER_SNR = 0.12, 10.0
"""Share of the speech that has a pitch, at most, and dB over the noise: noise hides a pitch."""
SHOUT_LEVEL, SHOUT_PITCH, SHOUT_BRIGHT = 8.0, 4.0, 3.0
"""dB, semitones and dB over the speaker's own medians: all three."""
LOUDER, LOUDER_BRIGHT = 6.0, 1.5
"""dB over the speaker's own in that recording, and of brightness: a raised voice is brighter, a near one is not."""
SOFTER, SOFTER_BRIGHT = -7.0, -1.0
SLOWER, FASTER = 0.65, 1.5
"""Times the speaker's own words a second..."""
SLOW_ENOUGH, FAST_ENOUGH = 2.2, 3.8
"""... and words a second, at most and at least."""
LIVELIER, LIVELY_ENOUGH = 6.0, 14.0
"""Semitones over the speaker's own spread, and semitones at least."""

# ---- manner of a voice that is known from few Cuts: what stands out among all ---------------------------------------
SOFT, LOUD = -40.0, -10.0
"""dBFS of the speech. Recordings of ordinary voices lie between: -38 across a room, -12 close and levelled."""
SLOW, FAST = 1.8, 4.5
"""Words a second of speech, pauses left out..."""
SLOW_SYLLABLES, FAST_SYLLABLES = 3.0, 5.5
"""... and the syllables a second that must agree: some words have five, and some scripts write each alone."""
LIVELY = 16.0
"""Semitones of spread..."""
LEAP = 20.0
"""... up to which they are believed: more in one Cut is creak, or a slip of the tracker."""

DISTANT = 1.0
"""dB of C50 below which a voice is far away in its room."""
NOISY = 12.0
"""dB over the noise below which neither brightness nor breath is judged."""

FEW = 4
"""Cuts from which a speaker has medians."""
SEVERAL = 3
"""Speakers from which a dataset has a middle."""

CONTRARY = {"calm": {"shouting", "louder-than-usual", "loud", "fast", "lively"}, "warm": {"whispering", "shouting"}}
"""What a voice is by nature and is not while it does one of these; a whisper has no pitch either."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Medians over Cuts; None where none of them could be measured."""

    cuts: int = 0
    level: float | None = None
    loudest: float | None = None
    """Median level of the recording in which they are loudest: gain hides effort, and another may not."""
    pitch: float | None = None
    pitch_spread: float | None = None
    rate: float | None = None
    brightness: float | None = None
    harmonicity: float | None = None
    snr: float | None = None


@dataclass(frozen=True, slots=True)
class Voices:
    """The voices of a dataset."""

    speakers: Mapping[str, Profile] = field(default_factory=dict)
    takes: Mapping[tuple[str, str], Profile] = field(default_factory=dict)
    """By speaker and recording's slug: for what depends on how it was recorded."""
    brightness: float | None = None
    """Median over the speakers, dB; None where they are fewer than `SEVERAL`."""


def profile(cuts: Sequence[Cut]) -> Profile:
    """The medians of Cuts with words."""
    spoken = [cut for cut in cuts if cut.text and cut.voice.level is not None]

    def of(value: Callable[[Cut], float | None]) -> float | None:
        known = [found for cut in spoken if (found := value(cut)) is not None]
        return round(median(known), 2) if known else None

    return Profile(
        cuts=len(spoken),
        level=of(lambda cut: cut.voice.level),
        pitch=of(lambda cut: cut.voice.pitch),
        pitch_spread=of(lambda cut: cut.voice.pitch_spread),
        rate=of(lambda cut: cut.voice.rate),
        brightness=of(lambda cut: cut.voice.brightness),
        harmonicity=of(lambda cut: cut.voice.harmonicity),
        snr=of(lambda cut: cut.scene.snr),
    )


def voices(cuts: Sequence[Cut]) -> Voices:
    """What is known of every speaker, from all Cuts of a dataset."""
    speakers: dict[str, list[Cut]] = {}
    takes: dict[tuple[str, str], list[Cut]] = {}
    for cut in cuts:
        if cut.speaker is not None:
            speakers.setdefault(cut.speaker, []).append(cut)
            takes.setdefault((cut.speaker, cut.slug), []).append(cut)
    recorded = {name: profile(own) for name, own in sorted(takes.items())}
    loudest: dict[str, float] = {}
    for (name, _), one in recorded.items():
        if one.level is not None:
            loudest[name] = max(one.level, loudest.get(name, one.level))
    found = {name: replace(profile(own), loudest=loudest.get(name)) for name, own in sorted(speakers.items())}
    bright = [one.brightness for one in found.values() if one.brightness is not None]
    return Voices(
        found,
        recorded,
        round(median(bright), 2) if len(bright) >= SEVERAL else None,
    )


def voice_words(cut: Cut, known: Voices, kind: str = "") -> tuple[str, ...]:
    """How the voice of a Cut sounds, its nature first. `kind` is "female", "male" or "", as a person said."""
    own = known.speakers.get(cut.speaker or "", Profile())
    manner = _manner(cut, own, known.takes.get((cut.speaker or "", cut.slug), Profile()))
    nature = _nature(own if own.cuts >= FEW else profile([cut]), known, kind, settled=own.cuts >= FEW)
    if "whispering" in manner:
        nature = [word for word in nature if word not in ("low", "high", "breathy")]
    kept = [word for word in nature if not CONTRARY.get(word, set()) & set(manner)]
    # What a Cut alone has of "soft" stands before "calm", which is how a person would say it.
    calm = [word for word in kept if word == "calm"]
    return tuple(dict.fromkeys([*(word for word in kept if word != "calm"), *manner, *calm]))


def _nature(own: Profile, known: Voices, kind: str, *, settled: bool) -> list[str]:
    low, high = {"male": (LOW_MAN, HIGH_MAN), "female": (LOW_WOMAN, HIGH_WOMAN)}.get(kind, (LOW, HIGH))
    words = [_outside(own.pitch, low, high, "low", "high")]
    if settled and own.snr is not None and own.snr >= NOISY:
        words.append(_colour(own, known.brightness))
        tone, pitch = own.harmonicity, own.pitch
        if tone is not None and pitch is not None and tone < BREATHY and pitch >= CREAK:
            words.append("breathy")
    if _calm(own):
        words.append("calm")
    return [word for word in words if word is not None]


def _colour(own: Profile, middle: float | None) -> str | None:
    bright, tone = own.brightness, own.harmonicity
    if bright is None or tone is None:
        return None
    if bright <= WARM and tone >= WARM_TONE and (middle is None or bright <= middle - APART):
        return "warm"
    return "bright" if bright >= BRIGHT and (middle is None or bright >= middle + APART) else None


def _calm(own: Profile) -> bool:
    spread, rate, level = own.pitch_spread, own.rate, own.level if own.loudest is None else own.loudest
    if spread is None or rate is None or level is None:
        return False
    return spread < CALM and rate <= UNHURRIED and level <= GENTLE


def _manner(cut: Cut, own: Profile, take: Profile) -> list[str]:
    words = [_effort(cut, own, take), _pace(cut.voice, own), _melody(cut.voice, own)]
    if cut.scene.clarity is not None and cut.scene.clarity <= DISTANT:
        words.append("distant")
    return [word for word in words if word is not None]


def _effort(cut: Cut, own: Profile, take: Profile) -> str | None:
    """Whispered, shouted, louder or softer than usual."""
    voice, snr = cut.voice, cut.scene.snr
    if voice.voiced is not None and voice.voiced <= WHISPER and snr is not None and snr >= WHISPER_SNR:
        return "whispering" if voice.rate is not None else None
    if take.cuts < FEW:
        return _outside(voice.level, SOFT, LOUD, "soft", "loud")
    louder, brighter = _over(voice.level, take.level), _over(voice.brightness, take.brightness)
    if louder is None or brighter is None:
        return None
    higher = _semitones(voice.pitch, own.pitch)
    if louder >= SHOUT_LEVEL and brighter >= SHOUT_BRIGHT and higher is not None and higher >= SHOUT_PITCH:
        return "shouting"
    if louder >= LOUDER and brighter >= LOUDER_BRIGHT:
        return "louder-than-usual"
    return "softer-than-usual" if louder <= SOFTER and brighter <= SOFTER_BRIGHT else None


def _pace(voice: Voice, own: Profile) -> str | None:
    rate = voice.rate
    if rate is None:
        return None
    if own.cuts >= FEW and own.rate:
        fast, slow = max(FASTER * own.rate, FAST_ENOUGH), min(SLOWER * own.rate, SLOW_ENOUGH)
    else:
        fast, slow = FAST, SLOW
    # Few long words are not slow, and many short ones not fast: the syllables must agree.
    if rate > fast and (voice.syllables is None or voice.syllables >= FAST_SYLLABLES):
        return "fast"
    return "slow" if rate < slow and (voice.syllables is None or voice.syllables <= SLOW_SYLLABLES) else None


def _melody(voice: Voice, own: Profile) -> str | None:
    spread = voice.pitch_spread
    if spread is None or spread > LEAP:
        return None
    if own.cuts >= FEW and own.pitch_spread is not None:
        return "lively" if spread >= max(own.pitch_spread + LIVELIER, LIVELY_ENOUGH) else None
    return "lively" if spread > LIVELY else None


def _over(value: float | None, usual: float | None) -> float | None:
    return None if value is None or usual is None else value - usual


def _semitones(value: float | None, usual: float | None) -> float | None:
    return None if not value or not usual else 12 * log2(value / usual)


def _outside(value: float | None, least: float, most: float, below: str, above: str) -> str | None:
    """The word for a value that stands out; ordinary values have none."""
    if value is None or least <= value <= most:
        return None
    return below if value < least else above
