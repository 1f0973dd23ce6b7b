"""The atlas: how LoRA files of LTX-2, 2.3 and 2.5 name their keys, as tables, and one key read by them.

A key is prefix + module + role. `diffusion_model.transformer_blocks.7.audio_attn1.to_q.lora_B.weight` is the up-matrix
of `transformer_blocks.7.audio_attn1.to_q`, named as LTX's own code names it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

LAST_BLOCK = 47
"""Of the 48 blocks of LTX-2 and 2.3."""

VIDEO, AUDIO, A2V, V2A = "video", "audio", "audio-to-video", "video-to-audio"
CONNECTORS, TEXT, OTHER = "connectors", "text", "other"

FAMILIES = (VIDEO, AUDIO, A2V, V2A, CONNECTORS, TEXT, OTHER)

HEARD = frozenset({AUDIO, A2V, V2A})
"""Families that a file without the sound branch has not."""

PREFIXES = (
    "base_model.model.",
    "diffusion_model.",
    "text_embedding_projection.",
    "text_encoders.",
    "connectors.",
    "transformer.",
    "lora_unet_model_",
    "lora_unet_",
    "lora_transformer_",
    "lora_te1_",
    "lora_te_",
    "lycoris_",
    "unet.",
)
"""Each before those that it begins with."""

_KEPT = {"text_embedding_projection.", "text_encoders.", "lora_te_", "lora_te1_"}
"""Prefixes that name a model beside the transformer: all that they hold is its text side."""

BLOCK_PARTS: Mapping[str, str] = {
    "attn1": VIDEO,
    "attn2": VIDEO,
    "ff": VIDEO,
    "audio_attn1": AUDIO,
    "audio_attn2": AUDIO,
    "audio_ff": AUDIO,
    "audio_to_video_attn": A2V,
    "video_to_audio_attn": V2A,
}
"""Inside `transformer_blocks.N.`"""

DIFFUSERS_NAMES: Mapping[str, str] = {
    "audio_proj_in": "audio_patchify_proj",
    "proj_in": "patchify_proj",
    "audio_time_embed": "audio_adaln_single",
    "time_embed": "adaln_single",
    "audio_prompt_adaln": "audio_prompt_adaln_single",
    "prompt_adaln": "prompt_adaln_single",
    "av_cross_attn_video_scale_shift": "av_ca_video_scale_shift_adaln_single",
    "av_cross_attn_audio_scale_shift": "av_ca_audio_scale_shift_adaln_single",
    "av_cross_attn_video_a2v_gate": "av_ca_a2v_gate_adaln_single",
    "av_cross_attn_audio_v2a_gate": "av_ca_v2a_gate_adaln_single",
}
"""What Diffusers calls a module, and what LTX's own code, ComfyUI and ltx-pipelines call it."""

_OWN_PARTS: Mapping[str, str] = {
    "audio_patchify_proj": AUDIO,
    "audio_proj_out": AUDIO,
    "audio_caption_projection": AUDIO,
    "audio_adaln_single": AUDIO,
    "audio_prompt_adaln_single": AUDIO,
    "av_ca_video_scale_shift_adaln_single": AUDIO,
    "av_ca_audio_scale_shift_adaln_single": AUDIO,
    "av_ca_a2v_gate_adaln_single": AUDIO,
    "av_ca_v2a_gate_adaln_single": AUDIO,
    "patchify_proj": VIDEO,
    "proj_out": VIDEO,
    "caption_projection": VIDEO,
    "adaln_single": VIDEO,
    "prompt_adaln_single": VIDEO,
    "audio_embeddings_connector": CONNECTORS,
    "video_embeddings_connector": CONNECTORS,
    "embeddings_connector": CONNECTORS,  # what musubi calls the one of the picture
    "audio_connector": CONNECTORS,
    "video_connector": CONNECTORS,
    "text_proj_in": TEXT,
}

TOP_PARTS: Mapping[str, str] = {**_OWN_PARTS, **{name: _OWN_PARTS[own] for name, own in DIFFUSERS_NAMES.items()}}
"""Beside the blocks."""

