"""K05 to K09: caches of ai-toolkit, musubi and SimpleTuner; and files of any cache that are damaged or left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from captioner.checks.caches import Entry, by_stem, hashed
from captioner.checks.captiontext import both_ends
from captioner.checks.findings import Finding
from captioner.checks.rules import ERROR, WARNING, rule, rules_in
from captioner.checks.rules_caches import LENGTHS_DIFFER, listed, ltx_caches, older
from captioner.checks.safetensors import Header, read_header
from captioner.checks.torchfiles import Stored, read_values
from captioner.checks.view import ClipView, View
from captioner.errors import BadFormat, UsageError
from captioner.trainers._window import LATENT_STEP

ONE_RUN = 600 * 10**9
"""Nanoseconds between picture and sound of one run, where the clip itself is not known."""
MUSUBI_AGAIN = "cache latents again without --skip_existing and --keep_cache; delete a sound that is older by hand"


def _only(view: View, *names: str) -> bool:
    return view.trainer is None or view.is_for(*names)


def _header(entry: Entry) -> Header | None:
    """None where it cannot be read: K09 says so."""
    try:
        return read_header(entry.path)
    except (BadFormat, UsageError):
        return None


@rule(
    "K05", ERROR, "a latent cache of ai-toolkit is old, or holds no sound", needs="caches",
    cost="the old picture and sound are trained: they are found by name and settings, never by content",
    advice="delete this file; the next run caches it again",
)  # fmt: skip
def ai_toolkit(view: View) -> Iterator[Finding]:
    if not _only(view, "ai-toolkit", "wan"):
        return
    clips = by_stem(view.clips)
    newest: dict[str, Entry] = {}
    for entry in view.cached.ai_toolkit:
        if entry.role == "latent" and entry.mtime_ns >= getattr(newest.get(_where(entry)), "mtime_ns", 0):
            newest[_where(entry)] = entry
    for entry in newest.values():
        clip = _beside(entry, clips)
        if clip is None:
            continue
        if clip.mtime_ns > entry.mtime_ns:
            yield ai_toolkit.finding(entry.name, older(clip.name, clip.mtime_ns, entry))
        header = _header(entry)
        if header is not None and "audio_latent" not in header.tensors and clip.media.audio and _hears(view):
            yield ai_toolkit.finding(
                entry.name, f"no audio_latent, and {clip.name} has sound",
                cost="the clip trains its picture only: no sound of it is ever learnt",
                fix=("" if view.config is not None else "set do_audio: true in the dataset's block, ")
                + "delete this file and run again",
            )  # fmt: skip


def _hears(view: View) -> bool:
    """Whether sound is meant to be trained: what the config says, and yes where there is none."""
    if view.deaf:
        return False
    return bool(getattr(view.options, "do_audio", True)) if view.config is not None else True


def _where(entry: Entry) -> str:
    return str(entry.path.parent / entry.key)


def _beside(entry: Entry, clips: Mapping[str, list[ClipView]]) -> ClipView | None:
    """The clip in the folder that holds the cache's folder; any of that name where none is there."""
    same = clips.get(entry.key, [])
    return next((clip for clip in same if clip.path.parent == entry.path.parent.parent), same[0] if same else None)


@rule(
    "K06", ERROR, "a cache of musubi is not of this clip or this caption", needs="caches",
    cost="the old picture or the old words are trained", advice=MUSUBI_AGAIN,
)  # fmt: skip
def musubi(view: View) -> Iterator[Finding]:
    if not _only(view, "musubi", "wan"):
        return
    clips = by_stem(view.clips)
    for entry in view.cached.musubi:
        same = clips.get(entry.key, [])
        header = _header(entry) if same else None
        if header is None:
            continue
        for said in _differs(entry, header.metadata, same[0]):
            yield musubi.finding(entry.name, said)


def _differs(entry: Entry, metadata: Mapping[str, str], clip: ClipView) -> Iterator[str]:
    caption, text = metadata.get("caption1"), clip.text
    if entry.role == "text" and caption is not None and text is not None and caption.strip() != text:
        yield f"its caption1 is {both_ends(caption)}, and the clip's caption is {both_ends(text)}"
    size, time = _whole(metadata.get("source_size")), _whole(metadata.get("source_mtime_ns"))
    if size is not None and size != clip.size:
        yield f"made of a file of {size:,} bytes, and {clip.name} has {clip.size:,}"
    elif time is not None and time != clip.mtime_ns:
        yield f"made of another version of {clip.name}: the file's time is not the one that was cached"
    if entry.role == "video" and clip.usable and clip.media.rate:
        yield from _longer(entry, metadata, clip)


