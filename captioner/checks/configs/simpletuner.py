"""SimpleTuner's multidatabackend.json, and its flags: config.json, config.env or a command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from captioner.checks.configs import envfile
from captioner.checks.configs.flags import Command
from captioner.checks.configs.reading import Doc, parse
from captioner.checks.configs.sources import Read
from captioner.checks.configs.spec import (
    FLAG,
    NAME,
    TEXT,
    Checked,
    Kind,
    Table,
    checked,
    names,
    number,
    shown,
    table,
    text,
    whole,
)  # fmt: skip
from captioner.checks.configs.value import Block, Fault, Given, TrainerConfig
from captioner.trainers.simpletuner import INTERVAL, Options

NAME_OF = "simpletuner"
_SILENT = "is ignored without a word: its default holds"

VIDEO = Table(
    {"num_frames": whole(1), "min_frames": whole(1), "max_frames": whole(1), "is_i2v": FLAG,
     "bucket_strategy": text("aspect_ratio", "resolution_frames"), "frame_interval": whole(1)},
    also=frozenset(["max_duration", "min_duration", "fps"]), unknown=_SILENT,
)  # fmt: skip
AUDIO = Table(
    {"auto_split": FLAG, "channels": whole(1, 8), "sample_rate": whole(8000, 192_000), "allow_zero_audio": FLAG,
     "duration_interval": number(above=0, most=86_400), "bucket_strategy": text("duration"),
     "truncation_mode": text("beginning", "end", "random"), "min_duration_seconds": number(0),
     "max_duration_seconds": number(above=0), "audio_only": FLAG, "source_from_video": FLAG},
    also=frozenset(["lyrics_extension", "lyrics_suffix", "lyrics_filename_format", "target_resolution"]),
    unknown=_SILENT,
)  # fmt: skip
BACKEND = Table(
    {
        "id": NAME, "type": text("local", "csv", "aws", "huggingface", "parquet", "webshart"),
        "dataset_type": text("image", "video", "audio", "text_embeds", "image_embeds", "conditioning", "eval",
                             "distillation_cache", "caption"),
        "instance_data_dir": NAME, "caption_strategy": text("textfile", "instanceprompt", "filename", "parquet", "csv",
                                                             "huggingface", "webshart"),
        "cache_dir_vae": NAME, "cache_dir": NAME, "resolution": number(above=0),
        "resolution_type": text("pixel", "area", "pixel_area"), "crop": FLAG,
        "crop_style": text("random", "center", "corner", "face"), "crop_aspect": text("square", "preserve", "random",
                                                                                      "closest"),
        "prepend_instance_prompt": FLAG, "only_instance_prompt": FLAG, "instance_prompt": TEXT,
        "disable_multiline_split": FLAG, "caption_shuffle": Kind((bool, dict)), "video": table(VIDEO),
        "audio": table(AUDIO), "default": FLAG, "disabled": FLAG, "repeats": whole(0), "probability": number(0, 1),
        "delete_problematic_images": FLAG, "delete_unwanted_images": FLAG, "vae_cache_clear_each_epoch": FLAG,
        "minimum_image_size": number(0), "maximum_image_size": number(0), "target_downsample_size": number(0),
        "minimum_aspect_ratio": number(0), "maximum_aspect_ratio": number(0), "is_regularisation_data": FLAG,
    },
    also=names("parquet csv_caption_column huggingface metadata_backend hash_filenames ignore_epochs text_embeds "
        "preserve_data_backend_cache skip_file_discovery aspect_bucket_rounding aspect_bucket_alignment "
        "scan_for_errors "
        "crop_aspect_buckets vae_cache_ondemand conditioning conditioning_data conditioning_type "
        "write_batch_size disable_vae_cache "
        "start_epoch start_step end_epoch end_step image_embeds caption_filter_list slider_strength mask "
        "num_train_epochs skip_delete dataset_name split revision streaming"),
    unknown=_SILENT,
)  # fmt: skip
FLAGS = Table(
    {
        "framerate": number(above=0, most=1000), "train_batch_size": whole(1), "max_train_steps": whole(0),
        "seed": Kind((int,)), "lora_rank": whole(1, 4096), "model_type": text("lora", "full"),
        "model_family": text("ltxvideo2"), "caption_dropout_probability": number(0, 1), "data_backend_config": NAME,
        "output_dir": NAME, "lora_alpha": number(above=0), "learning_rate": number(most=0.1, above=0),
        "lora_format": text("diffusers", "comfyui"), "lora_type": text("standard", "lycoris"),
        "audio_loss_weight": number(0), "resolution": number(above=0), "gradient_accumulation_steps": whole(1),
        "resolution_type": text("pixel", "area", "pixel_area"), "instance_prompt": TEXT,
        "prepend_instance_prompt": FLAG, "only_instance_prompt": FLAG, "caption_strategy": BACKEND.kinds[
            "caption_strategy"
        ],
        "peft_lora_target_modules": Kind((list, str), each=NAME, filled=True),
    },
)  # fmt: skip
FOR_ALL = ("instance_prompt", "prepend_instance_prompt", "only_instance_prompt", "caption_strategy", "resolution",
           "resolution_type")  # fmt: skip
"""Flags that hold for backends which do not say otherwise."""
SIDES = ("config.json", "config.toml", "config.env")
"""Where the flags stand, the first that is there: only one of them is read."""
MOST_MEGAPIXELS = 16
FEWEST_PIXELS = 64
_FILE_KEYS = {"instance_data_dir", "dataset_type", "caption_strategy", "cache_dir_vae"}


def recognised(doc: Doc, commands: Sequence[Command]) -> bool:
    """Whether a config has the shape of its list of backends or of its flags."""
    value = doc.value
    if isinstance(value, list) and doc.form == "json":
        return any(isinstance(one, dict) and _FILE_KEYS & set(one) for one in value)
    if isinstance(value, dict) and doc.form in ("json", "toml"):
        return any(str(key).lstrip("-") in ("data_backend_config", "model_family") for key in value)
    if doc.form == "env":
        return any(key in envfile.FLAGS or key == envfile.EXTRA for key in value)
    return doc.form == "commands" and any(one.program == "simpletuner" for one in commands)


def parsed(doc: Doc, commands: Sequence[Command], read: Read) -> TrainerConfig:
    """What its backends and flags say. `doc` is the list of backends or the flags; the other is read beside it."""
    backends, flags_doc = (doc, None) if isinstance(doc.value, list) else (None, doc)
    for name in SIDES if flags_doc is None else ():
        if (text_ := read(name)) is not None:
            flags_doc = parse(text_, str(PurePath(doc.name).with_name(name)))
            break
    flags, faults, files = _flags(flags_doc, commands)
    if doc.form == "env" and read(SIDES[0]) is not None:
        faults.append(Fault(
            "unknown", doc.name, None, SIDES[0], f"{SIDES[0]} stands beside it, which is read in its place",
            "nothing in here counts, unless CONFIG_BACKEND=env is set", "keep one of them", harmless=True,
        ))  # fmt: skip
    if backends is None:
        named = flags.get("data_backend_config")
        where = str(named.value) if named else "multidatabackend.json"
        text_ = read(where)
        beside = str(PurePath(doc.name).with_name(where.rpartition("/")[2] or "multidatabackend.json"))
        backends = parse(text_, beside) if text_ is not None else Doc(where, "json", [])
    rate = flags.get("framerate")
    blocks = []
    for number_of, one in enumerate(backends.value if isinstance(backends.value, list) else []):
        found = checked(backends, one, (number_of,), BACKEND)
        faults += found.faults
        if isinstance(one, dict) and one.get("dataset_type", "image") in ("video", "audio") and not one.get("disabled"):
            block = _block(backends, number_of, found, float(rate.value) if rate else 25.0, flags)
            blocks.append(block)
            faults += _sizes(block)
    known = {f"--{key}": given for key, given in flags.items()}
    prompt = next((one.fields["instance_prompt"] for one in blocks if _prepended(one)), None)
    return TrainerConfig(
        NAME_OF, doc.name, tuple(dict.fromkeys([doc.name, backends.name, *files])), tuple(blocks), known,
        tuple(faults), commands=bool(flags), trigger=prompt, batch=flags.get("train_batch_size"),
        dropout=flags.get("caption_dropout_probability"), targets=_modules(flags),
    )  # fmt: skip


def _prepended(block: Block) -> bool:
    return bool(block.value("prepend_instance_prompt")) and "instance_prompt" in block.fields


def _flags(doc: Doc | None, commands: Sequence[Command]) -> tuple[dict[str, Given], list[Fault], list[str]]:
    """The flags with usable values; those of a command line win over a file's."""
    given: list[Given] = []
    faults: list[Fault] = []
    if doc is not None and doc.form == "env":
        given, faults = envfile.flags_of(doc, frozenset(FLAGS.kinds))
    elif doc is not None and isinstance(doc.value, dict) and doc.form != "commands":
        given += [
            Given(held, doc.name, doc.line((key,)), f"--{str(key).lstrip('-')}") for key, held in doc.value.items()
        ]
    for call in commands:
        if call.program in ("simpletuner", "train.py"):
            given += [Given(held, call.file, call.line, f"--{key}") for key, held in call.flags.items()]
    made: dict[str, Given] = {}
    for one in given:
        name = one.key.lstrip("-").replace("-", "_")
        kind = FLAGS.kinds.get(name)
        value = _typed(one.value, kind)
        if kind is not None and not kind.fits(value):
            faults.append(Fault(
                "value", one.file, one.line, one.key, f"{one.key} is {shown(one.value)}, and must be {kind.told}",
                "training does not start", f"give {kind.told}",
            ))  # fmt: skip
            continue
        made[name] = Given(value, one.file, one.line, one.key)
    return made, faults, list(dict.fromkeys(one.file for one in given))


