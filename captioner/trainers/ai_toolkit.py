"""ostris' ai-toolkit.

With `auto_frame_count` clips keep real time and are floored to 8k+1 frames from frame 0; nothing is lost where the
clip's rate is the dataset's `fps`. At 25 frames a second its float arithmetic drops 8 frames of 57, 113 and 201, so
those counts are not made.

Without it `num_frames` pictures are taken: spread over the whole clip, the sound resampled to num_frames / fps, or
with `shrink_video_to_frames` off from a random start. `num_frames: 1`, its default, lists no video at all. A folder is
walked deeply, and pictures in it train as clips of one frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from captioner.trainers._buckets import floor
from captioner.trainers._files import Bundle, Change, as_yaml, captions_beside, names, prompts_of, script
from captioner.trainers._window import ClipFacts, Take, Window, opened, unlisted

SETTINGS: dict[str, Any] = {"frames": "49,65,73,81,89,97,105,121", "fps": "auto", "template": "default"}

TAKES_SOUND_ALONE = False
TAKES_SOUND = True
ADDS_TRIGGER = True
CACHES = ("clips/_latent_cache", "clips/_t_e_cache")


@dataclass(frozen=True, slots=True)
class Options:
    """The fields of a dataset block that decide what is heard, with the values that hold where YAML names none."""

    num_frames: int = 1
    """Ignored with `auto_frame_count`."""
    shrink_video_to_frames: bool = True
    auto_frame_count: bool = False
    trim_auto_frame_count_tail: bool = True
    fps: float = 24.0
    do_audio: bool = False
    audio_preserve_pitch: bool = False
    trigger_word: str = ""
    group: int = 8
    """Frames a latent frame: 8 for LTX, 4 for Wan."""
    arch: str = "ltx2.3"


def options_for(clips: Sequence[ClipFacts]) -> Options:
    """Real time, with sound, at the rate that most clips have."""
    rates = Counter(clip.rate for clip in clips if clip.rate)
    rate = max(rates.items(), key=lambda one: (one[1], one[0]))[0] if rates else Fraction(24)
    return Options(auto_frame_count=True, do_audio=True, fps=float(rate))


def counted(frames: int, rate: float, fps: float, group: int = 8) -> int:
    """Frames that `auto_frame_count` takes: in floating point, which may lose the last group of an exact fit."""
    return floor(int(frames / rate * fps), group)


def window(clip: ClipFacts, options: Options) -> Window:
    """What it trains on of a clip."""
    if not clip.frames or clip.rate is None:
        return unlisted("it is sound alone, which its loader does not list")
    if options.auto_frame_count:
        return _automatic(clip, options)
    if options.num_frames <= 1:
        return unlisted("num_frames is 1 and auto_frame_count is off: no video is listed")
    return _fixed(clip, options)


def _automatic(clip: ClipFacts, options: Options) -> Window:
    assert clip.rate is not None
    shown = counted(clip.frames, float(clip.rate), options.fps, options.group)
    fps = Fraction(str(options.fps)) if abs(options.fps - float(clip.rate)) > 1e-9 else clip.rate
    length = Fraction(shown) / fps
    if not options.trim_auto_frame_count_tail:  # the whole clip is spread over them
        tempo = clip.sound / length if clip.heard else Fraction(1)
        take = Take(
            0, clip.frames, shown, fps, options.do_audio, length=clip.sound, tempo=tempo,
            keeps_pitch=options.audio_preserve_pitch,
        )  # fmt: skip
        return opened(clip, take)
    used = min(clip.frames, max(1, round(length * clip.rate)))
    take = Take(0, used, shown, fps, options.do_audio, length=length)
    lost = [] if fps == clip.rate else [f"its {float(clip.rate):.3f} frames a second are drawn as {float(fps):.3f}"]
    if fps == clip.rate and shown < floor(clip.frames, options.group):
        lost.append(f"rounding costs {floor(clip.frames, options.group) - shown} frames that would fit")
    return replace(opened(clip, replace(take, frames=used)), repeated=0) if not lost else _with(clip, take, lost)


def _with(clip: ClipFacts, take: Take, more: Sequence[str]) -> Window:
    made = opened(clip, take, *more)
    return replace(made, repeated=0, losses=tuple(told for told in made.losses if "is shown" not in told))


def _fixed(clip: ClipFacts, options: Options) -> Window:
    assert clip.rate is not None
    fps = Fraction(str(options.fps)) if abs(options.fps - float(clip.rate)) > 1e-9 else clip.rate
    length = Fraction(options.num_frames) / fps
    if not options.shrink_video_to_frames and clip.frames > options.num_frames:
        used = min(clip.frames, max(1, round(length * clip.rate)))
        certain = used == clip.frames
        take = Take(0, used, options.num_frames, fps, options.do_audio, length=length, certain=certain)
        return _with(clip, take, [])
    tempo = clip.sound / length if clip.heard else Fraction(1)
    take = Take(
        0, clip.frames, options.num_frames, fps, options.do_audio, length=clip.sound, tempo=tempo,
        keeps_pitch=options.audio_preserve_pitch,
    )  # fmt: skip
    faster = clip.duration / length
    picture = [] if abs(faster - 1) <= Fraction(1, 1000) else [f"its picture plays {float(faster):.2f}x fast"]
    return _with(clip, take, picture)


def joined(caption: str, trigger: str, options: Options) -> str:
    """The text that it trains with: its trigger word goes before where that is nowhere in the text, and the text is
    parted at commas and put together again."""
    del trigger
    word = options.trigger_word
    text = caption.replace("[trigger]", word).replace("[name]", word) if word else caption
    if word and word not in text:
        text = f"{word} {text}"
    return ", ".join(part.strip() for part in text.split(","))


def with_trigger(options: Options, trigger: str) -> Options:
    return replace(options, trigger_word=trigger)


def files(bundle: Bundle, options: Options) -> dict[str, str]:
    """The caption beside every clip, the dataset block, and a whole job."""
    # A baked-in trigger may be named, too: it is added only where it is missing, and prompts may say [trigger].
    named = options.trigger_word or (bundle.trigger or "")
    block = dataset_block(bundle, options)
    job = _job(bundle, options, block, named)
    commands = script([
        "# In ai-toolkit. The proof that sound is trained is `loss/audio` in the log.",
        f"python run.py {bundle.shell('train.yaml')}",
        *bundle.first_experiment(),
    ])  # fmt: skip
    return {
        **captions_beside(bundle),
        "dataset.yaml": as_yaml({"datasets": [block]}),
        "train.yaml": as_yaml(job),
        "commands.sh": commands,
    }


def dataset_block(bundle: Bundle, options: Options) -> dict[str, Any]:
    """One entry of `datasets`: real time, with sound."""
    block: dict[str, Any] = {
        "folder_path": bundle.at("clips"),
        "caption_ext": "txt",
        "caption_dropout_rate": 0.05,
        "cache_latents_to_disk": True,
        "resolution": [512, 768],
        "fps": int(options.fps) if options.fps == int(options.fps) else options.fps,
        "auto_frame_count": options.auto_frame_count,
        "shuffle_tokens": False,
    }
    if not options.auto_frame_count:
        block |= {"num_frames": options.num_frames, "shrink_video_to_frames": options.shrink_video_to_frames}
    if options.do_audio:
        block["do_audio"] = True
    return block


def _job(bundle: Bundle, options: Options, block: dict[str, Any], trigger: str) -> dict[str, Any]:
    longest = max((entry.facts.frames for entry in bundle.training), default=1)
    sample = {
        "sampler": "flowmatch", "sample_every": bundle.steps // 10 or 1, "width": bundle.size[0],
        "height": bundle.size[1], "num_frames": floor(longest, options.group), "fps": round(options.fps),
        "seed": bundle.seed, "walk_seed": False, "guidance_scale": 4, "sample_steps": 30,
        "prompts": prompts_of(bundle),
    }  # fmt: skip
    process: dict[str, Any] = {
        "type": "diffusion_trainer",
        "training_folder": "output",
        "device": "cuda:0",
        "network": {"type": "lora", "linear": 32, "linear_alpha": 32},
        "save": {"dtype": "bf16", "save_every": max(50, bundle.steps // 8), "max_step_saves_to_keep": 8},
        "datasets": [block],
        "train": {
            "batch_size": 1, "steps": bundle.steps, "gradient_accumulation": 1, "train_unet": True,
            "train_text_encoder": False, "gradient_checkpointing": True, "noise_scheduler": "flowmatch",
            "optimizer": "adamw8bit", "lr": 1e-4, "dtype": "bf16", "skip_first_sample": False,
        },
        "model": {
            "arch": options.arch, "name_or_path": MODELS.get(options.arch, ""), "quantize": True, "quantize_te": True,
        },
        "sample": sample,
    }  # fmt: skip
    if trigger:
        process["trigger_word"] = trigger
    if options.do_audio:
        process["train"]["audio_loss_multiplier"] = 1.0
    config = {"name": bundle.name, "process": [process]}
    return {"job": "extension", "config": config, "meta": {"name": "[name]", "version": "1.0"}}


MODELS = {"ltx2.3": "Lightricks/LTX-2.3", "wan22_14b": "ai-toolkit/Wan2.2-T2V-A14B-Diffusers-bf16"}


def stale(change: Change) -> list[str]:
    """What of its caches no longer holds. Latents are found by name and settings, never by content or time."""
    if not change.media and not change.gone:
        return []
    told = []
    if change.media:
        parts = names([f"clips/_latent_cache/{id_}_*.safetensors" for id_ in change.media])
        told.append(
            f"{len(change.media)} clips have other picture or sound under the same name, and their old "
            f"latents would be trained; there is no flag against that: delete {parts}"
        )
    if change.gone:
        parts = names([f"clips/_latent_cache/{id_}_*.safetensors" for id_ in change.gone])
        told.append(f"{len(change.gone)} clips are gone; their latents only take room: {parts}")
    return told
