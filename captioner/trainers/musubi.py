"""musubi-tuner, the LTX-2 branch.

`target_fps` is 25.0 by default and sources of 24 are played as 25, so clips are made at 25. With `head` extraction
the sound of a clip longer than its target is squeezed into it: `full` takes every clip as it is.

Frame counts are rounded to 4k+1, and the last picture is repeated up to 8k+1. Sound that is more than 1 % longer or
shorter than its pictures is stretched to them, its pitch kept. Nothing adds a trigger: captions are taken as they are.
Caches are named by the clip's stem and hold the caption; a stale `_ltx2_audio` is never cleaned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from captioner.errors import SettingsError
from captioner.trainers._buckets import floor
from captioner.trainers._files import Bundle, Change, Entry, as_jsonl, names, script
from captioner.trainers._window import SAME_TEMPO, ClipFacts, Take, Window, opened, unlisted

SETTINGS: dict[str, Any] = {"frames": "8k+1", "fps": "25", "template": "default"}

TAKES_SOUND_ALONE = True
TAKES_SOUND = True
ADDS_TRIGGER = False
CACHES = ("cache_*/*_ltx2.safetensors", "cache_*/*_ltx2_audio.safetensors", "cache_*/*_ltx2_te.safetensors")

EXTRACTIONS = ("head", "chunk", "slide", "uniform", "full")
ROUNDED = 4
"""Frame counts are rounded down to a multiple of it + 1, whatever the model's own group."""
NEAR = 1.0
"""Rates that differ by no more after rounding the source's up are taken for the same."""

LONGEST = 1_000_000
"""Frames that no clip has."""


@dataclass(frozen=True, slots=True)
class Options:
    """The fields of a dataset block that decide what is heard, with the values that hold where TOML names none."""

    target_frames: tuple[int, ...] = (1,)
    max_frames: int = 129
    frame_extraction: str = "head"
    target_fps: float | None = 25.0
    """None: what the clip has, as in the blocks of an export."""
    source_fps: float | None = None
    frame_stride: int = 1
    """Of `slide`."""
    frame_sample: int = 1
    """Of `uniform`."""
    mode_av: bool = False
    """`--ltx2_mode av`: without it sound is not used."""
    preserve_audio_timing: bool = False
    group: int = 8
    """Frames a latent frame: 8 for LTX, 4 for Wan."""
    upstream: bool = False
    """Its first home, which trains Wan: frames are drawn anew where `source_fps` is given, and always then."""

    def __post_init__(self) -> None:
        if self.frame_extraction not in EXTRACTIONS:
            raise SettingsError(f"frame_extraction {self.frame_extraction!r}: give {', '.join(EXTRACTIONS)}")


def options_for(clips: Sequence[ClipFacts]) -> Options:
    """Every clip whole, with sound, in a block for its own rate."""
    most = max((clip.frames for clip in clips), default=121)
    return Options(
        target_frames=(floor(most),), max_frames=max(129, floor(most)), frame_extraction="full",
        target_fps=None, mode_av=True,
    )  # fmt: skip


def window(clip: ClipFacts, options: Options) -> Window:
    """The first item that it makes of a clip."""
    return windows(clip, options)[0]


def whole(clip: ClipFacts, options: Options) -> Window:
    """What it would make of the same clip if it took all of it: what is left is the doing of its rates."""
    return window(clip, replace(options, frame_extraction="full", max_frames=LONGEST))


def windows(clip: ClipFacts, options: Options) -> tuple[Window, ...]:
    """Every item that it makes of a clip; each is trained with the clip's whole caption."""
    if not clip.frames or clip.rate is None:
        return (_sound_alone(clip, options),)
    source = Fraction(str(options.source_fps)) if options.source_fps else clip.rate
    target = Fraction(str(options.target_fps)) if options.target_fps else source
    if abs(target - source) < Fraction(1, 10**6):
        target = source
    longest = max(_rounded(options))
    head = options.frame_extraction == "head"
    drawn = resamples(source, options)
    kept = kept_of(clip.frames, source, target, longest if head else None, drawn=drawn)
    items = _items(kept, options)
    if not items:
        least = min(_rounded(options))
        return (unlisted(f"of its {clip.frames} frames {kept} are taken and {least} are asked for: it is left out"),)
    everything = kept_of(clip.frames, source, target, drawn=drawn)
    # Of a clip that `head` cut short the loader knows only the frames that it decoded: all sound belongs to those.
    whole = kept if head else everything
    resampled = kept != clip.frames and source != target and drawn
    return tuple(_window(clip, first, count, whole, everything, target, options, resampled) for first, count in items)


