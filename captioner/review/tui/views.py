"""What the screen needs to know of a clip, of its media and of the player, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from captioner.review.tui.rows import Row
from captioner.review.tui.widgets.fields import FieldLine, Finding
from captioner.review.tui.widgets.wave import Spoken

if TYPE_CHECKING:
    from textual.strip import Strip


@dataclass(frozen=True, slots=True)
class ClipView:
    """The clip under the cursor."""

    row: Row
    id: str
    source: str
    """The recording's name and where in it, `ep03.mkv 00:14:03.20-07.84`."""
    words: tuple[Spoken, ...]
    fields: tuple[FieldLine, ...]
    findings: tuple[Finding, ...]
    caption: str
    """All of the text that the trainer will read."""
    file: str
    """Where it is written, or would be."""
    path: str
    """The same with its folder."""
    saved: str
    """`written`, `not written`, `saved`: what the disk has of it."""
    has_picture: bool = False
    reason: str = ""
    """Why it was rejected or flagged."""
    notices: tuple[tuple[str, str], ...] = ()
    """Label and text of what else a person has to see: a changed draft, a caption file changed outside."""


@dataclass(frozen=True, slots=True)
class MediaView:
    """What was made of the clip's sound and picture for a pane of this width; empty while it is being made."""

    wave: tuple[str, ...] = ()
    spectrogram: tuple[Strip, ...] = ()
    picture: tuple[Strip, ...] = ()
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class PlayView:
    position: float = 0.0
    duration: float = 0.0
    playing: bool = False
    loop: bool = False
    speed: float = 1.0
    autoplay: bool = False


@dataclass(frozen=True, slots=True)
class TrimView:
    """Edges being moved: seconds from the clip's present first sample; what it says of words that enter or leave."""

    start: float
    end: float
    told: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """Lines of the pane, and where in them the fields' texts stand: number of the field -> (first line, lines)."""

    lines: tuple[Strip, ...]
    places: dict[int, tuple[int, int]] = field(default_factory=dict)
    slow: frozenset[int] = frozenset()
    """Lines that may wait until the cursor rests: sound, picture, and the caption (which says the fields again)."""

    def held(self, before: Drawn) -> tuple[Strip, ...]:
        """These lines, but with those that may wait as they were: a held key sends only what it moves."""
        waiting = self.slow & before.slow if len(before.lines) == len(self.lines) else frozenset()
        return tuple(before.lines[y] if y in waiting else line for y, line in enumerate(self.lines))
