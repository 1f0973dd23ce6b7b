"""One trainer's export: which clips it gets, with which captions, in which files."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from captioner.drafting import Drafter
from captioner.errors import CaptionerError, UsageError
from captioner.exporting.choice import best, prompts, steps_for
from captioner.exporting.dataset import Clip, Dataset, with_template
from captioner.exporting.folder import Folder, Listing, changed, digest, read_listing
from captioner.exporting.forms import metadata
from captioner.exporting.heard import Refused, Told, times_said, told, trigger_of, without_trigger
from captioner.exporting.sound import ranked, reference_for, write_reference, write_still
from captioner.trainers import Trainer
from captioner.trainers._files import Bundle, Entry
from captioner.trainers._window import ClipFacts, Window

HF = "hf"
STEPS = 2000
SEED = 42


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks of an export."""

    root: str | None = None
    """Where OUT will stand on the machine that trains; None: where it stands now."""
    template: str | None = None
    left_to_trainer: bool = False
    """Whether the trainer adds the trigger; else it is in the captions."""
    split: float | None = None
    smoke: bool = False
    still: str | None = None
    copy: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """What one export came to."""

    target: str
    folder: str
    clips: int
    validation: int
    rendered: tuple[tuple[str, str], ...]
    """(id, words that are not heard) of clips whose caption was drafted again for the window."""
    refused: tuple[tuple[str, str], ...]
    """(id, why)."""
    notes: tuple[str, ...]
    stale: tuple[str, ...]


