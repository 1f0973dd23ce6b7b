"""Sounds of the mouth that are no words, written between the words where they are heard: "So, (laughs) no."

They are no words: whoever compares a caption's speech with what was said takes them out by `without_sounds` first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from captioner.measures import Tag
from captioner.scripts import spoken_text
from captioner.times import Span
from captioner.types import Cut, Word

SOUNDS = {
    "Laughter": "laughs",
    "Belly laugh": "laughs",
    "Giggle": "giggles",
    "Chuckle, chortle": "chuckles",
    "Snicker": "snickers",
    "Sigh": "sighs",
    "Gasp": "gasps",
    "Cough": "coughs",
    "Throat clearing": "clears throat",
    "Sneeze": "sneezes",
    "Sniff": "sniffs",
    "Snort": "snorts",
    "Hiccup": "hiccups",
    "Burping, eructation": "burps",
    "Crying, sobbing": "sobs",
    "Whimper": "whimpers",
    "Groan": "groans",
    "Grunt": "grunts",
    "Pant": "pants",
    "Wheeze": "wheezes",
    "Screaming": "screams",
    "Humming": "hums",
    "Whistling": "whistles",
}
"""AudioSet class -> what the speaker does. Breathing is everybody's, and shouts and whispers are manners of speech."""

OTHERS = frozenset(
    ("Applause", "Clapping", "Crowd", "Cheering", "Chatter", "Hubbub, speech noise, speech babble", "Children playing")
)
"""Classes that mean other people: a laugh beside them may be theirs, and is not given to the speaker."""

STYLE = "({})"

_WRITTEN = re.compile(rf"\s*\((?:{'|'.join(sorted(set(SOUNDS.values())))})\)")


def without_sounds(speech: str) -> str:
    """The words of a caption's speech alone."""
    return _WRITTEN.sub("", speech).strip()


def text_with_sounds(cut: Cut, style: str) -> str:
    """The words of a cut with its sounds between them, each written by `style`, such as `({})`."""
    words = [word for line in cut.lines for word in line.words]
    places = _places(words, cut)
    pieces: list[str] = []
    for number, word in enumerate([*words, None]):
        pieces += [style.format(sound) for sound in places.get(number, ())]
        if word is not None:
            pieces.append(word.text)
    return spoken_text(pieces)


def _places(words: Sequence[Word], cut: Cut) -> dict[int, list[str]]:
    """Number of the word before which they stand -> sounds, in order."""
    found: dict[int, list[str]] = {}
    if not words:
        return found
    for sound, span in sorted(_heard(cut), key=lambda one: one[1].start):
        place = _place(words, span, cut.span)
        if sound not in found.setdefault(place, []):
            found[place].append(sound)
    return found


def _heard(cut: Cut) -> Iterable[tuple[str, Span]]:
    """The speaker's sounds with their spans on the recording's clock; of a kind and its parent the kind."""
    origin = cut.span.start
    events = cut.scene.events
    crowd = [tag.span for tag in events if tag.label in OTHERS]
    own = [tag for tag in events if tag.label in SOUNDS and not any(tag.span.overlap(other) > 0 for other in crowd)]
    for tag in own:
        if tag.label != "Laughter" or not any(_finer(other, tag) for other in own):
            yield SOUNDS[tag.label], Span.at(origin + tag.span.start, origin + tag.span.end)


_LAUGHS = frozenset(("Belly laugh", "Giggle", "Chuckle, chortle", "Snicker"))


def _finer(other: Tag, tag: Tag) -> bool:
    return other.label in _LAUGHS and other.span.overlap(tag.span) > 0


def _place(words: Sequence[Word], span: Span, within: Span) -> int:
    """Before which word: in the gap that most of the sound lies in, else at the gap nearest to its middle.

    Taggers hear in windows of half a second and more, so a sound reaches over words that it does not touch.
    """
    edges = [within.start, *(edge for word in words for edge in (word.span.start, word.span.end)), within.end]
    gaps = [
        (max(0.0, min(b, span.end) - max(a, span.start)), a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]
    middle = (span.start + span.end) / 2
    return max(range(len(gaps)), key=lambda n: (gaps[n][0], -abs((gaps[n][1] + gaps[n][2]) / 2 - middle)))
