"""Writes `captions_<dialect>.txt`: the captions of made Cuts, each under its name. Read them before you commit them.

python -m tests.goldens.make_captions
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from captioner.captions.compose import CaptionSettings, compose
from captioner.captions.nonverbal import STYLE
from captioner.captions.template import parse_template
from captioner.measures import Scene, Tag, Voice
from captioner.templates_io import find_template, shipped_templates
from captioner.times import Span
from captioner.types import Cut, Line, Word

SAID = "I think we should start again from the beginning."
ARABIC = (
    "\u0635\u0628\u0627\u062d \u0627\u0644\u062e\u064a\u0631\u060c \u0643\u064a\u0641 \u062d\u0627\u0644\u0643\u061f"
)
JAPANESE = "\u306f\u3058\u3081\u307e\u3057\u3066\u3002 \u79c1\u306f \u30a8\u30de \u3067\u3059\u3002"
GENTLE = Voice(level=-45.0, pitch=190.0, pitch_spread=5.0, rate=3.0)
ROOM = Scene(noise=-62.0, snr=30.0, speech=True, singing=False, music=False, swing=1.0)
SONG = Scene(noise=-30.0, snr=15.0, speech=False, singing=True, music=True)
BARE = CaptionSettings("ema_voice")
EMA = CaptionSettings(
    "ema_voice", subject="a young woman", place="in a quiet indoor room", visual="She sits by a window"
)


def made_cut(text: str, scene: Scene = ROOM, voice: Voice = GENTLE, language: str | None = "en") -> Cut:
    """A cut of 121 frames in which each word of `text` takes 0.2 s and each gap 0.1 s, from 1 s of the recording on."""
    said = enumerate(text.split(" ") if text else ())
    words = tuple(Word(word, Span.at(1 + n * 0.3, 1.2 + n * 0.3)) for n, word in said)
    lines = (Line(words, "SPEAKER_00"),) if words else ()
    return Cut("talk", 24, 121, Fraction(24), lines, voice, scene, language=language)


def heard(label: str, start: float = 0.5, end: float = 1.5, score: float = 0.9) -> Tag:
    return Tag(label, Span(start, end), score)


def cases() -> Iterator[tuple[str, Cut, CaptionSettings]]:
    """What it shows, the Cut, what a person said."""
    nothing = made_cut("bin blue at F two now", Scene(), Voice(), None)
    yield "all known", made_cut(SAID), EMA
    yield "nothing known but the words", nothing, BARE
    yield "no picture described", made_cut(SAID), replace(EMA, visual=None)
    yield "no place", made_cut(SAID), replace(EMA, place=None, visual=None)
    yield "an ordinary voice", made_cut(SAID, ROOM, Voice()), EMA
    yield "no sounds known", made_cut(SAID, Scene()), EMA
    yield "nobody described", made_cut(SAID), BARE
    yield "music in the background", made_cut(SAID, replace(ROOM, music=True)), EMA
    yield "sounds around", made_cut(SAID, replace(ROOM, events=(heard("Dog"), heard("Rain", 0, 5)))), EMA
    yield "nobody speaks", made_cut("", Scene(noise=-40.0, speech=False, music=False), Voice()), EMA
    yield "nobody speaks and nothing is known", made_cut("", Scene(), Voice(), None), BARE
    yield (
        "nobody speaks, a picture is described",
        made_cut("", Scene(), Voice()),
        replace(EMA, subject=None, place=None),
    )
    yield "singing", made_cut("Row, row, row your boat", SONG), EMA
    yield "singing in French", made_cut("Sur le pont d'Avignon", SONG, language="fr"), EMA
    yield "French", made_cut("Je pense que nous devrions tout recommencer, non ?", language="fr"), EMA
    yield "French, nothing else known", made_cut("Bonjour \u00e0 tous", Scene(), Voice(), "fr"), BARE
    yield "Arabic", made_cut(ARABIC, language="ar"), EMA
    yield "Japanese", made_cut(JAPANESE, language="ja"), EMA
    yield "a language without a name", made_cut("Saluton, amikoj!", language="eo"), EMA
    yield "quotes", made_cut('He said "go" to me, \u201cnow\u201d, and \u2018left\u2019.'), EMA
    yield "marks", made_cut("Wait... what?! NO WAY -- 1,000 of 3.5 [sic] \U0001f600 \u266a !!"), EMA
    yield "a question", made_cut("Why not?"), EMA
    yield "unfinished", made_cut("so, what I,"), EMA
    yield "long", made_cut(" ".join([SAID] * 4)), EMA
    laughing = replace(ROOM, events=(heard("Laughter", 0.85, 1.05), heard("Sigh", 4.5, 5.0)))
    yield "non-verbal sounds, not asked for", made_cut(SAID, laughing), EMA
    yield "non-verbal sounds", made_cut(SAID, laughing), replace(EMA, nonverbal=STYLE)
    yield "written text answered", made_cut(SAID), replace(EMA, answers={"text": "EXIT"})


def lines(dialect: str) -> list[str]:
    """The name of each case and its caption."""
    template = parse_template(*find_template(dialect))
    made = []
    for title, cut, settings in cases():
        said = replace(settings, nonverbal=template.nonverbal if settings.nonverbal else "")
        made += [f"# {title}", compose(cut, said, template).text, ""]
    return made[:-1]


def golden(dialect: str) -> Path:
    return Path(__file__).parent / f"captions_{dialect}.txt"


if __name__ == "__main__":
    for name in shipped_templates():
        golden(name).write_text("\n".join(lines(name)) + "\n", encoding="utf-8", newline="\n")
