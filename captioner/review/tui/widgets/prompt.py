"""The panel in which the screen asks: one or two lines to type in, and lines below that say what would happen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message

from captioner.review.tui.look import Look
from captioner.review.tui.pane import Pane
from captioner.review.tui.rows import Piece, fit
from captioner.review.tui.widgets.editor import Editor

LABEL = 10


@dataclass(frozen=True, slots=True)
class Question:
    kind: str
    """What the answer is for: `filter`, `search`, `replace`, `rename`, `reject`, `flag`, `palette` ..."""
    title: str
    labels: tuple[str, ...]
    """One or two lines to type in."""
    values: tuple[str, ...]
    lines: int = 4
    """Lines below, for hints, a preview or choices."""
    choices: bool = False
    """Whether up and down choose among the lines below."""


class Prompt(Vertical):
    """Hidden while nothing is asked. `Changed` after each key that altered an answer."""

    class Changed(Message):
        def __init__(self, question: Question) -> None:
            super().__init__()
            self.question = question

    def __init__(self, look: Look) -> None:
        super().__init__(id="prompt")
        self.look = look
        self.question: Question | None = None
        self.place = 0
        """Which answer is being typed."""
        self.chosen = 0
        """Which of the lines below is picked."""
        self._below: list[list[Piece]] = []

    def compose(self) -> ComposeResult:
        yield Pane(id="asked")
        for number in (0, 1):
            with Horizontal(id=f"row{number}"):
                yield Pane(id=f"label{number}")
                yield Editor(self.look, id=f"answer{number}")
        yield Pane(id="below")

    def editor(self, number: int | None = None) -> Editor:
        return self.query_one(f"#answer{self.place if number is None else number}", Editor)

    @property
    def answers(self) -> tuple[str, ...]:
        count = len(self.question.labels) if self.question else 0
        return tuple(self.editor(number).text for number in range(count))

    @property
    def taken(self) -> int:
        """Lines that it takes of the screen; 0 while nothing is asked."""
        return 0 if self.question is None else 1 + len(self.question.labels) + self.question.lines

    def lay_out(self) -> None:
        """Take the lines that the question needs; the screen lays itself out again."""
        self.display = self.question is not None
        if self.question is not None:
            self.styles.height = self.taken
            self.query_one("#row1").display = len(self.question.labels) > 1

    def begin(self, question: Question) -> None:
        self.question, self.place, self.chosen = question, 0, 0
        for number, value in enumerate(question.values):
            self.editor(number).begin(value)

    def end(self) -> None:
        self.question = None

    def next_answer(self, step: int = 1) -> None:
        if self.question:
            self.place = (self.place + step) % len(self.question.labels)
            self.draw()

    def choose(self, step: int) -> None:
        if self._below:
            self.chosen = max(0, min(self.chosen + step, len(self._below) - 1))
            self.draw()

    def tell(self, lines: Sequence[Sequence[Piece]]) -> None:
        """What stands below; with choices, the lines to choose from."""
        self._below = [list(line) for line in lines]
        self.chosen = max(0, min(self.chosen, len(self._below) - 1))
        self.draw()

    def draw(self) -> None:
        question, look = self.question, self.look
        if question is None:
            return
        width = self.query_one("#asked").size.width
        self.query_one("#asked", Pane).show([look.strip([(f" {question.title}", "bar_accent")], width, "bar")])
        for number, name in enumerate(question.labels):
            role = "title" if number == self.place and len(question.labels) > 1 else "soft"
            self.query_one(f"#label{number}", Pane).show([look.strip([(fit(f" {name}", LABEL - 1), role)], LABEL)])
            self.editor(number).draw()
        height = question.lines
        top = max(0, min(self.chosen - height + 1, len(self._below) - height)) if question.choices else 0
        lines = []
        for number, line in enumerate(self._below[top : top + height], top):
            picked = question.choices and number == self.chosen
            shown = [(text, "cursor") for text, _ in line] if picked else line
            lines.append(look.strip(shown, width, "cursor" if picked else "text"))
        self.query_one("#below", Pane).show([*lines, *[look.blank(width)] * (height - len(lines))])
