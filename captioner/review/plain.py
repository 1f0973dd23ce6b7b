"""`captioner review OUT --plain`: the review as a conversation, a line at a time.

For screen readers, dumb terminals and pipes: nothing is redrawn, nothing spins, and every line stands by itself. The
same actions as on the screen, by their letters or by their names; what they need may follow on the same line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from captioner.errors import CaptionerError, UsageError
from captioner.review.actions import ACTIONS, BY_ID, REASONS, Action
from captioner.review.plainear import Ear
from captioner.review.plaintext import describe, differences, fields_told, help_text, line_of
from captioner.review.source import Piece

if TYPE_CHECKING:
    from captioner.review.desk import Desk
    from captioner.review.hearing import Hearing
    from captioner.review.items import Item
    from captioner.review.outcome import Outcome

End = Literal["write", "leave"]
"""How it was left: to write what is approved, or not."""

Read = Callable[[str], "str | None"]
"""Asks; the line that is answered without its end, None at the end of all lines."""

KEEP, CLEAR, DRAFT = "", "-", "<draft>"
"""Answers for a field's text: as it is, left out, as it was drafted."""

ELSEWHERE = frozenset({"waveform", "spectrogram", "theme"})
"""Actions that only a screen has."""


class Plain:
    """One conversation over lines that are read and written."""

    def __init__(
        self, desk: Desk, read: Read, write: Callable[[str], None], hearing: Hearing | None = None,
        piece: Callable[[str], Piece] | None = None, actions: Sequence[Action] = ACTIONS,
    ) -> None:  # fmt: skip
        self._desk, self._read, self._say = desk, read, write
        self._ear = Ear(hearing, piece, write)
        self._actions = [one for one in actions if "browse" in one.states and one.id not in ELSEWHERE]
        self._by_id = {one.id: one for one in self._actions}
        self._keys = {key: one for one in self._actions for key in one.keys if len(key) == 1}
        self._own: dict[str, Callable[[str], object]] = {
            "edit": self._edit, "set-field": self._set_field, "replace": self._replace, "editor": self._editor,
            "diff": self._diff, "copy-text": self._caption, "copy-path": self._path, "trim": self._trim,
            "split": self._split, "help": self._help, "palette": self._help, "open": self._open,
            "quit": lambda _: self._leave("write"), "leave": lambda _: self._leave("leave"), **self._ear.commands,
        }  # fmt: skip
        self._end: End | None = None

    def run(self) -> End:
        desk = self._desk
        self._say(f"{desk.session.total} clips, {desk.stats.done} decided on. Type ? and Enter for help.")
        if desk.read_only:
            self._say(f"Nothing can be changed in this session: {line_of(desk.why)}")
        self._ear.welcome()
        self._show()
        while self._end is None:
            line = self._read("> ")
            if line is None:
                return "leave"
            self._ear.news()
            try:
                self._obey(line.strip())
            except CaptionerError as error:
                self._say(f"Not done: {line_of(str(error))}")
        return self._end

    def _show(self) -> None:
        """The clip under the cursor."""
        item = self._desk.item()
        if item is None:
            self._say("No clip is shown. Type clear-filter and Enter for all clips.")
            return
        session = self._desk.session
        for line in describe(item, session.cursor + 1, len(session.ids), session.total, item.id in session.marked):
            self._say(line)
        self._ear.aim(item)

    def _item(self) -> Item:
        item = self._desk.item()
        if item is None:
            raise UsageError("there is no clip here")
        return item

    # -- what is asked -------------------------------------------------------------------------------------------------

    def _obey(self, line: str) -> None:
        """A line: an action's letter or name, and what it needs behind it. An empty line plays."""
        word, _, rest = line.partition(" ")
        if not line:
            word = "play"
        elif word[0] == "#" and word[1:].isdecimal():
            word, rest = "go", word[1:]
        action = self._by_id.get(word) or self._keys.get(word)
        if action is None and not word[0].isalnum() and word[0] in self._keys:
            action, rest = self._keys[word[0]], line[1:]  # /st:todo
        if action is None:
            raise UsageError(f"{word}: no such command; type ? for all of them")
        given = rest.strip()
        if action.id.startswith("field-"):
            self._field(int(action.id.removeprefix("field-")), given)
        elif action.id in self._own:
            self._own[action.id](given)
        elif action.screen:
            raise UsageError(f"{action.id}: only on the screen")
        else:
            self._do(action, given)

    def _do(self, action: Action, given: str) -> None:
        answers: dict[str, Any] = {}
        for number, name in enumerate(action.asks):
            answer = given if number == 0 and given else self._asked(name)
            if answer is None:
                return self._say("Nothing is changed.")
            answers[name] = self._meant(name, answer)
        return self._told(action, answers)

    def _asked(self, name: str) -> str | None:
        question = name
        if name == "reason":
            question = "reason, in words or " + ", ".join(f"{n} {reason}" for n, reason in enumerate(REASONS, 1))
        answer = self._read(f"{question}: ")
        return None if answer is None else answer.strip()

    def _meant(self, name: str, answer: str) -> object:
        if name == "reason" and answer.isdecimal() and 1 <= int(answer) <= len(REASONS):
            return REASONS[int(answer) - 1]
        if name == "field" and answer.isdecimal():
            return self._named(int(answer))
        return answer

    def _told(self, action: Action, answers: dict[str, Any]) -> None:
        """Does it at the desk and says what came of it."""
        before = self._desk.session.clip
        outcome = self._desk.do(action.id, **answers)
        if outcome.confirm:
            if not self._sure(outcome.confirm):
                return self._say("Nothing is changed.")
            outcome = self._desk.do(action.id, confirmed=True, **answers)
        if outcome.message:
            self._say(_sentence(outcome))
        clip = self._desk.session.clip
        if clip != before or outcome.everything or outcome.moved or (clip is not None and clip in outcome.rows):
            self._show()
        return None

    def _sure(self, question: str) -> bool:
        answer = self._read(f"{line_of(question)} y or n: ")
        return answer is not None and answer.strip().casefold() in ("y", "yes")

    # -- fields --------------------------------------------------------------------------------------------------------

    def _named(self, number: int) -> str:
        fields = self._item().fields
        if not 1 <= number <= len(fields):
            raise UsageError(f"{number}: there are fields 1 to {len(fields)}")
        return fields[number - 1].name

    def _field(self, number: int, given: str) -> bool:
        """A new text of a field; False where no answer came any more."""
        name = self._named(number)
        text: str | None = given
        if not given:
            self._say(fields_told(self._item())[number - 1])
            text = self._read("new text (Enter keeps it, - leaves it out, <draft> takes the draft): ")
        if text is None:
            return False
        self._write(name, text.strip())
        return True

    def _write(self, name: str, text: str) -> None:
        if text == DRAFT:
            self._told(BY_ID["restore"], {"field": name})
        elif text != KEEP:
            self._told(BY_ID["set-field"], {"field": name, "text": "" if text == CLEAR else text})

    def _edit(self, _: str) -> None:
        for number in range(1, len(self._item().fields) + 1):
            if not self._field(number, ""):
                return

    def _set_field(self, given: str) -> None:
        name, _, text = given.partition(" ")
        if not name:
            return self._edit("")
        name = self._named(int(name)) if name.isdecimal() else name
        return self._write(name, text.strip() or CLEAR)

    def _replace(self, given: str) -> None:
        """`R old => new`."""
        find, arrow, instead = given.partition("=>")
        find = find if find.strip() else self._asked("find") or ""
        instead = instead if arrow else self._asked("instead") or ""
        self._told(BY_ID["replace"], {"find": find.strip(), "instead": instead.strip()})

    def _editor(self, _: str) -> None:
        from captioner.review.tui.screens.outside import in_editor

        item = self._item()
        changed = in_editor(item.id, [(field.name, field.value) for field in item.fields], os.environ)
        for name, text in changed.items():
            self._told(BY_ID["set-field"], {"field": name, "text": text})
        if not changed:
            self._say("Nothing is changed.")

    # -- seeing --------------------------------------------------------------------------------------------------------

    def _diff(self, _: str) -> None:
        for line in differences(self._item()) or ["Nothing differs from the draft."]:
            self._say(line)

    def _caption(self, _: str) -> None:
        self._say(line_of(self._item().caption))

    def _path(self, _: str) -> None:
        self._say(line_of(self._item().file))

    def _open(self, _: str) -> None:
        item = self._item()
        self._show()
        for line in fields_told(item):
            self._say(line)

    def _help(self, _: str) -> None:
        for line in help_text(self._actions):
            self._say(line)

    # -- edges ---------------------------------------------------------------------------------------------------------

    def _trim(self, given: str) -> None:
        """`trim start -50`: milliseconds, earlier or later. Says what that comes to, plays the edge, and asks."""
        edge, _, amount = (given or self._read("start or end, and milliseconds (start -50): ") or "").partition(" ")
        if edge not in ("start", "end") or not amount.strip().lstrip("+-").isdecimal():
            raise UsageError(f"trim {given}: say which edge and how many milliseconds later: trim start -50")
        moved = int(amount)
        start, end = (moved, 0) if edge == "start" else (0, moved)
        item = self._item()
        plan = self._desk.plan_trim(item.id, start, end)
        self._say(line_of(plan.told))
        self._ear.about(plan.start if edge == "start" else plan.end)
        if self._sure("Cut it so?"):
            self._told(BY_ID["keep-trim"], {"start": start, "end": end})
        else:
            self._say("Nothing is changed.")

    def _split(self, given: str) -> None:
        """At so many seconds, else where the playhead stands."""
        if not given and self._ear.position:
            given = f"{self._ear.position:.2f}"
        answer = given or self._asked("seconds from the clip's beginning") or ""
        try:
            at = float(answer)
        except ValueError:
            raise UsageError(f"split {answer}: say at how many seconds: c 1.5") from None
        self._told(BY_ID["split"], {"at": at})

    def _leave(self, end: End) -> None:
        self._end = end


def _sentence(outcome: Outcome) -> str:
    text = line_of(outcome.message)
    text = f"{text[:1].upper()}{text[1:]}"
    return {"error": "Error: ", "warn": "Note: "}.get(outcome.kind, "") + (text if text.endswith(".") else f"{text}.")


def run(desk: Desk, hearing: Hearing | None = None, actions: Sequence[Action] = ACTIONS) -> End:
    """On this process's own input and output."""
    if sys.stdin.isatty():
        with suppress(ImportError):
            import readline  # noqa: F401  arrow keys and a history for `input`
    for stream in (sys.stdout, sys.stdin):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without Unicode is no reason to stop
    return Plain(desk, read_line, partial(print, flush=True), hearing, desk.piece, actions).run()


def read_line(question: str) -> str | None:
    """A line that a person or a pipe gives; None at the end of all."""
    while True:
        try:
            return input(question)
        except EOFError:
            return print()
        except KeyboardInterrupt:
            print("\nq and Enter to leave")
