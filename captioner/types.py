"""The values that travel from a file to a dataset.

    file -> Recording -> Turn -> Word -> Line -> Cut -> Caption -> Dataset

All are frozen: a change makes a new value. Times are seconds on the recording's own clock, which is 0 where its first
picture is shown (audio only: at its first sample), rounded to 1 ms where they enter. Frame rates are `Fraction`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from types import MappingProxyType

from captioner.measures import Evidence, Quality, Scene, Voice, Voiceprint
from captioner.scripts import spoken_text
from captioner.times import Span, seconds

SPEECH_RATE = 16_000
"""Samples a second of everything that a model hears: mono, 16 kHz."""

CLIP_RATE = 48_000
"""Samples a second of the stereo sound in a written clip."""

STEP = 0.01
"""Seconds between two frames of an `Activity`."""


@dataclass(frozen=True, slots=True)
class AudioStream:
    index: int
    """The stream's index in its file."""
    codec: str
    rate: int
    """Samples a second."""
    channels: int
    offset: float
    """Seconds from the recording's clock 0 to the stream's first sample; negative where sound starts before picture."""
    duration: float | None
    """Seconds, as the container declares it; None where it does not."""


@dataclass(frozen=True, slots=True)
class VideoStream:
    index: int
    codec: str
    width: int
    """Pixels across as coded, before rotation and pixel aspect."""
    height: int
    rate: Fraction
    """Frames a second: the exact rate of a constant stream, the average of a variable one."""
    variable: bool
    frames: int | None
    """Number of frames, counted from packets; None where the container cannot say without decoding."""
    duration: float | None
    rotation: int
    """Degrees clockwise that a player turns the picture by: 0, 90, 180 or 270."""
    pixel_aspect: Fraction
    interlaced: bool
    transfer: str
    """"sdr", "pq" or "hlg"."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One source file."""

    path: str
    """Absolute, as the file system spells it."""
    name: str
    """As the user would call it: relative to the input it was found under."""
    slug: str
    """ASCII stem of every clip cut from it; unique in the dataset; never begins with `latent_`."""
    content: str
    """SHA-256 of the file's bytes, hex."""
    audio: AudioStream
    video: VideoStream | None

    @property
    def has_picture(self) -> bool:
        return self.video is not None


@dataclass(frozen=True, slots=True)
class Sound:
    """What decoding the whole audio stream found out."""

    duration: float
    """Seconds of the 16 kHz mono waveform, from the recording's clock 0."""
    peak: float
    """Largest absolute sample, 0 to 1 (may exceed 1 in float sources)."""
    level: float
    """RMS over the whole, dBFS; -inf for digital silence."""
    bandwidth: float | None = None
    """Hz up to which it reaches, of all that its own rate can hold; None where there is too little to say."""
    holes: tuple[Span, ...] = ()
    """Where packets are missing or damaged, so that nothing was decoded: silence keeps their place."""

    @property
    def lost(self) -> float:
        """Seconds of the recording whose sound could not be decoded."""
        return seconds(sum(hole.duration for hole in self.holes))


@dataclass(frozen=True, slots=True)
class Picture:
    """What decoding the whole video stream found out."""

    frames: int
    """Decoded frames."""
    end: float
    """Seconds: when the last frame stops being shown."""
    shots: tuple[float, ...]
    """Seconds of each shot change: the time at which the first frame of the new shot is shown; of a dissolve or fade,
    when it is first and last seen."""
    times: bytes = field(default=b"", repr=False)
    """int32 milliseconds, little endian, one per decoded frame: when each frame is shown."""


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """Who speaks from when to when: one line of an RTTM file. Turns may overlap."""

    span: Span
    speaker: str


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    """As written, punctuation attached, no surrounding blanks."""
    span: Span
    probability: float | None = None
    speaker: str | None = None
    """None until somebody is known to have spoken while it was said."""
    agreement: float | None = None
    """Share of the transcriber's best guesses, by their probability, that have it in this place, 0 to 1."""
    confirmed: bool | None = None
    """Whether a second hearing with other settings has it too; None where there was none."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A reason not to trust something without a look, said so that a person can judge it."""

    reason: str
    """A short stable code such as `low-probability`; see `captioner.speech.doubt.REASONS`."""
    detail: str
    """One sentence with the number in it."""
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What a transcriber says of a stretch that it heard in one go."""

    span: Span
    log_probability: float | None = None
    """Mean over its tokens."""
    no_speech: float | None = None
    """Probability that nobody speaks in it."""


@dataclass(frozen=True, slots=True)
class Transcript:
    words: tuple[Word, ...]
    language: str | None
    """ISO 639-1 code."""
    language_probability: float | None = None
    doubts: tuple[Doubt, ...] = ()
    """Each with the span that it is about."""
    heard: tuple[Heard, ...] = ()
    """Each stretch that was heard in one go, in order; empty where the backend does not say."""


@dataclass(frozen=True, slots=True)
class Diarization:
    turns: tuple[Turn, ...]
    """Regular output: overlapping speech gives overlapping turns."""
    embeddings: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Centroid of each speaker, unit length; empty where the backend has none."""
    exclusive: tuple[Turn, ...] = ()
    """The same with one speaker at a time, whoever is heard best: for giving words to speakers. Empty where the backend
    has no such output."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What the ear can say every 10 ms. One byte a frame; frame i covers [i, i + 1) x `STEP` seconds."""

    speech: bytes = field(repr=False)
    """uint8: Silero's speech probability x 255."""
    voiced: bytes = field(repr=False)
    """uint8 0 or 1: webrtcvad's decision."""
    level: bytes = field(repr=False)
    """int8: RMS in dBFS, -120 to 0."""
    second: tuple[Span, ...] = ()
    """Where a second, coarser ear surely hears speech, within half a second: what Silero may have missed."""

    def __len__(self) -> int:
        return len(self.speech)


