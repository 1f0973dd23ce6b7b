"""What can be known of a media file without decoding it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from captioner.trainers._window import ClipFacts

VIDEO = frozenset({"mp4", "avi", "mov", "webm", "mkv", "wmv", "m4v", "flv", "mpg", "mpeg", "ts", "m2ts", "3gp", "ogv"})
AUDIO = frozenset({"wav", "flac", "mp3", "ogg", "m4a", "aac", "opus", "wma"})
IMAGES = frozenset({"jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "avif"})
"""Extensions, lower case."""


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """One audio stream."""

    codec: str
    rate: int
    """Samples a second."""
    channels: int
    start: float
    """Seconds on the file's own clock: what its `start_time` says."""
    samples: int
    """Of each channel; 0 where the file does not say."""
    default: bool = False
    """Whether the file marks it as the one to play."""
    title: str = ""
    """What the file calls it: "Commentary"."""

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.samples / self.rate if self.rate else 0.0


@dataclass(frozen=True, slots=True)
class Media:
    """What a loader can find out about one media file."""

    frames: int = 0
    """Pictures whose data is there; 0 for sound alone."""
    container_frames: int | None = None
    """Pictures that the container promises; None where it does not say."""
    rate: Fraction | None = None
    """Pictures a second: exact where constant, the average where it varies; None for sound alone."""
    variable: bool = False
    width: int = 0
    """Pixels as coded, before rotation."""
    height: int = 0
    rotation: int = 0
    """Degrees clockwise that a player turns the picture by: 0, 90, 180 or 270."""
    video_start: float = 0.0
    """Seconds on the file's own clock at which the first picture is shown."""
    video_codec: str = ""
    audio: tuple[AudioFacts, ...] = ()
    error: str | None = None
    """Why it cannot be opened, without its name; nothing else is known then."""
    peak: float | None = None
    """Largest sample of the first stream, dBFS; None where nobody listened."""
    level: float | None = None
    """RMS of the first stream, dBFS (-inf for digital silence); None where nobody listened."""

    @property
    def sound(self) -> AudioFacts | None:
        """The stream that loaders take: the first that is marked default, else the first."""
        return next((one for one in self.audio if one.default), self.audio[0] if self.audio else None)

    @property
    def facts(self) -> ClipFacts:
        """As `captioner.trainers` take them."""
        sound = self.sound
        return ClipFacts(
            frames=self.frames, rate=self.rate if self.frames else None, width=self.width, height=self.height,
            sample_rate=sound.rate if sound else 0, samples=sound.samples if sound else 0,
            offset=sound.start - self.video_start if sound and self.frames else 0.0,
            variable=self.variable, channels=sound.channels if sound else 2,
        )  # fmt: skip
