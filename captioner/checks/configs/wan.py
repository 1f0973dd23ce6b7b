"""Configs of the Wan family: musubi-tuner's dataset TOML with its wan_*.py commands, and ai-toolkit's jobs for Wan.

musubi-tuner trains Wan in its first home, whose blocks know no `target_fps` and nothing of sound. Which model a TOML is
for only the commands say: without them --trainer wan does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from captioner.checks.configs import ai_toolkit, musubi
from captioner.checks.configs.flags import Command
from captioner.checks.configs.reading import Doc
from captioner.checks.configs.sources import Read
from captioner.checks.configs.spec import Table, names
from captioner.checks.configs.value import Block, TrainerConfig
from captioner.trainers import wan

NAME_OF = "wan"

SCRIPTS = ("wan_cache_latents.py", "wan_cache_text_encoder_outputs.py", "wan_train_network.py")
_NOT_THERE = frozenset({
    "target_fps", "audio_directory", "audio_jsonl_file", "audio_bucket_strategy", "audio_bucket_interval",
    "reference_directory", "reference_cache_directory", "separate_audio_buckets",
})  # fmt: skip
"""Fields of the LTX-2 branch alone."""
_ONLY_THERE = names("loss_mask_directory default_loss_mask_path loss_mask_use_alpha loss_mask_invert")


def _without(table: Table) -> Table:
    kinds = {name: kind for name, kind in table.kinds.items() if name not in _NOT_THERE}
    return replace(table, kinds=kinds, also=table.also | _ONLY_THERE)


FORM = musubi.Form(
    SCRIPTS, general=_without(musubi.GENERAL), block=_without(musubi.BLOCK), target_fps=wan.OWN_RATE, group=wan.GROUP,
    upstream=True,
)  # fmt: skip


def recognised(doc: Doc, commands: Sequence[Command]) -> bool:
    """Whether a job names one of its models, or a script calls its programs."""
    if ai_toolkit.recognised(doc, commands):
        return _for_wan(doc)
    called = any(one.program in SCRIPTS for one in commands)
    return called and (doc.form == "commands" or musubi.recognised(doc, ()))


def may_be(doc: Doc, commands: Sequence[Command]) -> bool:
    """Whether it can be one where a person says so: a file for either of its trainers that names no other model."""
    if ai_toolkit.recognised(doc, commands):
        return _for_wan(doc) or _arch(doc) is None
    return musubi.recognised(doc, ()) and not any(one.program in musubi.SCRIPTS for one in commands)


def through(doc: Doc, commands: Sequence[Command]) -> str:
    """Whose loader reads for it."""
    return "ai-toolkit" if ai_toolkit.recognised(doc, commands) else "musubi"


def _for_wan(doc: Doc) -> bool:
    return str(_arch(doc) or "").startswith("wan")


def _arch(doc: Doc) -> Any:
    """The model of a job; None where it names none."""
    value = doc.value
    inner = value.get("config") if isinstance(value, dict) else None
    processes = inner.get("process") if isinstance(inner, dict) else None
    if isinstance(processes, list) and processes:
        value = processes[0]
    model = value.get("model") if isinstance(value, dict) else None
    return model.get("arch") if isinstance(model, dict) else None


def parsed(doc: Doc, commands: Sequence[Command], read: Read) -> TrainerConfig:
    """What a job, or the dataset file and the commands say."""
    asked = through(doc, commands)
    if asked == "musubi":
        made = musubi.parsed(doc, commands, read, FORM)
    else:
        made = ai_toolkit.parsed(doc, commands, read)
        made = replace(made, blocks=tuple(map(_in_fours, made.blocks)))
    return replace(made, trainer=NAME_OF, through=asked, sound=None, sound_given=None, targets=None)


def _in_fours(block: Block) -> Block:
    """A block that names no model is Wan's because a person says so."""
    own = {} if str(block.options.arch).startswith("wan") else {"arch": "wan22_14b"}
    return replace(block, options=replace(block.options, group=wan.GROUP, **own))
