"""The findings of a LoRA file, rules L01 to L04, in the words of whoever will listen to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from captioner.checks.findings import Finding, Severity
from captioner.checks.lora_loaders import COMFYUI, DIFFUSERS, LOADERS, LTX_PIPELINES, Ignored
from captioner.checks.lora_meta import Stated
from captioner.checks.lora_trained import Sound, Verdict


def sound_findings(file: str, verdict: Verdict) -> list[Finding]:
    """L01: no audio loss, or no numbers."""
    if verdict.sound is Sound.NEVER:
        return [Finding(
            "L01", Severity.ERROR, file, f"no audio loss ever reached it: {verdict.why}",
            "the voice that you will hear is the base model's; only the picture was learnt",
            "train with sound on (ai-toolkit: do_audio: true; LTX: with_audio; musubi: --ltx2_mode av; SimpleTuner: an "
            "audio block), and see that loss/audio is logged",
        )]  # fmt: skip
    if verdict.sound is Sound.ABSENT:
        return [Finding(
            "L01", Severity.ERROR, file, "it has no key of the sound: no audio loss ever reached it",
            "the voice that you will hear is the base model's",
            "train with target modules that reach the sound (to_k, to_q, to_v, to_out.0 without attn1. before them) "
            "and sound on; if only the picture was meant, silence L01",
        )]  # fmt: skip
    if verdict.sound is Sound.BROKEN:
        return [Finding(
            "L01", Severity.ERROR, file, f"{verdict.why} (NaN or infinity): the training ran away",
            "picture and sound will be black, noise or nothing",
            "take an earlier checkpoint; train again with a lower learning rate or in bf16",
        )]  # fmt: skip
    return []


def loader_findings(file: str, left_out: Sequence[Ignored], must: set[str]) -> list[Finding]:
    """L02: an error where a loader that must do leaves sound out, or all do; else a warning."""
    nowhere = {one.loader for one in left_out if one.every}
    found = []
    for one in left_out:
        lost = one.loader in must and (one.heard or one.every)
        grave = lost or (not must and nowhere == set(LOADERS))
        amount = "all of it" if one.every else f"{one.modules} modules ({', '.join(one.families)})"
        cost = (
            "it has no effect there" if one.every else f"what it learnt there is not applied: {', '.join(one.families)}"
        )
        found.append(Finding(
            "L02", Severity.ERROR if grave else Severity.WARNING, file,
            f"{one.loader} ignores {amount}: {one.why}", cost, _loader_fix(one),
        ))  # fmt: skip
    return found


def _loader_fix(one: Ignored) -> str:
    if "lora_unet_model_" in one.why:
        return "use the .comfy.safetensors that musubi writes beside it"
    if "lycoris_" in one.why or "lokr" in one.why:
        return "rename lycoris_ to diffusion_model. and dotted module names: ComfyUI takes LoKr so, the others never"
    if "refuses a file" in one.why:
        return f"fold alpha into the up-matrices and leave it out, or play it in {COMFYUI}"
    if "transformer." in one.why and one.loader != DIFFUSERS:
        return "save with SimpleTuner's lora_format: comfyui, or rename transformer. to diffusion_model."
    if "Diffusers' name" in one.why:
        return "rename that module in the file, or do without it; the rest is applied"
    if one.families == ("other",):
        return "use it with the model that it was trained for"
    if "names begin with" in one.why or "no prefix" in one.why:
        return "rename the keys to diffusion_model.<module>.lora_A.weight and .lora_B.weight"
    return (
        "play it in a loader that takes it, or convert it to diffusion_model.<module>.lora_A.weight and .lora_B.weight"
    )


def alpha_findings(
    file: str, ranks: Mapping[str, int], alphas: Mapping[str, float], said: Stated | None, loaders: Sequence[str]
) -> list[Finding]:
    """L03: where it plays louder or softer than it was trained. Ranks and alphas by module."""
    found = []
    ratios = Counter(alphas[module] / ranks[module] for module in alphas if ranks.get(module))
    unequal = {ratio: count for ratio, count in ratios.items() if abs(ratio - 1) > 1e-3}
    if unequal and LTX_PIPELINES in loaders:
        ratio = max(unequal, key=lambda one: unequal[one])
        found.append(Finding(
            "L03", Severity.WARNING, file,
            f"alpha is {ratio:g} x rank in {unequal[ratio]} modules, and ltx-pipelines ignores .alpha",
            f"there it plays {_strength(1 / ratio)} at the same strength", f"give it strength {ratio:g} there",
        ))  # fmt: skip
    rank = said.rank if said and said.rank else max(ranks.values(), default=0)
    if said and said.alpha and not alphas and rank and abs(said.alpha / rank - 1) > 1e-3:
        ratio = said.alpha / rank
        found.append(Finding(
            "L03", Severity.WARNING, file,
            f"trained with alpha {said.alpha:g} and rank {rank:g} ({said.where}), and the file has no alpha",
            f"loaders take alpha = rank: it plays {_strength(1 / ratio)} as in training", f"give it strength {ratio:g}",
        ))  # fmt: skip
    return found


def _strength(times: float) -> str:
    return f"{times:.3g} times as strong"


def summary_finding(file: str, words: Sequence[str]) -> Finding:
    """L04."""
    if words:
        return Finding("L04", Severity.INFO, file, f"trigger in the metadata: {', '.join(words)}")
    return Finding(
        "L04", Severity.INFO, file, "no trigger in the metadata; the captions that it was trained on have it"
    )
