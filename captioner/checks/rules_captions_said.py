"""C09 to C13: whether captions are read at all, how they are written, and what they claim to hear."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from captioner.captions.adopt import bare_words
from captioner.checks.captiontext import (
    DIALOGUE,
    TAGS,
    beginning,
    dialect,
    letter_errors,
    residue,
    sections,
    speech,
    word_errors,
)
from captioner.checks.findings import Finding
from captioner.checks.lost import words_heard
from captioner.checks.rules import ERROR, INFO, WARNING, rule, rules_in
from captioner.checks.rules_captions import given_in, place_of
from captioner.checks.view import ClipView, View

IGNORING = frozenset({"filename", "instanceprompt", "instance_prompt"})
"""Caption strategies of SimpleTuner that read no caption."""
MOST_ERRORS = 0.3
"""Word error rate from which the text is another: transcribers differ from each other by half of it on clear speech."""
MOST_LETTERS = 0.2
"""Share of letters that differ, too: below it, a transcriber wrote what it heard with other words ("and crease")."""
LEAST_SPEECH = 0.5
"""Seconds of speech that are heard where the caption says there is none: less may be a breath or a laugh."""
LEAST_WORDS = 4
"""Words of a transcript that no two clips share by chance."""


@rule(
    "C09", ERROR, "the caption files are not read", trainers=("simpletuner",), needs="config",
    cost="every clip is trained with its file name or one same prompt: no word that is heard is ever read",
    advice="set caption_strategy: textfile, and no only_instance_prompt",
)  # fmt: skip
def not_read(view: View) -> Iterator[Finding]:
    for given in given_in(view, "caption_strategy"):
        if isinstance(given.value, str) and given.value.lower() in IGNORING:
            yield not_read.finding(given.file, f"caption_strategy is {given.value}", line=given.line)
    for given in given_in(view, "only_instance_prompt"):
        if given.value is True:
            yield not_read.finding(given.file, "only_instance_prompt is on", line=given.line)


@rule(
    "C10", WARNING, "captions of one set are written in several ways",
    cost="the model learns that some clips have a part that others lack, and what you prompt fits some of them",
    advice="write all in one way: captioner render --template NAME for a captioner dataset",
)  # fmt: skip
def mixed(view: View) -> Iterator[Finding]:
    kinds: dict[str, list[ClipView]] = defaultdict(list)
    for clip, text in view.captioned:
        kinds[dialect(text)].append(clip)
    if len(kinds) > 1:
        usual = max(kinds, key=lambda kind: len(kinds[kind]))
        for kind, clips in kinds.items():
            for clip in clips if kind != usual else ():
                yield mixed.finding(
                    place_of(clip), f"it is written as {kind}, and {len(kinds[usual])} others as {usual}"
                )
    usual_tags = Counter(tag for clip in kinds.get(TAGS, ()) for tag in sections(clip.text or ""))
    for clip in kinds.get(TAGS, ()):
        yield from _sections(clip, usual_tags, len(kinds[TAGS]))


def _sections(clip: ClipView, usual: Counter[str], of: int) -> Iterator[Finding]:
    found = sections(clip.text or "")
    for tag, times in usual.items():
        if tag not in found and times > of / 2:
            yield mixed.finding(place_of(clip), f"it has no [{tag}]:, and {times} of {of} captions have one",
                                fix=f'write "[{tag}]: None" where there is none')  # fmt: skip
    if found.get("SPEECH", "").strip(". ").lower() in ("none", "") and "SPEECH" in found and clip.words:
        said = " ".join(word.text for word in clip.words[:6])
        yield mixed.finding(place_of(clip), f"[SPEECH]: is none, and its transcript begins {said!r}",
                            cost="the voice is heard and no word of it read", fix="write what is said")  # fmt: skip


@rule(
    "C11", WARNING, "a model left something in a caption",
    cost="the model reads it as a description of what is seen and heard",
    advice="take it out by hand, or caption the clip again",
)  # fmt: skip
def left_over(view: View) -> Iterator[Finding]:
    for clip, text in view.captioned:
        if what := residue(text):
            yield left_over.finding(place_of(clip), f"it has {what}")


def heard_words(view: View, clip: ClipView) -> str | None:
    """The known words of a clip that lie in what the trainer hears; None where no transcript is known."""
    words = words_heard(clip, view.window(clip))
    return None if words is None else " ".join(words)


@rule(
    "C12", ERROR, "a caption says other words than are heard",
    cost="the voice learns to say one thing where another is written: prompted speech comes out garbled",
    advice="listen to it and write what is said, all of it and nothing else",
)  # fmt: skip
def other_words(view: View) -> Iterator[Finding]:
    for clip, text in view.captioned:
        if (window := view.window(clip)) is not None and not window.listed:
            continue  # nothing of it is heard: another rule says why
        quoted = speech(text)
        if view.deaf:
            if quoted:
                yield other_words.finding(
                    place_of(clip), f"it quotes {beginning(quoted)}, and {view.trainer} hears nothing",
                    severity=WARNING, cost="mouths and written letters are learnt for words that no sound goes with",
                    fix="say what is seen, without the speech (captioner export OUT --to wan does)",
                )  # fmt: skip
            continue
        hearing, how = view.heard.get(clip.name), "a second hearing says"
        if hearing is None:
            hearing, how = heard_words(view, clip), "the transcript says"
        if quoted:
            if hearing is None:
                continue
            errors = word_errors(quoted, hearing)
            if errors > MOST_ERRORS and letter_errors(quoted, hearing) > MOST_LETTERS:
                yield other_words.finding(
                    place_of(clip),
                    f"it says {beginning(quoted)}, {how} {beginning(hearing)} ({errors:.0%} of the words differ)",
                )  # fmt: skip
        elif _silent_claim(text, quoted):
            yield from _speech_in_silence(view, clip, hearing)


def _silent_claim(text: str, quoted: str | None) -> bool:
    """Whether a caption says that nobody speaks: by an empty section, or by quoting nothing where its kind quotes."""
    return quoted == "" or dialect(text) in (TAGS, DIALOGUE) or any(
        phrase in text.lower() for phrase in ("no speech", "nobody speaks", "no one speaks", "no dialogue", "no voice")
    )  # fmt: skip


def _speech_in_silence(view: View, clip: ClipView, hearing: str | None) -> Iterator[Finding]:
    window = view.window(clip)
    spans = clip.speech or ()
    if window is not None:
        spans = tuple((max(start, window.start), min(end, window.end)) for start, end in spans)
    length = sum(max(0.0, end - start) for start, end in spans)
    if hearing and len(bare_words(hearing)) > 1:
        yield other_words.finding(place_of(clip), f"it says that nobody speaks, and {beginning(hearing)} is heard")
    elif not hearing and length >= LEAST_SPEECH:
        yield other_words.finding(
            place_of(clip), f"it says that nobody speaks, and somebody does for {length:.1f} s", severity=WARNING,
            cost="a voice is heard and no word of it read: it is learnt as noise that comes with the picture",
        )  # fmt: skip


@rule(
    "C13", INFO, "clips share a caption or a transcript",
    cost="identical words with different sounds teach that the words do not matter",
    advice="say in each what only it shows or says; take out one of two same clips",
)  # fmt: skip
def repeated(view: View) -> Iterator[Finding]:
    captions: dict[str, list[ClipView]] = defaultdict(list)
    speeches: dict[str, list[ClipView]] = defaultdict(list)
    for clip, text in view.captioned:
        captions[text].append(clip)
        words = bare_words(speech(text) or "")
        if len(words) >= LEAST_WORDS:
            speeches[" ".join(words)].append(clip)
    same: set[str] = set()
    for text, clips in captions.items():
        if len(clips) > 1:
            same.update(clip.name for clip in clips)
            yield repeated.finding(place_of(clips[0]), f"{_names(clips)} have the same caption: {beginning(text)}")
    for text, clips in speeches.items():
        others = [clip for clip in clips if clip.name not in same]
        if len(clips) > 1 and others:
            yield repeated.finding(place_of(clips[0]), f"{_names(clips)} say the same: {beginning(text)}")


def _names(clips: list[ClipView]) -> str:
    shown = ", ".join(clip.stem for clip in clips[:4])
    return shown + (f" and {len(clips) - 4} more" if len(clips) > 4 else "")


RULES = rules_in(globals())