ROLES: Mapping[str, tuple[str, str]] = {
    ".lora_A.weight": ("down", "peft"),
    ".lora_B.weight": ("up", "peft"),
    ".lora_down.weight": ("down", "kohya"),
    ".lora_up.weight": ("up", "kohya"),
    ".lora.down.weight": ("down", "old"),
    ".lora.up.weight": ("up", "old"),
    "_lora.down.weight": ("down", "old"),
    "_lora.up.weight": ("up", "old"),
    ".lora_A": ("down", "bare"),
    ".lora_B": ("up", "bare"),
    ".alpha": ("alpha", ""),
    ".dora_scale": ("dora", ""),
    ".lora_magnitude_vector.weight": ("dora", "peft"),
    ".lora_magnitude_vector": ("dora", "peft"),
    ".diff": ("diff", ""),
    ".diff_b": ("diff", ""),
    ".set_weight": ("diff", ""),
    **{f".lokr_{part}": ("lokr", "") for part in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")},
    **{f".hada_{part}": ("loha", "") for part in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")},
}
"""How a key ends: (what the tensor is, whose way of spelling it)."""

_ENDINGS = tuple(sorted(ROLES, key=len, reverse=True))
_ADAPTER = re.compile(r"\.lora_([AB])\.([^.]+)\.weight\Z")
_BLOCK = re.compile(r"transformer_blocks[._](\d{1,4})[._]")
_PARTS = {
    True: sorted(BLOCK_PARTS, key=len, reverse=True),
    False: sorted(TOP_PARTS, key=len, reverse=True),
}


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a LoRA file, taken apart."""

    name: str
    prefix: str
    """One of PREFIXES, or empty."""
    module: str
    """Without prefix and role. Prefixes that end in an underscore have underscores in it for dots."""
    block: int | None
    """Of `transformer_blocks`."""
    part: str
    """`audio_attn1`, `audio_patchify_proj`; empty where the atlas has no such module."""
    family: str
    role: str
    """down, up, alpha, dora, diff, lokr, loha; "other" where the ending is unknown."""
    spelling: str
    """peft, kohya, old, bare, or "named" for PEFT's with an adapter's name in it; empty where there is only one."""

    @property
    def ltx(self) -> bool:
        """Whether the atlas knows the module."""
        return self.family != OTHER


def read_key(name: str) -> Key:
    """Never fails: what the atlas does not know has the family "other"."""
    role, spelling, rest = _role(name)
    prefix = next((one for one in PREFIXES if rest.startswith(one)), "")
    module = rest.removeprefix(prefix)
    if prefix == "base_model.model.":  # PEFT may wrap a name that has a prefix already
        module = module.removeprefix("diffusion_model.").removeprefix("transformer.")
    if prefix in _KEPT:
        return Key(name, prefix, module, None, module.split(".")[0], TEXT, role, spelling)
    block = _BLOCK.match(module)
    inner = module[block.end() :] if block else module
    part = next((one for one in _PARTS[bool(block)] if inner == one or inner.startswith((f"{one}.", f"{one}_"))), "")
    family = (BLOCK_PARTS if block else TOP_PARTS).get(part, OTHER)
    return Key(name, prefix, module, int(block[1]) if block else None, part, family, role, spelling)


def _role(name: str) -> tuple[str, str, str]:
    for ending in _ENDINGS:
        if name.endswith(ending):
            return *ROLES[ending], name[: -len(ending)]
    named = _ADAPTER.search(name)
    if named:
        return ("down" if named[1] == "A" else "up"), "named", name[: named.start()]
    return "other", "", name


def spans(blocks: set[int]) -> str:
    """`{0, 1, 2, 5}` as "0-2, 5"."""
    told: list[str] = []
    for first in sorted(number for number in blocks if number - 1 not in blocks):
        last = first
        while last + 1 in blocks:
            last += 1
        told.append(str(first) if last == first else f"{first}-{last}")
    return ", ".join(told)
