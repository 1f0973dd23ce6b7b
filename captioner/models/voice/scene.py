"""The sound around a voice: what was measured of it, and what a tagger heard in it."""

from __future__ import annotations

from collections.abc import Sequence

from captioner.measures import Scene, Tag
from captioner.models.protocols import Samples
from captioner.models.voice.background import clicks_of, hiss_of, hum_of, noise_of, over_floor, swing_of
from captioner.models.voice.masks import without_rumble
from captioner.models.voice.room import hear_room
from captioner.times import Span
from captioner.types import SPEECH_RATE

HEARD = {"speech": 0.5, "music": 0.75, "singing": 0.9}
"""Score from which a tag says that the sound is there; a lesser one only forbids to say that it is not. Instruments
pass for singing up to 0.9; hum passes for music up to 0.7."""
HEARD_FOR = {"speech": 0.2, "music": 0.5, "singing": 2.0}
"""Seconds that it must last in the clip..."""
HEARD_SHARE = 0.25
"""... and the share of the clip."""


def measure_scene(
    samples: Samples, speech: Sequence[Span], *, tags: Sequence[Tag] | None = None, hears: frozenset[str] = frozenset()
) -> Scene:
    """The sound around the voice in a clip. `tags` are those of the clip, cut to it; None where no tagger listened."""
    duration = len(samples) / SPEECH_RATE
    heard = {label: _heard(label, tags, hears, duration) for label in HEARD}
    others = [tag for tag in tags or () if tag.label not in HEARD]
    quiet = without_rumble(samples)
    # Under music the quietest moments are its rests, not a floor.
    noise, snr = noise_of(quiet, speech, steady=heard["music"] is not True and heard["singing"] is not True)
    room = hear_room(quiet, max(snr or 0.0, over_floor(quiet, speech) or 0.0))
    return Scene(
        noise=noise,
        snr=snr,
        speech=heard["speech"],
        singing=heard["singing"],
        music=heard["music"],
        events=tuple(sorted(others, key=lambda tag: (tag.span, tag.label))),
        hum=hum_of(samples, speech),
        hiss=hiss_of(samples, speech),
        clicks=clicks_of(samples),
        reverberation=room.reverberation,
        clarity=room.clarity,
        swing=swing_of(quiet, speech),
    )


def _heard(label: str, tags: Sequence[Tag] | None, hears: frozenset[str], duration: float) -> bool | None:
    if tags is None or label not in hears:
        return None
    mine = [tag for tag in tags if tag.label == label]
    lasted = sum(tag.span.duration for tag in mine if tag.score >= HEARD[label])
    if lasted >= max(HEARD_FOR[label], HEARD_SHARE * duration):
        return True
    return None if mine else False
