"""The values that travel from a file to a dataset.

    file -> Recording -> Turn -> Word -> Line -> Cut -> Caption -> Dataset

All are frozen: a change makes a new value. Times are seconds on the recording's own clock, which is 0 where its first
picture is shown (audio only: at its first sample), rounded to 1 ms where they enter. Frame rates are `Fraction`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType

SPEECH_RATE = 16_000
"""Samples a second of everything that a model hears: mono, 16 kHz."""

CLIP_RATE = 48_000
"""Samples a second of the stereo sound in a written clip."""

STEP = 0.01
"""Seconds between two frames of an `Activity`."""


def seconds(value: float) -> float:
    """A time as it is kept inside: rounded to 1 ms, so that equal times compare equal."""
    return round(float(value), 3)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of time in seconds, `start <= end`. Made with `Span.at`, which rounds."""

    start: float
    end: float

    @classmethod
    def at(cls, start: float, end: float) -> Span:
        first, last = seconds(start), seconds(end)
        if last < first:
            raise ValueError(f"a span ends before it starts: {start} to {end}")
        return cls(first, last)

    @property
    def duration(self) -> float:
        return seconds(self.end - self.start)

    def overlap(self, other: Span) -> float:
        """Seconds that both cover; 0.0 where they only touch."""
        return max(0.0, seconds(min(self.end, other.end) - max(self.start, other.start)))

    def contains(self, other: Span) -> bool:
        return self.start <= other.start and other.end <= self.end


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


@dataclass(frozen=True, slots=True)
class Doubt:
    """A reason not to trust something without a look, said so that a person can judge it."""

    reason: str
    """A short stable code such as `low-probability`; see `captioner.speech.doubt.REASONS`."""
    detail: str
    """One sentence with the number in it."""
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    words: tuple[Word, ...]
    language: str | None
    """ISO 639-1 code."""
    language_probability: float | None = None
    doubts: tuple[Doubt, ...] = ()
    """Each with the span that it is about."""


@dataclass(frozen=True, slots=True)
class Diarization:
    turns: tuple[Turn, ...]
    """Regular output: overlapping speech gives overlapping turns."""
    embeddings: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Centroid of each speaker, unit length; empty where the backend has none."""


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

    @property
    def span(self) -> Span:
        return Span(self.words[0].span.start, self.words[-1].span.end)

    @property
    def text(self) -> str:
        return spoken_text(word.text for word in self.words)


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
    """Measured over the speech of a Cut. None where it could not be measured."""

    level: float | None = None
    """RMS of the speech, dBFS."""
    pitch: float | None = None
    """Median fundamental, Hz."""
    pitch_spread: float | None = None
    """10th to 90th percentile of the fundamental, semitones."""
    rate: float | None = None
    """Words a second of speech."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Measured over the non-speech of a Cut. None where there was too little of it to say."""

    noise: float | None = None
    """RMS of the non-speech, dBFS."""
    snr: float | None = None
    """Speech level minus noise level, dB."""
    speech: bool | None = None
    singing: bool | None = None
    music: bool | None = None
    """Whether a tagger that listens for it heard it; None where no tagger listened."""
    events: tuple[str, ...] = ()
    """Other sounds, as phrases, most certain first."""


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
    doubts: tuple[Doubt, ...] = ()
    """Doubts about the cut itself; those of its lines are kept by the lines."""

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


UNSPACED = (
    ("\u0e00", "\u109f"),
    ("\u1780", "\u17ff"),
    ("\u2e80", "\ua4cf"),
    ("\uf900", "\ufaff"),
    ("\uff00", "\uffef"),
)
"""First and last letters of scripts written without blanks between words: Thai, Lao, Tibetan and Burmese; Khmer;
Chinese and Japanese with their punctuation."""


def _unspaced(mark: str) -> bool:
    return any(first <= mark <= last for first, last in UNSPACED)


def spoken_text(words: Iterable[str]) -> str:
    """Words as they are written down: a blank between them, none where both sides are of a script without blanks."""
    text = ""
    for word in filter(None, words):
        gap = "" if not text or (_unspaced(text[-1]) and _unspaced(word[0])) else " "
        text += gap + word
    return text


def cut_samples(start: int, frames: int, rate: Fraction, sample_rate: int = CLIP_RATE) -> tuple[int, int]:
    """First sample and number of samples of a Cut's sound: exactly round(frames x sample_rate / rate) of them."""
    return round(Fraction(start) * sample_rate / rate), round(Fraction(frames) * sample_rate / rate)
