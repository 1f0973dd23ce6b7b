"""What is heard and seen of a clip in the review: plain values, so that the screen needs no NumPy and no decoder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from captioner.measures import Quality, Scene, Voice, Voiceprint
from captioner.store import key_of
from captioner.types import CLIP_RATE, Cut, Picture, Recording

FRAME = 4
"""Bytes of one sample of both channels."""


@dataclass(frozen=True)
class Piece:
    """A cut of a recording as it would be written, stored or only tried."""

    recording: Recording
    picture: Picture | None
    """What decoding its pictures found out; None for sound alone, or where nobody decoded them."""
    cut: Cut

    @cached_property
    def key(self) -> str:
        """Two pieces with one key sound and look the same."""
        cut = self.cut
        return key_of("piece", self.recording.content, self.recording.audio, cut.start, cut.frames, cut.rate)

    @property
    def duration(self) -> float:
        """Seconds."""
        return float(self.cut.frames / self.cut.rate)

    def bare(self) -> Piece:
        """The same without what was said and measured, which its sound and picture do not depend on."""
        cut = replace(
            self.cut, lines=(), doubts=(), visual=None, voice=Voice(), scene=Scene(), quality=Quality(),
            voiceprint=Voiceprint(),
        )  # fmt: skip
        return Piece(self.recording, self.picture, cut)


@dataclass(frozen=True, slots=True)
class Card:
    """A clip in words, for a listener who reads them beside the sound."""

    id: str = ""
    title: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    """Label and text."""
    notes: tuple[str, ...] = ()
    """What speaks against it, a sentence each."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """uint8 (height, width, 3), RGB."""

    width: int
    height: int
    data: bytes

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, 3

    def tobytes(self) -> bytes:
        return self.data


@dataclass(frozen=True, slots=True)
class Look:
    """What is drawn of a clip."""

    duration: float
    """Seconds."""
    peaks: bytes
    """int8 pairs, `drawing.COLUMNS` of them: least and greatest sample of each step of the clip, full scale 127."""
    bands: bytes
    """uint8, `drawing.BANDS` rows (lowest frequency first) of `drawing.STEPS` columns: 0 silence to 15 loud."""
    pictures: tuple[Pixels, ...] = ()
    """At 10, 50 and 90 % of the clip; none for sound alone."""
    trouble: str = ""
    """Why there is no picture although there should be one."""


@dataclass(frozen=True, slots=True)
class ClipSound:
    """The samples of a cut as they will be written, and some of the recording around it."""

    pcm: bytes
    """int16, little endian, stereo, 48 kHz: `before` samples, then the cut's, then `after`."""
    before: int
    count: int
    after: int

    @property
    def duration(self) -> float:
        """Seconds of the cut."""
        return self.count / CLIP_RATE

    @property
    def first(self) -> float:
        """Seconds from the cut's first sample to the first that can be heard, 0 or less."""
        return -self.before / CLIP_RATE

    @property
    def last(self) -> float:
        return (self.count + self.after) / CLIP_RATE

    def place(self, moment: float) -> int:
        """The sample of `pcm` at so many seconds from the cut's first, held inside."""
        return max(0, min(self.before + round(moment * CLIP_RATE), self.before + self.count + self.after))

    def part(self, start: float, end: float) -> bytes:
        """The samples of a stretch, seconds from the cut's first."""
        return self.pcm[self.place(start) * FRAME : self.place(end) * FRAME]


@dataclass(frozen=True, slots=True)
class Film:
    """The file that the browser shows."""

    path: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A clip for an exported page."""

    sound: bytes
    """M4A."""
    peaks: bytes
    pictures: bytes = b""
    """JPEG of the three pictures; empty for sound alone."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is nothing to hear or see: one sentence."""

    said: str
