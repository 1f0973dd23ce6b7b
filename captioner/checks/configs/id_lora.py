"""ID-LoRA: its `process_dataset.py` command, its CSV and its training YAML, which is a fork of the LTX trainer's."""

from __future__ import annotations

from collections.abc import Sequence

from captioner.checks.configs import ltx
from captioner.checks.configs.flags import Command
from captioner.checks.configs.reading import Doc
from captioner.checks.configs.sources import Read, clip_names
from captioner.checks.configs.spec import Checked, checked
from captioner.checks.configs.value import Block, Fault, TrainerConfig
from captioner.trainers.id_lora import OWN, Options

NAME_OF = "id-lora"
STRATEGIES = ("audio_ref_only_ic", "audio_ref_ic")
FILE = ltx.tables(STRATEGIES)
KNOWN_FLAGS = (*ltx.KNOWN_FLAGS, "reference_column", "skip_existing", "decode", "data_root", "output_root")


def recognised(doc: Doc, commands: Sequence[Command]) -> bool:
    """Whether a YAML names its strategy, or a command asks for references."""
    if isinstance(doc.value, dict):
        strategy = doc.value.get("training_strategy")
        if isinstance(strategy, dict) and str(strategy.get("name", "")).startswith("audio_ref"):
            return True
    return any(one.program == ltx.PREPARES and "reference_column" in one.flags for one in commands) and (
        doc.form in ("commands", "csv")
    )


def parsed(doc: Doc, commands: Sequence[Command], read: Read) -> TrainerConfig:
    """What its YAML and the command that prepares the dataset say."""
    found = checked(doc, doc.value, (), FILE) if doc.form in ("yaml", "json") else Checked()
    calls = [one for one in commands if one.program == ltx.PREPARES]
    faults: list[Fault] = list(found.faults)
    blocks = [_block(call, read, faults) for call in calls]
    if not blocks:
        blocks.append(Block("the dataset", doc.name, None, None, {}))
    return ltx.job(NAME_OF, doc, found, calls, blocks, faults)


def _block(call: Command, read: Read, faults: list[Fault]) -> Block:
    buckets = ltx.read_buckets(call, faults) or (OWN,)
    faults += ltx.unknown_flags(call, KNOWN_FLAGS)
    listing = call.arguments[0] if call.arguments else ""
    members = clip_names(read(listing), listing, ("media_path", "video")) if listing else None
    options = Options(buckets, "with_audio" in call.flags, call.flags.get("lora_trigger") or "")
    return Block(
        ltx.PREPARES, call.file, call.line, options, ltx.given_flags(call), listings=(listing,) if listing else (),
        members=members,
    )  # fmt: skip
