"""The questions that actions ask, and what is shown while an answer is typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from captioner.review.actions import ACTIONS, BY_ID, REASONS
from captioner.review.labels import label_of
from captioner.review.tui.rows import Piece, clean, fit
from captioner.review.tui.screens.prompting import before_after
from captioner.review.tui.widgets.prompt import Question
from captioner.review.tui.widgets.statusbar import number

if TYPE_CHECKING:
    from captioner.review.tui.screens.review import ReviewScreen

Answers = tuple[str, ...]
FILTER_HELP = (
    'st:todo  conf:<.7  spk:anna  lint:any  lang:en  dur:>6  file:take3  reason:wind  "some words"',
    "a blank between: and;  or;  -not;  ( )",
)


def hint(text: str, role: str = "soft") -> list[Piece]:
    return [(f" {text}", role)]


def ask_filter(screen: ReviewScreen) -> None:
    before = screen.read.query

    def show(answers: Answers) -> list[list[Piece]]:
        found = screen.read.count(answers[0])
        return [hint(f"{number(found)} clips", "accent"), *map(hint, FILTER_HELP)]

    def do(answers: Answers) -> bool:
        return screen.dispatch.done("filter", query=answers[0])

    question = Question("filter", "Filter the list", ("filter",), (before,), lines=3)
    screen.asking.ask(question, do, show)


def ask_search(screen: ReviewScreen) -> None:
    def show(answers: Answers) -> list[list[Piece]]:
        if not answers[0]:
            return [hint("a text, or a regular expression between slashes: /l[io]ve/")]
        return [hint(f"{number(screen.read.hits(answers[0]))} clips; n and N go from one to the next", "accent")]

    def do(answers: Answers) -> bool:
        return screen.dispatch.done("search", text=answers[0])

    screen.asking.ask(Question("search", "Search the words", ("search",), ("",), lines=1), do, show)


def ask_replace(screen: ReviewScreen) -> None:
    def show(answers: Answers) -> list[list[Piece]]:
        if not answers[0]:
            return [hint("all clips that the filter shows, or those that are marked; Tab goes to the other line")]
        preview = screen.read.preview(*answers)
        lines = [hint(f"{number(preview.hits)} places in {number(preview.clips)} clips; Enter changes them", "accent")]
        for before, after in preview.samples[:3]:
            lines += before_after(before, after)
        return lines

    def do(answers: Answers) -> bool:
        return screen.dispatch.done("replace", find=answers[0], instead=answers[1])

    question = Question("replace", "Find and replace in the words", ("find", "put"), ("", ""), lines=7)
    screen.asking.ask(question, do, show)


def ask_name(screen: ReviewScreen) -> None:
    clip = screen.read.clip()
    if clip is None:
        return
    speaker = clip.row.speaker

    def show(answers: Answers) -> list[list[Piece]]:
        return [hint(screen.read.naming(answers[0]), "accent")]

    def do(answers: Answers) -> bool:
        return screen.dispatch.done("name-speaker", name=answers[0])

    title = f"Name {speaker or 'this speaker'} in all clips"
    known = "" if speaker[:1] == "#" and speaker[1:].isdecimal() else speaker  # a number is nobody's name
    screen.asking.ask(Question("name", title, ("name",), (known,), lines=1), do, show)


def ask_reason(screen: ReviewScreen) -> None:
    def show(answers: Answers) -> list[list[Piece]]:
        if answers[0]:
            return [hint(f"reject: {clean(answers[0])}")]
        return [[(f" {digit} ", "key"), (reason, "text")] for digit, reason in enumerate(REASONS, 1)]

    def do(answers: Answers) -> bool:
        reason = answers[0].strip() or REASONS[screen.prompt.chosen]
        return screen.dispatch.done("reject", reason=reason)

    title = "Why is it rejected? A digit, or your own words"
    screen.asking.ask(Question("reject", title, ("reason",), ("",), lines=len(REASONS), choices=True), do, show)


def ask_note(screen: ReviewScreen) -> None:
    def do(answers: Answers) -> bool:
        return screen.dispatch.done("flag", note=answers[0].strip())

    screen.asking.ask(Question("flag", "What should be looked at again?", ("note",), ("",), lines=0), do)


def ask_clip(screen: ReviewScreen) -> None:
    def do(answers: Answers) -> bool:
        return screen.dispatch.done("go", clip=answers[0].strip())

    screen.asking.ask(Question("go", "Go to a clip: its number in the list, or its id", ("clip",), ("",), lines=0), do)


def ask_restore(screen: ReviewScreen) -> None:
    """Which of the edited fields becomes as it was drafted; where there is one only, that one."""
    clip = screen.read.clip()
    edited = [] if clip is None else [field for field in clip.fields if field.edited]
    if not edited:
        screen.say("no field of this clip was changed")
        return
    if len(edited) == 1:
        screen.dispatch.do("restore", field=edited[0].name)
        return

    def show(_answers: Answers) -> list[list[Piece]]:
        return [[(f" {fit(label_of(field.name), 14)}", "soft"), (clean(field.draft), "text")] for field in edited]

    def do(_answers: Answers) -> bool:
        return screen.dispatch.done("restore", field=edited[screen.prompt.chosen].name)

    title = "Which field becomes as it was drafted?"
    screen.asking.ask(Question("restore", title, ("field",), ("",), lines=len(edited), choices=True), do, show)


def ask_field(screen: ReviewScreen) -> None:
    screen.edit.begin(0)


def split_here(screen: ReviewScreen) -> None:
    screen.sound.ensure()
    screen.dispatch.do("split", at=screen.sound.hearing.state.position)


def palette(screen: ReviewScreen) -> None:
    """Every action by name, the typed words anywhere in it."""
    state = screen.dispatch.table_state

    def found(answers: Answers) -> list[str]:
        words = answers[0].casefold().split()
        return [
            action.id
            for action in ACTIONS
            if state in action.states and action.id != "palette"
            and all(word in f"{action.title} {action.id} {action.group}".casefold() for word in words)
        ]  # fmt: skip

    def show(answers: Answers) -> list[list[Piece]]:
        lines = [
            [(f" {fit(' '.join(screen.read.keys_for(id_)), 18)}", "key"), (BY_ID[id_].title, "text")]
            for id_ in found(answers)
        ]
        return lines or [hint("no command has these words")]

    def do(answers: Answers) -> bool:
        ids = found(answers)
        if not ids:
            return False
        chosen = ids[min(screen.prompt.chosen, len(ids) - 1)]
        screen.asking.end()
        screen.dispatch.run(chosen)
        return False

    screen.asking.ask(Question("palette", "Commands", ("command",), ("",), lines=12, choices=True), do, show)


QUESTIONS: Mapping[str, Callable[[ReviewScreen], None]] = {
    "filter": ask_filter, "search": ask_search, "replace": ask_replace, "name-speaker": ask_name,
    "reject": ask_reason, "flag": ask_note, "go": ask_clip, "restore": ask_restore, "set-field": ask_field,
    "split": split_here,
}  # fmt: skip
