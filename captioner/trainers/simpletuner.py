"""SimpleTuner.

One global `--framerate`, 25 by default, decides positions and sound; no resampling, so clips are made at 25. A caption
with a line break is split and one part drawn at random: captions are one line.

The first `num_frames` are kept; `min_frames` defaults to them, and they to 5 s, so that shorter clips are skipped
unless both are given. Without an `audio` block sound is not trained. Sound alone is cut to whole `duration_interval`s.
Latents are found by the hash of the clip's stem: another clip of that name trains as the old one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from captioner.trainers._buckets import floor
from captioner.trainers._files import Bundle, Change, as_json, captions_beside, joined_blindly, names, script
from captioner.trainers._window import ClipFacts, Take, Window, opened, unlisted

SETTINGS: dict[str, Any] = {"frames": "8k+1", "fps": "25", "template": "default"}

TAKES_SOUND_ALONE = True
TAKES_SOUND = True
ADDS_TRIGGER = True
CACHES = ("cache/vae", "cache/vae_audio", "cache/text")

SECONDS = 5
INTERVAL = 3.0
"""Seconds: what sound alone is cut to whole multiples of, unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class Options:
    """The flags and fields that decide what is heard, with the values that hold where none are given."""

    framerate: float = 25.0
    num_frames: int | None = None
    """None: 5 s."""
    min_frames: int | None = None
    """None: as `num_frames`."""
    audio: bool = False
    """Whether there is an `audio` block."""
    duration_interval: float = INTERVAL
    instance_prompt: str = ""
    """Put before every caption where `prepend_instance_prompt` is on."""

    @property
    def most(self) -> int:
        return floor(self.num_frames if self.num_frames is not None else int(SECONDS * self.framerate))

    @property
    def least(self) -> int:
        return self.min_frames if self.min_frames is not None else self.most


def options_for(clips: Sequence[ClipFacts]) -> Options:
    """Every clip whole, with sound, at the rate that most have."""
    rates = Counter(clip.rate for clip in clips if clip.rate)
    rate = max(rates.items(), key=lambda one: (one[1], one[0]))[0] if rates else Fraction(25)
    counts = [floor(clip.frames) for clip in clips if clip.frames] or [121]
    # One step of the audio latents: what is left of a clip behind its last whole one is less than the model can tell.
    return Options(float(rate), max(counts), min(counts), audio=True, duration_interval=0.04)


def window(clip: ClipFacts, options: Options) -> Window:
    """What it trains on of a clip."""
    if not clip.frames or clip.rate is None:
        return _sound_alone(clip, options)
    if clip.frames < options.least:
        return unlisted(f"it has {clip.frames} frames and min_frames is {options.least}: it is skipped")
    shown = floor(min(clip.frames, options.most))
    rate = Fraction(str(options.framerate))
    if abs(rate - clip.rate) < Fraction(1, 10**6):
        rate = clip.rate
    return opened(clip, Take(0, shown, shown, rate, options.audio))


def _sound_alone(clip: ClipFacts, options: Options) -> Window:
    if not options.audio:
        return unlisted("it is sound alone, and there is no audio block")
    whole = math.floor(float(clip.sound) / options.duration_interval + 1e-6)
    if not whole:
        return unlisted(f"it is shorter than duration_interval, {options.duration_interval:g} s")
    length = min(clip.sound, whole * Fraction(str(options.duration_interval)))
    return opened(clip, Take(0, 0, 0, None, True, length=length, keeps_offset=True))


def joined(caption: str, trigger: str, options: Options) -> str:
    """The text that it trains with: `prepend_instance_prompt` puts the prompt before every caption."""
    del trigger
    return joined_blindly(caption, options.instance_prompt)


def with_trigger(options: Options, trigger: str) -> Options:
    return replace(options, instance_prompt=trigger)


def files(bundle: Bundle, options: Options) -> dict[str, str]:
    """The captions beside the clips, multidatabackend.json, and the flags."""
    prompt = {"prepend_instance_prompt": True, "instance_prompt": options.instance_prompt}
    common = {
        "type": "local", "caption_strategy": "textfile", "disable_multiline_split": True,
        "resolution_type": "pixel_area", "resolution": min(bundle.size), "crop": False,
        **(prompt if options.instance_prompt else {"prepend_instance_prompt": False}),
    }  # fmt: skip
    blocks: list[dict[str, Any]] = []
    if any(entry.facts.frames for entry in bundle.training):
        blocks.append({
            "id": bundle.name, "dataset_type": "video", **common, "instance_data_dir": bundle.at("clips"),
            "cache_dir_vae": bundle.at("cache/vae"),
            "video": {
                "num_frames": options.most, "min_frames": options.least, "max_frames": options.most, "is_i2v": False,
                "bucket_strategy": "resolution_frames", "frame_interval": 8,
            },
            "audio": {"auto_split": True, "channels": 2, "sample_rate": 16000, "allow_zero_audio": False},
        })  # fmt: skip
    if any(not entry.facts.frames for entry in bundle.training):
        blocks.append({
            "id": f"{bundle.name}_sound", "dataset_type": "audio", **common, "instance_data_dir": bundle.at("sound"),
            "cache_dir_vae": bundle.at("cache/vae_audio"),
            "audio": {"channels": 2, "sample_rate": 16000, "duration_interval": options.duration_interval},
        })  # fmt: skip
    blocks.append({
        "id": "text", "type": "local", "dataset_type": "text_embeds", "default": True,
        "cache_dir": bundle.at("cache/text"),
    })  # fmt: skip
    return {
        **captions_beside(bundle),
        "multidatabackend.json": as_json(blocks),
        "commands.sh": script(_commands(bundle, options)),
    }


def _commands(bundle: Bundle, options: Options) -> list[str]:
    return [
        "# In SimpleTuner.",
        "simpletuner train --model_family=ltxvideo2 --model_type=lora --lora_rank=32 "
        f"--data_backend_config={bundle.shell('multidatabackend.json')} --framerate={options.framerate:g} "
        f"--train_batch_size=1 --max_train_steps={bundle.steps} --seed={bundle.seed} "
        f"--caption_dropout_probability=0.05 --output_dir=output/{bundle.name}",
        *bundle.first_experiment(),
    ]


def stale(change: Change) -> list[str]:
    """What of its caches no longer holds: latents are found by the stem's hash alone."""
    if not change.media:
        return []
    return [
        f"{len(change.media)} clips have other picture or sound under the same name ({names(change.media)}), and their "
        "old latents would be trained: delete cache/vae and cache/vae_audio, or set vae_cache_clear_each_epoch"
    ]
