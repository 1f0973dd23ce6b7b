"""Moving the edges of the clip: what a step would make of it is planned at once, said, and heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from captioner.errors import CaptionerError
from captioner.review.tui.views import TrimView

if TYPE_CHECKING:
    from captioner.review.tui.screens.review import ReviewScreen

REACH = 0.15
"""Seconds that are played on each side of a moved edge."""


class Trim:
    """Edges as milliseconds that they were moved, later is more; nothing is changed before Enter."""

    def __init__(self, screen: ReviewScreen) -> None:
        self.screen = screen
        self.active = False
        self.moved = {"start": 0, "end": 0}
        self.plan: TrimView | None = None
        """Where the edges would really be: the nearest legal ones."""

    def begin(self) -> None:
        if self.screen.read.clip() is None:
            return
        self.active, self.moved, self.plan = True, {"start": 0, "end": 0}, None
        self.screen.message = ("", "")
        if not self.screen.opened and not self.screen.plan.wide:
            self.screen.opened = True
            self.screen.lay_out_again()
        self.step("start", 0)

    def step(self, edge: str, milliseconds: int) -> None:
        """Move an edge, say which words would leave or enter, and play what lies about it."""
        wanted = {**self.moved, edge: self.moved[edge] + milliseconds}
        try:
            self.plan = self.screen.read.plan_trim(wanted["start"], wanted["end"])
        except CaptionerError as error:
            self.screen.say(str(error), "warn")
            return
        self.moved = wanted
        self.screen.message = (self.plan.told, "")
        self.screen.paint_detail()
        self.screen.paint_bars()
        view = self.view()
        if milliseconds and view is not None:
            moment = view.start if edge == "start" else view.end
            self.screen.sound.play(lambda: self.screen.sound.hearing.about(moment, REACH))

    def enter(self) -> None:
        """Cut it so."""
        start, end = self.moved["start"], self.moved["end"]
        if not start and not end:
            self.leave()
        elif self.screen.dispatch.done("keep-trim", start=start, end=end):
            self.active = False
            self.screen.paint()

    def leave(self) -> None:
        self.active = False
        self.screen.message = ("", "")
        self.screen.paint()

    def view(self) -> TrimView | None:
        """None while no edge is being moved."""
        return self.plan if self.active else None
