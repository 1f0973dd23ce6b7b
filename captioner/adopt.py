"""What stands beside a clip that is cut already, taken over: captions, subtitles, labels, turns, words."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from captioner.captions.adopt import bare_words, spoken_in
from captioner.captions.nonverbal import without_sounds
from captioner.errors import BadFormat
from captioner.formats import audacity, ctm, rttm, srt, vtt
from captioner.formats.cues import Cue
from captioner.speech.cues import words_of_cues
from captioner.types import Cut, Doubt, Turn, Word


@dataclass(frozen=True, slots=True)
class Adopted:
    """Contents of the files beside a source; None where there is no such file."""

    caption: str | None = None
    turns: tuple[Turn, ...] | None = None
    words: tuple[Word, ...] | None = None
    cues: tuple[Cue, ...] | None = None


def find_adopted(path: Path, *, keep_cuts: bool) -> Adopted:
    """Reads the files that share the source's stem. Only for `keep_cuts`: raw material has no captions of its own.

    Raises BadFormat naming the file and the row.
    """
    if not keep_cuts:
        return Adopted()
    turns = words = cues = None
    if (text := _text(path, ".rttm")) is not None:
        turns = tuple(sorted(turn for found in rttm.parse(text, _origin(path, ".rttm")).values() for turn in found))
    if (text := _text(path, ".ctm")) is not None:
        words = tuple(word for found in ctm.parse(text, _origin(path, ".ctm")).values() for word in found)
    if (text := _text(path, ".srt")) is not None:
        cues = tuple(srt.parse(text, _origin(path, ".srt")))
    elif (text := _text(path, ".vtt")) is not None:
        cues = tuple(vtt.parse(text, _origin(path, ".vtt")))
    caption = _text(path, ".txt")
    if caption is not None and _is_labels(caption):
        cues, caption = tuple(audacity.parse(caption, _origin(path, ".txt"))), None
    return Adopted(_one_line(caption), turns, words, cues)


def _origin(path: Path, suffix: str) -> str:
    return str(path.with_suffix(suffix))


def _text(path: Path, suffix: str) -> str | None:
    try:
        return path.with_suffix(suffix).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise BadFormat(
            f"{path.with_suffix(suffix)}: cannot be read as UTF-8 text ({error}); save it as UTF-8"
        ) from error


def _is_labels(text: str) -> bool:
    """Audacity exports label tracks as .txt: every row begins with two numbers and tabs."""
    rows = [line.split("\t") for line in text.splitlines() if line.strip() and not line.startswith("\\")]
    return bool(rows) and all(len(row) >= 2 and _is_number(row[0]) and _is_number(row[1]) for row in rows)


def _is_number(text: str) -> bool:
    return text.strip().replace(",", ".").replace(".", "", 1).isdigit()


def _one_line(text: str | None) -> str | None:
    if text is None:
        return None
    shown = "".join(mark if unicodedata.category(mark) != "Cc" else " " for mark in text)
    return " ".join(shown.split()) or None


def adopt_turns(adopted: Adopted, turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The user's own turns where there are any."""
    return adopted.turns if adopted.turns is not None else tuple(turns)


def adopt_words(adopted: Adopted, heard: Sequence[Word]) -> tuple[Word, ...]:
    """The user's own words where there are any: CTM as it is, subtitles timed by what was heard."""
    if adopted.words is not None:
        return adopted.words
    if adopted.cues:
        return tuple(words_of_cues(adopted.cues, heard))
    return tuple(heard)


def adopted_doubts(adopted: Adopted, cut: Cut) -> Cut:
    """The cut, doubted where its adopted caption quotes other words than are heard in it."""
    quoted = spoken_in(adopted.caption) if adopted.caption else None
    if quoted is None or bare_words(quoted) == bare_words(without_sounds(cut.text)):
        return cut
    detail = f'the caption beside the clip says "{quoted}", heard is "{cut.text}"'
    return replace(cut, doubts=(*cut.doubts, Doubt("caption-differs", detail, cut.span)))
