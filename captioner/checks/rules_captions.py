"""C01 to C08: the trigger, and what trainers do to a caption's text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from captioner.captions.tokens import most_tokens
from captioner.checks.captiontext import beginning, openings, speech, times_named
from captioner.checks.findings import Finding
from captioner.checks.rules import ERROR, WARNING, Change, rule, rules_in
from captioner.checks.view import ClipView, View
from captioner.trainers import wan

if TYPE_CHECKING:
    from captioner.checks.configs import Given

TOKENS = 1024
"""What Gemma is given of a caption in every LTX trainer; the rest is cut off its end."""
TOKENS_WAN = int(wan.SETTINGS["max_tokens"])
NEAR = 900
"""From here on a trigger or one more sentence is too much."""
_ADDED = ("lora_trigger", "instance_prompt", "trigger_word")
"""Where the trainers' options keep a trigger."""
_PREPENDED_BLINDLY = ("ltx", "id-lora", "simpletuner")
_DIGITS = re.compile(r"\d,\d")
_PLACEHOLDER = re.compile(r"\[(?:trigger|name)\]")


def place_of(clip: ClipView) -> str:
    """The file that holds its caption."""
    return clip.caption.name if clip.caption is not None and clip.listed is None else clip.name


def added(view: View, clip: ClipView | None = None) -> str:
    """The trigger that the trainer is told to add, to a clip where that is given; empty where none."""
    options = view.options if clip is None else view.options_of(clip)
    return next((value for name in _ADDED if (value := getattr(options, name, ""))), "")


def trigger_of(view: View) -> str:
    """The trigger, or several between commas: as it is given, as the trainer is told, or by what all captions begin
    with; empty where unknown."""
    return view.trigger or added(view) or ",".join(openings(text for _, text in view.captioned))


def given_in(view: View, name: str) -> tuple[Given, ...]:
    """Every field of that name that the config gives, in its dataset blocks and for the whole job."""
    if view.config is None:
        return ()
    found = [block.fields[name] for block in view.config.blocks if name in block.fields]
    found += [given for key, given in view.config.fields.items() if key.rpartition(".")[2].removeprefix("--") == name]
    return tuple({(one.file, one.line, one.key): one for one in found}.values())


def config_name(view: View) -> str:
    return view.config.file if view.config is not None else "."


@rule(
    "C01", ERROR, "the trigger is there twice", trainers=_PREPENDED_BLINDLY,
    cost="each prompt must say it twice to sound like training did: said once, the voice is only half called up",
    advice="take it out of the captions, or tell the trainer none",
)  # fmt: skip
def double_trigger(view: View) -> Iterator[Finding]:
    for clip, text in view.captioned:
        word, read = added(view, clip), view.read(clip, text)
        if word and (times := times_named(read, word)) > 1 and times_named(text, word):
            yield double_trigger.finding(place_of(clip), f"the model reads {word!r} {times} times: {beginning(read)}")


@rule(
    "C02", ERROR, "the trigger is missing",
    cost="nothing calls this clip up: its face and voice leak into every prompt",
    advice="write it at the beginning of the caption",
)  # fmt: skip
def no_trigger(view: View) -> Iterator[Finding]:
    words = [word.strip() for word in trigger_of(view).split(",") if word.strip()]
    told = list(view.captioned)
    if not words:
        if view.config is not None and len(told) > 1:
            given = view.config.trigger
            yield no_trigger.finding(
                given.file if given else config_name(view),
                f"{given.key + ' is empty' if given else 'no trigger is set'}, and the captions begin with no word of "
                "their own", line=given.line if given else None,
                cost="nothing calls the voice up: what it learns leaks into every prompt, or stays out of yours",
                fix="set one (an invented word such as ema_voice) " + ("here or " if view.can_add else "")
                + "at the beginning of every caption",
            )  # fmt: skip
        return
    for clip, text in told:
        read = view.read(clip, text)
        hidden = view.is_for("ai-toolkit") and any(word in text for word in words)  # C03 says it better
        if not hidden and not any(times_named(read, word) for word in words):
            named = " or ".join(map(repr, words))
            yield no_trigger.finding(place_of(clip), f"{named} is not in what the model reads: {beginning(read)}")


@rule(
    "C03", WARNING, "the trigger is found inside other words", trainers=("ai-toolkit",),
    cost="ai-toolkit looks for the letters, finds them there, and adds no trigger: the clip is trained without",
    advice="choose a word that no other holds, or write the trigger into the caption",
)  # fmt: skip
def hidden_trigger(view: View) -> Iterator[Finding]:
    word = added(view) or view.trigger or ""
    if not word:
        return
    if "," in word:
        yield hidden_trigger.finding(
            config_name(view), f"the trigger {word!r} holds a comma",
            cost="captions are parted at commas and joined again: it is not found as you wrote it",
            fix="choose a trigger without one",
            line=view.config.trigger.line if view.config is not None and view.config.trigger is not None else None,
        )  # fmt: skip
    for clip, text in view.captioned:
        if word in text and not times_named(text, word):
            holding = next((one for one in text.split() if word in one), word)
            yield hidden_trigger.finding(place_of(clip), f"{word!r} stands in it only inside {holding!r}")


