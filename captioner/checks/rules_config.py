"""P01 to P10: what is wrong with a config whatever its clips are, and where it and the dataset do not fit together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING

from captioner.checks.captiontext import openings, speech
from captioner.checks.findings import Finding
from captioner.checks.lost import many
from captioner.checks.rules import ERROR, INFO, WARNING, rule, rules_in
from captioner.checks.rules_time import blocks
from captioner.checks.rules_time_rates import MUSUBI_COUNTS
from captioner.checks.view import View

if TYPE_CHECKING:
    from captioner.checks.configs import Block

MOST_DROPOUT = 0.3
"""Share of steps without a caption: 0.05 to 0.1 is usual."""


@rule(
    "P01",
    WARNING,
    "a field is unknown",
    cost="it does nothing, whatever was meant by it",
    advice="correct its name, or take it out",
    needs="config",
)
def unknown(view: View) -> Iterator[Finding]:
    assert view.config is not None
    for fault in view.config.faults:
        if fault.kind == "unknown":
            yield unknown.finding(
                fault.file, fault.told, cost=fault.cost, fix=fault.fix, line=fault.line,
                severity=INFO if fault.harmless else ERROR,
            )  # fmt: skip


@rule(
    "P02",
    ERROR,
    "a field has a value that its trainer refuses or cannot use",
    cost="the run stops, or trains otherwise than it is written",
    advice="give a value that it takes",
    needs="config",
)
def refused(view: View) -> Iterator[Finding]:
    assert view.config is not None
    for fault in view.config.faults:
        if fault.kind != "unknown" and fault.key.rpartition(".")[2].partition("[")[0] not in MUSUBI_COUNTS:
            yield refused.finding(fault.file, fault.told, cost=fault.cost, fix=fault.fix, line=fault.line)


@rule(
    "P03",
    ERROR,
    "the trainer is told another trigger than the captions have",
    cost="prompts call one word and the clips another: the voice does not come",
    advice="tell the trainer the word that the captions have",
    needs="config",
)
def trigger(view: View) -> Iterator[Finding]:
    config = view.config
    assert config is not None
    given = config.trigger
    own = tuple(filter(None, (view.trigger or "").split(","))) or openings(text for _, text in view.captioned)
    if given is None or not own or not view.clips:
        return
    told, named = str(given.value or ""), " or ".join(map(repr, own))
    if not told.strip():
        yield trigger.finding(
            given.file, f"{given.key} is empty; the captions begin with {named}", line=given.line, severity=INFO,
            cost="nothing is lost: it stands in the captions; [trigger] in prompts stays as it is",
            fix=f"set it to {own[0]} where prompts say [trigger]" if len(own) == 1 else "leave it so",
        )  # fmt: skip
    elif (told,) != own:
        yield trigger.finding(
            given.file, f"{given.key} is {told!r}; the captions begin with {named}", line=given.line,
            cost="both are read, and each calls half of the voice up" if told not in own
            else "it is put before captions of other speakers, too: their voices answer to it",
            fix=f"set it to {own[0]}" if len(own) == 1 else "leave it empty: each caption has its own",
        )  # fmt: skip


@rule(
    "P04",
    ERROR,
    "captions have another ending than the one that is read",
    cost="the captions are not found: clips train without words, or the run stops",
    advice="set the ending that the captions have: txt",
    needs="config",
)
def ending(view: View) -> Iterator[Finding]:
    assert view.config is not None
    for block in view.config.blocks:
        asked = block.caption_extension
        if asked is None or asked == ".txt" or not block.folders:
            continue
        own = [clip for clip in view.clips if view.config.block_of(clip.path) is block]
        without = [clip for clip in own if not clip.path.with_suffix(asked).is_file()]
        if without:
            named = "caption_ext" if "caption_ext" in block.fields else "caption_extension"
            there = any(clip.caption is not None for clip in without)
            yield ending.finding(
                block.file, f"{block.name}: {named} is {asked}, and {len(without)} of {many(len(own), 'clip')} have no "
                "such file" + ("; they have a .txt" if there else ""), line=block.line_of(named),
                cost="training stops" if view.is_for("musubi") else "they train without a caption: their faces and "
                "voices leak into every prompt",
                fix="txt" if named == "caption_ext" else '".txt"',
            )  # fmt: skip


@rule(
    "P05",
    WARNING,
    "captions are left out often",
    cost="the words that are heard are often not read",
    advice="lower the share, 0.05 at most",
    needs="config",
)
def dropout(view: View) -> Iterator[Finding]:
    assert view.config is not None
    given = view.config.dropout
    if given is None or not isinstance(given.value, int | float) or given.value <= MOST_DROPOUT:
        return
    yield dropout.finding(
        given.file, f"{given.key} is {given.value:g}", line=given.line,
        cost=f"in {given.value:.0%} of the steps the words are heard and not read: the voice leaks into every prompt",
        fix="0.05", severity=ERROR if given.value >= 1 else None,
    )  # fmt: skip


@rule(
    "P07",
    ERROR,
    "the config points at other clips than these",
    cost="other clips are trained than were checked",
    advice="point the config at the folder that you check",
    needs="config",
)
def elsewhere(view: View) -> Iterator[Finding]:
    config = view.config
    assert config is not None
    if not view.clips:
        return
    others = [block for block in config.blocks if not _trains(block, view)]
    for block in others:
        if not (block.folders or block.listings):
            continue
        places = ", ".join(block.folders or block.listings)
        if len(others) < len(config.blocks):
            yield elsewhere.finding(
                block.file, f"{block.name} trains {places}, which was not checked here", line=block.line,
                severity=INFO, cost="what is wrong there is not said",
                fix=f"captioner check {config.file} checks all that it names",
            )  # fmt: skip
            continue
        gone = "" if block.folders or block.members is not None else " (it is not here, or lists no clip)"
        yield elsewhere.finding(
            block.file, f"{block.name} trains {places}{gone}; none of {many(len(view.clips), 'clip')} in {view.root} "
            "is there", line=block.line,
            cost="what is checked here is not what will be trained", fix="check the folder that it names, or mend it",
        )  # fmt: skip
    yield from _latents(view)


def _trains(block: Block, view: View) -> bool:
    """Whether a block trains any of these clips."""
    names = block.members or frozenset()
    return any(block.has_folder(clip.path) or clip.path.name in names for clip in view.clips)


def _latents(view: View) -> Iterator[Finding]:
    """Whether training reads what the preparation writes."""
    config = view.config
    assert config is not None
    root = config.fields.get("data.preprocessed_data_root")
    written = [place for block in (*config.blocks, *config.others) if (place := block.latents) is not None]
    if root is None or not config.commands or not written:
        return
    if not any(_same_place(PurePath(str(root.value)), one) for one in written):
        yield elsewhere.finding(
            root.file, f"{root.key} is {root.value}, and process_dataset.py writes to {written[0]}", line=root.line,
            cost="other latents are trained, or none", fix=f"set it to {written[0]}",
        )  # fmt: skip


def _same_place(one: PurePath, other: PurePath) -> bool:
    """Whether two paths may name one folder: a relative one starts nobody knows where."""
    short, long = sorted((one.parts, other.parts), key=len)
    return one == other if one.is_absolute() == other.is_absolute() else long[-len(short) :] == short


@rule(
    "P08",
    ERROR,
    "the job trains no sound",
    cost="the voice stays the base model's",
    advice="turn sound on",
    needs="config",
    hears=True,
    trainers=("ltx", "id-lora", "ai-toolkit"),
)
def deaf(view: View) -> Iterator[Finding]:
    config = view.config
    assert config is not None
    heard = [clip for clip in view.playable if clip.facts.heard]
    if not heard:
        return
    said = sum(1 for clip in heard if speech(clip.text or ""))
    cost = f"{many(len(heard), 'clip')} have sound ({said} with speech), and none of it is learnt"
    severity = ERROR if said else WARNING
    skip = config.fields.get("--skip_audio")
    if skip is not None:
        yield deaf.finding(skip.file, "--skip-audio is given", line=skip.line, cost=cost, fix="take it out",
                           severity=severity)  # fmt: skip
    if config.sound is False and config.sound_given is not None:
        given = config.sound_given
        fix = "audio_loss_multiplier: 1.0" if view.is_for("ai-toolkit") else "audio: {is_generated: true}"
        fix = "with_audio: true" if given.key.endswith("with_audio") else fix
        yield deaf.finding(
            given.file, f"{given.key} leaves sound out", line=given.line, cost=cost, fix=fix, severity=severity
        )  # fmt: skip
    shown = config.fields.get("validation.generate_audio")
    if shown is not None and shown.value is False and config.sound:
        yield deaf.finding(
            shown.file, f"{shown.key} is false", line=shown.line, severity=INFO, fix="generate_audio: true",
            cost="you will not hear on the way whether the voice is learnt",
        )  # fmt: skip


@rule("P09", INFO, "what decides is not in the config", needs="config", trainers=("ltx", "id-lora", "simpletuner"))
def left_open(view: View) -> Iterator[Finding]:
    config = view.config
    assert config is not None
    if config.commands:
        return
    if view.is_for("simpletuner"):
        yield left_open.finding(
            config.file, "no config.json, config.toml or config.env and no script with its flags stands beside it: "
            "--framerate is taken to be 25",
            cost="at another rate lips and voice drift apart", fix="put config.json beside it",
        )  # fmt: skip
    else:
        yield left_open.finding(
            config.file, "no script with process_dataset.py stands beside it: buckets and sound are taken to be those "
            "that captioner export writes", cost="clips may be cut or dropped by other buckets",
            fix="give the script with your command: --config prepare.sh",
        )  # fmt: skip


@rule("P10", INFO, "a field has no effect beside another", trainers=("ai-toolkit",), needs="config")
def idle(view: View) -> Iterator[Finding]:
    for block in blocks(view):
        given = block.fields.get("num_frames")
        if given is not None and block.options.auto_frame_count:
            yield idle.finding(
                given.file, f"{block.name}: num_frames {given.value} is ignored because of auto_frame_count: each clip "
                "has its own count", line=given.line,
                cost="nothing: it is not what is wrong, whatever you are told", fix="take it out to save the question",
            )  # fmt: skip
        given = block.fields.get("do_audio")
        if given is not None and given.value is True and view.deaf:
            yield idle.finding(
                given.file, f"{block.name}: do_audio has no effect: {block.options.arch} hears nothing",
                line=given.line, cost="no voice is learnt, whatever it says", fix="take it out",
            )  # fmt: skip


RULES = rules_in(globals())
