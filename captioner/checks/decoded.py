"""Decoded latents against their clips: what the model will really hear, before anything is trained.

`captioner check DATASET --decoded DIR`: the folder that `decode_latents.py --with-audio` and the like write. Each file
is found by its name, compared with the stretch of its clip that the trainer takes, and heard again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from captioner.checks.caches import ByPlace
from captioner.checks.captiontext import speech, word_errors
from captioner.checks.likeness import Likeness, likeness, pattern_of
from captioner.checks.view import AUDIO, VIDEO, ClipView, View
from captioner.errors import MediaError, ModelError, NoAudio, Silent
from captioner.models.protocols import Samples
from captioner.types import SPEECH_RATE

if TYPE_CHECKING:
    from captioner.models.protocols import Transcriber

SAME = 0.45
"""Correlation of the banks from which both are one sound. Of 29 stretches of 5 s of speech, telephone and music, the
same through AAC at 16 kb/s or a poor vocoder of 64 bands never fell below 0.65; noise never rose above 0.07, and
another stretch (144 pairs) never above 0.38."""
ONE_CLIP = 0.6
"""Correlation from which it is said to be the sound of another clip."""
SPOKEN = 2.5
"""DNSMOS of the voice from which something else is called speech: garbled bands reach 2.44, hiss 1.54."""
CHUNK = 32
"""Pairs in memory at a time."""
MOST_OTHERS = 200
"""Clips that a stray sound is compared with."""
LOUD_FRAMES = 0.4
"""Share of the frames, the quietest, that say nothing of a voice."""


class Kind(StrEnum):
    """What a decoded sound is."""

    SAME = "same"
    NOISE = "noise"
    OTHER = "other"
    """The sound of another clip of the dataset."""
    SPEECH = "speech"
    """Speech, and not the clip's."""
    SILENT = "silent"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Compared:
    """One decoded file and its clip."""

    file: str
    """As findings call it."""
    clip: str
    kind: Kind
    alike: Likeness | None = None
    """None for what is silent or broken, and for less than half a second."""
    other: str = ""
    """The clip whose sound it is; or why it is broken."""
    quality: float | None = None
    """DNSMOS of the whole; None where it cannot be said."""
    clip_quality: float | None = None
    voice: float | None = None
    """Likeness of the voices, -1 to 1."""
    expected: str | None = None
    """Words that should be heard; None where nobody knows."""
    heard: str | None = None
    """None where nobody listened."""
    clip_heard: str | None = None
    """What the same ears hear in the clip itself; only where the decoded words are wrong."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of a whole folder."""

    pairs: tuple[Compared, ...] = ()
    strangers: tuple[str, ...] = ()
    """Decoded files whose clip is not in the dataset."""
    missing: tuple[str, ...] = ()
    """Clips with sound and no decoded file."""
    deaf: str = ""
    """Why the words were not heard again; empty where they were."""


def kind_of(pattern: float, voice_quality: float | None) -> Kind:
    """What a sound is that fits its clip this well; `voice_quality` is DNSMOS's of the decoded voice."""
    if pattern >= SAME:
        return Kind.SAME
    return Kind.SPEECH if (voice_quality or 0.0) >= SPOKEN else Kind.NOISE


def compare(view: View, threads: int = 0) -> Comparison:
    """Every decoded file with its clip. Raises UsageError for a folder that is not there."""
    found = list(decoded_files(view.decoded))
    places = ByPlace(view.playable)
    pairs = [(path, shown, _clip_of(key, places)) for path, shown, key in found]
    known = [(path, shown, clip) for path, shown, clip in pairs if clip is not None]
    ears = _Ears(threads)
    done: list[Compared] = []
    for first in range(0, len(known), CHUNK):
        done += _chunk(view, known[first : first + CHUNK], ears)
    with_sound = {clip.name for clip in view.playable if clip.media.audio}
    return Comparison(
        tuple(_whose(view, one, known) if one.kind in (Kind.NOISE, Kind.SPEECH) else one for one in done),
        tuple(shown for _, shown, clip in pairs if clip is None),
        tuple(sorted(with_sound - {clip.name for _, _, clip in known})) if known else (), ears.deaf,
    )  # fmt: skip


def decoded_files(folders: Sequence[Path]) -> Iterator[tuple[Path, str, str]]:
    """Path, what findings call it, and the key that its clip is found by. Sound goes before a film of the same name."""
    from captioner.errors import UsageError

    for top in folders:
        if not top.is_dir():
            raise UsageError(f"--decoded {top}: no such folder; give the one that the latents were decoded into")
        best: dict[str, Path] = {}
        for path in sorted(top.rglob("*")):
            kind = path.suffix[1:].lower()
            if kind in AUDIO or kind in VIDEO:
                key = path.relative_to(top).with_suffix("").as_posix()
                if key not in best or kind in AUDIO:
                    best[key] = path
        yield from ((path, f"{top.name}/{path.relative_to(top).as_posix()}", key) for key, path in best.items())


def _clip_of(key: str, places: ByPlace) -> ClipView | None:
    """By its place, then by its stem alone, then by the stem before what a cache adds: `take1_00000-121_0960x0544`."""
    stem = key.rpartition("/")[2]
    for name in (key, stem, *(stem[:at] for at in range(len(stem) - 1, 0, -1) if stem[at] == "_")):
        clip = places.clip(name)
        if clip is not None:
            return clip
    return None


