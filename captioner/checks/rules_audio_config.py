"""A08 to A12: settings that keep a trainer from hearing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from captioner.checks.configs.musubi import SCRIPTS
from captioner.checks.findings import Finding
from captioner.checks.lost import many
from captioner.checks.rules import ERROR, INFO, WARNING, rule, rules_in
from captioner.checks.rules_time import blocks, filmed, members
from captioner.checks.view import ClipView, Listing, Record, View
from captioner.trainers import id_lora, musubi
from captioner.trainers._window import LATENT_STEP

SHORTEST, LONGEST = 3.0, 8.0
"""Seconds of a reference: ID-LoRA was trained with about 5."""

DEAF = "its sound is never trained: voices stay the base model's"


def voiced(clips: Sequence[ClipView]) -> int:
    return sum(1 for clip in clips if clip.facts.heard)


@rule(
    "A08",
    ERROR,
    "the dataset has no usable audio block",
    cost="only the picture is trained: the voice stays the base model's",
    advice="give it an audio block: audio: {channels: 2, auto_split: true}",
    trainers=("simpletuner",),
    needs="config",
)
def audio_block(view: View) -> Iterator[Finding]:
    assert view.config is not None
    for block in view.config.blocks:
        given = block.fields.get("audio")
        heard = voiced(members(view, block))
        if not block.sound_alone and given is None and heard:
            yield audio_block.finding(
                block.file, f"{block.name} has no audio block", line=block.line,
                cost=f"the sound of {many(heard, 'clip')} is never trained: voices stay the base model's",
                fix='add "audio": {"auto_split": true, "channels": 2}',
            )  # fmt: skip
        if block.value("audio.auto_split") is False and not block.sound_alone and heard:
            yield audio_block.finding(
                block.file, f"{block.name}: audio.auto_split is false", line=block.line_of("audio.auto_split"),
                cost=f"no sound is taken out of {many(heard, 'video')}: {DEAF}", fix="auto_split: true",
            )  # fmt: skip
        channels = block.value("audio.channels", 2)
        if channels != 2:
            yield audio_block.finding(
                block.file, f"{block.name}: audio.channels is {channels}", line=block.line_of("audio.channels"),
                cost="the model's sound has 2 channels: encoding stops, or hears another sound", fix="channels: 2",
            )  # fmt: skip
        if block.value("audio.allow_zero_audio") is True and (mute := len(members(view, block)) - heard) > 0:
            yield audio_block.finding(
                block.file, f"{block.name}: allow_zero_audio is on, and {many(mute, 'clip')} have no sound",
                line=block.line_of("audio.allow_zero_audio"), severity=WARNING,
                cost="silence is trained as what these captions sound like", fix="allow_zero_audio: false",
            )  # fmt: skip
    yield from _intervals(view)


def _intervals(view: View) -> Iterator[Finding]:
    """Sound alone that is cut to whole intervals."""
    for clip in view.playable:
        window = view.window(clip) if not clip.media.frames else None
        block = view.config.block_of(clip.path, picture=False) if view.config is not None else None
        if window is None or block is None or not block.sound_alone:
            continue
        lost = float(clip.facts.sound) - (window.end - window.start)
        if lost > LATENT_STEP:
            yield audio_block.finding(
                clip.name, f"of its {float(clip.facts.sound):.2f} s {window.end - window.start:.2f} are heard "
                f"(duration_interval {block.options.duration_interval:g})",
                cost=f"the last {lost:.2f} s are not heard, and the caption still says them",
                fix=f"duration_interval: {LATENT_STEP} in {block.name}",
            )  # fmt: skip


@rule(
    "A09", ERROR, "a command is not told to use sound", trainers=("musubi",), needs="config",
    cost=f"{DEAF}; where one command alone is told, the caches do not fit together",
    advice="--ltx2_mode av in all three commands",
)  # fmt: skip
def mode(view: View) -> Iterator[Finding]:
    config = view.config
    assert config is not None
    if not config.commands:
        yield mode.finding(
            config.file, f"no script with {SCRIPTS[0]}, {SCRIPTS[1]} and {SCRIPTS[2]} stands beside it: whether sound "
            "is used is not known", severity=INFO, cost="without --ltx2_mode av in all three no sound is trained",
        )  # fmt: skip
    elif config.sound is False and config.sound_given is not None:
        given = config.sound_given
        yield mode.finding(given.file, f"{given.key} is {given.value or 'video'}, not av", line=given.line)


@rule(
    "A10", ERROR, "a sound file has another name than the one that is looked for", trainers=("musubi",), needs="config",
    cost="it is reported missing, and the clip trains its picture alone",
    advice="name it as the trainer looks for it: <stem>_00000-<frames>.wav",
)  # fmt: skip
def external(view: View) -> Iterator[Finding]:
    assert view.config is not None
    source = view.config.fields.get("--ltx2_audio_source")
    if source is None or source.value != "audio_files":
        return
    folder = view.config.value("--ltx2_audio_dir")
    ending = str(view.config.value("--ltx2_audio_ext") or ".wav")
    for clip, window in filmed(view):
        if window is None or not window.listed:
            continue
        for item in musubi.windows(clip.facts, view.options_of(clip)):
            name = f"{clip.stem}_{item.first:05d}-{item.shown - item.repeated:03d}{ending}"
            place = Path(folder) if folder else clip.path.parent
            if not (place / name).is_file():
                yield external.finding(
                    clip.name, f"its sound is looked for as {name}, which is not there",
                    fix=f"name it so: {clip.stem}{ending} is not found, whatever the documents say",
                )  # fmt: skip


@rule(
    "A11",
    ERROR,
    "ai-toolkit is not told to use sound",
    cost="only the picture is trained: the voice stays the base model's; silent clips in a batch are learnt as silence",
    advice="do_audio: true in every dataset block",
    trainers=("ai-toolkit",),
    needs="config",
)
def do_audio(view: View) -> Iterator[Finding]:
    config = view.config
    assert config is not None
    for block in blocks(view):
        own = members(view, block)
        heard = voiced(own)
        if not block.options.do_audio and heard:
            how = "is false" if "do_audio" in block.fields else "is not given, and its default is false"
            yield do_audio.finding(
                block.file, f"{block.name}: do_audio {how}", line=block.line_of("do_audio"),
                cost=f"the sound of {many(heard, 'clip')} is never trained: voices stay the base model's",
                fix="do_audio: true",
            )  # fmt: skip
        elif (config.batch_size or 1) > 1 and 0 < heard < len(own):
            batch = config.batch
            assert batch is not None
            yield do_audio.finding(
                batch.file, f"{batch.key} is {batch.value}, and {len(own) - heard} of {many(len(own), 'clip')} "
                f"have no sound", line=batch.line,
                cost="in a batch of both kinds the missing sound is a row of zeros, and zeros are learnt as a voice",
                fix="batch_size: 1, or take the clips without sound out",
            )  # fmt: skip


@rule(
    "A12",
    ERROR,
    "ID-LoRA has no sound, or no fitting reference",
    cost="no voice is learnt, or it is learnt from itself: it will not carry over to another sentence",
    advice="give --with-audio, and a reference column with another clip of the same speaker of about 5 s",
    trainers=("id-lora",),
)
def reference(view: View) -> Iterator[Finding]:
    config = view.config
    if config is not None and config.commands:
        block = config.blocks[0]
        if not isinstance(block.options, id_lora.Options) or not block.options.with_audio:
            yield reference.finding(
                block.file, "--with-audio is not given", line=block.line, fix="add --with-audio",
                cost=f"{DEAF}, and the strategy finds no audio latents",
            )  # fmt: skip
        if "reference_column" not in block.fields:
            yield reference.finding(
                block.file, "--reference-column is not given", line=block.line, fix="add --reference-column reference",
                cost="no reference_audio_latents are written: every sample is dropped",
            )  # fmt: skip
    name = str(config.blocks[0].value("reference_column") or "reference") if config is not None else "reference"
    for listing in view.listings:
        for record in listing.records:
            yield from _reference(view, listing, record, name)


def _reference(view: View, listing: Listing, record: Record, column: str) -> Iterator[Finding]:
    from captioner.checks.probing import probed

    told = record.fields.get(column)
    if not record.media:
        return
    if not isinstance(told, str) or not told.strip():
        yield reference.finding(
            listing.name, f"{record.media} has no {column}", line=record.line,
            cost="it has no reference latents and is dropped", fix="name another clip of its speaker",
        )  # fmt: skip
        return
    path = listing.path.parent / told.strip()
    if told.strip() == record.media.strip():
        yield reference.finding(
            listing.name, f"{record.media} is its own reference", line=record.line,
            cost="the model learns to copy what it hears instead of the voice", fix="name another clip of its speaker",
        )  # fmt: skip
        return
    if not path.is_file():
        yield reference.finding(
            listing.name, f"{told.strip()} is not there", line=record.line, cost="preparing stops there",
            fix="write the path relative to this file",
        )  # fmt: skip
        return
    clip = view.by_name.get(told.strip())
    media = clip.media if clip is not None else probed(path)  # no clip of the dataset: nobody has looked at it yet
    length = float(media.facts.sound)
    if not media.audio:
        yield reference.finding(listing.name, f"{told.strip()} has no sound", line=record.line,
                                cost="there is no voice to take after", fix="name another clip")  # fmt: skip
    elif not SHORTEST <= length <= LONGEST:
        yield reference.finding(
            listing.name, f"{told.strip()} lasts {length:.1f} s", line=record.line, severity=WARNING,
            cost="references were about 5 s: a voice is taken from less, or from what was never trained",
            fix=f"{SHORTEST:g} to {LONGEST:g} s",
        )  # fmt: skip


RULES = rules_in(globals())
