"""The dataset that is exported: written clips, what their files hold, and the words that stand beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from captioner.captionfiles import edited
from captioner.captions.text import one_line
from captioner.drafting import Drafter
from captioner.errors import MediaError, UsageError
from captioner.identities import people_of, relabelled
from captioner.rendering import remembered
from captioner.reviewlog import read_decisions
from captioner.settings import Settings, resolve
from captioner.store import ClipRow, Store, WrittenRow, unpack
from captioner.trainers._window import ClipFacts
from captioner.types import CLIP_RATE, Caption, Cut, cut_samples


@dataclass(frozen=True, slots=True)
class Clip:
    """One written clip."""

    id: str
    recording: str
    cut: Cut
    media: Path
    key: str
    """What its picture and sound were made from."""
    caption: str
    """What stands in its `.txt`."""
    by_hand: bool
    """Whether a person changed that."""
    adopted: str | None
    facts: ClipFacts
    texts: Mapping[str, str] = field(default_factory=dict)
    """A person's own, by field; what it says is in the cut."""

    @property
    def sound_alone(self) -> bool:
        return not self.facts.frames


@dataclass(frozen=True, slots=True)
class Dataset:
    out: Path
    clips: tuple[Clip, ...]
    drafter: Drafter
    settings: Settings
    left_out: tuple[tuple[str, str], ...] = ()
    """(id, why) of written clips that cannot be exported anywhere."""


def read_dataset(out: Path) -> Dataset:
    """Raises UsageError where nothing is written there, StoreError."""
    settings = resolve(flags={}, preset=remembered(out), environment={})
    decided = read_decisions(out)
    with Store(out / ".captioner") as store:
        rows = relabelled(store, store.clips())
        written = store.written()
        drafter = Drafter.of(settings).told(people_of(store)).hearing(cut for _, cut in rows)
    clips, left = [], []
    for row, cut in rows:
        if row.id in written:
            edits = decided.edits(row.id)
            said = drafter.edited(cut, unpack(row.draft, Caption), row.adopted, edits)[0]
            texts = {name: edit.text for name, edit in edits.items() if name not in ("speech", "words")}
            found = _clip(row, said, written[row.id], out / "clips", texts)
            if isinstance(found, Clip):
                clips.append(found)
            else:
                left.append((row.id, found))
    if not clips:
        raise UsageError(f"{out}: no clip is written here; `captioner build ... --yes` writes them")
    return Dataset(out, tuple(clips), drafter, settings, tuple(left))


def with_template(dataset: Dataset, template: str) -> Drafter:
    """The dataset's drafter in another dialect. Raises TemplateError."""
    settings = dataset.settings.model_copy(update={"template": template})
    fresh, old = Drafter.of(settings), dataset.drafter.captions
    captions = replace(fresh.captions, subjects=old.subjects, triggers=old.triggers, voices=old.voices)
    return replace(fresh, captions=captions)


def _clip(row: ClipRow, cut: Cut, made: WrittenRow, folder: Path, texts: Mapping[str, str]) -> Clip | str:
    """The clip, or why it cannot be used."""
    media, text = folder / made.media, folder / f"{row.id}.txt"
    try:
        stat = media.stat()
    except OSError:
        return f"{made.media} is gone from {folder}; `captioner build` writes it again"
    if (stat.st_size, stat.st_mtime_ns) != (made.size, made.mtime_ns):
        return f"{made.media} is not the file that captioner wrote; `captioner build` writes it again"
    by_hand = edited(text, made.caption)
    caption = made.caption
    if by_hand:
        try:
            caption = one_line(text.read_bytes().decode("utf-8-sig"))
        except UnicodeDecodeError:
            return f"{text.name} is not UTF-8: save it as UTF-8"
        if not caption:
            return f"{text.name} is empty: write its caption, or delete the file to have the draft back"
    try:
        facts = facts_of(media, cut)
    except MediaError as error:
        return str(error)
    return Clip(row.id, row.recording, cut, media, made.key, caption, by_hand, row.adopted, facts, texts)


def facts_of(media: Path, cut: Cut) -> ClipFacts:
    """What a loader finds in a clip that was verified when it was written. Raises MediaError."""
    _, samples = cut_samples(cut.start, cut.frames, cut.rate)
    if media.suffix == ".wav":
        return ClipFacts(0, None, sample_rate=CLIP_RATE, samples=samples)
    from captioner.media.container import opened

    with opened(media) as container:
        stream = container.streams.video[0]
        return ClipFacts(cut.frames, cut.rate, stream.width, stream.height, CLIP_RATE, samples)
