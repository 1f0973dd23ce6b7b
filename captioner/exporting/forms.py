"""Exports that no loader stands behind: a folder as Hugging Face's `datasets` reads it, subtitles, turns, words, tiers.

Times are seconds in the clip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from captioner.exporting.dataset import Clip
from captioner.formats import ctm, rttm, srt
from captioner.formats.cues import Cue
from captioner.formats.textgrid import Tier, serialize
from captioner.times import Span
from captioner.trainers._files import Entry, as_jsonl
from captioner.types import Cut, Turn, Word

NOBODY = "unknown"
"""What a speaker that is not known is called where the format wants a name."""


def metadata(entries: Sequence[Entry], folder: str) -> str:
    """`metadata.jsonl` of a folder: one row a clip."""
    rows = [
        {
            "file_name": entry.place.removeprefix(f"{folder}/"),
            "text": entry.caption,
            "speaker": entry.speaker,
            "seconds": round(float(entry.facts.duration), 3),
        }
        for entry in entries
    ]
    return as_jsonl(rows)


def _within(cut: Cut, span: Span) -> Span:
    """A span on the recording's clock, in the clip."""
    begin, end = float(cut.start / cut.rate), float((cut.start + cut.frames) / cut.rate)
    return Span.at(max(span.start, begin) - begin, max(span.start, begin, min(span.end, end)) - begin)


def _words(clip: Clip) -> list[Word]:
    return [word for line in clip.cut.lines for word in line.words]


def _name(text: str) -> str:
    return "_".join(text.split()) or NOBODY


def as_srt(clip: Clip) -> str:
    """One subtitle a line."""
    lines = [line for line in clip.cut.lines if line.words]
    return srt.serialize([Cue(_within(clip.cut, line.span), line.text, line.speaker) for line in lines])


def as_rttm(clip: Clip) -> str:
    lines = [line for line in clip.cut.lines if line.words]
    turns = [Turn(_within(clip.cut, line.span), _name(line.speaker or NOBODY)) for line in lines]
    return rttm.serialize({clip.id: turns})


def as_ctm(clip: Clip) -> str:
    words = [
        Word(
            _name(word.text), _within(clip.cut, word.span), word.probability,
            _name(word.speaker) if word.speaker else None,
        )
        for word in _words(clip)
    ]  # fmt: skip
    return ctm.serialize({clip.id: words})


def as_textgrid(clip: Clip) -> str:
    """Three tiers: words, lines, speakers."""
    lines = [line for line in clip.cut.lines if line.words]
    tiers = [
        Tier("words", tuple((_within(clip.cut, word.span), word.text) for word in _words(clip))),
        Tier("lines", tuple((_within(clip.cut, line.span), line.text) for line in lines)),
        Tier("speakers", tuple((_within(clip.cut, line.span), line.speaker or NOBODY) for line in lines)),
    ]
    return serialize(tiers, float(clip.facts.duration))


FORMS: Mapping[str, tuple[str, Callable[[Clip], str]]] = {
    "srt": (".srt", as_srt),
    "rttm": (".rttm", as_rttm),
    "ctm": (".ctm", as_ctm),
    "textgrid": (".TextGrid", as_textgrid),
}
"""Name -> suffix, and what it makes of a clip."""
