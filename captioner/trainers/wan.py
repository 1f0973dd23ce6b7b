"""The Wan family, through musubi-tuner or ai-toolkit: 4k+1 frames at 16 a second; its text encoder takes 512 tokens.

It hears nothing: its captions quote no speech. The model has a speed of its own and is told none: frames that are not
drawn at it are learnt as slow or fast motion. musubi-tuner (its first home, not the LTX-2 branch) draws them only where
`source_fps` is given, and knows no `target_fps`; ai-toolkit draws them at the dataset's `fps`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from captioner.trainers import ai_toolkit, musubi
from captioner.trainers._buckets import floor
from captioner.trainers._files import Bundle, Change, Entry, as_jsonl, as_yaml, captions_beside, script
from captioner.trainers._window import ClipFacts, Window, unlisted

SETTINGS: dict[str, Any] = {
    "frames": "4k+1",
    "min_frames": 33,
    "max_frames": 81,
    "fps": "16",
    "template": "default",
    "max_tokens": 512,
}

TAKES_SOUND_ALONE = False
TAKES_SOUND = False
ADDS_TRIGGER = False
CACHES = ("cache_*/*_wan.safetensors", "cache_*/*_wan_te.safetensors", *ai_toolkit.CACHES)

GROUP = 4
STEP = 16
"""Pixels a side is rounded to."""
OWN_RATE = 16.0
OWN_RATES = {"wan22_5b": 24.0}
"""Frames a second of those of ai-toolkit's models that have another."""
STEPS = {"wan22_5b": 32}

Loader = musubi.Options | ai_toolkit.Options


@dataclass(frozen=True, slots=True)
class Options:
    """`through` says which loader is asked: musubi or ai-toolkit. A config is read as that loader's own options."""

    through: str = "musubi"
    fps: float = OWN_RATE
    max_frames: int = 81


def options_for(clips: Sequence[ClipFacts]) -> Options:
    """Every clip whole, at the model's own rate."""
    counts = [drawn(clip) for clip in clips if clip.frames]
    return Options(max_frames=max((floor(count, GROUP) for count in counts), default=81))


def drawn(clip: ClipFacts, fps: float = OWN_RATE) -> int:
    """Frames that musubi makes of a clip at another rate."""
    rate = clip.rate or Fraction(str(fps))
    target = Fraction(str(fps))
    return musubi.kept_of(clip.frames, rate, target, drawn=rate != target)


def loader(options: Options | Loader, rate: Fraction | None = None) -> Loader:
    """The options of the loader that is asked about a clip of that rate."""
    if not isinstance(options, Options):
        return options
    if options.through == "musubi":
        return musubi.Options(
            target_frames=(options.max_frames,), max_frames=options.max_frames, frame_extraction="full",
            target_fps=options.fps, source_fps=float(rate) if rate else None, group=GROUP, upstream=True,
        )  # fmt: skip
    return ai_toolkit.Options(auto_frame_count=True, fps=options.fps, group=GROUP, arch="wan22_14b")


def own_rate(options: Options | Loader) -> float:
    """Frames a second that the model takes its pictures for."""
    return OWN_RATES.get(_arch(options), OWN_RATE)


def step(options: Options | Loader) -> int:
    """Pixels that a side is rounded to."""
    return STEPS.get(_arch(options), STEP)


def _arch(options: Options | Loader) -> str:
    return options.arch.partition(":")[0] if isinstance(options, ai_toolkit.Options) else ""


def window(clip: ClipFacts, options: Options | Loader) -> Window:
    """What it trains on of a clip: 4k+1 frames of its picture."""
    if not clip.frames or clip.rate is None:
        return unlisted("it is sound alone, which its loader does not list")
    asked = loader(options, clip.rate)
    if isinstance(asked, musubi.Options):
        made = musubi.window(clip, replace(asked, mode_av=False))
    else:
        made = ai_toolkit.window(clip, replace(asked, do_audio=False))
    return replace(made, losses=tuple(told for told in made.losses if told not in _UNHEARD))


_UNHEARD = ("its sound is not used", "it has no sound")


def joined(caption: str, trigger: str, options: Options | Loader) -> str:
    """The text that it trains with: through musubi the caption, through ai-toolkit as that joins it."""
    asked = loader(options)
    if isinstance(asked, ai_toolkit.Options):
        return ai_toolkit.joined(caption, trigger, asked)
    return musubi.joined(caption, trigger, asked)


def with_trigger(options: Options, trigger: str) -> Options:
    """Raises SettingsError: one of the two adds no trigger."""
    musubi.with_trigger(musubi.Options(), trigger)
    return options


def files(bundle: Bundle, options: Options) -> dict[str, str]:
    """Captions beside the clips, musubi's TOML and JSONL with a block for each frame rate, and ai-toolkit's block."""
    groups: dict[Fraction, list[Entry]] = {}
    for entry in bundle.training:
        if entry.facts.rate is not None:
            groups.setdefault(entry.facts.rate, []).append(entry)
    made, blocks = {}, []
    for rate, entries in sorted(groups.items()):
        name = f"video_{float(rate):g}".replace(".", "_")
        rows = [{"video_path": bundle.at(entry.place), "caption": entry.caption} for entry in entries]
        made[f"{name}.jsonl"] = as_jsonl(rows)
        blocks.append(_block(bundle, name, rate, options))
    width, height = bundle.size
    given = f"--dataset_config {bundle.shell('dataset.toml')}"
    return {
        **captions_beside(bundle),
        **made,
        "dataset.toml": "\n".join([musubi.general(width, height), *blocks]),
        "ai-toolkit.yaml": as_yaml(_for_ai_toolkit(bundle, options)),
        "commands.sh": script([
            "# In musubi-tuner; ai-toolkit.yaml is the dataset block for ai-toolkit.",
            f"python src/musubi_tuner/wan_cache_latents.py {given} --vae VAE",
            f"python src/musubi_tuner/wan_cache_text_encoder_outputs.py {given} --t5 T5",
            *bundle.first_experiment(),
        ]),
    }  # fmt: skip


def _block(bundle: Bundle, name: str, rate: Fraction, options: Options) -> str:
    lines = [
        "[[datasets]]",
        f"video_jsonl_file = {musubi.toml(bundle.at(f'{name}.jsonl'))}",
        f"cache_directory = {musubi.toml(bundle.at(f'cache_{name}'))}",
        f"target_frames = [{options.max_frames}]",
        f"max_frames = {options.max_frames}",
        'frame_extraction = "full"',
        f"source_fps = {float(rate)!r}  # a float; without it frames of another rate than 16 are slow motion",
    ]
    return "\n".join(lines) + "\n"


def _for_ai_toolkit(bundle: Bundle, options: Options) -> dict[str, Any]:
    asked = loader(replace(options, through="ai-toolkit"))
    assert isinstance(asked, ai_toolkit.Options)
    return {"datasets": [ai_toolkit.dataset_block(bundle, asked)], "model": {"arch": asked.arch}}


def stale(change: Change) -> list[str]:
    """What of its caches no longer holds."""
    told = ai_toolkit.stale(change)
    if change.media or change.captions or change.settings:
        told.append(f"{change.summary()}: in musubi-tuner cache again without --skip_existing and --keep_cache")
    return told
