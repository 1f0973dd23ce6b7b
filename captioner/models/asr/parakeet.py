"""Parakeet, NVIDIA's FastConformer with a TDT, RNN-T or CTC head, on transformers: no NeMo. For a GPU.

On the open ASR leaderboard's A100 parakeet-tdt-0.6b hears some 3,300 times real time, seventeen times as fast as
Whisper large-v3-turbo, with fewer errors in English; a transducer's words come with their own frames. Any model in
transformers' layout: a repository or a folder. This code is compared with transformers' own search and times on made
weights, and has not been run with the published ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from captioner.errors import BackendMissing, ModelError, OutOfMemory, SettingsError
from captioner.models.asr import guards, packing
from captioner.models.asr.courses import Course, Steps, quietest_in, sound_of, transcript_of
from captioner.models.asr.guards import Hearing
from captioner.models.asr.lanes import Lanes
from captioner.models.asr.packing import Piece
from captioner.models.asr.parakeetfiles import DEFAULT, FILES, model_folder, opened, pieces_of
from captioner.models.asr.timing import UNSPACED, placed
from captioner.models.asr.tokenwords import Token, languages_of, mean_log_probability, raw_words
from captioner.models.fitting import Room, fitted
from captioner.models.protocols import Listening, Progress, Samples, Transcriber
from captioner.types import Transcript

if TYPE_CHECKING:
    from captioner.models.asr.parakeetnet import Net

VERSION = "parakeet 1"

GPU_COMMAND = "pip install 'captioner[gpu]'"
PRECISIONS = ("float32", "bfloat16", "float16")
ON_CPU = 9_000
"""Frames of 10 ms in one call, padding and all."""
ON_GPU = 384_000
"""More than an hour; past that nothing gets faster."""
SHARE = 0.3
"""Of the GPU's free memory that one call may take."""
A_FRAME = 70_000
"""Bytes a frame: the first convolution's 256 channels of 64 bands, in and out."""
PIECES = 768
"""Most pieces in one call."""
LANES = 3
"""While the GPU is at one batch, words are made of the one before and sound is read for the next."""


@dataclass(frozen=True, slots=True)
class Options:
    model: str | None = None
    """A hub repository such as nvidia/parakeet-tdt-0.6b-v3 (the default), or a folder in transformers' layout."""
    device: str = "auto"
    """cpu, cuda, cuda:1, or auto: a GPU where torch finds one."""
    precision: str = "auto"
    """The encoder's: float32, bfloat16, float16; auto is bfloat16 on a GPU, float32 on a CPU."""
    batch_size: int = 0
    """Most pieces heard at once; 0 for what the processor takes. Halved by itself where memory runs out."""
    language: str | None = None
    """ISO 639-1 of every recording that does not come with its own. The models do not say what they hear: without it
    the language of a model for several is unknown."""


def fingerprint(options: Options) -> tuple[str, ...]:
    """What the options do not say of the weights: size and time of a folder's files; () for names on the hub."""
    folder = Path(options.model or DEFAULT).expanduser()
    if not folder.is_dir():
        return ()
    files = sorted(file for pattern in FILES for file in folder.glob(pattern))
    states = [(file.name, file.stat()) for file in files]
    return (str(folder.resolve()), *(f"{name} {state.st_size} {state.st_mtime_ns}" for name, state in states))


def load(options: Options) -> Transcriber:
    """Raises BackendMissing without torch and a transformers that has Parakeet, WeightsMissing, ModelError for a model
    or a device that it cannot be, SettingsError."""
    if options.batch_size < 0 or options.precision not in ("auto", *PRECISIONS):
        raise SettingsError(f"asr_options: batch_size is 0 or more, precision auto, {', '.join(PRECISIONS)}")
    try:
        import torch
        import transformers
    except ImportError as error:
        raise BackendMissing(f"asr parakeet: {error}; {GPU_COMMAND}, or choose faster_whisper") from error
    from captioner.models.asr.parakeetnet import Net
    from captioner.models.asr.whisper_torch import torch_device

    device = torch_device(options.device)
    folder = model_folder(options.model or DEFAULT)
    pieces = pieces_of(folder)
    model, front = opened(transformers, folder)
    if any(pieces[model.config.vocab_size :]):
        raise ModelError(f"{folder}: the tokenizer is another model's: it has more tokens than the model says")
    pieces += [""] * (model.config.vocab_size - len(pieces))
    kind = options.precision if options.precision != "auto" else ("bfloat16" if device.type == "cuda" else "float32")
    frames = ON_CPU
    net = Net(model, front, pieces, device, getattr(torch, kind))
    if device.type == "cuda":
        frames = int(min(ON_GPU, max(3000, SHARE * torch.cuda.mem_get_info(device)[0] / A_FRAME)))
    known = languages_of(pieces)
    _check(options.language, known)
    return Parakeet(
        net, options.language, known, Room(frames), options.batch_size or PIECES, LANES if device.type == "cuda" else 1
    )


