"""What a loader does to a clip: the frames and samples that it will really use, and a sentence for each loss.

Times are seconds in the clip, 0 where its first picture is shown (sound alone: at its first sample).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import log2

from captioner.times import Span

SAME_TEMPO = 0.01
"""Share by which sound may be faster or slower before it is said: less is one sample in a hundred, and inaudible."""

EDGE = 0.02
"""Seconds by which a word may reach over an edge and still be in, or out: as much as word times are off."""

LATENT_STEP = 0.04
"""Seconds of one step of LTX's audio latents: less is below what the model can tell."""


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What a loader can know of a clip file."""

    frames: int
    """Decoded pictures; 0 for sound alone."""
    rate: Fraction | None
    """Pictures a second: exact where constant, the average where it varies; None for sound alone."""
    width: int = 0
    height: int = 0
    sample_rate: int = 0
    """Samples a second; 0 where there is no sound."""
    samples: int = 0
    """Of each channel; 0 where there is no sound."""
    offset: float = 0.0
    """Seconds from the first picture to the first sample."""
    variable: bool = False
    channels: int = 2

    @property
    def duration(self) -> Fraction:
        """Seconds of picture; of sound where there is no picture."""
        return Fraction(self.frames) / self.rate if self.rate else self.sound

    @property
    def sound(self) -> Fraction:
        """Seconds of sound."""
        return Fraction(self.samples, self.sample_rate) if self.sample_rate else Fraction(0)

    @property
    def heard(self) -> bool:
        return self.samples > 0 and self.sample_rate > 0


@dataclass(frozen=True, slots=True)
class Window:
    """What a trainer makes of one clip."""

    listed: bool
    """Whether it is trained on at all."""
    losses: tuple[str, ...] = ()
    """What is lost, moved or made up, a sentence each; of a clip that is not listed, why."""
    first: int = 0
    frames: int = 0
    """Pictures of the clip that are used, from `first`."""
    shown: int = 0
    """Pictures that the model sees: fewer or more than `frames` where some are drawn from or repeated."""
    rate: Fraction | None = None
    """Pictures a second as the model sees them."""
    sample: int = 0
    samples: int = 0
    """Samples of the clip that are used, from `sample`; 0 where its sound is not."""
    start: float = 0.0
    end: float = 0.0
    """Seconds in the clip: where the sound that is used begins and ends; both 0 without sound."""
    tempo: float = 1.0
    """How many times faster the sound plays."""
    semitones: float = 0.0
    """How much higher the voice sounds."""
    offset: float = 0.0
    """Seconds by which the sound is moved against the picture: positive where it comes too late."""
    silence: float = 0.0
    """Seconds of silence put at its end."""
    repeated: int = 0
    """Pictures put at its end by showing the last one again."""
    certain: bool = True
    """False where another stretch of the clip is drawn each time: no caption can hold its words."""

    def holds(self, start: float, end: float) -> bool:
        """Whether all of a word is heard: seconds in the clip."""
        inside = start >= round(self.start - EDGE, 3) and end <= round(self.end + EDGE, 3)
        return self.samples > 0 and inside

    @property
    def span(self) -> Span:
        """The sound that is used."""
        return Span.at(self.start, self.end)


def unlisted(why: str) -> Window:
    """The window of a clip that is not trained on."""
    return Window(False, (why,))


def semitones(tempo: float) -> float:
    """How much higher sound is that plays `tempo` times faster."""
    return 12 * log2(tempo)


@dataclass(frozen=True, slots=True)
class Take:
    """What a loader takes of a clip before it is told what that costs."""

    first: int
    frames: int
    shown: int
    rate: Fraction | None
    sound: bool
    """Whether it takes the sound."""
    begin: Fraction = Fraction(0)
    """Seconds into the sound stream at which the sound is taken."""
    length: Fraction | None = None
    """Seconds of the sound stream that are asked for; None for what the pictures shown last."""
    tempo: Fraction = Fraction(1)
    keeps_pitch: bool = False
    keeps_offset: bool = False
    """Whether the stream's start time is honoured."""
    pads: bool = True
    """Whether missing sound becomes silence."""
    certain: bool = True


