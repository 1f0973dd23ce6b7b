"""F01 to F08, F11, F13: the files that stand in the folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from captioner.checks.findings import Finding
from captioner.checks.rules import ERROR, WARNING, Change, rule, rules_in
from captioner.checks.view import AUDIO, READS_LISTINGS, ClipView, View

KEPT_ASIDE = frozenset({
    "reject", "rejects", "rejected", "raw", "backup", "backups", "bak", "old", "trash", "deleted", "unused", "skip",
    "skipped", "bad", "discard", "discarded", "archive", "temp", "tmp", "test", "originals",
})  # fmt: skip
"""Names that people give folders of clips which are not meant to be trained."""

VIDEO_OF = {
    "ltx": frozenset(),  # whatever PyAV opens
    "id-lora": frozenset(),
    "ai-toolkit": frozenset({"mp4", "avi", "mov", "webm", "mkv", "wmv", "m4v", "flv"}),
    "musubi": frozenset({"mp4", "webm", "avi", "mkv", "mov", "flv", "wmv", "m4v", "mpg", "mpeg"}),
    "simpletuner": frozenset({"mp4", "avi", "mov", "mkv", "webm", "flv", "wmv", "m4v", "mpeg", "mpg", "3gp", "ogv"}),
    "wan": frozenset({"mp4", "webm", "avi", "mkv", "mov", "flv", "wmv", "m4v"}),
}
"""Extensions of video that each loader lists, lower case; empty: all."""
AUDIO_OF = {
    "musubi": frozenset({"wav", "flac", "mp3", "ogg", "m4a", "aac", "opus", "wma"}),
    "ai-toolkit": frozenset(),
    "wan": frozenset(),
}
"""Extensions of sound alone; a trainer that is not here takes any."""


_WITHOUT_TEXT = {
    "ai-toolkit": "it is trained with no text at all, so its voice answers to every prompt",
    "musubi": "caching stops at it", "simpletuner": "the run stops at it",
}  # fmt: skip
"""What a trainer makes of a clip without a caption."""


@rule(
    "F01", ERROR, "a clip has no caption",
    cost="ai-toolkit trains it with no text at all, so its voice answers to every prompt; musubi and SimpleTuner stop",
    advice="write one beside it under the clip's name, or take the clip out",
)  # fmt: skip
def no_caption(view: View) -> Iterator[Finding]:
    if view.is_for(*READS_LISTINGS) and not view.listings and view.clips:
        yield no_caption.finding(
            ".", f"there is no metadata file, and {view.trainer} reads no .txt", cost="no caption is ever read",
            fix=f"give the .json or .csv that lists them, or its folder; captioner export OUT --to {view.trainer} "
            "writes one", severity=WARNING if any(clip.words is not None for clip in view.clips) else ERROR,
        )  # fmt: skip
        return
    listed = {record.name for one in view.listings for record in one.records} if view.is_for(*READS_LISTINGS) else set()
    for clip in view.clips:
        if clip.caption is not None and clip.caption.error and clip.listed is None:
            yield no_caption.finding(
                clip.caption.name, f"its caption cannot be read: {clip.caption.error}",
                cost="the trainer stops here, or reads letters that nobody wrote", fix="save it as UTF-8",
            )  # fmt: skip
        elif clip.text is None:
            if clip.name in listed:
                yield no_caption.finding(
                    clip.name, "the metadata gives it no caption", cost="process_dataset.py stops at it",
                    fix="give it a caption there",
                )  # fmt: skip
            else:
                reader = next((name for name in _WITHOUT_TEXT if view.is_for(name)), "")
                yield no_caption.finding(
                    clip.name, f"there is no {clip.stem}.txt beside it", cost=_WITHOUT_TEXT.get(reader)
                )


@rule(
    "F02", ERROR, "a caption is empty",
    cost="the clip is trained with no text, or with the trigger alone: whatever it shows and says belongs to every "
    "prompt",
    advice="write what is seen and heard in it, or take the clip out",
)  # fmt: skip
def empty(view: View) -> Iterator[Finding]:
    for clip in view.clips:
        if clip.text == "":
            place = clip.caption.name if clip.caption and clip.listed is None else clip.name
            yield empty.finding(place, "its caption is empty")


def _renamed(view: View, finding: Finding) -> Change | None:
    clip = _meant(_captionless(view), finding.file)
    if clip is None:
        return None
    target = str(PurePosixPath(clip.name).with_suffix(".txt"))
    return Change(f"it is now called {PurePosixPath(target).name}", renames={finding.file: target})


Near = Mapping[tuple[str, str], Sequence[ClipView]]


def _captionless(view: View) -> Near:
    """Clips without a caption by folder and lower-case stem, and by lower-case file name."""
    found: dict[tuple[str, str], list[ClipView]] = defaultdict(list)
    for clip in view.clips:
        if clip.caption is None:
            found[(clip.folder, clip.stem.lower())].append(clip)
            found[(clip.folder, clip.path.name.lower())].append(clip)
    return found


def _meant(clips: Near, caption: str) -> ClipView | None:
    """The one clip without a caption that a stray caption is meant for, its name differing by case or by `.mp4.txt`."""
    folder, _, base = caption.rpartition("/")
    near = clips.get((folder, PurePosixPath(base).stem.lower()), ())
    return near[0] if len(near) == 1 else None


@rule(
    "F03", WARNING, "a caption belongs to no clip", fix=_renamed,
    cost="nobody reads it: the words in it are trained with no sound",
    advice="rename it to its clip's name, or move it out of the folder",
)  # fmt: skip
def stray_caption(view: View) -> Iterator[Finding]:
    near = _captionless(view)
    for stray in view.strays if not (view.is_for(*READS_LISTINGS) and view.listings) else ():
        if stray.kind == "caption":
            clip = _meant(near, stray.name)
            if clip is not None:
                name = f"{clip.stem}.txt"
                yield stray_caption.finding(stray.name, f"it is called so and its clip {PurePosixPath(clip.name).name}",
                                            fix=f"rename it to {name}")  # fmt: skip
            elif PurePosixPath(stray.name).name.lower() not in ("readme.txt", "license.txt", "licence.txt"):
                yield stray_caption.finding(stray.name, "there is no clip of its name")
    yield from _listed_and_gone(view)
    for clip in view.clips:
        spelled = clip.extension
        if view.is_for("musubi", "wan") and spelled not in (spelled.lower(), spelled.upper()):
            yield stray_caption.finding(
                clip.name, f"its extension is spelled .{spelled}, and musubi lists .{spelled.lower()} and "
                f".{spelled.upper()} alone", cost="it is never heard or seen, and nothing says so",
                fix=f"rename it to .{spelled.lower()}",
            )  # fmt: skip


def _listed_and_gone(view: View) -> Iterator[Finding]:
    """Rows of a listing whose clip is not there; musubi's relative paths start where it runs, which nobody knows."""
    if view.trainer is not None and not view.is_for(*READS_LISTINGS, "musubi", "wan"):
        return
    for listing in view.listings:
        for record in listing.records if listing.form != "map" else ():
            path = Path((record.media or "").strip())
            known = path.is_absolute() or not view.is_for("musubi", "wan")
            if record.media and record.name is None and known and not (listing.path.parent / path).is_file():
                yield stray_caption.finding(
                    listing.name, f"{record.media} is listed and not there", line=record.line,
                    cost="preparing the dataset stops at it" if view.trainer else "trainers that read it stop there",
                    fix="mend its path, or take the record out", severity=ERROR if view.trainer else None,
                )  # fmt: skip


