"""The Wan family, through musubi-tuner or ai-toolkit: 4k+1 frames at 16 a second; its text encoder takes 512 tokens.

It hears nothing: its captions quote no speech.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from captioner.trainers import ai_toolkit, musubi
from captioner.trainers._buckets import floor
from captioner.trainers._files import Bundle, Change, as_jsonl, as_yaml, captions_beside, script
from captioner.trainers._window import ClipFacts, Window

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
CACHES = ("cache/*_wan.safetensors", "cache/*_wan_te.safetensors", *ai_toolkit.CACHES)

GROUP = 4
OWN_RATE = 16.0


@dataclass(frozen=True, slots=True)
class Options:
    """`through` says which loader is asked: musubi or ai-toolkit."""

    through: str = "musubi"
    fps: float = OWN_RATE
    max_frames: int = 81


def options_for(clips: Sequence[ClipFacts]) -> Options:
    """Every clip whole at its own rate."""
    found = ai_toolkit.options_for([clip for clip in clips if clip.frames])
    return Options(fps=found.fps, max_frames=max((floor(clip.frames, GROUP) for clip in clips), default=81))


def window(clip: ClipFacts, options: Options) -> Window:
    """What it trains on of a clip: 4k+1 frames of its picture."""
    if options.through == "musubi":
        made = musubi.window(clip, _musubi(options))
    else:
        made = ai_toolkit.window(clip, _ai_toolkit(options))
    return replace(made, losses=tuple(told for told in made.losses if told != "its sound is not used"))


def _musubi(options: Options) -> musubi.Options:
    return musubi.Options(
        target_frames=(options.max_frames,), max_frames=options.max_frames, frame_extraction="full",
        target_fps=options.fps, source_fps=None, group=GROUP,
    )  # fmt: skip


def _ai_toolkit(options: Options) -> ai_toolkit.Options:
    return ai_toolkit.Options(auto_frame_count=True, fps=options.fps, group=GROUP, arch="wan22_14b")


def joined(caption: str, trigger: str, options: Options) -> str:
    """The text that it trains with: the caption, through either."""
    return musubi.joined(caption, trigger, _musubi(options))


def with_trigger(options: Options, trigger: str) -> Options:
    """Raises SettingsError: one of the two adds no trigger."""
    musubi.with_trigger(_musubi(options), trigger)
    return options


def files(bundle: Bundle, options: Options) -> dict[str, str]:
    """Captions beside the clips, musubi's TOML and JSONL, and ai-toolkit's dataset block."""
    rows = [{"video_path": bundle.at(entry.place), "caption": entry.caption} for entry in bundle.training]
    width, height = bundle.size
    rate = float(Fraction(str(options.fps)))
    config = [
        musubi.general(width, height),
        "[[datasets]]",
        f"video_jsonl_file = {musubi.toml(bundle.at('video.jsonl'))}",
        f"cache_directory = {musubi.toml(bundle.at('cache'))}",
        f"target_frames = [{options.max_frames}]",
        f"max_frames = {options.max_frames}",
        'frame_extraction = "full"',
        f"source_fps = {rate!r}",
    ]
    return {
        **captions_beside(bundle),
        "video.jsonl": as_jsonl(rows),
        "dataset.toml": "\n".join(config) + "\n",
        "ai-toolkit.yaml": as_yaml({"datasets": [ai_toolkit.dataset_block(bundle, _ai_toolkit(options))]}),
        "commands.sh": script([
            "# In musubi-tuner; ai-toolkit.yaml is the dataset block for ai-toolkit.",
            f"python src/musubi_tuner/wan_cache_latents.py --dataset_config {bundle.shell('dataset.toml')} --vae VAE",
            "python src/musubi_tuner/wan_cache_text_encoder_outputs.py "
            f"--dataset_config {bundle.shell('dataset.toml')} --t5 T5",
            *bundle.first_experiment(),
        ]),
    }  # fmt: skip


def stale(change: Change) -> list[str]:
    """What of its caches no longer holds."""
    told = ai_toolkit.stale(change)
    if change.media or change.captions or change.settings:
        told.append(f"{change.summary()}: in musubi-tuner cache again without --skip_existing and --keep_cache")
    return told