def _longer(entry: Entry, metadata: Mapping[str, str], clip: ClipView) -> Iterator[str]:
    """Frames that the clip does not have, or a length that is not that of its frames at any rate it may be played."""
    end = (entry.start or 0) + (entry.frames or 0)
    if entry.frames and end > clip.media.frames:
        yield f"frames {entry.start or 0} to {end} were cached, and {clip.name} has {clip.media.frames}"
        return
    seconds, target = _number(metadata.get("duration_seconds")), _number(metadata.get("target_fps"))
    rates = [rate for rate in (target, float(clip.media.rate or 0)) if rate and rate > 0]
    frames = entry.frames or _whole(metadata.get("frame_count"))
    if seconds is not None and frames and all(abs(seconds - frames / rate) > LENGTHS_DIFFER for rate in rates):
        yield f"{seconds:.2f} s were cached, and its {frames} frames of {clip.name} last {frames / rates[-1]:.2f} s"


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else None


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None and len(text) < 30 else None
    except ValueError:
        return None


@rule(
    "K07", ERROR, "the cached sound of musubi does not belong to the cached picture", needs="caches", hears=True,
    cost="the old voice is trained with the new picture: a stale _ltx2_audio is never cleaned", advice=MUSUBI_AGAIN,
)  # fmt: skip
def musubi_sound(view: View) -> Iterator[Finding]:
    if not _only(view, "musubi"):
        return
    every = {(entry.path.parent, _item(entry)): entry for entry in view.cached.musubi if entry.role == "video"}
    clips = by_stem(view.clips)
    for entry in view.cached.musubi:
        if entry.role != "audio":
            continue
        video = every.get((entry.path.parent, _item(entry)))
        if video is None:
            if any(one.key == entry.key for one in every.values()) or entry.frames is not None:
                yield musubi_sound.finding(entry.name, "there is no picture of this item: it was cut another way since")
            continue
        clip = next(iter(clips.get(entry.key, [])), None)
        # In one run either may be written first: sound is old that is older than the clip that the picture is of.
        slack = 0 if clip is not None and entry.mtime_ns < clip.mtime_ns else ONE_RUN if clip is None else 2**63
        if entry.mtime_ns + slack < video.mtime_ns:
            yield musubi_sound.finding(entry.name, older(video.path.name, video.mtime_ns, entry))
        said = _unequal(entry, video, clip)
        if said:
            yield musubi_sound.finding(entry.name, said)


def _item(entry: Entry) -> str:
    stem = entry.path.stem
    return stem.removesuffix("_ltx2_audio" if entry.role == "audio" else "_ltx2")