@rule(
    "C04", WARNING, "a placeholder stands in a caption", trainers=("ltx", "id-lora", "musubi", "simpletuner", "wan"),
    cost="only ai-toolkit puts a word there: the model learns the letters [trigger]",
    advice="write the trigger itself",
)  # fmt: skip
def placeholder(view: View) -> Iterator[Finding]:
    for clip, text in view.captioned:
        if found := _PLACEHOLDER.search(text):
            yield placeholder.finding(place_of(clip), f"it says {found.group()}")


def _on_one_line(view: View, finding: Finding) -> Change | None:
    clip = next((one for one in view.clips if one.caption is not None and one.caption.name == finding.file), None)
    if clip is None or clip.caption is None or clip.caption.text is None:
        return None
    flat = " ".join(clip.caption.text.split())
    return Change("it was put on one line", writes={finding.file: f"{flat}\n".encode()})


@rule(
    "C05", ERROR, "a caption has several lines", trainers=("simpletuner",), fix=_on_one_line,
    cost="SimpleTuner takes each line for another caption and draws one at random: the speech is read now and then",
    advice="put it on one line, or set disable_multiline_split: true",
)  # fmt: skip
def several_lines(view: View) -> Iterator[Finding]:
    if any(given.value is True for given in given_in(view, "disable_multiline_split")):
        return
    for clip in view.clips:
        if clip.caption is not None and clip.listed is None and clip.caption.lines > 1:
            yield several_lines.finding(clip.caption.name, f"it has {clip.caption.lines} lines")


@rule(
    "C06", WARNING, "a comma stands between digits", trainers=("ai-toolkit",),
    cost="captions are parted at commas and joined with a blank: the model reads another number than it hears",
    advice="write the number as it is spoken: ten thousand",
)  # fmt: skip
def comma_in_number(view: View) -> Iterator[Finding]:
    for clip, text in view.captioned:
        if found := _DIGITS.search(text):
            start = text.rfind(" ", 0, found.start()) + 1
            number = text[start:].split()[0].strip('".,;:!?')
            parted = number.replace(",", ", ")
            yield comma_in_number.finding(place_of(clip), f"{number!r} is read as {parted!r}")


@rule(
    "C07", ERROR, "captions are shuffled or thinned out", trainers=("ai-toolkit", "simpletuner"), needs="config",
    cost="the words of the speech are no longer those that are heard, nor in their order",
    advice="turn it off",
)  # fmt: skip
def shuffled(view: View) -> Iterator[Finding]:
    if not any(speech(text) for _, text in view.captioned):
        return
    names = ("shuffle_tokens", "token_dropout_rate") if view.is_for("ai-toolkit") else ("caption_shuffle",)
    for name in names:
        for given in given_in(view, name):
            value = given.value
            if isinstance(value, dict):
                value = value.get("enable", value.get("enabled", True))
            if value:
                yield shuffled.finding(given.file, f"{name} is {value}, and captions quote speech", line=given.line)


@rule(
    "C08", ERROR, "a caption is longer than the text encoder reads",
    cost="its end is cut off without a word: the speech and the sounds stand there",
    advice="shorten it, the description first",
)  # fmt: skip
def too_long(view: View) -> Iterator[Finding]:
    limit = TOKENS_WAN if view.is_for("wan") else TOKENS
    near = NEAR * limit // TOKENS
    for clip, text in view.captioned:
        if len(text) < near:
            continue  # a token is at least one letter, but for scripts that are counted by bytes
        read = view.read(clip, text)
        if view.tokens is not None:
            count = view.tokens(read)
            if count > limit:
                yield too_long.finding(place_of(clip), f"it is {count} tokens, and {limit} are read")
            elif count > near:
                yield too_long.finding(place_of(clip), f"it is {count} tokens of the {limit} that are read",
                                       cost="a few words more are cut off its end", severity=WARNING)  # fmt: skip
        elif (most := most_tokens(read)) > limit:
            likely = most // 3
            yield too_long.finding(
                place_of(clip), f"it is about {likely} tokens, at most {most}, and {limit} are read",
                severity=ERROR if likely > near else WARNING,
                fix="shorten it, or give --tokenizer, the tokenizer.json of the text encoder, to have it counted",
            )  # fmt: skip


RULES = rules_in(globals())
