"""The LTX trainer's YAML, and the flags of its `process_dataset.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from captioner.checks.configs.flags import Command
from captioner.checks.configs.reading import Doc
from captioner.checks.configs.sources import Read, clip_names
from captioner.checks.configs.spec import (
    FLAG,
    NAME,
    SEED,
    TEXT,
    Checked,
    Kind,
    Table,
    checked,
    items,
    names,
    number,
    table,
    text,
    whole,
)  # fmt: skip
from captioner.checks.configs.value import Block, Fault, Given, TrainerConfig
from captioner.errors import SettingsError
from captioner.trainers._buckets import Bucket, parse_buckets
from captioner.trainers.ltx import Options

NAME_OF = "ltx"
_REFUSED = "is refused"
_MODALITY = Table(
    {"is_generated": FLAG, "latents_dir": NAME},
    also=frozenset(["conditions", "loss_weight", "mask_dir", "reference_dir", "loss_mask_dir", "is_conditioned"]),
    unknown=_REFUSED, refused=True,
)  # fmt: skip
_PROMPT = Table(
    {"prompt": NAME},
    also=names("conditions reference_video reference_audio image images seed negative_prompt video_dims"),
    unknown=_REFUSED,
)  # fmt: skip
_STRATEGIES = ("flexible", "text_to_video", "video_to_video", "keyframe_to_video", "audio_ref_only_ic", "audio_ref_ic")


def tables(strategies: Sequence[str] = _STRATEGIES) -> Table:
    """The fields of the training YAML."""
    kinds: dict[str, tuple[Mapping[str, Kind], str]] = {
        "model": (
            {"model_path": NAME, "text_encoder_path": NAME, "training_mode": text("lora", "full")}, "load_checkpoint",
        ),
        "lora": (
            {"rank": whole(2, 1024), "alpha": number(1), "dropout": number(0, 1), "target_modules": items(NAME)}, "",
        ),
        "training_strategy": (
            {"name": text(*strategies), "video": table(_MODALITY), "audio": table(_MODALITY), "with_audio": FLAG,
             "audio_latents_dir": NAME, "first_frame_conditioning_p": number(0, 1)},
            "reference_latents_dir conditions conditions_dir reference_audio_latents_dir audio_conditions "
            "log_reconstructions reference_dropout_p",
        ),
        "optimization": (
            {"learning_rate": number(most=0.1, above=0), "steps": whole(1), "batch_size": whole(1),
             "gradient_accumulation_steps": whole(1), "max_grad_norm": number(above=0),
             "optimizer_type": text("adamw", "adamw8bit"),
             "scheduler_type": text("constant", "linear", "cosine", "cosine_with_restarts", "polynomial", "step"),
             "scheduler_params": Kind((dict,)), "enable_gradient_checkpointing": FLAG},
            "",
        ),
        "acceleration": (
            {"mixed_precision_mode": text("no", "fp16", "bf16"), "load_text_encoder_in_8bit": FLAG,
             "offload_optimizer_during_validation": FLAG},
            "quantization compile",
        ),
        "data": ({"preprocessed_data_root": NAME, "num_dataloader_workers": whole(0)}, ""),
        "validation": (
            {"prompts": items(NAME, filled=False), "negative_prompt": TEXT,
             "samples": items(table(_PROMPT)),
             "video_dims": items(whole(1), 3), "frame_rate": number(above=0), "seed": SEED, "inference_steps": whole(1),
             "interval": whole(1), "guidance_scale": number(1), "stg_scale": number(0), "generate_audio": FLAG,
             "stg_mode": text("stg_av", "stg_v"), "skip_initial_validation": FLAG},
            "images reference_videos reference_downscale_factor stg_blocks include_reference_in_output keyframe_images "
            "keyframe_frame_indices reference_audio videos",
        ),
        "checkpoints": ({"interval": whole(1), "keep_last_n": whole(-1)}, "precision save_training_state"),
        "flow_matching": (
            {"timestep_sampling_mode": text("uniform", "shifted_logit_normal")}, "timestep_sampling_params"
        ),
    }  # fmt: skip
    made = {
        name: table(Table(fields, also=names(also), unknown=_REFUSED, refused=True))
        for name, (fields, also) in kinds.items()
    }
    return Table(
        {**made, "seed": SEED, "output_dir": NAME}, also=frozenset(["hub", "wandb", "_conf", "tensorboard"]),
        needed=("model", "data"), unknown=_REFUSED, refused=True,
    )  # fmt: skip


FILE = tables()

PREPARES = "process_dataset.py"
TRAINS = "train.py"

FLAGS: Mapping[str, str] = {
    "resolution_buckets": "text", "audio_durations": "text", "lora_trigger": "text", "video_column": "text",
    "caption_column": "text", "with_audio": "flag", "skip_audio": "flag", "overwrite": "flag",
}  # fmt: skip
KNOWN_FLAGS = (
    *FLAGS, "model_path", "text_encoder_path", "output_dir", "batch_size", "device", "vae_tiling", "decode",
    "remove_llm_prefixes", "reference_column", "reference_downscale_factor", "load_text_encoder_in_8bit",
    "audio_column", "num_workers", "reshape_mode", "id_token", "skip_existing", "caption_model", "help",
)  # fmt: skip


def recognised(doc: Doc, commands: Sequence[Command]) -> bool:
    """Whether a config has the shape of its training YAML, or a script calls its preparation without a fork's flags."""
    if isinstance(doc.value, dict) and doc.form != "commands":
        return {"training_strategy", "optimization"} <= set(doc.value) or (
            "preprocessed_data_root" in str(doc.value.get("data", ""))[:400]
        )
    return doc.form == "commands" and any(one.program == PREPARES for one in commands)