def kept(folder: Folder) -> list[str]:
    """What is said of texts that a person had changed in an export's folder."""
    return [
        f"{folder.path / place}: changed by hand; yours is kept in {folder.path / 'replaced'}, and what you change in "
        "OUT/clips goes everywhere"
        for place in folder.aside
    ]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A clip with the caption that goes out."""

    clip: Clip
    told: Told
    window: Window
    facts: ClipFacts
    trigger: str
    caption: str


class Work:
    """One trainer's export."""

    def __init__(
        self, dataset: Dataset, name: str, asked: Trainer, path: Path, wish: Wish, held: frozenset[str]
    ) -> None:
        self.dataset, self.name, self.asked, self.wish, self.held = dataset, name, asked, wish, held
        self.folder = Folder(path, read_listing(path), wish.copy)
        form = wish.template or getattr(asked, "TEMPLATE", None)
        self.again = form is not None and form != dataset.settings.template
        self.drafter: Drafter = with_template(dataset, form) if form is not None and self.again else dataset.drafter
        self.refused: list[tuple[str, str]] = list(dataset.left_out)
        self.notes: list[str] = []

    def run(self) -> Exported:
        clips = self._taken()
        facts = {clip.id: self._facts(clip) for clip in clips}
        options = self.asked.options_for(list(facts.values()))
        triggers = sorted({trigger_of(clip, self.drafter) for clip in clips})
        if self.wish.left_to_trainer:
            if len(triggers) != 1:
                raise UsageError(
                    f"--trigger trainer: it adds one trigger, and the speakers here have {', '.join(triggers)}; export "
                    "with --trigger baked"
                )
            options = self.asked.with_trigger(options, triggers[0])
        ready = [one for clip in clips if (one := self._ready(clip, facts[clip.id], options)) is not None]
        placed = self._placed(ready)
        bundle = self._bundle(placed, triggers)
        return self._written(bundle, options, ready)

    def _taken(self) -> list[Clip]:
        """The clips that this trainer can be given at all."""
        taken = []
        for clip in self.dataset.clips:
            if clip.sound_alone and not self.asked.TAKES_SOUND_ALONE and self.wish.still is None:
                told = "it is sound alone, which this trainer does not take; --still black (or a picture) shows one"
                self.refused.append((clip.id, told))
            elif clip.sound_alone and not self.asked.TAKES_SOUND:
                self.refused.append((clip.id, "it is sound alone, and this trainer hears nothing"))
            else:
                taken.append(clip)
        if self.wish.smoke and taken:
            training = [clip for clip in taken if clip.recording not in self.held]
            few = {clip.id for clip in best(training or taken, self.drafter)}
            taken = [clip for clip in taken if clip.id in few]
        return taken

    def _stilled(self, clip: Clip) -> bool:
        return clip.sound_alone and self.wish.still is not None

    def _facts(self, clip: Clip) -> ClipFacts:
        if not self._stilled(clip):
            return clip.facts
        width, height = self._still_size()
        return replace(clip.facts, frames=clip.cut.frames, rate=clip.cut.rate, width=width, height=height)

    def _still_size(self) -> tuple[int, int]:
        sizes = [(clip.facts.width, clip.facts.height) for clip in self.dataset.clips if clip.facts.frames]
        own = self.dataset.settings.frame_size
        return own or (max(sorted(set(sizes)), key=sizes.count) if sizes else (512, 512))

    def _ready(self, clip: Clip, facts: ClipFacts, options: Any) -> _Ready | None:
        window = self.asked.window(facts, options)
        answer = told(clip, window, self.asked, self.drafter, again=self.again)
        if isinstance(answer, Refused):
            self.refused.append((clip.id, answer.why))
            return None
        trigger = trigger_of(clip, self.drafter)
        caption = without_trigger(answer.caption, trigger) if self.wish.left_to_trainer else answer.caption
        often = times_said(self.asked.joined(caption, trigger, options), trigger)
        if often > 1:
            self.refused.append((clip.id, f"it would be trained with its trigger {often} times: {caption}"))
            return None
        if often == 0:
            self.refused.append((clip.id, f"it would be trained without its trigger {trigger}: {caption}"))
            return None
        self.notes += [f"{clip.id}: {note}" for note in answer.notes]
        if window.losses and self.asked.TAKES_SOUND:
            self.notes.append(f"{clip.id}: {'; '.join(window.losses)}")
        return _Ready(clip, answer, window, facts, trigger, caption)

    # -- files -----------------------------------------------------------------------------------------------------

    def _placed(self, ready: Sequence[_Ready]) -> list[tuple[_Ready, Entry]]:
        placed = []
        self.folder.begin(self._place(one) for one in ready)
        sides = {
            held: ranked([one.clip for one in ready if (one.clip.recording in self.held) is held])
            for held in (True, False)
        }
        for one in ready:
            reference = None
            if getattr(self.asked, "NEEDS_REFERENCE", False):
                other = reference_for(one.clip, sides[one.clip.recording in self.held])
                if other is None:
                    self.refused.append((one.clip.id, "there is no other clip of its speaker to be its reference"))
                    continue
                reference = self._reference(other)
            place = self._place(one)
            try:
                self._media(one, place)
            except CaptionerError as error:
                self.refused.append((one.clip.id, str(error)))
                continue
            entry = Entry(one.clip.id, place, one.caption, one.facts, one.trigger, one.clip.cut.speaker, reference)
            placed.append((one, entry))
        return placed

    def _place(self, one: _Ready) -> str:
        return f"{self._room(one)}/{one.clip.id}{'.mp4' if self._stilled(one.clip) else one.clip.media.suffix}"

    def _room(self, one: _Ready) -> str:
        validating = one.clip.recording in self.held
        if self.name == HF:
            return "validation" if validating else "train"
        if validating:
            return "validation"
        return "sound" if self.name == "simpletuner" and not one.facts.frames else "clips"

    def _reference(self, other: Clip) -> str:
        place = f"references/{other.id}_{digest(other.key)[:8]}.wav"
        if not self.folder.stands(place):
            write_reference(other, self.folder.fresh(place))
        return place

    def _media(self, one: _Ready, place: str) -> None:
        if not self._stilled(one.clip):
            self.folder.link(place, one.clip.media)
            return
        assert self.wish.still is not None
        before = self.folder.before
        known = before.clips.get(one.clip.id, {}) if before else {}
        if known.get("media") != self._made_from(one) or not self.folder.stands(place):
            write_still(one.clip, self.wish.still, self._still_size(), self.folder.fresh(place))

    def _made_from(self, one: _Ready) -> str:
        if not self._stilled(one.clip):
            return one.clip.key
        still = Path(str(self.wish.still))
        shown = str(still.stat().st_mtime_ns) if still.is_file() else ""
        return digest(f"{one.clip.key} {self.wish.still} {shown} {self._still_size()}")

    def _bundle(self, placed: Sequence[tuple[_Ready, Entry]], triggers: Sequence[str]) -> Bundle:
        training = tuple(entry for one, entry in placed if one.clip.recording not in self.held)
        chosen = [one.clip for one, _ in placed if one.clip.recording not in self.held]
        root = self.wish.root.rstrip("/") if self.wish.root else self.dataset.out.resolve().as_posix()
        bundle = Bundle(
            name=_slug(triggers[0] if len(triggers) == 1 else self.dataset.out.name),
            root=f"{root}/{self.folder.path.name}",
            training=training,
            validation=tuple(entry for one, entry in placed if one.clip.recording in self.held),
            trigger=triggers[0] if len(triggers) == 1 else None,
            steps=STEPS,
            seed=SEED,
        )
        if not self.wish.smoke or not chosen:
            return bundle
        said = prompts(sorted(chosen, key=lambda clip: clip.id), self.dataset.clips, self.drafter)
        return replace(bundle, smoke=True, steps=steps_for(len(chosen)), prompts=said)

    def _written(self, bundle: Bundle, options: Any, ready: Sequence[_Ready]) -> Exported:
        entries = (*bundle.training, *bundle.validation)
        if not bundle.training:
            self.notes.append("no clip is left to train on")
        files = self.asked.files(bundle, options) if bundle.training else {}
        if self.name == HF:
            files = {"train/metadata.jsonl": metadata(bundle.training, "train")} if bundle.training else {}
            if bundle.validation:
                files["validation/metadata.jsonl"] = metadata(bundle.validation, "validation")
        for place, text in files.items():
            self.folder.write(place, text)
        by_id = {one.clip.id: one for one in ready}
        made = {
            entry.id: {
                "place": entry.place,
                "media": self._made_from(by_id[entry.id]),
                "text": digest(f"{self.asked.joined(entry.caption, entry.trigger, options)}|{entry.reference}"),
            }
            for entry in entries
        }
        before = self.folder.before
        told_options = json.loads(json.dumps(asdict(options), default=str))
        listing = self.folder.finish(made, told_options)
        stale = self.asked.stale(changed(before, listing)) if before is not None and self.name != HF else []
        again = [(entry.id, by_id[entry.id].told) for entry in entries if by_id[entry.id].told.rendered]
        return Exported(
            target=self.name,
            folder=str(self.folder.path),
            clips=len(bundle.training),
            validation=len(bundle.validation),
            rendered=tuple((id_, " ".join(one.lost)) for id_, one in again),
            refused=tuple(self.refused),
            notes=(*self.notes, *self._hint(), *kept(self.folder), *self._strangers(listing)),
            stale=tuple(stale),
        )

    def _hint(self) -> list[str]:
        if not any(", and that cuts " in why for _, why in self.refused):
            return []
        return [f"`captioner build ... --for {self.name}` makes clips that it takes whole"]

    def _strangers(self, listing: Listing) -> list[str]:
        return [
            f"{self.folder.path / place}: put there by no export; the trainer may read it"
            for place in self.folder.strangers(listing)
        ]


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or "dataset"