def opened(clip: ClipFacts, take: Take, *more: str) -> Window:
    """The window of a take, with a sentence for each loss; `more`: sentences on what only this loader does."""
    shown = Fraction(take.shown) / take.rate if take.rate else clip.sound
    wanted = take.length if take.length is not None else shown
    sample, samples, silence = 0, 0, 0.0
    if take.sound and clip.heard:
        sample = min(clip.samples, round(take.begin * clip.sample_rate))
        asked = round(wanted * clip.sample_rate)
        samples = min(asked, clip.samples - sample)
        missing = Fraction(asked - samples, clip.sample_rate)
        silence = float(missing) if take.pads and take.tempo == 1 else 0.0
    at = clip.offset + sample / clip.sample_rate if samples else 0.0
    tempo = float(take.tempo) if samples else 1.0
    moved = round(-clip.offset, 3) if samples and not take.keeps_offset and abs(clip.offset) > 0.0005 else 0.0
    made = Window(
        listed=True,
        first=take.first,
        frames=take.frames,
        shown=take.shown,
        rate=take.rate,
        sample=sample,
        samples=samples,
        start=round(at, 3),
        end=round(at + samples / clip.sample_rate, 3) if samples else 0.0,
        tempo=tempo,
        semitones=0.0 if take.keeps_pitch else round(semitones(tempo), 6),
        offset=moved,
        silence=silence,
        repeated=max(0, take.shown - take.frames) if take.tempo == 1 else 0,
        certain=take.certain,
    )
    told = (*_picture(clip, made), *_sound(clip, made, take), *more)
    return Window(**{name: getattr(made, name) for name in Window.__slots__} | {"losses": told})


def _picture(clip: ClipFacts, made: Window) -> list[str]:
    told = []
    last = clip.frames - made.first - made.frames
    if clip.rate and last > 0:
        told.append(f"its last {many(last, 'frame')} ({float(last / clip.rate):.2f} s) are not used")
    if made.first:
        told.append(f"its first {many(made.first, 'frame')} are not used")
    if made.repeated:
        told.append(f"its last frame is shown {made.repeated} times more")
    if clip.variable and made.frames:
        told.append("its frame rate varies and it is played at the average: sound and picture drift apart")
    if clip.rate and made.rate and made.frames == made.shown and abs(made.rate / clip.rate - 1) > SAME_TEMPO / 10:
        told.append(f"its {float(clip.rate):.3f} frames a second are played as {float(made.rate):.3f}")
    return told


def _sound(clip: ClipFacts, made: Window, take: Take) -> list[str]:
    if not clip.heard:
        return ["it has no sound"] if take.sound else []
    if not made.samples:
        return ["its sound is not used"]
    told = []
    left = clip.samples - made.sample - made.samples
    if left / clip.sample_rate >= LATENT_STEP / 2:
        told.append(f"its last {left / clip.sample_rate:.2f} s of sound are not heard")
    if made.silence >= LATENT_STEP:
        told.append(f"{made.silence:.2f} s of silence are put behind its sound")
    if abs(made.tempo - 1) > SAME_TEMPO:
        pitch = f", {abs(made.semitones):.1f} semitones {'up' if made.semitones > 0 else 'down'}"
        told.append(f"its voice plays {made.tempo:.2f}x fast{'' if take.keeps_pitch else pitch}")
    if abs(made.offset) > 0.02:
        told.append(f"its sound comes {abs(made.offset):.3f} s too {'late' if made.offset > 0 else 'early'}")
    if not made.certain:
        told.append("another stretch of it is drawn each time, and its caption says all words")
    return told


def many(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
