"""What the programs that play LTX-2 make of a LoRA's keys: those that they do not know they leave out, and play on.

ComfyUI: `comfy/lora.py` and `comfy/weight_adapter/` (takes module paths with `diffusion_model.` or bare, or underscored
after `lora_unet_`; logs "lora key not loaded"). ltx-pipelines: `ltx_core/loader/fuse_loras.py` and `sd_ops.py` (drops
`diffusion_model.`, takes pairs of `.lora_A.weight` and `.lora_B.weight`, says nothing of the rest). Diffusers 0.42:
`LTX2LoraLoaderMixin` (takes `transformer.` and `connectors.`, converts `diffusion_model.`, refuses the whole file where
any name lacks "lora").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from captioner.checks.lora_keys import CONNECTORS, DIFFUSERS_NAMES, FAMILIES, HEARD, OTHER, TEXT, Key

COMFYUI, LTX_PIPELINES, DIFFUSERS = "ComfyUI", "ltx-pipelines", "Diffusers"

WEIGHTS = frozenset({"up", "down", "dora", "diff", "lokr", "loha", "other"})
"""Roles that carry what was learnt; alpha is rule L03's."""

_OWN_NAMES = frozenset(DIFFUSERS_NAMES.values())


@dataclass(frozen=True, slots=True)
class Ignored:
    """Keys of one file that one loader leaves out for one reason."""

    loader: str
    why: str
    keys: int
    modules: int
    families: tuple[str, ...]
    every: bool
    """Whether the loader takes nothing at all of the file."""

    @property
    def heard(self) -> bool:
        """Whether any of it is of the sound."""
        return bool(HEARD & set(self.families))


def ignored(loader: str, keys: Sequence[Key]) -> list[Ignored]:
    """What a loader leaves out, by reason; empty where it takes all that was learnt."""
    weights = [key for key in keys if key.role in WEIGHTS]
    refusal = _refusal(keys) if loader == DIFFUSERS else None
    why = _WHY[loader]
    converted = any(key.prefix == "diffusion_model." for key in keys)
    reasons: dict[str, list[Key]] = {}
    for key in weights:
        reason = refusal or why(key)
        if loader == DIFFUSERS and converted and key.prefix in {"transformer.", "connectors."}:
            reason = reason or "names with diffusion_model. in the same file make it drop the others"
        if reason:
            reasons.setdefault(reason, []).append(key)
    left = sum(len(some) for some in reasons.values())
    return [_grouped(loader, reason, some, every=left == len(weights)) for reason, some in reasons.items()]


def _grouped(loader: str, why: str, keys: Sequence[Key], *, every: bool) -> Ignored:
    families = {key.family for key in keys}
    modules = len({key.module for key in keys})
    return Ignored(loader, why, len(keys), modules, tuple(one for one in FAMILIES if one in families), every)


def named(key: Key) -> str:
    """How a key's prefix is shown."""
    return f"names begin with {key.prefix}" if key.prefix else "names have no prefix"


def _comfyui(key: Key) -> str | None:
    if key.family == TEXT:
        return "they belong to the text side, which it does not patch"
    if key.prefix not in {"diffusion_model.", "lora_unet_", ""}:
        return named(key)
    if _not_own(key):
        return _not_own(key)
    if key.part in {"audio_connector", "video_connector", "embeddings_connector"}:
        return f"it has no module {key.part}"
    if key.role == "dora" and key.spelling == "peft":
        return "it takes DoRA as .dora_scale only"
    if key.role == "other" or (key.spelling == "named" and not _default(key)):
        return "their endings are unknown to it"
    return None


def _ltx_pipelines(key: Key) -> str | None:
    if key.family in {TEXT, CONNECTORS}:
        return "it patches the transformer only"
    if key.prefix not in {"diffusion_model.", ""}:
        return named(key)
    if _not_own(key):
        return _not_own(key)
    if key.spelling != "peft" or key.role not in {"up", "down"}:
        return "it takes .lora_A.weight and .lora_B.weight only"
    return None


def _diffusers(key: Key) -> str | None:
    if key.prefix not in {"diffusion_model.", "transformer.", "connectors.", "text_embedding_projection."}:
        return named(key)
    if key.family == OTHER:
        return "LTX-2 has no such module"
    if key.prefix == "diffusion_model." and key.family == CONNECTORS:
        return "it looks for connectors in the transformer, where they are not"
    if key.prefix == "transformer." and key.part in _OWN_NAMES:
        return f"it calls {key.part} otherwise"
    if key.spelling != "peft" or key.role not in {"up", "down"}:
        return "it takes .lora_A.weight and .lora_B.weight only"
    return None


def _refusal(keys: Iterable[Key]) -> str | None:
    """Diffusers drops DoRA scales, keeps only what it converts, and then wants "lora" in every name left."""
    keys = [key for key in keys if key.role != "dora" or key.spelling == "peft"]
    converted = any(key.prefix == "diffusion_model." for key in keys)
    kept = [key for key in keys if not converted or key.prefix in {"diffusion_model.", "text_embedding_projection."}]
    without = Counter(key.role for key in kept if "lora" not in key.name)
    if not without:
        return None
    return f'it refuses a file in which any name lacks "lora", as {sum(without.values())} do (.{_ending(kept)})'


def _ending(keys: Iterable[Key]) -> str:
    return next(key.name.rsplit(".", 1)[-1] for key in keys if "lora" not in key.name)


def _not_own(key: Key) -> str | None:
    if key.family == OTHER:
        return "LTX-2 has no such module"
    if key.part in DIFFUSERS_NAMES:
        return f"{key.part} is Diffusers' name; here it is {DIFFUSERS_NAMES[key.part]}"
    return None


def _default(key: Key) -> bool:
    return ".default." in key.name


_WHY: Mapping[str, Callable[[Key], str | None]] = {
    COMFYUI: _comfyui,
    LTX_PIPELINES: _ltx_pipelines,
    DIFFUSERS: _diffusers,
}

LOADERS = tuple(_WHY)
