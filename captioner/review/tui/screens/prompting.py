"""Questions and what becomes of their answers: each key shows what the answer would do, Enter does it, Esc does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from captioner.errors import CaptionerError
from captioner.review.tui.rows import Piece, clean
from captioner.review.tui.widgets.diff import word_diff
from captioner.review.tui.widgets.prompt import Question

if TYPE_CHECKING:
    from captioner.review.tui.screens.review import ReviewScreen

Lines = Sequence[Sequence[Piece]]


class Prompting:
    """One question at a time. `_show` makes the lines below from the answers; `_do` is what Enter does with them."""

    def __init__(self, screen: ReviewScreen) -> None:
        self.screen = screen
        self._show: Callable[[tuple[str, ...]], Lines] | None = None
        self._do: Callable[[tuple[str, ...]], bool] | None = None

    @property
    def active(self) -> bool:
        return self.screen.prompt.question is not None

    def ask(
        self,
        question: Question,
        do: Callable[[tuple[str, ...]], bool],
        show: Callable[[tuple[str, ...]], Lines] | None = None,
    ) -> None:
        """`do` returns whether the question is answered; where not, it stays and its lines say why."""
        self._show, self._do = show, do
        self.screen.prompt.begin(question)
        self.screen.lay_out_again()
        self.screen.call_after_refresh(self.changed)

    def end(self) -> None:
        self.screen.prompt.end()
        self._show = self._do = None
        self.screen.lay_out_again()

    # -- keys --------------------------------------------------------------------------------------------------------

    def key(self, key: str, character: str | None) -> None:
        prompt = self.screen.prompt
        question = prompt.question
        if question is None:
            return
        if key in ("up", "down", "pageup", "pagedown") and question.choices:
            step = question.lines if key.startswith("page") else 1
            prompt.choose(step if key.endswith("down") else -step)
        elif question.kind == "reject" and key.isdigit() and not prompt.answers[0]:
            prompt.chosen = max(int(key) - 1, 0)
            self.enter()
        else:
            prompt.editor().typed(key, character)

    def next_answer(self) -> None:
        self.screen.prompt.next_answer()

    def enter(self) -> None:
        if self._do is None:
            return
        try:
            done = self._do(self.screen.prompt.answers)
        except CaptionerError as error:
            self.screen.say(str(error), "error")
            return
        if done and self.active:
            self.end()

    def changed(self) -> None:
        """An answer was typed: say what it would do."""
        if not self.active or self._show is None:
            return
        try:
            lines = self._show(self.screen.prompt.answers)
        except CaptionerError as error:
            lines = [[(f" {clean(str(error))}", "error")]]
        self.screen.prompt.tell(lines)


def before_after(old: str, new: str) -> list[list[Piece]]:
    """Two lines that show what a replacement makes of a text."""
    first, second = word_diff(old, new)
    return [[("  ", "text"), *first], [("  ", "text"), *second]]
