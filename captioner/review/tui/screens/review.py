"""The one screen: it reads the desk, draws, and turns keys into actions. It holds nothing of the dataset itself."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.css.query import NoMatches
from textual.screen import Screen

from captioner.review.keymap import Keymap
from captioner.review.tui.layout import Layout, layout, top_of
from captioner.review.tui.look import Look
from captioner.review.tui.pane import Pane
from captioner.review.tui.screens.dispatch import Dispatch
from captioner.review.tui.screens.editing import FieldEdit
from captioner.review.tui.screens.prompting import Prompting
from captioner.review.tui.screens.reading import Reading
from captioner.review.tui.screens.settling import Settling
from captioner.review.tui.screens.sounding import Sounding
from captioner.review.tui.screens.trimming import Trim
from captioner.review.tui.views import ClipView, Drawn, TrimView
from captioner.review.tui.widgets.cliplist import ClipList
from captioner.review.tui.widgets.detail import Detail, draw_detail, picture_lines
from captioner.review.tui.widgets.editor import Editor
from captioner.review.tui.widgets.help import help_pages
from captioner.review.tui.widgets.prompt import Prompt
from captioner.review.tui.widgets.statusbar import key_bar, status_lines, title_bar

if TYPE_CHECKING:
    from captioner.review.desk import Desk
    from captioner.review.hearing import Hearing
    from captioner.review.tui.app import ReviewApp


class ReviewScreen(Screen[None], inherit_bindings=False):
    app: ReviewApp

    def __init__(self, desk: Desk, hearing: Hearing, look: Look, keys: Keymap) -> None:
        super().__init__(id="review")
        self.look = look
        self.read = Reading(desk, keys)
        self.sound = Sounding(hearing, self.read.piece, self.paint_sound, self.read.warm)
        self.top = 0
        self.opened = False
        """On a narrow screen: whether the clip is shown and not the list."""
        self.diff = False
        self.waves = True
        self.helping = False
        self.help_page = 0
        self.message = ("", "")
        """What the status line says, and whether it is `error`, `warn` or nothing of the kind."""
        self.drawn = Drawn(())
        self._due = False
        """Whether panes have other sizes than what they show was made for."""
        self.edit = FieldEdit(self)
        self.trim = Trim(self)
        self.asking = Prompting(self)
        self.settling = Settling(self)
        self.dispatch = Dispatch(self)

    def compose(self) -> ComposeResult:
        yield Pane(id="title")
        with Horizontal(id="body"):
            yield ClipList()
            yield Pane(id="rule")
            yield Detail(id="detail")
        yield Prompt(self.look)
        yield Pane(id="status")
        yield Pane(id="keys")
        yield Editor(self.look, id="field")
        yield Pane(id="help")

    def on_mount(self) -> None:
        self.sound.attach()
        self.sound.moved()
        self.message = self.read.greeting
        self.lay_out()
        self.call_after_refresh(self._stands)

    def _stands(self) -> None:
        self.paint()
        self.app.open_keys()
        self.sound.begin()
        self.settling.begin()

    # -- where things stand ------------------------------------------------------------------------------------------

    @property
    def plan(self) -> Layout:
        width, height = self.size
        return layout(width, height, opened=self.opened, panel=self.prompt.taken)

    @property
    def prompt(self) -> Prompt:
        return self.query_one(Prompt)

    def on_resize(self, _event: events.Resize) -> None:
        self.lay_out()

    def on_pane_resized(self) -> None:
        if not self._due:
            self._due = True
            self.call_next(self.paint)

    def lay_out(self) -> None:
        """Give every pane its place; only a new size, a prompt, or the narrow screen's other side needs it."""
        plan = self.plan
        listed, detail = self.query_one("#list"), self.query_one("#detail")
        listed.display, detail.display = bool(plan.list_width), bool(plan.detail_width)
        self.query_one("#rule").display = plan.wide
        listed.styles.width = plan.list_width or "1fr"
        self.prompt.lay_out()
        self.query_one("#help").display = self.helping

    def lay_out_again(self) -> None:
        self.lay_out()
        self.call_after_refresh(self.paint)

    # -- painting ----------------------------------------------------------------------------------------------------

    def paint(self) -> None:
        """Everything; what has not changed costs nothing on the wire."""
        self._due = False
        self.paint_list()
        self.paint_detail()
        self.paint_bars()
        self.prompt.draw()
        self.edit.editor.draw()
        if self.helping:
            pane = self.query_one("#help", Pane)
            pages = help_pages(self.read.groups, self.look, *pane.size)
            pane.show(pages[self.help_page % len(pages)])

    def paint_list(self) -> None:
        pane = self.query_one(ClipList)
        if not pane.display or not pane.size.width:
            return
        rows = max(pane.size.height - 1, 1)
        self.top = top_of(self.read.cursor, self.top, rows, self.read.shown)
        page = self.read.rows(self.top, rows)
        pane.draw(page, self.read.cursor - self.top, self.read.shown, self.read.total, self.look, self.read.empty)
        if self.plan.wide:
            rule = self.query_one("#rule", Pane)
            rule.show([self.look.strip([(self.look.glyphs.rule, "faint")], 1)] * rule.size.height)

    def paint_detail(self) -> None:
        pane = self.query_one("#detail", Detail)
        width, height = pane.size
        if not pane.display or width < 2 or height < 2:
            return
        clip = self.read.clip()
        if clip is None:
            pane.show([self.look.blank(width)] * height)
            return
        drawn = self._draw(clip, width, height, self.trim.view())
        if self.sound.resting:
            drawn = replace(drawn, lines=drawn.held(self.drawn))
        self.drawn = drawn
        pane.show(drawn.lines)
        self.edit.place()

    def _draw(self, clip: ClipView, width: int, height: int, trim: TrimView | None) -> Drawn:
        self.sound.fit(width // 3 - 2, picture_lines(height) * 2)
        media = partial(self.sound.media_view, self.look, width)
        reserve = self.edit.reserve(width)
        return draw_detail(
            clip,
            media,
            self.sound.play_view(),
            self.look,
            width,
            height,
            diff=self.diff,
            trim=trim,
            reserve=reserve,
            waves=self.waves,
        )

    def paint_sound(self) -> None:
        """What the player or the decoder may have changed."""
        with suppress(NoMatches):  # before it stands, and while it is taken down
            self.paint_detail()
            self.paint_bars()

    def paint_bars(self) -> None:
        width, look, read = self.size.width, self.look, self.read
        stats = read.stats
        title = title_bar(read.name, read.query, stats.done, stats.total, stats.rate, width, look.glyphs)
        self.query_one("#title", Pane).show([look.strip(title, width, "bar")])
        text, kind = self.message
        sound = self.sound.told if not text else "" if kind else self.sound.short
        told, rest = status_lines(self.dispatch.state, text.replace(f"{read.folder}/", ""), kind, sound, width)
        self.query_one("#status", Pane).show([look.strip(told, width, "bar")])
        below = rest or key_bar(self.dispatch.hints(), width)
        self.query_one("#keys", Pane).show([look.strip(below, width, "bar" if rest else "text")])

    def say(self, text: str, kind: str = "") -> None:
        self.message = (text, kind)
        self.paint_bars()

    # -- events ------------------------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        self.dispatch.key(event.key, event.character if event.is_printable else None)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self.dispatch.paste(event.text)

    def on_clip_list_picked(self, message: ClipList.Picked) -> None:
        self.dispatch.pick(self.top + message.place)

    def on_clip_list_rolled(self, message: ClipList.Rolled) -> None:
        self.dispatch.pick(self.read.cursor + message.rows)

    def on_detail_pressed(self, message: Detail.Pressed) -> None:
        self.dispatch.press(message.x, message.y)

    def on_editor_typed(self, message: Editor.Typed) -> None:
        message.stop()
        if message.editor.id == "field":
            self.edit.grown()
        else:
            self.asking.changed()

    def wear(self, look: Look) -> None:
        """Take another look."""
        self.look = self.prompt.look = look
        for number in (0, 1):
            self.prompt.editor(number).look = look
        self.edit.editor.look = look
        self.app.wear(look)
        self.paint()

    def keep_typed(self) -> None:
        """Nothing typed is lost: what stands in an open editor is committed."""
        self.edit.keep()

    def on_unmount(self) -> None:
        self.sound.close()
