"""Hearing in `--plain`: the same keys, said instead of shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from captioner.errors import CaptionerError, UsageError
from captioner.review.labels import label_of
from captioner.review.plaintext import line_of
from captioner.review.source import Card, Piece

if TYPE_CHECKING:
    from captioner.review.hearing import Hearing
    from captioner.review.items import Item

Commands = Mapping[str, Callable[[str], None]]


class Ear:
    """`hearing` and `piece` (what finds the sound of a clip) may be None: then nothing can be heard."""

    def __init__(
        self, hearing: Hearing | None, piece: Callable[[str], Piece] | None, say: Callable[[str], None]
    ) -> None:
        self._hearing = hearing if piece is not None else None
        self._piece, self._say = piece, say
        self._trouble = ""
        self._told = ""

    @property
    def commands(self) -> Commands:
        """Action -> what it does."""
        seconds = {"seek-back": -0.1, "seek-on": 0.1, "seek-back-far": -0.5, "seek-on-far": 0.5}
        seeks: dict[str, Callable[[str], None]] = {name: partial(self._seek, by) for name, by in seconds.items()}
        return {
            "play": lambda _: self.play(), "replay": lambda _: self._ready().replay(), "loop": self._loop,
            "autoplay": self._autoplay, "open-tab": self._open_tab, "slower": lambda _: self._speed(-0.1),
            "faster": lambda _: self._speed(0.1), "normal-speed": lambda _: self._speed(None), **seeks,
        }  # fmt: skip

    def aim(self, item: Item) -> None:
        """The clip that it is about from now on."""
        if self._hearing is None or self._piece is None:
            return
        fields = tuple((label_of(field.name), field.value) for field in item.fields if field.value)
        card = Card(item.id, item.line.recording, fields, tuple(finding.text for finding in item.findings))
        try:
            self._trouble = ""
            self._hearing.show(self._piece(item.id), card)
        except CaptionerError as error:
            self._hearing.clear()
            self._trouble = str(error)  # said when somebody wants to hear it

    def play(self) -> None:
        self._ready().toggle()

    def about(self, moment: float) -> None:
        if self._hearing is not None and not self._trouble:
            self._hearing.about(moment)

    @property
    def position(self) -> float | None:
        return None if self._hearing is None else self._hearing.state.position

    def welcome(self) -> None:
        """Where the sound comes from, where that has not been said."""
        if self._hearing is None:
            return
        status = self._hearing.status
        told = ". ".join(part for part in (status.text, status.hint) if part)
        if told != self._told:
            self._told = told
            self._say(f"{told[:1].upper()}{told[1:]}.")

    def news(self) -> None:
        """What went wrong since the last line."""
        if self._hearing is not None and self._hearing.state.trouble:
            self._say(f"Not heard: {line_of(self._hearing.state.trouble)}")
            self._hearing.stop()

    def _ready(self) -> Hearing:
        if self._hearing is None:
            raise UsageError("nothing can be heard in this session")
        if self._trouble:
            raise UsageError(self._trouble)
        self.welcome()
        return self._hearing

    def _loop(self, _: str) -> None:
        ear = self._ready()
        ear.loop = not ear.loop
        self._say("Loop on." if ear.loop else "Loop off.")

    def _autoplay(self, _: str) -> None:
        ear = self._ready()
        ear.autoplay = not ear.autoplay
        self._say("Each clip is played as you come to it." if ear.autoplay else "Clips are played when you say so.")

    def _speed(self, delta: float | None) -> None:
        ear = self._ready()
        ear.at_speed(1.0 if delta is None else ear.state.speed + delta)
        self._say(f"Speed {ear.state.speed:g}.")

    def _seek(self, delta: float, _: str) -> None:
        ear = self._ready()
        ear.seek(delta)
        self._say(f"At {ear.state.position:.2f} of {ear.state.duration:.2f} seconds.")

    def _open_tab(self, _: str) -> None:
        self._ready().open_tab()
        self.welcome()