def parsed(doc: Doc, commands: Sequence[Command], read: Read) -> TrainerConfig:
    """What the training YAML and the command that prepares the dataset say."""
    found = checked(doc, doc.value, (), FILE) if doc.form != "commands" else Checked()
    calls = [one for one in commands if one.program == PREPARES]
    faults = list(found.faults)
    blocks = [_block(call, read, faults, number) for number, call in enumerate(calls)]
    if not blocks:
        blocks.append(Block("the dataset", doc.name, None, None, {}))
    return job(NAME_OF, doc, found, calls, blocks, faults)


def job(
    name: str, doc: Doc, found: Checked, calls: Sequence[Command], blocks: Sequence[Block], faults: Sequence[Fault]
) -> TrainerConfig:
    """The value of a training YAML and its blocks; forks of the trainer share it."""
    fields = {key: given for key, given in found.fields.items() if key not in found.bad}
    fields |= {f"--{key}": Given(v, one.file, one.line, f"--{key}") for one in calls for key, v in one.flags.items()}
    sound, given = _trained(fields)
    return TrainerConfig(
        name, doc.name, tuple(dict.fromkeys([doc.name, *(one.file for one in calls)])), tuple(blocks), fields,
        tuple(faults), commands=bool(calls), trigger=fields.get("--lora_trigger"),
        batch=fields.get("optimization.batch_size"), targets=fields.get("lora.target_modules"),
        sound=sound, sound_given=given,
    )  # fmt: skip


def _trained(fields: Mapping[str, Given]) -> tuple[bool | None, Given | None]:
    """Whether the strategy generates sound, and the field that says so. None: there is no strategy."""
    told = fields.get("training_strategy.audio.is_generated")
    if told is not None:
        return bool(told.value), told
    told = fields.get("training_strategy.with_audio")
    if told is not None:
        return bool(told.value), told
    strategy = fields.get("training_strategy")
    if strategy is None:
        return None, None
    name = fields.get("training_strategy.name")
    return (name is not None and str(name.value).startswith("audio_ref")), name or strategy


def _block(call: Command, read: Read, faults: list[Fault], number: int) -> Block:
    fields = given_flags(call)
    buckets = read_buckets(call, faults)
    durations = _durations(call, faults)
    faults += unknown_flags(call, KNOWN_FLAGS)
    listing = call.arguments[0] if call.arguments else ""
    text = read(listing) if listing else None
    members = clip_names(text, listing, ("media_path", "video", "audio"))
    column = _has_audio_column(text)
    options = Options(
        buckets or (), "skip_audio" in call.flags, call.flags.get("lora_trigger") or "", durations, column
    )
    alone = bool(durations) and not buckets
    known = bool(buckets) or alone
    return Block(
        f"{PREPARES} of line {call.line}" if number else PREPARES, call.file, call.line, options if known else None,
        fields, listings=(listing,) if listing else (), members=members, sound_alone=alone,
    )  # fmt: skip


def given_flags(call: Command) -> dict[str, Given]:
    return {key: Given(value, call.file, call.line, f"--{key}") for key, value in call.flags.items()}


def read_buckets(call: Command, faults: list[Fault]) -> tuple[Bucket, ...]:
    """The buckets of a command; a fault and none where the trainer refuses them."""
    told = call.flags.get("resolution_buckets")
    if "resolution_buckets" not in call.flags:
        return ()
    try:
        return parse_buckets(told or "")
    except SettingsError as error:
        faults.append(Fault(
            "value", call.file, call.line, "--resolution-buckets", str(error), "the dataset is not prepared",
            "give buckets of multiples of 32 and 8k+1 frames",
        ))  # fmt: skip
        return ()


def _durations(call: Command, faults: list[Fault]) -> tuple[float, ...]:
    told = call.flags.get("audio_durations")
    if "audio_durations" not in call.flags:
        return ()
    try:
        found = tuple(float(part) for part in str(told or "").split(";") if part.strip())
        if not found or min(found) <= 0 or max(found) > 86_400:
            raise ValueError
    except ValueError:
        faults.append(Fault(
            "value", call.file, call.line, "--audio-durations", f"--audio-durations is {told!r}, and must be seconds",
            "the dataset is not prepared", 'give "2;4;8"',
        ))  # fmt: skip
        return ()
    return found


def unknown_flags(call: Command, known: Sequence[str]) -> list[Fault]:
    """Flags that the program refuses."""
    from captioner.checks.configs.spec import nearest

    told = []
    for flag in call.flags:
        if flag in known or len(flag) == 1:
            continue
        near, spelled = nearest(flag, known), f"--{flag.replace('_', '-')}"
        told.append(Fault(
            "unknown", call.file, call.line, spelled,
            f"{spelled} is no flag of {call.program} that is known here"
            + (f"; did you mean --{near.replace('_', '-')}?" if near else ""),
            "an unknown flag is refused: nothing is prepared",
            f"write --{near.replace('_', '-')}" if near else "take it out", harmless=near is None,
        ))  # fmt: skip
    return told


def _has_audio_column(text: str | None) -> bool:
    """Whether the first record of a listing has both a picture and a sound file."""
    import json

    if text is None:
        return False
    head = text.lstrip("\ufeff \r\n\t[")
    try:
        first: Any = json.JSONDecoder().raw_decode(head)[0] if head.startswith("{") else None
    except (ValueError, RecursionError):
        return False
    if isinstance(first, dict):
        return "audio" in first and bool({"video", "media_path"} & set(first))
    columns = {column.strip().strip('"') for column in head.splitlines()[0].split(",")} if head else set()
    return "audio" in columns and bool({"video", "media_path"} & columns)


def listing_of(call: Command) -> str:
    return PurePosixPath(call.arguments[0]).name if call.arguments else ""