class Parakeet:
    """Recordings through one loaded model: pieces of one length together, whoever's they are."""

    def __init__(
        self, net: Net, language: str | None, known: frozenset[str] | None, room: Room, most: int, lanes: int
    ) -> None:
        self._net, self._language, self._known, self._room = net, language, known, room
        self._most, self._lanes = most, Lanes(lanes)
        self._alone = Lock()

    def transcribe(self, batch: Sequence[Listening], progress: Progress | None = None) -> list[Transcript]:
        courses = [self._course(index, item) for index, item in enumerate(batch)]
        step = Steps(courses, progress)
        groups = self._groups([piece for course in courses for piece in course.pieces])
        self._lanes.each(lambda group: self._group(courses, group, step), groups)
        step.rest()
        return [transcript_of(course) for course in courses]

    def _course(self, index: int, item: Listening) -> Course:
        language = item.language or self._language
        _check(language, self._known)
        if language is None and self._known is not None and len(self._known) == 1:
            (language,) = self._known
        return Course(item, packing.pieces(index, item.speech, item.audio.duration, quietest_in(item)), language)

    def _groups(self, own: Sequence[Piece]) -> list[list[Piece]]:
        """Shortest first: what is shorter than the longest waits for it."""
        groups: list[list[Piece]] = []
        for piece in sorted(own, key=_frames):
            room = self._room.most // _frames(piece)
            if not groups or len(groups[-1]) >= min(self._most, max(1, room)):
                groups.append([])
            groups[-1].append(piece)
        return groups

    def _group(self, courses: Sequence[Course], group: Sequence[Piece], step: Steps) -> None:
        pairs = [(piece, sound_of(courses[piece.recording], piece)) for piece in group]
        heard = fitted(self._hear, pairs, self._room, lambda pair: _frames(pair[0]))
        for piece, tokens in zip(group, heard, strict=True):
            course = courses[piece.recording]
            hearing = hearing_of(tokens, piece, self._net.frame, course.language)
            course.hearings[piece] = hearing
            course.doubts += [
                doubt
                for doubt in guards.faults(hearing, piece, course.language or "en")
                # An unknown language has no script to be wrong in.
                if course.language is not None or doubt.reason != "wrong-language"
            ]
            step.done(course, piece)

    def _hear(self, pairs: Sequence[tuple[Piece, Samples]]) -> list[list[Token]]:
        laid = self._net.laid([sound for _, sound in pairs])
        with self._alone:
            try:
                rows = self._net.heard(laid)
            except OutOfMemory:
                self._net.let_go()
                raise
        return self._net.told(rows)


def hearing_of(tokens: Sequence[Token], piece: Piece, frame: float, language: str | None) -> Hearing:
    """What was heard in a piece, on its recording's clock. `frame`: seconds of a frame of the encoder's."""
    raw = raw_words(tokens, frame, unspaced=language in UNSPACED)
    return Hearing(placed(raw, piece.heard, piece.speech), mean_log_probability(tokens) if raw else None)


def _frames(piece: Piece) -> int:
    """Frames of 10 ms that a piece takes of the room: whole seconds, as batches are laid out."""
    return max(1, -(-int(piece.heard.duration * 1000) // 1000)) * 100


def _check(language: str | None, known: frozenset[str] | None) -> None:
    """Raises SettingsError for a language that the model does not know."""
    if language is not None and known is not None and language not in known:
        raise SettingsError(
            f"language = {language!r}: the model does not know it; it knows {', '.join(sorted(known))}; "
            "choose --asr faster_whisper for others"
        )
