"""musubi-tuner's dataset TOML, and the flags of its three commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from captioner.checks.configs.flags import Command
from captioner.checks.configs.reading import Doc
from captioner.checks.configs.sources import Read, clip_names
from captioner.checks.configs.spec import (
    FLAG,
    NAME,
    Kind,
    Table,
    checked,
    items,
    names,
    one_or_many,
    pointed,
    table,
    text,
    whole,
)  # fmt: skip
from captioner.checks.configs.value import Block, Fault, Given, TrainerConfig
from captioner.errors import SettingsError
from captioner.trainers.musubi import EXTRACTIONS, Options

NAME_OF = "musubi"
_REFUSED = "is refused"

_COMMON: Mapping[str, Kind] = {
    "caption_extension": NAME, "batch_size": whole(1), "num_repeats": whole(1),
    "resolution": one_or_many(Kind((int,), 32, 8192)), "enable_bucket": FLAG, "bucket_no_upscale": FLAG,
    "skip_corrupted_cache": FLAG, "separate_audio_buckets": FLAG,
}  # fmt: skip

GENERAL = Table(_COMMON, unknown=_REFUSED, refused=True)

_COUNTS = items(whole(1), cost="it must be a list: a number alone is refused, and without it every clip is one still")

BLOCK = Table(
    {
        **_COMMON,
        "video_directory": NAME, "video_jsonl_file": NAME, "audio_directory": NAME, "audio_jsonl_file": NAME,
        "image_directory": NAME, "image_jsonl_file": NAME, "cache_directory": NAME, "control_directory": NAME,
        "reference_directory": NAME, "reference_cache_directory": NAME, "target_frames": _COUNTS,
        "frame_extraction": text(*EXTRACTIONS), "frame_stride": whole(1), "frame_sample": whole(1),
        "max_frames": whole(1), "source_fps": pointed(0.001, 1000), "target_fps": pointed(0.001, 1000),
        "audio_bucket_strategy": text("pad", "truncate"), "audio_bucket_interval": pointed(0.001),
    },
    also=names("fp_latent_window_size fp_1f_clean_indices fp_1f_target_index fp_1f_no_post no_resize_control "
        "control_resolution multiple_target mask_directory default_mask_file caption_field"),
    unknown=_REFUSED, refused=True,
)  # fmt: skip

SCRIPTS = ("ltx2_cache_latents.py", "ltx2_cache_text_encoder_outputs.py", "ltx2_train_network.py")


@dataclass(frozen=True, slots=True)
class Form:
    """What differs between its LTX-2 branch and its first home, which trains Wan."""

    scripts: tuple[str, ...] = SCRIPTS
    """That cache latents, cache texts and train, in this order."""
    general: Table = GENERAL
    block: Table = BLOCK
    target_fps: float | None = 25.0
    """Where no field says it."""
    group: int = 8
    upstream: bool = False

    @property
    def file(self) -> Table:
        """The whole dataset file."""
        kinds = {"general": table(self.general), "datasets": items(table(self.block))}
        return Table(kinds, needed=("datasets",), refused=True, unknown=_REFUSED)


LTX2 = Form()
MODES = {"v": "video", "video": "video", "av": "av", "va": "av", "a": "audio", "audio": "audio"}


def recognised(doc: Doc, commands: Sequence[Command]) -> bool:
    """Whether a config has the shape of its dataset files, or a script calls its programs."""
    blocks = doc.value.get("datasets") if isinstance(doc.value, dict) else None
    first = blocks[0] if isinstance(blocks, list) and blocks else None
    if doc.form == "toml" and (isinstance(first, dict) or (isinstance(doc.value, dict) and "general" in doc.value)):
        return True
    own = {"video_directory", "video_jsonl_file", "audio_directory", "audio_jsonl_file", "target_frames"}
    if isinstance(first, dict) and own & set(first):
        return True
    return doc.form == "commands" and any(one.program in SCRIPTS for one in commands)


def parsed(doc: Doc, commands: Sequence[Command], read: Read, form: Form = LTX2) -> TrainerConfig:
    """What the dataset file and the commands say."""
    found = checked(doc, doc.value, (), form.file)
    calls = [one for one in commands if one.program in form.scripts]
    mode = None if form.upstream else _mode(calls)
    sound = mode[0] if mode else not form.upstream
    general = found.under("general")
    blocks = []
    number = 0
    while f"datasets[{number}]" in found.fields:
        name = f"datasets[{number}]"
        blocks.append(_block(doc, name, number, general | found.under(name), sound, calls, read, form))
        number += 1
    faults = [*found.faults, *_missing(doc, blocks)]
    flags = {
        f"--{key}": Given(value, one.file, one.line, f"--{key}") for one in calls for key, value in one.flags.items()
    }
    for one in calls:
        if one.program == SCRIPTS[2] and "ltx2_mode" not in one.flags and "ltx_mode" not in one.flags:
            flags.setdefault("--ltx2_mode", Given("video", one.file, one.line, "--ltx2_mode"))
    batch = next((one.fields["batch_size"] for one in blocks if "batch_size" in one.fields), None)
    return TrainerConfig(
        NAME_OF, doc.name, tuple(dict.fromkeys([doc.name, *(one.file for one in calls)])), tuple(blocks),
        {**{f"general.{key}": given for key, given in general.items()}, **flags}, tuple(faults), commands=bool(calls),
        batch=batch, dropout=_share(flags.get("--caption_dropout_rate")), targets=flags.get("--lora_target_preset"),
        sound=mode[0] if mode else None, sound_given=mode[1] if mode else None,
    )  # fmt: skip


def _share(given: Given | None) -> Given | None:
    try:
        return given and Given(float(str(given.value)), given.file, given.line, given.key)
    except ValueError:
        return None


def mode_of(call: Command) -> str | None:
    """`video`, `av` or `audio`; None for a value that its programs refuse."""
    told = call.flags.get("ltx2_mode", call.flags.get("ltx_mode", "video"))
    return MODES.get(str(told).lower())


def _mode(calls: Sequence[Command]) -> tuple[bool, Given] | None:
    """Whether sound is trained: only where every command that is known says so. None without commands."""
    known = [(mode_of(one), one) for one in calls]
    if not known:
        return None
    deaf = next(((mode, one) for mode, one in known if mode not in ("av", "audio")), None)
    mode, call = deaf or known[0]
    return deaf is None, Given(mode or call.flags.get("ltx2_mode"), call.file, call.line, "--ltx2_mode")


def _block(
    doc: Doc, name: str, number: int, fields: dict[str, Given], sound: bool, calls: Sequence[Command], read: Read,
    form: Form,
) -> Block:  # fmt: skip
    def value(field: str, default: Any) -> Any:
        given = fields.get(field)
        return default if given is None else given.value

    alone = "audio_directory" in fields or "audio_jsonl_file" in fields
    own = Options()
    try:
        options = Options(
            target_frames=tuple(value("target_frames", own.target_frames)) or own.target_frames,
            max_frames=value("max_frames", own.max_frames),
            frame_extraction=value("frame_extraction", own.frame_extraction),
            # Where the loader does not know the field, whatever stands there is not read.
            target_fps=value("target_fps", form.target_fps) if "target_fps" in form.block.kinds else form.target_fps,
            source_fps=value("source_fps", None),
            frame_stride=value("frame_stride", 1), frame_sample=value("frame_sample", 1), mode_av=sound,
            preserve_audio_timing=any("preserve_audio_timing" in one.flags for one in calls), group=form.group,
            upstream=form.upstream,
        )  # fmt: skip
    except SettingsError:
        options = replace(own, target_fps=form.target_fps, group=form.group, upstream=form.upstream)
    listings = tuple(str(value(key, "")) for key in ("video_jsonl_file", "audio_jsonl_file") if value(key, ""))
    names = [clip_names(read(listing), listing, ("video_path", "audio_path")) for listing in listings]
    ending = value("caption_extension", None)
    return Block(
        name, doc.name, doc.line(("datasets", number)), options, fields,
        folders=tuple(str(value(key, "")) for key in ("video_directory", "audio_directory") if value(key, "")),
        listings=listings, members=names[0] if names else None, sound_alone=alone, caption_extension=ending,
    )  # fmt: skip


def _missing(doc: Doc, blocks: Sequence[Block]) -> list[Fault]:
    """What a block cannot do without."""
    told = []
    for block in blocks:
        sources = {"video_directory", "video_jsonl_file", "audio_directory", "audio_jsonl_file", "image_directory",
                   "image_jsonl_file"}  # fmt: skip
        if not sources & set(block.fields):
            told.append(Fault(
                "missing", doc.name, block.line, block.name, f"{block.name} names no clips", "training does not start",
                "add video_directory or video_jsonl_file",
            ))  # fmt: skip
        elif block.folders and "caption_extension" not in block.fields:
            told.append(Fault(
                "missing", doc.name, block.line, f"{block.name}.caption_extension",
                f"{block.name} has a folder and no caption_extension", "its loader stops: there is no default",
                'add caption_extension = ".txt"',
            ))  # fmt: skip
    return told