@dataclass(frozen=True, slots=True)
class Line:
    """The consecutive words of one speaker, with the reasons to doubt them."""

    words: tuple[Word, ...]
    speaker: str | None
    doubts: tuple[Doubt, ...] = ()
    evidence: Evidence | None = None
    trust: float | None = None
    """Probability that its words are what is said and that nobody else is heard; None where nothing is known of it."""

    @property
    def span(self) -> Span:
        return Span(self.words[0].span.start, self.words[-1].span.end)

    @property
    def text(self) -> str:
        return spoken_text(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Cut:
    """`frames` frames from frame `start` of a Recording's grid at `rate`, holding whole Lines of one speaker."""

    slug: str
    """The Recording's slug."""
    start: int
    """First frame: shown at start / rate seconds."""
    frames: int
    rate: Fraction
    lines: tuple[Line, ...]
    voice: Voice = Voice()
    scene: Scene = Scene()
    quality: Quality = Quality()
    voiceprint: Voiceprint = Voiceprint()
    doubts: tuple[Doubt, ...] = ()
    """Doubts about the cut itself; those of its lines are kept by the lines."""
    visual: str | None = None
    """What a describer saw in its picture, in sentences; a person's own words go before it."""
    language: str | None = None
    """ISO 639-1 of what is said; None where nobody can be sure."""

    @property
    def id(self) -> str:
        """The stem of its files. Derived, never counted: a clip that is re-cut must get another name."""
        return f"{self.slug}_f{self.start}n{self.frames}"

    @property
    def span(self) -> Span:
        return Span.at(float(self.start / self.rate), float((self.start + self.frames) / self.rate))

    @property
    def speaker(self) -> str | None:
        return self.lines[0].speaker if self.lines else None

    @property
    def text(self) -> str:
        return spoken_text(word.text for line in self.lines for word in line.words)

    @property
    def trust(self) -> float | None:
        """Probability that all its lines' words are what is said; None where that is not known of one."""
        known = [line.trust for line in self.lines if line.trust is not None]
        return round(prod(known), 3) if known and len(known) == len(self.lines) else None

    @property
    def all_doubts(self) -> tuple[Doubt, ...]:
        return self.doubts + tuple(doubt for line in self.lines for doubt in line.doubts)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Speech that no cut holds, and why."""

    span: Span
    speaker: str | None
    reason: str
    """A short stable code such as `no-gap`; see `captioner.cuts.plan.REASONS`."""
    text: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Caption:
    """The text of a Cut in one dialect, with its fields kept apart."""

    text: str
    """One line."""
    fields: Mapping[str, str | None]
    dialect: str
    doubts: tuple[Doubt, ...] = ()
    """Doubts about the text itself; those of what it says are the Cut's."""


def cut_samples(start: int, frames: int, rate: Fraction, sample_rate: int = CLIP_RATE) -> tuple[int, int]:
    """First sample and number of samples of a Cut's sound: exactly round(frames x sample_rate / rate) of them."""
    return round(Fraction(start) * sample_rate / rate), round(Fraction(frames) * sample_rate / rate)