def _unequal(audio: Entry, video: Entry, clip: ClipView | None) -> str | None:
    steps = _steps(_header(audio))
    pictures = _header(video)
    rate = _number(pictures.metadata.get("target_fps")) if pictures is not None else None
    frames = video.frames or (_whole(pictures.metadata.get("frame_count")) if pictures is not None else None)
    rate = rate or (float(clip.media.rate) if clip is not None and clip.media.rate else None)
    if steps is None or not frames or not rate:
        return None
    sound, picture = steps * LATENT_STEP, frames / rate
    shown = (-(-(frames - 1) // 8) * 8 + 1) / rate  # the last picture is repeated up to 8k+1, and sound goes with it
    slack = LENGTHS_DIFFER + LATENT_STEP + 1e-6  # the last step may be half empty
    if picture - slack <= sound <= shown + slack:
        return None
    return f"{sound:.2f} s of sound with {picture:.2f} s of picture"


def _steps(header: Header | None) -> int | None:
    """T of `audio_latents_{T}x{mel}x{channels}_{dtype}`."""
    for name in header.tensors if header is not None else ():
        if name.startswith("audio_latents_"):
            return _whole(name.removeprefix("audio_latents_").partition("x")[0])
    return None


@rule(
    "K08", ERROR, "a cache of SimpleTuner is old, or two clips share one", needs="caches",
    cost="the old picture and sound are trained: a cache is found by the hash of the clip's stem alone",
    advice="delete this file, or set vae_cache_clear_each_epoch for one run",
)  # fmt: skip
def simpletuner(view: View) -> Iterator[Finding]:
    if not _only(view, "simpletuner"):
        return
    clips = {hashed(stem): every for stem, every in by_stem(view.clips).items()}
    for entry in view.cached.simpletuner:
        every = clips.get(entry.key, [])
        if not every:
            continue
        newest = max(every, key=lambda clip: clip.mtime_ns)
        if newest.mtime_ns > entry.mtime_ns:
            yield simpletuner.finding(entry.name, older(newest.name, newest.mtime_ns, entry))
        shared = [clip.name for clip in every]
        if len(shared) > 1:
            yield simpletuner.finding(
                entry.name, f"one cache for {listed(shared)}",
                cost="one of them is trained twice, with the captions of both, and the other never",
                fix="give every clip a name of its own, and delete this file",
            )  # fmt: skip


@rule(
    "K09", WARNING, "a cached file is damaged, foreign, left behind, or unlike the others", needs="caches",
    cost="the trainer stops at it, or learns from what is not this dataset",
    advice="delete it and cache again",
)  # fmt: skip
def unlike(view: View) -> Iterator[Finding]:
    for entry in view.cached.leftovers:
        yield unlike.finding(
            entry.name, "a file that was never finished", cost="it takes room; a clip of its name may lack its cache"
        )
    for folders in ltx_caches(view).values():
        for entries in folders.values():
            yield from _alike(entries.values(), _of_torch)
    groups: dict[tuple[Any, str], list[Entry]] = {}
    for entry in (*view.cached.ai_toolkit, *view.cached.musubi):
        groups.setdefault((entry.path.parent, entry.role), []).append(entry)
    for group in groups.values():
        yield from _alike(group, _of_safetensors)
    for entry in view.cached.simpletuner:
        yield from _alike((entry,), lambda one: _of_torch(one, whole=False))


def _alike(entries: Iterable[Entry], read: Any) -> Iterator[Finding]:
    """What cannot be read, and what was made in another way than most."""
    kinds: dict[str, list[Entry]] = {}
    for entry in entries:
        try:
            kinds.setdefault(read(entry), []).append(entry)
        except (BadFormat, UsageError) as error:
            said = str(error).removeprefix(f"{entry.path}: ")
            yield unlike.finding(
                entry.name, said, severity=ERROR, cost="the trainer stops at it, drops it, or runs what is in it"
            )
    kinds.pop("", None)
    if len(kinds) < 2:
        return
    most = Counter({kind: len(group) for kind, group in kinds.items()}).most_common(1)[0][0]
    for kind, group in kinds.items():
        if kind != most:
            said = f"{len(group)} hold {kind}, and {len(kinds[most])} others {most}"
            yield unlike.finding(
                group[0].name, f"{said}: {listed(one.key for one in group)}",
                cost="they come of another checkpoint, text encoder or mode, and mean something else to the model",
            )  # fmt: skip


def _of_torch(entry: Entry, whole: bool = True) -> str:
    """What kind of tensors it holds: names, element kinds, and the sizes that a model fixes."""
    try:
        values = read_values(entry.path)
    except BadFormat as error:
        if not whole and "no dictionary" in str(error):
            return ""  # SimpleTuner stores a tensor alone
        raise
    kinds = []
    for name, value in sorted(values.items()):
        if isinstance(value, Stored) and value.shape:
            fixed = value.shape[0] if name == "latents" and len(value.shape) > 2 else value.shape[-1]
            counted = "" if "mask" in name else f" {fixed}"
            kinds.append(f"{name}{counted} {value.kind.removesuffix('Storage')}")
    return ", ".join(kinds)


def _of_safetensors(entry: Entry) -> str:
    header = read_header(entry.path)
    version = header.metadata.get("architecture", "")
    told = {name: one for name, one in header.tensors.items() if not any(part in name for part in _BESIDE)}
    kinds = {f"{_family(name)} {one.dtype}" for name, one in told.items()}
    return ", ".join(filter(None, [version, *sorted(kinds)]))


_BESIDE = ("mask", "audio_latent", "num_frames", "length")
"""In names of tensors that some clips have and others rightly have not, or whose kind says nothing."""


def _family(name: str) -> str:
    """A tensor's name without the sizes and types in it."""
    return "_".join(part for part in name.split("_") if not part[:1].isdigit() and part not in ("bf16", "bfloat16"))


RULES = rules_in(globals())