def _window(
    clip: ClipFacts, first: int, count: int, whole: int, everything: int, target: Fraction, options: Options,
    resampled: bool,
) -> Window:  # fmt: skip
    shown = -(-(count - 1) // options.group) * options.group + 1
    begin, length = clip.sound * first / whole, clip.sound * count / whole
    asked = Fraction(count) / target
    tempo = length / asked if clip.heard else Fraction(1)
    if abs(tempo - 1) <= Fraction(str(SAME_TEMPO)) or options.preserve_audio_timing:
        length, tempo = (length if options.preserve_audio_timing else asked), Fraction(1)
    used = count if everything == clip.frames else min(clip.frames, math.ceil(count * clip.frames / everything))
    start = first if everything == clip.frames else first * clip.frames // everything
    take = Take(
        start, used, shown, target, options.mode_av, begin=begin, length=length, tempo=tempo, keeps_pitch=True,
        pads=False,
    )  # fmt: skip
    made = opened(clip, take)
    repeated = shown - count
    picture = [] if not resampled else [f"{used} of its frames are drawn as {count}"]
    if clip.rate and not resampled and abs(target / clip.rate - 1) > SAME_TEMPO / 10 and used != shown:
        picture.append(f"its {float(clip.rate):.3f} frames a second are played as {float(target):.3f}")
    if repeated:
        picture.append(f"its last frame is shown {repeated} times more")
    told = (*(line for line in made.losses if "is shown" not in line), *picture)
    return replace(made, repeated=repeated, losses=told)


def resamples(source: Fraction, options: Options) -> bool:
    """Whether frames are drawn anew of a clip that is taken to have `source` frames a second."""
    if options.target_fps is None:
        return False
    if options.upstream:
        return options.source_fps is not None
    return abs(math.ceil(source) - options.target_fps) > NEAR


def kept_of(
    frames: int, source: Fraction, target: Fraction, end: int | None = None, *, drawn: bool = True
) -> int:  # fmt: skip
    """Frames that are decoded: where they are drawn anew, those that fall on a place of their own; none is doubled."""
    if not drawn:
        return frames if end is None else min(frames, end)
    # Summed up in floating point as its loader does, whose rounding may drop a frame now and then.
    step, at, places = float(target) / float(source), 0.0, set()
    for _ in range(frames):
        places.add(int(at))
        at += step
    return sum(1 for place in places if end is None or place < end)


def _rounded(options: Options) -> tuple[int, ...]:
    return tuple(sorted({floor(count, ROUNDED) for count in options.target_frames}))


def _items(kept: int, options: Options) -> list[tuple[int, int]]:
    """(first frame, frames) of each item."""
    if options.frame_extraction == "full":
        return [(0, floor(min(kept, options.max_frames), ROUNDED))] if kept else []
    made: list[tuple[int, int]] = []
    for count in _rounded(options):
        if kept < count:
            continue
        if options.frame_extraction == "head":
            made.append((0, count))
        elif options.frame_extraction == "chunk":
            made += [(first, count) for first in range(0, kept - count + 1, count)]
        elif options.frame_extraction == "slide":
            made += [(first, count) for first in range(0, kept - count + 1, max(1, options.frame_stride))]
        else:
            parts = max(1, options.frame_sample - 1)
            made += [((kept - count) * part // parts, count) for part in range(options.frame_sample)]
    return made


def _sound_alone(clip: ClipFacts, options: Options) -> Window:
    if not options.mode_av:
        return unlisted("it is sound alone, and --ltx2_mode is not av")
    return opened(clip, Take(0, 0, 0, None, True, keeps_offset=True))


def joined(caption: str, trigger: str, options: Options) -> str:
    """The text that it trains with: the caption."""
    del trigger, options
    return caption.strip()


def with_trigger(options: Options, trigger: str) -> Options:
    """Raises SettingsError: it adds no trigger."""
    del options, trigger
    raise SettingsError("musubi-tuner adds no trigger: it must be in the captions (--trigger baked)")


def files(bundle: Bundle, options: Options) -> dict[str, str]:
    """The JSONL files, a TOML with one block for each frame rate, and the commands."""
    groups: dict[Fraction | None, list[Entry]] = {}
    for entry in bundle.training:
        groups.setdefault(entry.facts.rate, []).append(entry)
    made, blocks = {}, []
    for rate, entries in sorted(groups.items(), key=lambda one: (one[0] is None, one[0] or 0)):
        name = "audio" if rate is None else f"video_{float(rate):g}".replace(".", "_")
        key = "audio_path" if rate is None else "video_path"
        made[f"{name}.jsonl"] = as_jsonl([{key: bundle.at(one.place), "caption": one.caption} for one in entries])
        blocks.append(_block(bundle, name, rate, options, entries))
    width, height = bundle.size
    made["dataset.toml"] = "\n".join([general(width, height), *blocks])
    made["commands.sh"] = script(_commands(bundle, options))
    return made


def general(width: int, height: int) -> str:
    """What holds in all blocks."""
    lines = ["[general]", f"resolution = [{width}, {height}]", "batch_size = 1", "enable_bucket = true"]
    return "\n".join([*lines, "bucket_no_upscale = true", ""])


def _block(bundle: Bundle, name: str, rate: Fraction | None, options: Options, entries: Sequence[Entry]) -> str:
    key = "audio" if rate is None else "video"
    lines = [
        "[[datasets]]",
        f"{key}_jsonl_file = {toml(bundle.at(f'{name}.jsonl'))}",
        f"cache_directory = {toml(bundle.at(f'cache_{name}'))}",
    ]
    if rate is not None:
        counts = sorted({floor(entry.facts.frames, options.group) for entry in entries})
        lines += [
            f"target_frames = [{counts[-1]}]  # a list: a number alone is refused",
            f"max_frames = {max(options.max_frames, counts[-1])}",
            f'frame_extraction = "{options.frame_extraction}"  # `head` squeezes the sound of longer clips',
            f"target_fps = {float(rate)!r}  # a float: 25 without its point is refused",
            f"source_fps = {float(rate)!r}",
        ]
    return "\n".join(lines) + "\n"


def toml(text: str) -> str:
    """A TOML string."""
    import json

    return json.dumps(text, ensure_ascii=False)


def _commands(bundle: Bundle, options: Options) -> list[str]:
    mode = " --ltx2_mode av" if options.mode_av else ""
    given = f"--dataset_config {bundle.shell('dataset.toml')} --ltx2_checkpoint MODEL.safetensors{mode}"
    return [
        "# In musubi-tuner, branch ltx-2. --ltx2_mode av in all three: without it no sound is cached or trained.",
        "# Without --skip_existing and --keep_cache, so that old caches are made again.",
        f"python ltx2_cache_latents.py {given}",
        f"python ltx2_cache_text_encoder_outputs.py {given} --gemma_root GEMMA",
        f"accelerate launch ltx2_train_network.py {given} --gemma_root GEMMA --network_module networks.lora_ltx2 "
        f"--network_dim 32 --network_alpha 32 --max_train_steps {bundle.steps} --seed {bundle.seed} "
        f"--output_dir output --output_name {bundle.name}",
        *bundle.first_experiment(),
    ]


def stale(change: Change) -> list[str]:
    """What of its caches no longer holds."""
    told = []
    if change.media or change.captions or change.settings:
        told.append(f"{change.summary()}: cache again without --skip_existing and --keep_cache")
    again = [*change.media, *change.gone]
    if again:
        told.append(
            "its old sound is never cleaned, and a clip whose new sound fails would train with it: delete "
            + names([f"cache_*/{id_}_*_ltx2_audio.safetensors" for id_ in again])
        )
    return told
