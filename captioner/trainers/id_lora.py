"""ID-LoRA.

Trained on 512x512, 121 frames at 25 a second; its captions are the tagged form. A fork of LTX's trainer: the same
buckets and sound, but sound is off unless `--with-audio` is given, and every clip needs a reference: sound of the same
speaker from another clip, about 5 s, clean. Its 2.3 script never writes latents again that are there.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from captioner.trainers._buckets import Bucket, chosen, common_buckets, written
from captioner.trainers._files import Bundle, Change, as_csv, joined_blindly, names, script
from captioner.trainers._window import ClipFacts, Take, Window, opened, unlisted

SETTINGS: dict[str, Any] = {
    "frames": "121",
    "min_frames": 121,
    "max_frames": 121,
    "fps": "25",
    "size": "512x512",
    "template": "id-lora",
}

TAKES_SOUND_ALONE = False
TAKES_SOUND = True
ADDS_TRIGGER = True
NEEDS_REFERENCE = True
TEMPLATE = "id-lora"
"""The form of caption that it trains with."""
CACHES = (
    ".precomputed/latents", ".precomputed/conditions", ".precomputed/audio_latents",
    ".precomputed/reference_audio_latents",
)  # fmt: skip

OWN = Bucket(512, 512, 121)


@dataclass(frozen=True, slots=True)
class Options:
    buckets: tuple[Bucket, ...] = (OWN,)
    with_audio: bool = False
    lora_trigger: str = ""


def options_for(clips: Sequence[ClipFacts]) -> Options:
    """Buckets that every clip fills exactly, at its own size of picture where the clips have another."""
    return Options(common_buckets(clips) or (OWN,), with_audio=True)


def window(clip: ClipFacts, options: Options) -> Window:
    """What it trains on of a clip."""
    if not clip.frames:
        return unlisted("it is sound alone, and the strategy needs video latents")
    bucket = chosen(clip, options.buckets)
    if bucket is None:
        least = min(one.frames for one in options.buckets)
        return unlisted(f"it has {clip.frames} frames and the shortest bucket {least}: it is skipped")
    if options.with_audio and not clip.heard:
        return unlisted("it has no sound: without an audio latent it is dropped")
    return opened(clip, Take(0, bucket.frames, bucket.frames, clip.rate, options.with_audio))


def joined(caption: str, trigger: str, options: Options) -> str:
    """The text that it trains with: `--lora-trigger` is put before every caption, whether or not it is there."""
    del trigger
    return joined_blindly(caption, options.lora_trigger)


def with_trigger(options: Options, trigger: str) -> Options:
    return replace(options, lora_trigger=trigger)


def files(bundle: Bundle, options: Options) -> dict[str, str]:
    """The CSV with each clip's reference, and the commands."""
    columns = ("caption", "media_path", "reference")
    rows = [(entry.caption, entry.place, entry.reference or "") for entry in bundle.training]
    made = {"dataset.csv": as_csv(columns, rows)}
    if bundle.validation:
        held = [(entry.caption, entry.place, entry.reference or "") for entry in bundle.validation]
        made["validation.csv"] = as_csv(columns, held)
    trigger = f" --lora-trigger {shlex.quote(options.lora_trigger)}" if options.lora_trigger else ""
    made["commands.sh"] = script([
        "# In ID-LoRA. Sound is off unless --with-audio is given.",
        f"python scripts/process_dataset.py {bundle.shell('dataset.csv')} "
        f'--resolution-buckets "{written(options.buckets)}" --with-audio --reference-column reference '
        f"--model-path MODEL.safetensors --text-encoder-path GEMMA{trigger}",
        "# Its 2.3 script writes no reference_audio_latents and never writes a latent again: use the one above, and",
        "# delete .precomputed after each change of a clip.",
        *bundle.first_experiment(),
    ])  # fmt: skip
    return made


def stale(change: Change) -> list[str]:
    """What of its caches no longer holds."""
    told = []
    if change.media or change.captions or change.settings:
        told.append(
            f"{change.summary()}: run process_dataset.py without --skip-existing; its 2.3 script has no flag for it: "
            "delete .precomputed"
        )
    gone = [f".precomputed/*/{place}" for place in change.gone_as(".pt")]
    if gone:
        told.append(f"{len(gone)} clips are gone and their latents would still be trained: delete {names(gone)}")
    return told
