"""The exported page: one static HTML file in which clips are heard, read and decided on. Pure but for its own assets.

It needs no network and no server; what is filled in is saved as a JSON file that `captioner decide` takes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from captioner.review.drawing import steps
from captioner.review.labels import label_of
from captioner.review.sheetfile import ClipRecord

WAVE = 160
"""Steps of a drawn waveform."""

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src data:; media-src data: file: 'self'">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body data-dataset="{dataset}">
<header>
<h1>{title}</h1>
<p>{count}. Listen, correct what is wrong, decide, then press Save decisions and hand the file to whoever runs
<code>captioner decide FILE --out OUT</code>. Nothing leaves this page by itself.</p>
</header>
<main>
"""
_FOOT = """</main>
<footer><button type="button" id="save">Save decisions</button> <span id="status" role="status"></span></footer>
<script>{script}</script>
</body>
</html>
"""
_CHOICES = (("approved", "Approve"), ("rejected", "Reject"), ("flagged", "Flag"), ("todo", "To do"))


@dataclass(frozen=True, slots=True)
class SheetClip:
    """A clip with what is heard and seen of it."""

    record: ClipRecord
    number: int
    sound: str = ""
    """Address of its sound: `data:` or relative; empty where it cannot be had."""
    peaks: bytes = b""
    pictures: bytes = b""
    """JPEG; empty for sound alone."""
    findings: tuple[str, ...] = ()
    trouble: str = ""
    """Why it cannot be heard."""


def page(clips: Iterable[SheetClip], dataset: str, total: int) -> Iterable[str]:
    """The page in pieces, so that a large one is never whole in memory."""
    folder = Path(__file__).parent / "sheet_page"
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("sheet.css", "sheet.js"))
    count = f"{total} clip{'' if total == 1 else 's'}"
    title = f"{dataset}: {count} to review" if dataset else f"{count} to review"
    yield _HEAD.format(title=escape(title), style=style, dataset=escape(dataset), count=count)
    for clip in clips:
        yield article(clip)
    yield _FOOT.format(script=script)


def article(clip: SheetClip) -> str:
    record, told = clip.record, clip.record.told
    where = ", ".join(told[name] for name in ("recording", "begins", "speaker") if told.get(name))
    lines = [
        f'<article id="{escape(record.clip)}" data-decision="{escape(_shown(record.decision))}"'
        f' data-reason="{escape(record.reason)}" data-was="{escape(json.dumps(record.was()))}">',
        f"<h2>{clip.number}. {escape(record.clip)}<br><small>{escape(where)}</small></h2>",
        f'<div class="seen">{_picture(clip.pictures, record.clip)}{wave(clip.peaks, record.clip)}</div>',
        _sound(clip),
        f"<blockquote>{escape(told.get('caption', ''))}</blockquote>",
    ]
    if clip.findings:
        lines.append(f"<ul>{''.join(f'<li>{escape(one)}</li>' for one in clip.findings)}</ul>")
    for name, text in record.fields.items():
        lines.append(
            f"<label>{escape(label_of(name))}\n"  # a line break behind the tag would be taken for the text's first
            f'<textarea name="{escape(name)}" rows="1" spellcheck="true">\n{escape(text)}</textarea></label>'
        )
    lines += [_decision(record), "</article>\n"]
    return "\n".join(lines)


def _decision(record: ClipRecord) -> str:
    name = escape(f"decision-{record.clip}")
    choices = "".join(
        f'<label><input type="radio" name="{name}" value="{value}"{" checked" * (value == _shown(record.decision))}> '
        f"{title}</label>"
        for value, title in _CHOICES
    )
    reason = f'<label>Reason or note\n<input class="reason" type="text" value="{escape(record.reason)}"></label>'
    return f"<fieldset><legend>Decision</legend>{choices}</fieldset>{reason}"


def _shown(state: str) -> str:
    """An edited clip is still to be decided on."""
    return "todo" if state == "edited" else state


def _sound(clip: SheetClip) -> str:
    if not clip.sound:
        return f"<p>Cannot be heard: {escape(clip.trouble)}</p>"
    name = f"Sound of {escape(clip.record.clip)}"
    return f'<audio controls preload="none" src="{escape(clip.sound)}" aria-label="{name}"></audio>'


def _picture(jpeg: bytes, clip: str) -> str:
    if not jpeg:
        return ""
    data = base64.b64encode(jpeg).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="Three pictures of {escape(clip)}">'


def wave(peaks: bytes, clip: str) -> str:
    """The waveform as an SVG path: up along the greatest samples, back along the least."""
    drawn = steps(peaks, WAVE)
    if not drawn:
        return ""
    full = max(8, *(max(-low, high) for low, high in drawn))
    upper = [f"{x} {50 - round(high * 48 / full) - 1}" for x, (_, high) in enumerate(drawn)]
    lower = [f"{x} {50 - round(low * 48 / full) + 1}" for x, (low, _) in reversed(list(enumerate(drawn)))]
    path = "M" + "L".join([*upper, *lower]) + "Z"
    return (
        f'<svg class="wave" viewBox="0 0 {WAVE - 1} 100" preserveAspectRatio="none" role="img" '
        f'aria-label="Waveform of {escape(clip)}"><path d="{path}"/></svg>'
    )
