"""The look as Rich and Textual want it: styles by role, strips from pieces, and a theme for the one text editor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.theme import Theme

from captioner.review.tui.palette import LOOKS, glyphs, spec
from captioner.review.tui.rows import Piece, fit, width_of


class Look:
    """One theme with its signs. Reads the tables of `palette`; every widget asks it and nothing else for a colour."""

    def __init__(self, name: str, *, ascii_only: bool = False) -> None:
        self.name = name
        self.ascii_only = ascii_only
        self.glyphs = glyphs(ascii_only=ascii_only)

    @property
    def plain(self) -> bool:
        """Whether pictures are drawn with signs and not with colours."""
        return self.ascii_only or self.name == "mono"

    def style(self, role: str) -> Style:
        return _style(self.name, role)

    def strip(self, pieces: Iterable[Piece], width: int, fill: str = "text") -> Strip:
        """Pieces as a line of exactly `width` cells, the rest filled in the role `fill`; what is too long is cut."""
        segments: list[Segment] = []
        left = width
        for text, role in pieces:
            if not text or left <= 0:
                continue
            cells = len(text) if text.isascii() else cell_len(text)
            if cells > left:
                text, cells = (fit(text, left), left) if text.isascii() else (set_cell_size(text, left), left)
            style = self.style(role)
            if segments and segments[-1].style is style:
                text = segments.pop().text + text
            segments.append(Segment(text, style))
            left -= cells
        if left > 0:
            segments.append(Segment(" " * left, self.style(fill)))
        return Strip(segments, width)

    def blank(self, width: int) -> Strip:
        return self.strip((), width)

    def role_of(self, style: Style | None) -> str:
        """The role that a style was made for, for tests; "" where it is none of ours."""
        return next((role for role in LOOKS[self.name] if role and self.style(role) == style), "")

    def theme(self) -> Theme:
        """The same colours for the widgets that Textual draws itself."""
        back, front = self._hex("text", back=True), self._hex("text")
        return Theme(
            name=f"captioner-{self.name}",
            primary=self._hex("accent"),
            foreground=front,
            background=back,
            surface=self._hex("editor", back=True),
            panel=back,
            dark=self.name != "light",
            ansi=True,
            variables={
                "input-selection-background": self._hex("marked", back=True),
                "block-cursor-foreground": back if self.name != "mono" else "ansi_default",
                "ansi-background": back,
            },
        )

    def _hex(self, role: str, *, back: bool = False) -> str:
        _, fore, ground = spec(self.name, role)
        number = ground if back else fore
        if not number:
            return "ansi_default"
        return Color.parse(f"color({number})").get_truecolor().hex


@lru_cache(512)
def _style(name: str, role: str) -> Style:
    letters, fore, back = spec(name, role)
    return Style(
        color=f"color({fore})" if fore else None,
        bgcolor=f"color({back})" if back else None,
        bold="b" in letters or None,
        dim="d" in letters or None,
        italic="i" in letters or None,
        underline="u" in letters or None,
        reverse="r" in letters or None,
    )


def wrap(pieces: Sequence[Piece], width: int, most: int, cut: str) -> list[list[Piece]]:
    """Pieces broken at blanks into lines of at most `width` cells and at most `most` of them; the last says that it
    was cut. A word longer than a line is broken anywhere."""
    lines: list[list[Piece]] = [[]]
    used = 0
    for text, role in pieces:
        for token in _tokens(text):
            bare = token.rstrip(" ")
            if used and used + width_of(bare) > width:
                lines.append([])
                used = 0
            while width_of(bare) > width:
                head = fit(token, width).rstrip(" ") or token[:1]
                lines[-1].append((head, role))
                lines.append([])
                token = token[len(head) :]
                bare = token.rstrip(" ")
            lines[-1].append((token, role))
            used += width_of(token)
    while len(lines) > 1 and not lines[-1]:
        lines.pop()
    if len(lines) > most:
        lines = lines[:most]
        last = [piece for piece in lines[-1] if piece[0]]
        room = width - width_of(cut)
        kept: list[Piece] = []
        for text, role in last:
            if room <= 0:
                break
            kept.append((fit(text, min(width_of(text), room)), role))
            room -= width_of(text)
        lines[-1] = [*kept, (cut, "faint")]
    return lines


def _tokens(text: str) -> list[str]:
    """Words with the blanks that follow them."""
    found: list[str] = []
    word = ""
    for letter in text:
        if word.endswith(" ") and letter != " ":
            found.append(word)
            word = ""
        word += letter
    return [*found, word] if word else found
