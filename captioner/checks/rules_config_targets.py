"""P06: on which modules a LoRA is put, and whether sound is among them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from captioner.checks.findings import Finding
from captioner.checks.lora_keys import A2V, AUDIO, BLOCK_PARTS, HEARD, V2A
from captioner.checks.rules import ERROR, WARNING, rule, rules_in
from captioner.checks.rules_audio import wants_sound
from captioner.checks.view import View

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "to_gate_logits")
FEED = ("net.0.proj", "net.2")

MODULES: dict[str, str] = {
    f"transformer_blocks.0.{part}.{leaf}": family
    for part, family in BLOCK_PARTS.items()
    for leaf in (FEED if part.endswith("ff") else ATTENTION)
}
"""The linear modules of one block of LTX-2, and the family of each."""

PRESETS = {"t2v": HEARD, "v2v": HEARD, "full": HEARD, "audio": frozenset({AUDIO, A2V})}
"""What musubi's presets reach of sound where --ltx2_mode is av; those that begin with `video` reach none."""

COSTS = {
    AUDIO: "the branch that makes the voice is not trained: it stays the base model's",
    V2A: "sound does not learn to follow the picture: words and lips part",
    A2V: "the picture does not learn to follow sound: lips do not move with the words",
}


def reached(trainer: str, targets: Sequence[str], ignored: Sequence[str] = ()) -> frozenset[str]:
    """Families of modules that a list of names reaches: as ends of names in PEFT, as parts of them in ai-toolkit."""
    if trainer == "musubi":
        return PRESETS.get(targets[0] if targets else "t2v", frozenset())
    if trainer == "ai-toolkit":
        hit = [
            name for name in MODULES
            if any(one in name for one in targets) and not any(one in name for one in ignored)
        ]  # fmt: skip
    else:
        hit = [name for name in MODULES if any(name == one or name.endswith(f".{one}") for one in targets)]
    return frozenset(MODULES[name] for name in hit)


@rule(
    "P06",
    ERROR,
    "the LoRA is put on modules that make no sound",
    cost="the voice cannot be learnt: nothing that makes sound is changed",
    advice="name modules without attn1. before them: to_k, to_q, to_v, to_out.0",
    needs="config",
)
def targets(view: View) -> Iterator[Finding]:
    config = view.config
    assert config is not None
    given = config.targets
    if (
        given is None
        or not isinstance(given.value, list | str)
        or not any(wants_sound(view, clip) for clip in view.playable)
    ):
        return
    named = [str(one) for one in given.value] if isinstance(given.value, list) else [str(given.value)]
    ignored = config.value("network.network_kwargs.ignore_if_contains", [])
    found = reached(view.trainer or "", named, ignored if isinstance(ignored, list) else [])
    shown = ", ".join(named[:6]) + (" ..." if len(named) > 6 else "")
    missing = [family for family in (AUDIO, V2A, A2V) if family not in found]
    if not missing:
        return
    short = sorted({re.sub(r"^.*attn[12]\.|^.*ff\.", "", one) for one in named})
    yield targets.finding(
        given.file, f"{given.key} ({shown}) reaches {', '.join(sorted(found)) or 'no module of a block'}, and not "
        f"{', '.join(missing)}", line=given.line, cost="; ".join(COSTS[one] for one in missing),
        fix="use the short names, which reach every branch: " + ", ".join(short) if view.is_for("ltx", "id-lora")
        else "--lora_target_preset t2v" if view.is_for("musubi")
        else f"take {'it' if view.is_for('simpletuner') else 'only_if_contains'} out",
        severity=ERROR if AUDIO in missing else WARNING,
    )  # fmt: skip


RULES = rules_in(globals())
