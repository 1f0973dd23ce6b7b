"""What the screen reads of the desk, as values that are drawn; the only part that knows how the desk keeps them."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from captioner.review.actions import Action, State
from captioner.review.keymap import Keymap
from captioner.review.labels import label_of
from captioner.review.tui.rows import Row
from captioner.review.tui.views import ClipView, TrimView
from captioner.review.tui.widgets.fields import FieldLine, Finding
from captioner.review.tui.widgets.help import Group
from captioner.review.tui.widgets.wave import Spoken

if TYPE_CHECKING:
    from captioner.review.desk import Desk
    from captioner.review.items import Item
    from captioner.review.outcome import Outcome, Stats
    from captioner.review.replacing import Preview
    from captioner.review.source import Card, Piece
    from captioner.rowtable import ClipLine

GROUPS = {
    "move": "Go", "decide": "Decide", "edit": "Edit", "hear": "Hear", "see": "See", "cut": "Cut", "find": "Find",
    "other": "And",
}  # fmt: skip
SHOWN_KEYS = {
    "left": "←", "right": "→", "up": "↑", "down": "↓", "escape": "esc", "pagedown": "pgdn", "pageup": "pgup",
}  # fmt: skip


def row_of(line: ClipLine, number: int, marked: bool) -> Row:
    speaker = line.speaker.replace("SPEAKER_", "#")
    errors = line.errors > 0
    return Row(number, line.status, speaker, line.seconds, line.trust, line.words, line.findings, errors, marked)


def clock(seconds: float) -> str:
    """A moment of a recording: `14:03.20`, `1:14:03.20`."""
    minutes, rest = divmod(round(seconds * 100), 6000)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}:{minutes:02}" if hours else f"{minutes}") + f":{rest / 100:05.2f}"


def view_of(item: Item, row: Row, *, has_picture: bool = False) -> ClipView:
    fields = tuple(
        FieldLine(str(number) if number < 10 else "", field.name, field.value, field.draft, field.edited)
        for number, field in enumerate(item.fields, 1)
    )
    notices = [("look", told) for told in item.notices]
    if item.conflict is not None:
        notices.append(("in file", item.conflict.found))
    saved = "written" if item.current else "written with other words" if item.written else "not written"
    return ClipView(
        row=row,
        id=item.id,
        source=f"{item.line.recording} {clock(item.begins)}-{clock(item.ends)}",
        words=tuple(Spoken(word.text, word.start, word.end, word.doubted) for word in item.words),
        fields=fields,
        findings=tuple(Finding(finding.error, finding.text) for finding in item.findings),
        caption=item.caption,
        file=PurePath(item.file).name,
        path=item.file,
        saved=saved,
        has_picture=has_picture,
        reason=item.status.reason,
        notices=tuple(notices),
    )


class Reading:
    """The desk as the screen sees it. What it hands out stays right until something is done."""

    def __init__(self, desk: Desk, keys: Keymap) -> None:
        self.desk = desk
        self._keys = keys.at
        self._actions = keys.actions
        self._view: ClipView | None = None
        self._page: tuple[tuple[int, int], list[Row]] | None = None
        self._stats: Stats | None = None
        self._pictures: dict[str, bool] = {}
        """Recording -> whether it has a picture."""

    def forget(self) -> None:
        """Something was done: what was read is old."""
        self._view = self._page = self._stats = None

    # -- the table of actions ----------------------------------------------------------------------------------------

    def action_for(self, state: State, key: str) -> str | None:
        return self._keys.get((state, key))

    def keys_for(self, action: str) -> tuple[str, ...]:
        """How a person reads the keys of an action, as they are mapped."""
        return tuple(SHOWN_KEYS.get(key, key) for (_, key), id_ in self._keys.items() if id_ == action)

    def hints(self, state: State) -> list[tuple[str, str]]:
        """Key and short title of what the footer shows, help at its end."""
        shown = [action for action in self._actions if state in action.states and action.short]
        shown.sort(key=lambda action: action.id == "help")
        return [(keys[0], action.short) for action in shown if (keys := self.keys_for(action.id))]

    @property
    def groups(self) -> list[Group]:
        def keys(action: Action) -> str:
            return " ".join(dict.fromkeys(self.keys_for(action.id))) or ":"

        fields = ("1-9", "edit a field by its number")
        made: list[Group] = []
        for name, title in GROUPS.items():
            entries = [
                (keys(action), action.title)
                for action in self._actions
                if action.group == name and not action.id.startswith("field-")
            ]
            made.append((title, [*entries, fields] if name == "edit" else entries))
        return made

    # -- the list ----------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.desk.out.resolve().name

    @property
    def folder(self) -> str:
        """As errors name it."""
        return str(self.desk.out)

    @property
    def cursor(self) -> int:
        return self.desk.session.cursor

    @property
    def place(self) -> tuple[str | None, str]:
        """The clip under the cursor and its cut: another one has to be heard and drawn anew."""
        return self.desk.session.clip, self.desk.session.query

    @property
    def shown(self) -> int:
        return len(self.desk.session.ids)

    @property
    def total(self) -> int:
        return self.desk.session.total

    @property
    def query(self) -> str:
        return self.desk.session.query

    @property
    def selecting(self) -> bool:
        return bool(self.desk.session.marked)

    @property
    def empty(self) -> str:
        return "no clip passes the filter; Esc shows all again" if self.query else "no clip came out of the build"

    @property
    def stats(self) -> Stats:
        if self._stats is None:
            self._stats = self.desk.stats
        return self._stats

    @property
    def greeting(self) -> tuple[str, str]:
        """What the status line says first."""
        return (f"read only: {self.desk.why}", "warn") if self.desk.read_only else ("", "")

    @property
    def rev(self) -> int:
        """Of the clip under the cursor: raised with every change of it."""
        page = self.desk.page(self.cursor, 1)
        return page[0].rev if page else 0

    def rows(self, first: int, count: int) -> list[Row]:
        if self._page is None or self._page[0] != (first, count):
            marked = self.desk.session.marked
            lines = self.desk.page(first, count)
            numbers = (
                [self.desk.number(line.id) for line in lines]
                if self.query
                else range(first + 1, first + 1 + len(lines))
            )
            made = [row_of(line, number, line.id in marked) for line, number in zip(lines, numbers, strict=True)]
            self._page = ((first, count), made)
        return self._page[1]

    def clip(self) -> ClipView | None:
        """The clip under the cursor; None where the list is empty."""
        id_ = self.desk.session.clip
        if id_ is None:
            return None
        if self._view is None or self._view.id != id_:
            item = self.desk.item()
            if item is None:
                return None
            row = row_of(item.line, item.number, id_ in self.desk.session.marked)
            self._view = view_of(item, row, has_picture=self._pictures.get(item.line.recording, False))
        return self._view

    @staticmethod
    def warm() -> None:
        """Load what `piece` needs; from any thread."""
        import captioner.review.pieces  # noqa: F401

    # -- doing -------------------------------------------------------------------------------------------------------

    def do(self, action: str, **given: Any) -> Outcome:
        """Raises a CaptionerError where it cannot be done; nothing was changed then."""
        outcome = self.desk.do(action, **given)
        if outcome.rows or outcome.everything:
            self.forget()
        return outcome

    def move_to(self, place: int) -> None:
        self.desk.do("go", place=place)

    # -- what an answer would do -------------------------------------------------------------------------------------

    def preview(self, find: str, instead: str) -> Preview:
        """What a replacement would do. Raises UsageError where it cannot be read."""
        marked = bool(self.desk.session.marked)
        return self.desk.replace_preview(find, instead, scope="marked" if marked else "shown")

    def naming(self, name: str) -> str:
        """What naming the speaker under the cursor would come to, in a sentence."""
        clip = self.clip()
        old = "" if clip is None else self.desk.page(self.cursor, 1)[0].speaker
        known = dict(self.desk.speakers())
        told = f"{known.get(old, 0)} clips of {old or 'nobody'} will be {name or 'nobody'}'s"
        return f"{told}, with the {known[name]} that are already" if name in known and name != old else told

    def plan_trim(self, start: int, end: int) -> TrimView:
        """What edges moved by so many milliseconds would make of the clip. Raises UsageError where it cannot be cut
        so."""
        plan = self.desk.plan_trim(None, start, end)
        return TrimView(plan.start, plan.end, plan.told)

    def hits(self, text: str) -> int:
        """Clips of the list that say a text."""
        return len(self.desk.store.rows.saying(list(self.desk.session.ids), text))

    def piece(self) -> tuple[Piece, Card] | None:
        """What is heard and seen of the clip under the cursor, and its words. Raises CaptionerError where its
        recording is gone."""
        from captioner.review.source import Card

        clip = self.clip()
        if clip is None:
            return None
        fields = tuple((label_of(field.name), field.value) for field in clip.fields)
        card = Card(clip.id, clip.source, fields, tuple(finding.text for finding in clip.findings))
        piece = self.desk.piece(clip.id)
        seen = piece.recording.has_picture
        if seen != self._pictures.get(piece.recording.name, False):
            self._pictures[piece.recording.name] = seen
            self._view = None
        return piece, card

    def count(self, query: str) -> int:
        """Clips that a filter would show. Raises QueryError where it cannot be read."""
        return len(self.desk.matching(query))
