"""What is measured and heard of a Cut's sound. None where it could not be measured: never a guess."""

from __future__ import annotations

from dataclasses import dataclass, field

from captioner.times import Span


@dataclass(frozen=True, slots=True)
class Tag:
    """A sound event that a tagger heard."""

    label: str
    """`speech`, `singing`, `music`, or an AudioSet class name."""
    span: Span
    score: float
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class Voice:
    """Measured over the speech of a Cut."""

    level: float | None = None
    """RMS of the speech, dBFS."""
    pitch: float | None = None
    """Median fundamental, Hz."""
    pitch_spread: float | None = None
    """10th to 90th percentile of the fundamental, semitones."""
    rate: float | None = None
    """Words a second of speech."""
    level_spread: float | None = None
    """10th to 90th percentile of the level of the voiced speech, dB."""
    syllables: float | None = None
    """Syllables a second of speech, counted in the sound."""
    brightness: float | None = None
    """Level above 2 kHz against that below, dB."""
    harmonicity: float | None = None
    """Harmonics to noise of the voiced speech, dB: breathy and hoarse voices have little."""
    voiced: float | None = None
    """Share of the speech that has a pitch, 0 to 1: a whisper has none."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Measured over the whole sound of a Cut, and of its background over the non-speech."""

    noise: float | None = None
    """RMS of the non-speech, dBFS; where there is none, of what stays in the quietest moments of each band."""
    snr: float | None = None
    """Speech level minus noise level, dB."""
    speech: bool | None = None
    singing: bool | None = None
    music: bool | None = None
    """Whether a tagger that listens for it heard it; None where no tagger listened, or it cannot be said."""
    events: tuple[Tag, ...] = ()
    """Everything else that a tagger heard in the Cut, in order of start; seconds from the Cut's start."""
    hum: float | None = None
    """Level of the mains' harmonics in the non-speech, dBFS; -120 where none stands out."""
    hiss: float | None = None
    """Level above 4 kHz in the non-speech, dBFS."""
    clicks: float | None = None
    """Clicks a second."""
    reverberation: float | None = None
    """Time in which the room's echo falls by 60 dB, seconds, from how the speech decays; None for a dry voice too."""
    clarity: float | None = None
    """C50, dB: the first 50 ms of the sound against what the room adds later: much where the voice is close."""
    swing: float | None = None
    """How far the mean level of the non-speech stands over its quiet moments, dB: a noise stays, a murmur or a bark
    does not; None where nobody stops to speak."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the sound of a Cut is to train on."""

    speech: float | None = None
    """DNSMOS P.835 SIG: how natural the voice is, 1 to 5."""
    background: float | None = None
    """DNSMOS P.835 BAK: how little background disturbs, 1 to 5."""
    overall: float | None = None
    """DNSMOS P.835 OVRL, 1 to 5."""
    clipped: float | None = None
    """About which share of the samples was flattened at the top, 0 to 1, wherever that top lies now."""
    bandwidth: float | None = None
    """Hz up to which the sound reaches, measured at the source's own rate."""


@dataclass(frozen=True, slots=True)
class Voiceprint:
    """Whose voice it is, by a speaker embedding of a Cut's speech."""

    vector: bytes = field(default=b"", repr=False)
    """int8 (192,): the unit-length embedding x 127, rounded; empty where there was too little speech."""
    halves: float | None = None
    """Cosine between the embeddings of the first and the second half of the speech: low where two people speak."""
    first: bytes = field(default=b"", repr=False)
    second: bytes = field(default=b"", repr=False)
    """The same of the first and of the second half of the speech; empty where a half was too short."""
    own: float | None = None
    """Cosine between the half that is less like it and the rest of its speaker's speech in the whole dataset."""
    other: float | None = None
    """Cosine between that half and the other speaker of the same recording that it is most like."""


@dataclass(frozen=True, slots=True)
class Measures:
    """All that is measured of one Cut."""

    voice: Voice = Voice()
    scene: Scene = Scene()
    quality: Quality = Quality()
    voiceprint: Voiceprint = Voiceprint()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for or against a Line's words, besides the words' own probabilities."""

    speech: float | None = None
    """Share of the words' time in which somebody speaks, 0 to 1."""
    unheard: float | None = None
    """Seconds of speech without a word in the line or beside it."""
    overlap: float | None = None
    """Seconds of somebody else's turn during it."""
    log_probability: float | None = None
    """Mean over the tokens of the stretches that it was heard in; the lowest of several."""
    no_speech: float | None = None
    """The transcriber's probability that nobody speaks in them; the highest of several."""
    language: float | None = None
    """Probability of the recording's language."""
    invented: bool = False
    """Whether it is a phrase that transcribers invent."""