def _typed(value: Any, kind: Kind | None) -> Any:
    """A flag's text as what it must be; the text where that is not possible."""
    if kind is FLAG:
        written = value.lower() if isinstance(value, str) else value
        return True if written is None or written == "true" else False if written == "false" else value
    if kind is None or not isinstance(value, str):
        return value
    if kind.each is not None:
        return _listed(value)
    for made in (int, float) if float in kind.types else (int,) if int in kind.types else ():
        try:
            return made(value)
        except ValueError:
            continue
    return value


def _modules(flags: Mapping[str, Given]) -> Given | None:
    """The modules that a LoRA is put on; None where a file that is not looked at holds them."""
    given = flags.get("peft_lora_target_modules")
    return given if given is not None and isinstance(given.value, list) else None


def _listed(text_: str) -> Any:
    """A list that is written as JSON; the text where it is none: the name of a file that holds one."""
    import json

    try:
        return json.loads(text_)
    except (ValueError, RecursionError):
        return text_


def _sizes(block: Block) -> Iterator[Fault]:
    """A resolution in megapixels that was meant in pixels, or the other way round."""
    given, of = block.fields.get("resolution"), block.value("resolution_type", "pixel_area")
    if given is None or not isinstance(given.value, int | float):
        return
    if of == "area" and given.value > MOST_MEGAPIXELS:
        yield Fault(
            "value", given.file, given.line, given.key, f"{block.name}: a resolution of {given.value:g} is as many "
            "megapixels, by resolution_type area", "no card holds such a picture",
            f"resolution_type: pixel_area, or {given.value**2 / 1e6:.2g}",
        )  # fmt: skip
    elif of != "area" and given.value < FEWEST_PIXELS:
        yield Fault(
            "value", given.file, given.line, given.key, f"{block.name}: a resolution of {given.value:g} is as many "
            f"pixels, by resolution_type {of}", "nothing can be seen in such a picture",
            f"resolution_type: area, or {(given.value * 1e6) ** 0.5:.0f}",
        )  # fmt: skip


