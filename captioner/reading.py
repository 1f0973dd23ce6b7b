"""What workers do with a recording's file: they decode its sound and watch its picture, a long one in parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from captioner.errors import CaptionerError
from captioner.types import Picture, Recording, Sound

if TYPE_CHECKING:
    from captioner.media.watching import Part

LEAST_PART = 30.0
"""Seconds of a part at least: two more are seen of the next one, and a GPU's decoder takes a while to begin."""
PARTS = 3
"""Parts of all pictures together for each core."""

Tell = Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class ToDecode:
    recording: Recording
    sound: Path
    """Where its waveform belongs."""


@dataclass(frozen=True, slots=True)
class ToWatch:
    recording: Recording
    gpus: tuple[int, ...] = ()
    """Those whose decoders may help."""
    part: Part | None = None
    """None: the whole."""


@dataclass(frozen=True, slots=True)
class ToPart:
    recording: Recording
    length: float
    """Seconds of a part."""


def decode(errand: ToDecode, _tell: Tell) -> Sound:
    from captioner.media.sound import decode_speech

    recording = errand.recording
    return decode_speech(Path(recording.path), recording.audio, recording.video, errand.sound)


def look(errand: ToWatch, tell: Tell) -> Any:
    """A Picture; of a part what was seen of it, None where it cannot be watched by itself."""
    from captioner.media.decoding import opener
    from captioner.media.watching import watch, watch_part

    path, video, helper = Path(errand.recording.path), errand.recording.video, opener(errand.gpus)
    assert video is not None
    if errand.part is None:
        return watch(path, video, helper, tell)
    return watch_part(path, video, errand.part, helper, tell)


def cut_up(errand: ToPart, _tell: Tell) -> tuple[Part, ...]:
    """The parts in which a picture can be watched; () where it cannot."""
    from captioner.media.watching import parts

    assert errand.recording.video is not None
    return parts(Path(errand.recording.path), errand.recording.video, errand.length)


class Apart(Protocol):
    """An engine's `apart`, with what all calls have in common."""

    def __call__(self, work: Any, items: Sequence[Any], done: Callable[[Any, Any], None], /) -> None: ...


def watch_all(
    recordings: Sequence[Recording],
    gpus: tuple[int, ...],
    cores: int,
    apart: Apart,
    keep: Callable[[Recording, Picture | CaptionerError], None],
) -> None:
    """Watches the pictures of recordings that have one, on so many cores; `keep` gets each as soon as it is known."""
    shares = _shares(recordings, cores, apart)
    found: dict[str, dict[Part, Any]] = {}
    again: list[ToWatch] = []

    def done(errand: ToWatch, answer: Any) -> None:
        recording = errand.recording
        if errand.part is None:
            keep(recording, answer)
            return
        own = found.setdefault(recording.path, {})
        own[errand.part] = answer
        if len(own) == len(shares[recording.path]):
            picture = _joined(recording, [own[share] for share in shares[recording.path]])
            if picture is None:
                again.append(ToWatch(recording, gpus))
            else:
                keep(recording, picture)
            found.pop(recording.path)

    apart(look, [ToWatch(one, gpus, share) for one in recordings for share in shares.get(one.path) or (None,)], done)
    if again:
        apart(look, again, done)


def _shares(recordings: Sequence[Recording], cores: int, apart: Apart) -> Mapping[str, tuple[Part, ...]]:
    """The parts of those, by their paths, that are so long that cores would be left without work."""
    shares: dict[str, tuple[Part, ...]] = {}
    lengths = {one.path: one.video.duration or 0.0 for one in recordings if one.video is not None}
    length = max(LEAST_PART, sum(lengths.values()) / (PARTS * cores))
    long = [ToPart(one, length) for one in recordings if lengths.get(one.path, 0.0) >= 2 * length]

    def done(errand: ToPart, answer: tuple[Part, ...] | CaptionerError) -> None:
        if not isinstance(answer, CaptionerError):  # who watches the whole will say what is wrong with it
            shares[errand.recording.path] = answer

    if cores > 1 and long:
        apart(cut_up, long, done)
    return shares


def _joined(recording: Recording, seen: Sequence[Any]) -> Picture | None:
    """None where one of them failed, or they do not fit: then somebody watches the whole."""
    from captioner.media.watching import Seen, joined

    assert recording.video is not None
    if not all(isinstance(one, Seen) for one in seen):
        return None
    try:
        return joined(Path(recording.path), recording.video, seen)
    except CaptionerError:
        return None
