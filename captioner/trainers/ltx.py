"""Lightricks' own LTX-2 trainer.

Frame counts 8k+1; every clip is stored with its own rate, and only the first frames of a bucket are used, so any of
24, 25 and 30 frames a second will do. Its captions are one paragraph of prose without labels, speech quoted exactly,
absences stated.

It reads one metadata file (no .txt beside clips). Paths in it are relative to its own folder, and must not hold `..`:
all latents would be written over each other. Sound is cut to frames / rate, its start time is thrown away, missing
sound becomes silence. A clip without sound has no audio latent, and training with sound passes it by.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from captioner.trainers._buckets import Bucket, chosen, common_buckets, written
from captioner.trainers._files import Bundle, Change, as_json, as_yaml, joined_blindly, names, prompts_of, script
from captioner.trainers._window import ClipFacts, Take, Window, opened, unlisted

SETTINGS: dict[str, Any] = {"frames": "8k+1", "fps": "auto", "template": "ltx-prose"}

TAKES_SOUND_ALONE = True
TAKES_SOUND = True
ADDS_TRIGGER = True
CACHES = (".precomputed/latents", ".precomputed/conditions", ".precomputed/audio_latents")

COLUMN_RATE = 25
"""An `audio` column is cut to the longest bucket's frames at this rate, whatever the clip's own."""


@dataclass(frozen=True, slots=True)
class Options:
    """The flags of its `process_dataset.py` that decide what is heard."""

    buckets: tuple[Bucket, ...] = ()
    skip_audio: bool = False
    lora_trigger: str = ""
    audio_durations: tuple[float, ...] = ()
    """Seconds; of clips that are sound alone."""
    audio_column: bool = False
    """Whether the metadata names sound files: taken up to the longest bucket at 25 a second, never padded."""


def options_for(clips: Sequence[ClipFacts]) -> Options:
    """Buckets that every clip fills exactly."""
    lengths = sorted({int(clip.sound * 1000) / 1000 for clip in clips if not clip.frames})
    return Options(common_buckets(clips), audio_durations=tuple(lengths))


def window(clip: ClipFacts, options: Options) -> Window:
    """What it trains on of a clip."""
    if not clip.frames:
        return _sound_alone(clip, options)
    bucket = chosen(clip, options.buckets)
    if bucket is None:
        least = min((one.frames for one in options.buckets), default=0)
        return unlisted(f"it has {clip.frames} frames and the shortest bucket {least}: it is skipped")
    if not options.skip_audio and not clip.heard:
        return unlisted("it has no sound: without an audio latent, training with sound drops it")
    length = Fraction(max(one.frames for one in options.buckets), COLUMN_RATE) if options.audio_column else None
    take = Take(
        0, bucket.frames, bucket.frames, clip.rate, not options.skip_audio, length=length,
        pads=not options.audio_column,
    )  # fmt: skip
    return opened(clip, take)


def _sound_alone(clip: ClipFacts, options: Options) -> Window:
    fitting = [Fraction(str(length)) for length in options.audio_durations if Fraction(str(length)) <= clip.sound]
    if not options.audio_durations or options.skip_audio:
        return unlisted("it is sound alone, and no --audio-durations are given")
    if not fitting:
        return unlisted(f"its {float(clip.sound):.2f} s are shorter than every one of --audio-durations: it is skipped")
    return opened(clip, Take(0, 0, 0, None, True, length=max(fitting), keeps_offset=True))


def joined(caption: str, trigger: str, options: Options) -> str:
    """The text that it trains with: `--lora-trigger` is put before every caption, whether or not it is there."""
    del trigger
    return joined_blindly(caption, options.lora_trigger)


def with_trigger(options: Options, trigger: str) -> Options:
    """The same options, the trigger left to the trainer."""
    return Options(options.buckets, options.skip_audio, trigger, options.audio_durations, options.audio_column)


def files(bundle: Bundle, options: Options) -> dict[str, str]:
    """dataset.json, audio.json for sound alone, and the commands."""
    pictures = [entry for entry in bundle.training if entry.facts.frames]
    sounds = [entry for entry in bundle.training if not entry.facts.frames]
    made = {}
    if pictures:
        rows = [{"caption": entry.caption, "media_path": entry.place} for entry in pictures]
        made["dataset.json"] = as_json(rows)
    if sounds:
        made["audio.json"] = as_json([{"caption": entry.caption, "audio": entry.place} for entry in sounds])
    if bundle.validation:
        rows = [{"caption": entry.caption, "media_path": entry.place} for entry in bundle.validation]
        made["validation.json"] = as_json(rows)
    if pictures:
        made["train.yaml"] = as_yaml(_training(bundle, options))
    made["commands.sh"] = script(_commands(bundle, options, bool(pictures), bool(sounds)))
    return made


def _commands(bundle: Bundle, options: Options, pictures: bool, sounds: bool) -> list[str]:
    given = "--model-path MODEL.safetensors --text-encoder-path GEMMA"
    trigger = f" --lora-trigger {shlex.quote(options.lora_trigger)}" if options.lora_trigger else ""
    lines = [
        "# In packages/ltx-trainer. Sound is on unless --skip-audio is given.",
        "# The trigger is given here, and is not in the captions." if trigger else
        "# The trigger is in every caption: do not give --lora-trigger, it would stand there twice.",
    ]  # fmt: skip
    if pictures:
        lines.append(
            f"uv run python scripts/process_dataset.py {bundle.shell('dataset.json')} "
            f'--resolution-buckets "{written(options.buckets)}" {given}{trigger} --overwrite'
        )
    if sounds:
        lengths = ";".join(f"{length:g}" for length in options.audio_durations)
        lines.append(
            f"uv run python scripts/process_dataset.py {bundle.shell('audio.json')} "
            f'--audio-durations "{lengths}" --output-dir {bundle.shell(".precomputed_audio")} '
            f"{given}{trigger} --overwrite"
        )
    if len(options.buckets) > 1:
        lines.append("# Several buckets: train with batch_size: 1.")
    lines.append("# Listen before you train: every clip must come back as you know it.")
    lines.append(f"uv run python scripts/decode_latents.py {bundle.shell('.precomputed')} --with-audio")
    if pictures:
        lines.append(f"uv run python scripts/train.py {bundle.shell('train.yaml')}")
    if sounds and pictures:
        lines.append(
            "# train.yaml trains the clips with a picture. Those of sound alone are a set of their own: train them "
            "with data.preprocessed_data_root at .precomputed_audio and no video in the strategy."
        )
    return [*lines, *bundle.first_experiment()]


def _training(bundle: Bundle, options: Options) -> dict[str, Any]:
    strategy: dict[str, Any] = {"name": "flexible", "video": {"is_generated": True, "latents_dir": "latents"}}
    if not options.skip_audio:
        strategy["audio"] = {"is_generated": True, "latents_dir": "audio_latents"}
    return {
        "model": {"model_path": "MODEL.safetensors", "text_encoder_path": "GEMMA", "training_mode": "lora"},
        # These names reach the audio branch, too: `attn1.to_k` would miss it.
        "lora": {"rank": 32, "alpha": 32, "dropout": 0.0, "target_modules": ["to_k", "to_q", "to_v", "to_out.0"]},
        "training_strategy": strategy,
        "optimization": {
            "learning_rate": 1e-4, "steps": bundle.steps, "batch_size": 1, "optimizer_type": "adamw",
            "scheduler_type": "linear", "enable_gradient_checkpointing": True,
        },
        "acceleration": {"mixed_precision_mode": "bf16"},
        "data": {"preprocessed_data_root": bundle.at(".precomputed"), "num_dataloader_workers": 2},
        "validation": {
            "samples": [{"prompt": prompt} for prompt in prompts_of(bundle)], "interval": max(50, bundle.steps // 8),
            "generate_audio": not options.skip_audio, "skip_initial_validation": False,
        },
        "checkpoints": {"interval": max(50, bundle.steps // 8), "keep_last_n": 8},
        "flow_matching": {"timestep_sampling_mode": "shifted_logit_normal"},
        "seed": bundle.seed,
        "output_dir": f"outputs/{bundle.name}",
    }  # fmt: skip


def stale(change: Change) -> list[str]:
    """What of its caches no longer holds, and what to do."""
    told = []
    if change.media or change.captions or change.settings:
        what = change.summary()
        told.append(f"{what}: run process_dataset.py with --overwrite, or the old .pt files stay")
    gone = [f".precomputed/*/{place}" for place in change.gone_as(".pt")]
    if gone:
        told.append(f"{len(gone)} clips are gone and their latents would still be trained: delete {names(gone)}")
    return told
