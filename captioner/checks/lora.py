"""What a LoRA file is and what it will do: trainer, rank, alpha, families, sound, loaders, triggers (rules L01 to L04).

Reads the header, the alphas and the up-matrices of the last block; never the rest.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from captioner.checks.findings import Finding, printable
from captioner.checks.lora_findings import alpha_findings, loader_findings, sound_findings, summary_finding
from captioner.checks.lora_keys import CONNECTORS, FAMILIES, Key, read_key, spans
from captioner.checks.lora_loaders import LOADERS, Ignored, ignored
from captioner.checks.lora_meta import made_from, stated, triggers
from captioner.checks.lora_trained import Sound, Verdict, floats, judged
from captioner.checks.safetensors import Header, Tensor, opened, pieces, read_header


@dataclass(frozen=True, slots=True)
class LoraReport:
    """All that is known of one file."""

    file: str
    trainer: str
    """In words; more than one where the keys do not tell them apart."""
    form: str
    """LoRA, DoRA, LoKr, LoHa or difference."""
    prefix: str
    keys: int
    ranks: tuple[int, ...]
    alphas: tuple[float, ...]
    """As stored in the file; empty where there are none."""
    blocks: tuple[int, ...]
    families: Mapping[str, int]
    """Modules of each."""
    verdict: Verdict
    ignored: tuple[Ignored, ...]
    triggers: tuple[str, ...]
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "file": self.file,
            "trainer": self.trainer,
            "form": self.form,
            "prefix": self.prefix,
            "keys": self.keys,
            "ranks": list(self.ranks),
            "alphas": list(self.alphas),
            "blocks": spans(set(self.blocks)),
            "families": dict(self.families),
            "sound": self.verdict.sound.name.lower(),
            "sound_why": self.verdict.why,
            "ignored": [
                {"loader": one.loader, "why": one.why, "keys": one.keys, "modules": one.modules,
                 "families": list(one.families), "everything": one.every}
                for one in self.ignored
            ],
            "triggers": list(self.triggers),
            "findings": [finding.as_dict() for finding in self.findings],
        }  # fmt: skip


def check_lora(path: Path, loaders: Sequence[str] = ()) -> LoraReport:
    """Reads a LoRA file. `loaders` are those it must work in; none means that any of LOADERS will do.

    Raises UsageError where it cannot be opened, BadFormat where it is not a sound safetensors file.
    """
    header = read_header(path)
    keys = [read_key(name) for name in header.tensors]
    made = _made(keys, header)
    with opened(path) as file:
        verdict = judged(file, header.tensors, keys, made)
        alphas = _alphas(file, keys, header.tensors)
    left_out = tuple(one for loader in loaders or LOADERS for one in ignored(loader, keys))
    words = triggers(header.metadata)
    ranks = _ranks(keys, header.tensors)
    said = stated(header.metadata, path)
    name = str(path)
    findings = [
        *sound_findings(name, verdict),
        *loader_findings(name, left_out, set(loaders)),
        *alpha_findings(name, ranks, alphas, said, loaders or LOADERS),
        summary_finding(name, words),
    ]
    return LoraReport(
        name,
        _trainer(keys, header.metadata, made),
        _form(keys),
        _prefix(keys),
        len(keys),
        tuple(sorted(set(ranks.values()))),
        tuple(sorted(set(alphas.values()))),
        tuple(sorted({key.block for key in keys if key.block is not None})),
        _families(keys),
        verdict,
        left_out,
        words,
        tuple(findings),
    )


def as_text(report: LoraReport) -> str:
    """Two lines where nothing is wrong; then the findings, without L04, which the second line tells."""
    rank = "/".join(map(str, report.ranks)) or "unknown"
    alpha = f", alpha {'/'.join(f'{one:g}' for one in report.alphas)}" if report.alphas else ""
    blocks = f", blocks {spans(set(report.blocks))}" if report.blocks else ""
    families = ", ".join(report.families) or "nothing of LTX-2"
    takers = [loader for loader in LOADERS if not any(one.loader == loader for one in report.ignored)]
    words = ", ".join(report.triggers)
    told = [one for one in report.findings if one.rule != "L04"]
    lines = [
        f"{report.file}: {report.trainer}, {report.form}, rank {rank}{alpha}{blocks}: {families}; "
        f"{report.verdict.sound.value}",
        f"  loads whole in {_listed(takers) or 'none of ' + _listed(LOADERS)}; "
        + (f"trigger in its metadata: {words}" if words else "no trigger in its metadata"),
    ]
    if report.verdict.sound is Sound.UNKNOWN:
        lines.append(f"  {report.verdict.why}")
    text = [printable(line) for line in lines]
    return "\n".join([*text, *("  " + one.as_text(with_file=False).replace("\n", "\n  ") for one in told)])


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _ranks(keys: Sequence[Key], tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """By module: the rows of the down-matrix, or else the columns of the up-matrix."""
    ranks: dict[str, int] = {}
    for key in keys:
        shape = tensors[key.name].shape
        if len(shape) >= 2 and key.role == "down":
            ranks[key.module] = shape[0]
        elif len(shape) >= 2 and key.role == "up":
            ranks.setdefault(key.module, shape[1])
    return ranks


def _alphas(file: BinaryIO, keys: Sequence[Key], tensors: Mapping[str, Tensor]) -> dict[str, float]:
    """By module. One that is no number, or not one value, is left out."""
    alphas: dict[str, float] = {}
    for key in keys:
        tensor = tensors[key.name]
        if key.role == "alpha" and tensor.end - tensor.start <= 8 and tensor.end > tensor.start:
            value = _scalar(b"".join(pieces(file, tensor)), tensor.dtype)
            if value is not None and 0 < value < 1e9:
                alphas[key.module] = value
    return alphas


def _scalar(data: bytes, dtype: str) -> float | None:
    if dtype in {"I8", "I16", "I32", "I64"}:
        return float(int.from_bytes(data, "little", signed=True))
    if dtype in {"U8", "U16", "U32", "U64"}:
        return float(int.from_bytes(data, "little"))
    code = {"F64": "<d", "F32": "<f", "F16": "<e"}.get(dtype)
    if code and len(data) == struct.calcsize(code):
        return float(struct.unpack(code, data)[0])
    if dtype == "BF16" and len(data) == 2:
        return float(struct.unpack("<f", b"\0\0" + data)[0])
    return float(floats(data, dtype)[0]) if dtype in {"F8_E4M3", "F8_E5M2"} and len(data) == 1 else None


def _made(keys: Sequence[Key], header: Header) -> str | None:
    """Why the up-matrices need not have started at zero."""
    roles = {key.role for key in keys}
    if roles & {"lokr", "loha"}:
        return (
            f"a {'LoKr' if 'lokr' in roles else 'LoHa'} is a product of factors: none of them need have started at zero"
        )
    if "diff" in roles:
        return "it holds differences of whole weights: it was extracted, not trained"
    word = made_from(header.metadata)
    if word:
        return f'its metadata says "{word}": such files do not start at zero'
    if _extracted_by_comfyui(keys):
        return "named as ComfyUI saves what it extracts or merges: such files do not start at zero"
    sizes = set(_ranks(keys, header.tensors).values())
    if len(sizes) > 2:
        return f"its modules have {len(sizes)} different ranks, as an extraction gives them"
    return None


def _extracted_by_comfyui(keys: Sequence[Key]) -> bool:
    ups = [key for key in keys if key.role == "up"]
    plain = all(key.prefix == "diffusion_model." and key.spelling == "kohya" for key in ups)
    return bool(ups) and plain and not any(key.role == "alpha" for key in keys)


def _form(keys: Sequence[Key]) -> str:
    roles = {key.role for key in keys}
    names = {"lokr": "LoKr", "loha": "LoHa", "dora": "DoRA", "up": "LoRA", "diff": "difference"}
    return next((name for role, name in names.items() if role in roles), "no LoRA")


def _prefix(keys: Sequence[Key]) -> str:
    return Counter(key.prefix for key in keys).most_common(1)[0][0] if keys else ""


def _families(keys: Sequence[Key]) -> dict[str, int]:
    modules = {(key.family, key.module) for key in keys}
    counts = Counter(family for family, _ in modules)
    return {family: counts[family] for family in FAMILIES if counts[family]}


_BY_METADATA = (
    ("ss_ltx_version", "musubi-tuner (ltx-2 branch)"),
    ("ss_lora_target_preset", "musubi-tuner (ltx-2 branch)"),
    ("ai-toolkit", "ai-toolkit"),
    ("simpletuner", "SimpleTuner"),
)


def _trainer(keys: Sequence[Key], metadata: Mapping[str, str], made: str | None) -> str:
    """By the metadata, else by how keys are named and which there are."""
    if not any(key.ltx for key in keys):
        return "not of LTX-2"
    prefix, spellings = _prefix(keys), {key.spelling for key in keys if key.role == "up"}
    converted = " (converted for ComfyUI)" if prefix == "diffusion_model." else ""
    said = " ".join(
        [*metadata, *(metadata.get(key, "")[:500] for key in ("software", "name", "modelspec.author", "trainer"))]
    )
    for word, trainer in _BY_METADATA:
        if word in said.lower():
            return trainer + (converted if "musubi" in trainer or "Simple" in trainer else "")
    if made and "extracted" in made:
        return "extracted from a model"
    by_prefix = {
        "lora_unet_model_": "musubi-tuner (ltx-2 branch, its own names)",
        "lycoris_": "SimpleTuner (LyCORIS)",
        "transformer.": "SimpleTuner or Diffusers",
        "connectors.": "Diffusers",
        "base_model.model.": "PEFT",
        "lora_transformer_": "OneTrainer",
        "lora_unet_": "kohya-like names",
        "": "names without a prefix",
    }
    return by_prefix.get(prefix) or _by_targets(keys, spellings)


def _by_targets(keys: Sequence[Key], spellings: set[str]) -> str:
    """LTX, ai-toolkit, ID-LoRA and both converters write the same names; what they train differs."""
    if spellings != {"peft"}:
        return "diffusion_model. names of an unknown maker"
    if any(key.role == "alpha" for key in keys):
        return "SimpleTuner (converted for ComfyUI)"
    parts = {key.part for key in keys}
    if parts >= {"audio_attn1", "audio_ff"} and not parts & {"attn1", "attn2", "ff"}:
        return "ID-LoRA or LTX's audio_ref_ic"
    if any(key.family == CONNECTORS for key in keys):
        return "musubi-tuner (ltx-2 branch) (converted for ComfyUI)"
    if not parts & {"ff", "audio_ff"}:
        return "LTX trainer (its default targets)"
    return "ai-toolkit, LTX trainer or musubi-tuner (converted)"