def _chunk(view: View, pairs: Sequence[tuple[Path, str, ClipView]], ears: _Ears) -> list[Compared]:
    done: list[Compared] = []
    sounds: dict[str, tuple[Samples, Samples]] = {}
    with TemporaryDirectory(prefix="captioner-") as scratch:
        for path, shown, clip in pairs:
            begun = Compared(shown, clip.name, Kind.SAME, expected=_expected(view, clip))
            try:
                one = clip_sound(view, clip, Path(scratch))
            except MediaError:
                continue  # rules of the audio say so
            try:
                other = read_sound(path, Path(scratch))
            except Silent:
                done.append(replace(begun, kind=Kind.SILENT))
            except NoAudio:
                done.append(replace(begun, kind=Kind.BROKEN, other="it holds no sound; decode with audio"))
            except MediaError as error:
                done.append(replace(begun, kind=Kind.BROKEN, other=str(error).removeprefix(f"{path}: ")))
            else:
                done.append(_measured(begun, one, other, ears))
                sounds[shown] = (one, other)
    return _listened(done, sounds, ears)


def read_sound(path: Path, scratch: Path) -> Samples:
    """A file's sound, 16 kHz mono. Raises MediaError."""
    from captioner.media.probe import probe
    from captioner.media.sound import PcmFile, decode_speech

    target = scratch / "sound.s16"
    decode_speech(path, *probe(path), target)
    try:
        sound = PcmFile(target)
        return sound.read(0.0, sound.duration)
    finally:
        target.unlink(missing_ok=True)


def clip_sound(view: View, clip: ClipView, scratch: Path) -> Samples:
    """The stretch of a clip that the trainer takes, or all of it where no trainer is named."""
    sound = read_sound(clip.path, scratch)
    window = view.window(clip)
    if window is None or not window.listed or not window.samples:
        return sound
    return sound[max(0, round(window.start * SPEECH_RATE)) : round(window.end * SPEECH_RATE)]


def _measured(begun: Compared, one: Samples, other: Samples, ears: _Ears) -> Compared:
    alike = likeness(one, other)
    quality = ears.opinion(other)
    before = ears.opinion(one)
    kind = kind_of(alike.pattern, quality.speech) if alike is not None and alike.tempo == 1.0 else Kind.SAME
    return replace(
        begun, kind=kind, alike=alike, quality=quality.overall, clip_quality=before.overall,
        voice=ears.voices(one, other) if alike is not None and alike.tempo == 1.0 else None,
    )  # fmt: skip


def _expected(view: View, clip: ClipView) -> str | None:
    """The words that lie in what the trainer hears; what the caption quotes where no times are known."""
    from captioner.checks.rules_captions_said import heard_words

    known = heard_words(view, clip)
    return known if known is not None else speech(clip.text or "")


def _listened(done: list[Compared], sounds: dict[str, tuple[Samples, Samples]], ears: _Ears) -> list[Compared]:
    """The words of the decoded sounds; of the clips, too, where those are wrong."""
    todo = [one for one in done if one.file in sounds and one.kind is Kind.SAME and one.expected]
    heard = dict(zip((one.file for one in todo), ears.words([sounds[one.file][1] for one in todo]), strict=False))
    doubted = [one for one in todo if one.file in heard and word_errors(one.expected or "", heard[one.file]) > 0]
    clips = dict(zip((one.file for one in doubted), ears.words([sounds[one.file][0] for one in doubted]), strict=False))
    return [replace(one, heard=heard.get(one.file), clip_heard=clips.get(one.file)) for one in done]


def _whose(view: View, one: Compared, known: Sequence[tuple[Path, str, ClipView]]) -> Compared:
    """The clip that a stray sound comes from, where it is one of the dataset's."""
    path = next(path for path, shown, _ in known if shown == one.file)
    others = [clip for clip in view.playable if clip.name != one.clip and clip.media.audio][:MOST_OTHERS]
    best, name = 0.0, ""
    with TemporaryDirectory(prefix="captioner-") as scratch:
        sound = read_sound(path, Path(scratch))
        for clip in others:
            try:
                best, name = max((best, name), (pattern_of(clip_sound(view, clip, Path(scratch)), sound), clip.name))
            except MediaError:
                continue
    return replace(one, kind=Kind.OTHER, other=name) if best >= ONE_CLIP else one


class _Ears:
    """The models, each loaded when it is first needed."""

    def __init__(self, threads: int) -> None:
        from captioner.models.embedding import Embedder
        from captioner.models.voice.mos import Opinion

        self._threads = threads
        self.opinion = Opinion(threads)
        self._embedder = Embedder(threads)
        self._transcriber: Transcriber | None = None
        self.deaf = ""

    def voices(self, one: Samples, other: Samples) -> float | None:
        """How alike the voices are; None where there is too little of them."""
        from captioner.models.embedding import banks

        vectors = []
        for samples in (one, other):
            rows = banks(samples)
            if len(rows) < SPEECH_RATE // 160:  # a second
                return None
            energy = rows.mean(axis=1)
            vectors.append(self._embedder.embed(rows[energy > np.quantile(energy, LOUD_FRAMES)]))
        return round(float(vectors[0] @ vectors[1]), 3)

    def words(self, sounds: Sequence[Samples]) -> list[str]:
        """What is said in each; nothing where there is no transcriber, and `deaf` says why."""
        from captioner.media.pcm import Samples16k
        from captioner.models.asr.faster_whisper import Options, load
        from captioner.models.protocols import Listening
        from captioner.times import Span

        if not sounds or self.deaf:
            return []
        try:
            self._transcriber = self._transcriber or load(Options(threads=self._threads))
            batch = [Listening(Samples16k(one), (Span.at(0.0, len(one) / SPEECH_RATE),)) for one in sounds]
            told = self._transcriber.transcribe(batch)
        except ModelError as error:
            self.deaf = str(error)
            return []
        return [" ".join(word.text for word in one.words) for one in told]
