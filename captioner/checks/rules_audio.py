"""A01, A03 to A07, A13: the sound of clips."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from captioner.checks.captiontext import speech
from captioner.checks.findings import Finding
from captioner.checks.lost import many, quoted, words_lost
from captioner.checks.rules import ERROR, INFO, WARNING, rule, rules_in
from captioner.checks.rules_time import filmed
from captioner.checks.rules_time_rates import played
from captioner.checks.view import ClipView, View
from captioner.trainers._window import LATENT_STEP, SAME_TEMPO

LATE = 0.02
"""Seconds that sound may come too early or too late: lips that are off by more are seen."""
SILENT = -60.0
"""dBFS (RMS) below which nobody is heard."""
CLIPPED = -0.05
"""dBFS (peak) at which waves are cut off."""
EDGE = 0.02
"""Seconds from a clip's end within which a word is cut."""
LEAST_RATE = 16_000
MOST_CHANNELS = 2


def wants_sound(view: View, clip: ClipView) -> bool | None:
    """Whether the trainer takes the sound of a clip; None where no trainer is named."""
    if view.module is None:
        return None
    if not view.module.TAKES_SOUND or (view.config is not None and view.config.sound is False):
        return False
    options = view.options_of(clip)
    told: dict[str, Any] = {
        "ltx": lambda: not options.skip_audio, "ai-toolkit": lambda: options.do_audio,
        "musubi": lambda: options.mode_av, "simpletuner": lambda: options.audio, "id-lora": lambda: options.with_audio,
    }  # fmt: skip
    return bool(told[view.trainer or ""]()) if view.trainer in told else True


@rule(
    "A01", ERROR, "a clip has no sound",
    cost="the clip is dropped or teaches picture alone; cached beside clips with sound, silence is learnt as its voice",
    advice="give it its sound again, or take it out; say in its caption that nobody speaks where that is meant",
)  # fmt: skip
def silent_film(view: View) -> Iterator[Finding]:
    costs = {
        "ltx": "it is dropped: training with sound passes it by with one line for all",
        "id-lora": "it is dropped: training with sound passes it by with one line for all",
        "ai-toolkit": "it trains its picture alone, with noise where its sound should be",
        "musubi": "its sound is skipped with a warning, and it trains its picture alone",
        "simpletuner": "its sound is passed by, and it trains its picture alone",
    }
    voiced = any(clip.facts.heard for clip in view.playable)
    for clip, _ in filmed(view):
        wanted = wants_sound(view, clip)
        if not clip.facts.heard and (voiced if wanted is None else wanted):
            said = speech(clip.text or "")
            tells = f"; its caption has {quoted(tuple(said.split()))}" if said else ""
            yield silent_film.finding(
                clip.name, "it has no audio stream" + tells,
                cost=costs.get(view.trainer or "", "it is dropped, or trains its picture alone"),
            )  # fmt: skip


@rule(
    "A03",
    ERROR,
    "the sound ends before the picture",
    cost="silence is learnt behind the voice, or the sound is stretched",
    advice="cut the clip where its sound ends, or write it again",
)
def short_sound(view: View) -> Iterator[Finding]:
    for clip, window in filmed(view):
        facts = clip.facts
        if not facts.heard or facts.rate is None:
            continue
        missing = float(facts.duration) - facts.offset - float(facts.sound)
        if window is None:
            if missing > LATENT_STEP:
                yield short_sound.finding(clip.name, f"its sound is {missing:.2f} s shorter than its picture",
                                          cost="silence is put there, or the voice is drawn out")  # fmt: skip
            continue
        if not window.listed or not window.samples:
            continue
        if window.silence > LATENT_STEP:
            yield short_sound.finding(
                clip.name, f"{window.silence:.2f} s of silence are put behind its sound",
                cost="the voice is learnt to stop where the recording did",
            )  # fmt: skip
        elif missing > LATENT_STEP and window.tempo < 1 - SAME_TEMPO:
            yield short_sound.finding(
                clip.name, f"its sound is {missing:.2f} s shorter than its picture and is drawn out to fill it",
                cost=played(window),
            )  # fmt: skip


@rule(
    "A04", ERROR, "sound and picture do not begin together",
    cost="the offset is thrown away: lips come too early or too late",
    advice="write it again with both at 0 (captioner build does)",
)  # fmt: skip
def moved(view: View) -> Iterator[Finding]:
    for clip, window in filmed(view):
        facts = clip.facts
        if not facts.heard:
            continue
        if window is not None and (not window.samples or abs(window.offset) <= LATE):
            continue
        off = facts.offset if window is None else -window.offset
        if abs(off) > LATE:
            early = "early" if off > 0 else "late"
            yield moved.finding(
                clip.name, f"its sound begins {abs(off):.3f} s {'after' if off > 0 else 'before'} its picture, and "
                "trainers forget that",
                cost=f"the voice comes {abs(off):.3f} s too {early}: lips do not move with the words",
                severity=WARNING if window is None else None,
            )  # fmt: skip