def _block(doc: Doc, number_of: int, found: Checked, rate: float, flags: Mapping[str, Given]) -> Block:
    prefix = f"[{number_of}]"
    fields = {key: flags[key] for key in FOR_ALL if key in flags} | found.under(prefix)
    fields |= {f"video.{key}": given for key, given in found.under(f"{prefix}.video").items()}
    fields |= {f"audio.{key}": given for key, given in found.under(f"{prefix}.audio").items()}

    def value(field: str, default: Any = None) -> Any:
        given = fields.get(field)
        return default if given is None else given.value

    alone = value("dataset_type") == "audio"
    prompt = str(value("instance_prompt", "")) if value("prepend_instance_prompt") else ""
    options = Options(
        framerate=rate, num_frames=value("video.num_frames"), min_frames=value("video.min_frames"),
        audio=alone or isinstance(value("audio"), dict),
        duration_interval=float(value("audio.duration_interval", INTERVAL)), instance_prompt=prompt,
    )  # fmt: skip
    return Block(
        str(value("id", f"backend {number_of + 1}")), doc.name, doc.line((number_of,)), options, fields,
        folders=tuple(str(value(key)) for key in ("instance_data_dir",) if value(key)), sound_alone=alone,
        caption_extension=".txt" if value("caption_strategy") == "textfile" else None,
    )  # fmt: skip


__all__ = ["BACKEND", "FLAGS", "parsed", "recognised"]
