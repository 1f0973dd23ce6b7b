"""From a key to what happens: the state says which keys count, the table which action, this who does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from captioner.errors import CaptionerError
from captioner.review.actions import State
from captioner.review.tui.screens.doing import own_actions

if TYPE_CHECKING:
    from captioner.review.outcome import Outcome
    from captioner.review.tui.screens.review import ReviewScreen


class Dispatch:
    """What the screen does itself is in `own`; every other action of the table goes to the desk."""

    def __init__(self, screen: ReviewScreen) -> None:
        self.screen = screen
        self.own: dict[str, Callable[[], None]] = own_actions(screen)
        self._asked: tuple[object, ...] = ()
        """What was asked back about: done as it is the second time, of the same clip, with the same answers."""

    @property
    def state(self) -> str:
        screen = self.screen
        if screen.helping:
            return "Help"
        if screen.asking.active:
            return "Prompt"
        if screen.edit.active:
            return "Edit"
        if screen.trim.active:
            return "Trim"
        return "Select" if screen.read.selecting else "Browse"

    @property
    def table_state(self) -> State:
        """The state as the table of actions names it."""
        states: dict[str, State] = {"Help": "help", "Prompt": "prompt", "Edit": "edit", "Trim": "trim"}
        return states.get(self.state, "browse")

    def hints(self) -> list[tuple[str, str]]:
        return self.screen.read.hints(self.table_state)

    # -- keys --------------------------------------------------------------------------------------------------------

    def key(self, key: str, character: str | None) -> None:
        """A key, as Textual names it, and the character that it types, if any."""
        screen, state = self.screen, self.state
        if key == "ctrl+z":  # the shell's own: everything is on the disk, so there is nothing to ask
            screen.app.action_suspend_process()
            return
        typed = character if character and character != " " else key
        action = screen.read.action_for(self.table_state, typed) or screen.read.action_for(self.table_state, key)
        if action is not None:
            self.run(action)
        elif state == "Help":
            if key in ("space", "down", "pagedown"):
                screen.help_page += 1
                screen.paint()
            else:
                self.run("close-help")
        elif state == "Prompt":
            screen.asking.key(key, character)
        elif state == "Edit":
            screen.edit.key(key, character)
        else:
            screen.say(f"{typed} does nothing here; ? shows the keys")

    def paste(self, text: str) -> None:
        """Pasted text goes where text is typed, and nowhere else: never is it taken for keys."""
        if self.state == "Edit":
            self.screen.edit.editor.insert(text)
        elif self.state == "Prompt":
            self.screen.prompt.editor().insert(text)
        else:
            self.screen.say("text is pasted into a field or a question; press e or / before", "warn")

    # -- mouse -------------------------------------------------------------------------------------------------------

    def pick(self, place: int) -> None:
        """A row of the list: the cursor goes there; on a narrow screen a second click opens the clip."""
        screen = self.screen
        if self.state in ("Edit", "Prompt", "Trim"):
            screen.say("Esc first: this is not finished", "warn")
        elif place == screen.read.cursor and not screen.plan.wide:
            self.run("open")
        else:
            screen.read.move_to(max(0, min(place, screen.read.shown - 1)))
            screen.sound.moved()
            screen.paint()

    def press(self, x: int, y: int) -> None:
        """A cell of the clip: a field is edited, the waveform is played from there."""
        screen = self.screen
        field = next((n for n, (first, count) in screen.drawn.places.items() if first <= y < first + count), None)
        if self.state not in ("Browse", "Select"):
            screen.say("Esc first: this is not finished", "warn")
        elif field is not None:
            screen.edit.begin(field)
        elif y in screen.drawn.slow and y < min((first for first, _ in screen.drawn.places.values()), default=0):
            screen.sound.play_from(x / max(screen.query_one("#detail").size.width, 1))

    # -- actions -----------------------------------------------------------------------------------------------------

    def run(self, action: str) -> None:
        if self._asked and action not in (self._asked[0], "answer"):
            self._asked = ()
        if action in self.own:
            try:
                self.own[action]()
            except CaptionerError as error:
                self.screen.say(str(error), "error")
        else:
            self.do(action)

    def done(self, action: str, **arguments: Any) -> bool:
        """`do`, and whether it was done: not where it failed or was asked back about."""
        outcome = self.do(action, **arguments)
        return outcome is not None and not outcome.confirm

    def do(self, action: str, **arguments: Any) -> Outcome | None:
        """Let the desk do it, and show what became of it. None where it failed: the status line says why."""
        screen = self.screen
        before = screen.read.place
        wanted = (action, before, arguments)
        try:
            done = screen.read.do(action, confirmed=wanted == self._asked, **arguments)
        except CaptionerError as error:
            self._asked = ()
            screen.say(str(error), "error")
            return None
        self._asked = wanted if done.confirm else ()
        key = "enter" if screen.asking.active else (*screen.read.keys_for(action), "the same")[0]
        asked = f"{done.confirm} {key} once more does it"
        screen.message = (asked if done.confirm else done.message, "warn" if done.confirm else done.kind)
        if screen.read.place != before:
            screen.sound.moved()
        screen.paint()
        screen.settling.begin()
        return done
