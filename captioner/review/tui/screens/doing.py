"""What the screen does by itself, by action id: hearing, seeing, asking, opening and leaving."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from captioner.review.tui.look import Look
from captioner.review.tui.palette import THEMES
from captioner.review.tui.screens.asking import QUESTIONS, palette
from captioner.review.tui.screens.outside import copied, in_editor

if TYPE_CHECKING:
    from captioner.review.tui.screens.review import ReviewScreen

Doing = Callable[[], None]
SEEK = 0.1
STEP = 10
"""Milliseconds of one step of an edge."""


def own_actions(screen: ReviewScreen) -> dict[str, Doing]:
    """Action id -> what to call."""
    edges = {
        f"{edge}-{way}{far}": partial(screen.trim.step, edge, sign * STEP * times)
        for edge in ("start", "end")
        for way, sign in (("earlier", -1), ("later", 1))
        for far, times in (("", 1), ("-far", 5))
    }
    return {
        **edges,
        **hearing_actions(screen),
        **{f"field-{number}": partial(screen.edit.begin, number - 1) for number in range(1, 10)},
        **{name: partial(question, screen) for name, question in QUESTIONS.items()},
        "edit": partial(screen.edit.begin, 0),
        "editor": partial(edit_outside, screen),
        "waveform": partial(flip, screen, "wave"),
        "spectrogram": partial(flip, screen, "spectrogram"),
        "diff": partial(flip, screen, "diff"),
        "copy-text": partial(copy, screen, "caption"),
        "copy-path": partial(copy, screen, "path"),
        "theme": partial(next_theme, screen),
        "trim": screen.trim.begin,
        "keep-trim": screen.trim.enter,
        "leave-trim": screen.trim.leave,
        "open": partial(open_clip, screen),
        "palette": partial(palette, screen),
        "help": partial(show_help, screen, True),
        "close-help": partial(show_help, screen, False),
        "quit": partial(leave, screen, "write"),
        "leave": partial(leave, screen, "leave"),
        "keep-field": screen.edit.keep_and_stay,
        "next-field": partial(screen.edit.step, 1),
        "previous-field": partial(screen.edit.step, -1),
        "leave-field": screen.edit.close,
        "answer": screen.asking.enter,
        "next-answer": partial(screen.asking.next_answer),
        "cancel": screen.asking.end,
    }


def hearing_actions(screen: ReviewScreen) -> dict[str, Doing]:
    sound, hearing = screen.sound, screen.sound.hearing
    return {
        "play": partial(sound.play, hearing.toggle),
        "replay": partial(sound.play, hearing.replay),
        "seek-back": partial(sound.play, partial(hearing.seek, -SEEK)),
        "seek-on": partial(sound.play, partial(hearing.seek, SEEK)),
        "seek-back-far": partial(sound.play, partial(hearing.seek, -5 * SEEK)),
        "seek-on-far": partial(sound.play, partial(hearing.seek, 5 * SEEK)),
        "slower": partial(sound.play, hearing.slower),
        "faster": partial(sound.play, hearing.faster),
        "normal-speed": partial(sound.play, hearing.at_speed),
        "loop": partial(switch, screen, "loop"),
        "autoplay": partial(switch, screen, "autoplay"),
        "open-tab": partial(open_tab, screen),
    }


def switch(screen: ReviewScreen, name: str) -> None:
    hearing = screen.sound.hearing
    setattr(hearing, name, not getattr(hearing, name))
    screen.say(f"{name} {'on' if getattr(hearing, name) else 'off'}")
    screen.sound.changed()


def open_tab(screen: ReviewScreen) -> None:
    screen.sound.ensure()
    status = screen.sound.hearing.open_tab()
    screen.say(f"{status.text}: {status.hint}" if status.hint else status.text)


def flip(screen: ReviewScreen, name: str) -> None:
    """Waveform, spectrogram or difference on or off."""
    if name == "diff":
        screen.diff = not screen.diff
    elif name == "wave":
        screen.waves = not screen.waves
    else:
        screen.waves = True
        screen.sound.spectrogram = not screen.sound.spectrogram
    screen.paint_detail()


def copy(screen: ReviewScreen, what: str) -> None:
    clip = screen.read.clip()
    if clip is None:
        return
    text = clip.caption if what == "caption" else clip.path
    screen.app.send_raw(copied(text))
    screen.say(f"copied: {text}")


def next_theme(screen: ReviewScreen) -> None:
    name = THEMES[(THEMES.index(screen.look.name) + 1) % len(THEMES)]
    screen.wear(Look(name, ascii_only=screen.look.ascii_only))
    screen.say(f"theme {name}")


def open_clip(screen: ReviewScreen) -> None:
    screen.opened = not screen.opened
    screen.lay_out_again()


def show_help(screen: ReviewScreen, on: bool) -> None:
    screen.helping, screen.help_page = on, 0
    screen.lay_out_again()


def leave(screen: ReviewScreen, how: str) -> None:
    screen.app.exit(how)


def edit_outside(screen: ReviewScreen) -> None:
    """The clip's fields in the person's own editor, which has the terminal meanwhile."""
    clip = screen.read.clip()
    if clip is None:
        return
    fields = [(field.name, field.value) for field in clip.fields]
    with screen.app.terminal_given():
        changed = in_editor(clip.id, fields, screen.app.environ)
    for name, text in changed.items():
        if screen.dispatch.do("set-field", clip=clip.id, field=name, text=text) is None:
            return
    screen.say(f"{len(changed)} field{'s' * (len(changed) != 1)} changed in the editor")