@rule(
    "A05", WARNING, "a clip has several audio streams",
    cost="the trainer may hear a commentary or music in place of the voice",
    advice="write it again with the stream that holds the voice alone",
)  # fmt: skip
def several(view: View) -> Iterator[Finding]:
    for clip in view.playable:
        if len(clip.media.audio) > 1:
            names = [one.title or f"stream {n}" for n, one in enumerate(clip.media.audio, 1)]
            sound = clip.media.sound
            taken = names[clip.media.audio.index(sound)] if sound else names[0]
            yield several.finding(
                clip.name, f"it has {many(len(names), 'audio stream')} ({', '.join(names)}); {taken} is trained",
                cost="the first or the default one may be a commentary, another language or music",
            )  # fmt: skip


@rule(
    "A06",
    ERROR,
    "the speech in the caption is not in the sound",
    cost="words are read that nobody is heard to say, or that are distorted",
    advice="listen to it; write what is heard, or record it again",
    needs="listen",
)
def unheard(view: View) -> Iterator[Finding]:
    for clip in view.playable:
        media = clip.media
        said = speech(clip.text or "")
        if media.level is not None and media.level < SILENT and said:
            how = "is digital silence" if media.level == float("-inf") else f"has {media.level:.0f} dBFS"
            yield unheard.finding(
                clip.name, f"its sound {how}, and its caption has {quoted(tuple(said.split()))}",
                cost="the model learns that these words are silence", fix="take the clip out, or its speech",
            )  # fmt: skip
        if media.peak is not None and media.peak >= CLIPPED:
            yield unheard.finding(
                clip.name, f"its peaks reach {media.peak:.1f} dBFS", cost="the voice is learnt with its crackle",
                fix="record or export it again with 3 dB of room", severity=WARNING,
            )  # fmt: skip
        yield from _cut(clip)


def _cut(clip: ClipView) -> Iterator[Finding]:
    """Words at the very edges of a clip."""
    if not clip.words:
        return
    end = float(clip.facts.duration)
    first, last = clip.words[0], clip.words[-1]
    for word, off, where in ((first, first.span.start, "beginning"), (last, end - last.span.end, "end")):
        if off < EDGE:
            yield unheard.finding(
                clip.name, f'the word "{word.text}" touches its {where}', cost="half a word is trained as a whole one",
                fix="cut it in the pause before" if where == "beginning" else "cut it in the pause behind",
                severity=WARNING,
            )  # fmt: skip


@rule(
    "A07", ERROR, "a column of sound files is cut at 25 frames a second",
    cost="sound is lost at the end, or there is more of it than picture", trainers=("ltx",),
    advice="leave the audio column out, so that each clip's own sound is taken, or give clips of 25 frames a second",
)  # fmt: skip
def column(view: View) -> Iterator[Finding]:
    if not any(_has_column(listing.columns) for listing in view.listings) and not getattr(
        view.options, "audio_column", False
    ):
        return
    from dataclasses import replace

    from captioner.trainers import ltx

    for clip, window in filmed(view):
        if window is None or not window.listed or window.rate is None or not clip.facts.heard:
            continue
        made = ltx.window(clip.facts, replace(view.options_of(clip), audio_column=True))
        shown = float(made.shown / window.rate)
        length = made.samples / clip.facts.sample_rate
        if abs(length - shown) > LATENT_STEP:
            gone = words_lost(clip, made)
            said = f", with {quoted(gone)}" if gone else ""
            yield column.finding(
                clip.name, f"{length:.2f} s of sound go with {shown:.2f} s of picture",
                cost=f"the last {shown - length:.2f} s of it{said} are not heard" if length < shown
                else f"{length - shown:.2f} s of sound have no picture: every later word is learnt at another place",
            )  # fmt: skip


def _has_column(columns: tuple[str, ...]) -> bool:
    return "audio" in columns and bool({"video", "media_path"} & set(columns))


@rule(
    "A13", INFO, "the sound is of another kind than the model's",
    advice="nothing needs to be done; record at 48 kHz in stereo or mono next time",
)  # fmt: skip
def other_kind(view: View) -> Iterator[Finding]:
    for clip in view.playable:
        sound = clip.media.sound
        if sound is None:
            continue
        if 0 < sound.rate < LEAST_RATE:
            yield other_kind.finding(
                clip.name, f"its sound has {sound.rate} samples a second",
                cost=f"everything above {sound.rate / 2000:g} kHz is missing: the voice is learnt dull",
            )  # fmt: skip
        if sound.channels > MOST_CHANNELS:
            yield other_kind.finding(
                clip.name, f"its sound has {sound.channels} channels",
                cost="they are mixed down by the trainer: the voice of the centre becomes quieter, or peaks clip",
                fix="mix it down to stereo yourself",
            )  # fmt: skip


RULES = rules_in(globals())