@rule(
    "F04", ERROR, "two clips of a folder share a name",
    cost="they share one caption and one cache: one of them is trained with the other's words or not at all",
    advice="rename one of them, its caption too",
)  # fmt: skip
def same_stem(view: View) -> Iterator[Finding]:
    for clips in _by(view, lambda clip: (clip.folder, clip.stem)):
        names = [PurePosixPath(clip.name).name for clip in clips]
        for clip in clips[1:]:
            yield same_stem.finding(clip.name, f"{' and '.join(names)} share the name {clip.stem}")


@rule(
    "F05", ERROR, "clips of two folders share a name and a cache", trainers=("musubi",),
    cost="musubi names caches by file name alone: one clip is trained with the other's picture, voice and words",
    advice="give every clip a name of its own, or each folder a cache_directory of its own",
)  # fmt: skip
def same_name(view: View) -> Iterator[Finding]:
    for clips in _by(view, lambda clip: clip.stem):
        folders = sorted({clip.folder for clip in clips})
        if len(folders) > 1:
            where = " and ".join(folder or "the dataset itself" for folder in folders)
            for clip in clips[1:]:
                yield same_name.finding(clip.name, f"{clip.stem} stands in {where}")


def _moved_aside(view: View, finding: Finding) -> Change | None:
    clip = view.by_name.get(finding.file)
    aside = (finding.file, *((clip.caption.name,) if clip is not None and clip.caption is not None else ()))
    return Change("it was moved out of the dataset", aside=aside)


