"""L01 to L04, which `captioner check-lora` finds: here for the table, and for `captioner check --lora`."""

from __future__ import annotations

from collections.abc import Iterator

from captioner.checks.findings import Finding
from captioner.checks.rules import ERROR, INFO, WARNING, rule, rules_in
from captioner.checks.view import View
from captioner.errors import BadFormat


@rule(
    "L01", ERROR, "no audio loss ever reached a LoRA", needs="lora",
    cost="the voice that you will hear is the base model's",
    advice="train with sound on, and see that loss/audio is logged",
)  # fmt: skip
def no_sound(view: View) -> Iterator[Finding]:
    yield from of("L01", view)


@rule(
    "L02", ERROR, "a loader ignores keys of a LoRA", needs="lora",
    cost="what it learnt there is not applied, or nothing of it is",
    advice="use the file that is written for that loader: .comfy.safetensors",
)  # fmt: skip
def ignored(view: View) -> Iterator[Finding]:
    yield from of("L02", view)


@rule(
    "L03", WARNING, "alpha and rank of a LoRA do not agree", needs="lora",
    cost="it is loaded stronger or weaker than it was trained",
    advice="set the strength that check-lora names",
)  # fmt: skip
def scaled(view: View) -> Iterator[Finding]:
    yield from of("L03", view)


@rule("L04", INFO, "what a LoRA is: rank, families, blocks, triggers", needs="lora")
def described(view: View) -> Iterator[Finding]:
    yield from of("L04", view)


def of(rule_id: str, view: View) -> Iterator[Finding]:
    """The findings of that rule in the files that were given."""
    from captioner.checks.lora import check_lora

    for path in view.loras:
        try:
            found = check_lora(path, ()).findings
        except BadFormat as error:
            if rule_id == "L01":
                yield no_sound.finding(str(path), str(error).removeprefix(f"{path}: "),
                                       cost="it cannot be loaded anywhere", fix="take another checkpoint")  # fmt: skip
            continue
        yield from (one for one in found if one.rule == rule_id)


RULES = rules_in(globals())
