"""ai-toolkit's job YAML, its dataset block alone, and the JSON that its interface saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from captioner.checks.configs.flags import Command
from captioner.checks.configs.reading import Doc, Place
from captioner.checks.configs.sources import Read
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
    one_or_many,
    table,
    text,
    whole,
)  # fmt: skip
from captioner.checks.configs.value import Block, Given, TrainerConfig
from captioner.trainers.ai_toolkit import Options

NAME_OF = "ai-toolkit"

_SILENT = "is ignored without a word: its default holds"
_SHARE = number(0, 1)
_SIDES = one_or_many(Kind((int,), 64, 4096))

DATASET = Table(
    {
        "folder_path": NAME, "dataset_path": NAME, "num_frames": whole(1), "shrink_video_to_frames": FLAG,
        "auto_frame_count": FLAG, "trim_auto_frame_count_tail": FLAG, "fps": number(most=240, above=0),
        "do_audio": FLAG, "audio_preserve_pitch": FLAG, "audio_normalize": FLAG, "caption_ext": NAME,
        "default_caption": TEXT, "trigger_word": TEXT, "caption_dropout_rate": _SHARE, "token_dropout_rate": _SHARE,
        "shuffle_tokens": FLAG, "cache_latents_to_disk": FLAG, "cache_latents": FLAG, "resolution": _SIDES,
        "num_repeats": whole(1), "network_weight": number(), "bucket_tolerance": whole(1), "buckets": FLAG,
        "flip_x": FLAG, "flip_y": FLAG, "keep_tokens": whole(0), "is_reg": FLAG, "do_i2v": FLAG,
        "random_crop": FLAG, "cache_text_embeddings": FLAG, "prefetch_factor": whole(1), "num_workers": whole(0),
        "batch_size": whole(1), "enable_ar_bucket": FLAG,
    },
    also=names("type name label control_path control_path_1 control_path_2 control_path_3 mask_path unconditional_path "
        "invert_mask mask_min_value poi random_scale scale square_crop augmentations augments shuffle_augmentations "
        "has_augmentations caption_type extra_values loss_multiplier standardize_images use_short_captions alpha_mask "
        "cache_clip_vision_to_disk clip_image_path clip_image_augmentations clip_image_shuffle_augmentations "
        "clip_image_from_same_folder prior_reg full_size_control_images guidance_type fast_image_size replacements "
        "random_triggers random_triggers_max controls control_from_same_folder inpaint_path size debug "
        "gpu_stitching persistent_workers num_control_frames debug_dataset control_transparent_color"),
    unknown=_SILENT,
)  # fmt: skip

_NETWORK = Table(
    {
        "type": text("lora", "lokr", "locon", "dora", "lierla", "lorm"), "linear": whole(1, 1024),
        "linear_alpha": number(above=0), "rank": whole(1, 1024), "alpha": number(above=0), "dropout": number(0, 1),
        "conv": whole(1), "conv_alpha": number(above=0), "lokr_factor": whole(-1), "lokr_full_rank": FLAG,
        "transformer_only": FLAG,
        "network_kwargs": table(Table(
            {"only_if_contains": items(NAME), "ignore_if_contains": items(NAME, filled=False)},
            also=frozenset(["lora_types", "ignore_names"]), unknown=_SILENT,
        )),
    },
    also=frozenset(["old_lokr_format", "layer_offloading", "lorm_config", "pretrained_lora_path", "linear_lr"]),
    unknown=_SILENT,
)  # fmt: skip

_SAVE = Table(
    {"dtype": text("float16", "bf16", "fp16", "float32", "fp32", "bfloat16"), "save_every": whole(1),
     "max_step_saves_to_keep": whole(1), "save_format": text("diffusers", "safetensors"), "push_to_hub": FLAG},
    also=frozenset(["hf_repo_id", "hf_private"]), unknown=_SILENT,
)  # fmt: skip

_TRAIN = Table(
    {
        "batch_size": whole(1), "steps": whole(1), "gradient_accumulation": whole(1), "train_unet": FLAG,
        "gradient_accumulation_steps": whole(1), "train_text_encoder": FLAG, "gradient_checkpointing": FLAG,
        "noise_scheduler": NAME, "optimizer": NAME, "lr": number(most=0.1, above=0, cost="nothing is learnt, or all "
        "that the model knows is lost"), "dtype": text("bf16", "fp16", "float16", "bfloat16", "float32", "fp32"),
        "skip_first_sample": FLAG, "disable_sampling": FLAG, "audio_loss_multiplier": number(0), "timestep_type": NAME,
        "cache_text_embeddings": FLAG, "unload_text_encoder": FLAG, "content_or_style": NAME,
        "bypass_guidance_embedding": FLAG,
        "optimizer_params": Kind((dict,)), "ema_config": Kind((dict,)), "lr_scheduler": NAME, "loss_type": NAME,
    },
    also=names(
        "timestep_weighing diff_output_preservation diff_output_preservation_multiplier diff_output_preservation_class "
        "switch_boundary_every force_first_sample lr_scheduler_params linear_timesteps snr_gamma min_snr_gamma "
        "weight_jitter attention_backend do_differential_guidance differential_guidance_scale xformers sdp unet_lr "
        "text_encoder_lr refiner_lr noise_offset do_prior_divergence blank_prompt_preservation compile "
        "blank_prompt_preservation_multiplier start_step do_paramiter_swapping paramiter_swapping_factor "
        "max_grad_norm prompt_dropout_prob negative_prompt merge_network_on_save cfg_scale do_cfg"),
    unknown=_SILENT,
)  # fmt: skip

_MODEL = Table(
    {"arch": NAME, "name_or_path": NAME, "quantize": FLAG, "quantize_te": FLAG, "low_vram": FLAG},
    also=names(
        "qtype qtype_te model_kwargs extras_name_or_path assistant_lora_path is_flux dtype vae_path layer_offloading "
        "layer_offloading_transformer_percent layer_offloading_text_encoder_percent accuracy_recovery_adapter "
        "te_name_or_path vae_dtype te_dtype inference_lora_path compile attn_masking split_model_over_gpus"),
    unknown=_SILENT,
)  # fmt: skip

_SAMPLE = Table(
    {
        "sampler": NAME, "sample_every": whole(1), "width": whole(64), "height": whole(64), "num_frames": whole(1),
        "fps": number(most=240, above=0), "seed": SEED, "walk_seed": FLAG, "guidance_scale": number(0),
        "sample_steps": whole(1, 1000), "prompts": items(NAME), "neg": TEXT, "do_audio": FLAG,
    },
    also=names("samples guidance_rescale ext network_multiplier adapter_conditioning_scale format"),
    unknown=_SILENT,
)  # fmt: skip

PROCESS = Table(
    {
        "type": NAME, "training_folder": NAME, "device": NAME, "trigger_word": TEXT, "network": table(_NETWORK),
        "save": table(_SAVE), "datasets": items(table(DATASET)), "train": table(_TRAIN), "model": table(_MODEL),
        "sample": table(_SAMPLE), "performance_log_every": whole(0),
    },
    also=frozenset(["logging", "sqlite_db_path", "meta", "slider", "adapter", "embedding", "decorator", "guidance"]),
    needed=("datasets",),
    unknown=_SILENT,
)  # fmt: skip

JOB = Table(
    {
        "job": text("extension", "train", "generate", "extract", "mod"),
        "config": table(Table(
            {"name": NAME, "process": items(table(PROCESS))}, also=frozenset(["device"]), needed=("name", "process"),
            unknown=_SILENT,
        )),
        "meta": Kind((dict,)),
    },
    needed=("config",), unknown=_SILENT,
)  # fmt: skip

BARE = Table(
    {"datasets": items(table(DATASET)), "trigger_word": TEXT, **{k: v for k, v in PROCESS.kinds.items()
     if k in ("train", "network", "model", "sample", "save", "type", "training_folder", "device")}},
    also=PROCESS.also, unknown=_SILENT,
)  # fmt: skip

_OWN = {"folder_path", "shrink_video_to_frames", "auto_frame_count", "do_audio", "cache_latents_to_disk", "caption_ext"}


def recognised(doc: Doc, commands: Sequence[Command]) -> bool:
    """Whether a config has the shape of its jobs or of its dataset blocks."""
    del commands
    value = doc.value
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict):
        return False
    inner = value.get("config")
    if isinstance(inner, dict) and isinstance(inner.get("process"), list):
        return True
    blocks = value.get("datasets")
    first = blocks[0] if isinstance(blocks, list) and blocks else value
    return isinstance(first, dict) and len(_OWN & set(first)) >= 1 and "video_directory" not in first


def parsed(doc: Doc, commands: Sequence[Command], read: Read) -> TrainerConfig:
    """What a job says. Its command line decides nothing."""
    del commands, read
    value, place, table_ = _root(doc)
    found = checked(doc, value, place, table_)
    at = _process(value, place)
    prefix = _named(at)
    blocks = _blocks(doc, at, found)
    dropped = (one.fields.get("caption_dropout_rate") for one in blocks)
    trigger = found.given(f"{prefix}trigger_word")
    job = _job_fields(found, prefix)
    network = f"{prefix}network.network_kwargs.only_if_contains"
    return TrainerConfig(
        NAME_OF, doc.name, (doc.name,), blocks, job, tuple(found.faults), commands=True,
        trigger=trigger or next((one.fields["trigger_word"] for one in blocks if "trigger_word" in one.fields), None),
        batch=job.get("train.batch_size"), targets=found.given(network),
        dropout=next((one for one in dropped if one is not None), None),
        sound=_sound(job), sound_given=job.get("train.audio_loss_multiplier"),
    )  # fmt: skip


def _sound(job: Mapping[str, Given]) -> bool | None:
    given = job.get("train.audio_loss_multiplier")
    return None if given is None else given.value != 0


def _root(doc: Doc) -> tuple[Any, Place, Table]:
    """The mapping that is walked: a job, `datasets:` alone, or one block as it is posted."""
    value = doc.value
    if isinstance(value, dict) and "config" not in value:
        return (value, (), BARE) if "datasets" in value else (value, (), _ALONE)
    if isinstance(value, list):
        return (value[0] if value else {}), (0,), _ALONE
    return value, (), JOB


_ALONE = Table({**DATASET.kinds, "trigger_word": TEXT}, also=DATASET.also, unknown=_SILENT)


def _process(value: Any, place: Place) -> Place:
    """Where the fields of the process stand."""
    if isinstance(value, dict) and isinstance(value.get("config"), dict):
        return (*place, "config", "process", 0)
    return place


def _named(place: Place) -> str:
    from captioner.checks.configs.spec import named

    told = named(place)
    return f"{told}." if told else ""


def _blocks(doc: Doc, at: Place, found: Checked) -> tuple[Block, ...]:
    prefix = _named(at)
    trigger = found.given(f"{prefix}trigger_word")
    arch = found.given(f"{prefix}model.arch")
    made = []
    number_of = 0
    while f"{prefix}datasets[{number_of}]" in found.fields:
        name = f"datasets[{number_of}]"
        made.append(_block(doc, name, (*at, "datasets", number_of), found.under(f"{prefix}{name}"), trigger, arch))
        number_of += 1
    if not made and f"{prefix}datasets" not in found.fields:  # the block itself
        made.append(_block(doc, "the block", at, found.under(_named(at).removesuffix(".")), trigger, arch))
    return tuple(made)


def _block(
    doc: Doc, name: str, place: Place, fields: dict[str, Given], trigger: Given | None, arch: Given | None
) -> Block:
    if trigger is not None:
        fields = {"trigger_word": trigger} | fields

    def value(field: str, default: Any) -> Any:
        given = fields.get(field)
        return default if given is None or given.value is None else given.value

    own = Options()
    options = Options(
        num_frames=value("num_frames", own.num_frames), shrink_video_to_frames=value("shrink_video_to_frames", True),
        auto_frame_count=value("auto_frame_count", False),
        trim_auto_frame_count_tail=value("trim_auto_frame_count_tail", True), fps=float(value("fps", own.fps)),
        do_audio=value("do_audio", False), audio_preserve_pitch=value("audio_preserve_pitch", False),
        trigger_word=value("trigger_word", ""), group=4 if arch and str(arch.value).startswith("wan") else 8,
        arch=str(arch.value) if arch and arch.value else own.arch,
    )  # fmt: skip
    ending = str(value("caption_ext", ".txt"))
    return Block(
        name, doc.name, doc.line(place), options, fields,
        folders=tuple(str(value(key, "")) for key in ("folder_path",) if value(key, "")),
        listings=tuple(str(value(key, "")) for key in ("dataset_path",) if value(key, "")),
        caption_extension=ending if ending.startswith(".") else f".{ending}",
    )  # fmt: skip


def _job_fields(found: Checked, prefix: str) -> dict[str, Given]:
    """Fields of the process by their name in it, without what stands in dataset blocks."""
    return {
        key.removeprefix(prefix): given
        for key, given in found.fields.items()
        if key.startswith(prefix) and key not in found.bad and "datasets[" not in key
    }