@rule(
    "F06", ERROR, "clips that were put aside are trained", trainers=("ai-toolkit", "simpletuner"), fix=_moved_aside,
    cost="the loader walks into every folder: what you sorted out is heard and learnt like the rest",
    advice="move the folder out of the dataset",
)  # fmt: skip
def put_aside(view: View) -> Iterator[Finding]:
    for clip in view.clips:
        folder = next((part for part in PurePosixPath(clip.folder).parts if _is_aside(part)), None)
        if folder is not None:
            yield put_aside.finding(clip.name, f"it lies in {folder}/, whose clips are trained, too")


def _is_aside(folder: str) -> bool:
    name = folder.lower().strip("_-. ")
    return name in KEPT_ASIDE or folder.startswith(".")


@rule(
    "F07", ERROR, "a picture stands among the clips", trainers=("ai-toolkit", "simpletuner"), fix=_moved_aside,
    cost="it is trained as a clip of one frame without sound: thumbnails and contact sheets come back in what you "
    "generate",
    advice="move it out of the dataset",
)  # fmt: skip
def stray_image(view: View) -> Iterator[Finding]:
    taken = ("jpg", "jpeg", "png", "webp")
    for stray in view.strays:
        if stray.kind == "image" and (view.is_for("simpletuner") or stray.path.suffix[1:].lower() in taken):
            yield stray_image.finding(stray.name, "it is a picture")


@rule(
    "F08", ERROR, "a clip's name begins with latent_", trainers=("ltx", "id-lora"),
    cost="its caption is looked for under condition_..., is not found, and the clip is left out without a word",
    advice="rename the clip and its caption",
)  # fmt: skip
def latent_name(view: View) -> Iterator[Finding]:
    for clip in view.clips:
        if clip.stem.startswith("latent_"):
            yield latent_name.finding(clip.name, f"its name is {clip.stem}")


@rule(
    "F11", ERROR, "the loader does not take such a file",
    cost="the clip is never seen or heard, and nothing says so",
    advice="convert it to .mp4 (H.264 and AAC), or take it out",
)  # fmt: skip
def unknown_kind(view: View) -> Iterator[Finding]:
    for clip in view.clips:
        extension = clip.extension.lower()
        if not clip.usable:
            yield unknown_kind.finding(
                clip.name, clip.media.error or "it cannot be opened", cost="the loader skips it or stops at it",
                fix="export it again, or take it out",
            )  # fmt: skip
            continue
        if view.trainer is None:
            continue
        reader = view.config.through if view.config is not None and view.config.through else view.trainer
        video = VIDEO_OF.get(reader, frozenset())
        audio = frozenset[str]() if view.deaf else AUDIO_OF.get(reader)
        refused = (audio is not None and extension not in audio) if extension in AUDIO else (
            bool(video) and extension not in video
        )  # fmt: skip
        if refused:
            yield unknown_kind.finding(clip.name, f"{reader} lists no .{extension}")


@rule(
    "F13", WARNING, "a name has blanks at its edges, or a backslash",
    cost="metadata readers strip blanks, and a backslash is no folder on Linux: the clip is not found",
    advice="rename the clip and its caption",
)  # fmt: skip
def odd_name(view: View) -> Iterator[Finding]:
    for clip in view.clips:
        for part in PurePosixPath(clip.name).parts:
            if (what := _odd(part)) or (what := _odd(PurePosixPath(part).stem)):
                yield odd_name.finding(clip.name, f"{part!r} has {what}")
                break
    for listing in view.listings:
        for record in listing.records:
            spelled = record.media or ""
            if what := _odd(spelled):
                yield odd_name.finding(listing.name, f"the path {spelled!r} has {what}", line=record.line,
                                       fix="write it with / and without blanks around it")  # fmt: skip


def _odd(name: str) -> str | None:
    if "\\" in name:
        return "a backslash"
    return "blanks at its edge" if name != name.strip() else None


def _by(view: View, key: Callable[[ClipView], object]) -> Iterator[list[ClipView]]:
    """Groups of two and more clips."""
    groups: dict[object, list[ClipView]] = defaultdict(list)
    for clip in view.clips:
        groups[key(clip)].append(clip)
    yield from (group for group in groups.values() if len(group) > 1)


RULES = rules_in(globals())
